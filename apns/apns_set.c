/*
 * The connections that show one push certificate, and the pushes that wait
 * for them.  Belongs to the client's thread.
 */
#include <openssl/ssl.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"
#include "core/random.h"

enum { BACK_OFF_SHIFT_MAX = 9 };
static const int64_t back_off_base_ms = MS_S;
static const int64_t back_off_max_ms = 5 * MS_MIN;

struct apns_set *
apns_set_new(struct apns_client *c, const char *topic, SSL_CTX *tls)
{
	struct apns_set *s = mem_zalloc(1, sizeof(*s));

	s->client = c;
	s->tls = tls;
	str_copy_cut(s->topic, sizeof(s->topic), topic);
	s->next = c->sets;
	c->sets = s;
	return s;
}

struct apns_job *
apns_set_head(const struct apns_set *s)
{
	return s->urgent.head != NULL ? s->urgent.head : s->queue.head;
}

static struct apns_jobs *
its_queue(struct apns_set *s, const struct apns_job *j)
{
	return j->urgent ? &s->urgent : &s->queue;
}

void
apns_set_queue(struct apns_set *s, struct apns_job *j)
{
	apns_jobs_append(its_queue(s, j), j);
}

static void
fail_queue(struct apns_set *s, enum apns_outcome outcome, const char *reason)
{
	struct apns_job *j;

	while ((j = apns_set_head(s)) != NULL) {
		apns_jobs_remove(its_queue(s, j), j);
		apns_client_give_up(s->client, j, outcome, reason);
	}
}

void
apns_set_free(struct apns_set **set)
{
	struct apns_set *s = TAKE(*set);

	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		struct apns_connection *k = s->connections[i];

		if (k == NULL)
			continue;
		while (k->jobs.head != NULL) {
			struct apns_job *j = k->jobs.head;

			apns_jobs_remove(&k->jobs, j);
			apns_set_queue(s, j);
		}
		apns_dial_clear(k);
		apns_connection_close(k);
		mem_free(&k);
	}
	fail_queue(s, APNS_UNREACHABLE, "client stopped");
	SSL_CTX_free(s->tls);
	mem_free(&s);
}

struct apns_set *
apns_set_find(struct apns_client *c, struct slice topic)
{
	struct apns_set *other = NULL;

	for (struct apns_set *s = c->sets; s != NULL; s = s->next) {
		if (slice_eq_str(topic, s->topic))
			return s;
		if (s->topic[0] == '\0')
			other = s;
	}
	return other;
}

void
apns_set_replace(struct apns_set *s, SSL_CTX *tls)
{
	/* Sessions hold the old one for as long as they need it. */
	SSL_CTX_free(s->tls);
	s->tls = tls;
	s->failures = 0;
	s->connect_at_ms = 0;
	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		if (s->connections[i] != NULL)
			apns_connection_retire(s->connections[i]);
	}
}

void
apns_set_again(struct apns_set *s, struct apns_job *j)
{
	j->status = 0;
	j->ended = j->overlong = false;
	j->retry_after_s = 0;
	buf_free(&j->body);
	apns_jobs_prepend(its_queue(s, j), j);
}

void
apns_set_failed(struct apns_set *s, const char *why, bool our_fault)
{
	unsigned shift =
	    s->failures < BACK_OFF_SHIFT_MAX ? s->failures : BACK_OFF_SHIFT_MAX;
	int64_t most = back_off_base_ms << shift;

	if (most > back_off_max_ms)
		most = back_off_max_ms;
	s->failures++;
	s->connect_at_ms = clock_mono_ms() + random_below((uint32_t)most + 1);
	if (our_fault)
		fail_queue(s, APNS_OUR_FAULT, why);
	else if (s->open == 0)
		fail_queue(s, APNS_UNREACHABLE, why);
}

/* A connection that was silent for long may be dead without knowing it: ask
 * before use. */
