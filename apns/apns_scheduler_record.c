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

/* What the answers of one batch say about pushing as a whole. */
struct verdict {
	const struct apns_answer *fault; /* certificate or topic, or NULL */
	const struct apns_answer *away;  /* APNs out of reach, or NULL */
	bool reached;                    /* Apple answered something */
	bool probe_passed;
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

/* What was said of a certificate that has been replaced since counts no
 * more. */
static void
judge(const struct apns_scheduler *s, const struct apns_claim *list,
    struct verdict *v)
{
	for (; list != NULL; list = list->next) {
		const struct apns_answer *a = &list->answer;

		if (list->generation != s->generation)
			continue;
		if (a->outcome == APNS_OUR_FAULT)
			v->fault = a;
		else if (is_away(a))
			v->away = a;
		else if (a->outcome != APNS_UNREACHABLE)
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
	if (v->away == NULL || s->halted || now < s->not_before_ms)
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

	if (v->fault != NULL) {
		if (!s->halted)
			log_event(LOG_ERROR, "push_stopped", "reason",
			    v->fault->reason, NULL);
		apns_scheduler_set_stopped(s, true, v->fault->reason);
		s->not_before_ms = now + s->stop_ms;
		return;
	}
	if (v->probe_passed && s->halted) {
		log_event(LOG_INFO, "push_resumed", NULL);
		apns_scheduler_set_stopped(s, false, "");
		s->not_before_ms = now;
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
