/*
 * Reads the form that nearly every detached signature has, from its bytes.
 * Whatever is unusual is left to OpenSSL.  No state; safe from any thread.
 */
#pragma once

#include "core/str.h"

/* Parts of a SignedData; all borrow from the message. */
struct cert_plain {
	struct slice certificate; /* the one certificate, whole */
	struct slice head, tail;  /* of SignedData, around the certificates */
};

/*
 * False unless der is, from its first to its last byte, a DER ContentInfo of
 * a SignedData (RFC 5652 section 5.1) with exactly one certificate.  What lies
 * in the certificate, before or behind the element is not looked at beyond
 * its tag and length.
 */
bool cert_plain_find(struct slice der, struct cert_plain *out);

/* The digests that are read here. */
enum cert_plain_digest {
	CERT_PLAIN_SHA1,
	CERT_PLAIN_SHA256,
	CERT_PLAIN_SHA384,
	CERT_PLAIN_SHA512,
	CERT_PLAIN_DIGESTS
};

/* What the one SignerInfo says. */
struct cert_plain_signer {
	enum cert_plain_digest digest;
	struct slice message_digest; /* of the content; its size fits digest */
	/* Signed are the tag SET and these: length and content. */
	struct slice attributes;
	struct slice signature; /* RSA, PKCS #1 v1.5 */
};

/*
 * False unless the message is detached, by one signer, who is named by issuer
 * and serial number exactly as the certificate has them, and signed attributes
 * of type data with RSA.
 */
bool cert_plain_signer(
    const struct cert_plain *p, struct cert_plain_signer *out);

/* What a certificate of an RSA key says; all borrow from it. */
struct cert_plain_certificate {
	struct slice tbs, algorithm, issuer, not_before, not_after; /* whole */
	struct slice signature;
	struct slice modulus, exponent; /* big-endian */
};
/* False unless the certificate is one of version 3 with an RSA key. */
bool cert_plain_certificate(
    struct slice certificate, struct cert_plain_certificate *out);
