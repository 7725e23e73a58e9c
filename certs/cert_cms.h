/*
 * CMS (RFC 5652) for profiles and Mdm-Signature.  Only OpenSSL's CMS_
 * functions read what comes from outside.  Safe from any thread.
 */
#pragma once

#include "certs/cert_x509.h"

/*
 * Signs content, attached, DER: what Safari and InstallProfile take.  chain
 * (without the signer) is included; may be NULL.  Digest SHA-256.
 */
MUST_CHECK bool cert_cms_sign(struct slice content, X509 *signer, EVP_PKEY *key,
    STACK_OF(X509) * chain, struct buf **out, struct err *e);
/* Detached DER signature over content; what a Mac puts in Mdm-Signature. */
MUST_CHECK bool cert_cms_sign_detached(struct slice content, X509 *signer,
    EVP_PKEY *key, struct buf **out, struct err *e);
/*
 * Opens an attached signature: checks that it has one signer, whose chain
 * ends at one of anchors, and yields the content and signer (caller's).
 */
MUST_CHECK bool cert_cms_open(struct slice der, STACK_OF(X509) * anchors,
    struct buf **content_out, X509 **signer_out, struct err *e);

/*
 * Detached signatures by devices.  A verifier keeps the decoded certificates
 * of recent signers, because decoding a public key costs more than checking a
 * signature with it.  It answers only "who signed these bytes": whether that
 * certificate is ours, alive and bound to the device is the ledger's matter.
 */
struct cert_verifier;
struct cert_verifier *cert_verifier_new(size_t remembered);
void cert_verifier_free(struct cert_verifier **v);

struct cert_signer {
	char fingerprint[SHA256_HEX_SIZE];
	int64_t not_before, not_after; /* ms */
};
/*
 * Verifies a detached SignedData over body with exactly one signer, whose
 * certificate is included.  Digest SHA-1 (old systems) or SHA-2; no MD5.
 * ERR_INVALID: does not parse; ERR_FORBIDDEN: does not verify.
 */
MUST_CHECK bool cert_verifier_check(struct cert_verifier *v, struct slice der,
    struct slice body, struct cert_signer *out, struct err *e);
