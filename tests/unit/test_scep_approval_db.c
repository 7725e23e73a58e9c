/* How many requests may wait for a person, and whose. */
#include "scep/scep_approval.h"
#include "tests/unit/scep_template_fixture.h"

/* Many may be behind it, but it has an end. */
static void
one_address_cannot_fill_the_list(void **state)
{
	static const char too_many[] = "requests of this address wait";
	static const char *const peers[] = { "192.0.2.7", "2001:db8:7::1" };
	struct world *w = *state;
	struct scep_options o = { .failures_per_min = 1000,
		.approval_ms = 7 * MS_DAY };
	EVP_PKEY *full[] = { forge_ec("P-256"), forge_ec("P-256") };
	char tid[16];

	for (int i = 0; i < 120; i++) {
		EVP_PKEY *k = forge_ec("P-256");

		snprintf(tid, sizeof(tid), "F-%d", i);
		visit_pending(
		    w, (struct visit){
		           .tid = tid, .key = k, .peer = peers[i % 2] });
		EVP_PKEY_free(k);
	}
	o.approval_of_peer = 61;
	world_service(w, o);
	visit_pending(w, (struct visit){ .tid = "G-1", .peer = "192.0.2.7" });
	visit_refused(w,
	    (struct visit){ .tid = "G-2", .key = full[0], .peer = "192.0.2.7" },
	    too_many);
	visit_pending(
	    w, (struct visit){
	           .tid = "G-2", .key = full[0], .peer = "192.0.2.8" });
	/* One network of 64 bits is one peer. */
	visit_pending(
	    w, (struct visit){
	           .tid = "G-3", .key = w->key2, .peer = "2001:db8:7::2" });
	visit_refused(w,
	    (struct visit){
	        .tid = "G-4", .key = full[1], .peer = "2001:db8:7::ffff:3" },
	    too_many);
	visit_pending(
	    w, (struct visit){
	           .tid = "G-4", .key = full[1], .peer = "2001:db8:7:1::1" });
	EVP_PKEY_free(full[0]);
	EVP_PKEY_free(full[1]);
}

/* One key is one request, whatever its transaction. */
static void
a_stranger_waits_once(void **state)
{
	struct world *w = *state;
	struct visit v = { .tid = "H-1", .peer = "192.0.2.7" };
	char id[UUID_SIZE];

	visit_pending(w, v);
	id_of_pending(w, id);
	visit_pending(w, v);
	v.tid = "H-2";
	v.peer = "192.0.2.8";
	visit_refused(w, v, "another request for this key");
	v.key = w->key2;
	visit_pending(w, v);
	assert_ok(scep_reject(w->service, id, NULL, "test", e));
	v = (struct visit){ .tid = "H-3", .peer = "192.0.2.7" };
	visit_pending(w, v);
}

/* As many as all strangers may have, from the address of the test. */
static void
fill_with_strangers(struct world *w)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t now = clock_now_ms();

	assert_ok(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_ok(store_exec(tx,
	    "INSERT INTO scep_request (id, transaction_id, signer_spki, spki,"
	    " csr, subject, template, peer, state, created_at, expires_at)"
	    " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
	    " SELECT i + 1 FROM n WHERE i < 5000)"
	    " SELECT 'fill-' || i, 'fill-' || i, 'x', 'x' || i, $1, '{}',"
	    " 'scep', '192.0.2.7', 'pending', $2, $3 FROM n",
	    S_ARGS(S_BLOB(slice_str("\1")), S_INT(now), S_INT(now + MS_DAY)),
	    NULL, e));
	assert_ok(store_commit(&tx, e));
}

/* Whoever has a challenge, of whichever kind, waits on another list. */
static void
strangers_do_not_keep_holders_out(void **state)
{
	struct world *w = *state;
	EVP_PKEY *keys[] = { forge_ec("P-256"), forge_ec("P-256") };
	struct challenge c;
	struct visit v = { .tid = "I-1", .key = keys[0], .peer = "192.0.2.8" };

	world_template(w, "checked", "{\"approval\":true}");
	world_template(
	    w, "shared", "{\"challenge\":\"static\",\"approval\":true}");
	world_secret(w, "shared", "[\"printer-1\"]");
	c = world_grant(w, (struct scep_grant){ .template = "checked" });
	fill_with_strangers(w);
	visit_refused(w, v, "too many requests wait");
	v.challenge = c.text;
	v.peer = "192.0.2.7";
	visit_pending(w, v);
	visit_pending(w, (struct visit){ .template = "shared",
	                     .challenge = STATIC_SECRET,
	                     .cn = "printer-1",
	                     .key = keys[1],
	                     .tid = "I-2",
	                     .peer = "192.0.2.7" });
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
}

static int
setup(void **state)
{
	world_setup(state);
	world_service(*state, (struct scep_options){ .failures_per_min = 1000,
	                          .approval_ms = 7 * MS_DAY });
	return 0;
}

/* Each begins with an empty list. */
static int
empty_list(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;

	assert_ok(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_ok(
	    store_exec(tx, "DELETE FROM scep_request", S_ARGS(), NULL, e));
	assert_ok(store_commit(&tx, e));
	return 0;
}

#define T(f) cmocka_unit_test_setup(f, empty_list)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_address_cannot_fill_the_list),
		T(a_stranger_waits_once),
		T(strangers_do_not_keep_holders_out),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
