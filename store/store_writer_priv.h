/*
 * Turns and group commit, as every driver uses them (store_writer.c): what is
 * run on the connection is the driver's, through a table of functions.
 */
#pragma once

#include "store/store_priv.h"

/*
 * What a driver does on its writer's connection, always by the thread that
 * has the turn.  A function that fails says why; afterwards intact() tells
 * whether the shared transaction survived.
 */
struct store_writer_ops {
	int batch_max; /* transactions in a shared one */
	/* Its age after which nobody else joins, or the time of a commit, if
	 * that is longer. */
	int64_t batch_us;
	bool (*begin)(void *conn, struct err *e);
	bool (*save)(void *conn, struct err *e);    /* opens a savepoint */
	bool (*release)(void *conn, struct err *e); /* keeps what is in it */
	bool (*undo)(void *conn, struct err *e);    /* undoes and closes it */
	bool (*commit)(void *conn, struct err *e); /* durable when it returns */
	bool (*rollback)(void *conn, struct err *e);
	/* There is a transaction, and what members did is still in it. */
	bool (*intact)(const void *conn);
};

/* A thread that waits: for its turn, then for the shared commit. */
struct store_waiter {
	sem_t wake;
	struct store_waiter *next;
	pthread_t thread;
	struct store_tx *tx; /* NULL: wants no transaction */
	bool alone;          /* wants the turn between two transactions */
	bool failed;         /* the shared transaction was lost: failure */
	struct err failure;
};

struct store_queue {
	struct store_waiter *first, *last;
};

struct store_writer {
	pthread_mutex_t mutex;    /* guards queue, busy and holder */
	struct store_queue queue; /* who waits for the turn, first come first */
	bool busy;                /* somebody has the turn */
	pthread_t holder;         /* who, if busy */

	/* What follows belongs to whoever has the turn. */
	void *conn;
	bool open;                  /* the shared transaction has begun */
	int64_t began_us;           /* when it did, clock_mono_us() */
	int64_t commit_us;          /* what the last commit took */
	struct store_queue members; /* wait for it to be committed */
	int member_count;

	const struct store_writer_ops *ops;
	struct store_counters *counters;
};

/* A transaction's part in the shared one. */
struct store_member {
	/* The database undid the shared transaction under us; failure in
	 * waiter says why, and nothing more is run. */
	bool broken;
	struct store_waiter waiter;
};

/* All are borrowed. */
void store_writer_init(struct store_writer *w,
    const struct store_writer_ops *ops, void *conn,
    struct store_counters *counters);
void store_writer_clear(struct store_writer *w);
/* Waits for the turn and opens a savepoint in the shared transaction; or until
 * another has carried base, whose part in that m is. */
MUST_CHECK bool store_writer_begin(struct store_writer *w,
    struct store_member *m, struct store_tx *base, struct err *e);
/*
 * With the turn: calls fn with each transaction that can follow in the shared
 * one, in their order, until it returns false.  They do not run meanwhile.
 */
void store_writer_in_line(struct store_writer *w,
    bool (*fn)(struct store_tx *tx, void *arg), void *arg);
/* With the turn: it is part of the shared transaction now; or nothing of it
 * is, as it has to be after keep() failed. */
MUST_CHECK bool store_writer_keep(
    struct store_writer *w, struct store_member *m, struct err *e);
void store_writer_undo(struct store_writer *w, struct store_member *m);
/* Behind keep(), by its own thread: either of these gives the turn away, if it
 * has it.  commit() carries others first. */
MUST_CHECK bool store_writer_commit(
    struct store_writer *w, struct store_member *m, struct err *e);
void store_writer_rollback(struct store_writer *w, struct store_member *m);
/* After a failed statement: notices when everything was undone. */
void store_writer_failed(
    struct store_writer *w, struct store_member *tx, const struct err *why);
/* The turn without a transaction; writers wait until resume. */
void store_writer_pause(struct store_writer *w, struct store_waiter *self);
void store_writer_resume(struct store_writer *w);
void store_waiter_init(struct store_waiter *self);
void store_waiter_clear(struct store_waiter *self);
