/*
 * The push scheduler's thread: claims what is due, pushes, records.
 *
 * Its state belongs to the thread, except what the lock guards.  Answers come
 * on the client's thread and are only put on a list; commits that make
 * something due only poke.
 */
#include <time.h>

#include "apns/apns_scheduler_priv.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/limits.h"
#include "core/log.h"

enum { DRAIN_MS = 2000 };

/* On a committing thread: be quick. */
static void
poke(void *arg)
{
	struct apns_scheduler *s = arg;

	pthread_mutex_lock(&s->lock);
	s->poked = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* On the client's thread. */
static void
take_answer(const struct apns_answer *a, void *arg)
{
	struct apns_scheduler *s = arg;
	struct apns_claim *c = (struct apns_claim *)(uintptr_t)a->ref;

	c->answer = *a;
	pthread_mutex_lock(&s->lock);
	s->pushes[a->outcome]++;
	c->next = s->answered;
	s->answered = c;
	if (c->next == NULL)
		pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void
apns_scheduler_database_failed(struct apns_scheduler *s, const struct err *e)
{
	if (!s->db_failed)
		log_event(LOG_ERROR, "push_store_failed", "why", e->text, NULL);
	s->db_failed = true;
	s->not_before_ms = clock_mono_ms() + MS_S;
}

static bool
load(struct apns_scheduler *s, struct apns_cert **out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(s->store, STORE_READ, &tx, e) &&
	       apns_cert_load_all(tx, s->seal, out, e);
}

/* Waits a little for the answers under way, then takes the rest as they are:
 * unreachable, and due again. */
static void
drain(struct apns_scheduler *s)
{
	int64_t end_ms = clock_mono_ms() + DRAIN_MS;

	while (apns_client_pending(s->client) > 0 && clock_mono_ms() < end_ms)
		clock_sleep_ms(2);
	apns_client_free(&s->client);
	(void)apns_scheduler_record(s);
}

static void
reload(struct apns_scheduler *s)
{
	AUTO(apns_cert_free) struct apns_cert *list = NULL;
	struct err e = { 0 };

	if (!load(s, &list, &e)) {
		if (s->reload_ms == 0)
			log_event(LOG_ERROR, "push_certificate_unreadable",
			    "why", e.text, NULL);
		s->reload_ms = clock_mono_ms() + APNS_SLEEP_MIN_MS;
		return;
	}
	s->reload_ms = 0;
	s->not_before_ms = s->pause_ms = 0;
	if (list == NULL)
		log_event(LOG_WARN, "push_certificate_missing", NULL);
	apns_topics_take(s, TAKE(list));
}

/* Sleeps until there is something to do; false: stop. */
static bool
wait_for_work(struct apns_scheduler *s, bool *reload_out)
{
	struct timespec until = { .tv_sec = s->next_ms / MS_S,
		.tv_nsec = (s->next_ms % MS_S) * 1000000 };
	int timed_out = 0;
	bool go_on;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping && !s->reload && !s->poked && s->answered == NULL &&
	       timed_out == 0)
		timed_out = pthread_cond_timedwait(&s->wake, &s->lock, &until);
	s->poked = false;
	*reload_out = s->reload;
	s->reload = false;
	go_on = !s->stopping;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static void *
run(void *arg)
{
	struct apns_scheduler *s = arg;
	bool again = true;

	do {
		if (again ||
		    (s->reload_ms != 0 && clock_mono_ms() >= s->reload_ms))
			reload(s);
		s->next_ms = clock_mono_ms() + APNS_SLEEP_MAX_MS;
		if (!apns_scheduler_record(s))
			s->next_ms = s->not_before_ms;
		else if (s->topics_count > 0)
			apns_scheduler_dispatch(s);
		if (s->reload_ms != 0 && s->reload_ms < s->next_ms)
			s->next_ms = s->reload_ms;
	} while (wait_for_work(s, &again));
	drain(s);
	return NULL;
}

static void
release(struct apns_scheduler *s)
{
	apns_client_free(&s->client);
	apns_claim_list_free(&s->unrecorded);
	apns_claim_list_free(&s->answered);
	for (size_t i = 0; i < s->topics_count; i++)
		apns_cert_free(&s->topics[i].cert);
	buf_free(&s->except);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	mem_free(&s);
}

/* What is claimed must be answered before the claim runs out. */
static int64_t
window(int64_t per_s, int64_t claim_ms)
{
	int64_t most = per_s * claim_ms / (2 * MS_S);

	if (per_s == 0 || most > APNS_WINDOW)
		return APNS_WINDOW;
	return most > 1 ? most : 1;
}

static bool
start_client(struct apns_scheduler *s, const struct apns_scheduler_options *o,
    struct err *e)
{
	s->client_options = (struct apns_client_options){ .hosts = o->hosts,
		.ca_file = o->ca_file,
		.ca_pem = o->ca_pem,
		.proxy = o->proxy,
		.proxy_credentials = o->proxy_credentials,
		.per_s = o->per_s,
		.answer_ms = o->answer_ms };
	return apns_client_new(
	    &s->client_options, take_answer, s, &s->client, e);
}

bool
apns_scheduler_new(const struct apns_scheduler_options *o,
    struct apns_scheduler **out, struct err *e)
{
	struct apns_scheduler *s = mem_zalloc(1, sizeof(*s));
	pthread_condattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	s->except = buf_new(APNS_TOPICS_MAX * (LIMIT_TOPIC + 2));
	s->store = o->store;
	s->seal = o->seal;
	s->expiration_s =
	    o->expiration_s > 0 ? o->expiration_s : 7 * MS_DAY / MS_S;
	s->claim_ms = o->claim_ms > 0 ? o->claim_ms : MS_MIN;
	s->stop_ms = o->stop_ms > 0 ? o->stop_ms : 10 * MS_MIN;
	s->window = window(o->per_s, s->claim_ms);
	s->on_push = o->on_push;
	s->on_push_arg = o->on_push_arg;
	uuid_new_lower(s->by);
	if (o->by != NULL)
		str_copy_cut(s->by, sizeof(s->by), o->by);
	if (!start_client(s, o, e)) {
		release(s);
		return false;
	}
	store_listen(o->store, STORE_CHANNEL_PUSH, poke, s);
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		store_unlisten(s->store, poke, s);
		release(s);
		return err_set(e, ERR_INTERNAL, "push scheduler: no thread");
	}
	*out = s;
	return true;
}

void
apns_scheduler_free(struct apns_scheduler **scheduler)
{
	struct apns_scheduler *s = TAKE(*scheduler);

	if (s == NULL)
		return;
	store_unlisten(s->store, poke, s);
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	release(s);
}

void
apns_scheduler_reload(struct apns_scheduler *s)
{
	pthread_mutex_lock(&s->lock);
	s->reload = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

bool
apns_scheduler_canary(struct apns_scheduler *s, const struct apns_cert *cert,
    const struct apns_canary *c, struct apns_answer *out, struct err *e)
{
	return apns_canary_push(&s->client_options, cert, c, out, e);
}

void
apns_scheduler_stats(struct apns_scheduler *s, struct apns_scheduler_stats *out)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct apns_scheduler_stats st = { 0 };
	struct err e = { 0 };

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < COUNT(st.pushes); i++)
		st.pushes[i] = s->pushes[i];
	for (size_t i = 0; i < s->topics_count; i++) {
		int64_t end = s->topics[i].cert->not_after;

		st.stopped += s->topics[i].stopped;
		if (st.cert_not_after == 0 || end < st.cert_not_after)
			st.cert_not_after = end;
	}
	pthread_mutex_unlock(&s->lock);
	/* -1: the database cannot say. */
	if (!store_begin(s->store, STORE_READ, &tx, &e) ||
	    !apns_db_count_due(tx, clock_now_ms(), &st.due, &e))
		st.due = -1;
	*out = st;
}