static void
submit(struct apns_set *s, struct apns_connection *k, int64_t now_ms)
{
	size_t room = apns_connection_room(k), rate, left;

	if (room > 0 && k->jobs.count == 0 &&
	    now_ms - k->read_ms > s->client->idle_ms) {
		k->probing = true;
		apns_connection_ping(k);
		return;
	}
	rate = apns_rate_room(s->client, now_ms);
	room = room < rate ? room : rate;
	for (left = room; left > 0 && apns_set_head(s) != NULL; left--) {
		struct apns_job *j = apns_set_head(s);

		apns_jobs_remove(its_queue(s, j), j);
		apns_stream_submit(k, j);
		if (k->state != APNS_OPEN)
			break;
	}
	apns_rate_take(s->client, room - left);
}

static struct apns_connection *
connection_new(struct apns_set *s, unsigned slot)
{
	struct apns_connection *k = mem_zalloc(1, sizeof(*k));

	k->client = s->client;
	k->set = s;
	k->fd = -1;
	s->connections[slot] = k;
	return k;
}

/* Streams have run out: not when the rate limit is what holds pushes back. */
static bool
wants_connection(const struct apns_set *s, int64_t now_ms)
{
	if (apns_set_head(s) == NULL || now_ms < s->connect_at_ms)
		return false;
	return s->open == 0 || apns_rate_next_ms(s->client) == 0;
}

/* One more connection when streams have run out; one dial at a time. */
static void
dial(struct apns_set *s, int64_t now_ms)
{
	struct apns_connection *unused = NULL;
	unsigned usable = 0;

	if (!wants_connection(s, now_ms))
		return;
	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		struct apns_connection *k = s->connections[i];

		if (k == NULL || k->state == APNS_CLOSED) {
			if (unused == NULL)
				unused = k != NULL ? k : connection_new(s, i);
			continue;
		}
		if (k->state < APNS_OPEN ||
		    (k->state == APNS_OPEN && k->probing))
			return;
		usable += k->state == APNS_OPEN;
	}
	if (unused != NULL && usable < s->client->connections_max)
		apns_dial_start(unused);
}

/* When the push at the front has waited for too long: nothing was answered.
 */
static int64_t
deadline_ms(const struct apns_set *s, const struct apns_jobs *l)
{
	int64_t since;

	if (l->head == NULL)
		return INT64_MAX;
	since = l->head->since_ms;
	return (since > s->answered_ms ? since : s->answered_ms) +
	       s->client->answer_ms;
}

static void
expire(struct apns_set *s, struct apns_jobs *l, int64_t now_ms)
{
	while (now_ms >= deadline_ms(s, l)) {
		struct apns_job *j = l->head;

		apns_jobs_remove(l, j);
		apns_client_give_up(
		    s->client, j, APNS_UNREACHABLE, "no connection");
	}
}

void
apns_set_work(struct apns_set *s, int64_t now_ms)
{
	(void)apns_rate_room(s->client, now_ms);
	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		if (s->connections[i] != NULL)
			apns_connection_tick(s->connections[i], now_ms);
	}
	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		struct apns_connection *k = s->connections[i];

		if (k == NULL)
			continue;
		if (apns_set_head(s) != NULL)
			submit(s, k, now_ms);
		apns_connection_flush(k);
	}
	expire(s, &s->urgent, now_ms);
	expire(s, &s->queue, now_ms);
	dial(s, now_ms);
}

int64_t
apns_set_next_ms(const struct apns_set *s)
{
	int64_t next = INT64_MAX, at, now_ms = clock_mono_ms();

	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		if (s->connections[i] == NULL)
			continue;
		at = apns_connection_next_ms(s->connections[i]);
		next = at < next ? at : next;
	}
	if (apns_set_head(s) == NULL)
		return next;
	at = deadline_ms(s, &s->urgent);
	next = at < next ? at : next;
	at = deadline_ms(s, &s->queue);
	next = at < next ? at : next;
	at = s->connect_at_ms;
	next = now_ms < at && at < next ? at : next;
	/* The time may have come since the work was done. */
	at = apns_rate_next_ms(s->client);
	return at != 0 && at < next ? at : next;
}
