/* Fingerprints and numbers as people paste them. */
#include "app/app_cli.h"
#include "tests/unit/core_test.h"

static void
becomes(const char *text, const char *wanted)
{
	AUTO(str_free) char *hex = app_hex(text);

	assert_non_null(hex);
	assert_string_equal(hex, wanted);
}

static void
every_way_to_write_it_is_taken(void **state)
{
	(void)state;
	becomes("0af9", "0af9");
	becomes("0AF9", "0af9");
	becomes("0A:F9", "0af9");
	becomes("0a f9", "0af9");
	becomes("f", "f");
}

static void
nothing_else_is_taken(void **state)
{
	static const char *const bad[] = { "", ":", " ", "zz", "0x12", "12-34",
		"SHA256:12", "12\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_null(app_hex(bad[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_write_it_is_taken),
		cmocka_unit_test(nothing_else_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
