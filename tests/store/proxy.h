/*
 * A relay in front of the PostgreSQL server, which can lose a connection in
 * the very COMMIT: before the server hears of it, or before we hear of the
 * answer.  One thread serves one connection after the other, as many as come.
 */
#pragma once

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/store/fixture.h"

enum proxy_fault {
	PROXY_NONE,
	PROXY_BEFORE_COMMIT, /* the server never hears of it */
	PROXY_AFTER_COMMIT   /* it was done, and the answer is lost */
};

struct proxy {
	int listener;
	char path[120];
	_Atomic int fault; /* of the next COMMIT; then none again */
	pthread_t thread;
};

/* The name of the prepared command, as it is bound. */
static const char proxy_commit[] = "\0commit";

static inline int
proxy_socket(const char *dir, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(out->sun_path, sizeof(out->sun_path), "%s/.s.PGSQL.5432", dir);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static inline bool
proxy_write_all(int fd, const char *p, ssize_t n)
{
	ssize_t put = 0;

	for (; n > 0 && put >= 0; p += put, n -= put)
		put = send(fd, p, (size_t)n, MSG_NOSIGNAL);
	return put >= 0;
}

/* Passes on what can be read; false ends the connection. */
static inline bool
proxy_pass(struct proxy *x, int from, int to, bool client)
{
	static _Thread_local char bytes[65536];
	ssize_t n = read(from, bytes, sizeof(bytes));
	int fault;

	if (n <= 0)
		return false;
	if (!client || memmem(bytes, (size_t)n, proxy_commit,
	                   sizeof(proxy_commit)) == NULL)
		return proxy_write_all(to, bytes, n);
	fault = atomic_exchange(&x->fault, PROXY_NONE);
	if (fault == PROXY_BEFORE_COMMIT)
		return false;
	if (!proxy_write_all(to, bytes, n))
		return false;
	/* It answers when it is done. */
	return fault != PROXY_AFTER_COMMIT || read(to, bytes, 1) < 0;
}

static inline void *
proxy_relay(void *arg)
{
	struct proxy *x = ((void **)arg)[0];
	int client = (int)(intptr_t)((void **)arg)[1];
	struct sockaddr_un a;
	int server = proxy_socket(getenv("MUTSU_TEST_DATABASE"), &a);
	struct pollfd p[] = { { .fd = client, .events = POLLIN },
		{ .fd = server, .events = POLLIN } };
	bool ok = connect(server, (struct sockaddr *)&a, sizeof(a)) == 0;

	free(arg);
	while (ok && poll(p, 2, -1) > 0)
		ok =
		    (p[0].revents == 0 ||
		        proxy_pass(x, client, server, true)) &&
		    (p[1].revents == 0 || proxy_pass(x, server, client, false));
	close(client);
	close(server);
	return NULL;
}

static inline void *
proxy_run(void *arg)
{
	struct proxy *x = arg;
	pthread_t relays[64];
	int count = 0, client;

	while (count < 64 && (client = accept(x->listener, NULL, NULL)) >= 0) {
		void **both = malloc(2 * sizeof(void *));

		both[0] = x;
		both[1] = (void *)(intptr_t)client; // NOLINT
		pthread_create(&relays[count++], NULL, proxy_relay, both);
	}
	while (count > 0)
		pthread_join(relays[--count], NULL);
	return NULL;
}

/* Listens in the fixture's directory. */
static inline void
proxy_start(struct proxy *x, const char *dir)
{
	struct sockaddr_un a;

	*x = (struct proxy){ .listener = proxy_socket(dir, &a) };
	str_copy_cut(x->path, sizeof(x->path), a.sun_path);
	assert_int_equal(
	    bind(x->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(x->listener, 16), 0);
	pthread_create(&x->thread, NULL, proxy_run, x);
}

/* The fixture's database through the proxy. */
static inline struct store *
proxy_open(const struct fixture *f)
{
	AUTO(str_free) char *direct = test_database(f->path);
	AUTO(str_free) char *address = NULL;
	struct store *st = NULL;
	struct err e = { 0 };

	*strchr(direct, '?') = '\0';
	address = str_printf("%s?host=%s", direct, f->dir);
	must(store_open(&(struct store_options){ .path = address }, &st, &e),
	    &e);
	return st;
}

/* Everybody must have closed. */
static inline void
proxy_stop(struct proxy *x)
{
	shutdown(x->listener, SHUT_RDWR);
	pthread_join(x->thread, NULL);
	close(x->listener);
	unlink(x->path);
}
