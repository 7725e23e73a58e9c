/*
 * Subjects as X.509 wants them.  Every value passes as a value: nothing here
 * goes through OpenSSL's text forms, where a comma would start a new name.
 * No state; safe from any thread.
 */
#pragma once

#include <openssl/x509v3.h>

#include "certs/cert_template.h"

/* Appends a Name of O, OU, CN and UID, in UTF8Strings (RFC 5280 4.1.2.4).
 * ERR_INVALID names what is wrong; then out holds part of it. */
MUST_CHECK bool cert_subject_name(
    const struct cert_subject *s, struct buf *out, struct err *e);
/* Appends GeneralNames (RFC 5280 4.2.1.6), or nothing when the subject has none
 * of email, dns, ip, uri.  Errors as above. */
MUST_CHECK bool cert_subject_san(
    const struct cert_subject *s, struct buf *out, struct err *e);

/* ---- cert_subject_json.c ---- */

/* All fields by name, ended by a NULL key. */
struct cert_subject_field {
	const char *key;
	size_t offset;
};
extern const struct cert_subject_field cert_subject_fields[];
const char **cert_subject_at(
    struct cert_subject *s, const struct cert_subject_field *f);
/* The caller's. */
json_t *cert_subject_object(const struct cert_subject *s);
/* Strings are borrowed from o.  ERR_INVALID: not a subject. */
MUST_CHECK bool cert_subject_read(
    const json_t *o, struct cert_subject *out, struct err *e);
