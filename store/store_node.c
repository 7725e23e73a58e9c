/*
 * The life of a node; see store_node.h.
 *
 * All is fixed at the start but reap_ms, the thread's own, and what the mutex
 * guards.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "core/clock.h"
#include "core/encode.h"
#include "core/log.h"
#include "store/store_node.h"

#define PREFIX "node:"
enum { LEASE_MS = 10000, BEATS = 5, REAPED_A_BEAT = 8 };

struct store_node {
	struct store_node_options o;
	char id[STORE_NODE_SIZE];
	char name[STORE_LEASE_NAME_SIZE];
	struct store_lease lease;
	/*
	 * Monotonic: nobody is declared dead before.  Where our own lease has
	 * ended, the database was away, for the others as well, and they get
	 * the time of a lease to come back.
	 */
	int64_t reap_ms;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* guards stopping */
	pthread_cond_t wake;
	bool stopping;
};

/* *late_out: it had ended, or never was. */
static bool
prolong(
    struct store_node *n, struct store_tx *tx, bool *late_out, struct err *e)
{
	struct err lost = { 0 };
	bool mine;

	*late_out = !store_lease_keep(tx, &n->lease, &lost);
	if (!*late_out)
		return true;
	if (lost.code != ERR_CONFLICT) {
		*e = lost;
		return false;
	}
	return store_lease_take(tx, &n->lease, &mine, e);
}

static bool
free_of(
    struct store_node *n, struct store_tx *tx, const char *node, struct err *e)
{
	return n->o.on_gone(tx, node, n->o.arg, e) &&
	       store_lease_release(tx, node, e);
}

/* Frees what the dead had, one after the other. */
static bool
reap(struct store_node *n, struct store_tx *tx, int *count, struct err *e)
{
	char dead[STORE_NODE_SIZE];

	for (*count = 0; *count < REAPED_A_BEAT; ++*count) {
		if (!store_lease_ended(tx, PREFIX, dead, e))
			return false;
		if (dead[0] == '\0')
			return true;
		if (!free_of(n, tx, dead, e))
			return false;
		log_event(LOG_WARN, "node_gone", "node", dead, NULL);
	}
	return true;
}

static bool
beat(struct store_node *n, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t now = clock_mono_ms();
	int freed = 0;
	bool late;

	if (!store_begin(n->o.store, STORE_WRITE, &tx, e) ||
	    !prolong(n, tx, &late, e))
		return false;
	if (late)
		n->reap_ms = now + n->lease.ttl_ms;
	else if (now >= n->reap_ms && !reap(n, tx, &freed, e))
		return false;
	if (!store_commit(&tx, e))
		return false;
	if (freed > 0 && n->o.on_freed != NULL)
		n->o.on_freed(n->o.arg);
	return true;
}

/* What is owned by nobody that is there. */
static bool
free_all(struct store_node *n, const char *node, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(n->o.store, STORE_WRITE, &tx, e) &&
	       free_of(n, tx, node, e) && store_commit(&tx, e);
}

/* Until the next beat; false: stop. */
static bool
wait_for_beat(struct store_node *n)
{
	int64_t until_ms = clock_mono_ms() + n->lease.ttl_ms / BEATS;
	struct timespec until = { .tv_sec = until_ms / MS_S,
		.tv_nsec = (until_ms % MS_S) * 1000000 };
	int timed_out = 0;
	bool go_on;

	pthread_mutex_lock(&n->lock);
	while (!n->stopping && timed_out == 0)
		timed_out = pthread_cond_timedwait(&n->wake, &n->lock, &until);
	go_on = !n->stopping;
	pthread_mutex_unlock(&n->lock);
	return go_on;
}

static void *
run(void *arg)
{
	struct store_node *n = arg;
	bool told = false;

	while (wait_for_beat(n)) {
		struct err e = { 0 };
		bool ok = beat(n, &e);

		if (!ok && !told)
			log_event(LOG_WARN, "node_lease", "why", e.text, NULL);
		told = !ok;
	}
	return NULL;
}

static bool
start(struct store_node *n, struct err *e)
{
	if (n->o.alone)
		return free_all(n, NULL, e);
	if (!beat(n, e))
		return false;
	if (pthread_create(&n->thread, NULL, run, n) != 0)
		return err_set(e, ERR_INTERNAL, "node: no thread");
	n->running = true;
	return true;
}

static void
destroy(struct store_node **n)
{
	pthread_cond_destroy(&(*n)->wake);
	pthread_mutex_destroy(&(*n)->lock);
	mem_free(n);
}

bool
store_node_new(
    const struct store_node_options *o, struct store_node **out, struct err *e)
{
	struct store_node *n = mem_zalloc(1, sizeof(*n));
	pthread_condattr_t attr;

	n->o = *o;
	uuid_new_lower(n->id);
	(void)snprintf(n->name, sizeof(n->name), PREFIX "%s", n->id);
	n->lease = (struct store_lease){ .name = n->name,
		.holder = n->id,
		.ttl_ms = o->lease_ms > 0 ? o->lease_ms : LEASE_MS };
	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&n->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (!start(n, e)) {
		destroy(&n);
		return false;
	}
	*out = n;
	return true;
}

const char *
store_node_id(const struct store_node *n)
{
	return n->id;
}

void
store_node_free(struct store_node **np)
{
	struct store_node *n = TAKE(*np);
	struct err e = { 0 };

	if (n == NULL)
		return;
	if (n->running) {
		pthread_mutex_lock(&n->lock);
		n->stopping = true;
		pthread_cond_signal(&n->wake);
		pthread_mutex_unlock(&n->lock);
		pthread_join(n->thread, NULL);
	}
	if (!free_all(n, n->id, &e))
		log_event(LOG_WARN, "node_lease", "why", e.text, NULL);
	destroy(&n);
}
