/*
 * The TLS certificate that a server makes for itself.  Our issuing CA signs it
 * like all others, so it is in the ledger, and CRL and OCSP know it; several
 * nodes have one each.  No state; any thread.
 */
#pragma once

#include "certs/cert_authority.h"

/*
 * Has this one, PEM, in the ledger, unless it is there: a new one (of
 * cert_authority_tls()) before it is used, and one that is older than this rule
 * or than the database, which may be a backup's.  *ended: why it is not to be
 * used any more, "revoked" (or on hold) or "retired" with its CA, also when it
 * could not be noted; NULL: nothing against it.  One that no CA of ours signed
 * stays out, and never ends.
 */
MUST_CHECK bool cert_tls_own_note(struct store *st,
    const struct cert_authority *a, struct slice cert, const char **ended,
    struct err *e);

/* Is it in its last 30 days, and would a new one last longer?  None lasts
 * longer than the issuing CA. */
bool cert_tls_own_due(const struct cert_authority *a, struct slice cert);
