/*
 * The SQLite driver: opening and closing the database, transactions on the
 * writer's or a reader's connection, results, and backups.
 *
 * struct sqlite belongs to store.c, which calls close once no transaction is
 * left.  Any thread may begin; see store_sqlite_priv.h for the parts.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/file.h"
#include "store/store_sqlite_priv.h"

enum { READERS_DEFAULT = 16 };

struct sqlite {
	struct store base; /* first */
	char *path;
	bool looks;  /* beside a server: no lock, no writes, no checkpoints */
	int lock_fd; /* holds PATH.lock, so that no other program opens PATH */
	struct sq_conn write_conn; /* the writer's */
	struct store_writer writer;
	struct sq_readers readers;
	struct sq_checkpoint checkpoint;
};

/* ---- open and close ---- */

/*
 * SQLite counts all memory under one lock unless told not to, before its
 * first use in the process.  If somebody was earlier it only stays slower.
 */
static void
configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static bool
lock_path(const char *path, int *fd_out, struct err *e)
{
	AUTO(str_free) char *lock = str_printf("%s.lock", path);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool taken;

	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "%s", lock);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*fd_out = fd;
		return true;
	}
	taken = errno == EWOULDBLOCK;
	err_errno(e, ERR_UNAVAILABLE, "%s", lock);
	close(fd);
	if (taken)
		return err_set(
		    e, ERR_CONFLICT, "%s is in use by another program", path);
	return false;
}

/* SQLite gives its other files the mode of this one. */
static bool
create_file(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "%s", path);
	close(fd);
	return true;
}

static void
sqlite_free(struct sqlite **qp)
{
	struct sqlite *q = TAKE(*qp);

	if (q == NULL)
		return;
	if (q->lock_fd >= 0)
		close(q->lock_fd);
	str_free(&q->path);
	mem_free(&q);
}

static bool
open_parts(struct sqlite *q, enum store_use use, struct err *e)
{
	if (!store_sqlite_conn_open(
	        &q->write_conn, q->path, q->looks ? SQ_READER : SQ_WRITER, e))
		return false;
	store_writer_init(&q->writer, &store_sqlite_writer_ops, &q->write_conn,
	    &q->base.counters);
	if (!store_sqlite_migrate(&q->write_conn, use, e) ||
	    (!q->looks && !store_sqlite_checkpoint_start(
	                      &q->checkpoint, &q->writer, q->path, e))) {
		store_writer_clear(&q->writer);
		store_sqlite_conn_close(&q->write_conn);
		return false;
	}
	return true;
}

static bool
driver_open(const struct store_options *o, struct store **out, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	AUTO(sqlite_free) struct sqlite *q = mem_zalloc(1, sizeof(*q));

	pthread_once(&once, configure);
	if ((o->use == STORE_COPY_FROM || o->use == STORE_LOOK) &&
	    !file_exists(o->path))
		return err_set(
		    e, ERR_NOT_FOUND, "there is no file %s", o->path);
	q->lock_fd = -1;
	q->path = str_dup(o->path);
	q->looks = o->use == STORE_LOOK;
	if (!q->looks &&
	    (!lock_path(q->path, &q->lock_fd, e) || !create_file(q->path, e)))
		return false;
	if (!open_parts(q, o->use, e))
		return err_wrap(e, "%s", q->path);
	store_sqlite_readers_init(&q->readers, q->path,
	    o->readers > 0 ? o->readers : READERS_DEFAULT);
	*out = &TAKE(q)->base;
	return true;
}

static void
driver_close(struct store *st)
{
	struct sqlite *q = (struct sqlite *)st;

	store_sqlite_readers_close(&q->readers);
	if (!q->looks)
		store_sqlite_checkpoint_stop(&q->checkpoint);
	store_writer_clear(&q->writer);
	store_sqlite_conn_close(&q->write_conn);
	sqlite_free(&q);
}

/* ---- transactions ---- */

static bool
begin_read(struct sqlite *q, struct sq_tx **out, struct err *e)
{
	struct sq_reader *r;

	if (!store_sqlite_readers_take(&q->readers, &r, e))
		return false;
	/* The snapshot is taken by the first statement. */
	if (!store_sqlite_conn_run(&r->conn, "BEGIN", e)) {
		store_sqlite_readers_give(&q->readers, r);
		return false;
	}
	r->tx = (struct sq_tx){ .base = { .st = &q->base, .mode = STORE_READ },
		.conn = &r->conn,
		.reader = r };
	*out = &r->tx;
	return true;
}

