/*
 * The event feed: every change of state writes a row here, in its own
 * transaction, so that feed and state cannot disagree.  Sequence numbers have
 * no gaps and follow the order of commits.
 *
 * Kinds are a table in store_event.c; a kind that is not in it is a bug.
 */
#pragma once

#include "store/store.h"

struct store_event {
	const char *kind;       /* "device.enrolled" */
	const char *device_id;  /* or NULL */
	const char *subject_id; /* the order, command, ... or NULL */
	const char *actor;      /* who caused it: "token:<name>", "device",
	                         * "system", "command-line"; never NULL */
	const char *data;       /* a JSON object of more facts, or NULL; never
	                         * a secret */
};

/*
 * Adds one event and notifies STORE_CHANNEL_EVENT.  The number follows the
 * highest in the table, so pruning the feed must keep its last row.  A kind
 * that has no row in the table is ERR_INTERNAL (asserted in MUTSU_CHECKS
 * builds).
 */
MUST_CHECK bool store_event_add(
    struct store_tx *tx, const struct store_event *ev, struct err *e);

/* The table of kinds, for docs and checks; ends with a NULL name. */
struct store_event_kind {
	const char *name;
	const char *help;
};
const struct store_event_kind *store_event_kinds(void);
