/*
 * An issuing CA of ours below a root that is not: our key and its request
 * (CSR) go out, the signed certificate comes in with its chain.  Each step is
 * one transaction that running servers notice by themselves; what was
 * interrupted is done by the same step again.  No state; one thread.
 */
#pragma once

#include "certs/cert_authority.h"

/*
 * *pem_out: the CSR (the caller's).  Makes the key first, unless a request is
 * open: then it is the same one again.  ERR_CONFLICT: a next CA is prepared, or
 * the open request has another organization or key than o says;
 * ERR_INVALID: o says single.
 */
MUST_CHECK bool cert_outside_request(struct store *st,
    const struct cert_authority_options *o, struct buf **pem_out,
    struct err *e);
/* The open request's row, for cert_member_free(); NULL: none. */
MUST_CHECK bool cert_outside_open(
    struct store *st, struct cert_member **out, struct err *e);

/*
 * Takes the certificate in, with all above it up to the root, and makes its
 * RA: as the authority of an installation that has none, else as the next one
 * (cert_roll.h).  The PEM texts may have any order; root may be empty if chain
 * holds it.  What was imported before is success, and *again true.
 *
 * ERR_NOT_FOUND: no request is open; ERR_INVALID says what of the chain is not
 * good enough; ERR_CONFLICT: a next CA is prepared.
 */
struct cert_outside_chain {
	struct slice chain, root;
};
MUST_CHECK bool cert_outside_import(struct store *st,
    const struct cert_authority_options *o, const struct cert_outside_chain *in,
    bool *again, struct err *e);

/* Gives the open request up; its key is destroyed.  ERR_NOT_FOUND: none is
 * open. */
MUST_CHECK bool cert_outside_drop(
    struct store *st, const struct cert_authority_options *o, struct err *e);
