/*
 * Builds and signs X.509 certificates.  Written for speed where it is called
 * for each device: the public key passes as bytes, because OpenSSL 3.0 takes
 * longer to decode it than to sign.  No state; safe from any thread.
 */
#include <openssl/sha.h>

#include "certs/cert_build_priv.h"
#include "certs/cert_subject_priv.h"
#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/random.h"

enum { SERIAL_SIZE = 20 };

static void
extension_free(X509_EXTENSION **x)
{
	X509_EXTENSION_free(*x);
	*x = NULL;
}

void
cert_build_extensions_free(STACK_OF(X509_EXTENSION) * *s)
{
	sk_X509_EXTENSION_pop_free(*s, X509_EXTENSION_free);
	*s = NULL;
}

static bool
add_extension(
    STACK_OF(X509_EXTENSION) * s, int nid, const char *text, struct err *e)
{
	AUTO(extension_free) X509_EXTENSION *x = NULL;
	X509V3_CTX ctx;

	if (text == NULL)
		return true;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	if (x == NULL || sk_X509_EXTENSION_push(s, x) == 0)
		return err_openssl(
		    e, ERR_INTERNAL, "extension %s", OBJ_nid2sn(nid));
	(void)TAKE(x);
	return true;
}

struct extension {
	int nid;
	const char *text; /* NULL: leave it out */
};

static bool
make_extensions(const struct extension *x, size_t count,
    STACK_OF(X509_EXTENSION) * *out, struct err *e)
{
	AUTO(cert_build_extensions_free)
	STACK_OF(X509_EXTENSION) *s = sk_X509_EXTENSION_new_null();

	if (s == NULL)
		return err_openssl(e, ERR_INTERNAL, "extensions");
	for (size_t i = 0; i < count; i++)
		if (!add_extension(s, x[i].nid, x[i].text, e))
			return false;
	*out = TAKE(s);
	return true;
}

bool
cert_build_extensions(const struct cert_build_usage *u,
    STACK_OF(X509_EXTENSION) * *out, struct err *e)
{
	const struct extension x[] = {
		{ NID_basic_constraints, u->basic },
		{ NID_key_usage, u->key_usage },
		{ NID_ext_key_usage, u->ext_key_usage },
	};

	return make_extensions(x, COUNT(x), out, e);
}

bool
cert_build_status(const struct cert_build_status *w,
    STACK_OF(X509_EXTENSION) * *out, struct err *e)
{
	const struct extension x[] = {
		{ NID_crl_distribution_points, w->crl },
		{ NID_info_access, w->access },
	};

	return make_extensions(x, COUNT(x), out, e);
}

static int64_t
whole_seconds(int64_t ms)
{
	return ms / MS_S * MS_S;
}

bool
cert_build_validity(const struct cert_build_term *term, const X509 *issuer,
    struct cert_build_validity *out, struct err *e)
{
	struct cert_build_validity v = {
		whole_seconds(term->now_ms - term->backdate_ms),
		whole_seconds(term->now_ms + term->life_days * MS_DAY),
	};

	if (issuer != NULL) {
		int64_t first = cert_not_before(issuer);
		int64_t last = cert_not_after(issuer);

		if (last <= term->now_ms)
			return err_set(e, ERR_INTERNAL,
			    "the issuing authority has expired");
		v.not_before = v.not_before < first ? first : v.not_before;
		v.not_after = v.not_after > last ? last : v.not_after;
	}
	*out = v;
	return true;
}

static bool
set_serial(X509 *x)
{
	uint8_t serial[SERIAL_SIZE];

	/* Positive, and no shorter than it looks. */
	do {
		random_bytes(serial, sizeof(serial));
		serial[0] &= 0x7f;
	} while (serial[0] == 0);
	return ASN1_STRING_set(
	           X509_get_serialNumber(x), serial, sizeof(serial)) == 1;
}

