/*
 * The certification request of a PKCSReq (RFC 2986; RFC 8894 section 3.3.1).
 * From it we take the public key and the challenge, and nothing else: names
 * and extensions come from the challenge's own record.  No state; any thread.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "core/limits.h"
#include "scep/scep_priv.h"

/* Public exponents longer than this make verifying expensive. */
enum { EXPONENT_BITS_MAX = 64 };

void
scep_csr_free(struct scep_csr **c)
{
	if (*c == NULL)
		return;
	X509_REQ_free((*c)->req);
	str_wipe(&(*c)->challenge);
	mem_free(c);
}

static bool
cheap_to_verify(EVP_PKEY *k)
{
	BIGNUM *exponent = NULL;
	bool ok;

	if (EVP_PKEY_get_base_id(k) != EVP_PKEY_RSA)
		return true;
	ok = EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
	     BN_num_bits(exponent) <= EXPONENT_BITS_MAX;
	BN_free(exponent);
	return ok;
}

/* A CSR, whole, signed by the key it names. */
static bool
proven(struct slice der, X509_REQ **out)
{
	AUTO(cert_req_free) X509_REQ *req = NULL;
	const uint8_t *p = der.p;
	EVP_PKEY *key;

	req = d2i_X509_REQ(NULL, &p, (long)der.len);
	if (req == NULL || p != der.p + der.len)
		return false;
	key = X509_REQ_get0_pubkey(req);
	if (key == NULL || !cheap_to_verify(key) ||
	    X509_REQ_verify(req, key) != 1)
		return false;
	*out = TAKE(req);
	return true;
}

static bool
acceptable(X509_REQ *req, bool ec, struct scep_verdict *v)
{
	const char *problem = scep_key_problem(X509_REQ_get0_pubkey(req), ec);
	int digest = NID_undef;

	if (X509_REQ_get_version(req) != X509_REQ_VERSION_1) {
		scep_refuse(
		    v, SCEP_BAD_REQUEST, "RFC 2986 4.1: version is not 0");
		return false;
	}
	if (problem != NULL) {
		scep_refuse(v, SCEP_BAD_ALG, problem);
		return false;
	}
	if (OBJ_find_sigid_algs(
	        X509_REQ_get_signature_nid(req), &digest, NULL) != 1 ||
	    !scep_digest_allowed(digest)) {
		scep_refuse(v, SCEP_BAD_ALG,
		    "signature algorithm of the CSR not accepted");
		return false;
	}
	return true;
}

static bool
is_directory_string(int type)
{
	return type == V_ASN1_PRINTABLESTRING || type == V_ASN1_UTF8STRING ||
	       type == V_ASN1_IA5STRING || type == V_ASN1_T61STRING ||
	       type == V_ASN1_BMPSTRING || type == V_ASN1_UNIVERSALSTRING;
}

static bool
string_value(ASN1_TYPE *t, char **out)
{
	uint8_t *utf8 = NULL;
	bool ok;
	int len;

	if (t == NULL || !is_directory_string(t->type) ||
	    ASN1_STRING_length(t->value.asn1_string) > 4 * LIMIT_CHALLENGE)
		return false;
	len = ASN1_STRING_to_UTF8(&utf8, t->value.asn1_string);
	if (len < 0)
		return false;
	ok = len <= LIMIT_CHALLENGE && memchr(utf8, 0, (size_t)len) == NULL;
	if (ok)
		*out = str_dup((char *)utf8);
	OPENSSL_clear_free(utf8, (size_t)len);
	return ok;
}

/* challengePassword (RFC 2985 5.4.1): absent, or once with one value. */
static bool
read_challenge(X509_REQ *req, char **out)
{
	int i = X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1);
	X509_ATTRIBUTE *attr;

	if (i < 0)
		return true;
	attr = X509_REQ_get_attr(req, i);
	if (X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, i) >=
	        0 ||
	    X509_ATTRIBUTE_count(attr) != 1)
		return false;
	return string_value(X509_ATTRIBUTE_get0_type(attr, 0), out);
}

void
scep_csr_parse(struct slice der, bool ec, struct scep_csr **out,
    struct scep_verdict *verdict)
{
	AUTO(scep_csr_free) struct scep_csr *c = NULL;
	struct err e;

	*verdict = (struct scep_verdict){ -1, NULL };
	ERR_clear_error();
	c = mem_zalloc(1, sizeof(*c));
	if (!proven(der, &c->req)) {
		scep_refuse(verdict, SCEP_BAD_REQUEST, SCEP_TEXT_UNREADABLE);
		return;
	}
	if (!acceptable(c->req, ec, verdict))
		return;
	if (!read_challenge(c->req, &c->challenge)) {
		scep_refuse(verdict, SCEP_BAD_REQUEST, SCEP_TEXT_CHALLENGE);
		return;
	}
	if (!cert_spki_pub(X509_REQ_get_X509_PUBKEY(c->req), c->spki, &e)) {
		scep_refuse(verdict, SCEP_BAD_REQUEST, SCEP_TEXT_UNREADABLE);
		return;
	}
	sha256_hex(c->sha256, der);
	*out = TAKE(c);
}
