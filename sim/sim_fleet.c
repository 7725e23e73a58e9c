/*
 * A fleet of simulated Macs.  One thread reads the APNs-like channel and puts
 * woken Macs into a line; the pool's threads take them from it and connect.
 * A Mac is in the line, or with one thread, or at rest.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "sim/sim_apns_device.h"
#include "sim/sim_fleet.h"

/* COME_BACK_MS: a Mac that could not now tries again by itself (Apple,
 * "Handling NotNow status responses"). */
enum { THREADS_MAX = 64, READ_MS = 200, COME_BACK_MS = 500 };

enum rest { AT_REST, IN_LINE, AT_WORK, AT_WORK_WANTED };

struct member {
	struct sim_mac *mac;
	enum rest rest;
	bool silent;
	int failures;
	int64_t not_before;  /* clock_mono_ms(); 0: at once */
	struct member *next; /* in the line */
};

struct sim_fleet {
	pthread_mutex_t lock; /* guards all below up to the counters */
	pthread_cond_t wake;
	struct member *members;
	size_t count;
	struct member *first, **last; /* the line */
	bool stopping;

	struct sim_fleet_options o;
	struct sim_apns_device *device; /* the reader's alone */
	pthread_t reader, pool[THREADS_MAX];
	int threads;
	bool reading;
	size_t *by_token; /* indexes of members, sorted by token; constant */
	atomic_llong pushes, sessions, failed, commands, wrong, bad;
};

static void
line_add(struct sim_fleet *f, struct member *m)
{
	m->next = NULL;
	*f->last = m;
	f->last = &m->next;
	pthread_cond_signal(&f->wake);
}

/* Wants a Mac to connect; with the lock held. */
static void
want(struct sim_fleet *f, struct member *m)
{
	if (m->rest == AT_REST) {
		m->rest = IN_LINE;
		m->not_before = 0;
		line_add(f, m);
	} else if (m->rest == AT_WORK) {
		m->rest = AT_WORK_WANTED;
	}
}

/* Takes the first Mac whose time has come; NULL at the end. */
static struct member *
line_take(struct sim_fleet *f)
{
	struct member *m = NULL;

	pthread_mutex_lock(&f->lock);
	while (m == NULL && !f->stopping) {
		struct timespec until;
		int64_t now = clock_mono_ms();

		for (struct member **p = &f->first; *p != NULL; p = &(*p)->next)
			if ((*p)->not_before <= now) {
				m = *p;
				*p = m->next;
				if (f->last == &m->next)
					f->last = p;
				break;
			}
		if (m != NULL)
			break;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += 50 * 1000 * 1000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&f->wake, &f->lock, &until);
	}
	if (m != NULL)
		m->rest = AT_WORK;
	pthread_mutex_unlock(&f->lock);
	return m;
}

/* Into the line again, to be taken after gap_ms; with the lock held. */
static void
line_later(struct sim_fleet *f, struct member *m, int64_t gap_ms)
{
	m->rest = IN_LINE;
	m->not_before = clock_mono_ms() + gap_ms;
	line_add(f, m);
}

/* Puts a Mac back after a session: to rest, or into the line again. */
static void
line_back(
    struct sim_fleet *f, struct member *m, bool ok, const struct sim_session *s)
{
	int retries = f->o.retries > 0 ? f->o.retries : 20;
	int64_t gap = 100;

	pthread_mutex_lock(&f->lock);
	m->failures = ok ? 0 : m->failures + 1;
	for (int i = 1; i < m->failures && gap < 3000; i++)
		gap *= 2;
	if (!ok && m->failures <= retries && sim_mac_enrolled(m->mac)) {
		line_later(f, m, gap);
	} else if (ok && m->rest == AT_WORK_WANTED) {
		line_later(f, m, 0);
	} else if (ok && s->not_now) {
		line_later(f, m, COME_BACK_MS);
	} else {
		m->rest = AT_REST;
		m->failures = 0;
	}
	pthread_mutex_unlock(&f->lock);
}

static void *
pool_main(void *arg)
{
	struct sim_fleet *f = arg;
	struct member *m;

	while ((m = line_take(f)) != NULL) {
		struct sim_session s = { 0 };
		struct err e = { 0 };
		bool ok = sim_mac_connect(m->mac, &s, &e);

		atomic_fetch_add(ok ? &f->sessions : &f->failed, 1);
		atomic_fetch_add(&f->commands, s.commands);
		atomic_fetch_add(&f->wrong, s.wrong_erase);
		if (!ok)
			log_event(LOG_DEBUG, "sim_session_failed", "serial",
			    sim_mac_serial(m->mac), "why", e.text, NULL);
		if (ok && f->o.on_session != NULL)
			f->o.on_session(m->mac, &s, f->o.arg);
		line_back(f, m, ok, &s);
	}
	return NULL;
}

static int
by_token(const void *a, const void *b, void *arg)
{
	const struct sim_fleet *f = arg;

	return memcmp(sim_mac_token(f->members[*(const size_t *)a].mac),
	    sim_mac_token(f->members[*(const size_t *)b].mac), 64);
}

