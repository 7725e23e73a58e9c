/*
 * The database: transactions and prepared statements over one of the drivers
 * (store_sqlite*.c, store_pgsql*.c).
 *
 * SQL is written once by the domain's *_db.c files, in the dialect that
 * SQLite 3.40 and PostgreSQL 15 share, with $1 parameters, each statement a
 * string literal (its address keys the cache of prepared statements).  A
 * parameter whose type nothing around it tells is cast, as in CAST($1 AS
 * TEXT) IS NULL.  Times are BIGINT Unix milliseconds, ids TEXT, documents JSON
 * in TEXT, bytes BLOB (the PostgreSQL driver reads BYTEA).
 *
 * Readers have connections of their own and never wait for a writer.  Writers
 * take turns on one connection, each in a savepoint of a shared transaction;
 * store_commit() returns when that transaction is on disk, so waiting writers
 * pay for one sync together (group commit).  A write transaction therefore
 * does nothing slow between begin and commit: parse, sign and encrypt before
 * or after.  With PostgreSQL the shared transaction holds a lock of the
 * database, so that the writers of all nodes are serial.  The schema has no
 * deferred constraints: they would fail at the shared commit, for everybody
 * in it.
 *
 * Whoever can runs a write with store_write(): it survives lost connections,
 * and may send statements without waiting for each.
 *
 * struct store may be used by any thread; a struct store_tx and its rows
 * belong to the thread that began it.
 */
#pragma once

#include "core/str.h"

struct store;
struct store_tx;
struct store_rows;

enum store_mode {
	STORE_READ,     /* one consistent snapshot; writing in it is a bug */
	STORE_READ_ONE, /* of a single statement, which is cheaper */
	STORE_WRITE
};

/* What a database is opened for: see store_open(). */
enum store_use {
	STORE_WORK,
	STORE_LOOK,      /* reads beside a server that works */
	STORE_COPY_FROM, /* store/store_copy.h */
	STORE_COPY_TO
};

struct store_options {
	/*
	 * A SQLite file, made with mode 0600 if absent; or the address of a
	 * PostgreSQL database, "postgresql://user@host/name?sslmode=...",
	 * with everything that libpq understands in it.
	 */
	const char *path;
	int readers; /* most simultaneous read transactions; 0: 16 */
	enum store_use use;
};
/* The path is the address of a PostgreSQL database. */
bool store_is_address(const char *path);

/*
 * Opens and migrates.  ERR_CONFLICT: the database is newer than this program
 * or in use by another one; ERR_UNAVAILABLE: it cannot be opened; ERR_INVALID:
 * the address is no address, or the server is too old.
 *
 * Looking needs no turn with a server that has the same file open: there is
 * no write transaction, and the schema has to be this program's.
 *
 * A copy excludes everybody else from the database, on PostgreSQL as well,
 * and migrates nothing: the schema of what it reads has to be this program's
 * (ERR_CONFLICT; ERR_NOT_FOUND: there is nothing), and of what it fills, if
 * there is any.  For work a half-filled copy is not opened (ERR_CONFLICT).
 */
MUST_CHECK bool store_open(
    const struct store_options *o, struct store **out, struct err *e);
/* Waits for the transactions under way; deferred writes are made. */
void store_close(struct store **st);

/*
 * A write transaction waits for its turn; beginning a second one in the same
 * thread is a bug (asserted).  *out must go to store_commit() or
 * store_rollback(); declare it AUTO(store_rollback).
 */
MUST_CHECK bool store_begin(struct store *st, enum store_mode mode,
    struct store_tx **out, struct err *e);
/*
 * Returns true when what was written is on disk.  On failure nothing of this
 * transaction was kept; only when the connection to PostgreSQL is lost in the
 * very commit (ERR_UNAVAILABLE) it may have been.  Either way *tx is gone and
 * NULL.
 */
MUST_CHECK bool store_commit(struct store_tx **tx, struct err *e);
void store_rollback(struct store_tx **tx);

/*
 * A write transaction as a function: begins, runs fn, and commits if that
 * returned true.  What the database undid for reasons of its own (a deadlock,
 * a serialization failure, a connection lost before or in a commit that did
 * not take place) is run again, some times, after a short wait that differs
 * by thread.  fn must therefore leave nothing behind but rows, or put back
 * what it left when it is called again.  Fails as store_begin(),
 * fn and store_commit() do.
 */
MUST_CHECK bool store_write(struct store *st,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    struct err *e);

/* Parameter values.  Text and blobs are borrowed for the call only. */
enum store_type { STORE_END, STORE_NULL, STORE_INT, STORE_TEXT, STORE_BLOB };
struct store_value {
	enum store_type type;
	int64_t n;
	struct slice s;
};
struct store_value store_value_text(const char *s);  /* NULL: SQL NULL */
struct store_value store_value_blob(struct slice s); /* p NULL: SQL NULL */

