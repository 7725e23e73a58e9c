/* Who signed a message, and whether he did. */
#include "tests/unit/scep_message_fixture.h"

static void
case_40_signer_by_key_id(void **state)
{
	struct forge_message m = good();

	(void)state;
	m.by_ski = true;
	assert_int_equal(parse(&m), -1);
}

static void
case_63_no_signer_certificate(void **state)
{
	AUTO(cert_x509_free)
	X509 *other = forge_certificate(
	    (struct forge_cert){ .key = the.key, .cn = "other" });
	struct forge_message m = good();

	(void)state;
	m.certs[0] = NULL;
	assert_int_equal(parse(&m), SCEP_BAD_MESSAGE_CHECK);
	m.certs[0] = other;
	assert_int_equal(parse(&m), SCEP_BAD_MESSAGE_CHECK);
}

static void
case_64_signature_does_not_verify(void **state)
{
	static const uint8_t digest[32] = { 1 };
	struct forge_message m = good();

	(void)state;
	m.bad_signature = true;
	assert_int_equal(parse(&m), SCEP_BAD_MESSAGE_CHECK);
	assert_int_equal(with(FORGE_MESSAGE_DIGEST, V_ASN1_OCTET_STRING,
	                     slice_of(digest, sizeof(digest))),
	    SCEP_BAD_MESSAGE_CHECK);
	assert_int_equal(with(FORGE_CONTENT_TYPE, V_ASN1_OBJECT,
	                     TEXT("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")),
	    SCEP_BAD_MESSAGE_CHECK);
	m = good();
	m.attrs[FORGE_CONTENT_TYPE].oid = NULL;
	assert_int_equal(parse(&m), SCEP_BAD_MESSAGE_CHECK);
	m = good();
	m.attrs[FORGE_MESSAGE_DIGEST].copies = 2;
	assert_int_equal(parse(&m), SCEP_BAD_MESSAGE_CHECK);
}

static void
parse_signed_by(EVP_PKEY *key, int expected)
{
	AUTO(cert_x509_free)
	X509 *x = forge_certificate((struct forge_cert){ .key = key });
	struct forge_message m = forge_message(key, x, TEXT("inner"));

	assert_int_equal(parse(&m), expected);
	EVP_PKEY_free(key);
}

static void
case_79_signer_key_sizes(void **state)
{
	(void)state;
	parse_signed_by(forge_rsa(1024), SCEP_BAD_ALG);
	parse_signed_by(forge_rsa(3072), -1);
}

static void
case_80_ec_signer(void **state)
{
	(void)state;
	parse_signed_by(forge_ec("P-256"), SCEP_BAD_ALG);
}

/* The name of an algorithm, and bits that are no key of it. */
static void
parse_key_bits(int nid, struct slice bits, int expected)
{
	AUTO(cert_x509_free)
	X509 *x = forge_certificate((struct forge_cert){ .key = the.key });
	struct forge_message m = forge_message(the.key, x, TEXT("inner"));

	assert_int_equal(X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x),
	                     OBJ_nid2obj(nid), V_ASN1_NULL, NULL,
	                     OPENSSL_memdup(bits.p, bits.len), (int)bits.len),
	    1);
	assert_true(i2d_re_X509_tbs(x, NULL) > 0);
	assert_int_equal(parse(&m), expected);
}

static void
signer_key_that_does_not_decode(void **state)
{
	AUTO(buf_free) struct buf *bits = forge_buf();
	uint8_t *der = NULL;
	int len = i2d_PublicKey(the.key, &der);

	(void)state;
	buf_add(bits, der, (size_t)len);
	OPENSSL_free(der);
	parse_key_bits(NID_rsaEncryption, buf_slice(bits), -1);
	parse_key_bits(NID_sha256, buf_slice(bits), SCEP_BAD_MESSAGE_CHECK);
	parse_key_bits(
	    NID_X9_62_id_ecPublicKey, buf_slice(bits), SCEP_BAD_MESSAGE_CHECK);
	buf_addc(bits, 0);
	parse_key_bits(
	    NID_rsaEncryption, buf_slice(bits), SCEP_BAD_MESSAGE_CHECK);
	parse_key_bits(
	    NID_rsaEncryption, slice_of("", 1), SCEP_BAD_MESSAGE_CHECK);
}

/* A message whose signer has this issuer or this serial number. */
static int
parse_odd_signer(int issuer_names, int serial_octets)
{
	AUTO(cert_x509_free)
	X509 *x = forge_certificate((struct forge_cert){ .key = the.key });
	X509_NAME *issuer = X509_NAME_dup(X509_get_issuer_name(x));
	uint8_t serial[5000];
	struct forge_message m;

	/* Of 75 octets each. */
	for (int i = 0; i < issuer_names; i++)
		X509_NAME_add_entry_by_NID(issuer, NID_commonName, MBSTRING_ASC,
		    (const uint8_t *)"0123456789012345678901234567890123456789"
		                     "012345678901234567890123",
		    -1, -1, 0);
	X509_set_issuer_name(x, issuer);
	X509_NAME_free(issuer);
	memset(serial, 0x11, sizeof(serial));
	ASN1_STRING_set(X509_get_serialNumber(x), serial, serial_octets);
	assert_true(X509_sign(x, the.key, EVP_sha256()) > 0);
	m = forge_message(the.key, x, TEXT("inner"));
	return parse(&m);
}

/* The reply names it, and has to have an end. */
static void
signer_that_no_reply_can_name(void **state)
{
	(void)state;
	assert_int_equal(parse_odd_signer(0, 20), -1);
	assert_int_equal(parse_odd_signer(40, 20), -1);
	assert_int_equal(parse_odd_signer(0, 3000), -1);
	assert_int_equal(parse_odd_signer(41, 20), SCEP_BAD_REQUEST);
	assert_int_equal(parse_odd_signer(260, 20), SCEP_BAD_REQUEST);
	assert_int_equal(parse_odd_signer(0, 5000), SCEP_BAD_REQUEST);
	assert_int_equal(parse_odd_signer(20, 2000), SCEP_BAD_REQUEST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_40_signer_by_key_id),
		cmocka_unit_test(case_63_no_signer_certificate),
		cmocka_unit_test(case_64_signature_does_not_verify),
		cmocka_unit_test(case_79_signer_key_sizes),
		cmocka_unit_test(case_80_ec_signer),
		cmocka_unit_test(signer_key_that_does_not_decode),
		cmocka_unit_test(signer_that_no_reply_can_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
