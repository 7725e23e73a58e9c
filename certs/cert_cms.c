/*
 * Signs profiles and device messages, and opens signed profiles.  No state;
 * safe from any thread.
 */
#include <openssl/x509v3.h>

#include "certs/cert_cms.h"
#include "certs/cert_signed_priv.h"
#include "core/clock.h"

static bool
sign(CMS_ContentInfo *cms, BIO *in, struct buf **out, unsigned flags,
    struct err *e)
{
	unsigned char *der = NULL;
	int len;

	if (cms == NULL || !CMS_final(cms, in, NULL, flags))
		return err_openssl(e, ERR_INTERNAL, "signing");
	len = i2d_CMS_ContentInfo(cms, &der);
	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "writing a signature");
	*out = buf_new((size_t)len);
	buf_add(*out, der, (size_t)len);
	OPENSSL_free(der);
	return true;
}

bool
cert_cms_sign(struct slice content, X509 *signer, EVP_PKEY *key,
    STACK_OF(X509) * chain, struct buf **out, struct err *e)
{
	static const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_bio_free) BIO *in = NULL;

	if (!cert_signed_bio(content, &in, e))
		return false;
	cms = CMS_sign(NULL, NULL, chain, NULL, flags);
	if (cms == NULL ||
	    CMS_add1_signer(cms, signer, key, EVP_sha256(), flags) == NULL)
		return err_openssl(e, ERR_INTERNAL, "signing");
	return sign(cms, in, out, flags & ~(unsigned)CMS_PARTIAL, e);
}

bool
cert_cms_sign_detached(struct slice content, X509 *signer, EVP_PKEY *key,
    struct buf **out, struct err *e)
{
	static const unsigned flags =
	    CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL | CMS_DETACHED;
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_bio_free) BIO *in = NULL;

	if (!cert_signed_bio(content, &in, e))
		return false;
	cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	if (cms == NULL ||
	    CMS_add1_signer(cms, signer, key, EVP_sha256(), flags) == NULL)
		return err_openssl(e, ERR_INTERNAL, "signing");
	return sign(cms, in, out, flags & ~(unsigned)CMS_PARTIAL, e);
}

/* ends at one of anchors, at our present time */
static bool
check_chain(X509 *signer, STACK_OF(X509) * chain, STACK_OF(X509) * anchors,
    struct err *e)
{
	AUTO(cert_store_free) X509_STORE *store = X509_STORE_new();
	AUTO(cert_store_ctx_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;

	if (store == NULL || ctx == NULL)
		return err_openssl(e, ERR_INTERNAL, "checking a chain");
	for (int i = 0; i < sk_X509_num(anchors); i++)
		if (!X509_STORE_add_cert(store, sk_X509_value(anchors, i)))
			return err_openssl(e, ERR_INTERNAL, "trust anchors");
	if (!X509_STORE_CTX_init(ctx, store, signer, chain))
		return err_openssl(e, ERR_INTERNAL, "checking a chain");
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)(clock_now_ms() / MS_S));
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
	if (X509_verify_cert(ctx) != 1)
		return err_openssl(e, ERR_FORBIDDEN,
		    "the signer's certificate: %s",
		    X509_verify_cert_error_string(
		        X509_STORE_CTX_get_error(ctx)));
	return true;
}

bool
cert_cms_open(struct slice der, STACK_OF(X509) * anchors,
    struct buf **content_out, X509 **signer_out, struct err *e)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(cert_x509_free) X509 *signer = NULL;
	AUTO(cert_bio_free) BIO *content = NULL;
	CMS_SignerInfo *si;
	char *bytes;
	long len;

	if (!cert_signed_parse(der, &cms, &si, e))
		return false;
	if (CMS_is_detached(cms) != 0)
		return err_set(e, ERR_INVALID, "a signature without content");
	content = BIO_new(BIO_s_mem());
	if (content == NULL)
		return err_openssl(e, ERR_INTERNAL, "reading a signature");
	if (!cert_signed_signer(cms, si, &chain, &signer, e) ||
	    !check_chain(signer, chain, anchors, e) ||
	    !cert_signed_verify(cms, si, signer, NULL, content, e))
		return false;
	len = BIO_get_mem_data(content, &bytes);
	*content_out = buf_new((size_t)len);
	buf_add(*content_out, bytes, (size_t)len);
	*signer_out = TAKE(signer);
	return true;
}
