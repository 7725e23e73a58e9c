/* What the files about outside roots share. */
#pragma once

#include "certs/cert_authority_priv.h"

/*
 * The chain of the certificate that has this key: itself first, the root last.
 * given is in any order; *out holds references of its own.  ERR_INVALID: not
 * one whole chain and nothing else.
 */
MUST_CHECK bool cert_outside_order(STACK_OF(X509) * given, EVP_PKEY *key,
    STACK_OF(X509) * *out, struct err *e);
/* May what is on top of this chain issue for us?  ERR_INVALID says why not. */
MUST_CHECK bool cert_outside_check(const STACK_OF(X509) * chain, struct err *e);
/* Is it none that there is already, and has it a name of its own?  a may be
 * NULL. */
MUST_CHECK bool cert_outside_check_new(
    const struct cert_authority *a, X509 *issuing, struct err *e);
/* OpenSSL's own verdict, on a certificate that the first of chain issued. */
MUST_CHECK bool cert_outside_verify(
    X509 *leaf, const STACK_OF(X509) * chain, struct err *e);
