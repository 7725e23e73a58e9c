/* The limit on failed challenges by address. */
#include <stdio.h>

#include "core/clock.h"
#include "scep/scep_service_priv.h"
#include "tests/unit/scep_forge.h"

static void
counts_failures_in_a_minute(void **state)
{
	struct scep_rate *r = scep_rate_new(3);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_false(scep_rate_exceeded(r, "192.0.2.1"));
		scep_rate_failed(r, "192.0.2.1");
	}
	assert_true(scep_rate_exceeded(r, "192.0.2.1"));
	assert_false(scep_rate_exceeded(r, "192.0.2.2"));
	assert_false(scep_rate_exceeded(r, ""));
	clock_set_offset_ms(MS_MIN + 1);
	assert_false(scep_rate_exceeded(r, "192.0.2.1"));
	scep_rate_failed(r, "192.0.2.1");
	assert_false(scep_rate_exceeded(r, "192.0.2.1"));
	clock_set_offset_ms(0);
	scep_rate_free(&r);
	assert_null(r);
}

static void
default_is_ten(void **state)
{
	struct scep_rate *r = scep_rate_new(0);

	(void)state;
	for (int i = 0; i < 9; i++)
		scep_rate_failed(r, "2001:db8::1");
	assert_false(scep_rate_exceeded(r, "2001:db8::1"));
	scep_rate_failed(r, "2001:db8::1");
	assert_true(scep_rate_exceeded(r, "2001:db8::1"));
	/* One network of 64 bits is one peer. */
	assert_true(scep_rate_exceeded(r, "2001:db8::ffff:1"));
	assert_false(scep_rate_exceeded(r, "2001:db8:0:1::1"));
	scep_rate_free(&r);
}

static void
networks_are_one(void **state)
{
	(void)state;
	assert_true(scep_rate_same("192.0.2.1", "192.0.2.1"));
	assert_false(scep_rate_same("192.0.2.1", "192.0.2.11"));
	assert_true(scep_rate_same("2001:db8::1", "2001:db8:0:0:f::"));
	assert_false(scep_rate_same("2001:db8::1", "2001:db8:0:1::1"));
	assert_true(scep_rate_same("", ""));
	assert_false(scep_rate_same("", "::"));
}

static void
many_addresses_do_not_grow_it(void **state)
{
	struct scep_rate *r = scep_rate_new(1);
	char peer[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(peer, sizeof(peer), "10.%d.%d.%d", i >> 16,
		    (i >> 8) & 255, i & 255);
		scep_rate_failed(r, peer);
	}
	assert_true(scep_rate_exceeded(r, peer));
	scep_rate_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_failures_in_a_minute),
		cmocka_unit_test(default_is_ten),
		cmocka_unit_test(networks_are_one),
		cmocka_unit_test(many_addresses_do_not_grow_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
