/* Elements of DER. */
#include "core_test.h"

#include <openssl/objects.h>

#include "core/der.h"

static void
lengths_take_as_few_octets_as_they_can(void **state)
{
	static const struct {
		size_t len, head;
		uint8_t want[6];
	} cases[] = {
		{ 0, 2, { 0x04, 0x00 } },
		{ 0x7f, 2, { 0x04, 0x7f } },
		{ 0x80, 3, { 0x04, 0x81, 0x80 } },
		{ 0xff, 3, { 0x04, 0x81, 0xff } },
		{ 0x100, 4, { 0x04, 0x82, 0x01, 0x00 } },
		{ 0xffff, 4, { 0x04, 0x82, 0xff, 0xff } },
		{ 0x10000, 5, { 0x04, 0x83, 0x01, 0x00, 0x00 } },
		{ 0x1000000, 6, { 0x04, 0x84, 0x01, 0x00, 0x00, 0x00 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(buf_free) struct buf *out = buf_new(16);

		der_head(out, DER_OCTETS, cases[i].len);
		assert_true(slice_eq(
		    buf_slice(out), slice_of(cases[i].want, cases[i].head)));
	}
}

static void
an_element_is_its_head_and_its_body(void **state)
{
	AUTO(buf_free) struct buf *out = buf_new(4);

	(void)state;
	der_put(out, DER_SEQUENCE, slice_str("ab"));
	assert_true(slice_eq_str(buf_slice(out), "\x30\x02"
	                                         "ab"));
	/* What does not fit shows in the buffer. */
	der_put(out, DER_NULL, slice_str(""));
	assert_true(out->overflow);
}

static void
wrapping_makes_an_element_of_what_is_there(void **state)
{
	AUTO(buf_free) struct buf *out = buf_new(300);
	size_t at;

	(void)state;
	buf_adds(out, "x");
	at = out->len;
	buf_adds(out, "ab");
	der_wrap(out, at, DER_OCTETS);
	der_wrap(out, at, DER_SEQUENCE);
	assert_true(slice_eq_str(buf_slice(out), "x\x30\x04\x04\x02"
	                                         "ab"));
	der_wrap(out, out->len, DER_NULL);
	assert_int_equal(out->len, 9);
	while (out->len < 0x81)
		buf_adds(out, ".");
	der_wrap(out, at, DER_SET);
	assert_memory_equal(out->p, "x\x31\x81\x80\x30", 5);
	while (out->len < 300)
		buf_adds(out, ".");
	der_wrap(out, 0, DER_SET);
	assert_true(out->overflow);
}

static void
identifiers_have_numbers(void **state)
{
	AUTO(buf_free) struct buf *out = buf_new(16);

	(void)state;
	der_put_oid(out, NID_commonName);
	assert_true(slice_eq_str(buf_slice(out), "\x06\x03\x55\x04\x03"));
}

static void
expect_time(int64_t at_s, uint8_t tag, const char *wanted)
{
	char text[DER_TIME_SIZE];
	size_t len;

	assert_int_equal(der_time(at_s * 1000, text, &len), tag);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(text, wanted, len);
}

/* RFC 5280 4.1.2.5: from 2050 on another type. */
static void
times_change_their_type(void **state)
{
	(void)state;
	expect_time(0, DER_UTC_TIME, "700101000000Z");
	expect_time(2524607999, DER_UTC_TIME, "491231235959Z");
	expect_time(2524608000, DER_GENERALIZED_TIME, "20500101000000Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_change_their_type),
		cmocka_unit_test(lengths_take_as_few_octets_as_they_can),
		cmocka_unit_test(an_element_is_its_head_and_its_body),
		cmocka_unit_test(wrapping_makes_an_element_of_what_is_there),
		cmocka_unit_test(identifiers_have_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
