/*
 * The limit of pushes a second: the clock is an argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apns/apns_client_priv.h"

static void
no_limit(void **state)
{
	struct apns_client c = { 0 };

	(void)state;
	assert_true(apns_rate_room(&c, 1000) > 1000000);
	apns_rate_take(&c, 1000000);
	assert_int_equal(apns_rate_next_ms(&c), 0);
}

/* Whoever takes all there is whenever it may, gets the rate. */
static int64_t
taken_in_ten_seconds(int64_t per_s)
{
	struct apns_client c = { .per_s = per_s };
	int64_t now_ms = 50000, sum = 0;

	/* What gathered before lasts for a tenth of a second at most. */
	(void)apns_rate_room(&c, now_ms);
	apns_rate_take(&c, apns_rate_room(&c, now_ms));
	while (now_ms < 60000) {
		size_t room = apns_rate_room(&c, now_ms);
		int64_t next;

		apns_rate_take(&c, room);
		sum += (int64_t)room;
		next = apns_rate_next_ms(&c);
		assert_true(next > now_ms);
		assert_true(next <= now_ms + 1000);
		now_ms = next;
	}
	return sum;
}

static void
rates(void **state)
{
	static const int64_t rows[] = { 1, 7, 100, 999, 5000 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t sum = taken_in_ten_seconds(rows[i]);

		assert_true(sum <= 10 * rows[i]);
		assert_true(sum >= 9 * rows[i]);
	}
}

static void
no_burst_after_silence(void **state)
{
	struct apns_client c = { .per_s = 100 };

	(void)state;
	assert_int_equal(apns_rate_room(&c, 1000000), 10);
	apns_rate_take(&c, 10);
	assert_int_equal(apns_rate_room(&c, 1000000), 0);
	assert_int_equal(apns_rate_next_ms(&c), 1000010);
	assert_int_equal(apns_rate_room(&c, 2000000), 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit),
		cmocka_unit_test(rates),
		cmocka_unit_test(no_burst_after_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
