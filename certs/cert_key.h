/*
 * Private keys: made, read, written.  OpenSSL's EVP_PKEY is the type.  No
 * state; safe from any thread, and so is using one key in several threads.
 */
#pragma once

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/str.h"

/* For AUTO(). */
void cert_key_free(EVP_PKEY **k);
void cert_x509_free(X509 **x);
void cert_stack_free(STACK_OF(X509) * *s);
void cert_bio_free(BIO **b);
void cert_digest_free(EVP_MD_CTX **c);
void cert_use_free(EVP_PKEY_CTX **c);
void cert_req_free(X509_REQ **r);
void cert_cms_free(CMS_ContentInfo **c);
void cert_pubkey_free(X509_PUBKEY **p);
void cert_algorithm_free(X509_ALGOR **a);
void cert_extension_free(X509_EXTENSION **x);
void cert_time_free(ASN1_TIME **t);
void cert_store_free(X509_STORE **s);
void cert_store_ctx_free(X509_STORE_CTX **c);
void cert_ssl_ctx_free(SSL_CTX **c);
/* What i2d_*() and the like allocated. */
void cert_openssl_free(unsigned char **p);

enum cert_key_kind {
	CERT_RSA_DEFAULT,
	CERT_RSA_2048,
	CERT_RSA_3072,
	CERT_RSA_4096,
	CERT_P256
};
/* By its name, "rsa2048", "rsa3072", "rsa4096" or "p256"; ERR_INVALID. */
MUST_CHECK bool cert_key_kind_parse(
    const char *name, enum cert_key_kind *out, struct err *e);

/* "rsa2048", "p256", "p384" and the like; "" for what is neither RSA nor EC.
 * For people and JSON. */
enum { CERT_KEY_TYPE_SIZE = 16 };
void cert_key_type(EVP_PKEY *k, char out[CERT_KEY_TYPE_SIZE]);
/* CERT_RSA_DEFAULT: none that we make. */
enum cert_key_kind cert_key_kind_of(EVP_PKEY *k);

MUST_CHECK bool cert_key_new(
    enum cert_key_kind kind, EVP_PKEY **out, struct err *e);
/* PKCS #8 PEM, unencrypted: for files of mode 0600, or to be sealed.  The
 * caller frees it with buf_wipe(). */
MUST_CHECK bool cert_key_pem(EVP_PKEY *k, struct buf **out, struct err *e);
/* One unencrypted PEM key; ERR_INVALID for anything else. */
MUST_CHECK bool cert_key_parse(struct slice pem, EVP_PKEY **out, struct err *e);
/*
 * The first key of a PEM text, encrypted or not; passphrase NULL: there is
 * none.  ERR_INVALID says whether it is wrong or missing.
 */
MUST_CHECK bool cert_key_unlock(
    struct slice pem, const char *passphrase, EVP_PKEY **out, struct err *e);
/*
 * PEM "ENCRYPTED PRIVATE KEY": PBES2 with scrypt (N 2^14, r 8, p 1) and
 * AES-256-CBC.  The passphrase has at least one character.
 */
MUST_CHECK bool cert_key_encrypt(
    EVP_PKEY *k, struct slice passphrase, struct buf **out, struct err *e);
/* ERR_INVALID: not such a key, or another passphrase. */
MUST_CHECK bool cert_key_decrypt(
    struct slice pem, struct slice passphrase, EVP_PKEY **out, struct err *e);
/*
 * What we accept from outside: RSA 2048 to 4096 bits with an odd exponent from
 * 3 up to 64 bits (a longer one makes each check as dear as signing), or P-256
 * and P-384 when ec is true.  ERR_INVALID says which rule failed.
 */
MUST_CHECK bool cert_key_acceptable(EVP_PKEY *k, bool ec, struct err *e);
