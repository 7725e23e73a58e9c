/* Time as text and back, and the offset. */
#include <time.h>

#include "core/clock.h"
#include "core_test.h"

static const struct {
	const char *text;
	int64_t ms;
} pairs[] = {
	{ "1970-01-01T00:00:00.000Z", 0 },
	{ "1969-12-31T23:59:59.999Z", -1 },
	{ "2026-11-23T16:05:00.123Z", INT64_C(1795449900123) },
	{ "2000-02-29T00:00:00.000Z", INT64_C(951782400000) },
	{ "1900-02-28T23:59:59.000Z", INT64_C(-2203891201000) },
	{ "2038-01-19T03:14:08.000Z", INT64_C(2147483648000) },
	{ "4001-01-01T00:00:00.000Z", INT64_C(64092211200000) },
	{ "0001-01-01T00:00:00.000Z", INT64_C(-62135596800000) },
	{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
};

static void
text_and_back(void **state)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		clock_format(text, pairs[i].ms);
		assert_string_equal(text, pairs[i].text);
		assert_ok(clock_parse(pairs[i].text, &ms, e));
		assert_true(ms == pairs[i].ms);
	}
	clock_format_s(text, pairs[2].ms);
	assert_string_equal(text, "2026-11-23T16:05:00Z");
	clock_format(text, INT64_MAX);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	clock_format(text, INT64_MIN);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

/* Every day of two centuries, against the C library. */
static void
agrees_with_the_c_library(void **state)
{
	char text[CLOCK_TEXT_SIZE], other[64];

	(void)state;
	for (time_t day = -36525; day < 36525; day++) {
		time_t at = day * 86400 + 45296;
		struct tm tm;

		gmtime_r(&at, &tm);
		strftime(other, sizeof(other), "%Y-%m-%dT%H:%M:%SZ", &tm);
		clock_format_s(text, (int64_t)at * 1000 + 999);
		assert_string_equal(text, other);
	}
}

static void
fractions(void **state)
{
	int64_t ms;

	(void)state;
	assert_ok(clock_parse("1970-01-01T00:00:00Z", &ms, e));
	assert_int_equal(ms, 0);
	assert_ok(clock_parse("1970-01-01T00:00:00.5Z", &ms, e));
	assert_int_equal(ms, 500);
	assert_ok(clock_parse("1970-01-01T00:00:00.123456789Z", &ms, e));
	assert_int_equal(ms, 123);
}

static void
what_is_no_time(void **state)
{
	static const char *const wrong[] = {
		"",
		"2026-11-23",
		"2026-11-23T16:05:00",
		"2026-11-23 16:05:00Z",
		"2026-11-23T16:05:00z",
		"2026-11-23T16:05:00+00:00",
		"2026-11-23T16:05:00.Z",
		"2026-11-23T16:05:00.1",
		"2026-11-23T16:05:00Zx",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z",
		"-026-01-01T00:00:00Z",
		"20260-1-01T00:00:00Z",
	};
	int64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(clock_parse(wrong[i], &ms, e), ERR_INVALID);
	assert_err(clock_parse(NULL, &ms, e), ERR_INVALID);
	assert_int_equal(ms, 7);
}

static void
offset_moves_the_wall_clock_only(void **state)
{
	int64_t mono = clock_mono_ms();
	int64_t now = clock_now_ms();

	(void)state;
	clock_set_offset_ms(MS_DAY);
	assert_true(clock_now_ms() - now >= MS_DAY);
	assert_true(clock_now_ms() - now < MS_DAY + MS_H);
	assert_true(clock_mono_ms() - mono < MS_H);
	clock_set_offset_ms(0);
	assert_true(clock_now_ms() - now < MS_H);
}

static void
sleep_lasts_as_long(void **state)
{
	int64_t before = clock_mono_us();

	(void)state;
	clock_sleep_ms(2);
	assert_true(clock_mono_us() - before >= 2000);
	clock_sleep_ms(0);
	clock_sleep_ms(-5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(fractions),
		cmocka_unit_test(what_is_no_time),
		cmocka_unit_test(offset_moves_the_wall_clock_only),
		cmocka_unit_test(sleep_lasts_as_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
