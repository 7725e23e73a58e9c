/* Dates of HTTP, and which answers a client has already (RFC 9110 13). */
#include "core/clock.h"
#include "http/http.h"
#include "tests/unit/core_test.h"

/* RFC 9110 5.6.7 has these three of one moment. */
#define IMF "Sun, 06 Nov 1994 08:49:37 GMT"
#define RFC_850 "Sunday, 06-Nov-94 08:49:37 GMT"
#define ASCTIME "Sun Nov  6 08:49:37 1994"
#define MOMENT_MS (INT64_C(784111777) * MS_S)

static void
dates_in_three_forms(void **state)
{
	static const char *const good[] = { IMF, RFC_850, ASCTIME };
	char text[HTTP_DATE_SIZE];
	int64_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		at = 0;
		assert_true(http_date_read(good[i], &at));
		assert_int_equal(at, MOMENT_MS);
	}
	http_date(text, MOMENT_MS + 999);
	assert_string_equal(text, IMF);
}

static const char *const bad[] = { "", "now", "1994-11-06T08:49:37Z",
	"784111777", "Sun, 06 Nov 1994 08:49:37", IMF " ",
	"Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 25:49:37 GMT",
	"Thu, 31 Feb 2030 08:49:37 GMT", "Son, 06 Nov 2033 08:49:37 GMT",
	"Sun, 06 Nov 99999999999999999999 08:49:37 GMT" };

static void
what_is_no_date(void **state)
{
	int64_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (http_date_read(bad[i], &at))
			fail_msg("%s", bad[i]);
}

static bool
same(const char *none_match, const char *since)
{
	return http_condition_same(
	    &(struct http_condition){ none_match, since },
	    &(struct http_validators){ "\"7\"", MOMENT_MS + 20 });
}

static void
answers_since_a_date(void **state)
{
	(void)state;
	assert_false(same(NULL, NULL));
	assert_true(same(NULL, IMF));
	assert_true(same(NULL, RFC_850));
	assert_false(same(NULL, "Sun, 06 Nov 1994 08:49:36 GMT"));
	assert_false(same(NULL, "Sat, 01 Jan 1994 00:00:00 GMT"));
	/* Dates of files: of which list, they do not tell. */
	assert_false(same(NULL, "Sun, 06 Nov 1994 08:49:38 GMT"));
	assert_false(same(NULL, "Mon, 07 Nov 1994 00:00:00 GMT"));
	assert_false(same(NULL, "Sat, 01 Jan 2050 00:00:00 GMT"));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(same(NULL, bad[i]));
}

static void
tags_come_first(void **state)
{
	(void)state;
	assert_true(same("\"7\"", NULL));
	assert_true(same("\"6\", W/\"7\"", "Sat, 01 Jan 1994 00:00:00 GMT"));
	assert_true(same("*", NULL));
	assert_false(same("\"6\"", IMF));
	assert_false(same("", "Sat, 01 Jan 2050 00:00:00 GMT"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_in_three_forms),
		cmocka_unit_test(what_is_no_date),
		cmocka_unit_test(answers_since_a_date),
		cmocka_unit_test(tags_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
