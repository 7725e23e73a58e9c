/*
 * A real database, authority and enrolment service in a temporary directory,
 * and devices made in it by hand: for tests of enroll-profiles/ and api/.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/pl.h"
#include "enroll-profiles/enroll_priv.h"
#include "store/store_event.h"
#include "tests/store/database.h"

#define OK(call)                                                               \
	do {                                                                   \
		struct err e = { 0 };                                          \
		if (!(call))                                                   \
			fail_msg("%s: %s", #call, e.text);                     \
	} while (0)

#define TEST_TOPIC "com.apple.mgmt.External.0f3a"

struct site {
	char dir[64];
	struct store *store;
	struct seal *seal;
	struct cert_live *live;
	struct cert_authority *authority; /* its first snapshot */
	struct enroll_service *enroll;
	struct buf *tls_cert, *tls_key;
};

static inline int
site_unlink(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static inline void
site_enroll(struct site *s, struct enroll_options o)
{
	enroll_service_free(&s->enroll);
	o.store = s->store;
	o.seal = s->seal;
	o.live = s->live;
	o.organization =
	    o.organization != NULL ? o.organization : "Acme & <Co>";
	o.public_url = "https://mdm.example.com";
	o.signer_cert_pem = buf_str(s->tls_cert);
	o.signer_key_pem = buf_str(s->tls_key);
	o.topic = o.topic != NULL ? o.topic : TEST_TOPIC;
	OK(enroll_service_new(&o, &s->enroll, &e));
}

static inline struct site *
site_open(void)
{
	struct site *s = calloc(1, sizeof(*s));
	char db[96], key[96];

	log_set_level(LOG_ERROR);
	snprintf(s->dir, sizeof(s->dir), "/tmp/test-enroll-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(db, sizeof(db), "%s/db", s->dir);
	snprintf(key, sizeof(key), "%s/master", s->dir);
	AUTO(str_free) char *database = test_database(db);
	struct store_options so = { .path = database };
	OK(store_open(&so, &s->store, &e));
	OK(seal_open(key, &s->seal, &e));
	struct cert_authority_options ao = { .vault = { .seal = s->seal },
		.organization = "Acme" };
	OK(cert_live_open(s->store, &ao, &s->live, &e));
	s->authority = cert_live_get(s->live);
	OK(cert_authority_tls(
	    s->authority, "mdm.example.com", &s->tls_cert, &s->tls_key, &e));
	site_enroll(s, (struct enroll_options){ .ship_anchors = true });
	return s;
}

static inline void
site_close(struct site *s)
{
	clock_set_offset_ms(0);
	enroll_service_free(&s->enroll);
	buf_free(&s->tls_cert);
	buf_wipe(&s->tls_key);
	cert_authority_free(&s->authority);
	cert_live_free(&s->live);
	seal_free(&s->seal);
	store_close(&s->store);
	nftw(s->dir, site_unlink, 8, FTW_DEPTH | FTW_PHYS);
	free(s);
}

static inline int
site_setup(void **state)
{
	*state = site_open();
	return 0;
}

static inline int
site_teardown(void **state)
{
	site_close(*state);
	return 0;
}

static inline struct store_tx *
site_write(struct site *s)
{
	struct store_tx *tx = NULL;

	OK(store_begin(s->store, STORE_WRITE, &tx, &e));
	return tx;
}

static inline void
site_commit(struct store_tx *tx)
{
	OK(store_commit(&tx, &e));
}

/* One number of the database. */
static inline int64_t
site_number(struct site *s, const char *sql, const char *arg)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;
	struct store_value none[] = { { .type = STORE_END } };
	struct store_value some[] = { S_TEXT(arg), { .type = STORE_END } };

	OK(store_begin(s->store, STORE_READ, &tx, &e));
	OK(store_query(tx, sql, arg != NULL ? some : none, &r, &e));
	OK(store_next(r, &more, &e));
	assert_true(more);
	return store_int(r, 0);
}

/* One text of the database, "" for none; in a buffer of its own. */
static inline const char *
site_text(struct site *s, const char *sql, const char *arg)
{
	static char text[1024];
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	OK(store_begin(s->store, STORE_READ, &tx, &e));
	OK(store_query(tx, sql, S_ARGS(S_TEXT(arg)), &r, &e));
	OK(store_next(r, &more, &e));
	text[0] = '\0';
	if (more && store_text(r, 0) != NULL)
		str_copy_cut(text, sizeof(text), store_text(r, 0));
	return text;
}

struct mac {
	const char *id, *serial, *name, *chip, *model;
	bool left;
};

/* A device and, unless it left, its enrolled channel (of the same id). */
static inline void
site_mac(struct site *s, struct mac m)
{
	struct store_tx *tx = site_write(s);
	const char *state = m.left ? "left" : "enrolled";
	int64_t now = clock_now_ms();

	OK(store_exec(tx,
	    "INSERT INTO device (id, udid, serial, state, name, model_id, "
	    "chip, created_at, updated_at) "
	    "VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $7)",
	    S_ARGS(S_TEXT(m.id), S_TEXT(m.serial), S_TEXT(state),
	        S_TEXT(m.name), S_TEXT(m.model),
	        S_TEXT(m.chip != NULL ? m.chip : "unknown"), S_INT(now)),
	    NULL, &e));
	OK(store_exec(tx,
	    "INSERT INTO enrollment (id, device_id, channel, state, topic, "
	    "push_token, push_magic, token_at) "
	    "VALUES ($1, $1, 'device', $2, $3, $4, 'magic', $5)",
	    S_ARGS(S_TEXT(m.id), S_TEXT(state), S_TEXT(TEST_TOPIC),
	        S_BLOB(slice_str("0123456789abcdef0123456789abcdef")),
	        S_INT(now)),
	    NULL, &e));
	site_commit(tx);
}

static inline struct mdm_device
site_find(struct store_tx *tx, const char *any)
{
	struct mdm_device d;

	OK(mdm_device_find(tx, any, &d, &e));
	return d;
}

/* How many events of a kind there are. */
static inline int64_t
site_events(struct site *s, const char *kind)
{
	return site_number(
	    s, "SELECT COUNT(*) FROM event WHERE kind = $1", kind);
}

/* The Command dictionary that a renderer writes; pl_free(). */
static inline struct pl *
site_rendered(struct site *s, const struct mdm_renderer *m, const char *ref,
    const char *command_id)
{
	AUTO(buf_free) struct buf *dict = buf_new(1 << 20);
	AUTO(buf_free) struct buf *doc = buf_new(1 << 20);
	struct store_tx *tx = site_write(s);
	struct pl *p = NULL;

	OK(m->render(tx, ref, command_id, dict, m->arg, &e));
	site_commit(tx);
	pl_begin(doc);
	buf_adds(doc, buf_str(dict));
	pl_end(doc);
	OK(pl_parse(buf_slice(doc), &p, &e));
	return p;
}
