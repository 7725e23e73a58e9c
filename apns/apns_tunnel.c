/*
 * A tunnel through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6) over plain
 * TCP, with Basic credentials (RFC 7617), which are written nowhere else.
 * Belongs to the client's thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"

static void
failed(struct apns_connection *k, struct err *e)
{
	struct err why = *e;

	mem_wipe(k->out, k->out_len);
	err_wrap(&why, "proxy %s", k->client->proxy.authority);
	apns_connection_fail(k, &why);
}

void
apns_tunnel_begin(struct apns_connection *k)
{
	const struct apns_client *c = k->client;
	bool v6 = strchr(k->host->name, ':') != NULL;
	char target[sizeof(k->host->authority) + 8];
	int n;

	(void)snprintf(target, sizeof(target), v6 ? "[%s]:%s" : "%s:%s",
	    k->host->name, k->host->port);
	n = snprintf((char *)k->out, sizeof(k->out),
	    "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", target, target,
	    c->proxy_auth != NULL ? "Proxy-Authorization: " : "",
	    c->proxy_auth != NULL ? c->proxy_auth : "",
	    c->proxy_auth != NULL ? "\r\n" : "");
	k->out_off = 0;
	k->out_len = (size_t)n;
	k->reply_len = 0;
	k->state = APNS_TUNNEL;
	apns_tunnel_event(k);
}

/* 1: all is written, 0: not yet, -1: failed. */
static int
write_request(struct apns_connection *k, struct err *e)
{
	while (k->out_off < k->out_len) {
		ssize_t n = send(k->fd, k->out + k->out_off,
		    k->out_len - k->out_off, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0) {
			err_errno(e, ERR_UNAVAILABLE, "write");
			return -1;
		}
		k->out_off += (size_t)n;
	}
	mem_wipe(k->out, k->out_len);
	return 1;
}

bool
apns_tunnel_reply(struct slice reply, bool *done, struct err *e)
{
	const char *text = (const char *)reply.p;
	const char *end = memmem(text, reply.len, "\r\n\r\n", 4);
	char status[4] = { 0 };
	int64_t n;

	*done = false;
	if (end == NULL && reply.len < APNS_REPLY_MAX)
		return true;
	/* HTTP/1.1 200 ... */
	if (end == NULL || reply.len < 12 || memcmp(text, "HTTP/1.", 7) != 0 ||
	    text[8] != ' ')
		return err_set(e, ERR_UNAVAILABLE, "that is no HTTP proxy");
	memcpy(status, text + 9, 3);
	if (!str_to_i64(status, 100, 599, &n))
		return err_set(e, ERR_UNAVAILABLE, "that is no HTTP proxy");
	if (n == 407)
		return err_set(e, ERR_UNAVAILABLE,
		    "status 407: credentials missing or wrong");
	if (n / 100 != 2)
		return err_set(e, ERR_UNAVAILABLE, "status %d", (int)n);
	/* The host says nothing before our ClientHello. */
	if ((size_t)(end + 4 - text) != reply.len)
		return err_set(
		    e, ERR_UNAVAILABLE, "more than a reply to CONNECT");
	*done = true;
	return true;
}

static bool
read_reply(struct apns_connection *k, bool *done, struct err *e)
{
	*done = false;
	while (!*done) {
		ssize_t n = recv(k->fd, k->reply + k->reply_len,
		    sizeof(k->reply) - k->reply_len, 0);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return err_errno(e, ERR_UNAVAILABLE, "read");
		if (n == 0)
			return err_set(e, ERR_UNAVAILABLE, "closed");
		k->reply_len += (size_t)n;
		if (!apns_tunnel_reply(
		        slice_of(k->reply, k->reply_len), done, e))
			return false;
	}
	return true;
}

void
apns_tunnel_event(struct apns_connection *k)
{
	struct err e = { 0 };
	bool done;
	int sent = write_request(k, &e);

	if (sent < 0 || (sent > 0 && !read_reply(k, &done, &e))) {
		failed(k, &e);
		return;
	}
	if (sent == 0) {
		apns_connection_watch(k, k->fd, EPOLLOUT);
		return;
	}
	if (!done) {
		apns_connection_watch(k, k->fd, EPOLLIN);
		return;
	}
	k->out_off = k->out_len = 0;
	apns_connection_begin(k);
}
