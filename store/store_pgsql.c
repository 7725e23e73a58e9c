/*
 * The PostgreSQL driver: opening and closing the database, and transactions
 * on the writer's or a reader's connection.
 *
 * Any number of programs may have the database open.  What SQLite gives by
 * having one writer is kept by a lock of the database that each shared write
 * transaction takes first (store_pgsql_writer.c): event numbers without gaps
 * in the order of commits, "look, then insert" without a race, and no
 * serialization failure that a handler would have to repeat.
 *
 * struct pgsql belongs to store.c, which calls close once no transaction is
 * left.  Any thread may begin; see store_pgsql_priv.h for the parts.
 */
#include "store/store_pgsql_priv.h"

enum { READERS_DEFAULT = 16 };

/* ---- open and close ---- */

static bool
migrate(struct pg_dial *d, enum store_use use, struct err *e)
{
	PGconn *h;
	bool ok;

	if (!store_pgsql_dial(d, &h, e))
		return false;
	ok = store_pgsql_migrate(h, use, e);
	PQfinish(h);
	return ok;
}

static bool
driver_open(const struct store_options *o, struct store **out, struct err *e)
{
	struct pgsql *q = mem_zalloc(1, sizeof(*q));

	store_pgsql_dial_init(&q->dial, o->path, &q->base.counters);
	q->use = o->use;
	if (!migrate(&q->dial, o->use, e)) {
		store_pgsql_dial_clear(&q->dial);
		mem_free(&q);
		return false;
	}
	q->write_conn.dial = &q->dial;
	store_writer_init(&q->writer, &store_pgsql_writer_ops, &q->write_conn,
	    &q->base.counters);
	store_pgsql_pool_init(&q->readers, &q->dial,
	    o->readers > 0 ? o->readers : READERS_DEFAULT);
	*out = &q->base;
	return true;
}

static bool
driver_start(struct store *st, struct err *e)
{
	struct pgsql *q = (struct pgsql *)st;

	return store_pgsql_listen_start(&q->listen, q, e);
}

static void
driver_stop(struct store *st)
{
	struct pgsql *q = (struct pgsql *)st;

	store_pgsql_listen_stop(&q->listen);
}

static void
driver_close(struct store *st)
{
	struct pgsql *q = (struct pgsql *)st;

	store_pgsql_pool_close(&q->readers);
	store_writer_clear(&q->writer);
	store_pgsql_conn_close(&q->write_conn);
	store_pgsql_dial_clear(&q->dial);
	mem_free(&q);
}

/* ---- transactions ---- */

static bool
begin_read(struct pgsql *q, struct pg_tx **out, struct err *e)
{
	struct pg_reader *r;

	if (!store_pgsql_pool_take(&q->readers, &r, e))
		return false;
	/* BEGIN goes out with the first statement. */
	r->tx = (struct pg_tx){ .base = { .st = &q->base, .mode = STORE_READ },
		.conn = &r->conn,
		.reader = r };
	*out = &r->tx;
	return true;
}

static bool
begin_write(
    struct pgsql *q, struct store_task *task, struct pg_tx **out, struct err *e)
{
	struct pg_tx *tx = mem_zalloc(1, sizeof(*tx));

	tx->base = (struct store_tx){
		.st = &q->base, .mode = STORE_WRITE, .task = task
	};
	tx->conn = &q->write_conn;
	tx->question = task != NULL ? task->question : NULL;
	if (!store_writer_begin(&q->writer, &tx->member, &tx->base, e)) {
		store_pgsql_result_free(&tx->answer);
		mem_free(&tx);
		return false;
	}
	*out = tx;
	return true;
}

static bool
driver_begin(struct store *st, enum store_mode mode, struct store_task *task,
    struct store_tx **out, struct err *e)
{
	struct pgsql *q = (struct pgsql *)st;
	struct pg_tx *tx = NULL;

	if (atomic_load(&q->listen.lost))
		return err_set(e, ERR_UNAVAILABLE,
		    "the connection that kept others out of the database was "
		    "lost");
	if (mode == STORE_READ ? !begin_read(q, &tx, e)
	                       : !begin_write(q, task, &tx, e))
		return false;
	*out = &tx->base;
	return true;
}

/* Nobody waits for the end of a read. */
static void
end_read(struct pgsql *q, struct pg_reader *r)
{
	struct pg_conn *c = &r->conn;
	struct err ignored;

	if (c->state == PG_OPEN &&
	    store_pgsql_queue(
	        c, r->tx.dead ? PG_ROLLBACK : PG_COMMIT, &ignored)) {
		c->state = PG_IDLE;
		store_pgsql_post(c);
	}
	store_pgsql_pool_give(&q->readers, r);
}

