/*
 * The janitor: one thread that ends connections past their deadline (slow
 * senders, slow readers), runs long polls whose time has come, and drains
 * connections that were refused before their body was read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "http/http_priv.h"

enum {
	TICK_MAX_MS = 1000,
	TICK_MIN_MS = 10,
	LINGER_TICK_MS = 20,
	LINGER_MS = 2000,
	LINGER_MAX = 256
};

/* A socket whose answer is on its way while the peer may still be sending:
 * to close it now would reset it and destroy the answer. */
struct http_lingering {
	int fd;
	int64_t until_ms;
	struct http_lingering *next;
};

static void
end_late(struct http_listener *l, int64_t now_ms)
{
	struct http_stats *st = &l->server->stats;

	pthread_mutex_lock(&l->conns_lock);
	for (struct http_conn *c = l->conns; c != NULL; c = c->next) {
		int64_t until_ms = atomic_load(&c->deadline_ms);

		if (until_ms == 0 || until_ms > now_ms)
			continue;
		/* The record is in the list for as long as the socket is
		 * open; libmicrohttpd notices and closes it. */
		atomic_store(&c->deadline_ms, 0);
		shutdown(c->fd, SHUT_RDWR);
		atomic_fetch_add(&st->timeouts, 1);
		log_event(LOG_INFO, "http_timeout", "peer", c->peer, NULL);
	}
	pthread_mutex_unlock(&l->conns_lock);
}

/* Reads what is there; false when the peer has nothing more to say. */
static bool
drain(int fd)
{
	char waste[16 << 10];
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
	}
	return true;
}

/* With the lock held. */
static void
drain_all(struct http_janitor *j, int64_t now_ms)
{
	for (struct http_lingering **at = &j->lingering; *at != NULL;) {
		struct http_lingering *item = *at;

		if (item->until_ms > now_ms && drain(item->fd)) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		close(item->fd);
		mem_free(&item);
		j->lingering_count--;
	}
}

/* With the lock held. */
static void
wait_until(struct http_janitor *j, int64_t at_ms)
{
	struct timespec ts = { .tv_sec = at_ms / MS_S,
		.tv_nsec = at_ms % MS_S * 1000000 };

	pthread_cond_timedwait(&j->changed, &j->lock, &ts);
}

static int64_t
tick_ms(const struct http_server *s)
{
	int64_t ms = s->o.request_ms / 8;

	if (ms > TICK_MAX_MS)
		ms = TICK_MAX_MS;
	return ms < TICK_MIN_MS ? TICK_MIN_MS : ms;
}

/* With the lock held, given up while looking around. */
static void
look_around(struct http_server *s)
{
	struct http_janitor *j = &s->janitor;
	struct http_listener *l = s->listeners;
	int64_t now_ms = clock_mono_ms(), next_ms;

	j->next_ms = now_ms + tick_ms(s);
	pthread_mutex_unlock(&j->lock);
	for (; l != NULL; l = l->next)
		end_late(l, now_ms);
	next_ms = http_lot_tick(s, now_ms);
	pthread_mutex_lock(&j->lock);
	drain_all(j, now_ms);
	if (j->lingering != NULL && next_ms > now_ms + LINGER_TICK_MS)
		next_ms = now_ms + LINGER_TICK_MS;
	if (next_ms < j->next_ms)
		j->next_ms = next_ms;
}

static void *
janitor(void *arg)
{
	struct http_server *s = arg;
	struct http_janitor *j = &s->janitor;

	pthread_mutex_lock(&j->lock);
	while (!j->stop) {
		if (clock_mono_ms() >= j->next_ms)
			look_around(s);
		else
			wait_until(j, j->next_ms);
	}
	drain_all(j, INT64_MAX);
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

void
http_janitor_init(struct http_janitor *j)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&j->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->changed, &attr);
	pthread_condattr_destroy(&attr);
}

bool
http_janitor_start(struct http_server *s, struct err *e)
{
	struct http_janitor *j = &s->janitor;

	if (pthread_create(&j->thread, NULL, janitor, s) != 0)
		return err_set(e, ERR_INTERNAL, "cannot start a thread");
	j->started = true;
	return true;
}

void
http_janitor_stop(struct http_server *s)
{
	struct http_janitor *j = &s->janitor;

	pthread_mutex_lock(&j->lock);
	j->stop = true;
	pthread_cond_signal(&j->changed);
	pthread_mutex_unlock(&j->lock);
	if (j->started)
		pthread_join(j->thread, NULL);
	j->started = false;
}

void
http_janitor_free(struct http_server *s)
{
	pthread_cond_destroy(&s->janitor.changed);
	pthread_mutex_destroy(&s->janitor.lock);
}

void
http_janitor_by(struct http_server *s, int64_t at_ms)
{
	struct http_janitor *j = &s->janitor;

	pthread_mutex_lock(&j->lock);
	if (at_ms < j->next_ms) {
		j->next_ms = at_ms;
		pthread_cond_signal(&j->changed);
	}
	pthread_mutex_unlock(&j->lock);
}

void
http_janitor_linger(struct http_server *s, int fd)
{
	struct http_janitor *j = &s->janitor;
	struct http_lingering *item;
	int own = -1;

	pthread_mutex_lock(&j->lock);
	if (!j->stop && j->lingering_count < LINGER_MAX)
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own >= 0) {
		/* The peer learns at once that no more will come. */
		shutdown(own, SHUT_WR);
		item = mem_zalloc(1, sizeof(*item));
		item->fd = own;
		item->until_ms = clock_mono_ms() + LINGER_MS;
		item->next = j->lingering;
		j->lingering = item;
		j->lingering_count++;
		j->next_ms = 0;
		pthread_cond_signal(&j->changed);
	}
	pthread_mutex_unlock(&j->lock);
}
