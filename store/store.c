/*
 * The part of the database layer that does not depend on the driver: calls
 * through the driver's table, listeners, counters, and a close that waits for
 * the transactions under way.
 *
 * struct store belongs to whoever opened it; any thread may begin a
 * transaction.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/embedded.h"
#include "store/store_priv.h"

enum { SCHEMA_DIGITS = 4 }; /* NNNN-name.sql */

/* Somebody who stops listening does not wait for ever on a busy store. */
static void
listeners_init(struct store *st)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
	    &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&st->listeners_lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

static void
wait_idle(struct store *st)
{
	while (sem_wait(&st->idle) != 0)
		assert(errno == EINTR);
}

/* The last user frees what close waits for; st is gone right after. */
static void
leave(struct store *st)
{
	if (atomic_fetch_sub(&st->users, 1) == 1)
		sem_post(&st->idle);
}

bool
store_is_address(const char *path)
{
	return str_starts(path, "postgresql://") ||
	       str_starts(path, "postgres://");
}

static void
fill(struct store *st, const struct store_driver *driver)
{
	st->driver = driver;
	atomic_store(&st->users, 1);
	sem_init(&st->idle, 0, 0);
	listeners_init(st);
}

static void
close_driver(struct store *st)
{
	if (st->driver->stop != NULL)
		st->driver->stop(st);
	pthread_rwlock_destroy(&st->listeners_lock);
	sem_destroy(&st->idle);
	st->driver->close(st);
}

