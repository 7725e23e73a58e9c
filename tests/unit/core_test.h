/* What the tests of core/ share. */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/str.h"

/* The call fails with this code and says why. */
#define assert_err(call, want)                                                 \
	do {                                                                   \
		struct err e_ = { 0 };                                         \
		struct err *e = &e_;                                           \
		assert_false(call);                                            \
		assert_int_equal(e_.code, want);                               \
		assert_string_not_equal(e_.text, "");                          \
	} while (0)

/* The call works; a failure shows the error's text. */
#define assert_ok(call)                                                        \
	do {                                                                   \
		struct err e_ = { 0 };                                         \
		struct err *e = &e_;                                           \
		bool ok_ = (call);                                             \
		assert_string_equal(e_.text, "");                              \
		assert_true(ok_);                                              \
	} while (0)

#define assert_slice(slice, text)                                              \
	do {                                                                   \
		struct slice s_ = (slice);                                     \
		assert_int_equal(s_.len, strlen(text));                        \
		if (s_.len > 0)                                                \
			assert_memory_equal(s_.p, text, s_.len);               \
	} while (0)

/* Group fixtures: *state is a fresh directory, gone with all in it. */
static inline int
test_mkdir(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = str_printf("%s/core-XXXXXX", tmp != NULL ? tmp : "/tmp");

	*state = dir;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static inline int
test_remove(
    const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static inline int
test_rmdir(void **state)
{
	AUTO(str_free) char *dir = *state;

	return nftw(dir, test_remove, 16, FTW_DEPTH | FTW_PHYS);
}