static struct member *
find_token(struct sim_fleet *f, const char *token)
{
	size_t low = 0, high = f->count;

	if (strlen(token) != 64)
		return NULL;
	while (low < high) {
		size_t mid = (low + high) / 2;
		struct member *m = &f->members[f->by_token[mid]];
		int c = memcmp(token, sim_mac_token(m->mac), 64);

		if (c == 0)
			return m;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static bool
magic_fits(const struct member *m, const char *payload)
{
	AUTO(json_free) json_t *j = NULL;
	struct err e = { 0 };
	const char *magic = NULL;

	return json_parse(slice_str(payload), &j, &e) &&
	       json_get_str(j, "mdm", 256, &magic, &e) &&
	       str_eq(magic, sim_mac_magic(m->mac));
}

static void
pushed(struct sim_fleet *f, const struct sim_apns_device_push *p)
{
	struct member *m = find_token(f, p->token);

	atomic_fetch_add(&f->pushes, 1);
	if (m == NULL || !magic_fits(m, p->payload)) {
		atomic_fetch_add(&f->bad, 1);
		return;
	}
	pthread_mutex_lock(&f->lock);
	if (!m->silent)
		want(f, m);
	pthread_mutex_unlock(&f->lock);
}

static bool
stopping(struct sim_fleet *f)
{
	bool stop;

	pthread_mutex_lock(&f->lock);
	stop = f->stopping;
	pthread_mutex_unlock(&f->lock);
	return stop;
}

static void *
reader_main(void *arg)
{
	struct sim_fleet *f = arg;

	while (!stopping(f)) {
		struct sim_apns_device_push p;
		struct err e = { 0 };
		bool got = false;

		if (!sim_apns_device_next(f->device, READ_MS, &p, &got, &e)) {
			if (!stopping(f))
				log_event(LOG_WARN, "sim_apns_lost", "why",
				    e.text, NULL);
			break;
		}
		if (got)
			pushed(f, &p);
	}
	return NULL;
}

static bool
start_threads(struct sim_fleet *f, struct err *e)
{
	int want_threads = f->o.threads > 0 ? f->o.threads : 4;

	if (pthread_create(&f->reader, NULL, reader_main, f) != 0)
		return err_set(e, ERR_INTERNAL, "no thread");
	f->reading = true;
	for (; f->threads < want_threads && f->threads < THREADS_MAX;
	     f->threads++)
		if (pthread_create(&f->pool[f->threads], NULL, pool_main, f) !=
		    0)
			return err_set(e, ERR_INTERNAL, "no thread");
	return true;
}

bool
sim_fleet_start(const struct sim_fleet_options *o, struct sim_mac *const *macs,
    size_t count, struct sim_fleet **out, struct err *e)
{
	AUTO(sim_fleet_free) struct sim_fleet *f = mem_zalloc(1, sizeof(*f));
	pthread_condattr_t monotonic;

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	f->o = *o;
	f->count = count;
	f->last = &f->first;
	f->members = mem_zalloc(count, sizeof(*f->members));
	f->by_token = mem_zalloc(count, sizeof(*f->by_token));
	if (!sim_apns_device_connect(
	        o->apns_address, o->apns_port, &f->device, e))
		return err_wrap(e, "APNs channel");
	for (size_t i = 0; i < count; i++) {
		f->members[i].mac = macs[i];
		f->by_token[i] = i;
		if (!sim_apns_device_hello(
		        f->device, sim_mac_token(macs[i]), e))
			return err_wrap(e, "APNs channel");
	}
	qsort_r(f->by_token, count, sizeof(*f->by_token), by_token, f);
	if (!start_threads(f, e))
		return false;
	*out = TAKE(f);
	return true;
}

void
sim_fleet_free(struct sim_fleet **fp)
{
	struct sim_fleet *f = *fp;

	if (f == NULL)
		return;
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	pthread_cond_broadcast(&f->wake);
	pthread_mutex_unlock(&f->lock);
	if (f->reading)
		pthread_join(f->reader, NULL);
	for (int i = 0; i < f->threads; i++)
		pthread_join(f->pool[i], NULL);
	sim_apns_device_free(&f->device);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->wake);
	mem_free(&f->members);
	mem_free(&f->by_token);
	mem_free(fp);
}

void
sim_fleet_wake(struct sim_fleet *f, size_t index)
{
	pthread_mutex_lock(&f->lock);
	want(f, &f->members[index]);
	pthread_mutex_unlock(&f->lock);
}

void
sim_fleet_silence(struct sim_fleet *f, size_t index, bool silent)
{
	pthread_mutex_lock(&f->lock);
	f->members[index].silent = silent;
	pthread_mutex_unlock(&f->lock);
}

void
sim_fleet_stats(struct sim_fleet *f, struct sim_fleet_stats *out)
{
	*out = (struct sim_fleet_stats){
		.pushes = atomic_load(&f->pushes),
		.sessions = atomic_load(&f->sessions),
		.failed_sessions = atomic_load(&f->failed),
		.commands = atomic_load(&f->commands),
		.wrong_erases = atomic_load(&f->wrong),
		.bad_pushes = atomic_load(&f->bad),
	};
}
