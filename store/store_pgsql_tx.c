/*
 * Statements of a transaction.  After an error PostgreSQL runs nothing more
 * until it is undone up to a savepoint; so a statement that may fail behind
 * others of its transaction has a savepoint of its own.  Savepoints, and the
 * BEGIN of a reader, are sent with the statement and cost no round trip.
 *
 * A savepoint still costs the server about as much as a small statement.  The
 * first run of store_write() does without, as long as it only reads, and
 * writes what nobody waits for: that is held until the commit.  Should one of
 * these statements fail, which is a fault of ours, or of the server, then the
 * whole shared transaction is run again by all in it, with savepoints.
 *
 * A struct pg_tx belongs to the thread that began it.
 */
#include "store/store_pgsql_priv.h"

static bool
usable(const struct pg_tx *tx, struct err *e)
{
	if (tx->member.broken)
		*e = tx->member.waiter.failure;
	else if (tx->dead)
		*e = tx->failure;
	return !tx->member.broken && !tx->dead;
}

static void
die(struct pg_tx *tx, const struct err *why)
{
	tx->dead = true;
	tx->failure = *why;
}

/* That of the transaction, and behind it what was held. */
static bool
secure(struct pg_tx *tx, struct err *e)
{
	struct pg_conn *c = tx->conn;

	if (!c->saved && !store_pgsql_queue(c, PG_SAVE_TX, e))
		return false;
	c->saved = true;
	if (tx->held.first == NULL)
		return true;
	tx->wrote = tx->queued = true;
	tx->fresh = false;
	return store_pgsql_held_queue(&tx->held, c, e);
}

/* What has to be there before a statement that may fail. */
static bool
queue_before(struct pg_tx *tx, bool reads, struct err *e)
{
	struct pg_conn *c = tx->conn;

	if (tx->base.mode == STORE_READ) {
		if (tx->base.one || c->state != PG_IDLE)
			return true;
		c->state = PG_OPEN;
		return store_pgsql_queue(c, PG_BEGIN_READ, e);
	}
	if ((!reads || !tx->base.later || tx->held.first != NULL) &&
	    !secure(tx, e))
		return false;
	if (reads || !tx->wrote || tx->fresh)
		return true;
	if (tx->saved && !store_pgsql_queue(c, PG_RELEASE_STMT, e))
		return false;
	tx->saved = tx->fresh = true;
	return store_pgsql_queue(c, PG_SAVE_STMT, e);
}

/* Undoes the statement if that keeps the rest, or else the transaction. */
static void
undo(struct pg_tx *tx, const struct err *why)
{
	enum pg_command how = tx->fresh ? PG_UNDO_STMT : PG_UNDO_TX;
	struct err ignored;

	if (!tx->fresh && tx->wrote)
		die(tx, why);
	if (!tx->fresh)
		tx->saved = false;
	if (!store_pgsql_queue(tx->conn, how, &ignored))
		die(tx, why);
}

/* How running a statement came out. */
enum outcome {
	DONE,
	REFUSED, /* by us; nothing was sent */
	FAILED,  /* the statement did */
	LOST     /* the connection, or what was queued before it failed */
};

static enum outcome
prepare(struct pg_tx *tx, const char *sql, struct pg_stmt **out, struct err *e)
{
	bool mine = false;

	*out = store_pgsql_stmt_find(tx->conn, sql);
	if (*out != NULL)
		return DONE;
	if (!queue_before(tx, false, e))
		return LOST;
	if (!store_pgsql_stmt_prepare(tx->conn, sql, out, &mine, e))
		return mine ? FAILED : LOST;
	return DONE;
}

static enum outcome
attempt(struct pg_tx *tx, const char *sql, const struct store_value *args,
    PGresult **out, struct err *e)
{
	struct pg_stmt *s;
	enum outcome prepared = prepare(tx, sql, &s, e);
	struct pg_round others;
	bool mine = false;

	if (prepared != DONE)
		return prepared;
	if (!store_pgsql_stmt_check(s, args, e))
		return REFUSED;
	store_pgsql_ahead_ask(tx, &others);
	if (!queue_before(tx, s->reads, e) ||
	    !store_pgsql_stmt_queue(tx->conn, s, args, e))
		return LOST;
	if (!store_pgsql_trip(tx->conn, 1, out, &mine, e)) {
		store_pgsql_ahead_forget(tx, &others);
		return mine ? FAILED : LOST;
	}
	if (!s->reads) {
		tx->wrote = true;
		tx->fresh = false;
	}
	return DONE;
}

/*
 * A connection that was lost while it idled shows it at the first statement.
 * Nothing was told to anybody yet, so it may be run on a new one.
 */
static bool
begin_again(struct pg_tx *tx)
{
	struct pgsql *q = (struct pgsql *)tx->base.st;
	struct pg_conn *c = tx->conn;
	struct err ignored;

	if (c->answered || tx->queued || tx->held.first != NULL ||
	    !store_pgsql_lost(c))
		return false;
	c->state = PG_FAILED;
	if (tx->base.mode == STORE_READ)
		return store_pgsql_conn_ready(c, &ignored);
	return q->writer.member_count == 0 &&
	       store_pgsql_writer_ops.begin(c, &ignored) &&
	       store_pgsql_writer_ops.save(c, &ignored);
}

