/*
 * Reading pkiMessages (RFC 8894 section 3).  Everything outside
 * is parsed by OpenSSL's CMS_ functions; we check what they leave open: the
 * number of signers, the algorithms, the attributes.  No state; any thread.
 */
#include <openssl/err.h>
#include <string.h>

#include "core/limits.h"
#include "scep/scep_priv.h"

void
scep_message_free(struct scep_message **m)
{
	if (*m == NULL)
		return;
	X509_free((*m)->signer);
	EVP_PKEY_CTX_free((*m)->signer_use);
	EVP_PKEY_free((*m)->signer_key);
	buf_free(&(*m)->envelope);
	mem_free(m);
}

void
scep_refuse(struct scep_verdict *v, enum scep_fail fail, const char *text)
{
	ERR_clear_error();
	v->fail = fail;
	v->text = text;
}

bool
scep_digest_allowed(int nid)
{
	return nid == NID_sha256 || nid == NID_sha512 || nid == NID_sha384 ||
	       nid == NID_sha1 || nid == NID_sha224;
}

static bool
signature_allowed(int nid)
{
	static const int good[] = { NID_rsaEncryption,
		NID_sha1WithRSAEncryption, NID_sha224WithRSAEncryption,
		NID_sha256WithRSAEncryption, NID_sha384WithRSAEncryption,
		NID_sha512WithRSAEncryption };

	for (size_t i = 0; i < COUNT(good); i++)
		if (nid == good[i])
			return true;
	return false;
}

const char *
scep_key_problem(EVP_PKEY *k, bool ec)
{
	struct err why;

	if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA &&
	    EVP_PKEY_get_bits(k) < 2048)
		return "key too small: 2048 required";
	if (!cert_key_acceptable(k, ec, &why))
		return "key type or size not accepted";
	return NULL;
}

/* One ContentInfo; clients that end it with a line break are forgiven. */
static bool
read_signed(const struct scep_reader *r, struct slice der,
    CMS_ContentInfo **out, struct err *e)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;

	if (der.len > LIMIT_BODY_SCEP)
		return err_set(
		    e, ERR_TOO_LARGE, "message over %d bytes", LIMIT_BODY_SCEP);
	ERR_clear_error();
	cms = scep_reader_cms(r, &der);
	if (cms == NULL)
		return err_openssl(e, ERR_INVALID, "not a CMS message");
	while (der.len > 0 && (der.p[0] == '\r' || der.p[0] == '\n'))
		der = slice_of(der.p + 1, der.len - 1);
	if (der.len > 0)
		return err_set(e, ERR_INVALID, "bytes behind the CMS message");
	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed ||
	    OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data)
		return err_set(
		    e, ERR_INVALID, "RFC 8894 3.2: not SignedData of data");
	*out = TAKE(cms);
	return true;
}

bool
scep_is_message(struct slice der)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	struct err why;

	return read_signed(NULL, der, &cms, &why);
}

static bool
one_signer(CMS_ContentInfo *cms, CMS_SignerInfo **out, struct err *e)
{
	STACK_OF(CMS_SignerInfo) *all = CMS_get0_SignerInfos(cms);
	STACK_OF(X509) *certs = NULL;
	int count;

	if (sk_CMS_SignerInfo_num(all) != 1)
		return err_set(
		    e, ERR_INVALID, "RFC 8894 3.2: not exactly one SignerInfo");
	certs = CMS_get1_certs(cms);
	count = sk_X509_num(certs);
	cert_stack_free(&certs);
	if (count > LIMIT_SCEP_CERTS)
		return err_set(e, ERR_INVALID, "too many certificates");
	*out = sk_CMS_SignerInfo_value(all, 0);
	return true;
}

/* OpenSSL compares key identifiers only after hashing the certificate, which
 * the context of a reader cannot do. */
static bool
named_by_key_id(CMS_SignerInfo *si)
{
	ASN1_OCTET_STRING *id = NULL;

	return CMS_SignerInfo_get0_signer_id(si, &id, NULL, NULL) != 1 ||
	       id != NULL;
}