/* The copy's rows of progress are gone when it has come to its end. */
static bool
whole(struct store *st, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more = false;

	if (!store_begin(st, STORE_READ_ONE, &tx, e) ||
	    !store_query(
	        tx, "SELECT 1 FROM store_copy LIMIT 1", S_ARGS(), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	if (more)
		return err_set(e, ERR_CONFLICT,
		    "this database is a copy that is not finished: run the "
		    "same \"mutsu store copy\" again");
	return true;
}

bool
store_open(const struct store_options *o, struct store **out, struct err *e)
{
	const struct store_driver *driver = store_is_address(o->path)
	                                        ? &store_pgsql_driver
	                                        : &store_sqlite_driver;
	struct store *st = NULL;

	if (!driver->open(o, &st, e))
		return false;
	fill(st, driver);
	st->use = o->use;
	if ((driver->start != NULL && !driver->start(st, e)) ||
	    !store_defer_new(st, &st->defer, e)) {
		close_driver(st);
		return false;
	}
	if (o->use != STORE_COPY_TO && !whole(st, e)) {
		store_close(&st);
		return false;
	}
	*out = st;
	return true;
}

void
store_close(struct store **stp)
{
	struct store *st = TAKE(*stp);

	if (st == NULL)
		return;
	store_defer_free(&st->defer);
	leave(st);
	wait_idle(st);
	close_driver(st);
}

static bool
begin(struct store *st, enum store_mode mode, struct store_task *task,
    struct store_tx **out, struct err *e)
{
	if (st->use == STORE_LOOK && mode == STORE_WRITE)
		return err_set(e, ERR_INTERNAL, "opened for looking only");
	atomic_fetch_add(&st->users, 1);
	if (!st->driver->begin(
	        st, mode == STORE_READ_ONE ? STORE_READ : mode, task, out, e)) {
		leave(st);
		return false;
	}
	(*out)->one = mode == STORE_READ_ONE;
	return true;
}

bool
store_begin(struct store *st, enum store_mode mode, struct store_tx **out,
    struct err *e)
{
	return begin(st, mode, NULL, out, e);
}

bool
store_begin_task(struct store *st, struct store_task *task,
    struct store_tx **out, struct err *e)
{
	return begin(st, STORE_WRITE, task, out, e);
}

void
store_confine(struct store_tx *tx)
{
	tx->confined = true;
}

/* A place that was given to somebody else meanwhile costs a needless call. */
static void
call_listeners(struct store *st, uint32_t mask)
{
	if (mask == 0)
		return;
	pthread_rwlock_rdlock(&st->listeners_lock);
	for (size_t i = 0; mask != 0; i++, mask >>= 1) {
		const struct store_listener *l = &st->listeners[i];

		if ((mask & 1) != 0 && l->channel != NULL)
			l->fn(l->arg);
	}
	pthread_rwlock_unlock(&st->listeners_lock);
}

/* Counts what tx did, before the driver frees it. */
static void
count(struct store_tx *tx)
{
	struct store_counters *c = &tx->st->counters;

	assert(tx->open_rows == 0);
	atomic_fetch_add_explicit(
	    &c->statements, tx->statements, memory_order_relaxed);
	if (tx->mode == STORE_READ)
		atomic_fetch_add_explicit(&c->reads, 1, memory_order_relaxed);
}

bool
store_commit(struct store_tx **txp, struct err *e)
{
	struct store_tx *tx = TAKE(*txp);
	struct store *st = tx->st;
	enum store_mode mode = tx->mode;
	uint32_t notify = tx->notify;
	bool ok;

	count(tx);
	ok = st->driver->commit(tx, e);
	if (ok && mode == STORE_WRITE) {
		atomic_fetch_add_explicit(
		    &st->counters.writes, 1, memory_order_relaxed);
		call_listeners(st, notify);
	}
	leave(st);
	return ok;
}

void
store_rollback(struct store_tx **txp)
{
	struct store_tx *tx = TAKE(*txp);
	struct store *st;

	if (tx == NULL)
		return;
	st = tx->st;
	count(tx);
	st->driver->rollback(tx);
	leave(st);
}

bool
store_exec(struct store_tx *tx, const char *sql, const struct store_value *args,
    int64_t *changed_out, struct err *e)
{
	tx->statements++;
	return tx->st->driver->exec(tx, sql, args, changed_out, e);
}

bool
store_query(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e)
{
	assert(!tx->one || tx->statements == 0);
	tx->statements++;
	if (!tx->st->driver->query(tx, sql, args, out, e))
		return false;
	tx->open_rows++;
	return true;
}

bool
store_exec_later(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct err *e)
{
	if (!tx->later || tx->st->driver->exec_later == NULL)
		return store_exec(tx, sql, args, NULL, e);
	tx->statements++;
	return tx->st->driver->exec_later(tx, sql, args, e);
}

bool
store_query_later(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct store_rows **out, struct err *e)
{
	if (!tx->later || tx->st->driver->query_later == NULL)
		return store_query(tx, sql, args, out, e);
	tx->statements++;
	if (!tx->st->driver->query_later(tx, sql, args, out, e))
		return false;
	tx->open_rows++;
	return true;
}

bool
store_next(struct store_rows *r, bool *more, struct err *e)
{
	return r->tx->st->driver->next(r, more, e);
}

void
store_rows_free(struct store_rows **rp)
{
	struct store_rows *r = TAKE(*rp);

	if (r == NULL)
		return;
	r->tx->open_rows--;
	r->tx->st->driver->rows_free(r);
}

const char *
store_text(const struct store_rows *r, int col)
{
	return r->tx->st->driver->text(r, col);
}

void
store_text_copy(const struct store_rows *r, int col, char *out, size_t size)
{
	const char *s = store_text(r, col);

	str_copy_cut(out, size, s != NULL ? s : "");
}

int64_t
store_int(const struct store_rows *r, int col)
{
	return r->tx->st->driver->integer(r, col);
}

struct slice
store_blob(const struct store_rows *r, int col)
{
	return r->tx->st->driver->blob(r, col);
}

bool
store_null(const struct store_rows *r, int col)
{
	return r->tx->st->driver->null(r, col);
}

void
store_defer(struct store *st, const char *sql, const struct store_value *args)
{
	store_defer_add(st->defer, sql, args);
}

static void
remember_channel(struct store_tx *tx, const char *channel)
{
	size_t i = 0;

	while (tx->channels[i] != NULL && !str_eq(tx->channels[i], channel))
		i++;
	assert(i < STORE_CHANNELS_MAX);
	tx->channels[i] = channel;
}

void
store_notify(struct store_tx *tx, const char *channel)
{
	struct store *st = tx->st;

	assert(tx->mode == STORE_WRITE);
	remember_channel(tx, channel);
	pthread_rwlock_rdlock(&st->listeners_lock);
	for (size_t i = 0; i < COUNT(st->listeners); i++) {
		if (str_eq(st->listeners[i].channel, channel))
			tx->notify |= UINT32_C(1) << i;
	}
	pthread_rwlock_unlock(&st->listeners_lock);
}

void
store_heard(struct store *st, const char *channel)
{
	pthread_rwlock_rdlock(&st->listeners_lock);
	for (size_t i = 0; i < COUNT(st->listeners); i++) {
		const struct store_listener *l = &st->listeners[i];

		if (l->channel != NULL &&
		    (channel == NULL || str_eq(l->channel, channel)))
			l->fn(l->arg);
	}
	pthread_rwlock_unlock(&st->listeners_lock);
}

void
store_listen(
    struct store *st, const char *channel, void (*fn)(void *arg), void *arg)
{
	size_t i = 0;

	pthread_rwlock_wrlock(&st->listeners_lock);
	while (i < COUNT(st->listeners) && st->listeners[i].channel != NULL)
		i++;
	assert(i < COUNT(st->listeners));
	st->listeners[i] = (struct store_listener){ channel, fn, arg };
	pthread_rwlock_unlock(&st->listeners_lock);
}

void
store_unlisten(struct store *st, void (*fn)(void *arg), void *arg)
{
	pthread_rwlock_wrlock(&st->listeners_lock);
	for (size_t i = 0; i < COUNT(st->listeners); i++) {
		struct store_listener *l = &st->listeners[i];

		if (l->fn == fn && l->arg == arg)
			*l = (struct store_listener){ 0 };
	}
	pthread_rwlock_unlock(&st->listeners_lock);
}

void
store_stats(struct store *st, struct store_stats *out)
{
	const struct store_counters *c = &st->counters;

	*out = (struct store_stats){
		.commits = atomic_load(&c->commits),
		.writes = atomic_load(&c->writes),
		.reads = atomic_load(&c->reads),
		.statements = atomic_load(&c->statements),
		.deferred = atomic_load(&c->deferred),
		.dropped = atomic_load(&c->dropped),
		.waiting = atomic_load(&c->waiting),
		.round_trips = atomic_load(&c->round_trips),
		.retries = atomic_load(&c->retries),
	};
}

bool
store_ping(struct store *st, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	return store_begin(st, STORE_READ_ONE, &tx, e) &&
	       store_query(tx, "SELECT MAX(version) FROM schema_version",
	           S_ARGS(), &r, e) &&
	       store_next(r, &more, e);
}

bool
store_schema_version(const char *file, int64_t *out, struct err *e)
{
	char digits[SCHEMA_DIGITS + 1];

	str_copy_cut(digits, sizeof(digits), file);
	if (!str_to_i64(digits, 1, 9999, out))
		return err_set(
		    e, ERR_INTERNAL, "migration %s has no number", file);
	return true;
}

int64_t
store_schema_oldest(const char *text, int64_t version)
{
	static const char mark[] = "-- oldest: ";
	int64_t oldest = version;
	char digits[8];

	for (; str_starts(text, "--"); text += *text == '\n') {
		size_t len = strcspn(text, "\n");

		if (str_starts(text, mark) &&
		    len - strlen(mark) < sizeof(digits)) {
			str_copy_cut(digits, len - strlen(mark) + 1,
			    text + strlen(mark));
			if (!str_to_i64(digits, 1, version, &oldest))
				oldest = version;
		}
		text += len;
	}
	return oldest;
}

bool
store_schema_fits(
    enum store_use use, int64_t present, int64_t oldest, struct err *e)
{
	int64_t known = 0;

	for (const struct embedded *f = store_schema; f->name != NULL; f++) {
		if (!store_schema_version(f->name, &known, e))
			return false;
	}
	if (present > known && (use != STORE_WORK || oldest > known))
		return err_set(e, ERR_CONFLICT,
		    "the database has schema version %lld, newer than this "
		    "program's %lld: start the newer program",
		    (long long)present, (long long)known);
	if ((use == STORE_COPY_FROM || use == STORE_LOOK) && present == 0)
		return err_set(e, ERR_NOT_FOUND,
		    "there is no installation in this database");
	if (use != STORE_WORK && present != 0 && present != known)
		return err_set(e, ERR_CONFLICT,
		    "the database has schema version %lld, not this program's "
		    "%lld: start this server on it once",
		    (long long)present, (long long)known);
	return true;
}

bool
store_backup(struct store *st, const char *path, struct err *e)
{
	bool ok;

	atomic_fetch_add(&st->users, 1);
	ok = st->driver->backup(st, path, e);
	leave(st);
	return ok;
}
