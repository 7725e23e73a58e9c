/*
 * Certification requests: proof of possession, algorithms, keys, challenges.
 */
#include "core/limits.h"
#include "scep/scep_priv.h"
#include "tests/unit/scep_forge.h"

static EVP_PKEY *key;
static struct scep_message from; /* signed with key */

static int
setup(void **state)
{
	(void)state;
	key = forge_rsa(2048);
	from.signer = forge_certificate((struct forge_cert){ .key = key });
	from.signer_key = key;
	from.signer_use = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	EVP_PKEY_CTX_free(from.signer_use);
	EVP_PKEY_free(key);
	X509_free(from.signer);
	return 0;
}

/* -1, or a scep_fail; *challenge gets the challenge if not NULL. */
static int
parse_bytes(struct slice der, char **challenge, const char **text)
{
	AUTO(scep_csr_free) struct scep_csr *c = NULL;
	AUTO(scep_csr_free) struct scep_csr *d = NULL;
	struct scep_verdict v, w;

	/* With a key decoded before and without: the same. */
	scep_csr_parse(der, true, &from, &d, &w);
	scep_csr_parse(der, true, NULL, &c, &v);
	assert_int_equal(v.fail, w.fail);
	assert_ptr_equal(v.text, w.text);
	if (c != NULL) {
		assert_string_equal(c->spki, d->spki);
		assert_true(str_eq(c->challenge, d->challenge));
	}
	assert_int_equal(v.fail < 0, c != NULL);
	if (c != NULL && challenge != NULL)
		*challenge = str_dup(c->challenge);
	if (text != NULL)
		*text = v.text;
	return v.fail;
}

static int
parse(struct forge_csr f)
{
	AUTO(buf_free) struct buf *der = forge_csr_make(f);

	return parse_bytes(buf_slice(der), NULL, NULL);
}

static void
hash_is_of_the_key(void **state)
{
	AUTO(buf_free)
	struct buf *der = forge_csr_make((struct forge_csr){ .key = key });
	AUTO(scep_csr_free) struct scep_csr *c = NULL;
	char spki[SHA256_HEX_SIZE];
	struct scep_verdict v;
	struct err e;

	(void)state;
	scep_csr_parse(buf_slice(der), false, NULL, &c, &v);
	assert_int_equal(v.fail, -1);
	assert_null(c->challenge);
	assert_true(cert_spki(key, spki, &e));
	assert_string_equal(c->spki, spki);
}

static void
case_44_challenge_in_every_string_type(void **state)
{
	static const struct {
		int tag;
		struct slice value;
	} all[] = {
		{ V_ASN1_PRINTABLESTRING, { (const uint8_t *)"Ab1", 3 } },
		{ V_ASN1_UTF8STRING, { (const uint8_t *)"Ab1", 3 } },
		{ V_ASN1_IA5STRING, { (const uint8_t *)"Ab1", 3 } },
		{ V_ASN1_T61STRING, { (const uint8_t *)"Ab1", 3 } },
		{ V_ASN1_BMPSTRING, { (const uint8_t *)"\0A\0b\0001", 6 } },
		{ V_ASN1_UNIVERSALSTRING,
		    { (const uint8_t *)"\0\0\0A\0\0\0b\0\0\0001", 12 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		AUTO(buf_free)
		struct buf *der = forge_csr_make((struct forge_csr){ .key = key,
		    .challenge = all[i].value,
		    .challenge_tag = all[i].tag });
		AUTO(str_free) char *challenge = NULL;

		assert_int_equal(
		    parse_bytes(buf_slice(der), &challenge, NULL), -1);
		assert_string_equal(challenge, "Ab1");
	}
}

static void
case_49_rsa_sizes(void **state)
{
	EVP_PKEY *k = forge_rsa(3072);

	(void)state;
	assert_int_equal(parse((struct forge_csr){ .key = k }), -1);
	EVP_PKEY_free(k);
}

static EVP_PKEY *
rsa_with_exponent(BN_ULONG exponent)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *k = NULL;

	BN_set_word(e, exponent);
	EVP_PKEY_keygen_init(ctx);
	EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048);
	EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e);
	assert_int_equal(EVP_PKEY_generate(ctx, &k), 1);
	BN_free(e);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

static void
case_49_exponent_3(void **state)
{
	EVP_PKEY *k = rsa_with_exponent(3);

	(void)state;
	assert_int_equal(parse((struct forge_csr){ .key = k }), -1);
	EVP_PKEY_free(k);
}

