/*
 * Dialling: the hosts in order of preference, each looked up afresh, its
 * addresses raced as RFC 8305 has it, until TCP, TLS and the peer's SETTINGS
 * have worked.  With a proxy, its addresses are dialled, and it looks the host
 * up.  Belongs to the client's thread.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"

/* RFC 8305, section 8: Connection Attempt Delay. */
static const int64_t attempt_delay_ms = 250;

static void
hang_up(struct apns_attempt *a)
{
	if (a->fd >= 0)
		close(a->fd); /* which takes it from epoll, too */
	a->fd = -1;
}

void
apns_dial_clear(struct apns_connection *k)
{
	for (unsigned i = 0; i < k->attempts_count; i++)
		hang_up(&k->attempts[i]);
	k->attempts_count = 0;
	if (k->addresses != NULL)
		freeaddrinfo(k->addresses);
	k->addresses = NULL;
	if (k->resolve == NULL)
		return;
	apns_connection_watch(k, apns_resolve_fd(k->resolve), 0);
	apns_resolve_free(&k->resolve);
}

/* Whose address is dialled. */
static const struct apns_host *
next_hop(const struct apns_connection *k)
{
	return k->client->has_proxy ? &k->client->proxy : k->host;
}

static bool
open_socket(struct apns_connection *k, struct apns_attempt *t, struct err *e)
{
	const struct addrinfo *a = t->address;
	struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = k };
	int on = 1;
	int fd = socket(a->ai_family,
	    a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);

	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "socket");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if ((connect(fd, a->ai_addr, a->ai_addrlen) != 0 &&
	        errno != EINPROGRESS) ||
	    epoll_ctl(k->client->epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
		err_errno(e, ERR_UNAVAILABLE, "connect to %s",
		    next_hop(k)->authority);
		close(fd);
		return false;
	}
	t->fd = fd;
	return true;
}

/* The next address that has not failed yet and is not under way. */
static struct apns_attempt *
untried(struct apns_connection *k)
{
	for (unsigned i = 0; i < k->attempts_count; i++) {
		if (!k->attempts[i].failed && k->attempts[i].fd < 0)
			return &k->attempts[i];
	}
	return NULL;
}

static bool
under_way(const struct apns_connection *k)
{
	for (unsigned i = 0; i < k->attempts_count; i++) {
		if (k->attempts[i].fd >= 0)
			return true;
	}
	return false;
}

/* One more attempt; false: none is under way any more. */
static bool
try_addresses(struct apns_connection *k, struct err *e)
{
	int64_t now_ms = clock_mono_ms();
	struct apns_attempt *t = untried(k);

	while (t != NULL && !open_socket(k, t, e)) {
		t->failed = true;
		t = untried(k);
	}
	k->attempt_at_ms =
	    untried(k) != NULL ? now_ms + attempt_delay_ms : INT64_MAX;
	if (t != NULL) {
		k->state = APNS_CONNECTING;
		k->deadline_ms = now_ms + k->client->connect_ms;
	}
	return t != NULL || under_way(k);
}

static void
add_address(struct apns_connection *k, const struct addrinfo *a)
{
	if (k->attempts_count < APNS_ADDRESSES_MAX)
		k->attempts[k->attempts_count++] =
		    (struct apns_attempt){ .address = a, .fd = -1 };
}

void
apns_dial_sort(struct apns_connection *k)
{
	const struct addrinfo *same = k->addresses, *other = k->addresses;
	int family = same->ai_family;

	while (same != NULL || other != NULL) {
		while (same != NULL && same->ai_family != family)
			same = same->ai_next;
		if (same != NULL) {
			add_address(k, same);
			same = same->ai_next;
		}
		while (other != NULL && other->ai_family == family)
			other = other->ai_next;
		if (other != NULL) {
			add_address(k, other);
			other = other->ai_next;
		}
	}
}