/* Digest and signature algorithm, then the signer's key. */
static bool
acceptable(CMS_ContentInfo *cms, CMS_SignerInfo *si, struct scep_message *m,
    struct scep_verdict *v)
{
	X509_ALGOR *digest, *signature;
	X509 *signer = NULL;
	const char *problem;
	int nid;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, &signature);
	nid = OBJ_obj2nid(digest->algorithm);
	if (!scep_digest_allowed(nid)) {
		scep_refuse(v, SCEP_BAD_ALG, "digest algorithm not accepted");
		return false;
	}
	m->digest_nid = nid;
	if (CMS_set1_signers_certs(cms, NULL, 0) == 1)
		CMS_SignerInfo_get0_algs(si, NULL, &signer, NULL, NULL);
	if (signer != NULL)
		m->signer_key = scep_signer_key(signer);
	if (m->signer_key == NULL) {
		scep_refuse(v, SCEP_BAD_MESSAGE_CHECK,
		    "the signer's certificate is missing or unreadable");
		return false;
	}
	/* Not RSA: the reply could not be encrypted (RFC 8894 3.1). */
	problem = scep_key_problem(m->signer_key, false);
	if (problem != NULL) {
		scep_refuse(v, SCEP_BAD_ALG, problem);
		return false;
	}
	/* Or a certificate would be issued that nobody ever gets. */
	if (!scep_envelope_takes(signer)) {
		scep_refuse(v, SCEP_BAD_REQUEST,
		    "issuer or serial number of the signer is too long");
		return false;
	}
	if (!signature_allowed(OBJ_obj2nid(signature->algorithm))) {
		scep_refuse(
		    v, SCEP_BAD_ALG, "signature algorithm not accepted");
		return false;
	}
	m->signer_use = EVP_PKEY_CTX_new_from_pkey(NULL, m->signer_key, NULL);
	X509_up_ref(signer);
	m->signer = signer;
	return true;
}

/*
 * As CMS_verify() without a chain, but the content is hashed once, by the
 * signer's digest, however many algorithms the message lists.
 */
static bool
verifies(CMS_SignerInfo *si, const struct scep_attr_value a[static SCEP_ATTRS],
    struct slice content, const struct scep_message *m)
{
	static const uint8_t data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
		0x01, 0x07, 0x01 };
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (a[SCEP_ATTR_CONTENT_TYPE].tag != V_ASN1_OBJECT ||
	    !slice_eq(
	        a[SCEP_ATTR_CONTENT_TYPE].s, slice_of(data, sizeof(data))) ||
	    a[SCEP_ATTR_DIGEST].tag != V_ASN1_OCTET_STRING)
		return false;
	if (EVP_Digest(content.p, content.len, md, &len,
	        EVP_get_digestbynid(m->digest_nid), NULL) != 1 ||
	    !slice_eq(a[SCEP_ATTR_DIGEST].s, slice_of(md, len)))
		return false;
	return scep_signer_verify(si, m->signer_use, m->digest_nid);
}

bool
scep_parse(const struct scep_reader *r, struct slice der,
    struct scep_message **out, struct scep_verdict *verdict, struct err *e)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(scep_message_free) struct scep_message *m = NULL;
	struct scep_attr_value attrs[SCEP_ATTRS];
	CMS_SignerInfo *si = NULL;
	ASN1_OCTET_STRING **inner;
	struct slice content = slice_str("");

	if (!read_signed(r, der, &cms, e) || !one_signer(cms, &si, e))
		return false;
	if (r != NULL && named_by_key_id(si))
		return scep_parse(NULL, der, out, verdict, e);
	m = mem_zalloc(1, sizeof(*m));
	m->digest_nid = NID_sha256;
	scep_attr_read(si, attrs);
	if (!scep_attr_take(attrs, m, e))
		return false;

	inner = CMS_get0_content(cms);
	if (inner != NULL && *inner != NULL)
		content = slice_of(ASN1_STRING_get0_data(*inner),
		    (size_t)ASN1_STRING_length(*inner));
	*verdict = (struct scep_verdict){ -1, NULL };
	if (acceptable(cms, si, m, verdict) && !verifies(si, attrs, content, m))
		scep_refuse(verdict, SCEP_BAD_MESSAGE_CHECK,
		    "the signature does not verify");
	if (verdict->fail < 0 && content.len > 0) {
		m->envelope = buf_new(LIMIT_BODY_SCEP);
		buf_add(m->envelope, content.p, content.len);
	}
	/* Whatever was tried on the way. */
	ERR_clear_error();
	*out = TAKE(m);
	return true;
}