static void
case_50_ec_when_allowed(void **state)
{
	EVP_PKEY *k = forge_ec("P-256");
	AUTO(buf_free)
	struct buf *der = forge_csr_make((struct forge_csr){ .key = k });
	AUTO(scep_csr_free) struct scep_csr *c = NULL;
	struct scep_verdict v;

	(void)state;
	assert_int_equal(parse_bytes(buf_slice(der), NULL, NULL), -1);
	scep_csr_parse(buf_slice(der), false, NULL, &c, &v);
	assert_int_equal(v.fail, SCEP_BAD_ALG);
	EVP_PKEY_free(k);
}

/* All with the same text as a request that does not decrypt. */
static void
unreadable(struct slice der)
{
	const char *text;

	assert_int_equal(parse_bytes(der, NULL, &text), SCEP_BAD_REQUEST);
	assert_string_equal(text, SCEP_TEXT_UNREADABLE);
}

static void
case_70_not_one_csr(void **state)
{
	AUTO(buf_free)
	struct buf *der = forge_csr_make((struct forge_csr){ .key = key });
	AUTO(buf_free) struct buf *b = forge_buf();
	X509 *x = forge_certificate((struct forge_cert){ .key = key });

	(void)state;
	for (size_t n = 0; n < der->len; n++)
		unreadable(slice_of(der->p, n));
	buf_add(b, der->p, der->len);
	buf_addc(b, 'x');
	unreadable(buf_slice(b));
	b->len--;
	buf_add(b, der->p, der->len);
	unreadable(buf_slice(b));
	buf_reset(b);
	forge_add_certificate(b, x);
	unreadable(buf_slice(b));
	unreadable(TEXT("garbage"));
	X509_free(x);
}

static void
case_71_signature_corrupted(void **state)
{
	AUTO(buf_free)
	struct buf *der = forge_csr_make(
	    (struct forge_csr){ .key = key, .bad_signature = true });

	(void)state;
	unreadable(buf_slice(der));
}

static void
every_flipped_byte_is_noticed(void **state)
{
	AUTO(buf_free)
	struct buf *der = forge_csr_make(
	    (struct forge_csr){ .key = key, .challenge = TEXT("challenge") });

	struct slice in = buf_slice(der), body, info;
	int tag, xclass;
	size_t end;

	(void)state;
	assert_true(scep_der_next(&in, &tag, &xclass, &body));
	assert_true(scep_der_next(&body, &tag, &xclass, &info));
	/* What the signature covers; behind it comes the algorithm. */
	end = (size_t)(info.p + info.len - der->p);
	for (size_t n = 0; n < end; n++) {
		der->p[n] ^= 0x08;
		assert_int_equal(
		    parse_bytes(buf_slice(der), NULL, NULL), SCEP_BAD_REQUEST);
		der->p[n] ^= 0x08;
	}
}

/* What no signature covers: the identifiers outside of the info. */
static void
identifiers_are_exact(void **state)
{
	AUTO(buf_free)
	struct buf *der = forge_csr_make((struct forge_csr){ .key = key });
	struct slice in = buf_slice(der), body, part;
	int tag, xclass;
	size_t at[3] = { 0 };

	(void)state;
	assert_true(scep_der_next(&in, &tag, &xclass, &body));
	assert_true(scep_der_next(&body, &tag, &xclass, &part));
	at[1] = (size_t)(body.p - der->p); /* algorithm */
	assert_true(scep_der_next(&body, &tag, &xclass, &part));
	at[2] = (size_t)(body.p - der->p); /* signature */
	assert_int_equal(parse_bytes(buf_slice(der), NULL, NULL), -1);
	for (size_t i = 0; i < COUNT(at); i++)
		for (int bit = 0x20; bit <= 0x80; bit <<= 1) {
			der->p[at[i]] ^= (uint8_t)bit;
			unreadable(buf_slice(der));
			der->p[at[i]] ^= (uint8_t)bit;
		}
}

static void
case_72_version(void **state)
{
	(void)state;
	assert_int_equal(parse((struct forge_csr){ .key = key, .version = 1 }),
	    SCEP_BAD_REQUEST);
}

static void
case_79_weak_rsa_keys(void **state)
{
	EVP_PKEY *small = forge_rsa(1024);
	EVP_PKEY *large = forge_rsa(4104);
	AUTO(buf_free)
	struct buf *der = forge_csr_make((struct forge_csr){ .key = small });
	const char *text;

	(void)state;
	assert_int_equal(
	    parse_bytes(buf_slice(der), NULL, &text), SCEP_BAD_ALG);
	assert_string_equal(text, "key too small: 2048 required");
	assert_int_equal(
	    parse((struct forge_csr){ .key = large }), SCEP_BAD_ALG);
	EVP_PKEY_free(small);
	EVP_PKEY_free(large);
}

