/*
 * What a certificate and a CRL have in common that are written by hand: the
 * signature with SHA-256, and times.  No state; any thread.
 */
#pragma once

#include "certs/cert_key.h"
#include "core/der.h"

/* AlgorithmIdentifier of key's signature with SHA-256; false: no kind of key
 * that we sign with. */
MUST_CHECK bool cert_sign_algorithm(struct buf *out, EVP_PKEY *key);
/* The BIT STRING with key's signature over these bytes, which may be out's own
 * contents; on failure OpenSSL's queue says why. */
MUST_CHECK bool cert_sign(EVP_PKEY *key, struct slice over, struct buf *out);

enum { CERT_TIME_SIZE = 15 };
/* Contents of a UTCTime through the year 2049, of a GeneralizedTime after it
 * (RFC 5280 4.1.2.5); returns its identifier octet. */
uint8_t cert_sign_time(int64_t at_ms, char out[CERT_TIME_SIZE], size_t *len);
