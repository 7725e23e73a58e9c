/*
 * One PostgreSQL connection in libpq's pipeline mode: commands are queued and
 * go out together with what somebody waits for.
 *
 * A struct pg_conn is used by one thread at a time: the writer's by whoever
 * has the turn, a reader's by the thread that took it from the pool.
 */
#include <poll.h>

#include "store/store_pgsql_priv.h"

/* So many commands are worth sending before anybody waits for them: the server
 * works on them meanwhile. */
enum { HURRY = 24 };

/*
 * Names are what the server knows the prepared command by.  READ COMMITTED
 * with the lock taken first is as good as serial execution: each statement
 * sees all that was committed before the lock was given to us.
 */
static const struct {
	const char *name, *sql;
} commands[] = {
	[PG_BEGIN_READ] = { "begin_read",
	    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" },
	[PG_BEGIN_WRITE] = { "begin_write",
	    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE" },
	[PG_LOCK] = { "lock", "SELECT pg_advisory_xact_lock(1836414067, 1), "
	                      "CAST(pg_current_xact_id() AS TEXT)" },
	[PG_COMMIT] = { "commit", "COMMIT" },
	[PG_ROLLBACK] = { "rollback", "ROLLBACK" },
	[PG_SAVE_TX] = { "save_tx", "SAVEPOINT tx" },
	[PG_RELEASE_TX] = { "release_tx", "RELEASE SAVEPOINT tx" },
	[PG_UNDO_TX] = { "undo_tx", "ROLLBACK TO SAVEPOINT tx" },
	[PG_SAVE_STMT] = { "save_stmt", "SAVEPOINT stmt" },
	[PG_RELEASE_STMT] = { "release_stmt", "RELEASE SAVEPOINT stmt" },
	[PG_UNDO_STMT] = { "undo_stmt", "ROLLBACK TO SAVEPOINT stmt" },
};

bool
store_pgsql_lost(const struct pg_conn *c)
{
	return c->h == NULL || PQstatus(c->h) != CONNECTION_OK;
}

void
store_pgsql_conn_close(struct pg_conn *c)
{
	store_pgsql_stmt_clear(c);
	PQclear(c->locked);
	PQfinish(c->h);
	*c = (struct pg_conn){ .dial = c->dial,
		.ahead.generation = c->ahead.generation };
}

bool
store_pgsql_drop(struct pg_conn *c, struct err *e)
{
	store_pgsql_err(c->h, NULL, e);
	c->state = PG_FAILED;
	PQfinish(c->h);
	c->h = NULL;
	c->queued = c->flushed = c->posted = 0;
	c->wants = NULL;
	return false;
}

void
store_pgsql_want(struct pg_conn *c, struct pg_want *w, PGresult **out)
{
	struct pg_want **end = &c->wants;

	while (*end != NULL)
		end = &(*end)->next;
	*w = (struct pg_want){ .at = c->queued - 1, .out = out };
	*end = w;
}

void
store_pgsql_unwant(struct pg_conn *c, const struct pg_want *w)
{
	struct pg_want **at = &c->wants;

	while (*at != NULL && *at != w)
		at = &(*at)->next;
	if (*at != NULL)
		*at = w->next;
}

bool
store_pgsql_queue(struct pg_conn *c, enum pg_command what, struct err *e)
{
	if (store_pgsql_lost(c))
		return store_pgsql_drop(c, e);
	if (!PQsendQueryPrepared(
	        c->h, commands[what].name, 0, NULL, NULL, NULL, 1))
		return store_pgsql_drop(c, e);
	c->queued++;
	return true;
}

/* ---- answers ---- */

/* The answer to one command; NULL: there is none, the connection is lost. */
static PGresult *
read_answer(struct pg_conn *c)
{
	PGresult *res = PQgetResult(c->h), *more;

	while (res != NULL && (more = PQgetResult(c->h)) != NULL)
		PQclear(more);
	return res;
}

static bool
read_sync(struct pg_conn *c)
{
	PGresult *res = PQgetResult(c->h);
	bool ok = PQresultStatus(res) == PGRES_PIPELINE_SYNC;

	PQclear(res);
	return ok;
}

static bool
good(const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_EMPTY_QUERY;
}

/* Whatever the posted commands did; they ended a transaction. */
static bool
read_posted(struct pg_conn *c, struct err *e)
{
	bool any = c->posted > 0;

	for (; c->posted > 0; c->posted--)
		PQclear(read_answer(c));
	if (any && !read_sync(c))
		return store_pgsql_drop(c, e);
	return true;
}

/* Gives the answer to whoever wants it. */
static bool
hand_over(struct pg_conn *c, int at, PGresult *res)
{
	struct pg_want *w = c->wants;

	if (w == NULL || w->at != at)
		return false;
	*w->out = res;
	c->wants = w->next;
	return true;
}

/*
 * Reads the answers to n commands.  *failed_at is the first that failed, or n;
 * its error is in e.  *last is the answer to the last one.
 */
static bool
read_answers(
    struct pg_conn *c, int n, int *failed_at, PGresult **last, struct err *e)
{
	*failed_at = n;
	for (int i = 0; i < n; i++) {
		PGresult *res = read_answer(c);

		if (res == NULL)
			return false;
		if (!good(res) && *failed_at == n) {
			store_pgsql_err(c->h, res, e);
			*failed_at = i;
		}
		PQclear(*last);
		*last = NULL;
		if (*failed_at < n || !hand_over(c, i, res))
			*last = res;
	}
	c->wants = NULL;
	return read_sync(c);
}

bool
store_pgsql_trip(
    struct pg_conn *c, int mine, PGresult **out, bool *failed, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *last = NULL;
	struct err said = { 0 };
	int n = c->queued, failed_at;

	*failed = false;
	if (store_pgsql_lost(c) || !PQpipelineSync(c->h))
		return store_pgsql_drop(c, e);
	atomic_fetch_add_explicit(
	    &c->dial->counters->round_trips, 1, memory_order_relaxed);
	c->queued = c->flushed = 0;
	if (!read_posted(c, e))
		return false;
	if (!read_answers(c, n, &failed_at, &last, &said)) {
		store_pgsql_drop(c, e);
		/* The server's last words say more than libpq. */
		if (said.code != ERR_NONE)
			err_slug(
			    e, ERR_UNAVAILABLE, STORE_AGAIN, "%s", said.text);
		return false;
	}
	c->answered = true;
	if (failed_at < n) {
		*e = said;
		*failed = failed_at >= n - mine;
		return false;
	}
	if (out != NULL)
		*out = TAKE(last);
	return true;
}

void
store_pgsql_hurry(struct pg_conn *c)
{
	if (c->queued - c->flushed < HURRY || store_pgsql_lost(c))
		return;
	/* Whether the connection is lost shows with the next trip. */
	(void)PQflush(c->h);
	c->flushed = c->queued;
}

void
store_pgsql_post(struct pg_conn *c)
{
	struct err ignored;

	if (store_pgsql_lost(c) || !read_posted(c, &ignored) ||
	    !PQpipelineSync(c->h)) {
		store_pgsql_drop(c, &ignored);
		return;
	}
	c->posted = c->queued;
	c->queued = c->flushed = 0;
}

/* ---- opening ---- */

static bool
prepare_commands(struct pg_conn *c, struct err *e)
{
	bool ignored;

	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!PQsendPrepare(
		        c->h, commands[i].name, commands[i].sql, 0, NULL))
			return store_pgsql_drop(c, e);
		c->queued++;
	}
	if (!PQsendPrepare(c->h, PG_NOTIFY,
	        "SELECT pg_notify('" PG_CHANNEL "', $1)", 0, NULL))
		return store_pgsql_drop(c, e);
	c->queued++;
	return store_pgsql_trip(c, 0, NULL, &ignored, e);
}

/*
 * The server ended an idle connection: it can be read, although nothing is
 * awaited.
 */
static bool
gone(struct pg_conn *c)
{
	struct pollfd p = { .fd = PQsocket(c->h), .events = POLLIN };
	struct err ignored;

	if (store_pgsql_lost(c) || !read_posted(c, &ignored))
		return true;
	return poll(&p, 1, 0) != 0;
}

bool
store_pgsql_conn_ready(struct pg_conn *c, struct err *e)
{
	if (c->h != NULL && c->state == PG_IDLE && !gone(c)) {
		c->answered = false;
		return true;
	}
	store_pgsql_conn_close(c);
	if (!store_pgsql_dial(c->dial, &c->h, e))
		return false;
	store_pgsql_lineage(c->h, c->lineage);
	store_pgsql_watch_warnings(c->h, &c->warned);
	if (PQenterPipelineMode(c->h) && prepare_commands(c, e)) {
		c->answered = false;
		return true;
	}
	if (c->h != NULL)
		store_pgsql_err(c->h, NULL, e);
	store_pgsql_conn_close(c);
	return false;
}
