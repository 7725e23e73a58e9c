/*
 * CMS (RFC 5652) for profiles and Mdm-Signature.  Only OpenSSL's CMS_
 * functions read what comes from outside.  No state (the verifier has its
 * own header); safe from any thread.
 */
#pragma once

#include "certs/cert_verifier.h"
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
 * ends at one of anchors (self-signed) and is valid now, for any purpose; and
 * yields the content and signer (caller's).  ERR_INVALID: does not parse;
 * ERR_FORBIDDEN: does not verify.
 */
MUST_CHECK bool cert_cms_open(struct slice der, STACK_OF(X509) * anchors,
    struct buf **content_out, X509 **signer_out, struct err *e);
