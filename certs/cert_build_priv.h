/*
 * Builds and signs X.509 certificates, our own and those we issue.  No state;
 * safe from any thread.
 */
#pragma once

#include <openssl/x509v3.h>

#include "certs/cert_template.h"

/* Extensions that are the same for many certificates. */
void cert_build_extensions_free(STACK_OF(X509_EXTENSION) * *s);
/* Texts are constants of ours in OpenSSL's X509V3 form; ext_key_usage and
 * no_check may be NULL. */
struct cert_build_usage {
	const char *basic, *key_usage, *ext_key_usage;
	const char *no_check; /* RFC 6960 4.2.2.2.1, of any value */
};
MUST_CHECK bool cert_build_extensions(const struct cert_build_usage *u,
    STACK_OF(X509_EXTENSION) * *out, struct err *e);
/* The same encoded, one after the other. */
MUST_CHECK bool cert_build_usages(
    const struct cert_build_usage *u, struct buf **out, struct err *e);

/* Where to ask about a certificate: cRLDistributionPoints and
 * authorityInfoAccess, in the same form; encoded as well. */
struct cert_build_status {
	const char *crl, *access;
};
MUST_CHECK bool cert_build_status(
    const struct cert_build_status *w, struct buf **out, struct err *e);

/* From now minus backdate to now plus life, within the issuer's (NULL: self)
 * validity.  ERR_INTERNAL: the issuer has expired. */
struct cert_build_validity {
	int64_t not_before, not_after; /* ms, whole seconds */
};
struct cert_build_term {
	int64_t now_ms, life_days, backdate_ms;
};
MUST_CHECK bool cert_build_validity(const struct cert_build_term *term,
    const X509 *issuer, struct cert_build_validity *out, struct err *e);

struct cert_build {
	const struct cert_subject *subject;
	const X509_PUBKEY *pub; /* need not be decoded */
	X509 *issuer;           /* NULL: self-signed */
	EVP_PKEY *signer;
	struct cert_build_validity validity;
	struct slice extensions, status; /* encoded; may be empty */
	bool san;
};
enum { CERT_SERIAL_SIZE = 20 };
struct cert_built {
	struct buf *der;
	uint8_t serial[CERT_SERIAL_SIZE];
};
void cert_built_clear(struct cert_built *b);
/*
 * Version 3, serial number of 20 octets, 128 bits of them random, subject and
 * authority key identifiers, signed with SHA-256.  ERR_INVALID: the subject
 * does not fit.
 */
MUST_CHECK bool cert_build(
    const struct cert_build *b, struct cert_built *out, struct err *e);
