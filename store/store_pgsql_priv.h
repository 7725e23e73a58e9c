/*
 * The parts of the PostgreSQL driver, seen from each other:
 *
 *	store_pgsql_dial.c     making connections; back-off while it is away
 *	store_pgsql_conn.c     a connection: commands and round trips
 *	store_pgsql_error.c    what an error of libpq or the server means
 *	store_pgsql_stmt.c     prepared statements of one connection, parameters
 *	store_pgsql_pool.c     connections of readers
 *	store_pgsql_writer.c   what the writer's turns run on its connection
 *	store_pgsql_outcome.c  whether a commit without an answer took place
 *	store_pgsql_tx.c       statements of a transaction, and their failures
 *	store_pgsql_held.c     statements that wait for the end of theirs
 *	store_pgsql_ahead.c    questions of those who wait for their turn
 *	store_pgsql_rows.c     values of a result
 *	store_pgsql_listen.c   hears what other nodes committed
 *	store_pgsql_migrate.c  brings the schema up to date
 *	store_pgsql.c          the driver's table, open, close
 */
#pragma once

#include <libpq-fe.h>
#include <pthread.h>

#include "store/store_pool_priv.h"
#include "store/store_writer_priv.h"

/* ---- connections: one thread at a time ---- */

/* Commands that every connection has prepared, in the order of a table. */
enum pg_command {
	PG_BEGIN_READ,
	PG_BEGIN_WRITE,
	PG_LOCK, /* waits for the writers of other nodes */
	PG_COMMIT,
	PG_ROLLBACK,
	PG_SAVE_TX, /* the savepoint of a transaction in the shared one */
	PG_RELEASE_TX,
	PG_UNDO_TX,
	PG_SAVE_STMT, /* that of a statement */
	PG_RELEASE_STMT,
	PG_UNDO_STMT,
	PG_COMMANDS
};

enum pg_state {
	PG_IDLE,
	PG_OPEN,  /* a transaction is open, or its BEGIN is queued */
	PG_FAILED /* the server gave it up, or the connection is lost */
};

/*
 * An answer that somebody will read, of a command that is queued; *out is
 * NULL until the next trip.
 */
struct pg_want {
	int at; /* its place in the queue */
	PGresult **out;
	struct pg_want *next;
};

enum { PG_LINEAGE_SIZE = 64 };

/* An answer may hold a command of 2 MB. */
enum { PG_AHEAD_WRITTEN = 256, PG_AHEAD_MAX = 16 };

/* What those who ended in the shared transaction wrote about, as numbers; see
 * store_pgsql_ahead.c. */
struct pg_written {
	uint64_t about, also;
};
struct pg_ahead {
	int64_t generation; /* of the shared transaction */
	struct pg_written written[PG_AHEAD_WRITTEN];
	int count;
};

/*
 * Commands are queued, and sent together with the next statement that
 * somebody waits for: one round trip (libpq's pipeline mode).
 */
struct pg_conn {
	PGconn *h; /* NULL: not connected */
	struct pg_dial *dial;
	enum pg_state state;
	bool saved;    /* the writer's transaction has its savepoint */
	bool warned;   /* the server warned of something */
	bool answered; /* the server answered something since ready() */
	int queued;    /* commands sent behind the last synchronisation */
	int flushed;   /* of them, which have left libpq's buffer */
	int posted;    /* and before it, with nobody waiting for the answers */
	struct pg_want *wants; /* by place */
	/* The answer to PG_LOCK tells the number of the transaction; NULL:
	 * there is none yet. */
	PGresult *locked;
	struct pg_want locked_want;
	/* Server, timeline and crash, or "": numbers mean nothing on another
	 * one. */
	char lineage[PG_LINEAGE_SIZE];
	/* Prepared statements by the address of their SQL: open addressing,
	 * cap is a power of two, NULL is free. */
	struct pg_stmt **slots;
	size_t cap, used;
	int64_t names; /* of statements given out */
	/* What the open transaction notifies already; ends with NULL. */
	const char *notified[STORE_CHANNELS_MAX + 1];
	struct pg_ahead ahead; /* the writer's */
};

/* How connections are made, by all who make them. */
struct pg_dial {
	pthread_mutex_t mutex; /* guards the rest but the first two */
	char *address;
	struct store_counters *counters;
	int64_t next_try; /* clock_mono_ms(); 0: at once */
	int64_t delay_ms;
	struct err last;
};

void store_pgsql_dial_init(
    struct pg_dial *d, const char *address, struct store_counters *counters);
void store_pgsql_dial_clear(struct pg_dial *d);
/*
 * A connection with its settings made, not yet in pipeline mode.  Fails at
 * once while it is too early to try again.
 */
MUST_CHECK bool store_pgsql_dial(
    struct pg_dial *d, PGconn **out, struct err *e);

