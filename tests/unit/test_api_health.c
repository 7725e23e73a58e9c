/* Liveness, readiness and metrics need no token. */
#include "certs/cert_roll.h"
#include "tests/unit/api_fixture.h"

static void
alive_and_ready(void **state)
{
	struct admin *a = *state;

	CALL(NOBODY, "GET /healthz", NULL, 200);
	CALL(NOBODY, "GET /readyz", NULL, 200);
	assert_string_equal(text_at(a, "status"), "ready");
	/* 200 all the same: a balancer must not take the node away. */
	assert_string_equal(
	    json_string_value(json_array_get(at(a, "warnings"), 0)),
	    "a thing to look at");
	a->not_ready = true;
	REFUSED(NOBODY, "GET /readyz", NULL, 503, "not_ready");
	assert_non_null(strstr(text_at(a, "detail"), "still thinking"));
	CALL(NOBODY, "GET /healthz", NULL, 200);
	a->not_ready = false;
}

/* Of the authority, before and after its end; it stays 200. */
static void
the_authority_ends(void **state)
{
	static const struct {
		int days;
		const char *text;
	} cases[] = { { 3650 - 20, "Issuing CA G1,O=Acme ends " },
		{ 3650 + 1, "Issuing CA G1,O=Acme ended " } };
	struct admin *a = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *said;

		clock_set_offset_ms(cases[i].days * MS_DAY);
		CALL(NOBODY, "GET /readyz", NULL, 200);
		said = json_string_value(json_array_get(at(a, "warnings"), 1));
		assert_non_null(said);
		if (strstr(said, cases[i].text) == NULL ||
		    strstr(said, "mutsu ca rollover") == NULL)
			fail_msg("wanted \"%s\": %s", cases[i].text, said);
	}
	clock_set_offset_ms(0);
}

static void
metrics_say_everything_once(void **state)
{
	static const char *const lines[] = {
		"mutsu_devices{state=\"enrolled\",chip=\"t2\"} 1\n",
		"mutsu_devices{state=\"left\",chip=\"unknown\"} 1\n",
		"mutsu_events_total ",
		"mutsu_store_commits_total ",
		"mutsu_counts_up 1\n",
		"test_metric 7\n",
	};
	struct admin *a = *state;
	struct answer got;

	ask(a->port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &got);
	assert_int_equal(got.status, 200);
	assert_non_null(strcasestr(got.head, "text/plain; version=0.0.4"));
	for (size_t i = 0; i < COUNT(lines); i++)
		if (strstr(buf_str(got.body), lines[i]) == NULL)
			fail_msg("no %s in\n%s", lines[i], buf_str(got.body));
	answer_clear(&got);
}

static void
counting_is_not_repeated_at_once(void **state)
{
	struct admin *a = *state;
	AUTO(buf_free) struct buf *one = buf_new(1 << 20);
	AUTO(buf_free) struct buf *two = buf_new(1 << 20);

	api_metrics_write(a->api, one);
	site_mac(
	    a->site, (struct mac){ .id = "M-X", .serial = "X", .chip = "t1" });
	api_metrics_write(a->api, two);
	assert_null(strstr(buf_str(two), "chip=\"t1\""));
	a->api->counts_at_ms -= 10001;
	buf_reset(two);
	api_metrics_write(a->api, two);
	assert_non_null(strstr(buf_str(two), "chip=\"t1\""));
}

static bool
warned(struct admin *a, const char *of)
{
	json_t *one;
	size_t i;

	CALL(NOBODY, "GET /readyz", NULL, 200);
	json_array_foreach(at(a, "warnings"), i,
	    one) if (strstr(json_string_value(one), of) != NULL) return true;
	return false;
}

/* An old CA goes on to revoke, for which it needs its key. */
static void
a_lost_key_is_told(void **state)
{
	struct admin *a = *state;
	struct site *s = a->site;
	struct cert_authority_options o = { .vault = { .seal = s->seal },
		.organization = "Acme" };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	const char *id = cert_authority_id(s->authority);
	bool changed;

	OK(cert_roll_prepare(s->store, &o, NULL, &e));
	OK(cert_roll_switch(s->store, &o, &e));
	OK(cert_live_refresh(s->live, &changed, &e));
	assert_false(warned(a, "cannot be opened"));
	OK(store_begin(s->store, STORE_WRITE, &tx, &e));
	OK(store_exec(tx,
	    "UPDATE authority SET key_sealed = $2, version = version + 1"
	    " WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_BLOB(slice_str("lost"))), NULL, &e));
	OK(store_commit(&tx, &e));
	OK(cert_live_refresh(s->live, &changed, &e));
	assert_true(changed);
	assert_true(warned(a, id));
	/* Its end is the end of its CRLs. */
	clock_set_offset_ms(
	    cert_not_after(cert_authority_issuing(s->authority)) -
	    clock_now_ms() + MS_S);
	assert_false(warned(a, id));
	clock_set_offset_ms(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alive_and_ready),
		cmocka_unit_test(the_authority_ends),
		cmocka_unit_test(metrics_say_everything_once),
		cmocka_unit_test(counting_is_not_repeated_at_once),
		cmocka_unit_test(a_lost_key_is_told),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
