/*
 * Private keys: made, read, written, and the policy for keys from outside.
 * No state; safe from any thread.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <string.h>

#include "certs/cert_key.h"

/* A PEM key of RSA 4096 takes 3.3 kB. */
enum {
	KEY_PEM_MAX = 16 << 10,
	LOCKED_PEM_MAX = 256 << 10 /* with certificates around the key */
};
/* 16 MB and 50 ms a try; the limit of OpenSSL's own decoder is 32 MB. */
enum { SCRYPT_N = 1 << 14, SCRYPT_R = 8, SCRYPT_P = 1 };
enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, EXPONENT_BITS_MAX = 64 };

void
cert_key_free(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
	*k = NULL;
}

void
cert_x509_free(X509 **x)
{
	X509_free(*x);
	*x = NULL;
}

void
cert_stack_free(STACK_OF(X509) * *s)
{
	sk_X509_pop_free(*s, X509_free);
	*s = NULL;
}

void
cert_bio_free(BIO **b)
{
	BIO_free_all(*b);
	*b = NULL;
}

void
cert_use_free(EVP_PKEY_CTX **c)
{
	EVP_PKEY_CTX_free(*c);
	*c = NULL;
}

void
cert_digest_free(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
	*c = NULL;
}

void
cert_req_free(X509_REQ **r)
{
	X509_REQ_free(*r);
	*r = NULL;
}

void
cert_cms_free(CMS_ContentInfo **c)
{
	CMS_ContentInfo_free(*c);
	*c = NULL;
}

void
cert_pubkey_free(X509_PUBKEY **p)
{
	X509_PUBKEY_free(*p);
	*p = NULL;
}

void
cert_algorithm_free(X509_ALGOR **a)
{
	X509_ALGOR_free(*a);
	*a = NULL;
}

void
cert_extension_free(X509_EXTENSION **x)
{
	X509_EXTENSION_free(*x);
	*x = NULL;
}

void
cert_time_free(ASN1_TIME **t)
{
	ASN1_TIME_free(*t);
	*t = NULL;
}

void
cert_store_free(X509_STORE **s)
{
	X509_STORE_free(*s);
	*s = NULL;
}

void
cert_store_ctx_free(X509_STORE_CTX **c)
{
	X509_STORE_CTX_free(*c);
	*c = NULL;
}

void
cert_ssl_ctx_free(SSL_CTX **c)
{
	SSL_CTX_free(*c);
	*c = NULL;
}

void
cert_openssl_free(unsigned char **p)
{
	OPENSSL_free(*p);
	*p = NULL;
}

static void
bignum_free(BIGNUM **n)
{
	BN_free(*n);
	*n = NULL;
}

bool
cert_key_kind_parse(const char *name, enum cert_key_kind *out, struct err *e)
{
	static const char *const names[] = { [CERT_RSA_2048] = "rsa2048",
		[CERT_RSA_3072] = "rsa3072",
		[CERT_RSA_4096] = "rsa4096",
		[CERT_P256] = "p256" };

	for (size_t i = CERT_RSA_2048; i < COUNT(names); i++)
		if (str_eq(names[i], name)) {
			*out = (enum cert_key_kind)i;
			return true;
		}
	return err_set(e, ERR_INVALID,
	    "\"%s\" is none of rsa2048, rsa3072, rsa4096, p256", name);
}

void
cert_key_type(EVP_PKEY *k, char out[CERT_KEY_TYPE_SIZE])
{
	int kind = k != NULL ? EVP_PKEY_get_base_id(k) : EVP_PKEY_NONE;

	out[0] = '\0';
	/* NIST's curves are named by their size. */
	if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC)
		snprintf(out, CERT_KEY_TYPE_SIZE, "%s%d",
		    kind == EVP_PKEY_RSA ? "rsa" : "p", EVP_PKEY_get_bits(k));
}

enum cert_key_kind
cert_key_kind_of(EVP_PKEY *k)
{
	enum cert_key_kind kind = CERT_RSA_DEFAULT;
	char type[CERT_KEY_TYPE_SIZE];
	struct err none = { 0 };

	cert_key_type(k, type);
	return cert_key_kind_parse(type, &kind, &none) ? kind
	                                               : CERT_RSA_DEFAULT;
}