/* Its own parameters in place of a curve's name. */
static EVP_PKEY *
forge_ec_explicit(const char *curve)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    "group", (char *)(uintptr_t)curve, 0),
		OSSL_PARAM_construct_utf8_string(
		    "encoding", (char *)(uintptr_t) "explicit", 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *k = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_params(ctx, params), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &k), 1);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

/* Takes k. */
static void
expect_unreadable(EVP_PKEY *k)
{
	for (int bad = 0; bad < 2; bad++) {
		AUTO(buf_free)
		struct buf *der = forge_csr_make(
		    (struct forge_csr){ .key = k, .bad_signature = bad });

		unreadable(buf_slice(der));
	}
	EVP_PKEY_free(k);
}

static void
case_81_other_key_types(void **state)
{
	static const char *const curves[] = { "P-521", "P-224",
		"brainpoolP256r1", "secp256k1" };
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	(void)state;
	for (size_t i = 0; i < COUNT(curves); i++) {
		EVP_PKEY *k = forge_ec(curves[i]);

		assert_int_equal(
		    parse((struct forge_csr){ .key = k }), SCEP_BAD_ALG);
		EVP_PKEY_free(k);
	}
	assert_int_equal(parse((struct forge_csr){ .key = ed }), SCEP_BAD_ALG);
	EVP_PKEY_free(ed);
}

/* Not even verified: the answer is that of garbage, with a good signature and
 * with a bad one. */
static void
slow_keys_are_not_looked_at(void **state)
{
	static const char *const curves[] = { "sect571r1", "sect283k1",
		"brainpoolP512r1" };
	EVP_PKEY *k = forge_ec_explicit("P-256");

	(void)state;
	expect_unreadable(k);
	for (size_t i = 0; i < COUNT(curves); i++) {
		k = forge_ec(curves[i]);
		expect_unreadable(k);
	}
}

static void
case_82_csr_digests(void **state)
{
	(void)state;
	assert_int_equal(
	    parse((struct forge_csr){ .key = key, .md = EVP_md5() }),
	    SCEP_BAD_ALG);
	assert_int_equal(
	    parse((struct forge_csr){ .key = key, .md = EVP_sha1() }), -1);
	assert_int_equal(
	    parse((struct forge_csr){ .key = key, .md = EVP_sha512() }), -1);
}

static void
bad_challenge(struct forge_csr f)
{
	AUTO(buf_free) struct buf *der = NULL;
	const char *text;

	f.key = key;
	der = forge_csr_make(f);
	assert_int_equal(
	    parse_bytes(buf_slice(der), NULL, &text), SCEP_BAD_REQUEST);
	assert_string_equal(text, SCEP_TEXT_CHALLENGE);
}

static void
case_89_malformed_challenges(void **state)
{
	static uint8_t large[LIMIT_CHALLENGE + 1];

	(void)state;
	memset(large, 'a', sizeof(large));
	bad_challenge(
	    (struct forge_csr){ .challenge = TEXT("abc"), .challenges = 2 });
	bad_challenge(
	    (struct forge_csr){ .challenge = TEXT("abc"), .values = 2 });
	bad_challenge((struct forge_csr){ .challenge = TEXT("a\0c") });
	bad_challenge((struct forge_csr){ .challenge = TEXT("\x02\x01\x03"),
	    .challenge_tag = V_ASN1_SEQUENCE });
	bad_challenge((struct forge_csr){
	    .challenge = TEXT("abc"), .challenge_tag = V_ASN1_OCTET_STRING });
	bad_challenge(
	    (struct forge_csr){ .challenge = slice_of(large, sizeof(large)) });
	assert_int_equal(parse((struct forge_csr){ .key = key,
	                     .challenge = slice_of(large, sizeof(large) - 1) }),
	    -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_of_the_key),
		cmocka_unit_test(case_44_challenge_in_every_string_type),
		cmocka_unit_test(case_49_rsa_sizes),
		cmocka_unit_test(case_49_exponent_3),
		cmocka_unit_test(case_50_ec_when_allowed),
		cmocka_unit_test(case_70_not_one_csr),
		cmocka_unit_test(case_71_signature_corrupted),
		cmocka_unit_test(every_flipped_byte_is_noticed),
		cmocka_unit_test(identifiers_are_exact),
		cmocka_unit_test(case_72_version),
		cmocka_unit_test(case_79_weak_rsa_keys),
		cmocka_unit_test(case_81_other_key_types),
		cmocka_unit_test(slow_keys_are_not_looked_at),
		cmocka_unit_test(case_82_csr_digests),
		cmocka_unit_test(case_89_malformed_challenges),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
