/*
 * The pkcsPKIEnvelope: which ones scep_open() opens, and that it tells an
 * attacker nothing about those it cannot.
 */
#include "scep/scep_priv.h"
#include "tests/unit/scep_forge_signed.h"

static struct {
	EVP_PKEY *key, *other_key;
	X509 *ra, *other;
	struct slice plain;
} the = { .plain = { (const uint8_t *)"this is not a CSR", 17 } };

static int
setup(void **state)
{
	(void)state;
	the.key = forge_rsa(2048);
	the.other_key = forge_rsa(2048);
	the.ra = forge_certificate(
	    (struct forge_cert){ .key = the.key, .cn = "RA" });
	the.other = forge_certificate(
	    (struct forge_cert){ .key = the.other_key, .cn = "other" });
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(the.key);
	EVP_PKEY_free(the.other_key);
	X509_free(the.ra);
	X509_free(the.other);
	return 0;
}

/* Opens; a good verdict has to yield the plain text and the cipher. */
static struct scep_verdict
open_bytes(struct slice der, bool des, int cipher)
{
	AUTO(scep_message_free)
	struct scep_message *m = mem_zalloc(1, sizeof(*m));
	AUTO(buf_wipe) struct buf *plain = NULL;
	struct scep_verdict v;

	if (der.p != NULL) {
		m->envelope = buf_new(FORGE_MAX);
		buf_add(m->envelope, der.p, der.len);
	}
	m->allow_des = des;
	scep_open(m, the.ra, the.key, &plain, &v);
	assert_int_equal(v.fail < 0, plain != NULL);
	assert_int_equal(v.fail < 0, v.text == NULL);
	if (v.fail < 0) {
		assert_true(slice_eq(buf_slice(plain), the.plain));
		assert_int_equal(m->cipher_nid, cipher);
	}
	return v;
}

static struct scep_verdict
open_forged(struct forge_env env)
{
	AUTO(buf_free) struct buf *der = forge_envelope(env, the.plain);
	int cipher = OBJ_txt2nid(env.cipher ? env.cipher : "AES-128-CBC");

	return open_bytes(buf_slice(der), false, cipher);
}

static void
case_39_ber_inside(void **state)
{
	(void)state;
	assert_int_equal(
	    open_forged((struct forge_env){ .to = { the.ra }, .ber = true })
	        .fail,
	    -1);
}

static void
case_40_recipient_by_key_id(void **state)
{
	(void)state;
	assert_int_equal(
	    open_forged((struct forge_env){ .to = { the.ra }, .by_ski = true })
	        .fail,
	    -1);
}

