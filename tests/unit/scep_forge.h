/*
 * A forge of SCEP requests for tests: it writes DER and BER by hand, shares
 * nothing with the code under test, and can make every malformed form that
 * section 5 of the conformance list asks for.  Included by one test each; no
 * state besides what the caller holds.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "certs/cert_key.h"
#include "core/str.h"

#define UNUSED __attribute__((unused))
#define TEXT(s) slice_of((s), sizeof(s) - 1)

enum { FORGE_MAX = 1 << 20, FORGE_ATTRS = 12 };

/* ---- encoding ---- */

static UNUSED struct buf *
forge_buf(void)
{
	return buf_new(FORGE_MAX);
}

static UNUSED void
forge_put(struct buf *b, uint8_t tag, struct slice s)
{
	buf_addc(b, (char)tag);
	if (s.len < 128) {
		buf_addc(b, (char)s.len);
	} else {
		buf_addc(b, (char)0x83);
		buf_addc(b, (char)(s.len >> 16));
		buf_addc(b, (char)(s.len >> 8));
		buf_addc(b, (char)s.len);
	}
	buf_add(b, s.p, s.len);
}

/* As forge_put(), but in DER's shortest form. */
static UNUSED void
forge_der(struct buf *b, uint8_t tag, struct slice s)
{
	buf_addc(b, (char)tag);
	if (s.len >= 128) {
		buf_addc(b, (char)(s.len < 256 ? 0x81 : 0x82));
		if (s.len >= 256)
			buf_addc(b, (char)(s.len >> 8));
	}
	assert_true(s.len < 65536);
	buf_addc(b, (char)s.len);
	buf_add(b, s.p, s.len);
}

/* Definite, or BER's indefinite length. */
static UNUSED void
forge_wrap(struct buf *b, bool ber, uint8_t tag, struct slice s)
{
	if (!ber) {
		forge_der(b, tag, s);
		return;
	}
	buf_addc(b, (char)tag);
	buf_addc(b, (char)0x80);
	buf_add(b, s.p, s.len);
	buf_add(b, "\0", 2);
}

/* An OCTET STRING; BER: constructed of pieces, the last one empty. */
static UNUSED void
forge_octets(struct buf *b, bool ber, uint8_t tag, struct slice s)
{
	if (!ber) {
		forge_der(b, tag, s);
		return;
	}
	AUTO(buf_free) struct buf *parts = forge_buf();
	for (size_t at = 0; at < s.len; at += 100)
		forge_der(parts, 0x04,
		    slice_of(s.p + at, s.len - at < 100 ? s.len - at : 100));
	forge_der(parts, 0x04, TEXT(""));
	forge_wrap(b, true, tag | 0x20, buf_slice(parts));
}

static UNUSED void
forge_oid(struct buf *b, const char *text)
{
	ASN1_OBJECT *o = OBJ_txt2obj(text, 0);
	uint8_t *der = NULL;
	int len;

	assert_non_null(o);
	len = i2d_ASN1_OBJECT(o, &der);
	buf_add(b, der, (size_t)len);
	OPENSSL_free(der);
	ASN1_OBJECT_free(o);
}

/* AlgorithmIdentifier with the parameters given as DER (NULL: 05 00). */
static UNUSED void
forge_algorithm(struct buf *b, const char *oid, struct slice parameters)
{
	AUTO(buf_free) struct buf *s = forge_buf();

	forge_oid(s, oid);
	if (parameters.p == NULL)
		buf_add(s, "\x05\x00", 2);
	else
		buf_add(s, parameters.p, parameters.len);
	forge_der(b, 0x30, buf_slice(s));
}

/* ---- keys and certificates ---- */

static UNUSED EVP_PKEY *
forge_rsa(unsigned bits)
{
	EVP_PKEY *k = NULL;
	struct err e;

	if (bits == 2048)
		assert_true(cert_key_new(CERT_RSA_2048, &k, &e));
	else
		k = EVP_RSA_gen(bits);
	assert_non_null(k);
	return k;
}