static bool
try_host(struct apns_connection *k, struct err *e)
{
	struct apns_client *c = k->client;
	const struct apns_host *hop;

	k->host = &c->hosts[(k->set->host_good + k->host_try) % c->hosts_count];
	hop = next_hop(k);
	k->deadline_ms = clock_mono_ms() + c->connect_ms;
	if (!hop->literal) {
		if (!apns_resolve_start(hop, &k->resolve, e))
			return false;
		k->state = APNS_RESOLVING;
		apns_connection_watch(k, apns_resolve_fd(k->resolve), EPOLLIN);
		return true;
	}
	if (!apns_resolve_literal(hop, &k->addresses, e))
		return false;
	apns_dial_sort(k);
	return try_addresses(k, e);
}

/* From host_try on; the end of the round is a failure of the set. */
static void
try_hosts(struct apns_connection *k, struct err *why)
{
	for (; k->host_try < k->client->hosts_count; k->host_try++) {
		apns_dial_clear(k);
		if (try_host(k, why))
			return;
	}
	apns_dial_clear(k);
	k->state = APNS_CLOSED;
	apns_set_failed(k->set, why->text, false);
}

void
apns_dial_start(struct apns_connection *k)
{
	struct err why = { 0 };

	if (clock_mono_ms() >= k->set->host_good_until_ms)
		k->set->host_good = 0;
	k->host_try = 0;
	try_hosts(k, &why);
}

void
apns_dial_more(struct apns_connection *k)
{
	struct err e = { 0 };

	if (try_addresses(k, &e))
		return;
	k->host_try++;
	try_hosts(k, &e);
}

void
apns_dial_next(struct apns_connection *k, const struct err *why)
{
	struct err e = *why;

	/* Nobody of those under way answered in time. */
	for (unsigned i = 0; i < k->attempts_count; i++) {
		k->attempts[i].failed |= k->attempts[i].fd >= 0;
		hang_up(&k->attempts[i]);
	}
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
	if (found) {
		apns_dial_sort(k);
		if (try_addresses(k, &e))
			return;
	}
	k->host_try++;
	try_hosts(k, &e);
}

/* The first one to answer is it.  The others are hung up on, and stay for the
 * case that TLS fails with this one. */
static void
connected(struct apns_connection *k, struct apns_attempt *winner)
{
	k->fd = winner->fd;
	k->events = EPOLLOUT;
	winner->fd = -1;
	winner->failed = true;
	for (unsigned i = 0; i < k->attempts_count; i++)
		hang_up(&k->attempts[i]);
	k->deadline_ms = clock_mono_ms() + k->client->connect_ms;
	if (k->client->has_proxy)
		apns_tunnel_begin(k);
	else
		apns_connection_begin(k);
}

/* Whether an attempt has come to an end: 0: connected, else errno; -1: no. */
static int
outcome_of(const struct apns_attempt *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLOUT };
	int failure = 0;
	socklen_t size = sizeof(failure);

	if (t->fd < 0 || poll(&p, 1, 0) != 1)
		return -1;
	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
		return errno;
	return failure;
}

void
apns_dial_event(struct apns_connection *k)
{
	struct err e = { 0 };
	bool failed = false;

	if (k->state == APNS_RESOLVING) {
		resolved(k);
		return;
	}
	for (unsigned i = 0; i < k->attempts_count; i++) {
		struct apns_attempt *t = &k->attempts[i];
		int outcome = outcome_of(t);

		if (outcome == 0) {
			connected(k, t);
			return;
		}
		if (outcome < 0)
			continue;
		hang_up(t);
		t->failed = failed = true;
		errno = outcome;
		err_errno(&e, ERR_UNAVAILABLE, "connect to %s",
		    next_hop(k)->authority);
	}
	/* RFC 8305, section 5: after a failure the next one at once. */
	if (!failed || try_addresses(k, &e))
		return;
	k->host_try++;
	try_hosts(k, &e);
}
