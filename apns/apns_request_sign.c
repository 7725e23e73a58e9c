/*
 * The signed request of an MDM vendor, made and checked; see apns_request.h.
 */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "apns/apns_request_priv.h"
#include "core/clock.h"
#include "core/pl.h"

/* The portal knows three certificates; another root would be refused. */
enum { CHAIN_MIN = 2 };

static bool
read_key(const struct apns_vendor *v, EVP_PKEY **out, struct err *e)
{
	return cert_key_unlock(v->key, v->passphrase, out, e) ||
	       err_wrap(e, "the vendor's key");
}

static bool
check_link(X509 *subject, X509 *issuer, int i, struct err *e)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);

	if (X509_check_issued(issuer, subject) != X509_V_OK || key == NULL ||
	    X509_verify(subject, key) != 1)
		return err_openssl(e, ERR_INVALID,
		    "PushCertCertificateChain: certificate %d is not signed by "
		    "the one behind it",
		    i + 1);
	return true;
}

/* Vendor first, root last, nothing expired. */
static bool
check_chain(struct slice pem, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	int64_t now = clock_now_ms();
	int n;

	if (!cert_parse_chain(pem, &chain, e))
		return err_wrap(e, "PushCertCertificateChain");
	n = sk_X509_num(chain);
	if (n < CHAIN_MIN)
		return err_set(e, ERR_INVALID,
		    "PushCertCertificateChain: the vendor's certificate, "
		    "Apple's WWDR intermediate and Apple's root are needed");
	for (int i = 0; i < n; i++) {
		X509 *x = sk_X509_value(chain, i);

		if (cert_not_after(x) <= now || cert_not_before(x) > now)
			return err_set(e, ERR_INVALID,
			    "PushCertCertificateChain: certificate %d is "
			    "outside its dates",
			    i + 1);
		/* The root is its own. */
		if (!check_link(
		        x, sk_X509_value(chain, i + 1 < n ? i + 1 : i), i, e))
			return false;
	}
	*out = TAKE(chain);
	return true;
}

static bool
sign(EVP_PKEY *key, struct slice data, struct buf *out, struct err *e)
{
	AUTO(cert_digest_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[1024];
	size_t len = sizeof(signature);

	if (ctx == NULL ||
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(ctx, signature, &len, data.p, data.len) != 1)
		return err_openssl(e, ERR_INTERNAL, "signing the request");
	b64_encode(out, slice_of(signature, len));
	return true;
}

static bool
csr_der(struct slice pem, struct buf **out, struct err *e)
{
	AUTO(cert_req_free) X509_REQ *req = NULL;
	uint8_t *der = NULL;
	int len;

	if (!apns_request_csr(pem, &req, e))
		return false;
	len = i2d_X509_REQ(req, &der);
	if (len < 0)
		return err_openssl(e, ERR_INTERNAL, "writing a request");
	*out = buf_new(APNS_REQUEST_MAX);
	buf_add(*out, der, (size_t)len);
	OPENSSL_free(der);
	return buf_ok(*out, e);
}

/* As OpenSSL writes it: lines of 64 characters, which the portal insists on. */
static bool
write_chain(STACK_OF(X509) * chain, struct buf *out, struct err *e)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (!cert_pem(sk_X509_value(chain, i), out, e))
			return false;
	return buf_ok(out, e);
}

static bool
write_request(struct slice csr, STACK_OF(X509) * chain, EVP_PKEY *key,
    struct buf *out, struct err *e)
{
	AUTO(buf_free) struct buf *plist = buf_new(APNS_REQUEST_MAX);
	AUTO(buf_free) struct buf *request = buf_new(APNS_REQUEST_MAX);
	AUTO(buf_free) struct buf *pem = buf_new(APNS_REQUEST_MAX);
	AUTO(buf_free) struct buf *signature = buf_new(APNS_REQUEST_MAX);

