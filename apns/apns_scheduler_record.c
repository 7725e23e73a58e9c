/*
 * Answers into the database, and what they say about pushing as a whole: a
 * refused certificate stops everything, a network that is away makes it
 * pause.  Belongs to the scheduler's thread.
 */
#include "apns/apns_scheduler_priv.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"

void
apns_claim_list_free(struct apns_claim **list)
{
	while (*list != NULL) {
		struct apns_claim *c = *list;

		*list = c->next;
		apns_claim_free(&c);
	}
}

/* What the answers of one batch say about a topic, ... */
struct topic_verdict {
	const struct apns_answer *fault; /* certificate or topic, or NULL */
	bool probed, passed;             /* a probe came back; well */
};
/* ... and about pushing as a whole. */
struct verdict {
	struct topic_verdict of[APNS_TOPICS_MAX]; /* as the scheduler's */
	const struct apns_answer *away; /* APNs out of reach, or NULL */
	bool reached;                   /* Apple answered something */
};

/* One push that got no answer on a connection that lives says nothing about
 * the others. */
static bool
is_away(const struct apns_answer *a)
{
	return a->outcome == APNS_UNREACHABLE &&
	       !str_eq(a->reason, "timeout") &&
	       !str_eq(a->reason, "stream reset");
}

static void
judge_topic(struct topic_verdict *v, const struct apns_claim *c)
{
	const struct apns_answer *a = &c->answer;

	if (a->outcome == APNS_OUR_FAULT)
		v->fault = a;
	v->probed |= c->probe;
	v->passed |= c->probe && a->outcome != APNS_OUR_FAULT &&
	             a->outcome != APNS_UNREACHABLE;
}

/* What was said of a certificate that has been replaced since counts no
 * more. */
static void
judge(
    struct apns_scheduler *s, const struct apns_claim *list, struct verdict *v)
{
	for (; list != NULL; list = list->next) {
		const struct apns_answer *a = &list->answer;
		const struct apns_topic *t = apns_topic_find(s, list->topic);

		if (t == NULL || list->generation != t->generation)
			continue;
		judge_topic(&v->of[t - s->topics], list);
		if (is_away(a))
			v->away = a;
		else if (a->outcome != APNS_UNREACHABLE &&
		         a->outcome != APNS_OUR_FAULT)
			v->reached = true;
		if (a->outcome == APNS_BUG)
			log_event(LOG_ERROR, "push_rejected", "reason",
			    a->reason, "apns_id", a->id, NULL);
	}
}

/* In the transaction of the answers: one event a topic however many were
 * refused. */
static bool
record_verdict(struct apns_scheduler *s, struct store_tx *tx,
    const struct verdict *v, struct err *e)
{
	for (size_t i = 0; i < s->topics_count; i++) {
		const struct apns_topic *t = &s->topics[i];
		const struct apns_answer *fault = v->of[i].fault;

		if (fault != NULL && !t->stopped &&
		    !apns_db_event(
		        tx, "push.stopped", t->cert->topic, fault->reason, e))
			return false;
		if (fault == NULL && v->of[i].passed && t->stopped &&
		    !apns_db_event(tx, "push.resumed", t->cert->topic, NULL, e))
			return false;
	}
	return true;
}

/* While nobody answers: ever longer pauses, and one push to try. */
static void
pace(struct apns_scheduler *s, const struct verdict *v, int64_t now)
{
	if (v->reached) {
		if (s->pause_ms > 0)
			log_event(LOG_INFO, "push_reachable", NULL);
		s->pause_ms = 0;
		return;
	}
	if (v->away == NULL || now < s->not_before_ms)
		return;
	if (s->pause_ms == 0)
		log_event(
		    LOG_WARN, "push_unreachable", "why", v->away->reason, NULL);
	s->pause_ms = s->pause_ms == 0 ? MS_S : 2 * s->pause_ms;
	if (s->pause_ms > APNS_PAUSE_MAX_MS)
		s->pause_ms = APNS_PAUSE_MAX_MS;
	s->not_before_ms = now + random_below((uint32_t)s->pause_ms + 1);
}

static void
apply_verdict(struct apns_scheduler *s, const struct verdict *v)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < s->topics_count; i++) {
		struct apns_topic *t = &s->topics[i];

		if (v->of[i].probed)
			t->probing = false;
		if (v->of[i].fault != NULL)
			apns_topic_stop(s, t, v->of[i].fault->reason);
		else if (v->of[i].passed && t->stopped)
			apns_topic_resume(s, t);
		else if (v->of[i].probed)
			t->probe_ms = now + APNS_SLEEP_MIN_MS;
	}
	pace(s, v, now);
}

/* Takes at most APNS_BATCH claims off the front of the list. */
static struct apns_claim *
cut(struct apns_claim **list, int64_t *count)
{
	struct apns_claim *first = *list, **at = list;

	for (*count = 0; *at != NULL && *count < APNS_BATCH; (*count)++)
		at = &(*at)->next;
	*list = *at;
	*at = NULL;
	return first;
}

struct record {
	struct apns_scheduler *s;
	const struct apns_claim *batch;
	const struct verdict *v;
	int64_t now;
};

static bool
record_some(struct store_tx *tx, void *arg, struct err *e)
{
	const struct record *r = arg;

	return apns_db_record(tx, r->s->by, r->batch, r->now, e) &&
	       record_verdict(r->s, tx, r->v, e);
}

static bool
record_batch(struct apns_scheduler *s, const struct apns_claim *batch,
    const struct verdict *v, struct err *e)
{
	struct record r = { s, batch, v, clock_now_ms() };

	return store_write(s->store, record_some, &r, e);
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

bool
apns_scheduler_record(struct apns_scheduler *s)
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

		judge(s, batch, &v);
		if (!record_batch(s, batch, &v, &e)) {
			put_back(&s->unrecorded, batch);
			apns_scheduler_database_failed(s, &e);
			return false;
		}
		s->db_failed = false;
		apply_verdict(s, &v);
		s->in_flight -= count;
		apns_claim_list_free(&batch);
	}
	return true;
}
