/* The limit of downloads an address may make in a minute. */
#include "tests/unit/enroll_fixture.h"

static bool
take(struct enroll_limiter *l, const char *peer, int64_t now_ms)
{
	struct err e = { 0 };
	bool ok = enroll_limit_take(l, peer, now_ms, &e);

	assert_int_equal(e.code, ok ? ERR_NONE : ERR_RATE);
	return ok;
}

static void
counts_by_address_and_minute(void **state)
{
	AUTO(enroll_limit_free) struct enroll_limiter *l = enroll_limit_new(2);

	(void)state;
	assert_true(take(l, "192.0.2.1", 1000));
	assert_true(take(l, "192.0.2.1", 2000));
	assert_false(take(l, "192.0.2.1", 3000));
	assert_true(take(l, "192.0.2.2", 3000));
	assert_false(take(l, "192.0.2.1", 1000 + MS_MIN - 1));
	assert_true(take(l, "192.0.2.1", 1000 + MS_MIN));
	assert_true(take(l, "192.0.2.1", 1000 + MS_MIN));
	assert_false(take(l, "192.0.2.1", 1000 + MS_MIN));
}

/* One machine has all the 2^64 addresses of its network. */
static void
an_ipv6_network_counts_as_one(void **state)
{
	AUTO(enroll_limit_free) struct enroll_limiter *l = enroll_limit_new(2);

	(void)state;
	assert_true(take(l, "2001:db8:1:2::1", 1000));
	assert_true(take(l, "2001:db8:1:2:ffff::2", 1000));
	assert_false(take(l, "2001:db8:1:2:1:2:3:4", 1000));
	assert_true(take(l, "2001:db8:1:3::1", 1000));
}

static void
many_addresses_need_no_more_memory(void **state)
{
	AUTO(enroll_limit_free) struct enroll_limiter *l = enroll_limit_new(1);
	char peer[64];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(peer, sizeof(peer), "2001:db8:%x:%x::1", i >> 16,
		    i & 0xffff);
		assert_true(take(l, peer, 1000 + i));
	}
	/* The last one is still known. */
	assert_false(take(l, peer, 101000));
	memset(peer, 'x', sizeof(peer) - 1);
	peer[sizeof(peer) - 1] = '\0';
	assert_true(take(l, peer, 101000));
	assert_false(take(l, peer, 101000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_by_address_and_minute),
		cmocka_unit_test(an_ipv6_network_counts_as_one),
		cmocka_unit_test(many_addresses_need_no_more_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
