/*
 * What the writer (store_writer.c) runs on its PostgreSQL connection.  All but
 * the end of the shared transaction is only queued, and goes out with the
 * first statement behind it.
 *
 * The shared transaction holds a lock of the database, so that the writers of
 * all nodes are serial, as those of SQLite are.
 *
 * No state; called by the thread that has the writer's turn.
 */
#include "store/store_pgsql_priv.h"

/*
 * A round trip is slower than a call of SQLite, and a commit here is a flush
 * of the server's log: the batch may be older.  Only who is in line makes
 * it so; whoever is alone is committed at once.  The nodes take turns by it.
 * Each savepoint that writes, which most transactions do without, has a
 * transaction number; beyond 64 of them readers become slower.
 */
enum { BATCH_MAX = 64, BATCH_US = 20000 };

static bool
begin(void *conn, struct err *e)
{
	struct pg_conn *c = conn;

	if (!store_pgsql_conn_ready(c, e))
		return false;
	c->notified[0] = NULL;
	c->state = PG_OPEN;
	store_pgsql_ahead_begin(&c->ahead);
	store_pgsql_result_free(&c->locked);
	if (!store_pgsql_queue(c, PG_BEGIN_WRITE, e) ||
	    !store_pgsql_queue(c, PG_LOCK, e))
		return false;
	store_pgsql_want(c, &c->locked_want, &c->locked);
	return true;
}

/* The savepoint itself is made where there is something to undo. */
static bool
save(void *conn, struct err *e)
{
	struct pg_conn *c = conn;

	(void)e;
	c->saved = false;
	return true;
}

static bool
release(void *conn, struct err *e)
{
	struct pg_conn *c = conn;

	return !c->saved || store_pgsql_queue(conn, PG_RELEASE_TX, e);
}

static bool
undo(void *conn, struct err *e)
{
	struct pg_conn *c = conn;

	return !c->saved || (store_pgsql_queue(conn, PG_UNDO_TX, e) &&
	                        store_pgsql_queue(conn, PG_RELEASE_TX, e));
}

/* Sends COMMIT or ROLLBACK; *res is its answer. */
static bool
end(struct pg_conn *c, enum pg_command how, PGresult **res, struct err *e)
{
	bool mine = false, ok;

	ok = store_pgsql_queue(c, how, e) &&
	     store_pgsql_trip(c, 1, res, &mine, e);
	c->state = ok || mine ? PG_IDLE : PG_FAILED;
	return ok;
}

static bool
rollback(void *conn, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *res = NULL;

	return end(conn, PG_ROLLBACK, &res, e);
}

static void
read_number(const struct pg_conn *c, struct pg_number *out)
{
	*out = (struct pg_number){ 0 };
	str_copy_cut(out->lineage, sizeof(out->lineage), c->lineage);
	if (c->locked != NULL)
		str_copy_cut(
		    out->xid, sizeof(out->xid), PQgetvalue(c->locked, 0, 1));
}

/* Why there was no good answer, and whether the commit took place. */
static bool
after_commit(struct pg_conn *c, const struct pg_number *n, struct err *e)
{
	struct err ignored;

	if (store_pgsql_lost(c))
		return store_pgsql_outcome(c->dial, n, e);
	if (c->state == PG_IDLE)
		return false; /* the COMMIT failed */
	/* One of the statements before it did: it was passed over. */
	(void)!rollback(c, &ignored);
	return err_slug(e, ERR_UNAVAILABLE, STORE_AGAIN, "%s", e->text);
}

/*
 * A server that waits for its synchronous standby and is told to stop that
 * (a timeout, an administrator) answers COMMIT with a warning: the standby may
 * not have it, and it would be lost with the server.  So nobody is told that
 * it took place.
 */
static bool
commit(void *conn, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *res = NULL;
	struct pg_conn *c = conn;
	struct pg_number number;
	struct err ignored;

	read_number(c, &number);
	c->warned = false;
	if (!end(c, PG_COMMIT, &res, e))
		return after_commit(c, &number, e);
	if (c->warned) {
		(void)!store_pgsql_drop(c, &ignored);
		return err_set(e, ERR_UNAVAILABLE,
		    "the commit is not known to have reached the standby");
	}
	/* So the server ends a transaction that an error had undone. */
	if (!str_eq(PQcmdStatus(res), "COMMIT"))
		return err_set(e, ERR_INTERNAL, "the transaction was undone");
	return true;
}

static bool
intact(const void *conn)
{
	const struct pg_conn *c = conn;

	return c->state == PG_OPEN && !store_pgsql_lost(c);
}

const struct store_writer_ops store_pgsql_writer_ops = {
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
