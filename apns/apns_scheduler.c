/*
 * The push scheduler's thread: claims what is due, pushes, records.
 *
 * Its state belongs to the thread, except what the lock guards.  Answers come
 * on the client's thread and are only put on a list; commits that make
 * something due only poke.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

#include "apns/apns_cert.h"
#include "apns/apns_db_priv.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/random.h"

enum {
	BATCH = 500,   /* claims, and records, in one transaction */
	WINDOW = 4000, /* claimed and not yet recorded */
	SLEEP_MAX_MS = 60 * 1000,
	SLEEP_MIN_MS = 1000, /* when what is due cannot be claimed */
	PAUSE_MAX_MS = 60 * 1000,
	DRAIN_MS = 2000
};

struct apns_scheduler {
	pthread_mutex_t lock; /* guards down to stop_reason */
	pthread_cond_t wake;
	bool poked, stopping, reload;
	struct apns_claim *answered; /* the last one first */
	int64_t pushes[7];
	int64_t cert_not_after;
	bool stopped;
	char stop_reason[64];

	/* Read-only once the thread runs. */
	pthread_t thread;
	struct store *store;
	const struct seal *seal;
	struct apns_client_options client_options;
	int64_t expiration_s, claim_ms, stop_ms;
	char by[UUID_SIZE];

	/* The scheduler's thread alone. */
	struct apns_client *client; /* NULL: no certificate */
	struct apns_cert *cert;
	struct apns_claim *unrecorded; /* waiting for the database */
	int64_t in_flight;             /* claimed, not recorded */
	int64_t not_before_ms;         /* monotonic: no claims until then */
	int64_t pause_ms;              /* grows while APNs is out of reach */
	int64_t next_ms;               /* monotonic: when to look again */
	bool halted;                   /* as stopped, without the lock */
	bool db_failed;                /* logged already */
};

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

static void
database_failed(struct apns_scheduler *s, const struct err *e)
{
	if (!s->db_failed)
		log_event(LOG_ERROR, "push_store_failed", "why", e->text, NULL);
	s->db_failed = true;
	s->not_before_ms = clock_mono_ms() + MS_S;
}

static void
set_stopped(struct apns_scheduler *s, bool stopped, const char *reason)
{
	s->halted = stopped;
	pthread_mutex_lock(&s->lock);
	s->stopped = stopped;
	str_copy_cut(s->stop_reason, sizeof(s->stop_reason), reason);
	pthread_mutex_unlock(&s->lock);
}

/* What the answers of one batch say about pushing as a whole. */
struct verdict {
	const struct apns_answer *fault; /* certificate or topic, or NULL */
	bool reached;                    /* Apple answered something */
	bool unreachable;
	bool probe_passed;
};

static void
judge(const struct apns_claim *list, struct verdict *v)
{
	for (; list != NULL; list = list->next) {
		const struct apns_answer *a = &list->answer;

		if (a->outcome == APNS_OUR_FAULT)
			v->fault = a;
		else if (a->outcome == APNS_UNREACHABLE)
			v->unreachable = true;
		else
			v->reached = true;
		if (list->probe && a->outcome != APNS_OUR_FAULT &&
		    a->outcome != APNS_UNREACHABLE)
			v->probe_passed = true;
		if (a->outcome == APNS_BUG)
			log_event(LOG_ERROR, "push_rejected", "reason",
			    a->reason, "apns_id", a->id, NULL);
	}
}

/* In the transaction of the answers: one event however many were refused. */
static bool
record_verdict(struct apns_scheduler *s, struct store_tx *tx,
    const struct verdict *v, struct err *e)
{
	if (v->fault != NULL && !s->halted)
		return apns_db_event(tx, "push.stopped", v->fault->reason, e);
	if (v->fault == NULL && v->probe_passed && s->halted)
		return apns_db_event(tx, "push.resumed", NULL, e);
	return true;
}

static void
apply_verdict(struct apns_scheduler *s, const struct verdict *v)
{
	int64_t now = clock_mono_ms();

	if (v->fault != NULL) {
		if (!s->halted)
			log_event(LOG_ERROR, "push_stopped", "reason",
			    v->fault->reason, NULL);
		set_stopped(s, true, v->fault->reason);
		s->not_before_ms = now + s->stop_ms;
		return;
	}
	if (v->probe_passed && s->halted) {
		log_event(LOG_INFO, "push_resumed", NULL);
		set_stopped(s, false, "");
		s->not_before_ms = now;
	}
	if (v->reached) {
		s->pause_ms = 0;
	} else if (v->unreachable && !s->halted && now >= s->not_before_ms) {
		s->pause_ms = s->pause_ms == 0 ? MS_S : 2 * s->pause_ms;
		if (s->pause_ms > PAUSE_MAX_MS)
			s->pause_ms = PAUSE_MAX_MS;
		s->not_before_ms =
		    now + random_below((uint32_t)s->pause_ms + 1);
	}
}

