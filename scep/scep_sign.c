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
bool
scep_put_issuer_and_serial(struct buf *out, X509 *x)
{
	size_t at = out->len;
	uint8_t *name = NULL, *serial = NULL;
	int name_len = i2d_X509_NAME(X509_get_issuer_name(x), &name);
	int serial_len = i2d_ASN1_INTEGER(X509_get_serialNumber(x), &serial);
	bool good = put_encoded(out, name, name_len);

	good &= put_encoded(out, serial, serial_len);
	der_wrap(out, at, DER_SEQUENCE);
	return good;
}

static void
put_digest_algorithm(struct buf *out, int digest_nid)
{
	size_t at = out->len;

	der_put_oid(out, digest_nid);
	der_wrap(out, at, DER_SEQUENCE);
}

/* Of a signature: rsaEncryption, which older clients expect in place of RSA
 * with a digest (RFC 3370 3.2). */
static bool
put_signature_algorithm(struct buf *out, EVP_PKEY *key)
{
	static const uint8_t null[] = { DER_NULL, 0 };
	size_t at = out->len;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return false;
	der_put_oid(out, NID_rsaEncryption);
	buf_add(out, null, sizeof(null));
	der_wrap(out, at, DER_SEQUENCE);
	return true;
}

/* ---- signed attributes ---- */

static struct slice
oid(int nid)
{
	const ASN1_OBJECT *o = OBJ_nid2obj(nid);

	return slice_of(OBJ_get0_data(o), OBJ_length(o));
}

static void
signing_time(struct scep_attr_list *a)
{
	char text[DER_TIME_SIZE];
	size_t len;
	uint8_t tag = der_time(clock_now_ms(), text, &len);

	scep_attr_add(a, oid(NID_pkcs9_signingTime), tag, slice_of(text, len));
}

/* The SET of them, which is what is signed (RFC 5652 5.4). */
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
	der_wrap(out, 0, DER_SET);
	return buf_ok(a.bytes, e) && buf_ok(out, e);
}

/* ---- the message ---- */

static bool
sign(const struct scep_sign *in, struct slice over, struct buf *out)
{
	const EVP_MD *md = EVP_get_digestbynid(in->digest_nid);
	AUTO(cert_digest_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[SIGNATURE_MAX];
	size_t len = sizeof(signature);
	bool good;

	good = ctx != NULL && md != NULL &&
	       EVP_DigestSignInit(ctx, NULL, md, NULL, in->key) == 1 &&
	       EVP_DigestSign(ctx, signature, &len, over.p, over.len) == 1;
	if (good)
		der_put(out, DER_OCTETS, slice_of(signature, len));
	return good;
}

/* The one SignerInfo. */
static bool
put_signer(const struct scep_sign *in, struct buf *out, struct err *e)
{
	AUTO(buf_free) struct buf *attributes = buf_new(AROUND);
	size_t at = out->len;

	if (!put_attributes(in, attributes, e))
		return false;
	buf_add(out, version_1, sizeof(version_1));
	if (!scep_put_issuer_and_serial(out, in->cert))
		return err_openssl(e, ERR_INTERNAL, "name of a signer");
	put_digest_algorithm(out, in->digest_nid);
	/* The same bytes with another tag. */
	buf_addc(out, (char)DER_0);
	buf_add(out, attributes->p + 1, attributes->len - 1);
	if (!put_signature_algorithm(out, in->key) ||
	    !sign(in, buf_slice(attributes), out))
		return err_openssl(e, ERR_INTERNAL, "signing a message");
	der_wrap(out, at, DER_SEQUENCE);
	der_wrap(out, at, DER_SET);
	return true;
}

/* EncapsulatedContentInfo. */
static void
put_content(struct buf *out, struct slice content)
{
	size_t all = out->len, at;

	der_put_oid(out, NID_pkcs7_data);
	at = out->len;
	der_put(out, DER_OCTETS, content);
	der_wrap(out, at, DER_0);
	der_wrap(out, all, DER_SEQUENCE);
}

static bool
put_certificate(struct buf *out, X509 *x, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);
	size_t at = out->len;

	if (!put_encoded(out, der, len))
		return err_openssl(e, ERR_INTERNAL, "certificate of a signer");
	der_wrap(out, at, DER_0);
	return true;
}

bool
scep_sign(const struct scep_sign *in, struct buf **out, struct err *e)
{
	AUTO(buf_free) struct buf *whole = buf_new(in->content.len + AROUND);
	size_t signed_data, at;

	der_put_oid(whole, NID_pkcs7_signed);
	signed_data = whole->len;
	buf_add(whole, version_1, sizeof(version_1));
	at = whole->len;
	put_digest_algorithm(whole, in->digest_nid);
	der_wrap(whole, at, DER_SET);
	put_content(whole, in->content);
	if (!put_certificate(whole, in->cert, e) || !put_signer(in, whole, e))
		return false;
	der_wrap(whole, signed_data, DER_SEQUENCE);
	der_wrap(whole, signed_data, DER_0);
	der_wrap(whole, 0, DER_SEQUENCE);
	if (!buf_ok(whole, e))
		return false;
	*out = TAKE(whole);
	return true;
}
