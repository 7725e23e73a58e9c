/*
 * Deferred writes: telemetry that any thread hands over and one thread writes
 * about a second later, many rows in a transaction.
 *
 * struct store_defer belongs to its struct store.  Adding is for any thread
 * and only takes a short lock; writing is done by the thread made here, and
 * by store_close() for what is left.
 */
#include <assert.h>
#include <pthread.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/store_priv.h"

enum {
	DEFER_MAX = 100000,   /* queued writes; beyond it the oldest go */
	DEFER_SLICE = 512,    /* writes in one turn, so that writers who wait
	                       * for theirs wait a few milliseconds only */
	DEFER_DELAY_MS = 1000 /* from the first write queued to its flush */
};

struct deferred {
	struct deferred *next;
	const char *sql;
	struct store_value *args;
};

struct store_defer {
	pthread_mutex_t mutex; /* guards first, last, count and stop */
	struct deferred *first, *last;
	size_t count;
	bool stop;
	pthread_cond_t wake; /* the first write was queued, or stop was set */
	pthread_t thread;
	struct store *st;
};

static struct deferred *
deferred_new(const char *sql, const struct store_value *args)
{
	struct deferred *d = mem_alloc(sizeof(*d));

	*d = (struct deferred){ .sql = sql, .args = store_values_copy(args) };
	return d;
}

static void
deferred_free(struct deferred **d)
{
	if (*d == NULL)
		return;
	mem_free(&(*d)->args);
	mem_free(d);
}

/* With the mutex held. */
static struct deferred *
pop(struct store_defer *d)
{
	struct deferred *first = d->first;

	d->first = first->next;
	if (d->first == NULL)
		d->last = NULL;
	d->count--;
	return first;
}

void
store_defer_add(
    struct store_defer *d, const char *sql, const struct store_value *args)
{
	struct deferred *new = deferred_new(sql, args);
	struct deferred *dropped = NULL;
	bool was_empty;

	pthread_mutex_lock(&d->mutex);
	was_empty = d->first == NULL;
	if (was_empty)
		d->first = new;
	else
		d->last->next = new;
	d->last = new;
	if (++d->count > DEFER_MAX)
		dropped = pop(d);
	pthread_mutex_unlock(&d->mutex);

	if (was_empty)
		pthread_cond_signal(&d->wake);
	if (dropped != NULL) {
		atomic_fetch_add(&d->st->counters.dropped, 1);
		deferred_free(&dropped);
	}
}

/*
 * Makes the first writes of the list, up to DEFER_SLICE, in one transaction;
 * together: without waiting for each, and one that fails costs all.  Else it
 * costs only itself and is counted in *failed, and its error stays in e.
 */
static bool
write_slice(struct store *st, const struct deferred *list, bool together,
    int64_t *failed, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t made = 0;

	if (!store_begin(st, STORE_WRITE, &tx, e))
		return false;
	tx->later = together;
	for (int i = 0; i < DEFER_SLICE && list != NULL; i++) {
		if (store_exec_later(tx, list->sql, list->args, e))
			made++;
		else if (together)
			return false;
		else
			++*failed;
		list = list->next;
	}
	if (!store_commit(&tx, e)) {
		*failed += together ? 0 : made;
		return false;
	}
	atomic_fetch_add(&st->counters.deferred, made);
	return true;
}

/* Moves *list behind the slice, made or not. */
static bool
take_slice(
    struct store *st, struct deferred **list, int64_t *failed, struct err *e)
{
	struct err why;
	bool ok = write_slice(st, *list, true, failed, &why) ||
	          write_slice(st, *list, false, failed, e);

	for (int i = 0; i < DEFER_SLICE && *list != NULL; i++) {
		struct deferred *d = *list;

		*list = d->next;
		deferred_free(&d);
	}
	return ok;
}

static void
flush(struct store_defer *d)
{
	struct deferred *list;
	struct err e = { 0 };
	int64_t failed = 0, lost = 0;

	pthread_mutex_lock(&d->mutex);
	list = d->first;
	d->first = d->last = NULL;
	d->count = 0;
	pthread_mutex_unlock(&d->mutex);

	while (list != NULL && take_slice(d->st, &list, &failed, &e)) {
	}
	for (; list != NULL; lost++) {
		struct deferred *next = list->next;

		deferred_free(&list);
		list = next;
	}
	if (e.code != ERR_NONE)
		log_event(LOG_WARN, "store_defer_failed", "failed",
		    LOG_NUM(failed), "lost", LOG_NUM(lost), "error", e.text,
		    NULL);
}

/* With the mutex held: until there is something to write, or stop. */
static void
wait_due(struct store_defer *d)
{
	struct timespec due;
	int rc = 0;

	while (d->first == NULL && !d->stop)
		pthread_cond_wait(&d->wake, &d->mutex);
	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += DEFER_DELAY_MS / MS_S;
	while (!d->stop && rc == 0)
		rc = pthread_cond_timedwait(&d->wake, &d->mutex, &due);
}

static void *
run(void *arg)
{
	struct store_defer *d = arg;
	bool stop = false;

	while (!stop) {
		pthread_mutex_lock(&d->mutex);
		wait_due(d);
		stop = d->stop;
		pthread_mutex_unlock(&d->mutex);
		flush(d);
	}
	return NULL;
}

bool
store_defer_new(struct store *st, struct store_defer **out, struct err *e)
{
	struct store_defer *d = mem_zalloc(1, sizeof(*d));
	pthread_condattr_t attr;
	int rc;

	d->st = st;
	pthread_mutex_init(&d->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&d->thread, NULL, run, d);
	if (rc != 0) {
		pthread_cond_destroy(&d->wake);
		pthread_mutex_destroy(&d->mutex);
		mem_free(&d);
		return err_set(e, ERR_UNAVAILABLE,
		    "thread for deferred writes: error %d", rc);
	}
	*out = d;
	return true;
}

void
store_defer_free(struct store_defer **dp)
{
	struct store_defer *d = TAKE(*dp);

	if (d == NULL)
		return;
	pthread_mutex_lock(&d->mutex);
	d->stop = true;
	pthread_mutex_unlock(&d->mutex);
	pthread_cond_signal(&d->wake);
	pthread_join(d->thread, NULL);
	assert(d->first == NULL);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->mutex);
	mem_free(&d);
}
