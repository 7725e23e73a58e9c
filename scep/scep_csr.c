/*
 * The certification request of a PKCSReq (RFC 2986; RFC 8894 section 3.3.1).
 * From it we take the public key and the challenge, and nothing else: names
 * and extensions come from the challenge's own record.  No state; any thread.
 *
 * OpenSSL 3.0 takes longer to decode a public key than to verify with it.
 * Most clients sign the message with the key they want certified; then the
 * key of their certificate serves for both.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "core/limits.h"
#include "scep/scep_priv.h"

/* Longer keys and public exponents make verifying expensive. */
enum { KEY_BITS_MAX = 8192, EXPONENT_BITS_MAX = 64 };
/* Such an RSA key, and room for what is around it. */
enum { SPKI_MAX = (KEY_BITS_MAX + EXPONENT_BITS_MAX) / 8 + 64 };
/* Identifier octets of what a CSR consists of. */
enum { INTEGER = 0x02, BIT_STRING = 0x03, SEQUENCE = 0x30, CONTEXT_0 = 0xa0 };

/* A CSR taken apart, nothing decoded; all borrowed. */
struct parts {
	struct slice info;      /* CertificationRequestInfo with its header */
	struct slice version;   /* contents of the INTEGER */
	struct slice spki;      /* SubjectPublicKeyInfo with its header */
	struct slice attrs;     /* contents of [0]; empty if absent */
	struct slice algorithm; /* AlgorithmIdentifier with its header */
	struct slice signature; /* contents of the BIT STRING */
};

void
scep_csr_free(struct scep_csr **c)
{
	if (*c == NULL)
		return;
	EVP_PKEY_free((*c)->key);
	X509_REQ_free((*c)->req);
	X509_free((*c)->signer);
	str_wipe(&(*c)->challenge);
	mem_free(c);
}

/* The next element, which has to have this identifier octet; whole (may be
 * NULL) gets it with its header. */
static bool
take(struct slice *in, uint8_t identifier, struct slice *body,
    struct slice *whole)
{
	struct slice before = *in;
	int tag, xclass;

	if (in->len == 0 || in->p[0] != identifier ||
	    !scep_der_next(in, &tag, &xclass, body))
		return false;
	if (whole != NULL)
		*whole = slice_of(before.p, before.len - in->len);
	return true;
}

static bool
split(struct slice der, struct parts *p)
{
	struct slice body, info, skip;

	if (!take(&der, SEQUENCE, &body, NULL) || der.len != 0 ||
	    !take(&body, SEQUENCE, &info, &p->info) ||
	    !take(&body, SEQUENCE, &skip, &p->algorithm) ||
	    !take(&body, BIT_STRING, &p->signature, NULL) || body.len != 0)
		return false;
	if (!take(&info, INTEGER, &p->version, NULL) ||
	    !take(&info, SEQUENCE, &skip, NULL) ||
	    !take(&info, SEQUENCE, &skip, &p->spki))
		return false;
	p->attrs = slice_str("");
	return info.len == 0 ||
	       (take(&info, CONTEXT_0, &p->attrs, NULL) && info.len == 0);
}

/* The digest of a signature algorithm, and which keys it goes with. */
static int
digest_of(struct slice algorithm, int *key_nid)
{
	X509_ALGOR *a = d2i_X509_ALGOR(NULL, &algorithm.p, (long)algorithm.len);
	int digest = NID_undef;

	*key_nid = NID_undef;
	if (a == NULL || OBJ_find_sigid_algs(
	                     OBJ_obj2nid(a->algorithm), &digest, key_nid) != 1)
		digest = NID_undef;
	X509_ALGOR_free(a);
	return digest;
}

static bool
same_key(struct slice spki, X509 *signer)
{
	uint8_t *der = NULL;
	bool same;
	int len;

	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(signer), &der);
	same = len > 0 && slice_eq(spki, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return same;
}

static bool
verify_with(EVP_PKEY_CTX *use, int digest_nid, const struct parts *p)
{
	/* The first octet counts the unused bits. */
	return p->signature.len > 1 && p->signature.p[0] == 0 &&
	       scep_verify(use, digest_nid,
	           slice_of(p->signature.p + 1, p->signature.len - 1), p->info);
}

static bool
cheap_to_verify(EVP_PKEY *k)
{
	BIGNUM *exponent = NULL;
	bool ok;

	if (EVP_PKEY_get_bits(k) > KEY_BITS_MAX)
		return false;
	if (EVP_PKEY_get_base_id(k) != EVP_PKEY_RSA)
		return true;
	ok = EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
	     BN_num_bits(exponent) <= EXPONENT_BITS_MAX;
	BN_free(exponent);
	return ok;
}

/* Those that cost no more than P-384, which is accepted. */
static bool
cheap_curve(int nid)
{
	static const int curves[] = { NID_X9_62_prime256v1, NID_secp384r1,
		NID_secp521r1, NID_secp224r1, NID_secp256k1,
		NID_brainpoolP256r1 };

	for (size_t i = 0; i < COUNT(curves); i++)
		if (nid == curves[i])
			return true;
	return false;
}