/* Connects if c is not connected, or was lost while it idled. */
MUST_CHECK bool store_pgsql_conn_ready(struct pg_conn *c, struct err *e);
/* Accepts a connection that was never opened. */
void store_pgsql_conn_close(struct pg_conn *c);
MUST_CHECK bool store_pgsql_queue(
    struct pg_conn *c, enum pg_command what, struct err *e);
/*
 * Sends what is queued and waits for all answers.  *out (may be NULL) gets the
 * last one's.  On failure *failed tells whether it was one of the last `mine`
 * commands; otherwise the connection is lost or no longer in a known state.
 */
MUST_CHECK bool store_pgsql_trip(
    struct pg_conn *c, int mine, PGresult **out, bool *failed, struct err *e);
/* Of the command queued last; the want must live until the next trip. */
void store_pgsql_want(struct pg_conn *c, struct pg_want *w, PGresult **out);
void store_pgsql_unwant(struct pg_conn *c, const struct pg_want *w);
/* Lets the server begin with what is queued, if that is much. */
void store_pgsql_hurry(struct pg_conn *c);
/* Sends what is queued; the answers are read by the next trip. */
void store_pgsql_post(struct pg_conn *c);
bool store_pgsql_lost(const struct pg_conn *c);
/* The connection is of no more use; sets e, always false. */
bool store_pgsql_drop(struct pg_conn *c, struct err *e);

/* ---- store_pgsql_outcome.c ---- */

/* Fills "" when it cannot be known. */
void store_pgsql_lineage(PGconn *h, char out[PG_LINEAGE_SIZE]);
/* Of the transaction whose PG_LOCK was answered. */
struct pg_number {
	char lineage[PG_LINEAGE_SIZE], xid[24];
};
/*
 * Whether a transaction whose COMMIT got no answer took place: asks the
 * server for some seconds.  True: it did, and is as durable as any.  False
 * with STORE_AGAIN: it did not; without: it cannot be known.
 */
MUST_CHECK bool store_pgsql_outcome(
    struct pg_dial *d, const struct pg_number *n, struct err *e);

/* ---- errors; always false ---- */

/* res NULL: what the connection says. */
bool store_pgsql_err(PGconn *h, const PGresult *res, struct err *e);
void store_pgsql_result_free(PGresult **res);
/* From here on *warned becomes true when the server warns of something, such
 * as a COMMIT of which the standby may not have heard. */
void store_pgsql_watch_warnings(PGconn *h, bool *warned);

/* ---- statements ---- */

struct pg_stmt {
	const char *sql;
	char name[24];
	bool reads; /* a SELECT: leaves nothing to undo */
	int params;
	Oid types[STORE_ARGS_MAX];
};

/* The prepared one, or NULL. */
struct pg_stmt *store_pgsql_stmt_find(struct pg_conn *c, const char *sql);
/* A round trip; on failure *mine tells whether it was this statement's. */
MUST_CHECK bool store_pgsql_stmt_prepare(struct pg_conn *c, const char *sql,
    struct pg_stmt **out, bool *mine, struct err *e);
MUST_CHECK bool store_pgsql_stmt_check(
    const struct pg_stmt *s, const struct store_value *args, struct err *e);
MUST_CHECK bool store_pgsql_stmt_queue(struct pg_conn *c,
    const struct pg_stmt *s, const struct store_value *args, struct err *e);
void store_pgsql_stmt_clear(struct pg_conn *c);

/* ---- the writer ---- */

/* Its connection is a struct pg_conn. */
extern const struct store_writer_ops store_pgsql_writer_ops;

/* ---- transactions ---- */

/* What was not sent yet: the statement and copies of its values. */
struct pg_held {
	struct pg_held *next;
	const struct pg_stmt *stmt;
	struct store_value *args;
};
struct pg_held_list {
	struct pg_held *first, **end; /* end NULL: empty */
};
void store_pgsql_hold(struct pg_held_list *l, const struct pg_stmt *s,
    const struct store_value *args);
/* Queues all on the connection. */
MUST_CHECK bool store_pgsql_held_queue(
    struct pg_held_list *l, struct pg_conn *c, struct err *e);
void store_pgsql_held_clear(struct pg_held_list *l);

struct pg_tx {
	struct store_tx base; /* first */
	struct pg_conn *conn;
	struct store_member member; /* STORE_WRITE */
	struct pg_reader *reader;   /* STORE_READ */
	struct pg_held_list held;   /* writes that nobody waits for */
	bool wrote;                 /* a statement that may have written */
	bool saved;                 /* there is a savepoint of a statement */
	bool fresh;                 /* and nothing was written behind it */
	bool queued;                /* something was sent and not awaited */
	bool dead;                  /* nothing more is run: failure */
	struct err failure;
	/* What it asks first, or NULL; the answer, if it was asked ahead, in
	 * which generation, and behind how many; what it is about. */
	const struct store_question *question;
	PGresult *answer;
	int64_t generation;
	int asked_at;
	uint64_t about, also;
};