static bool
queue_channels(struct pgsql *q, struct pg_tx *tx, struct err *e)
{
	const char *const *channel = tx->base.channels;

	if (tx->member.broken)
		return true; /* committing says why */
	for (; *channel != NULL; channel++) {
		if (!store_pgsql_notify_queue(
		        tx->conn, q->listen.node, *channel, e))
			return false;
	}
	return true;
}

static void
tx_free(struct pg_tx **tx)
{
	store_pgsql_held_clear(&(*tx)->held);
	store_pgsql_result_free(&(*tx)->answer);
	mem_free(tx);
}

static bool
driver_keep(struct store_tx *base, struct err *e)
{
	struct pgsql *q = (struct pgsql *)base->st;
	struct pg_tx *tx = (struct pg_tx *)base;

	if (!store_pgsql_last(tx, e) || !queue_channels(q, tx, e) ||
	    !store_writer_keep(&q->writer, &tx->member, e))
		return false;
	store_pgsql_ahead_end(tx, true);
	return true;
}

static void
driver_undo(struct store_tx *base)
{
	struct pgsql *q = (struct pgsql *)base->st;
	struct pg_tx *tx = (struct pg_tx *)base;

	store_pgsql_ahead_end(tx, false);
	store_writer_undo(&q->writer, &tx->member);
}

static void
driver_rollback(struct store_tx *base)
{
	struct pgsql *q = (struct pgsql *)base->st;
	struct pg_tx *tx = (struct pg_tx *)base;

	if (base->mode == STORE_READ) {
		end_read(q, tx->reader);
		return;
	}
	if (!base->carried)
		store_pgsql_ahead_end(tx, false);
	store_writer_rollback(&q->writer, &tx->member);
	tx_free(&tx);
}

static bool
driver_commit(struct store_tx *base, struct err *e)
{
	struct pgsql *q = (struct pgsql *)base->st;
	struct pg_tx *tx = (struct pg_tx *)base;
	bool ok;

	if (base->mode == STORE_READ) {
		end_read(q, tx->reader);
		return true;
	}
	if (!base->carried && !driver_keep(base, e)) {
		driver_rollback(base);
		return false;
	}
	ok = store_writer_commit(&q->writer, &tx->member, e);
	tx_free(&tx);
	return ok;
}

static bool
driver_backup(struct store *st, const char *path, struct err *e)
{
	(void)st, (void)path;
	return err_set(e, ERR_INVALID,
	    "a PostgreSQL database is backed up with its own tools, such as "
	    "pg_dump or pg_basebackup");
}

const struct store_driver store_pgsql_driver = {
	/* Not now(), which stands still in a transaction. */
	.clock_sql = "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM "
	             "clock_timestamp()) * 1000) AS BIGINT)",
	.open = driver_open,
	.start = driver_start,
	.stop = driver_stop,
	.close = driver_close,
	.begin = driver_begin,
	.keep = driver_keep,
	.undo = driver_undo,
	.commit = driver_commit,
	.rollback = driver_rollback,
	.exec = store_pgsql_exec,
	.query = store_pgsql_query,
	.exec_later = store_pgsql_exec_later,
	.query_later = store_pgsql_query_later,
	.next = store_pgsql_rows_next,
	.rows_free = store_pgsql_rows_free,
	.text = store_pgsql_text,
	.integer = store_pgsql_int,
	.blob = store_pgsql_blob,
	.null = store_pgsql_null,
	.backup = driver_backup,
	.columns_sql =
	    "SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT), "
	    "CASE t.typname WHEN 'int8' THEN 'BIGINT' WHEN 'text' THEN 'TEXT' "
	    "WHEN 'bytea' THEN 'BLOB' ELSE CAST(t.typname AS TEXT) END, "
	    "COALESCE(array_position(p.conkey, a.attnum), 0) "
	    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
	    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND "
	    "NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid "
	    "LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND "
	    "p.contype = 'p' WHERE n.nspname = current_schema() AND "
	    "c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum",
	.references_sql =
	    "SELECT DISTINCT CAST(a.relname AS TEXT), CAST(b.relname AS TEXT) "
	    "FROM pg_constraint p JOIN pg_class a ON a.oid = p.conrelid "
	    "JOIN pg_class b ON b.oid = p.confrelid "
	    "JOIN pg_namespace n ON n.oid = a.relnamespace "
	    "WHERE p.contype = 'f' AND n.nspname = current_schema() "
	    "ORDER BY 1, 2",
};
