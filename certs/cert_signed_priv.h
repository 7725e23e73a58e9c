/*
 * What both readers of SignedData share: structure and policy before any
 * cryptography.  No state; safe from any thread.
 */
#pragma once

#include <openssl/cms.h>

#include "certs/cert_x509.h"

/* A memory BIO over borrowed bytes, which may be none. */
MUST_CHECK bool cert_signed_bio(struct slice in, BIO **out, struct err *e);
/*
 * Parses one SignedData over id-data with exactly one SignerInfo, DER or BER,
 * without trailing bytes, whose digest and signature algorithms we accept.
 * *si_out is borrowed from *out.  ERR_INVALID: does not parse; ERR_FORBIDDEN:
 * an algorithm that we do not accept.
 */
MUST_CHECK bool cert_signed_parse(struct slice der, CMS_ContentInfo **out,
    CMS_SignerInfo **si_out, struct err *e);
/*
 * The certificates that came with it, at most LIMIT_CERT_CHAIN, and among
 * them the signer's, whose key passes cert_key_acceptable().  Both are the
 * caller's.  ERR_INVALID: too many, or the signer's is not there;
 * ERR_FORBIDDEN: its key.
 */
MUST_CHECK bool cert_signed_signer(CMS_ContentInfo *cms, CMS_SignerInfo *si,
    STACK_OF(X509) * *chain_out, X509 **signer_out, struct err *e);
/*
 * Checks the signature with the signer's certificate; body is the content of
 * a detached signature, NULL for an attached one; the attached content is
 * written to content, if not NULL.  ERR_FORBIDDEN: does not verify.
 */
MUST_CHECK bool cert_signed_verify(CMS_ContentInfo *cms, CMS_SignerInfo *si,
    X509 *signer, BIO *body, BIO *content, struct err *e);
