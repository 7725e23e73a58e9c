/* Slices, strings, UTF-8 and numbers. */
#include "core_test.h"

static void
slices_compare_by_content(void **state)
{
	(void)state;
	assert_true(slice_eq(slice_str("ab"), slice_of("abc", 2)));
	assert_false(slice_eq(slice_str("ab"), slice_str("ac")));
	assert_true(slice_eq(slice_str(NULL), slice_str("")));
	assert_true(slice_eq_str(slice_of("x\0y", 1), "x"));
	assert_false(slice_eq_str(slice_of("x\0y", 3), "x"));
}

static void
strings_and_null(void **state)
{
	(void)state;
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq(NULL, ""));
	assert_false(str_eq("a", NULL));
	assert_true(str_eq("a", "a"));
	assert_true(str_ieq("Content-Type", "content-tYPE"));
	assert_false(str_ieq("ab", "abc"));
	assert_false(str_ieq("@", "`"));
	assert_true(str_starts("abc", "ab"));
	assert_false(str_starts("a", "ab"));
	assert_false(str_starts(NULL, "ab"));
	assert_true(str_empty(NULL) && str_empty("") && !str_empty(" "));
	assert_null(str_dup(NULL));
}

static void
utf8_is_strict(void **state)
{
	static const char *const wrong[] = {
		"\x80",             /* continuation alone */
		"\xc3",             /* cut */
		"\xc0\xaf",         /* overlong '/' */
		"\xe0\x80\xaf",     /* overlong */
		"\xf0\x80\x80\xaf", /* overlong */
		"\xed\xa0\x80",     /* surrogate */
		"\xf4\x90\x80\x80", /* beyond U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xff",
		"a\xe3\x81",
	};

	(void)state;
	assert_int_equal(
	    str_utf8_len("Mac\xc3\xa9\xe3\x81\x82\xf0\x9f\x8d\x8e"), 6);
	assert_int_equal(str_utf8_len("\xf4\x8f\xbf\xbf\xed\x9f\xbf"), 2);
	assert_int_equal(str_utf8_len(""), 0);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(str_utf8_len(wrong[i]), SIZE_MAX);
		assert_false(slice_utf8_valid(slice_str(wrong[i])));
	}
}

static void
copies_fit_or_are_cut(void **state)
{
	char room[5] = "old";

	(void)state;
	assert_false(str_copy(room, sizeof(room), "12345"));
	assert_string_equal(room, "old");
	assert_true(str_copy(room, sizeof(room), "1234"));
	assert_string_equal(room, "1234");
	str_copy_cut(room, sizeof(room), "ab\xe3\x81\x82");
	assert_string_equal(room, "ab");
	str_copy_cut(room, sizeof(room), "a\xe3\x81\x82");
	assert_string_equal(room, "a\xe3\x81\x82");
	str_copy_cut(room, 1, "a");
	assert_string_equal(room, "");
}

static void
numbers_are_numbers_and_nothing_else(void **state)
{
	static const char *const wrong[] = { "", "-", "+1", " 1", "1 ", "0x1",
		"1.0", "9223372036854775808", "-9223372036854775809",
		"99999999999999999999", "1e3" };
	int64_t n = 42;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_false(str_to_i64(wrong[i], INT64_MIN, INT64_MAX, &n));
		assert_int_equal(n, 42);
	}
	assert_false(str_to_i64(NULL, INT64_MIN, INT64_MAX, &n));
	assert_true(
	    str_to_i64("9223372036854775807", INT64_MIN, INT64_MAX, &n));
	assert_true(n == INT64_MAX);
	assert_true(
	    str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &n));
	assert_true(n == INT64_MIN);
	assert_true(str_to_i64("65535", 0, 65535, &n));
	assert_false(str_to_i64("65536", 0, 65535, &n));
	assert_false(str_to_i64("-1", 0, 65535, &n));
	assert_true(slice_to_i64(slice_of("123", 2), 0, 99, &n));
	assert_int_equal(n, 12);
}

static void
printf_and_free(void **state)
{
	AUTO(str_free) char *s = str_printf("%s-%05d", "x", 42);
	char *secret = str_dup("secret");

	(void)state;
	assert_string_equal(s, "x-00042");
	str_wipe(&secret);
	assert_null(secret);
	str_wipe(&secret);
}

/* From the page of FNV's authors. */
static void
hashes_as_others_do(void **state)
{
	(void)state;
	assert_true(slice_hash(slice_str("")) == 0xcbf29ce484222325);
	assert_true(slice_hash(slice_str("a")) == 0xaf63dc4c8601ec8c);
	assert_true(slice_hash(slice_str("foobar")) == 0x85944171f73967e8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_as_others_do),
		cmocka_unit_test(slices_compare_by_content),
		cmocka_unit_test(strings_and_null),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(copies_fit_or_are_cut),
		cmocka_unit_test(numbers_are_numbers_and_nothing_else),
		cmocka_unit_test(printf_and_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
