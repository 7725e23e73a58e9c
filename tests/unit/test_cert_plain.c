/* The reader of plain detached signatures. */
#include "cert_fixture.h"

#include <openssl/cms.h>

#include "certs/cert_plain_priv.h"

static void
finds_the_certificate(void **state)
{
	AUTO(buf_free) struct buf *der = vector("rsa-sha256.der");
	AUTO(buf_free) struct buf *pem = vector("rsa.crt");
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(cert_x509_free) X509 *x = NULL;
	struct cert_plain s;
	struct err e = { 0 };

	(void)state;
	must(cert_parse_pem(buf_slice(pem), &x, &e), &e);
	must(cert_der(x, &cert, &e), &e);
	assert_true(cert_plain_find(buf_slice(der), &s));
	assert_true(slice_eq(s.certificate, buf_slice(cert)));
	assert_ptr_equal(s.tail.p + s.tail.len, der->p + der->len);
}

/* Parts of the signer are those that OpenSSL finds. */
static void
reads_the_signer(void **state)
{
	static const struct {
		const char *file;
		enum cert_plain_digest digest;
		size_t size;
	} cases[] = {
		{ "rsa-sha1.der", CERT_PLAIN_SHA1, 20 },
		{ "rsa-sha256.der", CERT_PLAIN_SHA256, 32 },
		{ "rsa-sha512.der", CERT_PLAIN_SHA512, 64 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(buf_free) struct buf *der = vector(cases[i].file);
		const unsigned char *p = der->p;
		CMS_ContentInfo *cms =
		    d2i_CMS_ContentInfo(NULL, &p, (long)der->len);
		CMS_SignerInfo *si =
		    sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
		ASN1_OCTET_STRING *sig = CMS_SignerInfo_get0_signature(si);
		ASN1_OCTET_STRING *digest = CMS_signed_get0_data_by_OBJ(si,
		    OBJ_nid2obj(NID_pkcs9_messageDigest), -3,
		    V_ASN1_OCTET_STRING);
		struct cert_plain_signer s;
		struct cert_plain found;

		assert_true(cert_plain_find(buf_slice(der), &found));
		assert_true(cert_plain_signer(&found, &s));
		assert_int_equal(s.digest, cases[i].digest);
		assert_int_equal(s.message_digest.len, cases[i].size);
		assert_memory_equal(s.message_digest.p,
		    ASN1_STRING_get0_data(digest), cases[i].size);
		assert_true(slice_eq(
		    s.signature, slice_of(ASN1_STRING_get0_data(sig),
		                     (size_t)ASN1_STRING_length(sig))));
		CMS_ContentInfo_free(cms);
	}
}

static void
leaves_other_signers_alone(void **state)
{
	static const char *const files[] = { "attached.der", "rsa-keyid.der",
		"rsa-noattr.der", "rsa-md5.der", "rsa-pss.der",
		"ec-sha256.der" };

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO(buf_free) struct buf *der = vector(files[i]);
		struct cert_plain_signer s;
		struct cert_plain found;

		if (cert_plain_find(buf_slice(der), &found) &&
		    cert_plain_signer(&found, &s))
			fail_msg("%s is read", files[i]);
	}
}

/* No byte before the signature may be another one and the same be read. */
static void
every_byte_of_the_signer_counts(void **state)
{
	AUTO(buf_free) struct buf *der = vector("rsa-sha256.der");
	struct cert_plain found, changed;
	struct cert_plain_signer good, s;

	(void)state;
	assert_true(cert_plain_find(buf_slice(der), &found));
	assert_true(cert_plain_signer(&found, &good));
	for (const uint8_t *at = found.tail.p; at < good.signature.p; at++) {
		uint8_t *byte = der->p + (at - der->p);
		bool covered = at >= good.attributes.p &&
		               at < good.attributes.p + good.attributes.len;

		*byte ^= 0x01;
		if (cert_plain_find(buf_slice(der), &changed) &&
		    cert_plain_signer(&changed, &s) && !covered)
			fail_msg("byte %zu", (size_t)(at - der->p));
		*byte ^= 0x01;
	}
}

/* Nothing is read behind the end of the parts. */
static void
cut_parts_are_not_read(void **state)
{
	AUTO(buf_free) struct buf *der = vector("rsa-sha256.der");
	struct cert_plain_signer s;
	struct cert_plain found;

	(void)state;
	assert_true(cert_plain_find(buf_slice(der), &found));
	for (size_t len = 0; len < found.tail.len; len++) {
		uint8_t *copy = mem_alloc(len + 1);
		struct cert_plain cut = found;

		memcpy(copy, found.tail.p, len);
		cut.tail = slice_of(copy, len);
		assert_false(cert_plain_signer(&cut, &s));
		free(copy);
	}
	for (size_t len = 0; len < found.head.len; len++) {
		struct cert_plain cut = found;

		cut.head.len = len;
		assert_false(cert_plain_signer(&cut, &s));
	}
}

static void
leaves_the_unusual_alone(void **state)
{
	static const char *const files[] = { "attached-indefinite.der",
		"no-certificate.der", "two-certificates.der",
		"two-signers.der" };
	struct cert_plain s;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO(buf_free) struct buf *der = vector(files[i]);

		assert_false(cert_plain_find(buf_slice(der), &s));
	}
	assert_false(cert_plain_find((struct slice){ 0 }, &s));
}

static void
truncated_or_longer_is_not_found(void **state)
{
	AUTO(buf_free) struct buf *der = vector("rsa-sha256.der");
	struct cert_plain s;
	uint8_t *copy;

	(void)state;
	for (size_t len = 0; len < der->len; len++) {
		copy = mem_alloc(len + 1);
		memcpy(copy, der->p, len);
		assert_false(cert_plain_find(slice_of(copy, len), &s));
		free(copy);
	}
	copy = mem_alloc(der->len + 1);
	memcpy(copy, der->p, der->len);
	copy[der->len] = 0;
	assert_false(cert_plain_find(slice_of(copy, der->len + 1), &s));
	free(copy);
}

/* Lengths that DER does not allow, or that are beyond what we take. */
static void
lengths_are_strict(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\x30\x80\x00\x00", 4 },                 /* indefinite */
		{ "\x30\x81\x02\x05\x00", 5 },             /* not minimal */
		{ "\x30\x82\x00\x02\x05\x00", 6 },         /* not minimal */
		{ "\x30\x84\x00\x00\x00\x02\x05\x00", 8 }, /* four octets */
		{ "\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff", 10 },
		{ "\x30\xff\x01", 3 }, { "\x30\x83\xff\xff\xff", 5 },
		{ "\x30\x82\x01", 3 }, { "\x30", 1 },
		{ "\x3f\x30\x00", 3 }, /* a tag of several bytes */
	};
	struct cert_plain s;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_false(cert_plain_find(
		    slice_of(cases[i].bytes, cases[i].len), &s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_certificate),
		cmocka_unit_test(reads_the_signer),
		cmocka_unit_test(leaves_other_signers_alone),
		cmocka_unit_test(every_byte_of_the_signer_counts),
		cmocka_unit_test(cut_parts_are_not_read),
		cmocka_unit_test(leaves_the_unusual_alone),
		cmocka_unit_test(truncated_or_longer_is_not_found),
		cmocka_unit_test(lengths_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
