/* Keys in PKCS #11 tokens, by OpenSSL's engine.  One thread at a time. */
#pragma once

#include "certs/cert_key.h"

struct cert_pkcs11 {
	const char *module; /* path of the token's library */
	const char *pin;
	const char *uri; /* RFC 7512 */
};
/* ERR_UNAVAILABLE: no engine; ERR_INVALID: the token refused. */
MUST_CHECK bool cert_pkcs11_key(
    const struct cert_pkcs11 *p, EVP_PKEY **out, struct err *e);
