/*
 * Certificates of devices that our own issuing CAs signed, read and checked
 * from their bytes.  No state; safe from any thread.
 */
#pragma once

#include "certs/cert_live.h"
#include "certs/cert_signers_priv.h"

/*
 * False unless the certificate is one of ours, of the usual form and with a
 * key that is accepted; then *out is the caller's, with digest, key and times.
 * What is not read here may still be good, and is for OpenSSL to read.
 */
bool cert_ours_read(struct cert_live *issuers, struct slice certificate,
    const uint8_t digest[SHA256_SIZE], struct cert_known *out);
