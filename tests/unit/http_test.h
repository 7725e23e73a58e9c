/*
 * For tests of http/: a server on a free loopback port and a client that
 * sends exactly the bytes it is told.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/log.h"
#include "http/http.h"

enum { PATIENCE_MS = 90000 };

struct answer {
	int status; /* 0: the connection ended without one */
	char head[4096];
	struct buf *body;
};

static inline void
answer_clear(struct answer *a)
{
	buf_free(&a->body);
	a->status = 0;
}

static inline struct http_server *
server_new(struct http_options o)
{
	struct http_server *s = NULL;
	struct err e;

	log_set_level(LOG_ERROR);
	assert_true(http_new(&o, &s, &e));
	return s;
}

static inline uint16_t
server_listen(struct http_server *s, enum http_side side)
{
	struct http_listen l = { .side = side, .address = "127.0.0.1" };
	uint16_t port = 0;
	struct err e;

	assert_true(http_listen(s, &l, &port, &e));
	assert_int_not_equal(port, 0);
	return port;
}

static inline int
dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static inline void
say_bytes(int fd, const void *p, size_t len)
{
	const char *at = p;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* what the peer thinks of it is read next */
		at += n;
		len -= (size_t)n;
	}
}

static inline void
say(int fd, const char *text)
{
	say_bytes(fd, text, strlen(text));
}

/* One byte, or -1 at the end or after PATIENCE_MS. */
static inline int
hear_byte(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned char c;

	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail_msg("the server is silent");
	return recv(fd, &c, 1, 0) == 1 ? c : -1;
}

static inline bool
hears_end(int fd)
{
	return hear_byte(fd) == -1;
}

static inline const char *
header_of(const struct answer *a, const char *name)
{
	static char value[1024];
	char key[80];
	const char *p;

	snprintf(key, sizeof(key), "\r\n%s: ", name);
	p = strcasestr(a->head, key);
	if (p == NULL)
		return NULL;
	snprintf(value, sizeof(value), "%.*s",
	    (int)strcspn(p + strlen(key), "\r"), p + strlen(key));
	return value;
}

static inline void
hear_body(int fd, struct answer *a)
{
	const char *length = header_of(a, "Content-Length");
	int64_t len = 0;
	char part[16384];

	if (length != NULL)
		assert_true(str_to_i64(length, 0, 1 << 30, &len));
	a->body = buf_new(1 << 30);
	while ((int64_t)a->body->len < len) {
		size_t want = (size_t)len - a->body->len;
		ssize_t n = recv(
		    fd, part, want < sizeof(part) ? want : sizeof(part), 0);

		assert_true(n > 0);
		buf_add(a->body, part, (size_t)n);
	}
}

/* Reads one answer; for HEAD there is no body. */
static inline void
hear(int fd, struct answer *a, bool head_only)
{
	size_t n = 0;
	int c;

	memset(a, 0, sizeof(*a));
	while (n + 1 < sizeof(a->head) && strstr(a->head, "\r\n\r\n") == NULL) {
		c = hear_byte(fd);
		if (c < 0)
			return;
		a->head[n++] = (char)c;
	}
	if (sscanf(a->head, "HTTP/1.1 %d", &a->status) != 1)
		fail_msg("not HTTP: %s", a->head);
	if (!head_only)
		hear_body(fd, a);
}

/* A connection for this request alone. */
static inline void
ask(uint16_t port, const char *request, struct answer *a)
{
	int fd = dial(port);

	say(fd, request);
	hear(fd, a, str_starts(request, "HEAD "));
	close(fd);
}

static inline int
ask_status(uint16_t port, const char *request)
{
	struct answer a;
	int status;

	ask(port, request, &a);
	status = a.status;
	answer_clear(&a);
	return status;
}

/* Waits for a condition that another thread brings about. */
#define WAIT_FOR(condition)                                                    \
	do {                                                                   \
		int64_t end_ = clock_mono_ms() + PATIENCE_MS;                  \
		while (!(condition) && clock_mono_ms() < end_)                 \
			poll(NULL, 0, 1);                                      \
		assert_true(condition);                                        \
	} while (0)

/* A number in the server's own metrics. */
static inline int64_t
stat_of(struct http_server *s, const char *name)
{
	struct buf *b = buf_new(1 << 20);
	const char *p;
	int64_t n = -1;
	char key[128];

	http_stats_write(s, b);
	snprintf(key, sizeof(key), "\n%s ", name);
	p = strstr(buf_str(b), key);
	if (p != NULL)
		n = atoll(p + strlen(key));
	buf_free(&b);
	return n;
}
