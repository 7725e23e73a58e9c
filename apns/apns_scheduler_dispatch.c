/*
 * Claims what is due and hands it to the client.  Belongs to the scheduler's
 * thread.
 */
#include <assert.h>

#include "apns/apns_scheduler_priv.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"

/* What a batch may claim. */
struct wish {
	int64_t limit;
	const char *only; /* the topic; NULL: all that are not stopped */
	bool urgent;      /* nothing else */
};

/* A batch on its way through a transaction, which may be run again. */
struct claiming {
	struct apns_scheduler *s;
	const struct wish *w;
	struct apns_claim *list;
	int64_t count; /* claimed, with those that are not pushed */
};

static void
claiming_clear(struct claiming *b)
{
	apns_claim_list_free(&b->list);
	b->count = 0;
}

/* Urgent ones first, then the longest due. */
static bool
claim(struct claiming *b, struct store_tx *tx, struct err *e)
{
	struct apns_scheduler *s = b->s;
	const struct wish *w = b->w;
	int64_t now = clock_now_ms();
	struct apns_claim_options o = { .by = s->by,
		.now = now,
		.until = now + s->claim_ms,
		.limit = w->limit,
		.except = w->only == NULL ? buf_str(s->except) : "",
		.only = w->only };
	struct apns_claim *rest = NULL;
	bool ok;

	o.urgent = true;
	if (!apns_db_claim(tx, &o, &b->list, &b->count, e))
		return false;
	o.urgent = false;
	o.limit = w->limit - b->count;
	if (o.limit <= 0 || w->urgent)
		return true;
	ok = apns_db_claim(tx, &o, &rest, &b->count, e);
	/* Behind the urgent ones. */
	for (struct apns_claim **at = &b->list;; at = &(*at)->next) {
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
		bool other = apns_topic_find(s, c->topic) == NULL;

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
	struct apns_push pushes[APNS_BATCH];
	uint8_t random[APNS_BATCH][16];
	int64_t expires = clock_now_ms() / MS_S + s->expiration_s;
	size_t count = 0, n = 0;

	for (const struct apns_claim *c = list; c != NULL; c = c->next)
		count++;
	assert(count <= APNS_BATCH);
	random_bytes(random, count * sizeof(random[0]));
	/* From here on the claims belong to the client. */
	for (; list != NULL; list = list->next) {
		struct apns_push *p = &pushes[n];
		struct apns_topic *t = apns_topic_find(s, list->topic);

		if (s->on_push != NULL)
			s->on_push(list->enrollment_id, s->on_push_arg);
		list->probe = t->probing = t->stopped;
		list->generation = t->generation;
		*p = (struct apns_push){ .token = list->token,
			.magic = list->magic,
			.topic = list->topic,
			.urgent = list->urgent,
			.expiration_s = expires,
			.ref = (uintptr_t)list };
		uuid_lower_of(random[n++], p->id);
	}
	s->in_flight += (int64_t)n;
	apns_client_push(s->client, pushes, n);
}

static bool
claim_batch(struct store_tx *tx, void *arg, struct err *e)
{
	struct claiming *b = arg;

	claiming_clear(b);
	return claim(b, tx, e) && sort_out(b->s, tx, &b->list, e);
}

/* One batch; *more: there may be more to claim. */
static bool
push_batch(
    struct apns_scheduler *s, const struct wish *w, bool *more, struct err *e)
{
	AUTO(claiming_clear) struct claiming b = { .s = s, .w = w };
	int64_t began_ms = clock_mono_ms();

	if (!store_write(s->store, claim_batch, &b, e))
		return false;
	*more = b.count == w->limit;
	/* We stood still: by now they may be another node's. */
	if (clock_mono_ms() - began_ms < s->claim_ms)
		push(s, TAKE(b.list));
	return true;
}

/*
 * Sees without a write transaction when something is due, within
 * APNS_SLEEP_MAX_MS; 0: now.
 */
static bool
look(struct apns_scheduler *s, const char *only, int64_t *left, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t at, now = clock_now_ms();

	if (!store_begin(s->store, STORE_READ, &tx, e) ||
	    !apns_db_next_due(
	        tx, only == NULL ? buf_str(s->except) : "", only, &at, e))
		return false;
	*left = APNS_SLEEP_MAX_MS;
	if (at != 0 && at - now < *left)
		*left = at > now ? at - now : 0;
	return true;
}

static void
wake_at(struct apns_scheduler *s, int64_t at_ms)
{
	if (at_ms < s->next_ms)
		s->next_ms = at_ms;
}

/* A stopped topic: one push tries, now and then. */
static bool
probe(struct apns_scheduler *s, const struct apns_topic *t, struct err *e)
{
	int64_t left, now_ms = clock_mono_ms();
	struct wish one = { .limit = 1, .only = t->cert->topic };
	bool more;

	if (!t->stopped || t->probing)
		return true;
	if (now_ms < t->probe_ms) {
		wake_at(s, t->probe_ms);
		return true;
	}
	if (!look(s, one.only, &left, e))
		return false;
	wake_at(s, now_ms + (left > 0 ? left : APNS_SLEEP_MIN_MS));
	return left > 0 || push_batch(s, &one, &more, e);
}

/* A lock does not wait for the end of a wave that fills the window. */
static bool
push_urgent(struct apns_scheduler *s, struct err *e)
{
	struct wish urgent = { .limit = APNS_BATCH, .urgent = true };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool due;

	if (s->in_flight >= s->window + APNS_BATCH)
		return true;
	if (!store_begin(s->store, STORE_READ, &tx, e) ||
	    !apns_db_urgent_due(
	        tx, buf_str(s->except), clock_now_ms(), &due, e))
		return false;
	store_rollback(&tx);
	return !due || push_batch(s, &urgent, &due, e);
}

/* The topics that are not stopped. */
static bool
push_due(struct apns_scheduler *s, struct err *e)
{
	/* After a pause one push goes ahead of the others. */
	int64_t window = s->pause_ms > 0 ? 1 : s->window;
	struct wish all = { .limit =
		                window < APNS_BATCH ? window : APNS_BATCH };
	int64_t left;
	bool more;

	if (!look(s, NULL, &left, e))
		return false;
	wake_at(s, clock_mono_ms() + (left > 0 ? left : APNS_SLEEP_MIN_MS));
	more = left == 0;
	while (more && s->in_flight < window)
		if (!push_batch(s, &all, &more, e))
			return false;
	return !more || s->pause_ms > 0 || push_urgent(s, e);
}

void
apns_scheduler_dispatch(struct apns_scheduler *s)
{
	struct err e = { 0 };
	bool ok = true;

	if (clock_mono_ms() < s->not_before_ms) {
		s->next_ms = s->not_before_ms;
		return;
	}
	for (size_t i = 0; ok && i < s->topics_count; i++)
		ok = apns_topic_expire(s, &s->topics[i], &e) &&
		     probe(s, &s->topics[i], &e);
	if (ok && push_due(s, &e)) {
		s->db_failed = false;
		return;
	}
	apns_scheduler_database_failed(s, &e);
	s->next_ms = s->not_before_ms;
}