static bool
cheap_algorithm(const X509_ALGOR *a)
{
	const ASN1_OBJECT *kind;
	const void *curve;
	int type;

	X509_ALGOR_get0(&kind, &type, &curve, a);
	switch (OBJ_obj2nid(kind)) {
	case NID_rsaEncryption:
	case NID_ED25519:
		return true;
	case NID_X9_62_id_ecPublicKey:
		return type == V_ASN1_OBJECT && cheap_curve(OBJ_obj2nid(curve));
	default:
		return false;
	}
}

/*
 * Before anything is decoded: there are curves, and parameters of one's own
 * choice, whose keys take many times longer than all else in a request.  None
 * of them would be accepted, so to the peer it is one that cannot be read.
 */
static bool
cheap_to_decode(struct slice spki)
{
	struct slice body, skip, algorithm;
	X509_ALGOR *a;
	bool cheap;

	if (spki.len > SPKI_MAX || !take(&spki, SEQUENCE, &body, NULL) ||
	    !take(&body, SEQUENCE, &skip, &algorithm))
		return false;
	a = d2i_X509_ALGOR(NULL, &algorithm.p, (long)algorithm.len);
	cheap = a != NULL && cheap_algorithm(a);
	X509_ALGOR_free(a);
	return cheap;
}

static bool
verify_decoded(struct slice der, struct slice spki, struct scep_csr *c)
{
	const uint8_t *p = der.p;

	if (!cheap_to_decode(spki))
		return false;
	c->req = d2i_X509_REQ(NULL, &p, (long)der.len);
	if (c->req == NULL || p != der.p + der.len)
		return false;
	c->key = X509_REQ_get_pubkey(c->req);
	c->pub = X509_REQ_get_X509_PUBKEY(c->req);
	return c->key != NULL && cheap_to_verify(c->key) &&
	       X509_REQ_verify(c->req, c->key) == 1;
}

/* A CSR, whole, signed by the key it names. */
static bool
proven(struct slice der, const struct scep_message *from, struct parts *p,
    struct scep_csr *c)
{
	int digest, key_nid;

	if (!split(der, p))
		return false;
	digest = digest_of(p->algorithm, &key_nid);
	if (key_nid != NID_rsaEncryption || digest == NID_undef ||
	    from == NULL || !same_key(p->spki, from->signer))
		return verify_decoded(der, p->spki, c);
	X509_up_ref(from->signer);
	EVP_PKEY_up_ref(from->signer_key);
	c->signer = from->signer;
	c->key = from->signer_key;
	c->pub = X509_get_X509_PUBKEY(c->signer);
	return verify_with(from->signer_use, digest, p);
}

static bool
acceptable(
    struct scep_csr *c, const struct parts *p, bool ec, struct scep_verdict *v)
{
	const char *problem = NULL;
	int key_nid;

	if (!slice_eq(p->version, slice_of("", 1))) {
		scep_refuse(
		    v, SCEP_BAD_REQUEST, "RFC 2986 4.1: version is not 0");
		return false;
	}
	/* The signer's key passed in scep_parse(). */
	if (c->signer == NULL)
		problem = scep_key_problem(c->key, ec);
	if (problem == NULL && !scep_spki_is_der(p->spki))
		problem = "the public key is not encoded as DER, or has other "
		          "parameters than its kind";
	if (problem != NULL) {
		scep_refuse(v, SCEP_BAD_ALG, problem);
		return false;
	}
	c->digest_nid = digest_of(p->algorithm, &key_nid);
	if (!scep_digest_allowed(c->digest_nid)) {
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

/* One attribute; false if it is a challenge that cannot be used. */
static bool
read_attribute(X509_ATTRIBUTE *attr, char **challenge)
{
	if (OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attr)) !=
	    NID_pkcs9_challengePassword)
		return true;
	return *challenge == NULL && X509_ATTRIBUTE_count(attr) == 1 &&
	       string_value(X509_ATTRIBUTE_get0_type(attr, 0), challenge);
}

/* challengePassword (RFC 2985 5.4.1): absent, or once with one value. */
static bool
read_challenge(struct slice attrs, char **challenge)
{
	const uint8_t *p = attrs.p, *end = attrs.p + attrs.len;
	bool ok = true;

	while (ok && p < end) {
		X509_ATTRIBUTE *attr = d2i_X509_ATTRIBUTE(NULL, &p, end - p);

		ok = attr != NULL && read_attribute(attr, challenge);
		X509_ATTRIBUTE_free(attr);
	}
	return ok;
}

void
scep_csr_parse(struct slice der, bool ec, const struct scep_message *from,
    struct scep_csr **out, struct scep_verdict *verdict)
{
	AUTO(scep_csr_free) struct scep_csr *c = NULL;
	struct parts p;
	struct err e;

	*verdict = (struct scep_verdict){ -1, NULL };
	ERR_clear_error();
	c = mem_zalloc(1, sizeof(*c));
	if (!proven(der, from, &p, c)) {
		scep_refuse(verdict, SCEP_BAD_REQUEST, SCEP_TEXT_UNREADABLE);
		return;
	}
	if (!acceptable(c, &p, ec, verdict))
		return;
	if (!read_challenge(p.attrs, &c->challenge)) {
		scep_refuse(verdict, SCEP_BAD_REQUEST, SCEP_TEXT_CHALLENGE);
		return;
	}
	if (!cert_spki_pub(c->pub, c->spki, &e)) {
		scep_refuse(verdict, SCEP_BAD_REQUEST, SCEP_TEXT_UNREADABLE);
		return;
	}
	*out = TAKE(c);
}
