/*
 * One connection to APNs: TLS over a non-blocking socket, nghttp2's frames
 * gathered into large records, life signs, and the end.  Belongs to the
 * client's thread.
 */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apns/apns_client_priv.h"
#include "core/clock.h"

enum {
	/* nghttp2 hands out one frame at a time, of at most this size. */
	FRAME_ROOM = 20 << 10,
	READS_MAX = 64 /* in one go, for fairness between connections */
};

void
apns_connection_watch(struct apns_connection *k, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = k };
	int epoll = k->client->epoll;

	if (events == k->events)
		return;
	if (events == 0)
		(void)epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (k->events == 0)
		(void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
	else
		(void)epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &ev);
	k->events = events;
}

void
apns_connection_close(struct apns_connection *k)
{
	if (k->fd >= 0)
		apns_connection_watch(k, k->fd, 0);
	if (k->state == APNS_OPEN || k->state == APNS_DRAINING) {
		atomic_fetch_sub(&k->client->open, 1);
		k->set->open--;
		ERR_clear_error();
		if (!k->broken)
			(void)SSL_shutdown(k->ssl);
		ERR_clear_error();
	}
	nghttp2_session_del(TAKE(k->session));
	SSL_free(TAKE(k->ssl));
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	k->out_len = k->out_off = k->reply_len = 0;
	k->answers = k->gathered = k->written = 0;
	k->ping_ms = 0;
	k->probing = k->unread = k->broken = k->our_fault = k->retired = false;
	k->state = APNS_CLOSED;
}

/*
 * What never left whole waits for the next connection; the youngest first, so
 * that the queue keeps its order.  Of what did leave nobody knows whether APNs
 * took it, even when it blamed our certificate since.
 */
static void
give_up_all(struct apns_connection *k, const struct err *why)
{
	while (k->jobs.tail != NULL) {
		struct apns_job *j = k->jobs.tail;
		bool unsent = apns_stream_unsent(k, j);

		apns_jobs_remove(&k->jobs, j);
		if (unsent && k->our_fault)
			apns_client_give_up(
			    k->client, j, APNS_OUR_FAULT, k->blame);
		else if (unsent && ++j->sends < APNS_SENDS_MAX)
			apns_set_again(k->set, j);
		else
			apns_client_give_up(
			    k->client, j, APNS_UNREACHABLE, why->text);
	}
}

void
apns_connection_fail(struct apns_connection *k, const struct err *why)
{
	bool was_open = k->state == APNS_OPEN || k->state == APNS_DRAINING;
	bool blame = k->our_fault, told = k->retired;
	bool useless = k->answers == 0 && !k->retired;
	const char *text = blame ? k->blame : why->text;

	k->broken = true;
	give_up_all(k, why);
	apns_connection_close(k);
	if (blame || was_open)
		apns_dial_clear(k);
	if ((blame && !told) || (was_open && useless))
		apns_set_failed(k->set, text, blame);
	else if (!was_open)
		apns_dial_next(k, why);
}

static void
break_off(struct apns_connection *k, const char *what)
{
	bool blame = false;

	if (k->broken)
		return;
	k->broken = true;
	apns_tls_error(&k->why, &blame, what);
	(void)err_wrap(&k->why, "%s", k->host->authority);
	if (blame) {
		k->our_fault = true;
		str_copy_cut(k->blame, sizeof(k->blame),
		    "TLS alert about our certificate");
	}
}

static void
http_error(struct apns_connection *k, ssize_t rv)
{
	if (k->broken)
		return;
	k->broken = true;
	err_set(&k->why, ERR_UNAVAILABLE, "%s: HTTP/2: %s", k->host->authority,
	    nghttp2_strerror((int)rv));
}

void
apns_connection_begin(struct apns_connection *k)
{
	struct err e = { 0 };

	k->blame[0] = '\0';
	k->state = APNS_HANDSHAKE;
	apns_connection_watch(k, k->fd, EPOLLIN | EPOLLOUT);
	if (!apns_tls_session(k->set->tls, k->host, k->fd, &k->ssl, &e) ||
	    !apns_stream_session(k, &e)) {
		apns_connection_fail(k, &e);
		return;
	}
	apns_connection_event(k);
}

