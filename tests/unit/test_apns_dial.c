/*
 * Which host is dialled.
 */
#include "apns_client_fixture.h"

/* The first host refuses connections; its name needs the look-up thread. */
static void
next_host(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r, "localhost:1");
	assert_int_equal(push_one(r, 1)->outcome, APNS_ACCEPTED);
}

static void
unknown_name(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	const char *hosts[] = { "no-such-name.invalid:443", NULL };
	struct err e = { 0 };

	(void)state;
	r->options.hosts = hosts;
	if (!apns_client_new(&r->options, take, r, &r->client, &e))
		fail_msg("%s", e.text);
	assert_int_equal(push_one(r, 1)->outcome, APNS_UNREACHABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_host),
		cmocka_unit_test(unknown_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
