/* The names in a certificate or a CSR.  Not for other directories. */
#pragma once

#include <openssl/x509v3.h>

#include "certs/cert_template.h"
#include "core/str.h"

/* Strings are owned; what was absent is NULL. */
struct scep_names {
	struct cert_subject subject;
	/* There was more: two names of one kind in the subject, too many
	 * alternative ones, two lists of extensions, or what cannot be read. */
	bool lost;
};
void scep_names_clear(struct scep_names *n);
void scep_names_of_certificate(const X509 *x, struct scep_names *out);
/* False: not a CSR. */
MUST_CHECK bool scep_names_of_request(struct slice csr, struct scep_names *out);
/* At most one list of extensions (RFC 2985 5.4.2): which of several are read,
 * nobody knows. */
MUST_CHECK bool scep_names_one_list(const X509_REQ *req);
