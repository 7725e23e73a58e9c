/*
 * Who signed a pkiMessage: the key of its certificate, and the signature over
 * the signed attributes (RFC 5652 section 5.4).  A reader is read-only once
 * made; any thread.
 *
 * OpenSSL 3.0 decodes the key of each certificate that it reads, and asks all
 * decoders of all providers for it, which takes longer than five
 * verifications.  In a library context without providers there is nobody to
 * ask: reading is quick, and the one key that is needed is decoded here.
 */
#include <openssl/provider.h>

#include "core/der.h"
#include "core/limits.h"
#include "scep/scep_priv.h"

struct scep_reader {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *none; /* keeps the default provider out of ctx */
};

bool
scep_reader_new(struct scep_reader **out, struct err *e)
{
	AUTO(scep_reader_free)
	struct scep_reader *r = mem_zalloc(1, sizeof(*r));

	r->ctx = OSSL_LIB_CTX_new();
	if (r->ctx != NULL)
		r->none = OSSL_PROVIDER_load(r->ctx, "null");
	if (r->none == NULL)
		return err_openssl(e, ERR_INTERNAL, "library context");
	*out = TAKE(r);
	return true;
}

void
scep_reader_free(struct scep_reader **r)
{
	if (*r == NULL)
		return;
	if ((*r)->none != NULL)
		OSSL_PROVIDER_unload((*r)->none);
	OSSL_LIB_CTX_free((*r)->ctx);
	mem_free(r);
}

CMS_ContentInfo *
scep_reader_cms(const struct scep_reader *r, struct slice *der)
{
	CMS_ContentInfo *cms =
	    CMS_ContentInfo_new_ex(r != NULL ? r->ctx : NULL, NULL);
	const uint8_t *p = der->p;

	/* Frees what it was given when it fails. */
	if (cms == NULL ||
	    d2i_CMS_ContentInfo(&cms, &p, (long)der->len) == NULL)
		return NULL;
	*der = slice_of(p, der->len - (size_t)(p - der->p));
	return cms;
}

/* Kinds of keys that are refused have to be told from garbage. */
static EVP_PKEY *
decode_other(X509_PUBKEY *pub)
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(pub, &der);
	const uint8_t *p = der;
	EVP_PKEY *key = len > 0 ? d2i_PUBKEY(NULL, &p, len) : NULL;

	OPENSSL_free(der);
	return key;
}

EVP_PKEY *
scep_signer_key(X509 *signer)
{
	X509_PUBKEY *pub = X509_get_X509_PUBKEY(signer);
	ASN1_OBJECT *algorithm;
	const uint8_t *bits, *p;
	EVP_PKEY *key;
	int len;

	if (!X509_PUBKEY_get0_param(&algorithm, &bits, &len, NULL, pub))
		return NULL;
	if (OBJ_obj2nid(algorithm) != NID_rsaEncryption)
		return decode_other(pub);
	p = bits;
	key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len);
	if (key != NULL && p != bits + len) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

bool
scep_verify(EVP_PKEY_CTX *use, int digest_nid, struct slice signature,
    struct slice over)
{
	const EVP_MD *md = EVP_get_digestbynid(digest_nid);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return use != NULL && md != NULL &&
	       EVP_Digest(over.p, over.len, digest, &len, md, NULL) == 1 &&
	       EVP_PKEY_verify_init(use) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(use, md) == 1 &&
	       EVP_PKEY_verify(use, signature.p, signature.len, digest, len) ==
	           1;
}

/* In DER and with the tag of a SET, but in the order they came in. */
static bool
attributes_der(CMS_SignerInfo *si, struct buf *out)
{
	AUTO(buf_free) struct buf *all = buf_new(LIMIT_BODY_SCEP);
	int count = CMS_signed_get_attr_count(si);

	for (int i = 0; i < count; i++) {
		uint8_t *der = NULL;
		int len = i2d_X509_ATTRIBUTE(CMS_signed_get_attr(si, i), &der);

		if (len <= 0)
			return false;
		buf_add(all, der, (size_t)len);
		OPENSSL_free(der);
	}
	if (all->overflow)
		return false;
	der_put(out, 0x31, buf_slice(all));
	return true;
}

bool
scep_signer_verify(CMS_SignerInfo *si, EVP_PKEY_CTX *use, int digest_nid)
{
	AUTO(buf_free) struct buf *over = buf_new(2 * LIMIT_BODY_SCEP);
	const ASN1_OCTET_STRING *signature = CMS_SignerInfo_get0_signature(si);

	return attributes_der(si, over) &&
	       scep_verify(use, digest_nid,
	           slice_of(ASN1_STRING_get0_data(signature),
	               (size_t)ASN1_STRING_length(signature)),
	           buf_slice(over));
}
