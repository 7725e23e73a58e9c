/*
 * Who knows the passphrase of a backup made it, all of it: a code over its rows
 * under a key of the passphrase (scrypt, RFC 7914).  Keys in it are sealed one
 * by one, but the certificates in it become what Macs trust.  No state; any
 * thread.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>

#include "certs/cert_roll_priv.h"
#include "certs/cert_x509.h"

/* 128 MiB and about half a second, for each guess. */
enum { COST_N = 1 << 17, COST_R = 8, COST_P = 1, MEMORY_MAX = 160 << 20 };

static bool
derive(struct slice passphrase, const uint8_t salt[CERT_ROLL_SALT_SIZE],
    uint8_t key[SHA256_SIZE])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	uint64_t n = COST_N, memory = MEMORY_MAX;
	uint32_t r = COST_R, p = COST_P;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
		    (void *)(uintptr_t)passphrase.p, passphrase.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
		    (void *)(uintptr_t)salt, CERT_ROLL_SALT_SIZE),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
		OSSL_PARAM_construct_uint64(
		    OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
		OSSL_PARAM_construct_end(),
	};
	bool good =
	    ctx != NULL && EVP_KDF_derive(ctx, key, SHA256_SIZE, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return good;
}

bool
cert_roll_mac(struct slice passphrase, const uint8_t salt[CERT_ROLL_SALT_SIZE],
    const json_t *rows, char out[SHA256_HEX_SIZE], struct err *e)
{
	AUTO(str_free) char *text = json_text(rows);
	uint8_t key[SHA256_SIZE], mac[SHA256_SIZE];

	if (!derive(passphrase, salt, key))
		return err_openssl(e, ERR_INTERNAL, "scrypt");
	hmac_sha256(mac, slice_of(key, sizeof(key)), slice_str(text));
	OPENSSL_cleanse(key, sizeof(key));
	hex_to(out, mac, sizeof(mac));
	return true;
}

bool
cert_roll_mac_check(struct slice passphrase, const json_t *backup,
    const json_t *rows, struct err *e)
{
	AUTO(buf_free) struct buf *salt = buf_new(CERT_ROLL_SALT_SIZE);
	const char *told = NULL, *salt_hex = NULL;
	char mac[SHA256_HEX_SIZE];

	if (!json_get_str(
	        backup, "salt", 2 * CERT_ROLL_SALT_SIZE, &salt_hex, e) ||
	    !json_get_str(backup, "mac", SHA256_HEX_SIZE - 1, &told, e))
		return false;
	if (salt_hex == NULL || told == NULL ||
	    !hex_decode(salt, slice_str(salt_hex), e) ||
	    salt->len != CERT_ROLL_SALT_SIZE ||
	    strlen(told) != SHA256_HEX_SIZE - 1)
		return err_set(e, ERR_INVALID, "its salt or mac is missing");
	if (!cert_roll_mac(passphrase, salt->p, rows, mac, e))
		return false;
	return CRYPTO_memcmp(told, mac, sizeof(mac) - 1) == 0 ||
	       err_set(e, ERR_INVALID,
	           "another passphrase, or somebody changed the backup");
}