/* SSL_get_error() of an operation that did not go through. */
static void
not_through(struct apns_connection *k, int rv, const char *what)
{
	switch (SSL_get_error(k->ssl, rv)) {
	case SSL_ERROR_WANT_READ:
		apns_connection_watch(k, k->fd, EPOLLIN);
		return;
	case SSL_ERROR_WANT_WRITE:
		apns_connection_watch(k, k->fd, EPOLLIN | EPOLLOUT);
		return;
	default:
		break_off(k, what);
	}
}

static void
shake_hands(struct apns_connection *k)
{
	const unsigned char *protocol;
	unsigned len;
	int rv;

	ERR_clear_error();
	rv = SSL_do_handshake(k->ssl);
	if (rv != 1) {
		not_through(k, rv, "TLS handshake");
		return;
	}
	SSL_get0_alpn_selected(k->ssl, &protocol, &len);
	if (!slice_eq_str(slice_of(protocol, len), "h2")) {
		k->broken = true;
		err_set(&k->why, ERR_UNAVAILABLE, "%s does not speak HTTP/2",
		    k->host->authority);
		return;
	}
	k->state = APNS_SETTLING;
	k->read_ms = clock_mono_ms();
	apns_connection_watch(k, k->fd, EPOLLIN);
}

static void
receive(struct apns_connection *k)
{
	uint8_t in[APNS_IN_SIZE];

	k->unread = false;
	for (int i = 0; i < READS_MAX && !k->broken; i++) {
		ssize_t rv;
		int n;

		ERR_clear_error();
		n = SSL_read(k->ssl, in, sizeof(in));
		if (n <= 0) {
			int code = SSL_get_error(k->ssl, n);

			if (code != SSL_ERROR_WANT_READ)
				not_through(k, n, "read");
			return;
		}
		k->read_ms = clock_mono_ms();
		rv = nghttp2_session_mem_recv(k->session, in, (size_t)n);
		if (rv != n)
			http_error(k, rv);
	}
	k->unread = !k->broken;
}

/* Gathers frames, so that hundreds of pushes share one TLS record. */
static void
gather(struct apns_connection *k)
{
	if (k->out_off < k->out_len)
		return;
	k->out_off = k->out_len = 0;
	while (sizeof(k->out) - k->out_len >= FRAME_ROOM) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(k->session, &p);

		if (n < 0 || (size_t)n > sizeof(k->out) - k->out_len) {
			http_error(k, n < 0 ? n : NGHTTP2_ERR_INTERNAL);
			return;
		}
		if (n == 0)
			return;
		memcpy(k->out + k->out_len, p, (size_t)n);
		k->out_len += (size_t)n;
		k->gathered += n;
	}
}

static void
send_out(struct apns_connection *k)
{
	for (;;) {
		int n;

		gather(k);
		if (k->broken || k->out_off == k->out_len)
			break;
		ERR_clear_error();
		n = SSL_write(k->ssl, k->out + k->out_off,
		    (int)(k->out_len - k->out_off));
		if (n <= 0) {
			int code = SSL_get_error(k->ssl, n);

			/* The peer may have said why before it left. */
			if (code != SSL_ERROR_WANT_WRITE &&
			    code != SSL_ERROR_WANT_READ)
				receive(k);
			not_through(k, n, "write");
			return;
		}
		k->out_off += (size_t)n;
		k->written += n;
	}
	if (!k->broken)
		apns_connection_watch(k, k->fd, EPOLLIN);
}

/* After nghttp2 has returned: the end that its callbacks asked for. */
static bool
ended(struct apns_connection *k)
{
	struct err why;

	if (k->broken) {
		why = k->why;
		apns_connection_fail(k, &why);
		return true;
	}
	if (k->state != APNS_OPEN && k->state != APNS_DRAINING)
		return false;
	if (!nghttp2_session_want_read(k->session) &&
	    !nghttp2_session_want_write(k->session) &&
	    k->out_off == k->out_len) {
		err_set(&why, ERR_UNAVAILABLE, "%s: closed by the peer",
		    k->host->authority);
		apns_connection_fail(k, &why);
		return true;
	}
	if (k->state == APNS_DRAINING && k->jobs.count == 0) {
		err_set(
		    &why, ERR_UNAVAILABLE, "%s: drained", k->host->authority);
		apns_connection_fail(k, &why);
		return true;
	}
	return false;
}

