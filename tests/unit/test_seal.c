/* Sealing: what opens, what does not, and the key's file. */
#include <sys/stat.h>

#include "core/seal.h"
#include "core_test.h"

static struct seal *
open_key(const char *dir, const char *name)
{
	AUTO(str_free) char *path = str_printf("%s/%s", dir, name);
	struct seal *s = NULL;

	assert_ok(seal_open(path, &s, e));
	return s;
}

static void
sealed_opens_again(void **state)
{
	AUTO(seal_free) struct seal *s = open_key(*state, "a");
	AUTO(seal_free) struct seal *again = open_key(*state, "a");
	AUTO(buf_free) struct buf *one = buf_new(1000);
	AUTO(buf_free) struct buf *two = buf_new(1000);
	AUTO(buf_free) struct buf *plain = buf_new(1000);

	assert_ok(seal_put(s, "order.pin:1", slice_str("123456"), one, e));
	assert_ok(seal_put(s, "order.pin:1", slice_str("123456"), two, e));
	assert_int_equal(one->len, 12 + 6 + 16);
	assert_false(slice_eq(buf_slice(one), buf_slice(two)));
	assert_null(memmem(one->p, one->len, "123456", 6));
	buf_adds(plain, "PIN ");
	assert_ok(seal_get(again, "order.pin:1", buf_slice(one), plain, e));
	assert_string_equal(buf_str(plain), "PIN 123456");
}

static void
nothing_is_sealed_too(void **state)
{
	AUTO(seal_free) struct seal *s = open_key(*state, "a");
	AUTO(buf_free) struct buf *sealed = buf_new(1000);
	AUTO(buf_free) struct buf *plain = buf_new(1000);

	assert_ok(seal_put(s, "", slice_of(NULL, 0), sealed, e));
	assert_ok(seal_get(s, "", buf_slice(sealed), plain, e));
	assert_int_equal(plain->len, 0);
	assert_err(seal_get(s, "x", buf_slice(sealed), plain, e), ERR_INTERNAL);
}

static void
what_does_not_open(void **state)
{
	AUTO(seal_free) struct seal *s = open_key(*state, "a");
	AUTO(seal_free) struct seal *other = open_key(*state, "b");
	AUTO(buf_free) struct buf *sealed = buf_new(1000);
	AUTO(buf_free) struct buf *plain = buf_new(1000);
	struct slice in;

	assert_ok(seal_put(s, "id:1", slice_str("secret"), sealed, e));
	in = buf_slice(sealed);
	assert_err(seal_get(s, "id:2", in, plain, e), ERR_INTERNAL);
	assert_err(seal_get(other, "id:1", in, plain, e), ERR_INTERNAL);
	for (size_t len = 0; len < in.len; len++)
		assert_err(seal_get(s, "id:1", slice_of(in.p, len), plain, e),
		    ERR_INTERNAL);
	for (size_t i = 0; i < in.len; i++) {
		sealed->p[i] ^= 1;
		assert_err(seal_get(s, "id:1", in, plain, e), ERR_INTERNAL);
		sealed->p[i] ^= 1;
	}
	assert_int_equal(plain->len, 0);
	assert_ok(seal_get(s, "id:1", in, plain, e));
}

static void
bounds_of_the_buffer_hold(void **state)
{
	AUTO(seal_free) struct seal *s = open_key(*state, "a");
	AUTO(buf_free) struct buf *small = buf_new(10);

	assert_err(seal_put(s, "x", slice_str("y"), small, e), ERR_TOO_LARGE);
	assert_int_equal(small->len, 0);
}

static void
macs_differ_by_purpose_and_key(void **state)
{
	AUTO(seal_free) struct seal *s = open_key(*state, "a");
	AUTO(seal_free) struct seal *other = open_key(*state, "b");
	char a[65], b[65];

	seal_mac(s, "token", slice_str("t"), a);
	seal_mac(s, "token", slice_str("t"), b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 64);
	seal_mac(s, "challenge", slice_str("t"), b);
	assert_string_not_equal(a, b);
	seal_mac(other, "token", slice_str("t"), b);
	assert_string_not_equal(a, b);
}

static void
key_file_is_checked(void **state)
{
	AUTO(str_free) char *path = str_printf("%s/c", (char *)*state);
	AUTO(seal_free) struct seal *s = open_key(*state, "c");
	struct stat st;

	seal_free(&s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(chmod(path, 0644), 0);
	assert_err(seal_open(path, &s, e), ERR_INVALID);
	assert_ok(file_write(path, slice_str("short"), 0600, e));
	assert_err(seal_open(path, &s, e), ERR_INVALID);
	assert_ok(file_write(
	    path, slice_str("thirty-three bytes, one too many!"), 0600, e));
	assert_err(seal_open(path, &s, e), ERR_TOO_LARGE);
	assert_null(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_opens_again),
		cmocka_unit_test(nothing_is_sealed_too),
		cmocka_unit_test(what_does_not_open),
		cmocka_unit_test(bounds_of_the_buffer_hold),
		cmocka_unit_test(macs_differ_by_purpose_and_key),
		cmocka_unit_test(key_file_is_checked),
	};

	return cmocka_run_group_tests(tests, test_mkdir, test_rmdir);
}
