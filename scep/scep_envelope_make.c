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

/* Identifier octets: [0] of a string, [1] of what is made of elements. */
enum { CONTEXT_0 = 0x80, CONTEXT_1 = 0xa1 };
/* Bytes of the largest RSA key we encrypt for, of the recipient's name, and
 * room for all around the content, which is a CRL at most. */
enum {
	RSA_MAX = 4096 / 8,
	NAME_MAX_DER = 3072,
	AROUND = 4096,
	CONTENT_MAX = LIMIT_SCEP_CRL + 64
};
_Static_assert(NAME_MAX_DER + RSA_MAX + 256 <= AROUND, "recipient");

static const uint8_t version_0[] = { DER_INTEGER, 1, 0 };

bool
scep_envelope_takes(X509 *recipient)
{
	int name = i2d_X509_NAME(X509_get_issuer_name(recipient), NULL);
	int serial = i2d_ASN1_INTEGER(X509_get_serialNumber(recipient), NULL);

	return name > 0 && serial > 0 && name <= NAME_MAX_DER &&
	       serial <= NAME_MAX_DER - name;
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
	size_t at = out->len, algorithm;
	uint8_t secret[RSA_MAX];
	size_t len = sizeof(secret);

	if (!transport(use, content_key, secret, &len))
		return false;
	buf_add(out, version_0, sizeof(version_0));
	if (!scep_put_issuer_and_serial(out, recipient))
		return false;
	algorithm = out->len;
	der_put_oid(out, NID_rsaEncryption);
	buf_add(out, null, sizeof(null));
	der_wrap(out, algorithm, DER_SEQUENCE);
	der_put(out, DER_OCTETS, slice_of(secret, len));
	der_wrap(out, at, DER_SEQUENCE);
	der_wrap(out, at, DER_SET);
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
static void
put_content(struct buf *out, int cipher_nid, struct slice encrypted,
    const struct secret *s)
{
	size_t all = out->len, algorithm;

	der_put_oid(out, NID_pkcs7_data);
	algorithm = out->len;
	der_put_oid(out, cipher_nid);
	der_put(out, DER_OCTETS, slice_of(s->iv, s->iv_len));
	der_wrap(out, algorithm, DER_SEQUENCE);
	der_put(out, CONTEXT_0, encrypted);
	der_wrap(out, all, DER_SEQUENCE);
}

bool
scep_envelope_make(struct slice content, X509 *recipient, EVP_PKEY_CTX *use,
    int cipher_nid, struct buf **out, struct err *e)
{
	AUTO(secret_clear) struct secret s;
	const EVP_CIPHER *cipher = EVP_get_cipherbynid(cipher_nid);
	size_t max = content.len + AROUND, at;
	AUTO(buf_free) struct buf *encrypted = buf_new(max);
	AUTO(buf_free) struct buf *whole = buf_new(max);

	if (content.len > CONTENT_MAX)
		return err_set(e, ERR_TOO_LARGE, "content of an envelope");
	der_put_oid(whole, NID_pkcs7_enveloped);
	at = whole->len;
	buf_add(whole, version_0, sizeof(version_0));
	if (cipher == NULL || !encrypt(cipher, content, &s, encrypted) ||
	    !put_recipient(whole, recipient, use, slice_of(s.key, s.key_len)))
		return err_openssl(e, ERR_INTERNAL, "making an envelope");
	put_content(whole, cipher_nid, buf_slice(encrypted), &s);
	der_wrap(whole, at, DER_SEQUENCE);
	der_wrap(whole, at, DER_0);
	der_wrap(whole, 0, DER_SEQUENCE);
	if (!buf_ok(encrypted, e) || !buf_ok(whole, e))
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
	size_t all = out->len, at;

	der_put_oid(out, NID_pkcs7_signed);
	at = out->len;
	buf_add(out, head, sizeof(head));
	if (cert_der.len > 0)
		der_put(out, DER_0, cert_der);
	else
		der_put(out, CONTEXT_1, crl_der);
	der_put(out, DER_SET, slice_str(""));
	der_wrap(out, at, DER_SEQUENCE);
	der_wrap(out, at, DER_0);
	der_wrap(out, all, DER_SEQUENCE);
}
