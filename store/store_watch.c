/*
 * Watching what other threads and nodes change; see store_watch.h.
 *
 * Each touch takes the next number of one sequence for all names.  The table
 * of hooks belongs to the maker until the start, then to the thread.
 */
#include <assert.h>
#include <pthread.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/store_watch.h"

enum { HOOKS_MAX = 16, LOOK_MS = 800 };

struct hook {
	const char *name;
	bool (*fn)(void *arg, struct err *e);
	void *arg;
	int64_t seen; /* the touch up to which its copy is right */
	bool told;    /* that it fails */
};

struct store_watch {
	struct store *st;
	struct hook hooks[HOOKS_MAX];
	size_t count;
	int64_t began;  /* the last touch before any copy, or the last look */
	int64_t newest; /* for which all hooks ran; -1: one failed */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* guards poked and stopping */
	pthread_cond_t wake;
	bool poked, stopping;
};

bool
store_watch_touch(struct store_tx *tx, const char *name, struct err *e)
{
	if (!store_exec(tx,
	        "INSERT INTO touched (name, seq) VALUES ($1, (SELECT "
	        "COALESCE(MAX(seq), 0) + 1 FROM touched)) ON CONFLICT (name) "
	        "DO UPDATE SET seq = excluded.seq",
	        S_ARGS(S_TEXT(name)), NULL, e))
		return err_wrap(e, "touch %s", name);
	store_notify(tx, STORE_CHANNEL_TOUCH);
	return true;
}

/* The last touch of the name, NULL: of any; 0: none yet. */
static bool
last_touch(struct store *st, const char *name, int64_t *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_begin(st, STORE_READ_ONE, &tx, e) ||
	    !store_query(tx,
	        "SELECT COALESCE(MAX(seq), 0) FROM touched WHERE "
	        "CAST($1 AS TEXT) IS NULL OR name = $1",
	        S_ARGS(S_TEXT(name)), &r, e) ||
	    !store_next(r, &more, e))
		return err_wrap(e, "touched");
	*out = more ? store_int(r, 0) : 0;
	return true;
}

/*
 * The number is read before the hook reads what it stands for: a touch in
 * between calls the hook again.  False: look again soon.
 */
static bool
look_for(struct store_watch *w, struct hook *h)
{
	struct err e = { 0 };
	int64_t now;

	if (!last_touch(w->st, h->name, &now, &e))
		return false; /* the database is away: the driver says so */
	if (now <= h->seen)
		return true;
	if (h->fn(h->arg, &e)) {
		h->seen = now;
		h->told = false;
		return true;
	}
	if (!h->told)
		log_event(LOG_ERROR, "watch_failed", "name", h->name, "why",
		    e.text, NULL);
	h->told = true;
	return false;
}

/*
 * What needs no look at all is most of it: one read for all names.  A database
 * that was restored, or lost touches in a fail-over, counts from an earlier
 * number on, and every copy is of something that it may not know.
 */
static void
look(struct store_watch *w)
{
	struct err e = { 0 };
	bool done = true;
	int64_t now;

	if (!last_touch(w->st, NULL, &now, &e) || now == w->newest)
		return;
	for (size_t i = 0; i < w->count; i++) {
		if (now < w->began)
			w->hooks[i].seen = -1;
		done = look_for(w, &w->hooks[i]) && done;
	}
	w->began = now;
	w->newest = done ? now : -1;
}

/* Until somebody pokes or it is time; false: stop. */
static bool
wait_for_touch(struct store_watch *w)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS;
	struct timespec until = { .tv_sec = until_ms / MS_S,
		.tv_nsec = (until_ms % MS_S) * 1000000 };
	int timed_out = 0;
	bool go_on;

	pthread_mutex_lock(&w->lock);
	while (!w->stopping && !w->poked && timed_out == 0)
		timed_out = pthread_cond_timedwait(&w->wake, &w->lock, &until);
	w->poked = false;
	go_on = !w->stopping;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static void *
run(void *arg)
{
	struct store_watch *w = arg;

	do
		look(w);
	while (wait_for_touch(w));
	return NULL;
}

/* On a committing thread, or on one of the driver. */
static void
poke(void *arg)
{
	struct store_watch *w = arg;

	pthread_mutex_lock(&w->lock);
	w->poked = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

bool
store_watch_new(struct store *st, struct store_watch **out, struct err *e)
{
	struct store_watch *w;
	pthread_condattr_t attr;
	int64_t began;

	if (!last_touch(st, NULL, &began, e))
		return false;
	w = mem_zalloc(1, sizeof(*w));
	w->st = st;
	w->began = w->newest = began;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	*out = w;
	return true;
}

void
store_watch_add(struct store_watch *w, const char *name,
    bool (*hook)(void *arg, struct err *e), void *arg)
{
	assert(w->count < COUNT(w->hooks) && !w->running);
	w->hooks[w->count++] = (struct hook){
		.name = name, .fn = hook, .arg = arg, .seen = w->began
	};
}

bool
store_watch_start(struct store_watch *w, struct err *e)
{
	store_listen(w->st, STORE_CHANNEL_TOUCH, poke, w);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		store_unlisten(w->st, poke, w);
		return err_set(e, ERR_INTERNAL, "watch: no thread");
	}
	w->running = true;
	return true;
}

void
store_watch_free(struct store_watch **wp)
{
	struct store_watch *w = TAKE(*wp);

	if (w == NULL)
		return;
	if (w->running) {
		store_unlisten(w->st, poke, w);
		pthread_mutex_lock(&w->lock);
		w->stopping = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	mem_free(&w);
}
