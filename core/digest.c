/*
 * SHA-256 and HMAC-SHA-256.  The algorithm is looked up in OpenSSL once: the
 * lookup costs more than the digest of a short text.  Any thread may call.
 */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/encode.h"

/* Set once, before its first use, and kept until the process ends. */
static EVP_MD *md_sha256;
static pthread_once_t md_once = PTHREAD_ONCE_INIT;

static void
fetch_md(void)
{
	md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *
sha256_md(void)
{
	pthread_once(&md_once, fetch_md);
	return md_sha256;
}

/* OpenSSL's digests fail only without memory, or without any provider. */
static void
certain(bool ok)
{
	if (!ok)
		abort();
}

void
sha256(uint8_t out[SHA256_SIZE], struct slice in)
{
	certain(EVP_Digest(in.p, in.len, out, NULL, sha256_md(), NULL) == 1);
}

void
sha256_hex(char out[SHA256_HEX_SIZE], struct slice in)
{
	uint8_t digest[SHA256_SIZE];

	sha256(digest, in);
	hex_to(out, digest, sizeof(digest));
}

void
hmac_sha256(uint8_t out[SHA256_SIZE], struct slice key, struct slice in)
{
	/* A NULL key would mean "the key of last time" to OpenSSL. */
	const void *k = key.len > 0 ? key.p : (const uint8_t *)"";

	certain(HMAC(sha256_md(), k, (int)key.len, in.p, in.len, out, NULL) !=
	        NULL);
}