static struct buf *
encode(CMS_ContentInfo *cms)
{
	struct buf *b = forge_buf();
	uint8_t *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	assert_true(len > 0);
	buf_add(b, der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	return b;
}

static void
case_41_three_recipients(void **state)
{
	X509 *more = forge_certificate(
	    (struct forge_cert){ .key = the.other_key, .cn = "third" });

	(void)state;
	assert_int_equal(
	    open_forged((struct forge_env){ .to = { the.other, more, the.ra } })
	        .fail,
	    -1);
	assert_int_equal(
	    open_forged((struct forge_env){ .to = { the.ra, the.other, more } })
	        .fail,
	    -1);
	X509_free(more);
}

/* All of GetCACert, of which the issuing CA has an EC key. */
static void
case_41_one_that_agrees_on_a_key(void **state)
{
	AUTO(buf_free) struct buf *both = NULL;
	EVP_PKEY *ec = forge_ec("P-256");
	X509 *ca = forge_certificate((struct forge_cert){ .key = ec });
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(the.plain.p, (int)the.plain.len);

	(void)state;
	sk_X509_push(to, ca);
	sk_X509_push(to, the.ra);
	both = encode(CMS_encrypt(to, bio, EVP_aes_128_cbc(), CMS_BINARY));
	assert_int_equal(
	    open_bytes(buf_slice(both), false, NID_aes_128_cbc).fail, -1);
	BIO_free(bio);
	sk_X509_free(to);
	X509_free(ca);
	EVP_PKEY_free(ec);
}

static void
case_42_ciphers(void **state)
{
	static const char *const good[] = { "AES-128-CBC", "AES-192-CBC",
		"AES-256-CBC", "DES-EDE3-CBC" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(
		    open_forged((struct forge_env){
		                    .to = { the.ra }, .cipher = good[i] })
		        .fail,
		    -1);
}

static void
case_66_no_envelope(void **state)
{
	(void)state;
	assert_int_equal(
	    open_bytes(slice_of(NULL, 0), false, 0).fail, SCEP_BAD_REQUEST);
	assert_int_equal(
	    open_bytes(the.plain, false, 0).fail, SCEP_BAD_REQUEST);
}

static void
case_67_other_content_types(void **state)
{
	static const char *const types[] = { "id-smime-ct-authEnvelopedData",
		"id-smime-ct-compressedData", "pkcs7-signedData",
		"pkcs7-data" };

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++)
		assert_int_equal(
		    open_forged((struct forge_env){
		                    .to = { the.ra }, .type = types[i] })
		        .fail,
		    SCEP_BAD_REQUEST);
}

static void
case_68_for_another_certificate(void **state)
{
	struct scep_verdict v =
	    open_forged((struct forge_env){ .to = { the.other } });

	(void)state;
	assert_int_equal(v.fail, SCEP_BAD_REQUEST);
	assert_non_null(strstr(v.text, "encrypted for another certificate"));
}

/*
 * A content key that does not decrypt looks like one that does (OpenSSL's
 * implicit rejection), and one wrong key in 256 leaves padding that happens to
 * be right.  What comes out is then no request, and scep_csr_parse() answers
 * with the same text: case_70 of test_scep_csr.c.
 */
static void
unreadable(struct forge_env env)
{
	AUTO(buf_free) struct buf *der = forge_envelope(env, the.plain);
	AUTO(scep_message_free)
	struct scep_message *m = mem_zalloc(1, sizeof(*m));
	AUTO(buf_wipe) struct buf *plain = NULL;
	struct scep_verdict v;

	m->envelope = TAKE(der);
	scep_open(m, the.ra, the.key, &plain, &v);
	if (v.fail < 0) {
		assert_false(env.bad_padding);
		assert_false(slice_eq(buf_slice(plain), the.plain));
		return;
	}
	assert_int_equal(v.fail, SCEP_BAD_REQUEST);
	assert_string_equal(v.text, SCEP_TEXT_UNREADABLE);
}

static void
case_69_every_decryption_problem_is_one(void **state)
{
	(void)state;
	unreadable((struct forge_env){ .to = { the.ra }, .bad_key = true });
	unreadable((struct forge_env){ .to = { the.ra }, .bad_rsa = true });
	unreadable((struct forge_env){ .to = { the.ra }, .bad_padding = true });
}

static void
case_73_many_recipients(void **state)
{
	struct forge_env env = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(env.to); i++)
		env.to[i] = i == 0 ? the.ra : the.other;
	assert_int_equal(open_forged(env).fail, SCEP_BAD_REQUEST);
	env = (struct forge_env){ .to = { the.ra, the.ra } };
	assert_int_equal(open_forged(env).fail, SCEP_BAD_REQUEST);
}

static void
case_74_oaep(void **state)
{
	(void)state;
	assert_int_equal(open_forged((struct forge_env){ .to = { the.ra },
	                                 .transport = "oaep-sha1" })
	                     .fail,
	    -1);
	assert_int_equal(open_forged((struct forge_env){ .to = { the.ra },
	                                 .transport = "oaep-sha256" })
	                     .fail,
	    -1);
	assert_int_equal(open_forged((struct forge_env){ .to = { the.ra },
	                                 .transport = "rsassaPss" })
	                     .fail,
	    SCEP_BAD_ALG);
}

