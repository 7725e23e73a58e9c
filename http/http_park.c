/*
 * Long polls: requests whose handler waits for something to happen.  They
 * hold a suspended connection and no worker.  http_wake() runs them all again
 * through the pool; so does their deadline.
 */
#include <poll.h>

#include "core/clock.h"
#include "http/http_priv.h"

enum { PARK_MIN_MS = 10 };

void
http_lot_init(struct http_lot *lot)
{
	pthread_mutex_init(&lot->lock, NULL);
}

static void
run_again(struct http_server *s, struct http_request *rq)
{
	if (!http_pool_push(&s->pool, rq))
		http_request_abandon(rq, HTTP_STOPPING);
}

void
http_lot_park(struct http_server *s, struct http_request *rq)
{
	struct http_lot *lot = &s->lot;
	int64_t now_ms = clock_mono_ms();
	int64_t until_ms = rq->reply.park_until_ms;
	bool again, closed;

	/* A deadline in the past must not make us run in circles. */
	if (until_ms < now_ms + PARK_MIN_MS)
		until_ms = now_ms + PARK_MIN_MS;
	rq->reply.park_until_ms = until_ms;
	if (rq->parked_since_ms == 0)
		rq->parked_since_ms = now_ms;
	pthread_mutex_lock(&lot->lock);
	/* What happened while the handler looked must not be missed: first
	 * be counted, then look, as http_wake() does it the other way. */
	atomic_fetch_add(&lot->count, 1);
	closed = lot->closed;
	again = atomic_load(&lot->wakes) != rq->wake_seen;
	if (!closed && !again) {
		rq->next = lot->parked;
		lot->parked = rq;
	} else {
		atomic_fetch_sub(&lot->count, 1);
	}
	pthread_mutex_unlock(&lot->lock);
	if (closed)
		http_request_abandon(rq, HTTP_STOPPING);
	else if (again)
		run_again(s, rq);
	else
		http_janitor_by(s, until_ms);
}

/* Unlinks and returns all, in no order. */
static struct http_request *
take_all(struct http_lot *lot)
{
	struct http_request *all = lot->parked;

	lot->parked = NULL;
	atomic_store(&lot->count, 0);
	return all;
}

static void
run_all(struct http_server *s, struct http_request *list)
{
	while (list != NULL) {
		struct http_request *rq = list;

		list = rq->next;
		run_again(s, rq);
	}
}

void
http_wake(struct http_server *s)
{
	struct http_request *all;

	atomic_fetch_add(&s->lot.wakes, 1);
	if (atomic_load(&s->lot.count) == 0)
		return;
	pthread_mutex_lock(&s->lot.lock);
	all = take_all(&s->lot);
	pthread_mutex_unlock(&s->lot.lock);
	run_all(s, all);
}

/* A suspended connection is not watched, so look whether it was closed. */
static bool
client_left(const struct http_request *rq)
{
	struct pollfd p = { .fd = rq->conn->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 &&
	       (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

int64_t
http_lot_tick(struct http_server *s, int64_t now_ms)
{
	struct http_lot *lot = &s->lot;
	struct http_request *due = NULL, *left = NULL, **at;
	int64_t next_ms = INT64_MAX;

	pthread_mutex_lock(&lot->lock);
	for (at = &lot->parked; *at != NULL;) {
		struct http_request *rq = *at;
		bool gone = client_left(rq);

		if (!gone && rq->reply.park_until_ms > now_ms) {
			if (rq->reply.park_until_ms < next_ms)
				next_ms = rq->reply.park_until_ms;
			at = &rq->next;
			continue;
		}
		*at = rq->next;
		rq->next = gone ? left : due;
		*(gone ? &left : &due) = rq;
		atomic_fetch_sub(&lot->count, 1);
	}
	pthread_mutex_unlock(&lot->lock);
	run_all(s, due);
	while (left != NULL) {
		struct http_request *rq = left;

		left = rq->next;
		http_request_abandon(rq, "the client left");
	}
	return next_ms;
}

void
http_lot_close(struct http_server *s)
{
	struct http_request *all;

	pthread_mutex_lock(&s->lot.lock);
	s->lot.closed = true;
	all = take_all(&s->lot);
	pthread_mutex_unlock(&s->lot.lock);
	while (all != NULL) {
		struct http_request *rq = all;

		all = rq->next;
		http_request_abandon(rq, HTTP_STOPPING);
	}
}

void
http_lot_free(struct http_lot *lot)
{
	pthread_mutex_destroy(&lot->lock);
}
