/*
 * How a push certificate is asked for: our key and CSR, and the signed request
 * that Apple's portal takes (Apple, "Setting up push notifications for your
 * device management customers").  No state; any thread.
 */
#pragma once

#include "certs/cert_x509.h"
#include "core/seal.h"
#include "store/store.h"

/* What the CSR says; Apple's portal writes its own subject. */
struct apns_request_subject {
	const char *organization; /* CN; at most 64 characters */
	const char *country;      /* two letters */
	const char *email;
};

struct apns_request {
	char id[UUID_SIZE];
	char *csr_pem, *key_pem; /* RSA 2048; PKCS #8 */
	char spki[SHA256_HEX_SIZE];
};
void apns_request_free(struct apns_request **r);

/* ERR_INVALID names the field that does not fit. */
MUST_CHECK bool apns_request_make(const struct apns_request_subject *s,
    struct apns_request **out, struct err *e);
/* Keeps it, the key sealed, with the event push_certificate.requested. */
MUST_CHECK bool apns_request_save(struct store_tx *tx, const struct seal *seal,
    const struct apns_request *r, const char *actor, struct err *e);
/*
 * The key that belongs to Apple's answer: *key_out is PEM, to be freed with
 * str_wipe(), or NULL when no request of ours made the certificate.
 */
MUST_CHECK bool apns_request_key(struct store_tx *tx, const struct seal *seal,
    struct slice cert_pem, char **key_out, struct err *e);

/* What a holder of Apple's MDM vendor certificate signs with; all PEM. */
struct apns_vendor {
	struct slice key;
	const char *passphrase; /* of the key, or NULL */
	/* Vendor certificate, Apple's WWDR intermediate, Apple's root, in this
	 * order. */
	struct slice chain;
};
/*
 * The file for identity.apple.com/pushcert: base64 of a property list with
 * PushCertRequestCSR, PushCertCertificateChain and PushCertSignature.  What
 * was made is checked by apns_request_check() before it is given out.  The
 * caller frees *out.
 */
MUST_CHECK bool apns_request_sign(struct slice csr_pem,
    const struct apns_vendor *v, struct buf **out, struct err *e);
/*
 * Checks such a file field by field: the CSR is this one, the chain is in
 * order, within its dates and ends at a root, the signature is the vendor's.
 * ERR_INVALID names the field.
 */
MUST_CHECK bool apns_request_check(
    struct slice signed_request, struct slice csr_pem, struct err *e);
