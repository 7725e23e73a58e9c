/*
 * Opening the pkcsPKIEnvelope (RFC 8894 section 3.2.2).  No state; any
 * thread.
 */
#include <openssl/err.h>

#include "core/limits.h"
#include "scep/scep_priv.h"

static void
bio_wipe(BIO **b)
{
	char *p = NULL;
	long len;

	if (*b != NULL && (len = BIO_get_mem_data(*b, &p)) > 0)
		OPENSSL_cleanse(p, (size_t)len);
	BIO_free(*b);
	*b = NULL;
}

/* Goes into the next element, which has to have this tag. */
static bool
enter(struct slice *in, int tag, struct slice *body)
{
	int got, xclass;

	return scep_der_next(in, &got, &xclass, body) && got == tag;
}

/*
 * The content encryption algorithm, which OpenSSL 3.0 has no function for.  In
 * der: ContentInfo { type, [0] EnvelopedData { version, originatorInfo [0]
 * OPTIONAL, recipientInfos, EncryptedContentInfo { type, algorithm ... } } }.
 */
static int
cipher_in(struct slice der)
{
	struct slice info, data, skip, content, algorithm;
	ASN1_OBJECT *o;
	int tag, xclass, nid;

	if (!enter(&der, V_ASN1_SEQUENCE, &info) ||
	    !enter(&info, V_ASN1_OBJECT, &skip) || !enter(&info, 0, &content) ||
	    !enter(&content, V_ASN1_SEQUENCE, &data) ||
	    !enter(&data, V_ASN1_INTEGER, &skip) ||
	    !scep_der_next(&data, &tag, &xclass, &skip))
		return NID_undef;
	if (xclass == V_ASN1_CONTEXT_SPECIFIC &&
	    !scep_der_next(&data, &tag, &xclass, &skip))
		return NID_undef;
	if (tag != V_ASN1_SET || !enter(&data, V_ASN1_SEQUENCE, &content) ||
	    !enter(&content, V_ASN1_OBJECT, &skip) ||
	    !enter(&content, V_ASN1_SEQUENCE, &algorithm))
		return NID_undef;
	o = d2i_ASN1_OBJECT(NULL, &algorithm.p, (long)algorithm.len);
	nid = o != NULL ? OBJ_obj2nid(o) : NID_undef;
	ASN1_OBJECT_free(o);
	return nid;
}

/* What is not DER as it came (BER of Apple's clients) is written as DER. */
static int
cipher_of(const struct scep_message *m, CMS_ContentInfo *env)
{
	uint8_t *der = NULL;
	int len, nid = cipher_in(buf_slice(m->envelope));

	if (nid != NID_undef)
		return nid;
	len = i2d_CMS_ContentInfo(env, &der);
	if (len <= 0)
		return NID_undef;
	nid = cipher_in(slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return nid;
}

static bool
cipher_allowed(int nid, bool des)
{
	return nid == NID_aes_128_cbc || nid == NID_aes_192_cbc ||
	       nid == NID_aes_256_cbc || nid == NID_des_ede3_cbc ||
	       (des && nid == NID_des_cbc);
}

static bool
transport_allowed(CMS_RecipientInfo *ri)
{
	X509_ALGOR *alg = NULL;
	int nid;

	if (CMS_RecipientInfo_ktri_get0_algs(ri, NULL, NULL, &alg) != 1)
		return false;
	nid = OBJ_obj2nid(alg->algorithm);
	/* Some Windows clients send OAEP. */
	return nid == NID_rsaEncryption || nid == NID_rsaesOaep;
}

/* Exactly one RecipientInfo is ours, and of a kind we open.  Others are their
 * recipients' matter: clients that encrypt for all of GetCACert agree on a key
 * with a CA of EC. */
static bool
for_us(CMS_ContentInfo *env, X509 *recipient, struct scep_verdict *v)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(env);
	int count = sk_CMS_RecipientInfo_num(all), ours = 0, other = 0;
	bool kind = true;

	if (count < 1 || count > LIMIT_RECIPIENTS) {
		scep_refuse(
		    v, SCEP_BAD_REQUEST, "too many recipients, or none");
		return false;
	}
	for (int i = 0; i < count; i++) {
		CMS_RecipientInfo *ri = sk_CMS_RecipientInfo_value(all, i);

		if (CMS_RecipientInfo_type(ri) != CMS_RECIPINFO_TRANS) {
			other++;
			continue;
		}
		if (CMS_RecipientInfo_ktri_cert_cmp(ri, recipient) != 0)
			continue;
		ours++;
		kind = kind && transport_allowed(ri);
	}
	if (ours == 1 && kind)
		return true;
	if (!kind || (ours == 0 && other > 0))
		scep_refuse(v, SCEP_BAD_ALG, "key transport not accepted");
	else if (ours > 1)
		scep_refuse(v, SCEP_BAD_REQUEST, "recipient named twice");
	else
		scep_refuse(v, SCEP_BAD_REQUEST, SCEP_TEXT_NOT_FOR_US);
	return false;
}