static void
after_failure(
    struct pg_tx *tx, enum outcome how, const char *sql, struct err *e)
{
	struct pgsql *q = (struct pgsql *)tx->base.st;

	/* A conflict is told to the outside. */
	if (e->code != ERR_CONFLICT)
		err_slug(e, e->code, e->slug, "%s: %s", e->text, sql);
	if (how == LOST) {
		/* Nobody's work is kept, whoever's fault it was. */
		tx->conn->state = PG_FAILED;
		e->code = ERR_UNAVAILABLE;
		e->slug = STORE_AGAIN;
	}
	tx->base.again = str_eq(e->slug, STORE_AGAIN);
	if (tx->base.mode == STORE_READ)
		die(tx, e);
	else if (how == FAILED)
		undo(tx, e);
	else
		store_writer_failed(&q->writer, &tx->member, e);
}

static bool
run(struct pg_tx *tx, const char *sql, const struct store_value *args,
    PGresult **out, struct err *e)
{
	enum outcome how;

	if (!usable(tx, e))
		return false;
	how = attempt(tx, sql, args, out, e);
	if (how == LOST && begin_again(tx))
		how = attempt(tx, sql, args, out, e);
	/* There is nothing to go back to. */
	if (how == FAILED && tx->base.mode == STORE_WRITE && !tx->conn->saved)
		how = LOST;
	if (how == FAILED || how == LOST)
		after_failure(tx, how, sql, e);
	return how == DONE;
}

/* ---- what is not awaited ---- */

static enum outcome
queue(struct pg_tx *tx, const char *sql, const struct store_value *args,
    struct err *e)
{
	struct pg_stmt *s;
	enum outcome prepared = prepare(tx, sql, &s, e);

	if (prepared != DONE)
		return prepared;
	if (!store_pgsql_stmt_check(s, args, e))
		return REFUSED;
	if (!s->reads) {
		store_pgsql_hold(&tx->held, s, args);
		return DONE;
	}
	if (!queue_before(tx, true, e) ||
	    !store_pgsql_stmt_queue(tx->conn, s, args, e))
		return LOST;
	tx->queued = true;
	return DONE;
}

bool
store_pgsql_exec_later(struct store_tx *base, const char *sql,
    const struct store_value *args, struct err *e)
{
	struct pg_tx *tx = (struct pg_tx *)base;
	enum outcome how;

	if (!usable(tx, e))
		return false;
	how = queue(tx, sql, args, e);
	if (how == FAILED || how == LOST)
		after_failure(tx, how, sql, e);
	return how == DONE;
}

bool
store_pgsql_query_later(struct store_tx *base, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e)
{
	if (!store_pgsql_exec_later(base, sql, args, e))
		return false;
	*out = store_pgsql_rows_new(base, NULL);
	return true;
}

bool
store_pgsql_await(struct pg_tx *tx, struct err *e)
{
	bool ignored;

	if (!usable(tx, e))
		return false;
	if (store_pgsql_trip(tx->conn, 0, NULL, &ignored, e))
		return true;
	after_failure(tx, LOST, "statements sent together", e);
	return false;
}

bool
store_pgsql_last(struct pg_tx *tx, struct err *e)
{
	if (tx->dead) {
		*e = tx->failure;
		return false;
	}
	/* Committing says why. */
	if (tx->member.broken)
		return true;
	if (!store_pgsql_held_queue(&tx->held, tx->conn, e))
		return false;
	store_pgsql_hurry(tx->conn);
	return true;
}

bool
store_pgsql_exec(struct store_tx *base, const char *sql,
    const struct store_value *args, int64_t *changed_out, struct err *e)
{
	struct pg_tx *tx = (struct pg_tx *)base;
	AUTO(store_pgsql_result_free) PGresult *res = NULL;
	const char *tuples;

	if (base->mode == STORE_READ)
		return err_set(
		    e, ERR_INTERNAL, "a write in a read transaction: %s", sql);
	if (!run(tx, sql, args, &res, e))
		return false;
	if (PQresultStatus(res) == PGRES_TUPLES_OK)
		return err_set(
		    e, ERR_INTERNAL, "rows where none belong: %s", sql);
	tuples = PQcmdTuples(res);
	if (changed_out != NULL &&
	    !str_to_i64(tuples, 0, INT64_MAX, changed_out))
		*changed_out = 0;
	return true;
}

bool
store_pgsql_query(struct store_tx *base, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e)
{
	struct pg_tx *tx = (struct pg_tx *)base;
	PGresult *res = NULL;

	if (!usable(tx, e) || (!store_pgsql_ahead_take(tx, sql, args, &res) &&
	                          !run(tx, sql, args, &res, e)))
		return false;
	store_pgsql_ahead_learn(tx, sql, res);
	*out = store_pgsql_rows_new(base, res);
	return true;
}
