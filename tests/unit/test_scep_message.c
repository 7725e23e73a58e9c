/*
 * The outer SignedData (conformance cases of section 5.3 to 5.5 that end
 * before the envelope is opened), against scep_parse() alone.
 */
#include "tests/unit/scep_message_fixture.h"

static void
case_39_ber_outside(void **state)
{
	struct forge_message m = good();

	(void)state;
	m.ber = true;
	assert_int_equal(parse(&m), -1);
}

static void
case_42_digests(void **state)
{
	static const struct {
		const EVP_MD *(*md)(void);
		const char *name;
		int nid;
	} all[] = { { EVP_sha1, "sha1", NID_sha1 },
		{ EVP_sha224, "sha224", NID_sha224 },
		{ EVP_sha256, "sha256", NID_sha256 },
		{ EVP_sha384, "sha384", NID_sha384 },
		{ EVP_sha512, "sha512", NID_sha512 } };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		AUTO(scep_message_free) struct scep_message *out = NULL;
		AUTO(buf_free) struct buf *der = NULL;
		struct forge_message m = good();
		struct scep_verdict v;
		struct err e;

		m.md = all[i].md();
		m.md_name = all[i].name;
		der = forge_signed(&m);
		assert_true(scep_parse(NULL, buf_slice(der), &out, &v, &e));
		assert_int_equal(v.fail, -1);
		assert_int_equal(out->digest_nid, all[i].nid);
	}
}

static void
case_43_attribute_types_and_nonce_lengths(void **state)
{
	static const uint8_t nonce[64] = { 1 };
	static const size_t lengths[] = { 1, 8, 32, 64 };
	static const int tags[] = { V_ASN1_UTF8STRING, V_ASN1_IA5STRING };

	(void)state;
	for (size_t i = 0; i < COUNT(tags); i++) {
		assert_int_equal(
		    with(FORGE_TRANSACTION, tags[i], TEXT("abc")), -1);
		assert_int_equal(
		    with(FORGE_MESSAGE_TYPE, tags[i], TEXT("19")), -1);
	}
	for (size_t i = 0; i < COUNT(lengths); i++)
		assert_int_equal(with(FORGE_SENDER_NONCE, V_ASN1_OCTET_STRING,
		                     slice_of(nonce, lengths[i])),
		    -1);
}

static void
case_45_transaction_ids(void **state)
{
	char text[257];
	static const size_t lengths[] = { 1, 40, 78, 256 };

	(void)state;
	memset(text, 'A', sizeof(text));
	for (size_t i = 0; i < COUNT(lengths); i++)
		assert_int_equal(with(FORGE_TRANSACTION, V_ASN1_PRINTABLESTRING,
		                     slice_of(text, lengths[i])),
		    -1);
	assert_int_equal(
	    with(FORGE_TRANSACTION, V_ASN1_PRINTABLESTRING, TEXT("a+/= b")),
	    -1);
}

static void
case_46_unsorted_and_unknown_attributes(void **state)
{
	struct forge_message m = good();

	(void)state;
	m.unsorted = true;
	m.attrs[FORGE_EXTRA] = (struct forge_attr){ "1.2.3.4.5.6",
		V_ASN1_UTF8STRING, TEXT("what?"), 0, 0 };
	m.attrs[FORGE_EXTRA + 1] = (struct forge_attr){ "signingTime",
		V_ASN1_UTCTIME, TEXT("261123160500Z"), 0, 0 };
	assert_int_equal(parse(&m), -1);
}

static void
case_53_truncated_at_every_offset(void **state)
{
	struct forge_message m = good();
	AUTO(buf_free) struct buf *der = forge_signed(&m);

	(void)state;
	for (size_t n = 0; n < der->len; n++) {
		/* A block of its own, for the address sanitizer. */
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, der->p, n);
		assert_int_equal(parse_bytes(slice_of(copy, n)), 400);
		free(copy);
	}
}

static void
case_54_one_flipped_byte_at_every_offset(void **state)
{
	struct forge_message m = good();
	AUTO(buf_free) struct buf *der = forge_signed(&m);
	int accepted = 0;

	(void)state;
	for (size_t n = 0; n < der->len; n++) {
		int verdict;

		der->p[n] ^= 0x10;
		verdict = parse_bytes(buf_slice(der));
		assert_true(verdict == 400 ||
		            (verdict >= -1 && verdict <= SCEP_BAD_REQUEST));
		accepted += verdict == -1;
		der->p[n] ^= 0x10;
	}
	/* Versions, the list of digests, the certificate's own signature and
	 * names: what the signature does not cover. */
	assert_true(accepted > 0 && accepted < (int)der->len / 2);
}

static void
case_55_trailing_bytes(void **state)
{
	struct forge_message m = good();
	AUTO(buf_free) struct buf *der = forge_signed(&m);

	(void)state;
	buf_adds(der, "\r\n");
	assert_int_equal(parse_bytes(buf_slice(der)), -1);
	buf_adds(der, "x");
	assert_int_equal(parse_bytes(buf_slice(der)), 400);
}

static void
case_56_not_signed_data(void **state)
{
	static const uint8_t zeros[512];
	struct forge_message m = good();

	(void)state;
	m.outer_type = "pkcs7-envelopedData";
	assert_int_equal(parse(&m), 400);
	m.outer_type = "pkcs7-data";
	assert_int_equal(parse(&m), 400);
	assert_int_equal(parse_bytes(slice_of(zeros, sizeof(zeros))), 400);
	assert_int_equal(
	    parse_bytes(TEXT("<!DOCTYPE html><html></html>")), 400);
	assert_int_equal(parse_bytes(TEXT("-----BEGIN PKCS7-----\n")), 400);
	assert_int_equal(parse_bytes(TEXT("")), 400);
}

