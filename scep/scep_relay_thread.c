/*
 * The threads that ask upstreams, and the moment that a request gets for its
 * answer.  All nodes have such threads: who claims a request asks for it, and
 * an upstream's rate and rest are rows of the database.
 */
#include <pthread.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "scep/scep_relay_priv.h"

/* Notices of other nodes may be lost: looks by itself so often. */
#define LOOK_MS (10 * MS_S)

struct scep_relay {
	pthread_mutex_t lock;   /* guards what follows, up to stop */
	pthread_cond_t changed; /* with the monotonic clock */
	uint64_t changes;       /* grows when there may be something to do */
	int waiters;
	struct scep_legacy *legacy; /* NULL: not needed so far */
	atomic_bool stop;
	struct scep_service *s;
	pthread_t *threads;
	int count;
};

static void
wake(void *arg)
{
	struct scep_relay *r = arg;

	pthread_mutex_lock(&r->lock);
	r->changes++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static uint64_t
changes(struct scep_relay *r)
{
	uint64_t n;

	pthread_mutex_lock(&r->lock);
	n = r->changes;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* Until something has changed since seen, or the time is over. */
static void
wait_for(struct scep_relay *r, uint64_t seen, int64_t ms)
{
	struct timespec until;
	int timed_out = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / MS_S;
	until.tv_nsec += (ms % MS_S) * 1000 * 1000;
	if (until.tv_nsec >= 1000 * 1000 * 1000) {
		until.tv_sec++;
		until.tv_nsec -= 1000 * 1000 * 1000;
	}
	pthread_mutex_lock(&r->lock);
	while (r->changes == seen && !r->stop && timed_out == 0)
		timed_out =
		    pthread_cond_timedwait(&r->changed, &r->lock, &until);
	pthread_mutex_unlock(&r->lock);
}

static int64_t
pause_until(int64_t next_at)
{
	int64_t now = clock_now_ms();

	if (next_at <= now)
		return 1;
	return next_at - now < LOOK_MS ? next_at - now : LOOK_MS;
}

static void *
run(void *arg)
{
	struct scep_relay *r = arg;

	while (!r->stop) {
		uint64_t seen = changes(r);
		int64_t next_at = INT64_MAX;
		bool did = false;
		struct err e = { 0 };

		if (!scep_relay_step(r->s, &r->stop, &did, &next_at, &e)) {
			log_event(LOG_ERROR, "scep.upstream_queue", "why",
			    e.text, NULL);
			wait_for(r, changes(r), LOOK_MS);
		} else if (!did)
			wait_for(r, seen, pause_until(next_at));
	}
	return NULL;
}

static void
init_locks(struct scep_relay *r)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

bool
scep_relay_new(struct scep_service *s, struct scep_relay **out, struct err *e)
{
	AUTO(scep_relay_free) struct scep_relay *r = mem_zalloc(1, sizeof(*r));
	int wanted = s->o.upstream_threads;

	init_locks(r);
	r->s = s;
	r->threads = mem_zalloc((size_t)wanted + 1, sizeof(*r->threads));
	store_listen(s->o.store, STORE_CHANNEL_UPSTREAM, wake, r);
	/* The threads may need it. */
	*out = TAKE(r);
	for (int *n = &(*out)->count; *n < wanted; (*n)++)
		if (pthread_create(&(*out)->threads[*n], NULL, run, *out) !=
		    0) {
			scep_relay_free(out);
			return err_set(
			    e, ERR_INTERNAL, "no thread for upstreams");
		}
	return true;
}

void
scep_relay_free(struct scep_relay **rp)
{
	struct scep_relay *r = *rp;

	if (r == NULL)
		return;
	r->stop = true;
	wake(r);
	for (int i = 0; i < r->count; i++)
		pthread_join(r->threads[i], NULL);
	store_unlisten(r->s->o.store, wake, r);
	scep_legacy_free(&r->legacy);
	mem_free(&r->threads);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	mem_free(rp);
}

bool
scep_relay_legacy(struct scep_relay *r, struct err *e)
{
	bool ok;

	pthread_mutex_lock(&r->lock);
	ok = r->legacy != NULL || scep_legacy_load(&r->legacy, e);
	pthread_mutex_unlock(&r->lock);
	return ok;
}

/* A place among those who wait, so that there are workers left for Macs. */
static bool
take_place(struct scep_service *s)
{
	struct scep_relay *r = s->relay;
	bool mine;

	pthread_mutex_lock(&r->lock);
	mine = r->waiters < s->o.upstream_waiters;
	if (mine)
		r->waiters++;
	pthread_mutex_unlock(&r->lock);
	return mine;
}

static void
give_place(struct scep_relay *r)
{
	pthread_mutex_lock(&r->lock);
	r->waiters--;
	pthread_mutex_unlock(&r->lock);
}

/* *over: it is closed, or will take longer than anybody waits. */
static bool
look(struct scep_service *s, const char *id, struct scep_outcome *out,
    bool *over, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(scep_errand_clear) struct scep_errand x = { 0 };
	bool found;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_errand_get(tx, id, &x, &found, e))
		return false;
	*over = !found || !str_eq(x.w.state, "queued") || x.seen == 2 ||
	        x.tries > 0;
	if (!found || str_eq(x.w.state, "queued"))
		return true;
	out->pending = false;
	return scep_approval_answer(tx, &x.w, out, e);
}

bool
scep_relay_await(struct scep_service *s, const char *id,
    struct scep_outcome *out, struct err *e)
{
	int64_t until = clock_mono_ms() + s->o.upstream_wait_ms;
	bool over = false, good = true;

	if (!take_place(s))
		return true;
	while (good && !over && !s->relay->stop) {
		uint64_t seen = changes(s->relay);
		int64_t left = until - clock_mono_ms();

		good = look(s, id, out, &over, e);
		if (left <= 0)
			break;
		if (good && !over)
			wait_for(s->relay, seen, left);
	}
	give_place(s->relay);
	return good;
}
