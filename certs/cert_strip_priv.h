/*
 * Finds the certificates element in the bytes of a SignedData, and writes the
 * message without it.  It only finds bytes: whatever is unusual is left to
 * OpenSSL.  No state; safe from any thread.
 */
#pragma once

#include "core/str.h"

struct cert_strip {
	struct slice certificate; /* the one certificate */
	struct slice head, tail;  /* of SignedData, around the element */
};

/*
 * False unless der is, from its first to its last byte, a DER ContentInfo of
 * a SignedData (RFC 5652 section 5.1) with exactly one certificate.  What lies
 * in the certificate, before or behind the element is not looked at beyond
 * its tag and length.  out borrows from der.
 */
bool cert_strip_find(struct slice der, struct cert_strip *out);
/* The same message without its certificates; the caller's. */
struct buf *cert_strip_build(const struct cert_strip *s);
