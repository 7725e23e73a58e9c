/*
 * What the service encloses in its replies, read by OpenSSL.
 */
#include "core/limits.h"
#include "scep/scep_priv.h"
#include "tests/unit/scep_forge.h"

static struct {
	EVP_PKEY *key;
	X509 *x;
} the;

static int
setup(void **state)
{
	(void)state;
	the.key = forge_rsa(2048);
	the.x = forge_certificate((struct forge_cert){ .key = the.key });
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(the.key);
	X509_free(the.x);
	return 0;
}

/* Parses, and finds nothing that DER would write otherwise. */
static CMS_ContentInfo *
read_der(const struct buf *b)
{
	const uint8_t *p = b->p;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)b->len);
	uint8_t *again = NULL;

	assert_non_null(cms);
	assert_ptr_equal(p, b->p + b->len);
	assert_int_equal(i2d_CMS_ContentInfo(cms, &again), b->len);
	assert_memory_equal(again, b->p, b->len);
	OPENSSL_free(again);
	return cms;
}

static bool
make(struct slice content, EVP_PKEY *key, int cipher, struct buf **out,
    struct err *e)
{
	EVP_PKEY_CTX *use = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool ok = scep_envelope_make(content, the.x, use, cipher, out, e);

	EVP_PKEY_CTX_free(use);
	return ok;
}

static void
opens(struct slice content, int cipher)
{
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_bio_free) BIO *plain = BIO_new(BIO_s_mem());
	struct err e;
	char *p;

	assert_true(make(content, the.key, cipher, &der, &e));
	cms = read_der(der);
	assert_int_equal(OBJ_obj2nid(CMS_get0_type(cms)), NID_pkcs7_enveloped);
	assert_int_equal(
	    CMS_decrypt(cms, the.key, the.x, NULL, plain, CMS_BINARY), 1);
	assert_int_equal(BIO_get_mem_data(plain, &p), content.len);
	assert_memory_equal(p, content.p, content.len);
}

static void
envelope_is_what_openssl_opens(void **state)
{
	static const int ciphers[] = { NID_aes_128_cbc, NID_aes_192_cbc,
		NID_aes_256_cbc, NID_des_ede3_cbc };
	static const uint8_t bytes[LIMIT_BODY_SCEP];
	/* Around the sizes of blocks and of lengths in DER. */
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 111, 112, 127, 128,
		239, 255, 256, 1500, LIMIT_BODY_SCEP };

	(void)state;
	for (size_t c = 0; c < COUNT(ciphers); c++)
		for (size_t i = 0; i < COUNT(sizes); i++)
			opens(slice_of(bytes, sizes[i]), ciphers[c]);
}

static void
envelopes_differ(void **state)
{
	AUTO(buf_free) struct buf *a = NULL;
	AUTO(buf_free) struct buf *b = NULL;
	struct err e;

	(void)state;
	assert_true(
	    make(slice_str("the same"), the.key, NID_aes_128_cbc, &a, &e));
	assert_true(
	    make(slice_str("the same"), the.key, NID_aes_128_cbc, &b, &e));
	assert_int_equal(a->len, b->len);
	/* IV and content, the last of it. */
	assert_memory_not_equal(a->p + a->len - 16, b->p + b->len - 16, 16);
}

static void
what_cannot_be_enclosed(void **state)
{
	static const uint8_t bytes[LIMIT_SCEP_CRL + 4096];
	EVP_PKEY *ec = forge_ec("P-256");
	struct buf *out = NULL;
	struct err e;

	(void)state;
	assert_false(make(slice_of(bytes, sizeof(bytes)), the.key,
	    NID_aes_128_cbc, &out, &e));
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_false(make(slice_str("x"), ec, NID_aes_128_cbc, &out, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_false(make(slice_str("x"), the.key, NID_undef, &out, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_null(out);
	EVP_PKEY_free(ec);
}

static void
degenerate_is_what_openssl_reads(void **state)
{
	AUTO(buf_free) struct buf *out = forge_buf();
	AUTO(buf_free) struct buf *der = forge_buf();
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	STACK_OF(X509) * certs;

	(void)state;
	forge_add_certificate(der, the.x);
	scep_degenerate(buf_slice(der), slice_str(""), out);
	cms = read_der(out);
	certs = CMS_get1_certs(cms);
	assert_int_equal(sk_X509_num(certs), 1);
	assert_int_equal(X509_cmp(sk_X509_value(certs, 0), the.x), 0);
	sk_X509_pop_free(certs, X509_free);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope_is_what_openssl_opens),
		cmocka_unit_test(envelopes_differ),
		cmocka_unit_test(what_cannot_be_enclosed),
		cmocka_unit_test(degenerate_is_what_openssl_reads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
