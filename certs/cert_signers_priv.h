/*
 * The verifier's memory: decoded keys by fingerprint of certificate, a table of
 * fixed size in which the least recently used gives way.  May
 * be used by any number of threads at once.
 */
#pragma once

#include "certs/cert_x509.h"

struct cert_signers;

/* What is remembered of a signer. */
struct cert_known {
	uint8_t digest[SHA256_SIZE];   /* of its certificate's DER */
	EVP_PKEY *key;                 /* each holder has a reference */
	int64_t not_before, not_after; /* ms */
};
void cert_known_clear(struct cert_known *k);

/*
 * Room for this many; 0: never remembers.  Large tables are divided by digest,
 * so the one that gives way is the oldest of its part.
 */
struct cert_signers *cert_signers_new(size_t remembered);
void cert_signers_free(struct cert_signers **s);
/* *out is the caller's; false: not known. */
bool cert_signers_find(struct cert_signers *s,
    const uint8_t digest[SHA256_SIZE], struct cert_known *out);
/* Takes a reference of its own. */
void cert_signers_add(struct cert_signers *s, const struct cert_known *k);
