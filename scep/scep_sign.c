/*
 * Signing pkiMessages (RFC 8894 section 3.2, RFC 5652 section 5).  Written by
 * hand: making the objects that OpenSSL encodes takes longer than encoding.
 * No state; any thread.
 */
#include <openssl/err.h>

#include "core/clock.h"
#include "core/der.h"
#include "core/limits.h"
#include "scep/scep_priv.h"

enum { SIGNATURE_MAX = 1024 };
/* Room for everything around the content. */
enum { AROUND = 32 << 10 };

static const uint8_t version_1[] = { DER_INTEGER, 1, 1 };

static struct slice
oid(int nid)
{
	const ASN1_OBJECT *o = OBJ_nid2obj(nid);

	return slice_of(OBJ_get0_data(o), OBJ_length(o));
}

/* What OpenSSL has encoded, as i2d_ functions give it. */
static bool
put_encoded(struct buf *out, uint8_t *der, int len)
{
	if (len > 0)
		buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	return len > 0;
}

/* AlgorithmIdentifier of a digest: without parameters, as OpenSSL writes all
 * that we use (RFC 5754 2). */
static void
put_digest_algorithm(struct buf *out, int digest_nid)
{
	AUTO(buf_free) struct buf *body = buf_new(AROUND);

	der_put(body, DER_OID, oid(digest_nid));
	der_put(out, DER_SEQUENCE, buf_slice(body));
}

/* Of a signature: rsaEncryption, which older clients expect in place of RSA
 * with a digest (RFC 3370 3.2). */
static bool
put_signature_algorithm(struct buf *out, EVP_PKEY *key)
{
	static const uint8_t null[] = { DER_NULL, 0 };
	AUTO(buf_free) struct buf *body = buf_new(AROUND);

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return false;
	der_put(body, DER_OID, oid(NID_rsaEncryption));
	buf_add(body, null, sizeof(null));
	der_put(out, DER_SEQUENCE, buf_slice(body));
	return true;
}

/* ---- signed attributes ---- */

/* RFC 5652 11.3: UTCTime through 2049, which is past our certificates. */
static void
signing_time(struct scep_attr_list *a)
{
	char text[CLOCK_TEXT_SIZE], digits[CLOCK_TEXT_SIZE];
	size_t n = 0;

	clock_format_s(text, clock_now_ms());
	for (const char *p = text + 2; *p != '\0'; p++)
		if ((*p >= '0' && *p <= '9') || *p == 'Z')
			digits[n++] = *p;
	scep_attr_add(
	    a, oid(NID_pkcs9_signingTime), V_ASN1_UTCTIME, slice_of(digits, n));
}

static bool
put_attributes(const struct scep_sign *in, struct buf *out, struct err *e)
{
	AUTO(scep_attr_list_clear)
	struct scep_attr_list a = { .bytes = buf_new(AROUND) };
	const EVP_MD *md = EVP_get_digestbynid(in->digest_nid);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (md == NULL || EVP_Digest(in->content.p, in->content.len, digest,
	                      &len, md, NULL) != 1)
		return err_openssl(e, ERR_INTERNAL, "digest of a message");
	scep_attr_add(
	    &a, oid(NID_pkcs9_contentType), DER_OID, oid(NID_pkcs7_data));
	signing_time(&a);
	scep_attr_add(&a, oid(NID_pkcs9_messageDigest), DER_OCTETS,
	    slice_of(digest, len));
	scep_attr_add_set(&a, &in->attrs);
	scep_attr_put(&a, out);
	return buf_ok(a.bytes, e);
}

/* ---- the message ---- */

