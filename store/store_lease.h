/*
 * Work that one node does for all, by leases: rows that name who does it and
 * until when.  Who dies is replaced when his lease ends; who stood still past
 * his lease finds out in the very transaction in which he would have written.
 *
 * Time is the database's, so clocks of nodes may differ.
 *
 * No state; each call belongs to its caller's write transaction.
 */
#pragma once

#include "store/store.h"

enum { STORE_LEASE_NAME_SIZE = 64, STORE_NODE_SIZE = 37 };

struct store_lease {
	const char *name;   /* "job:expiry"; borrowed */
	const char *holder; /* of whom nobody has the same; borrowed */
	int64_t ttl_ms;
};

/*
 * Takes a lease that is free or has ended, and prolongs one that is ours.
 * *mine_out: it is ours until ttl_ms from now.
 */
MUST_CHECK bool store_lease_take(struct store_tx *tx,
    const struct store_lease *l, bool *mine_out, struct err *e);
/*
 * Prolongs a lease that is still ours.  ERR_CONFLICT: it has ended, and what
 * this transaction does must not be kept.  Holders call it in each transaction
 * in which they write for the lease.  l NULL: nothing is asked.
 */
MUST_CHECK bool store_lease_keep(
    struct store_tx *tx, const struct store_lease *l, struct err *e);
/* All that a holder has; NULL: everybody, when nobody else can be there. */
MUST_CHECK bool store_lease_release(
    struct store_tx *tx, const char *holder, struct err *e);
/*
 * The holder of one lease whose name begins with prefix and that has ended;
 * "": there is none.
 */
MUST_CHECK bool store_lease_ended(struct store_tx *tx, const char *prefix,
    char out[STORE_NODE_SIZE], struct err *e);
