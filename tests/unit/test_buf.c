/* Growing buffers: their maximum, their NUL, and what overflow drops. */
#include "core_test.h"

static void
grows_and_stays_terminated(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(10000);

	(void)state;
	assert_string_equal(buf_str(b), "");
	for (int i = 0; i < 2500; i++) {
		buf_adds(b, "ab");
		buf_addc(b, 'c');
		buf_add(b, "d", 1);
		assert_int_equal(buf_str(b)[b->len], '\0');
	}
	assert_int_equal(b->len, 10000);
	assert_ok(buf_ok(b, e));
	assert_memory_equal(b->p + 9996, "abcd", 5);
}

static void
overflow_drops_this_and_later_writes(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(4);

	(void)state;
	buf_adds(b, "abc");
	buf_adds(b, "de");
	buf_addc(b, 'f');
	assert_string_equal(buf_str(b), "abc");
	assert_err(buf_ok(b, e), ERR_TOO_LARGE);
	buf_reset(b);
	assert_ok(buf_ok(b, e));
	buf_addf(b, "%d", 12345);
	assert_string_equal(buf_str(b), "");
	assert_err(buf_ok(b, e), ERR_TOO_LARGE);
	buf_addf(b, "x");
	assert_string_equal(buf_str(b), "");
}

static void
nothing_fits_into_nothing(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(0);

	(void)state;
	buf_adds(b, "");
	assert_ok(buf_ok(b, e));
	buf_addc(b, 'x');
	assert_err(buf_ok(b, e), ERR_TOO_LARGE);
}

static void
format_grows_when_it_must(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(1000);

	(void)state;
	buf_addf(b, "%s", "start ");
	buf_addf(b, "%0500d", 7);
	assert_int_equal(b->len, 506);
	assert_int_equal(b->p[505], '7');
	assert_int_equal(b->p[506], '\0');
}

static void
grow_and_cut(void **state)
{
	AUTO(buf_wipe) struct buf *b = buf_new(100);
	uint8_t *at = buf_grow(b, 3);

	(void)state;
	memcpy(at, "xyz", 3);
	buf_cut(b, 2);
	assert_string_equal(buf_str(b), "xy");
	buf_cut(b, 50);
	assert_int_equal(b->len, 2);
	assert_null(buf_grow(b, 99));
	assert_true(b->overflow);
}

static void
foreign_bytes_become_replacements(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(100);

	(void)state;
	buf_add_utf8(b, slice_str("a\xff\xe3\x81\x82\xe3"));
	assert_string_equal(
	    buf_str(b), "a\xef\xbf\xbd\xe3\x81\x82\xef\xbf\xbd");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(overflow_drops_this_and_later_writes),
		cmocka_unit_test(nothing_fits_into_nothing),
		cmocka_unit_test(format_grows_when_it_must),
		cmocka_unit_test(grow_and_cut),
		cmocka_unit_test(foreign_bytes_become_replacements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
