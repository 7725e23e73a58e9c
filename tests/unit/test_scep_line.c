/* How many certificates live at a time of what has no end of its own. */
#include "scep/scep_service_priv.h"
#include "tests/unit/scep_template_fixture.h"

static void
run(struct world *w, const char *sql, struct store_value arg)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	if (!store_begin(w->store, STORE_WRITE, &tx, &e) ||
	    !store_exec(tx, sql, S_ARGS(arg), NULL, &e) ||
	    !store_commit(&tx, &e))
		fail_msg("%s", e.text);
}

/* The line has so many more of its certificate of the last transaction. */
static void
multiply(struct world *w, const char *tid, int many)
{
	AUTO(str_free)
	char *sql = str_printf(
	    "INSERT INTO certificate (fingerprint, serial, authority_id,"
	    " subject, spki, template, purpose, der, not_before,"
	    " not_after, state, created_at, line)"
	    " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1"
	    " FROM n WHERE i < %d) SELECT transaction_id || CAST(i AS TEXT),"
	    " transaction_id || CAST(i AS TEXT), authority_id, subject, spki,"
	    " template, purpose, der, not_before, not_after, state,"
	    " created_at, line FROM certificate CROSS JOIN n"
	    " WHERE transaction_id = $1",
	    many);

	run(w, sql, S_TEXT(tid));
}

/* Whatever came of one certificate, over however many renewals. */
static void
what_came_of_one_by_renewals(void **state)
{
	struct world *w = *state;
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = "soon", .purpose = "scep" });
	struct visit v = { .challenge = c.text, .tid = "R-0" };
	X509 *old = visit_named(w, v, "device-1"), *first, *second;
	char fingerprint[SHA256_HEX_SIZE];

	v = (struct visit){ .type = "17", .signer = old, .tid = "R-1" };
	first = visit_named(w, v, "device-1");
	v.signer = first;
	v.tid = "R-2";
	second = visit_named(w, v, "device-1");
	cert_fingerprint(old, fingerprint);
	assert_int_equal(
	    world_number(w, "SELECT count(*) FROM certificate WHERE line = $1",
	        fingerprint),
	    2);
	multiply(w, "R-2", SCEP_LINE_MAX - 2);
	v.signer = second;
	v.tid = "R-3";
	visit_refused(w, v, SCEP_TEXT_TOO_MANY);
	v.type = "19";
	visit_refused(w, v, SCEP_TEXT_TOO_MANY);
	v.type = "17";
	v.signer = old;
	visit_refused(w, v, SCEP_TEXT_TOO_MANY);
	/* The same again is none more. */
	v.tid = "R-1";
	X509_free(visit_named(w, v, "device-1"));
	run(w,
	    "UPDATE certificate SET state = 'revoked', revoke_reason = 4"
	    " WHERE transaction_id = $1",
	    S_TEXT("R-1"));
	v.signer = second;
	v.tid = "R-4";
	X509_free(visit_named(w, v, "device-1"));
	v.tid = "R-5";
	visit_refused(w, v, SCEP_TEXT_TOO_MANY);
	X509_free(old);
	X509_free(first);
	X509_free(second);
}

/* With however many keys; renewals count with them. */
static void
a_name_on_a_list(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct visit v = { .template = "listed",
		.challenge = STATIC_SECRET,
		.cn = "device-1",
		.tid = "L-1" };
	X509 *x;

	world_template(
	    w, "listed", "{\"challenge\":\"static\",\"renew_days\":0}");
	world_secret(w, "listed", "[\"device-1\",\"gate-b\"]");
	x = visit_named(w, v, "device-1");
	multiply(w, "L-1", SCEP_LINE_MAX - 2);
	v.signer = x;
	v.type = "17";
	v.tid = "L-2";
	X509_free(visit_named(w, v, "device-1"));
	v.tid = "L-3";
	visit_refused(w, v, SCEP_TEXT_TOO_MANY);
	v.signer = NULL;
	v.type = NULL;
	visit_refused(w, v, SCEP_TEXT_TOO_MANY);
	v.key = key;
	visit_refused(w, v, SCEP_TEXT_TOO_MANY);
	v.cn = "gate-b";
	X509_free(visit_named(w, v, "gate-b"));
	/* Who saw the old challenge filled the line for good. */
	clock_set_offset_ms(MS_H);
	world_secret(w, "listed", "[\"device-1\",\"gate-b\"]");
	v.cn = "device-1";
	v.key = NULL;
	v.tid = "L-4";
	X509_free(visit_named(w, v, "device-1"));
	clock_set_offset_ms(0);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
lines_have_names(void **state)
{
	const struct cert_template listed = { .name = "t",
		.challenge = CERT_CHALLENGE_STATIC };
	const struct cert_template asked = { .name = "t",
		.challenge = CERT_CHALLENGE_WEBHOOK };
	const struct cert_template other = { .name = "t",
		.challenge = CERT_CHALLENGE_NONE };
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct scep_line_of of = { &listed, "k", "{\"cn\":\"a,b\"}" };
	struct scep_line l;

	assert_ok(store_begin(w->store, STORE_READ, &tx, e));
	assert_ok(scep_line_first(tx, &of, &l, e));
	assert_string_equal(l.text, "static:t:0:CN=a\\,b");
	of.subject = NULL;
	assert_ok(scep_line_first(tx, &of, &l, e));
	assert_string_equal(l.text, "");
	of.t = &asked;
	assert_ok(scep_line_first(tx, &of, &l, e));
	assert_string_equal(l.text, "webhook:t:k");
	of = (struct scep_line_of){ &other, "k", "{\"cn\":\"a\"}" };
	assert_ok(scep_line_first(tx, &of, &l, e));
	assert_string_equal(l.text, "");
}

static int
setup(void **state)
{
	world_setup(state);
	world_template(*state, "soon", "{\"renew_days\":0}");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_of_one_by_renewals),
		cmocka_unit_test(a_name_on_a_list),
		cmocka_unit_test(lines_have_names),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
