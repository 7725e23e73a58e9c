/*
 * A SCEP service over a real database and authority in a temporary directory,
 * and what tests do with it: make challenges, send forged requests, check the
 * shape of what comes back.
 */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "certs/cert_ledger.h"
#include "core/clock.h"
#include "core/log.h"
#include "scep/scep_challenge.h"
#include "scep/scep_message.h"
#include "scep/scep_service.h"
#include "tests/store/database.h"
#include "tests/unit/scep_forge_signed.h"

struct world {
	char dir[64];
	struct store *store;
	struct seal *seal;
	struct cert_live *live;
	struct cert_authority *authority; /* its first snapshot */
	struct scep_service *service;
	struct cert_crl *crl; /* NULL unless a test makes it */
	EVP_PKEY *key, *key2; /* of devices; RSA-2048 */
	X509 *signer;         /* self-signed, of key */
	X509 *ra;             /* borrowed */
	bool outside;         /* answers may hold a chain */
};

static UNUSED int
world_unlink(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static UNUSED void
world_service(struct world *w, struct scep_options o)
{
	struct err e = { 0 };

	scep_service_free(&w->service);
	o.store = w->store;
	o.seal = w->seal;
	o.live = w->live;
	o.crl = w->crl;
	if (!scep_service_new(&o, &w->service, &e))
		fail_msg("%s", e.text);
}

static UNUSED struct world *
world_make(bool single)
{
	struct world *w = calloc(1, sizeof(*w));
	char db[96], key[96];
	struct err e = { 0 };

	log_set_level(LOG_ERROR);
	snprintf(w->dir, sizeof(w->dir), "/tmp/test-scep-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(db, sizeof(db), "%s/db", w->dir);
	snprintf(key, sizeof(key), "%s/master", w->dir);
	AUTO(str_free) char *database = test_database(db);
	struct store_options so = { .path = database };
	if (!store_open(&so, &w->store, &e) || !seal_open(key, &w->seal, &e))
		fail_msg("%s", e.text);
	struct cert_authority_options ao = { .vault = { .seal = w->seal },
		.organization = "Test",
		.single = single };
	if (!cert_live_open(w->store, &ao, &w->live, &e))
		fail_msg("%s", e.text);
	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
	w->authority = cert_live_get(w->live);
	w->ra = cert_authority_ra(w->authority);
	w->key = forge_rsa(2048);
	w->key2 = forge_rsa(2048);
	w->signer = forge_certificate((struct forge_cert){ .key = w->key });
	return w;
}

static UNUSED struct world *
world_open(void)
{
	return world_make(false);
}

static UNUSED void
world_close(struct world *w)
{
	scep_service_free(&w->service);
	cert_crl_free(&w->crl);
	cert_authority_free(&w->authority);
	cert_live_free(&w->live);
	seal_free(&w->seal);
	store_close(&w->store);
	EVP_PKEY_free(w->key);
	EVP_PKEY_free(w->key2);
	X509_free(w->signer);
	nftw(w->dir, world_unlink, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
}

/* For cmocka_run_group_tests(). */
static UNUSED int
world_setup(void **state)
{
	*state = world_open();
	return 0;
}

static UNUSED int
world_teardown(void **state)
{
	clock_set_offset_ms(0);
	world_close(*state);
	return 0;
}

struct challenge {
	char text[SCEP_CHALLENGE_SIZE], id[37];
};

static UNUSED struct challenge
world_grant(struct world *w, struct scep_grant g)
{
	static const struct cert_subject subject = { .cn = "device-1",
		.o = "Test" };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct challenge c = { 0 };
	struct err e = { 0 };

	g.template = g.template ? g.template : CERT_TEMPLATE_DEVICE;
	g.purpose = g.purpose ? g.purpose : "enroll";
	g.subject = g.subject ? g.subject : &subject;
	g.ttl_ms = g.ttl_ms ? g.ttl_ms : MS_H;
	if (!store_begin(w->store, STORE_WRITE, &tx, &e) ||
	    !scep_challenge_new(tx, w->seal, &g, c.text, c.id, &e) ||
	    !store_commit(&tx, &e))
		fail_msg("%s", e.text);
	return c;
}

static UNUSED struct challenge
world_challenge(struct world *w)
{
	return world_grant(w, (struct scep_grant){ 0 });
}

/* First column of the first row; 0 when there is none. */
static UNUSED int64_t
world_number(struct world *w, const char *sql, const char *arg)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more = false;

	if (!store_begin(w->store, STORE_READ, &tx, &e) ||
	    !store_query(tx, sql, S_ARGS(S_TEXT(arg)), &r, &e) ||
	    !store_next(r, &more, &e))
		fail_msg("%s", e.text);
	return more ? store_int(r, 0) : 0;
}

static UNUSED int64_t
world_issued_for(struct world *w, const struct challenge *c)
{
	return world_number(w,
	    "SELECT count(*) FROM certificate WHERE challenge_id = $1", c->id);
}

static UNUSED bool
world_spent(struct world *w, const struct challenge *c)
{
	return world_number(w,
	           "SELECT count(*) FROM challenge WHERE id = $1"
	           " AND used_at IS NOT NULL",
	           c->id) == 1;
}

/* A good PKCSReq of w->key, as DER. */
static UNUSED struct buf *
world_request(struct world *w, const char *challenge)
{
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = w->key, .challenge = slice_str(challenge) });
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { w->ra } }, buf_slice(csr));
	struct forge_message m =
	    forge_message(w->key, w->signer, buf_slice(env));

	return forge_signed(&m);
}

/* What came back. */
struct answer {
	bool http_400;
	int status, fail; /* as in the attributes; -1: absent */
	char text[256];
	X509 *cert;
	int certs; /* with those above it */
	X509_CRL *crl;
};

static UNUSED void
answer_clear(struct answer *a)
{
	X509_free(a->cert);
	X509_CRL_free(a->crl);
	*a = (struct answer){ 0 };
}