/* Copies the key without decoding it. */
static bool
set_key(X509 *x, const X509_PUBKEY *pub)
{
	ASN1_OBJECT *algorithm;
	const unsigned char *bits;
	X509_ALGOR *whole;
	const void *value;
	void *own = NULL;
	unsigned char *copy;
	int len, type;

	if (!X509_PUBKEY_get0_param(
	        &algorithm, &bits, &len, &whole, (X509_PUBKEY *)pub))
		return false;
	X509_ALGOR_get0(NULL, &type, &value, whole);
	/* RSA has NULL here, EC the name of its curve (RFC 5480 2.1.1). */
	if (type == V_ASN1_OBJECT)
		own = OBJ_dup(value);
	else if (type != V_ASN1_NULL)
		return false;
	copy = OPENSSL_memdup(bits, (size_t)len);
	if (copy != NULL && X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x),
	                        OBJ_dup(algorithm), type, own, copy, len))
		return true;
	OPENSSL_free(copy);
	ASN1_OBJECT_free(own);
	return false;
}

/* SHA-1 of the key bits (RFC 5280 4.2.1.2), which is no question of security
 * here. */
static bool
add_subject_key_id(X509 *x, ASN1_OCTET_STRING *id)
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x);
	uint8_t digest[SHA_DIGEST_LENGTH];

	SHA1(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits),
	    digest);
	return ASN1_OCTET_STRING_set(id, digest, sizeof(digest)) == 1 &&
	       X509_add1_ext_i2d(x, NID_subject_key_identifier, id, 0,
	           X509V3_ADD_APPEND) == 1;
}

static bool
add_authority_key_id(X509 *x, const ASN1_OCTET_STRING *id)
{
	AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
	bool good;

	if (aki == NULL)
		return false;
	aki->keyid = ASN1_OCTET_STRING_dup(id);
	good = aki->keyid != NULL &&
	       X509_add1_ext_i2d(x, NID_authority_key_identifier, aki, 0,
	           X509V3_ADD_APPEND) == 1;
	AUTHORITY_KEYID_free(aki);
	return good;
}

static bool
add_key_ids(X509 *x, X509 *issuer)
{
	ASN1_OCTET_STRING *own = ASN1_OCTET_STRING_new();
	const ASN1_OCTET_STRING *of_issuer =
	    issuer != NULL ? X509_get0_subject_key_id(issuer) : own;
	bool good = own != NULL && of_issuer != NULL &&
	            add_subject_key_id(x, own) &&
	            add_authority_key_id(x, of_issuer);

	ASN1_OCTET_STRING_free(own);
	return good;
}

static bool
set_validity(X509 *x, const struct cert_build_validity *v)
{
	return ASN1_TIME_set(X509_getm_notBefore(x),
	           (time_t)(v->not_before / MS_S)) != NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(x),
	           (time_t)(v->not_after / MS_S)) != NULL;
}

static bool
add_extensions(X509 *x, const STACK_OF(X509_EXTENSION) * s)
{
	for (int i = 0; i < sk_X509_EXTENSION_num(s); i++)
		if (!X509_add_ext(x, sk_X509_EXTENSION_value(s, i), -1))
			return false;
	return true;
}

bool
cert_build(const struct cert_build *b, X509 **out, struct err *e)
{
	AUTO(cert_x509_free) X509 *x = X509_new();

	if (x == NULL)
		return err_openssl(e, ERR_INTERNAL, "building a certificate");
	if (!cert_subject_name(b->subject, X509_get_subject_name(x), e))
		return false;
	if (!X509_set_version(x, X509_VERSION_3) || !set_serial(x) ||
	    !X509_set_issuer_name(
	        x, X509_get_subject_name(b->issuer != NULL ? b->issuer : x)) ||
	    !set_validity(x, &b->validity) || !set_key(x, b->pub) ||
	    !add_extensions(x, b->extensions) ||
	    !add_extensions(x, b->status) || !add_key_ids(x, b->issuer))
		return err_openssl(e, ERR_INTERNAL, "building a certificate");
	if (b->san && !cert_subject_add_san(b->subject, x, e))
		return false;
	if (X509_sign(x, b->signer, b->md) <= 0)
		return err_openssl(e, ERR_INTERNAL, "signing a certificate");
	*out = TAKE(x);
	return true;
}
