/*
 * Certificate revocation lists (RFC 5280 5): one for each issuing authority
 * that has not ended, old ones too, full, in the database.  A thread makes a
 * new one when something was revoked or released anywhere, and every 6 hours;
 * a list is good for 24.  Of several nodes one makes it, by a lease.  Serving
 * one makes nothing.
 */
#pragma once

#include "certs/cert_live.h"
#include "http/http.h"

struct cert_crl;

struct cert_crl_options {
	struct store *store;
	struct cert_live *live;
	const char *node; /* holder of leases; borrowed */
};
/* Makes what is missing, and starts the thread. */
MUST_CHECK bool cert_crl_new(
    const struct cert_crl_options *o, struct cert_crl **out, struct err *e);
void cert_crl_free(struct cert_crl **c);

struct cert_crl_head {
	int64_t number, this_update, next_update, entries;
};
/* Of the present CRL.  ERR_NOT_FOUND: there is no such authority;
 * ERR_UNAVAILABLE: it has none yet. */
MUST_CHECK bool cert_crl_head(struct cert_crl *c, const char *authority_id,
    struct cert_crl_head *out, struct err *e);
/* Appends the present CRL, DER, or any later one; errors as above. */
MUST_CHECK bool cert_crl_read(struct cert_crl *c, const char *authority_id,
    struct buf *out, struct err *e);
/* Makes those that are due, now, on this thread; for tests. */
MUST_CHECK bool cert_crl_make(struct cert_crl *c, struct err *e);
/* An issuing CA that has not ended and whose key could not be opened: no CRL of
 * it is made, and OCSP has no answers of it. */
bool cert_crl_lacks_key(const struct cert_member *m);
