/*
 * A database, copied or on a stolen disk, tells nobody the challenges of the
 * requests that wait in it, or did.
 */
#include <dirent.h>

#include "core/json.h"
#include "scep/scep_approval.h"
#include "tests/unit/scep_template_fixture.h"
#include "tests/unit/scep_upstream_fixture.h"

static bool
file_holds(const char *path, const char *text)
{
	enum { MOST = 64 << 20 };
	char *all = malloc(MOST);
	FILE *f = fopen(path, "rb");
	size_t len = f != NULL ? fread(all, 1, MOST, f) : 0;
	bool found = memmem(all, len, text, strlen(text)) != NULL;

	if (f != NULL)
		fclose(f);
	free(all);
	return found;
}

static bool
rows_hold(struct world *w, const char *text)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more = true, found = false;

	assert_ok(store_begin(w->store, STORE_READ, &tx, e));
	assert_ok(
	    store_query(tx, "SELECT csr FROM scep_request", S_ARGS(), &r, e));
	for (;;) {
		assert_ok(store_next(r, &more, e));
		if (!more)
			return found;
		struct slice csr = store_blob(r, 0);
		found =
		    found || memmem(csr.p, csr.len, text, strlen(text)) != NULL;
	}
}

/* In the rows, and, where those are files of ours, in these. */
static bool
database_holds(struct world *w, const char *text)
{
	bool found = rows_hold(w, text);
	DIR *d = opendir(w->dir);

	assert_non_null(d);
	for (struct dirent *one; (one = readdir(d)) != NULL;) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", w->dir, one->d_name);
		found = found || file_holds(path, text);
	}
	closedir(d);
	return found;
}

static void
gates(struct world *w)
{
	world_template(
	    w, "gates", "{\"challenge\":\"static\",\"approval\":true}");
	world_secret(w, "gates", "[\"gate-1\",\"gate-2\"]");
}

static void
a_static_challenge_is_not_in_the_database(void **state)
{
	struct world *w = *state;
	struct visit v = { .template = "gates",
		.challenge = STATIC_SECRET,
		.cn = "gate-1",
		.tid = "W-1" };
	char id[UUID_SIZE];

	gates(w);
	visit_pending(w, v);
	assert_false(database_holds(w, STATIC_SECRET));
	id_of_pending(w, id);
	assert_ok(scep_approve(w->service, id, "test", e));
	assert_false(database_holds(w, STATIC_SECRET));
	X509_free(visit_named(w, v, "gate-1"));
	v.key = w->key2;
	v.cn = "gate-2";
	v.tid = "W-2";
	visit_pending(w, v);
	id_of_pending(w, id);
	assert_ok(scep_reject(w->service, id, NULL, "test", e));
	visit_refused(w, v, "rejected");
	assert_false(database_holds(w, STATIC_SECRET));
}

/* As an older program wrote it. */
static void
uncover(struct world *w, const char *id, EVP_PKEY *key)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){ .key = key,
	    .cn = "gate-1",
	    .challenge = slice_str(STATIC_SECRET) });

	assert_ok(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_ok(
	    store_exec(tx, "UPDATE scep_request SET csr = $1 WHERE id = $2",
	        S_ARGS(S_BLOB(buf_slice(csr)), S_TEXT(id)), NULL, e));
	assert_ok(store_commit(&tx, e));
}

static int64_t
rows_in_the_clear(struct world *w)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	assert_ok(store_begin(w->store, STORE_READ, &tx, e));
	assert_ok(store_query(tx,
	    "SELECT count(*) FROM scep_request WHERE substr(csr, 1, 1) = $1",
	    S_ARGS(S_BLOB(slice_str("0"))), &r, e));
	assert_ok(store_next(r, &more, e));
	return store_int(r, 0);
}

static void
older_rows_are_read_and_then_sealed(void **state)
{
	struct world *w = *state;
	EVP_PKEY *keys[] = { forge_rsa(2048), forge_rsa(2048) };
	struct visit v = {
		.template = "gates", .challenge = STATIC_SECRET, .cn = "gate-1"
	};

	gates(w);
	for (size_t i = 0; i < COUNT(keys); i++) {
		char id[UUID_SIZE];

		v.key = keys[i];
		v.tid = i == 0 ? "W-3" : "W-4";
		visit_pending(w, v);
		id_of_pending(w, id);
		uncover(w, id, keys[i]);
		assert_int_equal(rows_in_the_clear(w), i + 1);
		if (i == 1)
			break;
		assert_ok(scep_approve(w->service, id, "test", e));
		X509_free(visit_named(w, v, "gate-1"));
	}
	assert_ok(scep_service_purge(w->service, NULL, e));
	assert_int_equal(rows_in_the_clear(w), 0);
	char id[UUID_SIZE];
	id_of_pending(w, id);
	assert_ok(scep_approve(w->service, id, "test", e));
	X509_free(visit_named(w, v, "gate-1"));
	for (size_t i = 0; i < COUNT(keys); i++)
		EVP_PKEY_free(keys[i]);
}

/* A sealed CSR belongs to its row. */
static void
what_does_not_open_is_not_approved(void **state)
{
	struct world *w = *state;
	struct visit v = { .template = "gates",
		.challenge = STATIC_SECRET,
		.cn = "gate-1",
		.tid = "W-5" };
	EVP_PKEY *key = forge_rsa(2048);
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char id[UUID_SIZE];
	struct err e;

	gates(w);
	v.key = key;
	visit_pending(w, v);
	id_of_pending(w, id);
	assert_true(store_begin(w->store, STORE_WRITE, &tx, &e));
	assert_true(store_exec(tx,
	    "UPDATE scep_request SET csr = (SELECT csr FROM scep_request"
	    " WHERE id <> $1 LIMIT 1) WHERE id = $1",
	    S_ARGS(S_TEXT(id)), NULL, &e));
	assert_true(store_commit(&tx, &e));
	assert_false(scep_approve(w->service, id, "test", &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	EVP_PKEY_free(key);
}

/* The other authority reads it in the client's request, as it was. */
static void
what_waits_for_an_upstream_is_sealed(void **state)
{
	struct front *f = *state;

	assert_ok(front_upstream(f, false, "{}", e));
	outside_grant(&f->out, f->c.text);
	EXPECT_P(front_send(f, (struct front_ask){ 0 }));
	assert_false(database_holds(f->w, f->c.text));
	assert_true(front_step(f, NULL));
	EXPECT_S(front_send(f, front_poll));
	assert_false(database_holds(f->w, f->c.text));
}

static int
upstream_setup(void **state)
{
	return front_open(state) || front_setup(state);
}

static int
upstream_teardown(void **state)
{
	return front_teardown(state) || front_close(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_static_challenge_is_not_in_the_database),
		cmocka_unit_test(older_rows_are_read_and_then_sealed),
		cmocka_unit_test(what_does_not_open_is_not_approved),
		cmocka_unit_test_setup_teardown(
		    what_waits_for_an_upstream_is_sealed, upstream_setup,
		    upstream_teardown),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