static UNUSED EVP_PKEY *
forge_ec(const char *curve)
{
	EVP_PKEY *k = EVP_EC_gen(curve);

	assert_non_null(k);
	return k;
}

struct forge_cert {
	EVP_PKEY *key;
	const char *cn;
	int version;          /* 0: v3; 1: v1 */
	int serial_octets;    /* 0: 8 */
	long from_s, until_s; /* from now; both 0: valid now */
	bool sha1, no_extensions;
};

static UNUSED X509 *
forge_certificate(struct forge_cert c)
{
	X509 *x = X509_new();
	uint8_t serial[64];
	int len = c.serial_octets ? c.serial_octets : 8;
	X509V3_CTX ctx;

	RAND_bytes(serial, len);
	serial[0] = 0x7a;
	X509_set_version(x, c.version == 1 ? X509_VERSION_1 : X509_VERSION_3);
	ASN1_STRING_set(X509_get_serialNumber(x), serial, len);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_UTF8, (const uint8_t *)(c.cn ? c.cn : "signer"), -1, -1,
	    0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_gmtime_adj(X509_getm_notBefore(x), c.from_s ? c.from_s : -60);
	X509_gmtime_adj(X509_getm_notAfter(x), c.until_s ? c.until_s : 3600);
	assert_int_equal(X509_set_pubkey(x, c.key), 1);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	for (int i = 0; c.version != 1 && !c.no_extensions && i < 2; i++) {
		X509_EXTENSION *e =
		    i == 0 ? X509V3_EXT_conf_nid(NULL, &ctx, NID_key_usage,
		                 "critical,digitalSignature,keyEncipherment")
		           : X509V3_EXT_conf_nid(NULL, &ctx,
		                 NID_subject_key_identifier, "hash");

		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	assert_true(
	    X509_sign(x, c.key, c.sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	return x;
}

static UNUSED void
forge_add_certificate(struct buf *b, X509 *x)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);

	assert_true(len > 0);
	buf_add(b, der, (size_t)len);
	OPENSSL_free(der);
}

/* ---- the CSR ---- */

struct forge_csr {
	EVP_PKEY *key;
	const char *cn;
	/* Behind it in the subject: "C", "JP", ...; NULL: nothing. */
	const char *const *also;
	struct slice challenge; /* p NULL: none */
	int challenge_tag;      /* 0: PrintableString */
	int challenges;         /* attributes; 0: 1 */
	int values;             /* in the attribute; 0: 1 */
	const EVP_MD *md;       /* NULL: SHA-256 */
	int version;
	bool bad_signature;
	STACK_OF(X509_EXTENSION) * extensions; /* borrowed */
	int extensions_nid;                    /* 0: PKCS #9 */
};

static UNUSED void
forge_csr_challenge(X509_REQ *req, const struct forge_csr *c)
{
	int tag = c->challenge_tag ? c->challenge_tag : V_ASN1_PRINTABLESTRING;

	for (int i = 0; i < (c->challenges ? c->challenges : 1); i++) {
		/* A second one cannot be added under its own name. */
		X509_ATTRIBUTE *a = X509_ATTRIBUTE_create_by_NID(NULL,
		    i == 0 ? NID_pkcs9_challengePassword
		           : NID_pkcs9_unstructuredName,
		    tag, c->challenge.p, (int)c->challenge.len);

		assert_non_null(a);
		for (int v = 1; v < c->values; v++)
			X509_ATTRIBUTE_set1_data(
			    a, tag, c->challenge.p, (int)c->challenge.len);
		assert_int_equal(X509_REQ_add1_attr(req, a), 1);
		X509_ATTRIBUTE_free(a);
		X509_ATTRIBUTE_set1_object(X509_REQ_get_attr(req, i),
		    OBJ_nid2obj(NID_pkcs9_challengePassword));
	}
}

static UNUSED struct buf *
forge_csr_make(struct forge_csr c)
{
	X509_REQ *req = X509_REQ_new();
	const EVP_MD *md = c.md ? c.md : EVP_sha256();
	struct buf *out = forge_buf();
	uint8_t *der = NULL;
	int len;

	X509_REQ_set_version(req, c.version);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
	    MBSTRING_UTF8, (const uint8_t *)(c.cn ? c.cn : "asked for"), -1, -1,
	    0);
	for (const char *const *a = c.also; a != NULL && *a != NULL; a += 2)
		assert_int_equal(
		    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req),
		        a[0], MBSTRING_UTF8, (const uint8_t *)a[1], -1, -1, 0),
		    1);
	assert_int_equal(X509_REQ_set_pubkey(req, c.key), 1);
	if (c.challenge.p != NULL)
		forge_csr_challenge(req, &c);
	if (c.extensions != NULL)
		X509_REQ_add_extensions_nid(req, c.extensions,
		    c.extensions_nid ? c.extensions_nid : NID_ext_req);
	if (EVP_PKEY_get_base_id(c.key) == EVP_PKEY_ED25519)
		md = NULL;
	assert_true(X509_REQ_sign(req, c.key, md) > 0);
	len = i2d_X509_REQ(req, &der);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	X509_REQ_free(req);
	if (c.bad_signature)
		out->p[out->len - 5] ^= 1;
	return out;
}