bool
cert_key_new(enum cert_key_kind kind, EVP_PKEY **out, struct err *e)
{
	static const unsigned bits[] = { [CERT_RSA_DEFAULT] = 2048,
		[CERT_RSA_2048] = 2048,
		[CERT_RSA_3072] = 3072,
		[CERT_RSA_4096] = 4096 };
	EVP_PKEY *k =
	    kind == CERT_P256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(bits[kind]);

	if (k == NULL)
		return err_openssl(e, ERR_INTERNAL, "generating a key");
	*out = k;
	return true;
}

bool
cert_key_pem(EVP_PKEY *k, struct buf **out, struct err *e)
{
	/* Freeing a memory BIO wipes it. */
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	struct buf *pem;
	char *text;
	long len;

	if (bio == NULL ||
	    !PEM_write_bio_PKCS8PrivateKey(bio, k, NULL, NULL, 0, NULL, NULL))
		return err_openssl(e, ERR_INTERNAL, "writing a key");
	len = BIO_get_mem_data(bio, &text);
	pem = buf_new(KEY_PEM_MAX);
	buf_add(pem, text, (size_t)len);
	if (!buf_ok(pem, e)) {
		buf_wipe(&pem);
		return false;
	}
	*out = pem;
	return true;
}

/* arg NULL: none.  OpenSSL would ask on the terminal otherwise. */
static int
give_passphrase(char *buf, int size, int writing, void *arg)
{
	const char *word = arg;
	size_t len = word != NULL ? strlen(word) : 0;

	(void)writing;
	if (word == NULL || len > (size_t)size)
		return -1;
	memcpy(buf, word, len);
	return (int)len;
}

bool
cert_key_parse(struct slice pem, EVP_PKEY **out, struct err *e)
{
	AUTO(cert_bio_free) BIO *bio = NULL;
	EVP_PKEY *k;

	if (pem.len == 0 || pem.len > KEY_PEM_MAX)
		return err_set(
		    e, ERR_INVALID, "a PEM key of %zu bytes", pem.len);
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (bio == NULL)
		return err_openssl(e, ERR_INTERNAL, "reading a key");
	k = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, NULL);
	if (k == NULL)
		return err_openssl(
		    e, ERR_INVALID, "not an unencrypted PEM private key");
	*out = k;
	return true;
}

bool
cert_key_unlock(
    struct slice pem, const char *passphrase, EVP_PKEY **out, struct err *e)
{
	AUTO(cert_bio_free) BIO *bio = NULL;
	EVP_PKEY *k;

	if (pem.len == 0 || pem.len > LOCKED_PEM_MAX)
		return err_set(
		    e, ERR_INVALID, "a PEM key of %zu bytes", pem.len);
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (bio == NULL)
		return err_openssl(e, ERR_INTERNAL, "reading a key");
	k = PEM_read_bio_PrivateKey(
	    bio, NULL, give_passphrase, (void *)(uintptr_t)passphrase);
	if (k == NULL)
		return err_openssl(e, ERR_INVALID,
		    passphrase != NULL
		        ? "the key cannot be read: wrong passphrase?"
		        : "the key cannot be read: not PEM, or encrypted and "
		          "its passphrase is missing");
	*out = k;
	return true;
}

static void
p8_free(X509_SIG **p)
{
	X509_SIG_free(*p);
	*p = NULL;
}

static void
p8_key_free(PKCS8_PRIV_KEY_INFO **p)
{
	PKCS8_PRIV_KEY_INFO_free(*p);
	*p = NULL;
}