void
apns_connection_event(struct apns_connection *k)
{
	if (k->state == APNS_RESOLVING || k->state == APNS_CONNECTING) {
		apns_dial_event(k);
		return;
	}
	if (k->state == APNS_TUNNEL) {
		apns_tunnel_event(k);
		return;
	}
	if (k->state == APNS_HANDSHAKE)
		shake_hands(k);
	if (k->state > APNS_HANDSHAKE && !k->broken)
		receive(k);
	if (k->state != APNS_CLOSED && !ended(k))
		apns_connection_flush(k);
}

void
apns_connection_flush(struct apns_connection *k)
{
	if (k->state < APNS_SETTLING)
		return;
	if (k->out_off == k->out_len &&
	    !nghttp2_session_want_write(k->session) &&
	    k->state != APNS_DRAINING)
		return;
	send_out(k);
	(void)ended(k);
}

void
apns_connection_ping(struct apns_connection *k)
{
	if (k->ping_ms != 0)
		return;
	k->ping_ms = clock_mono_ms();
	(void)nghttp2_submit_ping(k->session, NGHTTP2_FLAG_NONE, NULL);
}

void
apns_connection_retire(struct apns_connection *k)
{
	if (k->state == APNS_CLOSED)
		return;
	if (k->state < APNS_OPEN) {
		apns_dial_clear(k);
		apns_connection_close(k);
		return;
	}
	k->retired = true;
	k->state = APNS_DRAINING;
}

size_t
apns_connection_room(const struct apns_connection *k)
{
	size_t limit;

	if (k->state != APNS_OPEN || k->probing || k->broken)
		return 0;
	limit = nghttp2_session_get_remote_settings(
	    k->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	if (limit > k->client->streams_max)
		limit = k->client->streams_max;
	return limit > k->jobs.count ? limit - k->jobs.count : 0;
}

/* With pushes under way, silence is looked into earlier than when idle. */
static int64_t
quiet_until_ms(const struct apns_connection *k)
{
	int64_t quiet_ms = k->client->answer_ms / 3;

	return k->read_ms +
	       (quiet_ms < k->client->idle_ms ? quiet_ms : k->client->idle_ms);
}

int64_t
apns_connection_next_ms(const struct apns_connection *k)
{
	int64_t next = INT64_MAX, at;

	if (k->state == APNS_CLOSED)
		return INT64_MAX;
	if (k->state == APNS_CONNECTING && k->attempt_at_ms < k->deadline_ms)
		return k->attempt_at_ms;
	if (k->state < APNS_OPEN)
		return k->deadline_ms;
	if (k->unread)
		return 0;
	if (k->ping_ms != 0)
		next = k->ping_ms + k->client->ping_ms;
	else
		next = k->read_ms + k->client->keep_alive_ms;
	if (k->jobs.head != NULL) {
		at = k->jobs.head->since_ms + k->client->answer_ms;
		next = at < next ? at : next;
		at = quiet_until_ms(k);
		next = k->ping_ms == 0 && at < next ? at : next;
	}
	return next;
}

void
apns_connection_tick(struct apns_connection *k, int64_t now_ms)
{
	struct apns_client *c = k->client;
	struct err e = { 0 };

	if (k->state == APNS_CLOSED)
		return;
	if (k->state < APNS_OPEN) {
		if (k->state == APNS_CONNECTING && now_ms >= k->attempt_at_ms) {
			apns_dial_more(k);
			return;
		}
		if (now_ms < k->deadline_ms)
			return;
		err_set(&e, ERR_UNAVAILABLE, "%s: no connection in time",
		    k->host->authority);
		apns_connection_fail(k, &e);
		return;
	}
	if (k->unread)
		apns_connection_event(k);
	if (k->state < APNS_OPEN)
		return;
	if (k->ping_ms != 0 && now_ms >= k->ping_ms + c->ping_ms) {
		err_set(&e, ERR_UNAVAILABLE, "%s: dead connection",
		    k->host->authority);
		k->broken = true;
		apns_connection_fail(k, &e);
		return;
	}
	while (k->jobs.head != NULL &&
	       now_ms >= k->jobs.head->since_ms + c->answer_ms)
		apns_stream_timeout(k, k->jobs.head);
	if ((k->jobs.head != NULL && now_ms >= quiet_until_ms(k)) ||
	    now_ms >= k->read_ms + c->keep_alive_ms)
		apns_connection_ping(k);
}
