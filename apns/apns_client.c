/*
 * The APNs client: its one thread, the queue behind the connections, and the
 * answers.  apns_client_push() and the statistics may be called from any
 * thread; all else happens on the client's thread.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"
#include "core/random.h"

enum {
	CONNECTIONS = 2,
	STREAMS = 1000,
	BACK_OFF_SHIFT_MAX = 9,
	EVENTS_MAX = APNS_CONNECTIONS_MAX + 1,
	WAKE = UINT16_MAX /* epoll's data of the eventfd */
};
static const int64_t back_off_base_ms = MS_S;
static const int64_t back_off_max_ms = 5 * MS_MIN;

void
apns_client_finish(
    struct apns_client *c, struct apns_job *j, const struct apns_answer *a)
{
	if (a->outcome == APNS_ACCEPTED)
		atomic_fetch_add(&c->accepted, 1);
	else
		atomic_fetch_add(&c->failed, 1);
	atomic_fetch_sub(&c->pending, 1);
	c->answer(a, c->arg);
	buf_free(&j->body);
	mem_free(&j);
}

void
apns_client_give_up(struct apns_client *c, struct apns_job *j,
    enum apns_outcome outcome, const char *reason)
{
	struct apns_answer a = { .ref = j->ref, .outcome = outcome };

	str_copy_cut(a.id, sizeof(a.id), j->id);
	str_copy_cut(a.reason, sizeof(a.reason), reason);
	apns_client_finish(c, j, &a);
}

void
apns_client_again(struct apns_client *c, struct apns_job *j)
{
	j->status = 0;
	j->ended = j->overlong = false;
	j->retry_after_s = 0;
	buf_free(&j->body);
	apns_jobs_prepend(&c->queue, j);
}

void
apns_client_fail_queue(
    struct apns_client *c, enum apns_outcome outcome, const char *reason)
{
	while (c->queue.head != NULL) {
		struct apns_job *j = c->queue.head;

		apns_jobs_remove(&c->queue, j);
		apns_client_give_up(c, j, outcome, reason);
	}
}

void
apns_client_failed(struct apns_client *c, const char *why, bool our_fault)
{
	unsigned shift =
	    c->failures < BACK_OFF_SHIFT_MAX ? c->failures : BACK_OFF_SHIFT_MAX;
	int64_t most = back_off_base_ms << shift;

	if (most > back_off_max_ms)
		most = back_off_max_ms;
	c->failures++;
	c->connect_at_ms = clock_mono_ms() + random_below((uint32_t)most + 1);
	if (our_fault)
		apns_client_fail_queue(c, APNS_OUR_FAULT, why);
	else if (atomic_load(&c->open) == 0)
		apns_client_fail_queue(c, APNS_UNREACHABLE, why);
}

/* Takes what apns_client_push() left; false: the client is to stop. */
static bool
take_incoming(struct apns_client *c)
{
	bool go_on;

	pthread_mutex_lock(&c->lock);
	apns_jobs_move(&c->queue, &c->incoming);
	go_on = !c->stopping;
	pthread_mutex_unlock(&c->lock);
	return go_on;
}

/* A connection that was silent for long may be dead without knowing it: ask
 * before use. */
static void
submit(struct apns_client *c, struct apns_connection *k, int64_t now_ms)
{
	size_t room = apns_connection_room(k);

	if (room > 0 && k->jobs.count == 0 &&
	    now_ms - k->read_ms > c->idle_ms) {
		k->probing = true;
		apns_connection_ping(k);
		return;
	}
	for (; room > 0 && c->queue.head != NULL; room--) {
		struct apns_job *j = c->queue.head;

		apns_jobs_remove(&c->queue, j);
		apns_stream_submit(k, j);
		if (k->state != APNS_OPEN)
			return;
	}
}

static struct apns_connection *
connection_new(struct apns_client *c, unsigned slot)
{
	struct apns_connection *k = mem_zalloc(1, sizeof(*k));

	k->client = c;
	k->slot = slot;
	k->fd = -1;
	c->connections[slot] = k;
	return k;
}

