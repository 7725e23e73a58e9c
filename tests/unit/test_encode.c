/* Base64, hexadecimal and UUIDs. */
#include "core/encode.h"
#include "core/random.h"
#include "core_test.h"

/* The decoded text, or the error, of one input. */
static void
decodes(const char *in, unsigned flags, const char *want)
{
	AUTO(buf_free) struct buf *b = buf_new(1000);

	buf_adds(b, "<");
	if (want != NULL) {
		assert_ok(b64_decode(b, slice_str(in), flags, e));
		assert_string_equal(buf_str(b) + 1, want);
	} else {
		assert_err(b64_decode(b, slice_str(in), flags, e), ERR_INVALID);
		assert_string_equal(buf_str(b), "<");
	}
	assert_int_equal(b64_valid(slice_str(in), flags), want != NULL);
}

static void
rfc_4648_vectors(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_free) struct buf *b = buf_new(100);

		b64_encode(b, slice_str(rows[i][0]));
		assert_string_equal(buf_str(b), rows[i][1]);
		decodes(rows[i][1], B64_STRICT, rows[i][0]);
	}
}

static void
strict_refuses(void **state)
{
	static const char *const wrong[] = { "Z", "Zg", "Zg=", "Zg===", "=",
		"====", "Z===", "Zm9",
		"Zh==", "Zm9=", "Zg==Zg==", "Zm9v=", "Zm 9v", "Zm9v\n", "Zm9-",
		"Zm9_", "Zm9*", "Z=g=", "\xff\xff\xff\xff" };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		decodes(wrong[i], B64_STRICT, NULL);
}

static void
flags_tolerate(void **state)
{
	(void)state;
	decodes(" Z\tm9\r\nv Yg = =\n", B64_SPACES, "foob");
	decodes("Zg", B64_NO_PAD, "f");
	decodes("Zm8", B64_NO_PAD, "fo");
	decodes("Zm8=", B64_NO_PAD, "fo");
	decodes("Zg=", B64_NO_PAD, NULL);
	decodes("Z", B64_NO_PAD, NULL);
	decodes("Pj4-Pz8_", B64_URL, ">>>???");
	decodes("Pj4 Pz8/", B64_SPACE_PLUS, ">>>???");
	decodes("Pj4 \nPz8/", B64_SPACE_PLUS | B64_SPACES, ">>>???");
	decodes("Pj4-Pz8_", B64_STRICT, NULL);
}

static void
every_length_round_trips(void **state)
{
	uint8_t data[300];

	(void)state;
	random_bytes(data, sizeof(data));
	for (size_t len = 0; len <= sizeof(data); len++) {
		AUTO(buf_free) struct buf *text = buf_new(1000);
		AUTO(buf_free) struct buf *back = buf_new(len);

		b64_encode(text, slice_of(data, len));
		assert_ok(b64_decode(back, buf_slice(text), 0, e));
		assert_true(slice_eq(buf_slice(back), slice_of(data, len)));
		buf_reset(text);
		buf_reset(back);
		hex_encode(text, slice_of(data, len));
		assert_ok(hex_decode(back, buf_slice(text), e));
		assert_true(slice_eq(buf_slice(back), slice_of(data, len)));
	}
}

static void
too_much_is_too_large(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(3);

	(void)state;
	assert_err(b64_decode(b, slice_str("Zm9vYmFy"), 0, e), ERR_TOO_LARGE);
	buf_reset(b);
	assert_err(hex_decode(b, slice_str("00112233"), e), ERR_TOO_LARGE);
}

static void
hex_both_ways(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(100);
	char text[9];

	(void)state;
	hex_to(text, "\x00\xab\xCD\xff", 4);
	assert_string_equal(text, "00abcdff");
	assert_ok(hex_decode(b, slice_str("00AbCdfF"), e));
	assert_memory_equal(b->p, "\x00\xab\xcd\xff", 4);
	assert_err(hex_decode(b, slice_str("abc"), e), ERR_INVALID);
	assert_err(hex_decode(b, slice_str("12g0"), e), ERR_INVALID);
	assert_err(hex_decode(b, slice_str("@0"), e), ERR_INVALID);
	assert_int_equal(b->len, 4);
}

static void
uuids(void **state)
{
	char a[UUID_SIZE], b[UUID_SIZE];

	(void)state;
	uuid_new(a);
	uuid_new(b);
	assert_string_not_equal(a, b);
	assert_true(uuid_valid(a));
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89AB", a[19]));
	assert_int_equal(strcspn(a, "abcdef"), UUID_SIZE - 1);
	uuid_new_lower(b);
	assert_true(uuid_valid(b));
	assert_int_equal(strcspn(b, "ABCDEF"), UUID_SIZE - 1);
	assert_false(uuid_valid(NULL));
	assert_false(uuid_valid(""));
	assert_false(uuid_valid("66ADE930-5FDF-5EC4-8429-15640684C48"));
	assert_false(uuid_valid("66ADE930-5FDF-5EC4-8429-15640684C489x"));
	assert_false(uuid_valid("66ADE930x5FDF-5EC4-8429-15640684C489"));
	assert_false(uuid_valid("66ADE93G-5FDF-5EC4-8429-15640684C489"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_4648_vectors),
		cmocka_unit_test(strict_refuses),
		cmocka_unit_test(flags_tolerate),
		cmocka_unit_test(every_length_round_trips),
		cmocka_unit_test(too_much_is_too_large),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(uuids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
