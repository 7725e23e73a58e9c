/*
 * Sealing of secrets at rest.  A struct seal is written once, by seal_open(),
 * and only read afterwards: any thread may use it.
 *
 * The master key itself encrypts nothing.  Each use has a key of its own,
 * HMAC-SHA-256(master, use), so that no two uses can be played against each
 * other.  A sealed value is nonce (12 bytes), ciphertext, tag (16 bytes) of
 * AES-256-GCM; random nonces are good for 2^32 values under one key (NIST
 * SP 800-38D, 8.3), far more than a server will seal.
 */
#include <limits.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/encode.h"
#include "core/file.h"
#include "core/random.h"
#include "core/seal.h"

enum { KEY_SIZE = 32, NONCE_SIZE = 12, TAG_SIZE = 16 };

struct seal {
	uint8_t master[KEY_SIZE];
	uint8_t sealing[KEY_SIZE];
	EVP_CIPHER *cipher;
};

static void
cipher_ctx_free(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx);
	*ctx = NULL;
}

/* The key for one use; out has KEY_SIZE bytes. */
static void
derive(const struct seal *s, uint8_t *out, const char *use)
{
	hmac_sha256(out, slice_of(s->master, KEY_SIZE), slice_str(use));
}

/*
 * Two processes may start at once: whoever comes second finds the file of
 * the first and reads that.
 */
static bool
create_key(const char *path, struct err *e)
{
	uint8_t key[KEY_SIZE];
	struct err mine = { 0 };
	bool ok;

	random_bytes(key, sizeof(key));
	ok = file_create(path, slice_of(key, sizeof(key)), 0600, &mine);
	mem_wipe(key, sizeof(key));
	if (ok || mine.code == ERR_CONFLICT)
		return true;
	*e = mine;
	return false;
}

static bool
read_key(const char *path, struct buf **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *key = NULL;

	if (!file_private(path, e) || !file_read(path, KEY_SIZE, &key, e))
		return false;
	if (key->len != KEY_SIZE)
		return err_set(
		    e, ERR_INVALID, "%s: a key has %d bytes", path, KEY_SIZE);
	*out = TAKE(key);
	return true;
}

bool
seal_open(const char *path, struct seal **out, struct err *e)
{
	AUTO(seal_free) struct seal *s = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;

	if (!file_exists(path) && !create_key(path, e))
		return err_wrap(e, "master key");
	if (!read_key(path, &key, e))
		return err_wrap(e, "master key");
	s = mem_zalloc(1, sizeof(*s));
	memcpy(s->master, key->p, KEY_SIZE);
	derive(s, s->sealing, "seal aes-256-gcm");
	s->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (s->cipher == NULL)
		return err_openssl(e, ERR_INTERNAL, "AES-256-GCM");
	*out = TAKE(s);
	return true;
}

void
seal_free(struct seal **s)
{
	if (*s == NULL)
		return;
	EVP_CIPHER_free((*s)->cipher);
	mem_wipe(*s, sizeof(**s));
	mem_free(s);
}

bool
seal_put(const struct seal *s, const char *context, struct slice plain,
    struct buf *out, struct err *e)
{
	AUTO(cipher_ctx_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct slice aad = slice_str(context);
	size_t before = out->len;
	uint8_t *nonce, *text, *tag;
	int n;

	if (plain.len > INT_MAX / 2)
		return err_set(e, ERR_TOO_LARGE, "too long to seal");
	nonce = buf_grow(out, NONCE_SIZE + plain.len + TAG_SIZE);
	if (nonce == NULL)
		return buf_ok(out, e);
	text = nonce + NONCE_SIZE;
	tag = text + plain.len;
	random_bytes(nonce, NONCE_SIZE);
	if (ctx == NULL ||
	    EVP_EncryptInit_ex2(ctx, s->cipher, s->sealing, nonce, NULL) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &n, aad.p, (int)aad.len) != 1 ||
	    (plain.len > 0 && EVP_EncryptUpdate(ctx, text, &n, plain.p,
	                          (int)plain.len) != 1) ||
	    EVP_EncryptFinal_ex(ctx, tag, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) !=
	        1) {
		buf_cut(out, before);
		return err_openssl(e, ERR_INTERNAL, "cannot seal");
	}
	return true;
}

bool
seal_get(const struct seal *s, const char *context, struct slice sealed,
    struct buf *out, struct err *e)
{
	AUTO(cipher_ctx_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct slice aad = slice_str(context);
	size_t len, before = out->len;
	uint8_t tag[TAG_SIZE];
	uint8_t *text;
	int n;

	if (sealed.len < NONCE_SIZE + TAG_SIZE || sealed.len > INT_MAX / 2)
		return err_set(e, ERR_INTERNAL, "not a sealed value");
	len = sealed.len - NONCE_SIZE - TAG_SIZE;
	text = buf_grow(out, len);
	if (text == NULL)
		return buf_ok(out, e);
	memcpy(tag, sealed.p + NONCE_SIZE + len, TAG_SIZE);
	if (ctx == NULL ||
	    EVP_DecryptInit_ex2(ctx, s->cipher, s->sealing, sealed.p, NULL) !=
	        1 ||
	    EVP_DecryptUpdate(ctx, NULL, &n, aad.p, (int)aad.len) != 1 ||
	    (len > 0 && EVP_DecryptUpdate(ctx, text, &n, sealed.p + NONCE_SIZE,
	                    (int)len) != 1) ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) !=
	        1 ||
	    EVP_DecryptFinal_ex(ctx, text + len, &n) != 1) {
		/* Nothing unauthenticated stays in the caller's buffer. */
		mem_wipe(text, len);
		buf_cut(out, before);
		return err_openssl(
		    e, ERR_INTERNAL, "a sealed value does not open");
	}
	return true;
}

void
seal_mac(const struct seal *s, const char *purpose, struct slice in,
    char out_hex[65])
{
	AUTO(str_free) char *use = str_printf("mac %s", purpose);
	uint8_t key[KEY_SIZE], mac[SHA256_SIZE];

	derive(s, key, use);
	hmac_sha256(mac, slice_of(key, sizeof(key)), in);
	hex_to(out_hex, mac, sizeof(mac));
	mem_wipe(key, sizeof(key));
}
