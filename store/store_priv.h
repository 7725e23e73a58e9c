/*
 * What store.c, store_defer.c and the drivers share: the table of a driver's
 * functions and the part of a store, a transaction and a result that every
 * driver puts first in its own structures.
 */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "store/store_about.h"

enum {
	STORE_ARGS_MAX = 64,      /* parameters of one statement */
	STORE_LISTENERS_MAX = 16, /* at one time; bits of a mask */
	STORE_CHANNELS_MAX = 8    /* that one transaction notifies */
};

struct store_task;

/*
 * One row per kind of database.  open() gives a structure that begins with a
 * zeroed struct store, which store.c then fills.  commit() and rollback() end
 * and free the transaction whatever happens.  The contracts are otherwise
 * those of the functions of store.h.
 */
struct store_driver {
	/* Reads the database's clock; NULL: it has ours. */
	const char *clock_sql;
	bool (*open)(
	    const struct store_options *o, struct store **out, struct err *e);
	/* Threads that use what store.c filled; both may be NULL. */
	bool (*start)(struct store *st, struct err *e);
	void (*stop)(struct store *st);
	void (*close)(struct store *st);
	/* task: of a write transaction, or NULL; it outlives that.  True and
	 * tx->carried: another thread ran it. */
	bool (*begin)(struct store *st, enum store_mode mode,
	    struct store_task *task, struct store_tx **out, struct err *e);
	/* What store_carry() does before the end that tx's own thread makes:
	 * tx becomes part of the shared transaction, or nothing remains. */
	bool (*keep)(struct store_tx *tx, struct err *e);
	void (*undo)(struct store_tx *tx);
	bool (*commit)(struct store_tx *tx, struct err *e);
	void (*rollback)(struct store_tx *tx);
	bool (*exec)(struct store_tx *tx, const char *sql,
	    const struct store_value *args, int64_t *changed_out,
	    struct err *e);
	bool (*query)(struct store_tx *tx, const char *sql,
	    const struct store_value *args, struct store_rows **out,
	    struct err *e);
	/* NULL: as exec and query. */
	bool (*exec_later)(struct store_tx *tx, const char *sql,
	    const struct store_value *args, struct err *e);
	bool (*query_later)(struct store_tx *tx, const char *sql,
	    const struct store_value *args, struct store_rows **out,
	    struct err *e);
	bool (*next)(struct store_rows *r, bool *more, struct err *e);
	void (*rows_free)(struct store_rows *r);
	const char *(*text)(const struct store_rows *r, int col);
	int64_t (*integer)(const struct store_rows *r, int col);
	struct slice (*blob)(const struct store_rows *r, int col);
	bool (*null)(const struct store_rows *r, int col);
	bool (*backup)(struct store *st, const char *path, struct err *e);
	/*
	 * The catalogue, for the copy: table, column, BIGINT or TEXT or BLOB,
	 * place in the primary key from 1 or 0, by table and place; and table
	 * with each table that it refers to.
	 */
	const char *columns_sql, *references_sql;
};

extern const struct store_driver store_sqlite_driver;
extern const struct store_driver store_pgsql_driver;

/* The counters of struct store_stats. */
struct store_counters {
	_Atomic int64_t commits, writes, reads, statements, deferred, dropped,
	    waiting, round_trips, retries;
};

/* Free if channel is NULL. */
struct store_listener {
	const char *channel;
	void (*fn)(void *arg);
	void *arg;
};

struct store {
	const struct store_driver *driver;
	enum store_use use;
	struct store_counters counters;
	pthread_rwlock_t listeners_lock; /* guards listeners; held to read
	                                  * while they are called */
	struct store_listener listeners[STORE_LISTENERS_MAX];
	/* Transactions under way, and one for the open store; whoever brings
	 * it to 0 posts idle. */
	_Atomic int64_t users;
	sem_t idle;
	struct store_defer *defer;
};

/*
 * The slug of an ERR_UNAVAILABLE after which it is certain that nothing was
 * kept, and that another attempt is worth while.
 */
#define STORE_AGAIN "try_again"

/*
 * A write transaction as a function.  While its thread waits for its turn,
 * whoever has the turn may run it (store_carry()).
 */
struct store_task {
	const struct store_question *question; /* asked first, or NULL */
	bool (*fn)(struct store_tx *tx, void *arg, struct err *e);
	void *arg;
	const char *request; /* log_request_id() of its thread */
	/* Filled when another thread ran it. */
	bool ok;
	struct err failure;
};

struct store_tx {
	struct store *st;
	enum store_mode mode;
	struct store_task *task; /* or NULL */
	bool carried;            /* another thread ran it to its end */
	bool one;                /* there is a single statement */
	bool later; /* statements may be sent with what comes next */
	bool again; /* the database undid it; the same may succeed next time */
	bool confined;   /* wrote of what its question was about only */
	uint32_t notify; /* bit i: listeners[i] is to be called */
	/* For other nodes, which may listen where nobody does here; ends with
	 * NULL. */
	const char *channels[STORE_CHANNELS_MAX + 1];
	int open_rows;
	int64_t statements;
};

struct store_rows {
	struct store_tx *tx;
};

/* store_begin() of a write, which may have been run when it returns if it is a
 * task; NULL: it is none. */
MUST_CHECK bool store_begin_task(struct store *st, struct store_task *task,
    struct store_tx **out, struct err *e);
/* Runs the task of another thread's transaction, with the turn; false: nothing
 * of it was kept. */
bool store_carry(struct store_tx *tx);

/* With the bytes they point to, in one piece: mem_free(). */
struct store_value *store_values_copy(const struct store_value *args);

/*
 * Calls whoever listens on the channel, NULL for all: what another node
 * committed, heard by a driver's thread.
 */
void store_heard(struct store *st, const char *channel);

/* The number of a file of store/schema/, NNNN-name.sql. */
MUST_CHECK bool store_schema_version(
    const char *file, int64_t *out, struct err *e);

/*
 * The oldest schema whose programs may go on when this file, number version,
 * has been run: what its first lines say ("-- oldest: 7"), else none but
 * those that have it.
 */
int64_t store_schema_oldest(const char *text, int64_t version);
/*
 * Whether a database whose schema has the version present (0: none yet) may
 * be opened for this use; migrating it comes after.  oldest is the highest
 * that its migrations left.
 */
MUST_CHECK bool store_schema_fits(
    enum store_use use, int64_t present, int64_t oldest, struct err *e);

/*
 * The queue of deferred writes and its thread (store_defer.c).  Freeing stops
 * the thread and makes the writes that are left.
 */
MUST_CHECK bool store_defer_new(
    struct store *st, struct store_defer **out, struct err *e);
void store_defer_free(struct store_defer **d);
void store_defer_add(
    struct store_defer *d, const char *sql, const struct store_value *args);
