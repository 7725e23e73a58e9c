/*
 * An HTTP proxy on loopback for the tests of what goes through one.
 */
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apns_fixture.h"

/* A proxy that serves one connection after the other, in its own thread. */
struct proxy {
	pthread_t thread;
	int fd, port;
	const char *authorization; /* wanted; NULL: none */
	const char *reply;         /* instead of a tunnel; "": hangs up */
	bool refused;
	char head[2048];
};

static inline bool
read_head(struct proxy *p, int fd)
{
	size_t len = 0;

	while (len < sizeof(p->head) - 1) {
		ssize_t n = read(fd, p->head + len, sizeof(p->head) - 1 - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
		p->head[len] = '\0';
		if (strstr(p->head, "\r\n\r\n") != NULL)
			return true;
	}
	return false;
}

static inline int
connect_to(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static inline bool
copy(int from, int to)
{
	char bytes[8192];
	ssize_t n = read(from, bytes, sizeof(bytes));

	return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static inline void
pump(int client, int host)
{
	struct pollfd fds[2] = { { .fd = client, .events = POLLIN },
		{ .fd = host, .events = POLLIN } };

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents != 0 && !copy(client, host))
			return;
		if (fds[1].revents != 0 && !copy(host, client))
			return;
	}
}

static inline void
say(int fd, const char *text)
{
	assert_int_equal(
	    send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static inline void
serve(struct proxy *p, int client)
{
	int port = 0, host;

	if (!read_head(p, client))
		return;
	p->refused = p->authorization != NULL &&
	             strstr(p->head, p->authorization) == NULL;
	if (p->refused) {
		say(client, "HTTP/1.1 407 Authenticate\r\n\r\n");
		return;
	}
	if (p->reply != NULL) {
		say(client, p->reply);
		return;
	}
	assert_int_equal(
	    sscanf(p->head, "CONNECT 127.0.0.1:%d HTTP/1.1\r\n", &port), 1);
	host = connect_to(port);
	say(client, "HTTP/1.1 200 OK\r\nVia: 1.1 test\r\n\r\n");
	pump(client, host);
	close(host);
}

static inline void *
run(void *arg)
{
	struct proxy *p = arg;
	int client;

	while ((client = accept(p->fd, NULL, NULL)) >= 0) {
		serve(p, client);
		close(client);
	}
	return NULL;
}

static inline struct proxy *
proxy_new(void)
{
	struct proxy *p = mem_zalloc(1, sizeof(*p));
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(p->fd, 8), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &size), 0);
	p->port = ntohs(a.sin_port);
	return p;
}

static inline void
proxy_free(struct proxy **p)
{
	(void)shutdown((*p)->fd, SHUT_RDWR);
	if ((*p)->thread != 0)
		pthread_join((*p)->thread, NULL);
	close((*p)->fd);
	mem_free(p);
}
