/* Certificates: limits of the readers, names, serial numbers, times. */
#include "cert_fixture.h"

#include "core/limits.h"

/* tests/vectors/cms/rsa.crt, as openssl x509 -fingerprint shows it. */
#define VECTOR_FINGERPRINT                                                     \
	"94517f90c0160d29550f6a705c5536a0178a873ae2570803931c13436f0c7bbd"

static void
reads_what_openssl_wrote(void **state)
{
	AUTO(buf_free) struct buf *pem = vector("rsa.crt");
	AUTO(cert_x509_free) X509 *x = NULL;
	char fingerprint[SHA256_HEX_SIZE], text[64];
	struct err e = { 0 };

	(void)state;
	must(cert_parse_pem(buf_slice(pem), &x, &e), &e);
	cert_fingerprint(x, fingerprint);
	assert_string_equal(fingerprint, VECTOR_FINGERPRINT);
	cert_subject(x, text, sizeof(text));
	assert_string_equal(text, "CN=RSA signer,O=Vector");
	cert_subject_value(x, NID_commonName, text, sizeof(text));
	assert_string_equal(text, "RSA signer");
	cert_subject_value(x, NID_userId, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(cert_not_before(x), INT64_C(1795452704000));
	assert_int_equal(cert_not_after(x), INT64_C(2426172704000));
}

static void
der_is_exact(void **state)
{
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_x509_free) X509 *x = self_signed("one", k);
	AUTO(buf_free) struct buf *der = NULL;
	struct err e = { 0 };
	X509 *got = NULL;

	(void)state;
	must(cert_der(x, &der, &e), &e);
	for (size_t len = 0; len < der->len; len++)
		must_fail(cert_parse(slice_of(der->p, len), &got, &failure),
		    ERR_INVALID);
	der->max = LIMIT_CERT + 1;
	buf_addc(der, 0);
	must_fail(cert_parse(buf_slice(der), &got, &failure), ERR_INVALID);
	while (der->len <= LIMIT_CERT)
		buf_addc(der, 0);
	must_fail(cert_parse(buf_slice(der), &got, &failure), ERR_INVALID);
	assert_null(got);
}

static void
chain_has_limits(void **state)
{
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_x509_free) X509 *a = self_signed("a", k);
	AUTO(cert_x509_free) X509 *b = self_signed("b", k);
	AUTO(buf_free) struct buf *pem = buf_new(128 << 10);
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	struct err e = { 0 };
	X509 *got = NULL;

	(void)state;
	must_fail(
	    cert_parse_chain(slice_str("none"), &chain, &failure), ERR_INVALID);
	must(cert_pem(a, pem, &e), &e);
	must(cert_pem(b, pem, &e), &e);
	must(cert_parse_chain(buf_slice(pem), &chain, &e), &e);
	assert_int_equal(sk_X509_num(chain), 2);
	assert_int_equal(X509_cmp(sk_X509_value(chain, 1), b), 0);
	must_fail(cert_parse_pem(buf_slice(pem), &got, &failure), ERR_INVALID);
	cert_stack_free(&chain);

	for (int i = 0; i < LIMIT_CERT_CHAIN; i++)
		must(cert_pem(a, pem, &e), &e);
	must_fail(
	    cert_parse_chain(buf_slice(pem), &chain, &failure), ERR_INVALID);
	buf_reset(pem);
	must(cert_pem(a, pem, &e), &e);
	memset(pem->p + 100, '*', 4);
	must_fail(
	    cert_parse_chain(buf_slice(pem), &chain, &failure), ERR_INVALID);
	assert_null(chain);
}

static void
names_are_hostile(void **state)
{
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_x509_free) X509 *x = self_signed("a", k);
	X509_NAME *name = X509_NAME_new();
	char text[64], cut[8];

	(void)state;
	X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)"佐藤,\n\"x", -1, -1, 0);
	X509_NAME_add_entry_by_NID(name, NID_userId, V_ASN1_UTF8STRING,
	    (const unsigned char *)"a\0b", 3, -1, 0);
	X509_set_subject_name(x, name);
	X509_NAME_free(name);
	cert_subject(x, text, sizeof(text));
	assert_string_equal(text, "UID=a\\00b,CN=佐藤\\,\\0A\\\"x");
	cert_subject(x, cut, sizeof(cut));
	assert_string_equal(cut, "UID=a\\0");
	cert_subject_value(x, NID_commonName, cut, sizeof(cut));
	assert_string_equal(cut, "佐藤,");
	cert_subject_value(x, NID_userId, text, sizeof(text));
	assert_string_equal(text, "");
}

static void
serial_is_hex_and_cut(void **state)
{
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_x509_free) X509 *x = self_signed("a", k);
	ASN1_INTEGER *n = X509_get_serialNumber(x);
	char text[64], cut[6];

	(void)state;
	assert_true(ASN1_INTEGER_set_int64(n, 0xabcdef));
	cert_serial(x, text, sizeof(text));
	assert_string_equal(text, "abcdef");
	cert_serial(x, cut, sizeof(cut));
	assert_string_equal(cut, "abcd");
	assert_true(ASN1_INTEGER_set_int64(n, -10));
	cert_serial(x, text, sizeof(text));
	assert_string_equal(text, "-0a");
}

static void
spki_is_the_same_by_both_ways(void **state)
{
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_x509_free) X509 *x = self_signed("a", k);
	char a[SHA256_HEX_SIZE], b[SHA256_HEX_SIZE];
	struct err e = { 0 };

	(void)state;
	must(cert_spki(k, a, &e), &e);
	must(cert_spki_pub(X509_get_X509_PUBKEY(x), b, &e), &e);
	assert_string_equal(a, b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_openssl_wrote),
		cmocka_unit_test(der_is_exact),
		cmocka_unit_test(chain_has_limits),
		cmocka_unit_test(names_are_hostile),
		cmocka_unit_test(serial_is_hex_and_cut),
		cmocka_unit_test(spki_is_the_same_by_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
