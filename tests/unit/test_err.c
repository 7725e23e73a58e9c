/* Errors: codes, context, cuts, and what comes from errno and OpenSSL. */
#include <errno.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core_test.h"

static void
set_fills_and_is_false(void **state)
{
	struct err e = { .slug = "old" };

	(void)state;
	assert_false(err_set(&e, ERR_NOT_FOUND, "no %s", "device"));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_null(e.slug);
	assert_string_equal(e.text, "no device");
	assert_string_equal(err_name(&e), "not_found");
}

static void
slug_survives_wrapping(void **state)
{
	struct err e;

	(void)state;
	assert_false(err_slug(&e, ERR_REFUSED, "wipe_refused_t2", "T2"));
	assert_false(err_wrap(&e, "order %d", 7));
	assert_int_equal(e.code, ERR_REFUSED);
	assert_string_equal(e.text, "order 7: T2");
	assert_string_equal(err_name(&e), "wipe_refused_t2");
}

static void
every_code_has_a_name(void **state)
{
	(void)state;
	for (int code = ERR_NONE; code < ERR_CODES; code++) {
		struct err e = { .code = (enum err_code)code };

		assert_non_null(err_name(&e));
	}
	assert_string_equal(
	    err_name(&(struct err){ .code = ERR_CODES }), "internal");
}

static void
long_text_is_cut_between_characters(void **state)
{
	char text[1001] = "";
	struct err e;

	(void)state;
	for (size_t i = 0; i + 3 <= 999; i += 3)
		memcpy(text + i, "\xe3\x81\x82", 4);
	assert_false(err_set(&e, ERR_INVALID, "x%s", text));
	assert_int_not_equal(str_utf8_len(e.text), SIZE_MAX);
	assert_true(strlen(e.text) > sizeof(e.text) - 5);
	assert_false(err_wrap(&e, "%s", e.text));
	assert_int_not_equal(str_utf8_len(e.text), SIZE_MAX);
}

static void
own_text_may_be_an_argument(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, ERR_INVALID, "inner");
	err_set(&e, ERR_INTERNAL, "<%s>", e.text);
	assert_string_equal(e.text, "<inner>");
}

static void
errno_is_described(void **state)
{
	struct err e;

	(void)state;
	errno = ENOENT;
	assert_false(err_errno(&e, ERR_INTERNAL, "/x"));
	assert_string_equal(e.text, "/x: No such file or directory");
}

static void
openssl_queue_is_emptied(void **state)
{
	struct err e;

	(void)state;
	assert_null(EVP_MD_fetch(NULL, "NO-SUCH-DIGEST", NULL));
	assert_int_not_equal(ERR_peek_error(), 0);
	assert_false(err_openssl(&e, ERR_INTERNAL, "digest"));
	assert_int_equal(ERR_peek_error(), 0);
	assert_true(str_starts(e.text, "digest: "));
	/* With nothing in the queue only the context remains. */
	assert_false(err_openssl(&e, ERR_INTERNAL, "digest"));
	assert_string_equal(e.text, "digest");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_and_is_false),
		cmocka_unit_test(slug_survives_wrapping),
		cmocka_unit_test(every_code_has_a_name),
		cmocka_unit_test(long_text_is_cut_between_characters),
		cmocka_unit_test(own_text_may_be_an_argument),
		cmocka_unit_test(errno_is_described),
		cmocka_unit_test(openssl_queue_is_emptied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