/* ---- the envelope ---- */

struct forge_env {
	X509 *to[10];          /* recipients */
	const char *cipher;    /* NULL: AES-128-CBC */
	const char *transport; /* NULL: rsaEncryption */
	bool by_ski, ber;
	bool bad_key;     /* encrypted key of garbage */
	bool bad_rsa;     /* encrypted key without good padding */
	bool bad_padding; /* of the block cipher */
	const char *type; /* of the ContentInfo; NULL: envelopedData */
};

static UNUSED void
forge_sid(struct buf *b, X509 *x, bool by_ski)
{
	AUTO(buf_free) struct buf *s = forge_buf();
	uint8_t *der = NULL;
	int len;

	if (by_ski) {
		const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(x);

		assert_non_null(ski);
		forge_der(b, 0x80,
		    slice_of(ASN1_STRING_get0_data(ski),
		        (size_t)ASN1_STRING_length(ski)));
		return;
	}
	len = i2d_X509_NAME(X509_get_issuer_name(x), &der);
	buf_add(s, der, (size_t)len);
	OPENSSL_free(der);
	der = NULL;
	len = i2d_ASN1_INTEGER(X509_get_serialNumber(x), &der);
	buf_add(s, der, (size_t)len);
	OPENSSL_free(der);
	forge_der(b, 0x30, buf_slice(s));
}

/* RSAES-OAEP-params for SHA-256, or absent for SHA-1. */
static UNUSED void
forge_transport_algorithm(struct buf *b, const char *transport)
{
	static const uint8_t sha256[] = { 0x30, 0x2f, 0xa0, 0x0f, 0x30, 0x0d,
		0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x01, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a,
		0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d,
		0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
		0x01, 0x05, 0x00 };

	if (transport == NULL)
		forge_algorithm(b, "rsaEncryption", slice_of(NULL, 0));
	else if (str_eq(transport, "oaep-sha1"))
		forge_algorithm(b, "rsaesOaep", TEXT("\x30\x00"));
	else if (str_eq(transport, "oaep-sha256"))
		forge_algorithm(
		    b, "rsaesOaep", slice_of(sha256, sizeof(sha256)));
	else
		forge_algorithm(b, transport, slice_of(NULL, 0));
}

static UNUSED void
forge_recipient(
    struct buf *b, const struct forge_env *env, X509 *to, struct slice cek)
{
	AUTO(buf_free) struct buf *s = forge_buf();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(X509_get0_pubkey(to), NULL);
	uint8_t key[1024];
	size_t len = sizeof(key);