/* Takes at most BATCH claims off the front of the list. */
static struct apns_claim *
cut(struct apns_claim **list, int64_t *count)
{
	struct apns_claim *first = *list, **at = list;

	for (*count = 0; *at != NULL && *count < BATCH; (*count)++)
		at = &(*at)->next;
	*list = *at;
	*at = NULL;
	return first;
}

static bool
record_batch(struct apns_scheduler *s, const struct apns_claim *batch,
    const struct verdict *v, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t now = clock_now_ms();

	if (!store_begin(s->store, STORE_WRITE, &tx, e))
		return false;
	for (; batch != NULL; batch = batch->next) {
		if (!apns_db_record(tx, s->by, batch, now, e))
			return false;
	}
	return record_verdict(s, tx, v, e) && store_commit(&tx, e);
}

static void
free_list(struct apns_claim **list)
{
	while (*list != NULL) {
		struct apns_claim *c = *list;

		*list = c->next;
		apns_claim_free(&c);
	}
}

/* Puts batch in front of list. */
static void
put_back(struct apns_claim **list, struct apns_claim *batch)
{
	struct apns_claim **at = &batch;

	while (*at != NULL)
		at = &(*at)->next;
	*at = *list;
	*list = batch;
}

/* Returns false when the database does not take them: they stay. */
static bool
record(struct apns_scheduler *s)
{
	struct apns_claim *fresh;

	pthread_mutex_lock(&s->lock);
	fresh = TAKE(s->answered);
	pthread_mutex_unlock(&s->lock);
	put_back(&s->unrecorded, fresh);
	while (s->unrecorded != NULL) {
		struct verdict v = { 0 };
		struct err e = { 0 };
		int64_t count;
		struct apns_claim *batch = cut(&s->unrecorded, &count);

		judge(batch, &v);
		if (!record_batch(s, batch, &v, &e)) {
			put_back(&s->unrecorded, batch);
			database_failed(s, &e);
			return false;
		}
		s->db_failed = false;
		apply_verdict(s, &v);
		s->in_flight -= count;
		free_list(&batch);
	}
	return true;
}

/* Urgent ones first, then the longest due. */
static bool
claim(struct apns_scheduler *s, struct store_tx *tx, int64_t limit,
    struct apns_claim **list, int64_t *count, struct err *e)
{
	int64_t now = clock_now_ms();
	struct apns_claim_options o = { .by = s->by,
		.now = now,
		.until = now + s->claim_ms,
		.limit = limit };
	struct apns_claim *rest = NULL;
	bool ok;

	o.urgent = true;
	if (!apns_db_claim(tx, &o, list, count, e))
		return false;
	o.urgent = false;
	o.limit = limit - *count;
	if (o.limit <= 0)
		return true;
	ok = apns_db_claim(tx, &o, &rest, count, e);
	/* Behind the urgent ones. */
	for (struct apns_claim **at = list;; at = &(*at)->next) {
		if (*at == NULL) {
			*at = rest;
			return ok;
		}
	}
}

/* Takes out of the list what is not to be pushed. */
static bool
sort_out(struct apns_scheduler *s, struct store_tx *tx,
    struct apns_claim **list, struct err *e)
{
	struct apns_claim **at = list;

	while (*at != NULL) {
		struct apns_claim *c = *at;
		bool other = !str_eq(c->topic, s->cert->topic);

		if (c->open && !other) {
			at = &c->next;
			continue;
		}
		if (!(c->open ? apns_db_mismatch(tx, c, e)
		              : apns_db_forget(tx, c, e)))
			return false;
		*at = c->next;
		apns_claim_free(&c);
	}
	return true;
}

static void
push(struct apns_scheduler *s, struct apns_claim *list)
{
	struct apns_push pushes[BATCH];
	int64_t expires = clock_now_ms() / MS_S + s->expiration_s;
	size_t n = 0;

	/* From here on the claims belong to the client. */
	for (; list != NULL && n < COUNT(pushes); list = list->next) {
		struct apns_push *p = &pushes[n++];

		list->probe = s->halted;
		*p = (struct apns_push){ .token = buf_slice(list->token),
			.magic = list->magic,
			.topic = list->topic,
			.expiration_s = expires,
			.ref = (uintptr_t)list };
		uuid_new_lower(p->id);
	}
	s->in_flight += (int64_t)n;
	apns_client_push(s->client, pushes, n);
}

/* One batch; *more: there may be more to claim. */
static bool
push_batch(struct apns_scheduler *s, int64_t limit, bool *more, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(free_list) struct apns_claim *list = NULL;
	int64_t count = 0;

	if (!store_begin(s->store, STORE_WRITE, &tx, e) ||
	    !claim(s, tx, limit, &list, &count, e))
		return false;
	*more = count == limit;
	if (count == 0)
		return true;
	if (!sort_out(s, tx, &list, e) || !store_commit(&tx, e))
		return false;
	push(s, TAKE(list));
	return true;
}

