/* Public keys have one form, and a CSR with another is refused. */
#include "core/der.h"
#include "scep/scep_priv.h"
#include "tests/unit/scep_forge.h"

/* The pieces of a SubjectPublicKeyInfo, each whole. */
struct pieces {
	const char *algorithm, *key; /* hex; key without the BIT STRING */
};

static struct buf *
unhex(const char *hex)
{
	struct buf *b = buf_new(1 << 12);
	struct err e;

	assert_true(hex_decode(b, slice_str(hex), &e));
	return b;
}

static struct buf *
put_together(const struct pieces *p, const uint8_t *unused)
{
	struct buf *out = buf_new(1 << 12);
	AUTO(buf_free) struct buf *algorithm = unhex(p->algorithm);
	AUTO(buf_free) struct buf *key = unhex(p->key);
	AUTO(buf_free) struct buf *bits = buf_new(1 << 12);

	buf_add(bits, unused, 1);
	buf_add(bits, key->p, key->len);
	buf_add(out, algorithm->p, algorithm->len);
	der_put(out, DER_BIT_STRING, buf_slice(bits));
	der_wrap(out, 0, DER_SEQUENCE);
	return out;
}

#define RSA_ALGORITHM "300d06092a864886f70d0101010500"
#define EC_ALGORITHM "301306072a8648ce3d020106082a8648ce3d030107"
#define XY                                                                     \
	"0102030405060708091011121314151617181920212223242526272829303132"     \
	"0102030405060708091011121314151617181920212223242526272829303132"

static void
one_form_only(void **state)
{
	static const struct pieces good[] = {
		{ RSA_ALGORITHM, "3008020300c0010201"
		                 "03" },
		{ RSA_ALGORITHM, "30090202"
		                 "4001"
		                 "0203010001" },
		{ EC_ALGORITHM, "04" XY },
	};
	static const struct pieces bad[] = {
		/* Octets that say nothing, in modulus and exponent. */
		{ RSA_ALGORITHM, "300902040000c001020103" },
		{ RSA_ALGORITHM, "3009020300c00102020003" },
		/* Negative, empty, not there, one too many. */
		{ RSA_ALGORITHM, "30070202c001020103" },
		{ RSA_ALGORITHM, "30070203"
		                 "00c001"
		                 "0200" },
		{ RSA_ALGORITHM, "3005020300c001" },
		{ RSA_ALGORITHM, "300b020300c001020103020103" },
		/* Longer lengths than needed, an indefinite one, a rest. */
		{ RSA_ALGORITHM, "308108020300c001020103" },
		{ RSA_ALGORITHM, "3009028103"
		                 "00c001"
		                 "020103" },
		{ RSA_ALGORITHM, "3080020300c0010201030000" },
		{ RSA_ALGORITHM, "3008020300c00102010368656c6c6f" },
		/* Other parameters, or none. */
		{ "300b06092a864886f70d010101", "3008020300c001020103" },
		{ "300d06092a864886f70d0101010400", "3008020300c001020103" },
		{ "300e06092a864886f70d010101050100", "3008020300c001020103" },
		{ "300f06092a864886f70d01010105000500",
		    "3008020300c001020103" },
		/* A compressed point, a hybrid one, none; no name of a curve;
		 * another kind. */
		{ EC_ALGORITHM, "02" XY },
		{ EC_ALGORITHM, "06" XY },
		{ EC_ALGORITHM, "" },
		{ "300b06072a8648ce3d02010500", "04" XY },
		{ "300906072a8648ce3d0201", "04" XY },
		{ "300506032b6570", XY },
	};
	static const uint8_t none = 0, some = 4;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		AUTO(buf_free) struct buf *b = put_together(&good[i], &none);
		AUTO(buf_free) struct buf *c = put_together(&good[i], &some);

		assert_true(scep_spki_is_der(buf_slice(b)));
		assert_false(scep_spki_is_der(buf_slice(c)));
		for (size_t n = 0; n < b->len; n++)
			assert_false(scep_spki_is_der(slice_of(b->p, n)));
		buf_addc(b, '\0');
		assert_false(scep_spki_is_der(buf_slice(b)));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		AUTO(buf_free) struct buf *b = put_together(&bad[i], &none);

		assert_false(scep_spki_is_der(buf_slice(b)));
	}
}

static void
what_openssl_writes_is_good(void **state)
{
	EVP_PKEY *keys[] = { forge_rsa(2048), forge_rsa(3072),
		forge_ec("P-256"), forge_ec("P-384") };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		uint8_t *der = NULL;
		int len = i2d_PUBKEY(keys[i], &der);

		assert_true(scep_spki_is_der(slice_of(der, (size_t)len)));
		OPENSSL_free(der);
		EVP_PKEY_free(keys[i]);
	}
}

/* A CSR for key whose SubjectPublicKeyInfo has a rest; signed. */
static struct buf *
csr_with_rest(EVP_PKEY *key)
{
	struct buf *out = buf_new(1 << 13);
	AUTO(buf_free) struct buf *bits = buf_new(1 << 12);
	static const uint8_t zero[] = { 0 };
	uint8_t *pkcs1 = NULL, sig[512];
	int len = i2d_PublicKey(key, &pkcs1);
	size_t size = sizeof(sig), at;
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	buf_add(bits, zero, 1);
	buf_add(bits, pkcs1, (size_t)len);
	buf_adds(bits, "rest");
	OPENSSL_free(pkcs1);
	der_put(out, DER_INTEGER, slice_of(zero, 1));
	der_head(out, DER_SEQUENCE, 0); /* an empty name */
	at = out->len;
	der_put_oid(out, NID_rsaEncryption);
	der_head(out, DER_NULL, 0);
	der_wrap(out, at, DER_SEQUENCE);
	der_put(out, DER_BIT_STRING, buf_slice(bits));
	der_wrap(out, at, DER_SEQUENCE);
	der_head(out, DER_0, 0);
	der_wrap(out, 0, DER_SEQUENCE);
	assert_int_equal(
	    EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(md, sig, &size, out->p, out->len), 1);
	EVP_MD_CTX_free(md);
	at = out->len;
	der_put_oid(out, NID_sha256WithRSAEncryption);
	der_head(out, DER_NULL, 0);
	der_wrap(out, at, DER_SEQUENCE);
	bits->len = 1;
	buf_add(bits, sig, size);
	der_put(out, DER_BIT_STRING, buf_slice(bits));
	der_wrap(out, 0, DER_SEQUENCE);
	return out;
}

static void
another_form_is_refused(void **state)
{
	EVP_PKEY *key = forge_rsa(2048);
	AUTO(buf_free) struct buf *der = csr_with_rest(key);
	AUTO(scep_csr_free) struct scep_csr *c = NULL;
	struct scep_verdict v;

	(void)state;
	scep_csr_parse(buf_slice(der), true, NULL, &c, &v);
	assert_int_equal(v.fail, SCEP_BAD_ALG);
	assert_non_null(strstr(v.text, "not encoded as DER"));
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_form_only),
		cmocka_unit_test(what_openssl_writes_is_good),
		cmocka_unit_test(another_form_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