static bool
read_envelope(
    const struct scep_message *m, CMS_ContentInfo **out, struct scep_verdict *v)
{
	AUTO(cert_cms_free) CMS_ContentInfo *env = NULL;
	const uint8_t *p, *end;

	if (m->envelope == NULL) {
		scep_refuse(v, SCEP_BAD_REQUEST, "the request has no envelope");
		return false;
	}
	p = m->envelope->p;
	end = p + m->envelope->len;
	env = d2i_CMS_ContentInfo(NULL, &p, (long)m->envelope->len);
	if (env == NULL || p != end ||
	    OBJ_obj2nid(CMS_get0_type(env)) != NID_pkcs7_enveloped) {
		scep_refuse(v, SCEP_BAD_REQUEST,
		    "RFC 8894 3.2.2: the content is not EnvelopedData");
		return false;
	}
	*out = TAKE(env);
	return true;
}

/* All that is open to see; false with a verdict. */
static bool
check(struct scep_message *m, X509 *recipient, CMS_ContentInfo **env,
    struct scep_verdict *v)
{
	*v = (struct scep_verdict){ -1, NULL };
	if (!read_envelope(m, env, v) || !for_us(*env, recipient, v))
		return false;
	m->cipher_nid = cipher_of(m, *env);
	if (!cipher_allowed(m->cipher_nid, m->allow_des)) {
		scep_refuse(v, SCEP_BAD_ALG, "cipher not accepted");
		return false;
	}
	return true;
}

void
scep_envelope_check(
    struct scep_message *m, X509 *recipient, struct scep_verdict *verdict)
{
	AUTO(cert_cms_free) CMS_ContentInfo *env = NULL;

	(void)check(m, recipient, &env, verdict);
}

void
scep_open(struct scep_message *m, X509 *recipient, EVP_PKEY *key,
    struct buf **plain_out, struct scep_verdict *verdict)
{
	AUTO(cert_cms_free) CMS_ContentInfo *env = NULL;
	AUTO(bio_wipe) BIO *plain = NULL;
	const char *p = NULL;
	long len;

	if (!check(m, recipient, &env, verdict))
		return;
	plain = BIO_new(BIO_s_mem());
	/*
	 * Given our certificate, OpenSSL goes on with a random key when the
	 * transported one is bad, so that the two look alike.
	 */
	if (plain == NULL ||
	    CMS_decrypt(env, key, recipient, NULL, plain, CMS_BINARY) != 1) {
		scep_refuse(verdict, SCEP_BAD_REQUEST, SCEP_TEXT_UNREADABLE);
		return;
	}
	len = BIO_get_mem_data(plain, &p);
	*plain_out = buf_new(LIMIT_BODY_SCEP);
	buf_add(*plain_out, p, len > 0 ? (size_t)len : 0);
}