bool
cert_key_encrypt(
    EVP_PKEY *k, struct slice passphrase, struct buf **out, struct err *e)
{
	AUTO(p8_key_free) PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(k);
	AUTO(cert_algorithm_free)
	X509_ALGOR *scrypt = PKCS5_pbe2_set_scrypt(
	    EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	AUTO(p8_free) X509_SIG *sealed = NULL;
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	AUTO(buf_free) struct buf *pem = buf_new(KEY_PEM_MAX);
	char *text;
	long len;

	if (plain == NULL || scrypt == NULL || bio == NULL)
		return err_openssl(e, ERR_INTERNAL, "encrypting a key");
	sealed = PKCS8_set0_pbe(
	    (const char *)passphrase.p, (int)passphrase.len, plain, scrypt);
	if (sealed == NULL)
		return err_openssl(e, ERR_INTERNAL, "encrypting a key");
	(void)TAKE(scrypt);
	if (PEM_write_bio_PKCS8(bio, sealed) != 1)
		return err_openssl(e, ERR_INTERNAL, "encrypting a key");
	len = BIO_get_mem_data(bio, &text);
	buf_add(pem, text, (size_t)len);
	if (!buf_ok(pem, e))
		return false;
	*out = TAKE(pem);
	return true;
}

bool
cert_key_decrypt(
    struct slice pem, struct slice passphrase, EVP_PKEY **out, struct err *e)
{
	AUTO(cert_bio_free) BIO *bio = NULL;
	AUTO(p8_free) X509_SIG *sealed = NULL;
	AUTO(p8_key_free) PKCS8_PRIV_KEY_INFO *plain = NULL;
	EVP_PKEY *k;

	if (pem.len == 0 || pem.len > KEY_PEM_MAX)
		return err_set(
		    e, ERR_INVALID, "a PEM key of %zu bytes", pem.len);
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (bio == NULL)
		return err_openssl(e, ERR_INTERNAL, "reading a key");
	sealed = PEM_read_bio_PKCS8(bio, NULL, give_passphrase, NULL);
	if (sealed == NULL)
		return err_openssl(
		    e, ERR_INVALID, "not an encrypted PEM private key");
	plain = PKCS8_decrypt(
	    sealed, (const char *)passphrase.p, (int)passphrase.len);
	if (plain == NULL)
		return err_openssl(e, ERR_INVALID, "wrong passphrase");
	k = EVP_PKCS82PKEY(plain);
	if (k == NULL)
		return err_openssl(e, ERR_INVALID, "not a private key");
	*out = k;
	return true;
}

/* As EVP_PKEY_get_bn_param() does, but that pads each to 2 kB, which takes
 * longer than a signature of an EC key. */
static bool
rsa_numbers(EVP_PKEY *k, BIGNUM **exponent, BIGNUM **modulus)
{
	uint8_t e[EXPONENT_BITS_MAX / 8 + 1], n[RSA_BITS_MAX / 8];
	size_t n_size = ((size_t)EVP_PKEY_get_bits(k) + 7) / 8;
	OSSL_PARAM numbers[] = {
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, sizeof(e)),
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, n_size),
		OSSL_PARAM_construct_end(),
	};

	return EVP_PKEY_get_params(k, numbers) == 1 &&
	       OSSL_PARAM_get_BN(&numbers[0], exponent) == 1 &&
	       OSSL_PARAM_get_BN(&numbers[1], modulus) == 1;
}

static bool
rsa_acceptable(EVP_PKEY *k, struct err *e)
{
	AUTO(bignum_free) BIGNUM *exponent = NULL;
	AUTO(bignum_free) BIGNUM *modulus = NULL;
	int bits = EVP_PKEY_get_bits(k);

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return err_set(e, ERR_INVALID,
		    "an RSA key of %d bits; %d to %d are accepted", bits,
		    RSA_BITS_MIN, RSA_BITS_MAX);
	/* One that does not fit is too large. */
	if (!rsa_numbers(k, &exponent, &modulus))
		return err_openssl(e, ERR_INVALID, "reading an RSA key");
	if (!BN_is_odd(exponent) || BN_is_one(exponent) ||
	    BN_num_bits(exponent) > EXPONENT_BITS_MAX)
		return err_set(e, ERR_INVALID,
		    "the RSA exponent is not an odd number from 3 to 2^%d",
		    EXPONENT_BITS_MAX);
	if (!BN_is_odd(modulus))
		return err_set(e, ERR_INVALID, "the RSA modulus is even");
	return true;
}

static bool
ec_acceptable(EVP_PKEY *k, struct err *e)
{
	char curve[64] = "";

	if (!EVP_PKEY_get_utf8_string_param(
	        k, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof(curve), NULL))
		return err_openssl(e, ERR_INVALID, "an EC key without a name");
	if (!str_eq(curve, SN_X9_62_prime256v1) && !str_eq(curve, SN_secp384r1))
		return err_set(e, ERR_INVALID,
		    "curve %s; P-256 and P-384 are accepted", curve);
	return true;
}

bool
cert_key_acceptable(EVP_PKEY *k, bool ec, struct err *e)
{
	int kind = k != NULL ? EVP_PKEY_get_base_id(k) : EVP_PKEY_NONE;

	if (kind == EVP_PKEY_RSA)
		return rsa_acceptable(k, e);
	if (kind == EVP_PKEY_EC && ec)
		return ec_acceptable(k, e);
	return err_set(e, ERR_INVALID, "%s key; %s accepted",
	    kind == EVP_PKEY_EC ? "an EC" : "an unknown kind of",
	    ec ? "RSA and EC are" : "RSA is");
}