/* One more connection when streams have run out; one dial at a time. */
static void
dial(struct apns_client *c, int64_t now_ms)
{
	struct apns_connection *unused = NULL;
	unsigned usable = 0;

	if (c->queue.head == NULL || now_ms < c->connect_at_ms)
		return;
	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		struct apns_connection *k = c->connections[i];

		if (k == NULL || k->state == APNS_CLOSED) {
			if (unused == NULL)
				unused = k != NULL ? k : connection_new(c, i);
			continue;
		}
		if (k->state < APNS_OPEN || k->probing)
			return;
		usable += k->state == APNS_OPEN;
	}
	if (unused != NULL && usable < c->connections_max)
		apns_dial_start(unused);
}

/* When a push that waits has waited for too long: nothing was answered. */
static int64_t
queue_deadline_ms(const struct apns_client *c)
{
	int64_t since = c->queue.head->since_ms;

	return (since > c->answered_ms ? since : c->answered_ms) + c->answer_ms;
}

static void
expire_queue(struct apns_client *c, int64_t now_ms)
{
	while (c->queue.head != NULL && now_ms >= queue_deadline_ms(c)) {
		struct apns_job *j = c->queue.head;

		apns_jobs_remove(&c->queue, j);
		apns_client_give_up(c, j, APNS_UNREACHABLE, "no connection");
	}
}

static void
work(struct apns_client *c)
{
	int64_t now_ms = clock_mono_ms();

	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		if (c->connections[i] != NULL)
			apns_connection_tick(c->connections[i], now_ms);
	}
	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		struct apns_connection *k = c->connections[i];

		if (k == NULL)
			continue;
		if (c->queue.head != NULL)
			submit(c, k, now_ms);
		apns_connection_flush(k);
	}
	expire_queue(c, now_ms);
	dial(c, now_ms);
}

static int
wait_ms(const struct apns_client *c)
{
	int64_t next = INT64_MAX, at, left;

	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		if (c->connections[i] == NULL)
			continue;
		at = apns_connection_next_ms(c->connections[i]);
		next = at < next ? at : next;
	}
	if (c->queue.head != NULL) {
		at = queue_deadline_ms(c);
		next = at < next ? at : next;
		if (clock_mono_ms() < c->connect_at_ms &&
		    c->connect_at_ms < next)
			next = c->connect_at_ms;
	}
	if (next == INT64_MAX)
		return -1;
	left = next - clock_mono_ms();
	return left <= 0 ? 0 : left > MS_MIN ? (int)MS_MIN : (int)left;
}

static void
dispatch(struct apns_client *c, const struct epoll_event *ev)
{
	uint64_t count;

	if (ev->data.u32 != WAKE) {
		apns_connection_event(c->connections[ev->data.u32]);
		return;
	}
	if (read(c->wake, &count, sizeof(count)) != sizeof(count))
		return; /* somebody else's wake-up was counted already */
}

/* The end: whatever is under way or waits is answered. */
static void
close_all(struct apns_client *c)
{
	for (unsigned i = 0; i < APNS_CONNECTIONS_MAX; i++) {
		struct apns_connection *k = c->connections[i];

		if (k == NULL)
			continue;
		apns_jobs_move(&c->queue, &k->jobs);
		apns_dial_clear(k);
		apns_connection_close(k);
		mem_free(&k);
	}
	apns_client_fail_queue(c, APNS_UNREACHABLE, "client stopped");
}

static void *
run(void *arg)
{
	struct apns_client *c = arg;
	struct epoll_event events[EVENTS_MAX];

	while (take_incoming(c)) {
		int n;

		work(c);
		n = epoll_wait(c->epoll, events, EVENTS_MAX, wait_ms(c));
		for (int i = 0; i < n; i++)
			dispatch(c, &events[i]);
	}
	close_all(c);
	return NULL;
}

