/* Templates with challenges of other kinds, and requests to their addresses. */
#pragma once

#include "certs/cert_template_set.h"
#include "core/json.h"
#include "scep/scep_priv.h"
#include "scep/scep_secret.h"
#include "tests/unit/core_test.h"
#include "tests/unit/scep_answer.h"

#define STATIC_SECRET "correct-horse-battery"

struct template_change {
	const struct seal *seal;
	const char *name, *text; /* what it says; or, with secret, its names */
	const char *secret;
};

static UNUSED bool
template_change(struct store_tx *tx, void *arg, struct err *e)
{
	const struct template_change *c = arg;
	AUTO(json_free) json_t *j = NULL;
	struct scep_secret_made made;

	if (c->text != NULL && !json_parse_any(slice_str(c->text), &j, e))
		return false;
	return c->secret != NULL ? scep_secret_set(tx, c->seal,
	                               &(struct scep_secret_wish){
	                                   c->name, c->secret, j, "test" },
	                               &made, e)
	                         : cert_template_put(tx, c->name, j, "test", e);
}

/* A template that says this. */
static UNUSED void
world_template(struct world *w, const char *name, const char *text)
{
	struct template_change c = { w->seal, name, text, NULL };
	struct err e = { 0 };
	bool changed;

	if (!store_write(w->store, template_change, &c, &e) ||
	    !cert_live_refresh(w->live, &changed, &e))
		fail_msg("%s", e.text);
}

/* Its secret, and for whom; names NULL: of a webhook. */
static UNUSED void
world_secret(struct world *w, const char *name, const char *names)
{
	struct template_change c = { w->seal, name, names, STATIC_SECRET };
	struct err e = { 0 };

	if (!store_write(w->store, template_change, &c, &e))
		fail_msg("%s", e.text);
}

/* How a request differs from a good first one by w->key. */
struct visit {
	const char *template; /* of the address; NULL: none */
	const char *challenge, *cn, *tid, *type, *peer;
	const char *const *also; /* of struct forge_csr */
	EVP_PKEY *key;           /* to be certified */
	const EVP_MD *md;        /* of the CSR; NULL: SHA-256 */
	X509 *signer;            /* of w->key */
	STACK_OF(X509_EXTENSION) * extensions;
	int extensions_nid; /* 0: PKCS #9 */
};

static UNUSED struct answer
visit(struct world *w, struct visit v)
{
	AUTO(buf_free)
	struct buf *csr =
	    forge_csr_make((struct forge_csr){ .key = v.key ? v.key : w->key,
	        .cn = v.cn,
	        .also = v.also,
	        .md = v.md,
	        .challenge =
	            v.challenge ? slice_str(v.challenge) : slice_of(NULL, 0),
	        .extensions = v.extensions,
	        .extensions_nid = v.extensions_nid });
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { w->ra } }, buf_slice(csr));
	struct forge_message m = forge_message(
	    w->key, v.signer ? v.signer : w->signer, buf_slice(env));
	struct scep_from from = { v.peer ? v.peer : "192.0.2.1", v.template };
	AUTO(buf_free) struct buf *bytes = NULL;
	AUTO(buf_free) struct buf *reply = NULL;
	struct answer a = { .status = -1, .fail = -1 };
	struct err e = { 0 };

	if (v.tid != NULL)
		m.attrs[FORGE_TRANSACTION].value = slice_str(v.tid);
	if (v.type != NULL)
		m.attrs[FORGE_MESSAGE_TYPE].value = slice_str(v.type);
	bytes = forge_signed(&m);
	if (!scep_operation_at(w->service, buf_slice(bytes), &from, &reply, &e))
		fail_msg("%s", e.text);
	answer_read(w, &m, buf_slice(reply), &a);
	return a;
}

/* A refusal that says so. */
static UNUSED void
visit_refused(struct world *w, struct visit v, const char *text)
{
	AUTO(answer_clear) struct answer a = visit(w, v);

	assert_int_equal(a.status, SCEP_FAILURE);
	if (strstr(a.text, text) == NULL)
		fail_msg("\"%s\", not \"%s\"", a.text, text);
}

static UNUSED void
visit_pending(struct world *w, struct visit v)
{
	AUTO(answer_clear) struct answer a = visit(w, v);

	if (a.status != SCEP_PENDING)
		fail_msg("status %d: %s", a.status, a.text);
}

/* A certificate in this name; the caller's. */
static UNUSED X509 *
visit_named(struct world *w, struct visit v, const char *cn)
{
	struct answer a = visit(w, v);
	char got[64];

	if (a.status != SCEP_SUCCESS)
		fail_msg("status %d: %s", a.status, a.text);
	cert_subject_value(a.cert, NID_commonName, got, sizeof(got));
	assert_string_equal(got, cn);
	return a.cert;
}

/* The one that waits for a person. */
static UNUSED void
id_of_pending(struct world *w, char out[UUID_SIZE])
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	assert_ok(store_begin(w->store, STORE_READ, &tx, e));
	assert_ok(store_query(tx,
	    "SELECT id FROM scep_request WHERE state = 'pending'", S_ARGS(), &r,
	    e));
	assert_ok(store_next(r, &more, e));
	assert_true(more);
	store_text_copy(r, 0, out, UUID_SIZE);
}
