/*
 * Reads SignedData (RFC 5652 section 5) from outside: structure and policy
 * first, the signature then.  No state; safe from any thread.
 */
#include <limits.h>

#include "certs/cert_signed_priv.h"
#include "core/limits.h"

bool
cert_signed_bio(struct slice in, BIO **out, struct err *e)
{
	BIO *bio;

	if (in.len > INT_MAX)
		return err_set(
		    e, ERR_TOO_LARGE, "%zu bytes under a signature", in.len);
	bio =
	    BIO_new_mem_buf(in.len > 0 ? (const void *)in.p : "", (int)in.len);
	if (bio == NULL)
		return err_openssl(e, ERR_INTERNAL, "reading a signature");
	*out = bio;
	return true;
}

static bool
digest_accepted(int nid)
{
	return nid == NID_sha256 || nid == NID_sha1 || nid == NID_sha384 ||
	       nid == NID_sha512 || nid == NID_sha224;
}

/* Either a digest with its algorithm in one identifier, or the bare one. */
static bool
signature_accepted(int nid)
{
	int digest, key;

	if (nid == NID_rsaEncryption || nid == NID_X9_62_id_ecPublicKey)
		return true;
	return OBJ_find_sigid_algs(nid, &digest, &key) &&
	       digest_accepted(digest) &&
	       (key == NID_rsaEncryption || key == NID_X9_62_id_ecPublicKey);
}

static bool
check_algorithms(CMS_SignerInfo *si, struct err *e)
{
	X509_ALGOR *digest, *signature;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, &signature);
	if (!digest_accepted(OBJ_obj2nid(digest->algorithm)))
		return err_set(e, ERR_FORBIDDEN,
		    "the digest of the signature is not SHA-1 or SHA-2");
	if (!signature_accepted(OBJ_obj2nid(signature->algorithm)))
		return err_set(e, ERR_FORBIDDEN,
		    "the signature is neither RSA (PKCS #1 v1.5) nor ECDSA "
		    "with SHA-1 or SHA-2");
	return true;
}

bool
cert_signed_parse(struct slice der, CMS_ContentInfo **out,
    CMS_SignerInfo **si_out, struct err *e)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	const unsigned char *p = der.p;
	STACK_OF(CMS_SignerInfo) * signers;

	if (der.len == 0 || der.len > INT_MAX)
		return err_set(
		    e, ERR_INVALID, "a signature of %zu bytes", der.len);
	cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	if (cms == NULL)
		return err_openssl(e, ERR_INVALID, "not a CMS message");
	if (p != der.p + der.len)
		return err_set(e, ERR_INVALID, "bytes behind a CMS message");
	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed ||
	    OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data)
		return err_set(
		    e, ERR_INVALID, "RFC 5652 5.1: not SignedData over data");
	signers = CMS_get0_SignerInfos(cms);
	if (sk_CMS_SignerInfo_num(signers) != 1)
		return err_set(e, ERR_INVALID,
		    "a message with %d signers; one is wanted",
		    sk_CMS_SignerInfo_num(signers));
	*si_out = sk_CMS_SignerInfo_value(signers, 0);
	if (!check_algorithms(*si_out, e))
		return false;
	*out = TAKE(cms);
	return true;
}

bool
cert_signed_signer(CMS_ContentInfo *cms, CMS_SignerInfo *si,
    STACK_OF(X509) * *chain_out, X509 **signer_out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = CMS_get1_certs(cms);
	X509 *signer = NULL;

	if (sk_X509_num(chain) > LIMIT_CERT_CHAIN)
		return err_set(e, ERR_INVALID,
		    "a signature with more than %d certificates",
		    LIMIT_CERT_CHAIN);
	for (int i = 0; i < sk_X509_num(chain) && signer == NULL; i++)
		if (CMS_SignerInfo_cert_cmp(si, sk_X509_value(chain, i)) == 0)
			signer = sk_X509_value(chain, i);
	if (signer == NULL)
		return err_openssl(e, ERR_INVALID,
		    "the certificate of the signer is not in the message");
	if (!cert_key_acceptable(X509_get0_pubkey(signer), true, e)) {
		e->code = ERR_FORBIDDEN;
		return err_wrap(e, "the signer");
	}
	X509_up_ref(signer);
	*signer_out = signer;
	*chain_out = TAKE(chain);
	return true;
}

bool
cert_signed_verify(CMS_ContentInfo *cms, CMS_SignerInfo *si, X509 *signer,
    BIO *body, BIO *content, struct err *e)
{
	static const unsigned flags = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
	/*
	 * A detached body comes through a filter: CMS_verify() of OpenSSL 3.0
	 * makes a copy of a memory BIO, and loses it when the message names a
	 * digest that it does not know.
	 */
	BIO *filter = body == NULL ? NULL : BIO_new(BIO_f_null());
	bool ok;

	if (body != NULL && filter == NULL)
		return err_openssl(e, ERR_INTERNAL, "BIO_new");
	if (filter != NULL)
		BIO_push(filter, body);
	CMS_SignerInfo_set1_signer_cert(si, signer);
	ok = CMS_verify(cms, NULL, NULL, filter, content, flags) == 1;
	if (filter != NULL) {
		BIO_pop(filter);
		BIO_free(filter);
	}
	return ok ||
	       err_openssl(e, ERR_FORBIDDEN, "the signature does not verify");
}
