/*
 * A client of EST (RFC 7030, with RFC 8951): cacerts, simpleenroll and
 * simplereenroll, as a registration authority uses them.  What a server sends
 * is bounded and checked before it is believed.  No state of its own; a call
 * runs on the thread of its struct fetch.
 */
#pragma once

#include "certs/cert_x509.h"
#include "core/fetch.h"

struct scep_est_options {
	/* Has the trust anchors of TLS, our client certificate if the server
	 * wants one, and the time-out. */
	struct fetch *fetch;
	const char *url;      /* https://HOST/.well-known/est, or /LABEL more */
	const char *user;     /* of HTTP Basic, or NULL */
	const char *password; /* never logged */
	/* CA certificates, roots or not, one of which a certificate has to lead
	 * to; they are configured, never taken from the server alone. */
	STACK_OF(X509) * anchors;
};

/*
 * All functions: ERR_UNAVAILABLE: worth another try (no connection, TLS,
 * time-out, status 429 or 5xx); ERR_UNAUTHORIZED: status 401, so our password
 * or certificate is wrong, whatever the request; ERR_REFUSED: another status,
 * which another try will not change; ERR_INVALID, ERR_TOO_LARGE: what the
 * server sent is wrong.  What the server says of a status is in the text,
 * bounded and printable.
 */

/* RFC 7030 4.1: those of the server's CA certificates that lead to an anchor;
 * at least one. */
MUST_CHECK bool scep_est_cacerts(
    const struct scep_est_options *o, STACK_OF(X509) * *out, struct err *e);

struct scep_est_result {
	X509 *cert; /* caller's; NULL: not decided yet, ask the same again */
	int64_t retry_after_s; /* what the server asks for; 0: it did not say */
};
/*
 * RFC 7030 4.2: csr is a PKCS #10 request in DER, sent as it is; again:
 * simplereenroll.  A certificate that is returned is the only one, of the key
 * of the CSR, valid for longer than now, and leads to an anchor over
 * intermediates (may be NULL).
 */
MUST_CHECK bool scep_est_enroll(const struct scep_est_options *o,
    struct slice csr, bool again, STACK_OF(X509) * intermediates,
    struct scep_est_result *out, struct err *e);
