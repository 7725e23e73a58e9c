/*
 * What the writer (store_writer.c) runs on SQLite's write connection: the
 * shared transaction and a savepoint for each of its members.
 *
 * No state; called by the thread that has the writer's turn.
 */
#include "store/store_sqlite_priv.h"

enum { BATCH_MAX = 128, BATCH_US = 2000 };

static bool
begin(void *conn, struct err *e)
{
	return store_sqlite_conn_run(conn, "BEGIN IMMEDIATE", e);
}

static bool
save(void *conn, struct err *e)
{
	return store_sqlite_conn_run(conn, "SAVEPOINT tx", e);
}

static bool
release(void *conn, struct err *e)
{
	return store_sqlite_conn_run(conn, "RELEASE tx", e);
}

static bool
undo(void *conn, struct err *e)
{
	return store_sqlite_conn_run(conn, "ROLLBACK TO tx", e) &&
	       store_sqlite_conn_run(conn, "RELEASE tx", e);
}

static bool
commit(void *conn, struct err *e)
{
	return store_sqlite_conn_run(conn, "COMMIT", e);
}

static bool
rollback(void *conn, struct err *e)
{
	return store_sqlite_conn_run(conn, "ROLLBACK", e);
}

static bool
intact(const void *conn)
{
	const struct sq_conn *c = conn;

	return !sqlite3_get_autocommit(c->db);
}

const struct store_writer_ops store_sqlite_writer_ops = {
	.batch_max = BATCH_MAX,
	.batch_us = BATCH_US,
	.begin = begin,
	.save = save,
	.release = release,
	.undo = undo,
	.commit = commit,
	.rollback = rollback,
	.intact = intact,
};
