/* Liveness, readiness and metrics need no token. */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alive_and_ready),
		cmocka_unit_test(the_authority_ends),
		cmocka_unit_test(metrics_say_everything_once),
		cmocka_unit_test(counting_is_not_repeated_at_once),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
