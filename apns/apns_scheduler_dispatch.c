/*
 * Claims what is due and hands it to the client.  Belongs to the scheduler's
 * thread.
 */
#include "apns/apns_scheduler_priv.h"
#include "core/clock.h"

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
		bool other = !apns_scheduler_has_topic(s, c->topic);

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
	int64_t expires = clock_now_ms() / MS_S + s->expiration_s;
	size_t n = 0;

	/* From here on the claims belong to the client. */
	for (; list != NULL && n < COUNT(pushes); list = list->next) {
		struct apns_push *p = &pushes[n++];

		list->probe = s->halted;
		list->generation = s->generation;
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
	AUTO(apns_claim_list_free) struct apns_claim *list = NULL;
	int64_t count = 0, began_ms = clock_mono_ms();

	if (!store_begin(s->store, STORE_WRITE, &tx, e) ||
	    !claim(s, tx, limit, &list, &count, e))
		return false;
	*more = count == limit;
	if (count == 0)
		return true;
	if (!sort_out(s, tx, &list, e) || !store_commit(&tx, e))
		return false;
	/* We stood still: by now they may be another node's. */
	if (clock_mono_ms() - began_ms < s->claim_ms)
		push(s, TAKE(list));
	return true;
}

/* Sees without a write transaction whether anything is due; sets next_ms. */
static bool
look(struct apns_scheduler *s, bool *due, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t at, now = clock_now_ms(), left = APNS_SLEEP_MAX_MS;

	if (!store_begin(s->store, STORE_READ, &tx, e) ||
	    !apns_db_next_due(tx, &at, e))
		return false;
	*due = at != 0 && at <= now;
	if (*due)
		left = APNS_SLEEP_MIN_MS;
	else if (at != 0 && at - now < left)
		left = at - now;
	s->next_ms = clock_mono_ms() + left;
	return true;
}

void
apns_scheduler_dispatch(struct apns_scheduler *s)
{
	bool probing = s->halted || s->pause_ms > 0;
	bool more = true;
	struct err e = { 0 };

	if (clock_mono_ms() < s->not_before_ms) {
		s->next_ms = s->not_before_ms;
		return;
	}
	if (!look(s, &more, &e)) {
		apns_scheduler_database_failed(s, &e);
		s->next_ms = s->not_before_ms;
		return;
	}
	/* After a stop one push goes ahead of the others. */
	while (more && s->in_flight < (probing ? 1 : s->window)) {
		if (!push_batch(s, probing ? 1 : APNS_BATCH, &more, &e)) {
			apns_scheduler_database_failed(s, &e);
			return;
		}
		s->db_failed = false;
	}
}
