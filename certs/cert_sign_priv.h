/*
 * The signature with SHA-256 of a certificate and a CRL that are written by
 * hand.  No state; any thread.
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
