/*
 * The client's PKCSReq: a self-signed certificate, a CSR with the challenge,
 * an envelope for the RA, a signature over it all (RFC 8894 sections 2.3 and
 * 3.3.1).  No state; any thread.
 */
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/limits.h"
#include "core/random.h"
#include "scep/scep_client_priv.h"

void
scep_pending_clear(struct scep_pending *p)
{
	buf_free(&p->message);
	cert_x509_free(&p->self);
}

/* The certificate that signs and decrypts: with both key usages, or the only
 * one there is. */
static X509 *
recipient_of(STACK_OF(X509) * ca)
{
	const uint32_t both = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;

	for (int i = 0; i < sk_X509_num(ca); i++) {
		uint32_t usage = X509_get_key_usage(sk_X509_value(ca, i));

		if (usage != UINT32_MAX && (usage & both) == both)
			return sk_X509_value(ca, i);
	}
	return sk_X509_num(ca) == 1 ? sk_X509_value(ca, 0) : NULL;
}

static bool
add_name(X509_NAME *name, int nid, const char *value)
{
	return value == NULL ||
	       X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
	           (const uint8_t *)value, -1, -1, 0) == 1;
}

static bool
fill_name(X509_NAME *name, const struct cert_subject *s)
{
	return add_name(name, NID_organizationName, s->o) &&
	       add_name(name, NID_organizationalUnitName, s->ou) &&
	       add_name(name, NID_commonName, s->cn) &&
	       add_name(name, NID_userId, s->uid);
}

static bool
fill_self(X509 *x, const struct scep_client_options *o)
{
	uint8_t serial[16];
	X509_EXTENSION *usage;
	bool ok;

	random_bytes(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage,
	    "critical,digitalSignature,keyEncipherment");
	ok = usage != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
	     ASN1_STRING_set(
	         X509_get_serialNumber(x), serial, sizeof(serial)) == 1 &&
	     fill_name(X509_get_subject_name(x), o->subject) &&
	     X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
	     X509_gmtime_adj(X509_getm_notBefore(x), -MS_H / MS_S) != NULL &&
	     X509_gmtime_adj(X509_getm_notAfter(x), MS_DAY / MS_S) != NULL &&
	     X509_set_pubkey(x, o->key) == 1 && X509_add_ext(x, usage, -1) == 1;
	X509_EXTENSION_free(usage);
	return ok;
}

static bool
make_self(const struct scep_client_options *o, const EVP_MD *md, X509 **out,
    struct err *e)
{
	AUTO(cert_x509_free) X509 *x = X509_new();

	if (x == NULL || !fill_self(x, o) || X509_sign(x, o->key, md) <= 0)
		return err_openssl(e, ERR_INTERNAL, "self-signed certificate");
	*out = TAKE(x);
	return true;
}

static bool
make_csr(const struct scep_client_options *o, const EVP_MD *md,
    struct buf **out, struct err *e)
{
	AUTO(cert_req_free) X509_REQ *req = X509_REQ_new();
	uint8_t *der = NULL;
	int len;

	if (req == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    !fill_name(X509_REQ_get_subject_name(req), o->subject) ||
	    X509_REQ_set_pubkey(req, o->key) != 1)
		return err_openssl(e, ERR_INTERNAL, "CSR");
	if (o->challenge != NULL &&
	    X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword,
	        MBSTRING_UTF8, (const uint8_t *)o->challenge, -1) != 1)
		return err_openssl(e, ERR_INTERNAL, "challengePassword");
	if (X509_REQ_sign(req, o->key, md) <= 0 ||
	    (len = i2d_X509_REQ(req, &der)) <= 0)
		return err_openssl(e, ERR_INTERNAL, "CSR");
	*out = buf_new((size_t)len);
	buf_add(*out, der, (size_t)len);
	OPENSSL_clear_free(der, (size_t)len);
	return true;
}

static bool
sign_message(const struct scep_client_options *o, struct scep_pending *p,
    struct slice envelope, struct err *e)
{
	struct scep_sign in = {
		.cert = p->self,
		.key = o->key,
		.digest_nid = o->des3_sha1 ? NID_sha1 : NID_sha256,
		.content = envelope,
		.attrs = {
		    .type = SCEP_PKCS_REQ,
		    .status = -1,
		    .fail_info = -1,
		    .transaction_id = p->transaction_id,
		    .transaction_tag = V_ASN1_PRINTABLESTRING,
		    .sender_nonce = slice_of(p->nonce, sizeof(p->nonce)),
		},
	};

	return scep_sign(&in, &p->message, e);
}

bool
scep_client_prepare(const struct scep_client_options *o, STACK_OF(X509) * ca,
    struct scep_pending *out, struct err *e)
{
	AUTO(scep_pending_clear) struct scep_pending p = { 0 };
	AUTO(buf_wipe) struct buf *csr = NULL;
	AUTO(buf_free) struct buf *envelope = NULL;
	const EVP_MD *md = o->des3_sha1 ? EVP_sha1() : EVP_sha256();
	int cipher = o->des3_sha1 ? NID_des_ede3_cbc : NID_aes_128_cbc;

	p.ra = recipient_of(ca);
	if (p.ra == NULL)
		return err_set(e, ERR_INVALID,
		    "GetCACert: no certificate that signs and decrypts");
	random_bytes(p.nonce, sizeof(p.nonce));
	if (!make_self(o, md, &p.self, e) || !make_csr(o, md, &csr, e) ||
	    !cert_spki_pub(X509_get_X509_PUBKEY(p.self), p.transaction_id, e) ||
	    !scep_envelope_make(buf_slice(csr), p.ra, X509_get0_pubkey(p.ra),
	        cipher, &envelope, e) ||
	    !sign_message(o, &p, buf_slice(envelope), e))
		return false;
	*out = p;
	p = (struct scep_pending){ 0 };
	return true;
}

bool
scep_client_request(const struct scep_client_options *o, STACK_OF(X509) * ca,
    struct buf **out, struct err *e)
{
	AUTO(scep_pending_clear) struct scep_pending p = { 0 };

	if (!scep_client_prepare(o, ca, &p, e))
		return false;
	*out = TAKE(p.message);
	return true;
}
