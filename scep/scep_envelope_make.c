/*
 * Making what goes into a pkcsPKIEnvelope (RFC 8894 section 3.2.2) and the
 * envelope itself: the degenerate SignedData of replies, and
 * EnvelopedData for one RSA recipient.  No state; any thread.
 */
#include <openssl/rsa.h>

#include "core/der.h"
#include "core/limits.h"
#include "core/random.h"
#include "scep/scep_priv.h"

/* Identifier octets that OpenSSL's V_ASN1_ constants are not. */
enum { SEQUENCE = 0x30, SET = 0x31, CONTEXT_0 = 0x80, CONSTRUCTED = 0x20 };
/* Bytes of the largest RSA key we encrypt for, and room for all around the
 * content, which is a CRL at most. */
enum { RSA_MAX = 4096 / 8, AROUND = 4096, CONTENT_MAX = LIMIT_SCEP_CRL + 64 };

/* A SEQUENCE of an object identifier and what follows it. */
static void
put_identified(struct buf *out, int nid, struct slice rest)
{
	const ASN1_OBJECT *o = OBJ_nid2obj(nid);
	AUTO(buf_free) struct buf *body = buf_new(out->max);

	der_put(body, V_ASN1_OBJECT, slice_of(OBJ_get0_data(o), OBJ_length(o)));
	buf_add(body, rest.p, rest.len);
	der_put(out, SEQUENCE, buf_slice(body));
}

/* IssuerAndSerialNumber (RFC 5652 10.2.4). */
static bool
put_name(struct buf *out, X509 *x)
{
	AUTO(buf_free) struct buf *body = buf_new(out->max);
	uint8_t *name = NULL, *serial = NULL;
	int name_len = i2d_X509_NAME(X509_get_issuer_name(x), &name);
	int serial_len = i2d_ASN1_INTEGER(X509_get_serialNumber(x), &serial);
	bool ok = name_len > 0 && serial_len > 0;

	if (ok) {
		buf_add(body, name, (size_t)name_len);
		buf_add(body, serial, (size_t)serial_len);
		der_put(out, SEQUENCE, buf_slice(body));
	}
	OPENSSL_free(name);
	OPENSSL_free(serial);
	return ok;
}

/* The content's key for the recipient's; out has room for any RSA key. */
static bool
transport(
    EVP_PKEY_CTX *use, struct slice content_key, uint8_t *out, size_t *len)
{
	return use != NULL && EVP_PKEY_encrypt_init(use) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(use, RSA_PKCS1_PADDING) == 1 &&
	       EVP_PKEY_encrypt(
	           use, out, len, content_key.p, content_key.len) == 1;
}

/* RecipientInfos with one KeyTransRecipientInfo (RFC 5652 6.2.1). */
static bool
put_recipient(struct buf *out, X509 *recipient, EVP_PKEY_CTX *use,
    struct slice content_key)
{
	static const uint8_t null[] = { V_ASN1_NULL, 0 };
	AUTO(buf_free) struct buf *body = buf_new(out->max);
	AUTO(buf_free) struct buf *info = buf_new(out->max);
	uint8_t secret[RSA_MAX];
	size_t len = sizeof(secret);

	if (!transport(use, content_key, secret, &len))
		return false;
	der_put(body, V_ASN1_INTEGER, slice_of("", 1));
	if (!put_name(body, recipient))
		return false;
	put_identified(body, NID_rsaEncryption, slice_of(null, sizeof(null)));
	der_put(body, V_ASN1_OCTET_STRING, slice_of(secret, len));
	der_put(info, SEQUENCE, buf_slice(body));
	der_put(out, SET, buf_slice(info));
	return true;
}

/* What is chosen for one envelope. */
struct secret {
	uint8_t key[EVP_MAX_KEY_LENGTH], iv[EVP_MAX_IV_LENGTH];
	size_t key_len, iv_len;
};

static void
secret_clear(struct secret *s)
{
	mem_wipe(s, sizeof(*s));
}

