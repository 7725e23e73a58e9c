/* The walker that finds the certificates of a SignedData in its bytes. */
#include "cert_fixture.h"

#include <openssl/cms.h>

#include "certs/cert_strip_priv.h"

static void
takes_the_certificate_out(void **state)
{
	AUTO(buf_free) struct buf *der = vector("rsa-sha256.der");
	AUTO(buf_free) struct buf *pem = vector("rsa.crt");
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_free) struct buf *rest = NULL;
	AUTO(cert_x509_free) X509 *x = NULL;
	struct cert_strip s;
	struct err e = { 0 };
	const unsigned char *p;
	CMS_ContentInfo *cms;

	(void)state;
	must(cert_parse_pem(buf_slice(pem), &x, &e), &e);
	must(cert_der(x, &cert, &e), &e);
	assert_true(cert_strip_find(buf_slice(der), &s));
	assert_true(slice_eq(s.certificate, buf_slice(cert)));

	rest = cert_strip_build(&s);
	assert_false(rest->overflow);
	assert_int_equal(rest->len, rest->max);
	p = rest->p;
	cms = d2i_CMS_ContentInfo(NULL, &p, (long)rest->len);
	assert_non_null(cms);
	assert_ptr_equal(p, rest->p + rest->len);
	assert_null(CMS_get1_certs(cms));
	assert_int_equal(sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms)), 1);
	/* OpenSSL writes the same bytes: all lengths are minimal. */
	{
		unsigned char *own = NULL;
		int len = i2d_CMS_ContentInfo(cms, &own);

		assert_true(
		    slice_eq(slice_of(own, (size_t)len), buf_slice(rest)));
		OPENSSL_free(own);
	}
	CMS_ContentInfo_free(cms);
}

static void
leaves_the_unusual_alone(void **state)
{
	static const char *const files[] = { "attached-indefinite.der",
		"no-certificate.der", "two-certificates.der",
		"two-signers.der" };
	struct cert_strip s;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO(buf_free) struct buf *der = vector(files[i]);

		assert_false(cert_strip_find(buf_slice(der), &s));
	}
	assert_false(cert_strip_find((struct slice){ 0 }, &s));
}

static void
truncated_or_longer_is_not_found(void **state)
{
	AUTO(buf_free) struct buf *der = vector("rsa-sha256.der");
	struct cert_strip s;
	uint8_t *copy;

	(void)state;
	for (size_t len = 0; len < der->len; len++) {
		copy = mem_alloc(len + 1);
		memcpy(copy, der->p, len);
		assert_false(cert_strip_find(slice_of(copy, len), &s));
		free(copy);
	}
	copy = mem_alloc(der->len + 1);
	memcpy(copy, der->p, der->len);
	copy[der->len] = 0;
	assert_false(cert_strip_find(slice_of(copy, der->len + 1), &s));
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
	struct cert_strip s;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_false(cert_strip_find(
		    slice_of(cases[i].bytes, cases[i].len), &s));
}

/* Every size of the rest is written with the right lengths. */
static void
builds_every_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 90, 100, 107, 108, 109, 110, 111,
		112, 113, 114, 115, 120, 127, 128, 129, 240, 250, 255, 256, 257,
		65500, 65520, 65535, 65536, 70000 };
	AUTO(buf_free) struct buf *tail = buf_new(70000);

	(void)state;
	while (tail->len < 70000)
		buf_addc(tail, 'x');
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct cert_strip s = { .tail = slice_of(tail->p, sizes[i]) };
		AUTO(buf_free) struct buf *out = cert_strip_build(&s);
		const unsigned char *p = out->p;
		long len = 0;
		int tag, class, depth = 0;

		assert_int_equal(out->len, out->max);
		assert_false(out->overflow);
		/* SEQUENCE, behind its OID [0], SEQUENCE; each to the end. */
		for (; depth < 3; depth++) {
			int flags = ASN1_get_object(&p, &len, &tag, &class,
			    (long)(out->p + out->len - p));

			assert_int_equal(flags, V_ASN1_CONSTRUCTED);
			assert_ptr_equal(p + len, out->p + out->len);
			if (depth == 0)
				p += 11;
		}
		assert_int_equal(len, sizes[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_certificate_out),
		cmocka_unit_test(leaves_the_unusual_alone),
		cmocka_unit_test(truncated_or_longer_is_not_found),
		cmocka_unit_test(lengths_are_strict),
		cmocka_unit_test(builds_every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
