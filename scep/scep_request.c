/*
 * The client's messages: a self-signed certificate, a CSR with the challenge,
 * an envelope for the RA, a signature over it all (RFC 8894 sections 2.3, 3.3.1
 * and 3.3.3).  No state; any thread.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/der.h"
#include "core/limits.h"
#include "core/random.h"
#include "scep/scep_client_priv.h"

void
scep_pending_clear(struct scep_pending *p)
{
	buf_free(&p->message);
	cert_x509_free(&p->self);
	X509_NAME_free(p->subject);
	p->subject = NULL;
}

static bool
takes_requests(X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);

	if (key == NULL)
		ERR_clear_error();
	return key != NULL && scep_key_problem(key, false) == NULL;
}

bool
scep_client_no_recipient(struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "GetCACert: no certificate that decrypts and is a CA's or RA's by "
	    "its extendedKeyUsage");
}

X509 *
scep_client_recipient(STACK_OF(X509) * chain, const char *pin)
{
	const uint32_t both = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
	X509 *decrypts = NULL;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);
		uint32_t usage = X509_get_key_usage(x);

		if (usage == UINT32_MAX || !takes_requests(x) ||
		    !scep_client_serves(x, pin))
			continue;
		if ((usage & both) == both)
			return x;
		if (decrypts == NULL && (usage & KU_KEY_ENCIPHERMENT) != 0)
			decrypts = x;
	}
	if (decrypts == NULL && sk_X509_num(chain) == 1 &&
	    takes_requests(sk_X509_value(chain, 0)) &&
	    scep_client_serves(sk_X509_value(chain, 0), pin))
		return sk_X509_value(chain, 0);
	return decrypts;
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
	if (!scep_client_names(o, req, e))
		return false;
	if (X509_REQ_sign(req, o->key, md) <= 0 ||
	    (len = i2d_X509_REQ(req, &der)) <= 0)
		return err_openssl(e, ERR_INTERNAL, "CSR");
	*out = buf_new((size_t)len);
	buf_add(*out, der, (size_t)len);
	OPENSSL_clear_free(der, (size_t)len);
	return true;
}

/* content, enveloped and signed, becomes the message. */
static bool
wrap(struct scep_pending *p, enum scep_type type, struct slice content,
    struct err *e)
{
	AUTO(buf_free) struct buf *envelope = NULL;
	AUTO(cert_use_free) EVP_PKEY_CTX *use = NULL;
	struct scep_sign in = {
		.cert = p->self,
		.key = p->key,
		.digest_nid = p->digest_nid,
		.attrs = {
		    .type = (int)type,
		    .status = -1,
		    .fail_info = -1,
		    .transaction_id = p->transaction_id,
		    .transaction_tag = V_ASN1_PRINTABLESTRING,
		    .sender_nonce = slice_of(p->nonce, sizeof(p->nonce)),
		},
	};

	random_bytes(p->nonce, sizeof(p->nonce));
	use = EVP_PKEY_CTX_new_from_pkey(
	    NULL, X509_get0_pubkey(p->recipient), NULL);
	if (!scep_envelope_make(
	        content, p->recipient, use, p->cipher_nid, &envelope, e))
		return false;
	in.content = buf_slice(envelope);
	buf_free(&p->message);
	return scep_sign(&in, &p->message, e);
}

/* Who signs: the certificate we have, or one of our own making. */
static bool
choose_signer(
    const struct scep_client_options *o, struct scep_pending *p, struct err *e)
{
	p->key = o->signer != NULL ? o->signer_key : o->key;
	if (scep_key_problem(p->key, false) != NULL)
		return err_set(e, ERR_INVALID,
		    "RFC 8894 3.1: the key that signs has to be RSA, 2048 to "
		    "4096 bits");
	if (o->signer == NULL)
		return make_self(
		    o, EVP_get_digestbynid(p->digest_nid), &p->self, e);
	if (X509_check_private_key(o->signer, o->signer_key) != 1)
		return err_openssl(e, ERR_INVALID,
		    "the certificate that signs is of another key");
	X509_up_ref(o->signer);
	p->self = o->signer;
	return true;
}

bool
scep_client_csr(struct slice der, X509_REQ **out, struct err *e)
{
	const uint8_t *p = der.p;
	AUTO(cert_req_free)
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);

	if (req == NULL || p != der.p + der.len)
		return err_openssl(e, ERR_INVALID, "not a PKCS #10 request");
	*out = TAKE(req);
	return true;
}

static bool
own_csr(const struct scep_client_options *o, struct scep_pending *p,
    struct buf **out, struct err *e)
{
	const EVP_MD *md = EVP_get_digestbynid(p->digest_nid);

	p->subject = X509_NAME_new();
	if (p->subject == NULL || !fill_name(p->subject, o->subject))
		return err_openssl(e, ERR_INVALID, "subject");
	return make_csr(o, md, out, e) &&
	       cert_spki(o->key, p->transaction_id, e);
}

static bool
their_csr(const struct scep_client_options *o, struct scep_pending *p,
    struct buf **out, struct err *e)
{
	AUTO(cert_req_free) X509_REQ *req = NULL;

	if (o->signer == NULL)
		return err_set(e, ERR_INVALID,
		    "somebody else's request needs a certificate that signs");
	if (!scep_client_csr(o->csr, &req, e))
		return false;
	p->subject = X509_NAME_dup(X509_REQ_get_subject_name(req));
	if (p->subject == NULL)
		return err_openssl(e, ERR_INTERNAL, "subject");
	*out = buf_new(o->csr.len);
	buf_add(*out, o->csr.p, o->csr.len);
	return cert_spki_pub(
	    X509_REQ_get_X509_PUBKEY(req), p->transaction_id, e);
}

bool
scep_client_prepare(const struct scep_client_options *o, enum scep_type type,
    struct scep_pending *p, struct err *e)
{
	AUTO(buf_wipe) struct buf *csr = NULL;

	bool made;

	if (EVP_get_digestbynid(p->digest_nid) == NULL)
		return err_set(e, ERR_INVALID, "unknown digest");
	if (!choose_signer(o, p, e))
		return false;
	made =
	    o->csr.len > 0 ? their_csr(o, p, &csr, e) : own_csr(o, p, &csr, e);
	return made && wrap(p, type, buf_slice(csr), e);
}

static bool
put_name(struct buf *out, X509_NAME *name, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_X509_NAME(name, &der);

	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "name");
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	return true;
}

bool
scep_client_prepare_poll(
    X509_NAME *issuer, struct scep_pending *p, struct err *e)
{
	AUTO(buf_free) struct buf *names = buf_new(LIMIT_CERT);
	AUTO(buf_free) struct buf *both = buf_new(LIMIT_CERT + 8);

	if (!put_name(names, issuer, e) || !put_name(names, p->subject, e) ||
	    !buf_ok(names, e))
		return false;
	der_put(both, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, buf_slice(names));
	return buf_ok(both, e) && wrap(p, SCEP_CERT_POLL, buf_slice(both), e);
}

bool
scep_client_request(const struct scep_client_options *o, STACK_OF(X509) * ca,
    struct buf **out, struct err *e)
{
	AUTO(scep_pending_clear)
	struct scep_pending p = { .recipient = scep_client_recipient(
		                      ca, o->ca_fingerprint),
		.digest_nid = NID_sha256,
		.cipher_nid = NID_aes_128_cbc };

	if (p.recipient == NULL)
		return scep_client_no_recipient(e);
	if (!scep_client_prepare(o, SCEP_PKCS_REQ, &p, e))
		return false;
	*out = TAKE(p.message);
	return true;
}