static bool
begin_write(struct sqlite *q, struct store_task *task, struct sq_tx **out,
    struct err *e)
{
	struct sq_tx *tx = mem_zalloc(1, sizeof(*tx));

	tx->base = (struct store_tx){
		.st = &q->base, .mode = STORE_WRITE, .task = task
	};
	tx->conn = &q->write_conn;
	if (!store_writer_begin(&q->writer, &tx->member, &tx->base, e)) {
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
	struct sqlite *q = (struct sqlite *)st;
	struct sq_tx *tx = NULL;

	if (mode == STORE_READ ? !begin_read(q, &tx, e)
	                       : !begin_write(q, task, &tx, e))
		return false;
	*out = &tx->base;
	return true;
}

static void
end_read(struct sqlite *q, struct sq_reader *r)
{
	struct err ignored;

	/* Nothing was written, so there is nothing to lose. */
	if (!store_sqlite_conn_run(&r->conn, "COMMIT", &ignored) &&
	    !sqlite3_get_autocommit(r->conn.db))
		(void)!store_sqlite_conn_run(&r->conn, "ROLLBACK", &ignored);
	store_sqlite_readers_give(&q->readers, r);
}

static bool
driver_keep(struct store_tx *base, struct err *e)
{
	struct sqlite *q = (struct sqlite *)base->st;

	return store_writer_keep(
	    &q->writer, &((struct sq_tx *)base)->member, e);
}

static void
driver_undo(struct store_tx *base)
{
	struct sqlite *q = (struct sqlite *)base->st;

	store_writer_undo(&q->writer, &((struct sq_tx *)base)->member);
}

static void
driver_rollback(struct store_tx *base)
{
	struct sqlite *q = (struct sqlite *)base->st;
	struct sq_tx *tx = (struct sq_tx *)base;

	if (base->mode == STORE_READ) {
		end_read(q, tx->reader);
		return;
	}
	store_writer_rollback(&q->writer, &tx->member);
	mem_free(&tx);
}

static bool
driver_commit(struct store_tx *base, struct err *e)
{
	struct sqlite *q = (struct sqlite *)base->st;
	struct sq_tx *tx = (struct sq_tx *)base;
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
	mem_free(&tx);
	return ok;
}

/* ---- statements ---- */

/* Sets e, and breaks the transaction if SQLite gave it up; always false. */
static bool
failed(struct sq_tx *tx, int rc, const char *sql, struct err *e)
{
	struct sqlite *q = (struct sqlite *)tx->base.st;

	store_sqlite_conn_err(tx->conn, rc, sql, e);
	if (tx->base.mode == STORE_WRITE)
		store_writer_failed(&q->writer, &tx->member, e);
	return false;
}

/* Outside of the shared transaction a statement would be kept at once. */
static bool
usable(const struct sq_tx *tx, struct err *e)
{
	if (tx->member.broken)
		*e = tx->member.waiter.failure;
	return !tx->member.broken;
}

static bool
driver_exec(struct store_tx *base, const char *sql,
    const struct store_value *args, int64_t *changed_out, struct err *e)
{
	struct sq_tx *tx = (struct sq_tx *)base;
	struct sq_stmt *s;
	int rc;

	if (!usable(tx, e) ||
	    !store_sqlite_stmt_get(tx->conn, sql, args, false, &s, e))
		return false;
	rc = sqlite3_step(s->h);
	if (rc == SQLITE_ROW)
		err_set(e, ERR_INTERNAL, "rows where none belong: %s", sql);
	else if (rc != SQLITE_DONE)
		failed(tx, rc, sql, e);
	else if (changed_out != NULL)
		*changed_out = sqlite3_changes64(tx->conn->db);
	store_sqlite_stmt_release(s);
	return rc == SQLITE_DONE;
}

static bool
driver_query(struct store_tx *base, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e)
{
	struct sq_tx *tx = (struct sq_tx *)base;
	struct sq_stmt *s;

	if (!usable(tx, e) ||
	    !store_sqlite_stmt_get(tx->conn, sql, args, true, &s, e))
		return false;
	s->rows.tx = base;
	*out = &s->rows;
	return true;
}

static bool
driver_next(struct store_rows *r, bool *more, struct err *e)
{
	struct sq_tx *tx = (struct sq_tx *)r->tx;
	const struct sq_stmt *s = (const struct sq_stmt *)r;
	int rc;

	if (!usable(tx, e))
		return false;
	rc = sqlite3_step(s->h);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return failed(tx, rc, s->sql, e);
	*more = rc == SQLITE_ROW;
	return true;
}

static void
driver_rows_free(struct store_rows *r)
{
	store_sqlite_stmt_release((struct sq_stmt *)r);
}

static const char *
driver_text(const struct store_rows *r, int col)
{
	const struct sq_stmt *s = (const struct sq_stmt *)r;

	return (const char *)sqlite3_column_text(s->h, col);
}

static int64_t
driver_integer(const struct store_rows *r, int col)
{
	const struct sq_stmt *s = (const struct sq_stmt *)r;

	return sqlite3_column_int64(s->h, col);
}

static struct slice
driver_blob(const struct store_rows *r, int col)
{
	const struct sq_stmt *s = (const struct sq_stmt *)r;
	const void *p = sqlite3_column_blob(s->h, col);

	return slice_of(p, (size_t)sqlite3_column_bytes(s->h, col));
}

static bool
driver_null(const struct store_rows *r, int col)
{
	const struct sq_stmt *s = (const struct sq_stmt *)r;

	return sqlite3_column_type(s->h, col) == SQLITE_NULL;
}

/* ---- backup ---- */

/* Copies all pages within one snapshot of src. */
static bool
copy_pages(struct sq_conn *src, sqlite3 *dst, struct err *e)
{
	sqlite3_backup *b = sqlite3_backup_init(dst, "main", src->db, "main");
	int rc = SQLITE_ERROR;

	if (b != NULL) {
		rc = sqlite3_backup_step(b, -1);
		(void)sqlite3_backup_finish(b);
	}
	if (rc != SQLITE_DONE)
		return err_set(e, ERR_UNAVAILABLE, "backup: %s (%d)",
		    b == NULL ? sqlite3_errmsg(dst) : sqlite3_errstr(rc), rc);
	return true;
}

static bool
backup_to(const char *from, const char *to, struct err *e)
{
	struct sq_conn src = { 0 }, dst = { 0 };
	bool ok = false;
	int rc;

	if (!store_sqlite_conn_open(&src, from, SQ_READER, e))
		return false;
	rc = sqlite3_open_v2(to, &dst.db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	    NULL);
	if (rc != SQLITE_OK)
		store_sqlite_conn_err(&dst, rc, to, e);
	else
		ok = copy_pages(&src, dst.db, e);
	store_sqlite_conn_close(&dst);
	store_sqlite_conn_close(&src);
	return ok;
}

/* Makes the new name itself last. */
static bool
sync_parent(const char *path, struct err *e)
{
	AUTO(str_free) char *copy = str_dup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		err_errno(e, ERR_UNAVAILABLE, "directory of %s", path);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
driver_backup(struct store *st, const char *path, struct err *e)
{
	const struct sqlite *q = (const struct sqlite *)st;
	AUTO(str_free) char *part = str_printf("%s.part", path);

	if (file_exists(path))
		return err_set(e, ERR_CONFLICT, "%s exists already", path);
	(void)unlink(part);
	if (!create_file(part, e))
		return false;
	if (!backup_to(q->path, part, e)) {
		(void)unlink(part);
		return false;
	}
	if (rename(part, path) != 0) {
		err_errno(e, ERR_UNAVAILABLE, "%s", path);
		(void)unlink(part);
		return false;
	}
	return sync_parent(path, e);
}

const struct store_driver store_sqlite_driver = {
	.open = driver_open,
	.close = driver_close,
	.begin = driver_begin,
	.keep = driver_keep,
	.undo = driver_undo,
	.commit = driver_commit,
	.rollback = driver_rollback,
	.exec = driver_exec,
	.query = driver_query,
	.next = driver_next,
	.rows_free = driver_rows_free,
	.text = driver_text,
	.integer = driver_integer,
	.blob = driver_blob,
	.null = driver_null,
	.backup = driver_backup,
	.columns_sql =
	    "SELECT m.name, i.name, i.type, i.pk FROM sqlite_master m, "
	    "pragma_table_info(m.name) i WHERE m.type = 'table' AND "
	    "m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.name, i.cid",
	.references_sql =
	    "SELECT DISTINCT m.name, f.\"table\" FROM sqlite_master m, "
	    "pragma_foreign_key_list(m.name) f WHERE m.type = 'table' "
	    "ORDER BY 1, 2",
};
