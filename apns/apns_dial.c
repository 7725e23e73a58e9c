/*
 * Dialling: the hosts in order of preference, each looked up afresh, each of
 * its addresses in turn, until TCP, TLS and the peer's SETTINGS have worked.
 * Belongs to the client's thread.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"

void
apns_dial_clear(struct apns_connection *k)
{
	if (k->addresses != NULL)
		freeaddrinfo(k->addresses);
	k->addresses = k->address = NULL;
	if (k->resolve == NULL)
		return;
	apns_connection_watch(k, apns_resolve_fd(k->resolve), 0);
	apns_resolve_free(&k->resolve);
}

static bool
open_socket(struct apns_connection *k, struct err *e)
{
	const struct addrinfo *a = k->address;
	int on = 1;
	int fd = socket(a->ai_family,
	    a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);

	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "socket");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 &&
	    errno != EINPROGRESS) {
		err_errno(
		    e, ERR_UNAVAILABLE, "connect to %s", k->host->authority);
		close(fd);
		return false;
	}
	k->fd = fd;
	return true;
}

/* Goes through the addresses that are left; false: none took a connect(). */
static bool
try_addresses(struct apns_connection *k, struct err *e)
{
	for (; k->address != NULL; k->address = k->address->ai_next) {
		if (!open_socket(k, e))
			continue;
		k->state = APNS_CONNECTING;
		k->deadline_ms = clock_mono_ms() + k->client->connect_ms;
		apns_connection_watch(k, k->fd, EPOLLOUT);
		return true;
	}
	return false;
}

static bool
try_host(struct apns_connection *k, struct err *e)
{
	struct apns_client *c = k->client;

	k->host = &c->hosts[(c->host_good + k->host_try) % c->hosts_count];
	k->deadline_ms = clock_mono_ms() + c->connect_ms;
	if (!k->host->literal) {
		if (!apns_resolve_start(k->host, &k->resolve, e))
			return false;
		k->state = APNS_RESOLVING;
		apns_connection_watch(k, apns_resolve_fd(k->resolve), EPOLLIN);
		return true;
	}
	if (!apns_resolve_literal(k->host, &k->addresses, e))
		return false;
	k->address = k->addresses;
	return try_addresses(k, e);
}

/* From host_try on; the end of the round is a failure of the client. */
static void
try_hosts(struct apns_connection *k, struct err *why)
{
	struct apns_client *c = k->client;

	for (; k->host_try < c->hosts_count; k->host_try++) {
		apns_dial_clear(k);
		if (try_host(k, why))
			return;
	}
	apns_dial_clear(k);
	k->state = APNS_CLOSED;
	apns_client_failed(c, why->text, false);
}

void
apns_dial_start(struct apns_connection *k)
{
	struct apns_client *c = k->client;
	struct err why = { 0 };

	if (clock_mono_ms() >= c->host_good_until_ms)
		c->host_good = 0;
	k->host_try = 0;
	try_hosts(k, &why);
}

void
apns_dial_next(struct apns_connection *k, const struct err *why)
{
	struct err e = *why;

	if (k->address != NULL)
		k->address = k->address->ai_next;
	if (try_addresses(k, &e))
		return;
	k->host_try++;
	try_hosts(k, &e);
}

static void
resolved(struct apns_connection *k)
{
	struct err e = { 0 };
	bool found = apns_resolve_result(k->resolve, &k->addresses, &e);

	apns_connection_watch(k, apns_resolve_fd(k->resolve), 0);
	apns_resolve_free(&k->resolve);
	k->address = found ? k->addresses : NULL;
	if (found && try_addresses(k, &e))
		return;
	k->host_try++;
	try_hosts(k, &e);
}

void
apns_dial_event(struct apns_connection *k)
{
	int failure = 0;
	socklen_t size = sizeof(failure);
	struct err e = { 0 };

	if (k->state == APNS_RESOLVING) {
		resolved(k);
		return;
	}
	if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
		failure = errno;
	if (failure == 0) {
		apns_connection_begin(k);
		return;
	}
	apns_connection_watch(k, k->fd, 0);
	close(k->fd);
	k->fd = -1;
	errno = failure;
	err_errno(&e, ERR_UNAVAILABLE, "connect to %s", k->host->authority);
	apns_dial_next(k, &e);
}