/* Sees without a write transaction whether anything is due; sets next_ms. */
static bool
look(struct apns_scheduler *s, bool *due, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t at, now = clock_now_ms(), left = SLEEP_MAX_MS;

	if (!store_begin(s->store, STORE_READ, &tx, e) ||
	    !apns_db_next_due(tx, &at, e))
		return false;
	*due = at != 0 && at <= now;
	if (*due)
		left = SLEEP_MIN_MS;
	else if (at != 0 && at - now < left)
		left = at - now;
	s->next_ms = clock_mono_ms() + left;
	return true;
}

static void
dispatch(struct apns_scheduler *s)
{
	bool probing = s->halted || s->pause_ms > 0;
	bool more = true;
	struct err e = { 0 };

	if (clock_mono_ms() < s->not_before_ms) {
		s->next_ms = s->not_before_ms;
		return;
	}
	if (!look(s, &more, &e)) {
		database_failed(s, &e);
		return;
	}
	/* After a stop one push goes ahead of the others. */
	while (more && s->in_flight < (probing ? 1 : WINDOW)) {
		if (!push_batch(s, probing ? 1 : BATCH, &more, &e)) {
			database_failed(s, &e);
			return;
		}
		s->db_failed = false;
	}
}

static bool
load(struct apns_scheduler *s, struct apns_cert **out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(s->store, STORE_READ, &tx, e) &&
	       apns_cert_load(tx, s->seal, out, e);
}

/* Waits a little for the answers under way, then takes the rest as they are:
 * unreachable, and due again. */
static void
drain(struct apns_scheduler *s)
{
	int64_t end_ms = clock_mono_ms() + DRAIN_MS;

	while (s->client != NULL && apns_client_pending(s->client) > 0 &&
	       clock_mono_ms() < end_ms)
		clock_sleep_ms(2);
	apns_client_free(&s->client);
	(void)record(s);
}

static void
reload(struct apns_scheduler *s)
{
	AUTO(apns_cert_free) struct apns_cert *cert = NULL;
	struct apns_client_options o = s->client_options;
	struct err e = { 0 };

	if (!load(s, &cert, &e)) {
		log_event(LOG_ERROR, "push_certificate_unreadable", "why",
		    e.text, NULL);
		return;
	}
	/* Apple: after a new certificate close all connections. */
	drain(s);
	apns_cert_free(&s->cert);
	if (s->halted)
		log_event(LOG_INFO, "push_resumed", NULL);
	set_stopped(s, false, "");
	s->not_before_ms = s->pause_ms = 0;
	if (cert == NULL) {
		log_event(LOG_WARN, "push_certificate_missing", NULL);
		return;
	}
	o.cert_pem = cert->cert_pem;
	o.key_pem = cert->key_pem;
	if (!apns_client_new(&o, take_answer, s, &s->client, &e)) {
		log_event(LOG_ERROR, "push_certificate_unusable", "why", e.text,
		    NULL);
		return;
	}
	s->cert = TAKE(cert);
	pthread_mutex_lock(&s->lock);
	s->cert_not_after = s->cert->not_after;
	pthread_mutex_unlock(&s->lock);
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
		if (again)
			reload(s);
		s->next_ms = clock_mono_ms() + SLEEP_MAX_MS;
		if (!record(s))
			s->next_ms = s->not_before_ms;
		else if (s->client != NULL)
			dispatch(s);
	} while (wait_for_work(s, &again));
	drain(s);
	return NULL;
}

static void
release(struct apns_scheduler *s)
{
	free_list(&s->unrecorded);
	free_list(&s->answered);
	apns_cert_free(&s->cert);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	mem_free(&s);
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
	s->store = o->store;
	s->seal = o->seal;
	s->client_options = (struct apns_client_options){ .hosts = o->hosts,
		.ca_file = o->ca_file,
		.ca_pem = o->ca_pem,
		.answer_ms = o->answer_ms };
	s->expiration_s =
	    o->expiration_s > 0 ? o->expiration_s : 7 * MS_DAY / MS_S;
	s->claim_ms = o->claim_ms > 0 ? o->claim_ms : MS_MIN;
	s->stop_ms = o->stop_ms > 0 ? o->stop_ms : 10 * MS_MIN;
	uuid_new_lower(s->by);
	store_listen(o->store, STORE_CHANNEL_PUSH, poke, s);
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
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

void
apns_scheduler_stats(struct apns_scheduler *s, struct apns_scheduler_stats *out)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct apns_scheduler_stats st = { 0 };
	struct err e = { 0 };

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < COUNT(st.pushes); i++)
		st.pushes[i] = s->pushes[i];
	st.cert_not_after = s->cert_not_after;
	st.stopped = s->stopped;
	str_copy_cut(st.stop_reason, sizeof(st.stop_reason), s->stop_reason);
	pthread_mutex_unlock(&s->lock);
	/* -1: the database cannot say. */
	if (!store_begin(s->store, STORE_READ, &tx, &e) ||
	    !apns_db_count_due(tx, clock_now_ms(), &st.due, &e))
		st.due = -1;
	*out = st;
}
