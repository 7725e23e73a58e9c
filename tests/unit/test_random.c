/* Random values: their range, their alphabet, and that they differ. */
#include "core/random.h"
#include "core_test.h"

static void
below_stays_below_and_reaches_all(void **state)
{
	unsigned seen[6] = { 0 };

	(void)state;
	for (int i = 0; i < 6000; i++) {
		uint32_t n = random_below(6);

		assert_true(n < 6);
		seen[n]++;
	}
	/* 1000 each is expected; 700 is ten standard deviations off. */
	for (size_t i = 0; i < COUNT(seen); i++)
		assert_in_range(seen[i], 700, 1300);
	assert_int_equal(random_below(1), 0);
	assert_true(random_below(UINT32_MAX) < UINT32_MAX);
}

static void
bytes_differ(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	random_bytes(NULL, 0);
}

static void
text_has_length_and_alphabet(void **state)
{
	unsigned digits[10] = { 0 };
	char text[2001];

	(void)state;
	random_alnum(text, 2000);
	assert_int_equal(strlen(text), 2000);
	assert_int_equal(
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
	                 "wxyz0123456789"),
	    2000);
	assert_non_null(strchr(text, '9'));
	assert_non_null(strchr(text, 'A'));
	random_digits(text, 2000);
	for (size_t i = 0; i < 2000; i++)
		digits[text[i] - '0']++;
	for (size_t i = 0; i < COUNT(digits); i++)
		assert_in_range(digits[i], 100, 300);
	random_digits(text, 0);
	assert_string_equal(text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_stays_below_and_reaches_all),
		cmocka_unit_test(bytes_differ),
		cmocka_unit_test(text_has_length_and_alphabet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
