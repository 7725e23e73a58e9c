/*
 * Reads OCSP requests, which anybody may send: whatever is not as RFC 6960
 * says is malformed.  No state; any thread.
 */
#include <openssl/err.h>

#include "certs/cert_ocsp_priv.h"
#include "core/limits.h"

static void
octets_free(ASN1_OCTET_STRING **s)
{
	ASN1_OCTET_STRING_free(*s);
	*s = NULL;
}

static void
cert_id_free(OCSP_CERTID **id)
{
	OCSP_CERTID_free(*id);
	*id = NULL;
}

void
cert_ocsp_query_clear(struct cert_ocsp_query *q)
{
	OCSP_REQUEST_free(q->rq);
	q->rq = NULL;
}

/* RFC 9654 2.1: 1 to 128 octets in an OCTET STRING, once. */
static bool
nonce_is_good(OCSP_REQUEST *rq, bool *there)
{
	int at = OCSP_REQUEST_get_ext_by_NID(rq, NID_id_pkix_OCSP_Nonce, -1);
	AUTO(octets_free) ASN1_OCTET_STRING *nonce = NULL;
	const ASN1_OCTET_STRING *value;
	const unsigned char *p;
	int len;

	*there = at >= 0;
	if (at < 0)
		return true;
	if (OCSP_REQUEST_get_ext_by_NID(rq, NID_id_pkix_OCSP_Nonce, at) >= 0)
		return false;
	value = X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(rq, at));
	p = ASN1_STRING_get0_data(value);
	len = ASN1_STRING_length(value);
	nonce = d2i_ASN1_OCTET_STRING(NULL, &p, len);
	return nonce != NULL && p == ASN1_STRING_get0_data(value) + len &&
	       ASN1_STRING_length(nonce) >= 1 &&
	       ASN1_STRING_length(nonce) <= OCSP_NONCE_MAX;
}

/* RFC 6960 4.4: what has to be understood is not, but for the nonce. */
static bool
no_critical(OCSP_REQUEST *rq)
{
	for (int i = 0; i < OCSP_REQUEST_get_ext_count(rq); i++) {
		X509_EXTENSION *x = OCSP_REQUEST_get_ext(rq, i);

		if (X509_EXTENSION_get_critical(x) &&
		    OBJ_obj2nid(X509_EXTENSION_get_object(x)) !=
		        NID_id_pkix_OCSP_Nonce)
			return false;
	}
	for (int i = 0; i < OCSP_request_onereq_count(rq); i++)
		if (OCSP_ONEREQ_get_ext_by_critical(
		        OCSP_request_onereq_get0(rq, i), 1, -1) >= 0)
			return false;
	return true;
}

/*
 * RFC 4055 2.1: parameters of a digest are absent or NULL.  Others would make
 * an answer of any length, as it repeats the CertID.  OpenSSL has no function
 * that tells them.
 */
static bool
plain_digest(OCSP_CERTID *id)
{
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	AUTO(cert_algorithm_free) X509_ALGOR *a = NULL;
	int len = i2d_OCSP_CERTID(id, &der), tag, class, type = V_ASN1_UNDEF;
	const unsigned char *p = der;
	long left = 0;

	if (len <= 0 || (ASN1_get_object(&p, &left, &tag, &class, len) & 0x80))
		return false;
	a = d2i_X509_ALGOR(NULL, &p, left);
	if (a == NULL)
		return false;
	X509_ALGOR_get0(NULL, &type, NULL, a);
	return type == V_ASN1_UNDEF || type == V_ASN1_NULL;
}

static bool
plain_digests(const struct cert_ocsp_query *q)
{
	for (int i = 0; i < q->count; i++)
		if (!plain_digest(cert_ocsp_single(q, i)))
			return false;
	return true;
}

static bool
parse(struct slice der, struct cert_ocsp_query *q)
{
	const unsigned char *p = der.p;

	if (der.len == 0 || der.len > LIMIT_BODY_OCSP)
		return false;
	q->rq = d2i_OCSP_REQUEST(NULL, &p, (long)der.len);
	if (q->rq == NULL || p != der.p + der.len)
		return false;
	q->count = OCSP_request_onereq_count(q->rq);
	return q->count >= 1 && q->count <= OCSP_SINGLES_MAX &&
	       no_critical(q->rq) && nonce_is_good(q->rq, &q->nonce) &&
	       plain_digests(q);
}

bool
cert_ocsp_parse(struct slice der, struct cert_ocsp_query *out)
{
	struct cert_ocsp_query q = { 0 };

	if (!parse(der, &q)) {
		cert_ocsp_query_clear(&q);
		ERR_clear_error();
		return false;
	}
	*out = q;
	return true;
}

OCSP_CERTID *
cert_ocsp_single(const struct cert_ocsp_query *q, int i)
{
	return OCSP_onereq_get0_id(OCSP_request_onereq_get0(q->rq, i));
}

bool
cert_ocsp_serial(OCSP_CERTID *id, char out[OCSP_SERIAL_SIZE])
{
	ASN1_INTEGER *n = NULL;
	int len;

	if (OCSP_id_get0_info(NULL, NULL, NULL, &n, id) != 1)
		return false;
	len = ASN1_STRING_length(n);
	if (ASN1_STRING_type(n) != V_ASN1_INTEGER || len < 1 ||
	    len > (OCSP_SERIAL_SIZE - 1) / 2)
		return false;
	hex_to(out, ASN1_STRING_get0_data(n), (size_t)len);
	return true;
}

bool
cert_ocsp_names(OCSP_CERTID *id, X509 *issuer)
{
	static const int digests[] = { NID_sha1, NID_sha224, NID_sha256,
		NID_sha384, NID_sha512 };
	AUTO(cert_id_free) OCSP_CERTID *own = NULL;
	ASN1_OBJECT *algorithm = NULL;
	size_t i = 0;

	if (OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, id) != 1)
		return false;
	while (i < COUNT(digests) && digests[i] != OBJ_obj2nid(algorithm))
		i++;
	if (i == COUNT(digests))
		return false;
	own = OCSP_cert_id_new(EVP_get_digestbynid(digests[i]),
	    X509_get_subject_name(issuer), X509_get0_pubkey_bitstr(issuer),
	    NULL);
	if (own == NULL) {
		ERR_clear_error();
		return false;
	}
	return OCSP_id_issuer_cmp(own, id) == 0;
}