static void
case_57_number_of_signers(void **state)
{
	struct forge_message m = good();

	(void)state;
	m.signers = 0;
	assert_int_equal(parse(&m), 400);
	m.signers = 2;
	assert_int_equal(parse(&m), 400);
}

static void
case_58_no_signed_attributes(void **state)
{
	struct forge_message m = good();

	(void)state;
	m.no_attrs = true;
	assert_int_equal(parse(&m), 400);
}

/* Absent, twice, with two values, and of a wrong type. */
static void
check_single(int which)
{
	struct forge_message m = good();

	m.attrs[which].copies = 2;
	assert_int_equal(parse(&m), 400);
	m.attrs[which].copies = 1;
	m.attrs[which].values = 2;
	assert_int_equal(parse(&m), 400);
	m.attrs[which].oid = NULL;
	assert_int_equal(parse(&m), 400);
	assert_int_equal(with(which, V_ASN1_INTEGER, TEXT("\x13")), 400);
	assert_int_equal(with(which, V_ASN1_BMPSTRING, TEXT("19")), 400);
}

static void
case_59_bad_transaction_ids(void **state)
{
	char text[257];

	(void)state;
	memset(text, 'A', sizeof(text));
	check_single(FORGE_TRANSACTION);
	assert_int_equal(
	    with(FORGE_TRANSACTION, V_ASN1_PRINTABLESTRING, TEXT("")), 400);
	assert_int_equal(with(FORGE_TRANSACTION, V_ASN1_PRINTABLESTRING,
	                     slice_of(text, sizeof(text))),
	    400);
	assert_int_equal(
	    with(FORGE_TRANSACTION, V_ASN1_PRINTABLESTRING, TEXT("a\0b")), 400);
}

static void
case_60_bad_message_types(void **state)
{
	static const char *const bad[] = { "", "19x", " 19", "019", "+9", "1.",
		"-1", "0x", "00" };

	(void)state;
	check_single(FORGE_MESSAGE_TYPE);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(with(FORGE_MESSAGE_TYPE,
		                     V_ASN1_PRINTABLESTRING, slice_str(bad[i])),
		    400);
}

static void
case_61_bad_sender_nonces(void **state)
{
	static const uint8_t nonce[65] = { 1 };

	(void)state;
	check_single(FORGE_SENDER_NONCE);
	assert_int_equal(
	    with(FORGE_SENDER_NONCE, V_ASN1_OCTET_STRING, TEXT("")), 400);
	assert_int_equal(with(FORGE_SENDER_NONCE, V_ASN1_OCTET_STRING,
	                     slice_of(nonce, sizeof(nonce))),
	    400);
	assert_int_equal(
	    with(FORGE_SENDER_NONCE, V_ASN1_PRINTABLESTRING, TEXT("abcd")),
	    400);
}

static void
case_65_content_is_not_data(void **state)
{
	struct forge_message m = good();

	(void)state;
	m.content_type = "pkcs7-envelopedData";
	assert_int_equal(parse(&m), 400);
}

static void
case_73_many_certificates(void **state)
{
	struct forge_message m = good();

	(void)state;
	for (size_t i = 0; i < COUNT(m.certs); i++)
		m.certs[i] = the.signer;
	assert_int_equal(parse(&m), 400);
}

static void
case_73_deep_nesting(void **state)
{
	AUTO(buf_free) struct buf *b = forge_buf();

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_add(b, "\x24\x80", 2);
	assert_int_equal(parse_bytes(buf_slice(b)), 400);
}

static void
case_75_md5_is_refused(void **state)
{
	struct forge_message m = good();

	(void)state;
	m.md = EVP_md5();
	m.md_name = "md5";
	assert_int_equal(parse(&m), SCEP_BAD_ALG);
	m = good();
	m.signature = "md5WithRSAEncryption";
	assert_int_equal(parse(&m), SCEP_BAD_ALG);
}

static void
oversize_is_refused_unparsed(void **state)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(buf_free) struct buf *b = forge_buf();
	struct scep_verdict v;
	struct err e;

	(void)state;
	for (int i = 0; i < 64 * 1024 + 1; i++)
		buf_addc(b, '0');
	assert_false(scep_parse(NULL, buf_slice(b), &m, &v, &e));
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_39_ber_outside),
		cmocka_unit_test(case_42_digests),
		cmocka_unit_test(case_43_attribute_types_and_nonce_lengths),
		cmocka_unit_test(case_45_transaction_ids),
		cmocka_unit_test(case_46_unsorted_and_unknown_attributes),
		cmocka_unit_test(case_53_truncated_at_every_offset),
		cmocka_unit_test(case_54_one_flipped_byte_at_every_offset),
		cmocka_unit_test(case_55_trailing_bytes),
		cmocka_unit_test(case_56_not_signed_data),
		cmocka_unit_test(case_57_number_of_signers),
		cmocka_unit_test(case_58_no_signed_attributes),
		cmocka_unit_test(case_59_bad_transaction_ids),
		cmocka_unit_test(case_60_bad_message_types),
		cmocka_unit_test(case_61_bad_sender_nonces),
		cmocka_unit_test(case_65_content_is_not_data),
		cmocka_unit_test(case_73_many_certificates),
		cmocka_unit_test(case_73_deep_nesting),
		cmocka_unit_test(case_75_md5_is_refused),
		cmocka_unit_test(oversize_is_refused_unparsed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