/* Over the attributes with the tag of a SET (RFC 5652 5.4). */
static bool
sign(const struct scep_sign *in, struct slice attributes, struct buf *out)
{
	AUTO(buf_free) struct buf *over = buf_new(AROUND);
	const EVP_MD *md = EVP_get_digestbynid(in->digest_nid);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[SIGNATURE_MAX];
	size_t len = sizeof(signature);
	bool good;

	der_put(over, DER_SET, attributes);
	good = ctx != NULL && md != NULL &&
	       EVP_DigestSignInit(ctx, NULL, md, NULL, in->key) == 1 &&
	       EVP_DigestSign(ctx, signature, &len, over->p, over->len) == 1;
	EVP_MD_CTX_free(ctx);
	if (good)
		der_put(out, DER_OCTETS, slice_of(signature, len));
	return good;
}

static bool
put_issuer_and_serial(struct buf *out, X509 *x)
{
	AUTO(buf_free) struct buf *body = buf_new(AROUND);
	uint8_t *name = NULL, *serial = NULL;
	int name_len = i2d_X509_NAME(X509_get_issuer_name(x), &name);
	int serial_len = i2d_ASN1_INTEGER(X509_get_serialNumber(x), &serial);
	bool good = put_encoded(body, name, name_len);

	good &= put_encoded(body, serial, serial_len);
	der_put(out, DER_SEQUENCE, buf_slice(body));
	return good;
}

static bool
put_signer(const struct scep_sign *in, struct buf *out, struct err *e)
{
	AUTO(buf_free) struct buf *attributes = buf_new(AROUND);
	AUTO(buf_free) struct buf *body = buf_new(AROUND);

	if (!put_attributes(in, attributes, e))
		return false;
	buf_add(body, version_1, sizeof(version_1));
	if (!put_issuer_and_serial(body, in->cert))
		return err_openssl(e, ERR_INTERNAL, "name of a signer");
	put_digest_algorithm(body, in->digest_nid);
	der_put(body, DER_0, buf_slice(attributes));
	if (!put_signature_algorithm(body, in->key) ||
	    !sign(in, buf_slice(attributes), body))
		return err_openssl(e, ERR_INTERNAL, "signing a message");
	der_put(out, DER_SEQUENCE, buf_slice(body));
	return buf_ok(body, e);
}

/* An EncapsulatedContentInfo or ContentInfo: type, and content in [0]. */
static void
put_content(struct buf *out, int type, uint8_t tag, struct slice content)
{
	AUTO(buf_free) struct buf *inner = buf_new(out->max);
	AUTO(buf_free) struct buf *body = buf_new(out->max);

	der_put(inner, tag, content);
	der_put(body, DER_OID, oid(type));
	der_put(body, DER_0, buf_slice(inner));
	der_put(out, DER_SEQUENCE, buf_slice(body));
}

bool
scep_sign(const struct scep_sign *in, struct buf **out, struct err *e)
{
	const size_t max = in->content.len + AROUND;
	AUTO(buf_free) struct buf *algorithm = buf_new(AROUND);
	AUTO(buf_free) struct buf *signer = buf_new(AROUND);
	AUTO(buf_free) struct buf *certificate = buf_new(AROUND);
	AUTO(buf_free) struct buf *body = buf_new(max);
	AUTO(buf_free) struct buf *whole = buf_new(max);
	uint8_t *der = NULL;
	int len = i2d_X509(in->cert, &der);

	if (!put_encoded(certificate, der, len))
		return err_openssl(e, ERR_INTERNAL, "certificate of a signer");
	if (!put_signer(in, signer, e))
		return false;
	buf_add(body, version_1, sizeof(version_1));
	put_digest_algorithm(algorithm, in->digest_nid);
	der_put(body, DER_SET, buf_slice(algorithm));
	put_content(body, NID_pkcs7_data, DER_OCTETS, in->content);
	der_put(body, DER_0, buf_slice(certificate));
	der_put(body, DER_SET, buf_slice(signer));
	put_content(whole, NID_pkcs7_signed, DER_SEQUENCE, buf_slice(body));
	if (!buf_ok(certificate, e) || !buf_ok(signer, e) || !buf_ok(body, e) ||
	    !buf_ok(whole, e))
		return false;
	*out = TAKE(whole);
	return true;
}