	b64_encode(request, csr);
	if (!write_chain(chain, pem, e) || !sign(key, csr, signature, e))
		return false;
	pl_begin(plist);
	pl_dict(plist);
	pl_key_str(plist, "PushCertRequestCSR", buf_str(request));
	pl_key_str(plist, "PushCertCertificateChain", buf_str(pem));
	pl_key_str(plist, "PushCertSignature", buf_str(signature));
	pl_dict_end(plist);
	pl_end(plist);
	b64_encode(out, buf_slice(plist));
	return buf_ok(plist, e) && buf_ok(out, e);
}

bool
apns_request_sign(struct slice csr_pem, const struct apns_vendor *v,
    struct buf **out, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(buf_free) struct buf *csr = NULL;
	AUTO(buf_free) struct buf *text = buf_new(2 * APNS_REQUEST_MAX);

	if (!csr_der(csr_pem, &csr, e) || !read_key(v, &key, e) ||
	    !check_chain(v->chain, &chain, e))
		return false;
	if (X509_check_private_key(sk_X509_value(chain, 0), key) != 1)
		return err_openssl(e, ERR_INVALID,
		    "the vendor's key does not belong to the first certificate "
		    "of the chain");
	if (!write_request(buf_slice(csr), chain, key, text, e) ||
	    !apns_request_check(buf_slice(text), csr_pem, e))
		return false;
	*out = TAKE(text);
	return true;
}

/* ---- checking ---- */

static bool
decode_field(
    const struct pl *p, const char *key, struct buf **out, struct err *e)
{
	const char *text;

	*out = buf_new(APNS_REQUEST_MAX);
	if (!pl_need_str(p, key, APNS_REQUEST_MAX, &text, e))
		return false;
	if (!b64_decode(*out, slice_str(text), B64_SPACES, e) ||
	    !buf_ok(*out, e))
		return err_wrap(e, "%s", key);
	return true;
}

static bool
check_signature(
    X509 *vendor, struct slice csr, struct slice signature, struct err *e)
{
	AUTO(cert_digest_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key = X509_get0_pubkey(vendor);

	if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return err_set(e, ERR_INVALID,
		    "PushCertCertificateChain: the vendor's key is not RSA");
	if (ctx == NULL ||
	    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestVerify(ctx, signature.p, signature.len, csr.p, csr.len) !=
	        1)
		return err_openssl(e, ERR_INVALID,
		    "PushCertSignature: not the vendor's over this request");
	return true;
}

bool
apns_request_check(
    struct slice signed_request, struct slice csr_pem, struct err *e)
{
	AUTO(buf_free) struct buf *xml = buf_new(APNS_REQUEST_MAX);
	AUTO(buf_free) struct buf *csr = NULL;
	AUTO(buf_free) struct buf *told = NULL;
	AUTO(buf_free) struct buf *signature = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(pl_free) struct pl *p = NULL;
	const char *pem;

	if (signed_request.len > 2 * APNS_REQUEST_MAX)
		return err_set(
		    e, ERR_TOO_LARGE, "the signed request is too large");
	if (!b64_decode(xml, signed_request, B64_SPACES, e) ||
	    !buf_ok(xml, e) || !pl_parse(buf_slice(xml), &p, e))
		return err_wrap(e, "not a signed request");
	if (!csr_der(csr_pem, &csr, e) ||
	    !decode_field(p, "PushCertRequestCSR", &told, e) ||
	    !decode_field(p, "PushCertSignature", &signature, e) ||
	    !pl_need_str(
	        p, "PushCertCertificateChain", APNS_REQUEST_MAX, &pem, e))
		return false;
	if (!slice_eq(buf_slice(told), buf_slice(csr)))
		return err_set(e, ERR_INVALID,
		    "PushCertRequestCSR: another request than the one made "
		    "here");
	return check_chain(slice_str(pem), &chain, e) &&
	       check_signature(sk_X509_value(chain, 0), buf_slice(csr),
	           buf_slice(signature), e);
}
