/* JSON: bounds of the reader, typed getters, and the writers' habits. */
#include "core/json.h"
#include "core/limits.h"
#include "core_test.h"

static json_t *
parse(const char *text)
{
	json_t *j = NULL;

	assert_ok(json_parse(slice_str(text), &j, e));
	return j;
}

static void
bad_documents_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"\"a\"",
		"null",
		"{}x",
		"{} {}",
		"{\"a\":1,\"a\":2}",
		"{\"a\\u0000b\":1}",
		"{\"a\":\"x\\u0000y\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":01}",
		"{\"a\":99999999999999999999}",
		"{'a':1}",
		"{\"a\":\"\\ud800\"}",
	};
	json_t *j = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(json_parse(slice_str(wrong[i]), &j, e), ERR_INVALID);
	assert_err(
	    json_parse(slice_of("{\"a\":\"\0\"}", 9), &j, e), ERR_INVALID);
	assert_null(j);
}

static void
depth_is_bounded(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(1 << 20);
	AUTO(json_free) json_t *j = NULL;

	(void)state;
	for (int i = 0; i < LIMIT_JSON_DEPTH; i++)
		buf_addc(b, '[');
	for (int i = 0; i < LIMIT_JSON_DEPTH; i++)
		buf_addc(b, ']');
	assert_ok(json_parse_any(buf_slice(b), &j, e));
	json_free(&j);
	buf_reset(b);
	for (int i = 0; i < 100000; i++)
		buf_adds(b, "[");
	assert_err(json_parse_any(buf_slice(b), &j, e), ERR_INVALID);
	/* Brackets in a string are text. */
	buf_reset(b);
	buf_adds(b, "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}");
	assert_ok(json_parse(buf_slice(b), &j, e));
}

static void
getters_check_types(void **state)
{
	AUTO(json_free)
	json_t *j =
	    parse("{\"s\":\"text\",\"e\":\"\",\"n\":-7,\"b\":true,\"z\":null,"
	          "\"r\":1.5}");
	const char *s = "old";
	int64_t n = 1;
	bool yes = false;

	(void)state;
	assert_ok(json_get_str(j, "s", 4, &s, e));
	assert_string_equal(s, "text");
	assert_err(json_get_str(j, "s", 3, &s, e), ERR_INVALID);
	assert_err(json_get_str(j, "n", 9, &s, e), ERR_INVALID);
	assert_string_equal(s, "text");
	assert_ok(json_get_str(j, "z", 9, &s, e));
	assert_null(s);
	assert_err(json_need_str(j, "z", 9, &s, e), ERR_INVALID);
	assert_err(json_need_str(j, "e", 9, &s, e), ERR_INVALID);
	assert_err(json_need_str(j, "x", 9, &s, e), ERR_INVALID);
	assert_ok(json_get_int(j, "n", 0, &n, e));
	assert_int_equal(n, -7);
	assert_ok(json_get_int(j, "x", 42, &n, e));
	assert_int_equal(n, 42);
	assert_err(json_get_int(j, "r", 0, &n, e), ERR_INVALID);
	assert_err(json_get_int(j, "s", 0, &n, e), ERR_INVALID);
	assert_ok(json_get_bool(j, "b", false, &yes, e));
	assert_true(yes);
	assert_ok(json_get_bool(j, "z", true, &yes, e));
	assert_true(yes);
	assert_err(json_get_bool(j, "n", true, &yes, e), ERR_INVALID);
}

static void
unknown_keys_are_named(void **state)
{
	static const char *const all[] = { "a", "b", "c", NULL };
	static const char *const some[] = { "a", NULL };
	AUTO(json_free) json_t *j = parse("{\"a\":1,\"b\":2}");
	struct err e = { 0 };

	(void)state;
	assert_true(json_only_keys(j, all, &e));
	assert_false(json_only_keys(j, some, &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_string_equal(e.text, "b: unknown key");
}

static void
writers_keep_order_and_take_anything(void **state)
{
	AUTO(json_free) json_t *j = json_object();
	AUTO(str_free) char *text = NULL;

	(void)state;
	json_put_str(j, "z", "x");
	json_put_str(j, "none", NULL);
	json_put_str(j, "bad", "a\xff");
	json_put_int(j, "n", INT64_MIN);
	json_put_bool(j, "b", false);
	json_put_time(j, "never", 0);
	json_put_time(j, "at", 1);
	text = json_text(j);
	assert_string_equal(text,
	    "{\"z\":\"x\",\"none\":null,\"bad\":\"a\xef\xbf\xbd\","
	    "\"n\":-9223372036854775808,\"b\":false,\"never\":null,"
	    "\"at\":\"1970-01-01T00:00:00.001Z\"}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_documents_are_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(getters_check_types),
		cmocka_unit_test(unknown_keys_are_named),
		cmocka_unit_test(writers_keep_order_and_take_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
