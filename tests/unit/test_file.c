/* Files: whole or not at all, bounded, private. */
#include <sys/stat.h>

#include "core_test.h"

static void
write_and_read(void **state)
{
	AUTO(str_free) char *path = str_printf("%s/f", (char *)*state);
	AUTO(buf_free) struct buf *b = NULL;
	struct stat st;

	assert_false(file_exists(path));
	assert_err(file_read(path, 100, &b, e), ERR_NOT_FOUND);
	assert_ok(file_write(path, slice_str("first"), 0644, e));
	assert_ok(file_write(path, slice_str("second"), 0600, e));
	assert_true(file_exists(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(file_read(path, 6, &b, e));
	assert_string_equal(buf_str(b), "second");
	buf_addc(b, '!');
	assert_true(b->overflow);
}

static void
too_long_is_refused(void **state)
{
	AUTO(str_free) char *path = str_printf("%s/long", (char *)*state);
	AUTO(buf_free) struct buf *b = NULL;
	AUTO(buf_free) struct buf *big = buf_new(100000);

	while (big->len < 100000)
		buf_addc(big, (char)('a' + big->len % 26));
	assert_ok(file_write(path, buf_slice(big), 0600, e));
	assert_err(file_read(path, 99999, &b, e), ERR_TOO_LARGE);
	assert_null(b);
	assert_ok(file_read(path, 100000, &b, e));
	assert_true(slice_eq(buf_slice(b), buf_slice(big)));
	buf_free(&b);
	assert_err(file_read(*state, 100, &b, e), ERR_INTERNAL);
}

static void
create_never_replaces(void **state)
{
	AUTO(str_free) char *path = str_printf("%s/once", (char *)*state);
	AUTO(buf_free) struct buf *b = NULL;

	assert_ok(file_create(path, slice_str("one"), 0600, e));
	assert_err(file_create(path, slice_str("two"), 0600, e), ERR_CONFLICT);
	assert_ok(file_read(path, 100, &b, e));
	assert_string_equal(buf_str(b), "one");
}

static void
failures_leave_nothing_behind(void **state)
{
	AUTO(str_free) char *dir = str_printf("%s/only", (char *)*state);
	AUTO(str_free) char *sub = str_printf("%s/sub", dir);

	assert_ok(file_mkdir(sub, e));
	/* A directory cannot be replaced by a file. */
	assert_err(file_write(sub, slice_str("x"), 0600, e), ERR_INTERNAL);
	assert_int_equal(rmdir(sub), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_err(file_write(sub, slice_str("x"), 0600, e), ERR_INTERNAL);
}

static void
mkdir_makes_parents(void **state)
{
	AUTO(str_free) char *path = str_printf("%s/a/b/c/", (char *)*state);
	AUTO(str_free) char *file = str_printf("%s/plain", (char *)*state);
	AUTO(str_free) char *below = str_printf("%s/plain/x", (char *)*state);

	assert_ok(file_mkdir(path, e));
	assert_ok(file_mkdir(path, e));
	assert_ok(file_private(path, e));
	assert_ok(file_write(file, slice_str(""), 0644, e));
	assert_err(file_mkdir(below, e), ERR_INTERNAL);
	assert_err(file_mkdir(file, e), ERR_INTERNAL);
}

static void
what_cannot_be_written_is_seen_before(void **state)
{
	AUTO(str_free) char *file = str_printf("%s/plain", (char *)*state);
	AUTO(str_free) char *inside = str_printf("%s/x", file);
	AUTO(str_free) char *nowhere = str_printf("%s/no/x", (char *)*state);

	assert_ok(file_may_write(file, e));
	assert_ok(file_write(file, slice_str(""), 0400, e));
	assert_ok(file_may_write(file, e));
	assert_ok(file_may_write("relative", e));
	assert_err(file_may_write(inside, e), ERR_INVALID);
	assert_err(file_may_write(nowhere, e), ERR_INVALID);
	assert_err(file_may_write(*state, e), ERR_INVALID);
}

static void
private_means_private(void **state)
{
	AUTO(str_free) char *path = str_printf("%s/key", (char *)*state);

	assert_err(file_private(path, e), ERR_NOT_FOUND);
	assert_ok(file_write(path, slice_str("k"), 0600, e));
	assert_ok(file_private(path, e));
	assert_int_equal(chmod(path, 0640), 0);
	assert_err(file_private(path, e), ERR_INVALID);
	assert_int_equal(chmod(path, 0604), 0);
	assert_err(file_private(path, e), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_and_read),
		cmocka_unit_test(too_long_is_refused),
		cmocka_unit_test(create_never_replaces),
		cmocka_unit_test(failures_leave_nothing_behind),
		cmocka_unit_test(mkdir_makes_parents),
		cmocka_unit_test(what_cannot_be_written_is_seen_before),
		cmocka_unit_test(private_means_private),
	};

	return cmocka_run_group_tests(tests, test_mkdir, test_rmdir);
}
