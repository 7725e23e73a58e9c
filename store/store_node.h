/*
 * This run of the program as one of the nodes on a database: an id, a lease
 * that says it lives, and the look after others that no longer do.  What a
 * dead node had - its leases, its claims - is freed as soon as its lease has
 * ended.
 *
 * One thread where other nodes can be.
 */
#pragma once

#include "store/store_lease.h"

struct store_node;

struct store_node_options {
	struct store *store;
	bool alone;       /* nobody else can have the database open (SQLite) */
	int64_t lease_ms; /* 0: 10 s; prolonged five times as often */
	/*
	 * In the transaction that frees what a node had, which is dead or
	 * leaves: frees its claims.  node NULL: those of all.
	 */
	bool (*on_gone)(
	    struct store_tx *tx, const char *node, void *arg, struct err *e);
	/* After it: there may be work to take over.  May be NULL. */
	void (*on_freed)(void *arg);
	void *arg;
};
/* Frees everything when alone; else takes the node's lease. */
MUST_CHECK bool store_node_new(
    const struct store_node_options *o, struct store_node **out, struct err *e);
/* Of this run; borrowed. */
const char *store_node_id(const struct store_node *n);
/* Gives back what the node has, if the database is there. */
void store_node_free(struct store_node **n);