static void
case_74_key_agreement_and_password(void **state)
{
	AUTO(buf_free) struct buf *kari = NULL;
	AUTO(buf_free) struct buf *pwri = NULL;
	EVP_PKEY *ec = forge_ec("P-256");
	X509 *x = forge_certificate((struct forge_cert){ .key = ec });
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf("plain", 5);
	CMS_ContentInfo *cms;

	(void)state;
	sk_X509_push(to, x);
	kari = encode(CMS_encrypt(to, bio, EVP_aes_128_cbc(), CMS_BINARY));
	assert_int_equal(
	    open_bytes(buf_slice(kari), false, 0).fail, SCEP_BAD_ALG);
	BIO_free(bio);
	bio = BIO_new_mem_buf("plain", 5);
	cms = CMS_encrypt(NULL, NULL, EVP_aes_128_cbc(), CMS_PARTIAL);
	CMS_add0_recipient_password(cms, -1, NID_id_alg_PWRI_KEK, NID_undef,
	    (uint8_t *)OPENSSL_strdup("word"), 4, EVP_aes_128_cbc());
	assert_int_equal(CMS_final(cms, bio, NULL, CMS_BINARY), 1);
	pwri = encode(cms);
	assert_int_equal(
	    open_bytes(buf_slice(pwri), false, 0).fail, SCEP_BAD_ALG);
	BIO_free(bio);
	sk_X509_free(to);
	X509_free(x);
	EVP_PKEY_free(ec);
}

static void
case_76_single_des_only_by_the_switch(void **state)
{
	AUTO(scep_legacy_free) struct scep_legacy *legacy = NULL;
	AUTO(buf_free) struct buf *der = NULL;
	struct err e;

	(void)state;
	assert_true(scep_legacy_load(&legacy, &e));
	der = forge_envelope(
	    (struct forge_env){ .to = { the.ra }, .cipher = "DES-CBC" },
	    the.plain);
	assert_int_equal(
	    open_bytes(buf_slice(der), false, 0).fail, SCEP_BAD_ALG);
	assert_int_equal(
	    open_bytes(buf_slice(der), true, NID_des_cbc).fail, -1);
}

static void
case_77_other_ciphers(void **state)
{
	static const char *const bad[] = { "CAMELLIA-128-CBC", "ARIA-128-CBC",
		"AES-128-OFB", "AES-128-CFB" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(
		    open_forged((struct forge_env){
		                    .to = { the.ra }, .cipher = bad[i] })
		        .fail,
		    SCEP_BAD_ALG);
}

static void
truncated_and_flipped_everywhere(void **state)
{
	AUTO(buf_free)
	struct buf *der =
	    forge_envelope((struct forge_env){ .to = { the.ra } }, the.plain);

	(void)state;
	for (size_t n = 0; n < der->len; n++)
		assert_true(
		    open_bytes(slice_of(der->p, n), false, 0).fail >= 0);
	for (size_t n = 0; n < der->len; n++) {
		AUTO(scep_message_free)
		struct scep_message *m = mem_zalloc(1, sizeof(*m));
		AUTO(buf_wipe) struct buf *plain = NULL;
		struct scep_verdict v;

		m->envelope = buf_new(FORGE_MAX);
		buf_add(m->envelope, der->p, der->len);
		m->envelope->p[n] ^= 0x04;
		scep_open(m, the.ra, the.key, &plain, &v);
		assert_int_equal(v.fail < 0, plain != NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_39_ber_inside),
		cmocka_unit_test(case_40_recipient_by_key_id),
		cmocka_unit_test(case_41_three_recipients),
		cmocka_unit_test(case_41_one_that_agrees_on_a_key),
		cmocka_unit_test(case_42_ciphers),
		cmocka_unit_test(case_66_no_envelope),
		cmocka_unit_test(case_67_other_content_types),
		cmocka_unit_test(case_68_for_another_certificate),
		cmocka_unit_test(case_69_every_decryption_problem_is_one),
		cmocka_unit_test(case_73_many_recipients),
		cmocka_unit_test(case_74_oaep),
		cmocka_unit_test(case_74_key_agreement_and_password),
		cmocka_unit_test(case_76_single_des_only_by_the_switch),
		cmocka_unit_test(case_77_other_ciphers),
		cmocka_unit_test(truncated_and_flipped_everywhere),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