static bool
take_options(
    struct apns_client *c, const struct apns_client_options *o, struct err *e)
{
	for (; o->hosts[c->hosts_count] != NULL; c->hosts_count++) {
		if (c->hosts_count == APNS_HOSTS_MAX)
			return err_set(e, ERR_INVALID,
			    "more than %d APNs hosts", APNS_HOSTS_MAX);
		if (!apns_host_parse(
		        o->hosts[c->hosts_count], &c->hosts[c->hosts_count], e))
			return false;
	}
	if (c->hosts_count == 0)
		return err_set(e, ERR_INVALID, "no APNs host");
	c->connections_max =
	    o->connections_max > 0 ? (unsigned)o->connections_max : CONNECTIONS;
	if (c->connections_max > APNS_CONNECTIONS_MAX / 2)
		c->connections_max = APNS_CONNECTIONS_MAX / 2;
	c->streams_max = o->streams_max > 0 ? (size_t)o->streams_max : STREAMS;
	c->answer_ms = o->answer_ms > 0 ? o->answer_ms : 30 * MS_S;
	c->connect_ms = o->connect_ms > 0 ? o->connect_ms : 10 * MS_S;
	c->idle_ms = o->idle_ms > 0 ? o->idle_ms : MS_MIN;
	c->ping_ms = o->ping_ms > 0 ? o->ping_ms : 5 * MS_S;
	return apns_tls_context(o, &c->tls, e);
}

/* The thread takes no signals; a write to a closed socket is an error, not
 * SIGPIPE. */
static bool
start(struct apns_client *c, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = WAKE };
	sigset_t all, before;
	int failed;

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->epoll < 0 || c->wake < 0 ||
	    epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->wake, &ev) != 0)
		return err_errno(e, ERR_INTERNAL, "APNs client");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&c->thread, NULL, run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		return err_set(e, ERR_INTERNAL, "APNs client: no thread");
	return true;
}

static void
release(struct apns_client *c)
{
	if (c->epoll >= 0)
		close(c->epoll);
	if (c->wake >= 0)
		close(c->wake);
	SSL_CTX_free(c->tls);
	pthread_mutex_destroy(&c->lock);
	mem_free(&c);
}

bool
apns_client_new(const struct apns_client_options *o, apns_answer_fn answer,
    void *arg, struct apns_client **out, struct err *e)
{
	struct apns_client *c = mem_zalloc(1, sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->epoll = c->wake = -1;
	c->answer = answer;
	c->arg = arg;
	if (!take_options(c, o, e) || !start(c, e)) {
		release(c);
		return false;
	}
	*out = c;
	return true;
}

static void
wake_up(struct apns_client *c)
{
	uint64_t one = 1;

	/* Fails only when the counter is full: then it is awake. */
	if (write(c->wake, &one, sizeof(one)) < 0)
		return;
}

void
apns_client_free(struct apns_client **client)
{
	struct apns_client *c = TAKE(*client);

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_mutex_unlock(&c->lock);
	wake_up(c);
	pthread_join(c->thread, NULL);
	assert(atomic_load(&c->pending) == 0);
	release(c);
}

void
apns_client_push(
    struct apns_client *c, const struct apns_push *pushes, size_t count)
{
	struct apns_jobs jobs = { 0 };
	int64_t now_ms = clock_mono_ms();
	bool asleep;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		apns_jobs_append(&jobs, apns_job_new(&pushes[i], now_ms));
	atomic_fetch_add(&c->pending, count);
	pthread_mutex_lock(&c->lock);
	asleep = c->incoming.head == NULL;
	apns_jobs_move(&c->incoming, &jobs);
	pthread_mutex_unlock(&c->lock);
	if (asleep)
		wake_up(c);
}

size_t
apns_client_pending(const struct apns_client *c)
{
	return atomic_load(&c->pending);
}

void
apns_client_stats(const struct apns_client *c, struct apns_client_stats *out)
{
	*out = (struct apns_client_stats){
		.connects = atomic_load(&c->connects),
		.accepted = atomic_load(&c->accepted),
		.failed = atomic_load(&c->failed),
		.goaways = atomic_load(&c->goaways),
		.connections = atomic_load(&c->open),
	};
}