MUST_CHECK bool store_pgsql_exec(struct store_tx *tx, const char *sql,
    const struct store_value *args, int64_t *changed_out, struct err *e);
MUST_CHECK bool store_pgsql_query(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e);

MUST_CHECK bool store_pgsql_exec_later(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct err *e);
MUST_CHECK bool store_pgsql_query_later(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e);
/* Waits for all that is queued. */
MUST_CHECK bool store_pgsql_await(struct pg_tx *tx, struct err *e);
/* Before the commit: what is held goes out with it. */
MUST_CHECK bool store_pgsql_last(struct pg_tx *tx, struct err *e);

/* ---- questions asked ahead ---- */

/* Those that travel together; lives until the trip is over. */
struct pg_round {
	struct pg_conn *conn;
	struct pg_want wants[PG_AHEAD_MAX];
	int count;
};
/* A shared transaction begins. */
void store_pgsql_ahead_begin(struct pg_ahead *a);
/* A transaction ends, with the turn; kept: it becomes part of the shared one.
 */
void store_pgsql_ahead_end(struct pg_tx *tx, bool kept);
/* Queues the questions of those in line. */
void store_pgsql_ahead_ask(struct pg_tx *tx, struct pg_round *r);
/* A trip with them failed, perhaps for one of them: they are asked alone. */
void store_pgsql_ahead_forget(struct pg_tx *tx, const struct pg_round *r);
/* The answer, if there is one that still holds. */
bool store_pgsql_ahead_take(struct pg_tx *tx, const char *sql,
    const struct store_value *args, PGresult **out);
/* Whatever was asked: notices what the transaction is about. */
void store_pgsql_ahead_learn(
    struct pg_tx *tx, const char *sql, const PGresult *answer);

/* ---- results ---- */

/* Takes res; NULL: the answer to the command queued last. */
struct store_rows *store_pgsql_rows_new(struct store_tx *tx, PGresult *res);
bool store_pgsql_rows_next(struct store_rows *r, bool *more, struct err *e);
void store_pgsql_rows_free(struct store_rows *r);
const char *store_pgsql_text(const struct store_rows *r, int col);
int64_t store_pgsql_int(const struct store_rows *r, int col);
struct slice store_pgsql_blob(const struct store_rows *r, int col);
bool store_pgsql_null(const struct store_rows *r, int col);

/* ---- the readers ---- */

struct pg_reader {
	struct store_pooled pooled;
	struct pg_tx tx; /* its only transaction */
	struct pg_conn conn;
};

struct pg_pool {
	struct store_pool pool;
	struct pg_dial *dial;
};

void store_pgsql_pool_init(struct pg_pool *p, struct pg_dial *dial, int max);
/* All must have been given back. */
void store_pgsql_pool_close(struct pg_pool *p);
/* Waits while all are in use. */
MUST_CHECK bool store_pgsql_pool_take(
    struct pg_pool *p, struct pg_reader **out, struct err *e);
void store_pgsql_pool_give(struct pg_pool *p, struct pg_reader *r);

/* ---- other nodes ---- */

enum { PG_NODE_SIZE = 17 }; /* hexadecimal digits and NUL */
#define PG_CHANNEL "mutsu"
#define PG_NOTIFY "notify" /* the prepared command; $1: the payload */

struct pgsql;

struct pg_listen {
	struct store *st;  /* NULL: never started */
	bool alone;        /* keeps everybody else out of the database */
	bool still;        /* and whoever may be left from writing */
	_Atomic bool lost; /* alone, and no longer: no transaction begins */
	struct pg_dial *dial;
	char node[PG_NODE_SIZE]; /* whose notifications are our own */
	int stop_fd;
	bool running;
	pthread_t thread;
	PGconn *h; /* the thread's; NULL: lost */
};

/*
 * Listens when it returns, and holds the lock by which copies and nodes keep
 * out of each other's way (ERR_CONFLICT).
 */
MUST_CHECK bool store_pgsql_listen_start(
    struct pg_listen *l, struct pgsql *q, struct err *e);
void store_pgsql_listen_stop(struct pg_listen *l);
/* Queues the notification; sent with the commit. */
MUST_CHECK bool store_pgsql_notify_queue(
    struct pg_conn *c, const char *node, const char *channel, struct err *e);

/* ---- the driver ---- */

struct pgsql {
	struct store base; /* first */
	struct pg_dial dial;
	struct pg_conn write_conn; /* the writer's */
	struct store_writer writer;
	struct pg_pool readers;
	struct pg_listen listen;
	enum store_use use;
};

/* ---- schema ---- */

/*
 * Waits for other nodes that do the same.  ERR_CONFLICT: not one of our
 * databases; store_schema_fits().
 */
MUST_CHECK bool store_pgsql_migrate(
    PGconn *h, enum store_use use, struct err *e);