/* clang-format off */
#define S_TEXT(s)	store_value_text(s)
#define S_BLOB(s)	store_value_blob(s)
#define S_INT(i)	((struct store_value){ .type = STORE_INT, .n = (i) })
#define S_NULL		((struct store_value){ .type = STORE_NULL })
/* NULL instead of "" and of 0: for texts and times that may be absent. */
#define S_MAYBE(s)	store_value_text(str_empty(s) ? NULL : (s))
#define S_TIME(i)	((i) != 0 ? S_INT(i) : S_NULL)
/* Begins with a value that is skipped, so that S_ARGS() is right too. */
#define S_ARGS(...)	((const struct store_value[]){ S_NULL, ##__VA_ARGS__, { .type = STORE_END } } + 1)
/* clang-format on */
/*
 * The pattern for whatever has this part, for "LOWER(t.a) LIKE LOWER($1)
 * ESCAPE '!'": LIKE alone knows upper case with one driver and not with the
 * other, and A to Z is all whose case is the same to both.  LIKE's own
 * characters in the part stand for themselves.  NULL for NULL and "".
 */
char *store_like(const char *part);

/*
 * Runs a statement that returns no rows:
 *
 *	store_exec(tx, "UPDATE t SET a = $1 WHERE id = $2",
 *	    S_ARGS(S_INT(3), S_TEXT(id)), &changed, e)
 *
 * changed_out (may be NULL) gets the number of rows written.  ERR_CONFLICT: a
 * unique or foreign key constraint; the transaction remains usable.  After
 * ERR_UNAVAILABLE (disk full, I/O error) it may be lost: every later call and
 * the commit then fail with the same error.  ERR_INVALID: text that is not
 * UTF-8 (PostgreSQL).  At most 64 parameters, and as many args as the
 * statement has.
 */
MUST_CHECK bool store_exec(struct store_tx *tx, const char *sql,
    const struct store_value *args, int64_t *changed_out, struct err *e);

/*
 * As store_exec(), for statements that only a fault of ours can fail, and
 * whose number of rows nobody wants.  Within store_write() it may be sent
 * with what comes next, at the latest with the commit; if it fails then, so
 * does that, and the transaction runs again with each statement awaited.
 */
MUST_CHECK bool store_exec_later(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct err *e);

/* Rows must be freed before the transaction ends (AUTO(store_rows_free)). */
MUST_CHECK bool store_query(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e);
/*
 * As store_query(), for several that do not need each other's results: within
 * store_write() they travel together, and the first store_next() on one of
 * them waits for all.  Write nothing before that.
 */
MUST_CHECK bool store_query_later(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e);
/* Moves to the next row; *more is false behind the last one. */
MUST_CHECK bool store_next(struct store_rows *r, bool *more, struct err *e);
void store_rows_free(struct store_rows **r);
/*
 * Columns of the present row, from 0.  NULL reads as NULL, 0 or an empty
 * slice.  Borrowed until store_next() or store_rows_free().
 */
const char *store_text(const struct store_rows *r, int col);
int64_t store_int(const struct store_rows *r, int col);
struct slice store_blob(const struct store_rows *r, int col);
bool store_null(const struct store_rows *r, int col);
/* Copies a text as str_copy_cut() does; "" for NULL.  size includes the NUL. */
void store_text_copy(
    const struct store_rows *r, int col, char *out, size_t size);

/*
 * Telemetry: a statement to be run soon (within a second), by the way, in
 * some later transaction.  Nobody is told whether it was, and a crash may
 * lose it: never for anything that is acknowledged.  Args are copied.
 */
void store_defer(
    struct store *st, const char *sql, const struct store_value *args);

/*
 * After commit, calls the functions that listen on the channel: how work
 * queued by one thread (or, with PostgreSQL, one node) wakes another.
 * Channels are string literals: STORE_CHANNEL_*.
 */
#define STORE_CHANNEL_PUSH "push"       /* an enrolment became push due */
#define STORE_CHANNEL_EVENT "event"     /* the feed grew */
#define STORE_CHANNEL_TOUCH "touch"     /* see store_watch.h */
#define STORE_CHANNEL_REVOKED "revoked" /* a CRL has to be made */
/* A request was queued for an upstream, or has its answer. */
#define STORE_CHANNEL_UPSTREAM "upstream"
void store_notify(struct store_tx *tx, const char *channel);
/*
 * fn runs on the committing thread, after the commit, or on a thread of the
 * driver that heard of another node's commit: be quick, take no transaction,
 * and neither listen nor unlisten.  It may be called once too
 * often: look whether there is anything to do.
 */
void store_listen(
    struct store *st, const char *channel, void (*fn)(void *arg), void *arg);
/* Waits for a call that is under way; afterwards fn is not called with arg any
 * more.  What was never registered is left alone. */
void store_unlisten(struct store *st, void (*fn)(void *arg), void *arg);

/* For /metrics and /readyz. */
struct store_stats {
	int64_t commits;    /* syncs to disk */
	int64_t writes;     /* write transactions committed */
	int64_t reads;      /* read transactions */
	int64_t statements; /* executed */
	int64_t deferred;   /* deferred writes made */
	int64_t dropped;    /* deferred writes given up, the queue being full */
	int64_t waiting;    /* writers waiting now */
	int64_t round_trips; /* times a thread waited for a remote database */
	int64_t retries;     /* write transactions run again */
};
void store_stats(struct store *st, struct store_stats *out);
/* A trivial read; for /readyz. */
MUST_CHECK bool store_ping(struct store *st, struct err *e);
/*
 * A consistent copy of the database at path (mode 0600), made while running.
 * ERR_CONFLICT: there is a file already.  ERR_INVALID: PostgreSQL has its own
 * tools for this.
 */
MUST_CHECK bool store_backup(struct store *st, const char *path, struct err *e);
