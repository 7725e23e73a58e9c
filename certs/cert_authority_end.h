/*
 * The end of the authority's own certificates: which of them end soon, what
 * that means and what to do.  Nothing that is issued lasts longer than its CA.
 * No state; any thread.
 */
#pragma once

#include "certs/cert_authority.h"

struct cert_authority_end {
	const struct cert_member *member; /* of the snapshot; borrowed */
	int64_t step;                     /* as of cert_alarm_step() */
	const char *advice;               /* what an administrator does */
};

/* The chain is as long as the authority allows; then the RA. */
enum { CERT_AUTHORITY_ENDS_MAX = 16 };
struct cert_authority_ends {
	struct cert_authority_end list[CERT_AUTHORITY_ENDS_MAX];
	size_t count;
};

/*
 * Those of the active generation with 60 days left or less.  A CA that ends
 * with the one above it is not named, only that one; nor an RA that ends with
 * its CA: else the RA is one that could not be renewed.
 */
void cert_authority_ends(
    const struct cert_authority *a, struct cert_authority_ends *out);
/* What ends, when, and what follows; without the advice.  For str_free(). */
char *cert_authority_end_text(const struct cert_authority_end *end);

/*
 * One event authority.expiring or authority.expired for each step, however
 * often it is called.  *told: those of ends it told of now, for
 * cert_authority_end_log() after the commit; overwritten.
 */
MUST_CHECK bool cert_authority_alarm(struct store_tx *tx,
    const struct cert_authority_ends *ends, struct cert_authority_ends *told,
    struct err *e);
/* The same as log lines. */
void cert_authority_end_log(const struct cert_authority_ends *ends);
