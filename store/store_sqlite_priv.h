/*
 * The parts of the SQLite driver, seen from each other:
 *
 *	store_sqlite_conn.c        a connection, its settings, error mapping
 *	store_sqlite_stmt.c        prepared statements of one connection
 *	store_sqlite_readers.c     the pool of read connections
 *	store_sqlite_writer.c      what the writer's turns run here
 *	store_sqlite_checkpoint.c  moves the WAL into the database
 *	store_sqlite_migrate.c     brings the schema up to date
 *	store_sqlite.c             the driver's table, open, close, backup
 */
#pragma once

#include <pthread.h>
#include <sqlite3.h>

#include "store/store_pool_priv.h"
#include "store/store_writer_priv.h"

/* ---- connections and statements: one thread at a time ---- */

enum sq_role { SQ_WRITER, SQ_READER, SQ_CHECKPOINT };

struct sq_conn {
	sqlite3 *db;
	/* Prepared statements by the address of their SQL: open addressing,
	 * cap is a power of two, NULL is free. */
	struct sq_stmt **slots;
	size_t cap, used;
};

struct sq_stmt {
	struct store_rows rows; /* what a query hands out; first */
	const char *sql;
	sqlite3_stmt *h;
	bool busy;   /* a query reads its rows */
	bool cached; /* in the table of its connection */
	uint8_t params;
	uint8_t index[STORE_ARGS_MAX]; /* SQLite's index of $1, $2, ... */
};

/* The file must exist. */
MUST_CHECK bool store_sqlite_conn_open(
    struct sq_conn *c, const char *path, enum sq_role role, struct err *e);
/* Accepts a connection that was never opened. */
void store_sqlite_conn_close(struct sq_conn *c);
/* Runs a statement (a literal) without parameters; rows are ignored. */
MUST_CHECK bool store_sqlite_conn_run(
    struct sq_conn *c, const char *sql, struct err *e);
/* As store_sqlite_conn_run() for text of any number of statements. */
MUST_CHECK bool store_sqlite_conn_script(
    struct sq_conn *c, const char *sql, struct err *e);
/* Sets e from the connection's last error; always false. */
bool store_sqlite_conn_err(
    const struct sq_conn *c, int rc, const char *what, struct err *e);

/*
 * Finds or prepares the statement and binds args to it; it stays busy until
 * store_sqlite_stmt_release().  With copy, text and blobs are copied.
 */
MUST_CHECK bool store_sqlite_stmt_get(struct sq_conn *c, const char *sql,
    const struct store_value *args, bool copy, struct sq_stmt **out,
    struct err *e);
void store_sqlite_stmt_release(struct sq_stmt *s);
/* Finalizes all; none may be busy. */
void store_sqlite_stmt_clear(struct sq_conn *c);

/* ---- transactions ---- */

struct sq_tx {
	struct store_tx base; /* first */
	struct sq_conn *conn;
	struct store_member member; /* STORE_WRITE */
	struct sq_reader *reader;   /* STORE_READ */
};

/* Its connection is a struct sq_conn. */
extern const struct store_writer_ops store_sqlite_writer_ops;

/* ---- the readers ---- */

struct sq_reader {
	struct store_pooled pooled;
	struct sq_tx tx; /* its only transaction */
	struct sq_conn conn;
};

struct sq_readers {
	struct store_pool pool;
	const char *path;
};

/* path is borrowed.  Connections are opened when they are first needed. */
void store_sqlite_readers_init(struct sq_readers *p, const char *path, int max);
/* All must have been given back. */
void store_sqlite_readers_close(struct sq_readers *p);
/* Waits while all are in use. */
MUST_CHECK bool store_sqlite_readers_take(
    struct sq_readers *p, struct sq_reader **out, struct err *e);
void store_sqlite_readers_give(struct sq_readers *p, struct sq_reader *r);

/* ---- checkpoints ---- */

struct sq_checkpoint {
	struct store_writer *writer;
	struct sq_conn *writer_conn;
	struct sq_conn conn; /* the thread's */
	int due_pages;       /* of the writer's turn: next time to wake it */
	atomic_bool asked, stop;
	sem_t wake;
	pthread_t thread;
};

/* Starts the thread and hooks it to the commits of writer_conn. */
MUST_CHECK bool store_sqlite_checkpoint_start(struct sq_checkpoint *k,
    struct store_writer *w, const char *path, struct err *e);
void store_sqlite_checkpoint_stop(struct sq_checkpoint *k);

/* ---- schema ---- */

/* ERR_CONFLICT: not one of our databases; store_schema_fits(). */
MUST_CHECK bool store_sqlite_migrate(
    struct sq_conn *c, enum store_use use, struct err *e);
