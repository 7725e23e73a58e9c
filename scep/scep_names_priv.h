/* The names in a certificate or a CSR.  Not for other directories. */
#pragma once

#include <jansson.h>
#include <openssl/x509v3.h>

#include "certs/cert_template.h"
#include "core/str.h"

/* Strings are owned; what was absent is NULL. */
struct scep_names {
	struct cert_subject subject;
	/* There was more of the kinds that we issue: two names of one kind in
	 * the subject, too many alternative ones, two lists of extensions, or
	 * what cannot be read.  Names of other kinds do not count here: a
	 * certificate of an outside CA that has them is renewed without; what
	 * a request asks for is for scep_ignored(). */
	bool lost;
};
void scep_names_clear(struct scep_names *n);
void scep_names_of_certificate(const X509 *x, struct scep_names *out);
/* False: not a CSR. */
MUST_CHECK bool scep_names_of_request(struct slice csr, struct scep_names *out);
/* At most one list of extensions (RFC 2985 5.4.2): which of several are read,
 * nobody knows. */
MUST_CHECK bool scep_names_one_list(const X509_REQ *req);

/* ---- scep_beyond.c ---- */

struct scep_beyond;
/* Whether one name of a request is none that the certificate may have. */
bool scep_beyond_attribute(
    const X509_NAME_ENTRY *n, const struct scep_beyond *may);
bool scep_beyond_alternative(
    const GENERAL_NAME *g, const struct scep_beyond *may);

/* ---- scep_ignored.c ---- */

/*
 * The names that a request (DER) asks for and that its certificate will not
 * say, as texts of cert_san.h; an array of at most some dozens, empty when
 * there is none.  The caller's.
 */
json_t *scep_ignored(struct slice csr, const struct scep_beyond *may);
/* Their kinds alone, for who asked: "C, ST, upn"; cut to size. */
void scep_ignored_kinds(const json_t *ignored, char *out, size_t size);
