/*
 * A server for the tests of core/fetch: loopback, one connection at a time,
 * one canned answer.
 */
#pragma once

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "core_test.h"

struct fetch_server {
	const char *answer; /* NULL: never answers */
	SSL_CTX *tls;       /* NULL: plain */
	int listener;
	int port;
	pthread_t thread;
	atomic_uint connections; /* so far */
	struct fetch_seen {
		size_t len;
		char text[8192];
	} now;                /* being read; of the thread alone */
	pthread_mutex_t lock; /* guards last, and answer while it runs */
	struct fetch_seen last;
};

struct fetch_peer {
	int fd;
	SSL *tls;
};

static inline ssize_t
fetch_peer_read(const struct fetch_peer *p, void *to, size_t room)
{
	if (p->tls != NULL)
		return SSL_read(p->tls, to, (int)room);
	return read(p->fd, to, room);
}

static inline void
fetch_peer_write(const struct fetch_peer *p, const char *text)
{
	size_t len = strlen(text);

	if (p->tls != NULL)
		SSL_write(p->tls, text, (int)len);
	else if (send(p->fd, text, len, MSG_NOSIGNAL) < 0)
		return;
}

/* True when header and body of a request are there. */
static inline bool
fetch_seen_whole(const struct fetch_seen *r)
{
	const char *end = strstr(r->text, "\r\n\r\n");
	const char *length = strcasestr(r->text, "\r\nContent-Length: ");
	size_t body = length != NULL ? strtoul(length + 18, NULL, 10) : 0;

	return end != NULL && r->len >= (size_t)(end - r->text) + 4 + body;
}

/* The last whole request. */
static inline struct fetch_seen
fetch_server_last(struct fetch_server *s)
{
	struct fetch_seen last;

	pthread_mutex_lock(&s->lock);
	last = s->last;
	pthread_mutex_unlock(&s->lock);
	return last;
}

/* From here on it answers so. */
static inline void
fetch_server_say(struct fetch_server *s, const char *answer)
{
	pthread_mutex_lock(&s->lock);
	s->answer = answer;
	pthread_mutex_unlock(&s->lock);
}

static inline void
fetch_server_talk(struct fetch_server *s, const struct fetch_peer *p)
{
	struct fetch_seen *r = &s->now;

	for (;;) {
		AUTO(str_free) char *answer = NULL;

		r->len = 0;
		r->text[0] = '\0';
		while (!fetch_seen_whole(r)) {
			ssize_t n = fetch_peer_read(
			    p, r->text + r->len, sizeof(r->text) - 1 - r->len);

			if (n <= 0)
				return;
			r->len += (size_t)n;
			r->text[r->len] = '\0';
		}
		pthread_mutex_lock(&s->lock);
		s->last = *r;
		/* The test may have another answer ready before this is sent.
		 */
		answer = s->answer != NULL ? str_dup(s->answer) : NULL;
		pthread_mutex_unlock(&s->lock);
		if (answer != NULL)
			fetch_peer_write(p, answer);
	}
}

static inline void *
fetch_server_run(void *arg)
{
	struct fetch_server *s = arg;
	struct fetch_peer p = { .fd = -1 };

	while ((p.fd = accept(s->listener, NULL, NULL)) >= 0) {
		s->connections++;
		if (s->tls != NULL) {
			p.tls = SSL_new(s->tls);
			SSL_set_fd(p.tls, p.fd);
		}
		if (p.tls == NULL || SSL_accept(p.tls) == 1)
			fetch_server_talk(s, &p);
		SSL_free(p.tls);
		p.tls = NULL;
		close(p.fd);
	}
	return NULL;
}

static inline void
fetch_server_start(struct fetch_server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	pthread_mutex_init(&s->lock, NULL);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(
	    bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(
	    getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(
	    pthread_create(&s->thread, NULL, fetch_server_run, s), 0);
}

/* After the client has gone: its connection ends the last talk. */
static inline void
fetch_server_stop(struct fetch_server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	pthread_mutex_destroy(&s->lock);
}
