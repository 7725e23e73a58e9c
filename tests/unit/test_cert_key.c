/* Keys: policy for those from outside, files and their modes, bad PEM. */
#include "cert_fixture.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include "certs/cert_key.h"

static void
policy_takes_what_we_make(void **state)
{
	static const struct {
		enum cert_key_kind kind;
		bool ec;
	} cases[] = { { CERT_RSA_2048, false }, { CERT_RSA_2048, true },
		{ CERT_P256, true } };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(cert_key_free) EVP_PKEY *k = new_key(cases[i].kind);

		must(cert_key_acceptable(k, cases[i].ec, &e), &e);
	}
}

static void
policy_refuses(EVP_PKEY *k, bool ec)
{
	assert_non_null(k);
	must_fail(cert_key_acceptable(k, ec, &failure), ERR_INVALID);
	EVP_PKEY_free(k);
}

/* A public key of these numbers; nobody knows its private one. */
static EVP_PKEY *
rsa_public(int bits, bool even, const char *exponent)
{
	BIGNUM *n = BN_new(), *x = NULL;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *k = NULL;
	OSSL_PARAM *params;

	assert_true(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD));
	if (even)
		BN_clear_bit(n, 0);
	assert_true(BN_hex2bn(&x, exponent) > 0);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, x);
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(
	    EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(x);
	return k;
}

static void
policy_refuses_odd_rsa(void **state)
{
	struct err e = { 0 };
	AUTO(cert_key_free) EVP_PKEY *three = rsa_public(2048, false, "3");
	AUTO(cert_key_free)
	EVP_PKEY *longest = rsa_public(4096, false, "10001");

	(void)state;
	must(cert_key_acceptable(three, false, &e), &e);
	must(cert_key_acceptable(longest, false, &e), &e);
	policy_refuses(rsa_public(2047, false, "10001"), false);
	policy_refuses(rsa_public(1024, false, "10001"), false);
	policy_refuses(rsa_public(4097, false, "10001"), false);
	policy_refuses(rsa_public(2048, true, "10001"), false);
	policy_refuses(rsa_public(2048, false, "1"), false);
	policy_refuses(rsa_public(2048, false, "10000"), false);
	policy_refuses(rsa_public(2048, false, "10000000000000001"), false);
}

static void
policy_refuses_other_kinds(void **state)
{
	struct err e = { 0 };
	AUTO(cert_key_free) EVP_PKEY *p384 = EVP_EC_gen("P-384");

	(void)state;
	must(cert_key_acceptable(p384, true, &e), &e);
	policy_refuses(EVP_EC_gen("P-256"), false);
	policy_refuses(EVP_EC_gen("P-521"), true);
	policy_refuses(EVP_EC_gen("secp256k1"), true);
	policy_refuses(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), true);
	must_fail(cert_key_acceptable(NULL, true, &failure), ERR_INVALID);
}

static void
encrypted_key_opens_with_its_passphrase(void **state)
{
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_key_free) EVP_PKEY *again = NULL;
	AUTO(buf_wipe) struct buf *pem = NULL;
	AUTO(buf_wipe) struct buf *plain = NULL;
	struct err e = { 0 };

	(void)state;
	must(cert_key_encrypt(k, slice_str("open, sesame"), &pem, &e), &e);
	assert_true(
	    str_starts(buf_str(pem), "-----BEGIN ENCRYPTED PRIVATE KEY-----"));
	must(cert_key_decrypt(
	         buf_slice(pem), slice_str("open, sesame"), &again, &e),
	    &e);
	assert_int_equal(EVP_PKEY_eq(k, again), 1);
	cert_key_free(&again);
	must_fail(cert_key_decrypt(buf_slice(pem), slice_str("open, sesami"),
	              &again, &failure),
	    ERR_INVALID);
	must_fail(
	    cert_key_parse(buf_slice(pem), &again, &failure), ERR_INVALID);
	must(cert_key_pem(k, &plain, &e), &e);
	must_fail(cert_key_decrypt(buf_slice(plain), slice_str("open, sesame"),
	              &again, &failure),
	    ERR_INVALID);
	assert_null(again);
}

static void
refuses_bad_pem(void **state)
{
	/* An encrypted key must fail, and not ask on the terminal. */
	static const char encrypted[] =
	    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	    "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBDL0FHpLK3nTZ1tBFAK\n"
	    "-----END ENCRYPTED PRIVATE KEY-----\n";
	static const char *const bad[] = {
		"", "x", encrypted,
		"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	};
	AUTO(buf_free) struct buf *large = buf_new(64 << 10);
	EVP_PKEY *k = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		must_fail(cert_key_parse(slice_str(bad[i]), &k, &failure),
		    ERR_INVALID);
	while (large->len < 32 << 10)
		buf_adds(large, "-----BEGIN PRIVATE KEY-----\n");
	must_fail(cert_key_parse(buf_slice(large), &k, &failure), ERR_INVALID);
	assert_null(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_takes_what_we_make),
		cmocka_unit_test(policy_refuses_odd_rsa),
		cmocka_unit_test(policy_refuses_other_kinds),
		cmocka_unit_test(encrypted_key_opens_with_its_passphrase),
		cmocka_unit_test(refuses_bad_pem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
