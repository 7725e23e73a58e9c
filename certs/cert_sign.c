/*
 * Signatures of what is written by hand, since objects of OpenSSL take longer
 * to make than their encoding.
 */
#include "certs/cert_sign_priv.h"

enum { SIGNATURE_MAX = 1024 };

bool
cert_sign_algorithm(struct buf *out, EVP_PKEY *key)
{
	/* RFC 4055 5: RSA has NULL parameters; RFC 5758 3.2: ECDSA none. */
	static const uint8_t null[] = { DER_NULL, 0 };
	int kind = EVP_PKEY_get_base_id(key);
	size_t at = out->len;

	if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC)
		return false;
	der_put_oid(out, kind == EVP_PKEY_RSA ? NID_sha256WithRSAEncryption
	                                      : NID_ecdsa_with_SHA256);
	if (kind == EVP_PKEY_RSA)
		buf_add(out, null, sizeof(null));
	der_wrap(out, at, DER_SEQUENCE);
	return true;
}

bool
cert_sign(EVP_PKEY *key, struct slice over, struct buf *out)
{
	AUTO(cert_digest_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[1 + SIGNATURE_MAX] = { 0 }; /* no unused bits */
	size_t len = SIGNATURE_MAX;

	if (ctx == NULL ||
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(ctx, signature + 1, &len, over.p, over.len) != 1)
		return false;
	der_put(out, DER_BIT_STRING, slice_of(signature, 1 + len));
	return true;
}
