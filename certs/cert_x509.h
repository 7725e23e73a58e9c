/*
 * X.509 certificates: reading, writing and naming them.  No state; safe from
 * any thread.
 */
#pragma once

#include "certs/cert_key.h"
#include "core/encode.h"

/* Exactly one DER certificate of at most LIMIT_CERT bytes, no trailing bytes;
 * else ERR_INVALID. */
MUST_CHECK bool cert_parse(struct slice der, X509 **out, struct err *e);
/* Exactly one certificate in a PEM text. */
MUST_CHECK bool cert_parse_pem(struct slice pem, X509 **out, struct err *e);
/* All certificates of a PEM text, in order; at least one and at most
 * LIMIT_CERT_CHAIN. */
MUST_CHECK bool cert_parse_chain(
    struct slice pem, STACK_OF(X509) * *out, struct err *e);
MUST_CHECK bool cert_der(const X509 *x, struct buf **out, struct err *e);
/* Appends. */
MUST_CHECK bool cert_pem(const X509 *x, struct buf *out, struct err *e);
/* SHA-256 of the DER, hex. */
void cert_fingerprint(const X509 *x, char out[SHA256_HEX_SIZE]);
/* SHA-256 of the DER SubjectPublicKeyInfo, hex. */
MUST_CHECK bool cert_spki(
    EVP_PKEY *k, char out[SHA256_HEX_SIZE], struct err *e);
/* The same, of a key that need not be decoded. */
MUST_CHECK bool cert_spki_pub(
    const X509_PUBKEY *pub, char out[SHA256_HEX_SIZE], struct err *e);
/* Unix milliseconds; 0 when the time makes no sense, or is NULL. */
int64_t cert_time_ms(const ASN1_TIME *t);
int64_t cert_not_before(const X509 *x);
int64_t cert_not_after(const X509 *x);
/* RFC 4514 text of the subject, for people and the ledger; cut to size. */
void cert_subject(const X509 *x, char *out, size_t size);
/* The same of any name. */
void cert_name_text(const X509_NAME *name, char *out, size_t size);
/* Lower-case hex of the serial number, "-" before a negative one; a number
 * that does not fit is cut. */
void cert_serial(const X509 *x, char *out, size_t size);
/* First value of an attribute of the subject (NID_commonName, NID_userId), or
 * "" when there is none or it holds a NUL.  UTF-8, cut to size. */
void cert_subject_value(const X509 *x, int nid, char *out, size_t size);
/* The same of any name. */
void cert_name_value(const X509_NAME *name, int nid, char *out, size_t size);