	EVP_PKEY_encrypt_init(ctx);
	if (env->transport != NULL && str_starts(env->transport, "oaep")) {
		const EVP_MD *md = str_eq(env->transport, "oaep-sha256")
		                       ? EVP_sha256()
		                       : EVP_sha1();

		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING);
		EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md);
		EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md);
	}
	assert_int_equal(EVP_PKEY_encrypt(ctx, key, &len, cek.p, cek.len), 1);
	EVP_PKEY_CTX_free(ctx);
	if (env->bad_rsa)
		key[len / 2] ^= 0x55;
	buf_add(s, env->by_ski ? "\x02\x01\x02" : "\x02\x01\x00", 3);
	forge_sid(s, to, env->by_ski);
	forge_transport_algorithm(s, env->transport);
	forge_der(s, 0x04, slice_of(key, len));
	forge_der(b, 0x30, buf_slice(s));
}

static UNUSED struct buf *
forge_encrypt(const struct forge_env *env, struct slice plain, uint8_t key[64],
    uint8_t iv[16])
{
	const char *name = env->cipher ? env->cipher : "AES-128-CBC";
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct buf *out = forge_buf();
	uint8_t *p = malloc(plain.len + 64);
	int len = 0, more = 0;

	assert_non_null(cipher);
	RAND_bytes(key, 64);
	RAND_bytes(iv, 16);
	EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL);
	EVP_EncryptUpdate(ctx, p, &len, plain.p, (int)plain.len);
	EVP_EncryptFinal_ex(ctx, p + len, &more);
	buf_add(out, p, (size_t)(len + more));
	if (env->bad_padding)
		out->p[out->len - 17] ^= 0xff;
	free(p);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	return out;
}

static UNUSED struct buf *
forge_envelope(struct forge_env env, struct slice plain)
{
	AUTO(buf_free) struct buf *set = forge_buf();
	AUTO(buf_free) struct buf *content = forge_buf();
	AUTO(buf_free) struct buf *data = forge_buf();
	AUTO(buf_free) struct buf *info = forge_buf();
	AUTO(buf_free) struct buf *tagged = forge_buf();
	AUTO(buf_free) struct buf *iv_der = forge_buf();
	AUTO(buf_free) struct buf *sealed = NULL;
	const char *name = env.cipher ? env.cipher : "AES-128-CBC";
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	struct buf *out = forge_buf();
	uint8_t key[64], iv[16];
	size_t key_len = (size_t)EVP_CIPHER_get_key_length(cipher);

	sealed = forge_encrypt(&env, plain, key, iv);
	if (env.bad_key)
		RAND_bytes(key, sizeof(key));
	for (int i = 0; i < 10 && env.to[i] != NULL; i++)
		forge_recipient(set, &env, env.to[i], slice_of(key, key_len));
	forge_der(iv_der, 0x04,
	    slice_of(iv, (size_t)EVP_CIPHER_get_iv_length(cipher)));
	forge_oid(content, "pkcs7-data");
	forge_algorithm(content, name, buf_slice(iv_der));
	forge_octets(content, env.ber, 0x80, buf_slice(sealed));
	buf_add(data, env.by_ski ? "\x02\x01\x02" : "\x02\x01\x00", 3);
	forge_der(data, 0x31, buf_slice(set));
	forge_wrap(data, env.ber, 0x30, buf_slice(content));
	forge_wrap(tagged, env.ber, 0x30, buf_slice(data));
	forge_oid(info, env.type ? env.type : "pkcs7-envelopedData");
	forge_wrap(info, env.ber, 0xa0, buf_slice(tagged));
	forge_wrap(out, env.ber, 0x30, buf_slice(info));
	EVP_CIPHER_free(cipher);
	return out;
}