static bool
encrypt(const EVP_CIPHER *cipher, struct slice content, struct secret *s,
    struct buf *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t last[EVP_MAX_BLOCK_LENGTH];
	uint8_t *bulk = mem_alloc(content.len + sizeof(last));
	int len = 0, last_len = 0;
	bool ok;

	s->key_len = (size_t)EVP_CIPHER_get_key_length(cipher);
	s->iv_len = (size_t)EVP_CIPHER_get_iv_length(cipher);
	random_bytes(s->iv, s->iv_len);
	/* A key of DES has parity. */
	ok = ctx != NULL &&
	     EVP_EncryptInit_ex(ctx, cipher, NULL, NULL, NULL) == 1 &&
	     EVP_CIPHER_CTX_rand_key(ctx, s->key) == 1 &&
	     EVP_EncryptInit_ex(ctx, NULL, NULL, s->key, s->iv) == 1 &&
	     EVP_EncryptUpdate(ctx, bulk, &len, content.p, (int)content.len) ==
	         1 &&
	     EVP_EncryptFinal_ex(ctx, last, &last_len) == 1;
	if (ok) {
		buf_add(out, bulk, (size_t)len);
		buf_add(out, last, (size_t)last_len);
	}
	mem_free(&bulk);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* EncryptedContentInfo (RFC 5652 6.1). */
static bool
put_content(
    struct buf *out, int cipher_nid, struct slice content, struct secret *s)
{
	const EVP_CIPHER *cipher = EVP_get_cipherbynid(cipher_nid);
	AUTO(buf_free) struct buf *iv = buf_new(out->max);
	AUTO(buf_free) struct buf *text = buf_new(out->max);
	AUTO(buf_free) struct buf *body = buf_new(out->max);

	if (cipher == NULL || !encrypt(cipher, content, s, text))
		return false;
	der_put(iv, V_ASN1_OCTET_STRING, slice_of(s->iv, s->iv_len));
	put_identified(body, cipher_nid, buf_slice(iv));
	der_put(body, CONTEXT_0, buf_slice(text));
	put_identified(out, NID_pkcs7_data, buf_slice(body));
	return true;
}

bool
scep_envelope_make(struct slice content, X509 *recipient, EVP_PKEY_CTX *use,
    int cipher_nid, struct buf **out, struct err *e)
{
	AUTO(secret_clear) struct secret s;
	size_t max = content.len + AROUND;
	AUTO(buf_free) struct buf *encrypted = buf_new(max);
	AUTO(buf_free) struct buf *body = buf_new(max);
	AUTO(buf_free) struct buf *sequence = buf_new(max);
	AUTO(buf_free) struct buf *explicit0 = buf_new(max);
	AUTO(buf_free) struct buf *whole = buf_new(max);

	if (content.len > CONTENT_MAX)
		return err_set(e, ERR_TOO_LARGE, "content of an envelope");
	der_put(body, V_ASN1_INTEGER, slice_of("", 1));
	if (!put_content(encrypted, cipher_nid, content, &s) ||
	    !put_recipient(body, recipient, use, slice_of(s.key, s.key_len)))
		return err_openssl(e, ERR_INTERNAL, "making an envelope");
	buf_add(body, encrypted->p, encrypted->len);
	der_put(sequence, SEQUENCE, buf_slice(body));
	der_put(explicit0, CONTEXT_0 | CONSTRUCTED, buf_slice(sequence));
	put_identified(whole, NID_pkcs7_enveloped, buf_slice(explicit0));
	if (!buf_ok(whole, e))
		return false;
	*out = TAKE(whole);
	return true;
}

void
scep_degenerate(struct slice cert_der, struct slice crl_der, struct buf *out)
{
	/* version 1, no digestAlgorithms, EncapsulatedContentInfo of data
	 * whose content is absent. */
	static const uint8_t head[] = { 0x02, 0x01, 0x01, 0x31, 0x00, 0x30,
		0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
		0x07, 0x01 };
	static const uint8_t signed_data[] = { 0x06, 0x09, 0x2a, 0x86, 0x48,
		0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 };
	AUTO(buf_free) struct buf *body = buf_new(out->max);
	AUTO(buf_free) struct buf *sequence = buf_new(out->max);
	AUTO(buf_free) struct buf *info = buf_new(out->max);

	buf_add(body, head, sizeof(head));
	if (cert_der.len > 0)
		der_put(body, 0xa0, cert_der);
	else
		der_put(body, 0xa1, crl_der);
	der_put(body, 0x31, slice_str(""));
	der_put(sequence, 0x30, buf_slice(body));
	buf_add(info, signed_data, sizeof(signed_data));
	der_put(info, 0xa0, buf_slice(sequence));
	der_put(out, 0x30, buf_slice(info));
}
