/*
 * A device that is not remembered: read by OpenSSL 3.0, its message takes more
 * than four times as long as the next one (docs/performance.md).  A certificate
 * that one of our issuing CAs signed is what we made it, so that its bytes may
 * be read here.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "certs/cert_ours_priv.h"
#include "certs/cert_plain_priv.h"

enum { MODULUS_MAX = 512, EXPONENT_MAX = 8 };

/* Least significant octet first, as OSSL_PARAM wants it (on the processors
 * that we run on). */
static void
reverse(uint8_t *out, struct slice in)
{
	for (size_t i = 0; i < in.len; i++)
		out[i] = in.p[in.len - 1 - i];
}

static EVP_PKEY *
rsa_key(struct slice modulus, struct slice exponent)
{
	AUTO(cert_use_free)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	uint8_t n[MODULUS_MAX], e[EXPONENT_MAX];
	EVP_PKEY *key = NULL;

	if (modulus.len > sizeof(n) || exponent.len > sizeof(e))
		return NULL;
	reverse(n, modulus);
	reverse(e, exponent);
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY,
	        (OSSL_PARAM[]){ OSSL_PARAM_construct_BN(
	                            OSSL_PKEY_PARAM_RSA_N, n, modulus.len),
	            OSSL_PARAM_construct_BN(
	                OSSL_PKEY_PARAM_RSA_E, e, exponent.len),
	            OSSL_PARAM_construct_end() }) != 1)
		return NULL;
	return key;
}

static int64_t
time_ms(struct slice der)
{
	const uint8_t *p = der.p;
	AUTO(cert_time_free)
	ASN1_TIME *t = d2i_ASN1_TIME(NULL, &p, (long)der.len);

	return cert_time_ms(t);
}

/* The digest of a signature algorithm, where it is one for keys of this kind
 * that needs no parameters. */
static const EVP_MD *
digest_of(struct slice algorithm, const EVP_PKEY *key)
{
	const uint8_t *p = algorithm.p;
	AUTO(cert_algorithm_free)
	X509_ALGOR *a = d2i_X509_ALGOR(NULL, &p, (long)algorithm.len);
	int wanted = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC
	                 ? NID_X9_62_id_ecPublicKey
	                 : NID_rsaEncryption;
	const ASN1_OBJECT *oid;
	int digest, kind;

	if (a == NULL)
		return NULL;
	X509_ALGOR_get0(&oid, NULL, NULL, a);
	if (!OBJ_find_sigid_algs(OBJ_obj2nid(oid), &digest, &kind) ||
	    kind != wanted)
		return NULL;
	return EVP_get_digestbynid(digest);
}

static bool
issued_by(X509 *issuer, const struct cert_plain_certificate *c)
{
	AUTO(cert_digest_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	const uint8_t *name;
	const EVP_MD *md;
	size_t len;

	if (!X509_NAME_get0_der(X509_get_subject_name(issuer), &name, &len) ||
	    !slice_eq(slice_of(name, len), c->issuer))
		return false;
	md = digest_of(c->algorithm, key);
	return md != NULL && ctx != NULL &&
	       EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
	       EVP_DigestVerify(ctx, c->signature.p, c->signature.len, c->tbs.p,
	           c->tbs.len) == 1;
}

/* Any of our issuing CAs: those of a rollover count as well. */
static bool
is_ours(struct cert_live *issuers, const struct cert_plain_certificate *c)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(issuers);
	const struct cert_member *const *m;
	size_t count = cert_authority_members(a, &m);

	for (size_t i = 0; i < count; i++)
		if (str_eq(m[i]->role, CERT_ROLE_ISSUING) &&
		    issued_by(m[i]->certificate, c))
			return true;
	return false;
}

static bool
read_ours(
    struct cert_live *issuers, struct slice certificate, struct cert_known *out)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	struct cert_plain_certificate c;
	struct err ignored;

	if (!cert_plain_certificate(certificate, &c) || !is_ours(issuers, &c))
		return false;
	key = rsa_key(c.modulus, c.exponent);
	if (!cert_key_acceptable(key, false, &ignored))
		return false;
	*out = (struct cert_known){ .key = TAKE(key),
		.not_before = time_ms(c.not_before),
		.not_after = time_ms(c.not_after) };
	return true;
}

bool
cert_ours_read(struct cert_live *issuers, struct slice certificate,
    const uint8_t digest[SHA256_SIZE], struct cert_known *out)
{
	bool ours = read_ours(issuers, certificate, out);

	ERR_clear_error();
	if (ours)
		memcpy(out->digest, digest, SHA256_SIZE);
	return ours;
}
