/*
 * Connections to the simulated APNs: TLS over non-blocking sockets, nghttp2's
 * frames gathered into large records, and the places where a connection may
 * be told to break.  Belongs to the simulator's thread.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "sim/sim_apns_priv.h"

enum { FRAME_ROOM = 20 << 10, READS_MAX = 64 };

static void
take_cut(struct sim_apns_connection *k)
{
	struct sim_apns *s = k->sim;

	pthread_mutex_lock(&s->lock);
	if (s->cut_count > 0) {
		s->cut_count--;
		k->cut = s->cut;
		k->cut_bytes = s->cut_bytes;
	}
	pthread_mutex_unlock(&s->lock);
}

static void
add(struct sim_apns *s, int fd)
{
	struct sim_apns_connection *k = mem_zalloc(1, sizeof(*k));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = k };
	struct err e = { 0 };

	k->source = (struct sim_apns_source){ SIM_H2, fd };
	k->sim = s;
	k->next = s->connections;
	if (k->next != NULL)
		k->next->prev = k;
	s->connections = k;
	k->events = EPOLLIN;
	take_cut(k);
	k->ssl = SSL_new(s->tls);
	k->broken = k->cut == SIM_APNS_CUT_ACCEPT || k->ssl == NULL ||
	            SSL_set_fd(k->ssl, fd) != 1 || !sim_apns_session(k, &e) ||
	            epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) != 0;
	if (!k->broken)
		SSL_set_accept_state(k->ssl);
}

void
sim_apns_accept(struct sim_apns *s)
{
	int on = 1;

	for (;;) {
		int fd = accept4(
		    s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		add(s, fd);
	}
}

static void
watch(struct sim_apns_connection *k, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = k };

	if (events == k->events)
		return;
	k->events = events;
	(void)epoll_ctl(k->sim->epoll, EPOLL_CTL_MOD, k->source.fd, &ev);
}

static void
not_through(struct sim_apns_connection *k, int rv)
{
	switch (SSL_get_error(k->ssl, rv)) {
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_WANT_WRITE:
		watch(k, EPOLLIN | EPOLLOUT);
		break;
	default:
		k->broken = true;
	}
}

static void
shake_hands(struct sim_apns_connection *k)
{
	int rv;

	if (k->cut == SIM_APNS_CUT_HANDSHAKE) {
		/* The ClientHello lies in the socket. */
		k->broken = true;
		return;
	}
	ERR_clear_error();
	rv = SSL_do_handshake(k->ssl);
	if (rv != 1) {
		not_through(k, rv);
		return;
	}
	k->shaken = true;
	k->broken = k->cut == SIM_APNS_CUT_SETTINGS;
	atomic_fetch_add(&k->sim->connections_ever, 1);
	sim_apns_peer_topic(k->ssl, k->topic, sizeof(k->topic));
}

static void
receive(struct sim_apns_connection *k)
{
	uint8_t in[SIM_APNS_IN];

	for (int i = 0; !k->broken && !k->deaf; i++) {
		int n;

		/* What OpenSSL holds already wakes no epoll. */
		if (i >= READS_MAX && !SSL_has_pending(k->ssl))
			return;
		ERR_clear_error();
		n = SSL_read(k->ssl, in, sizeof(in));
		if (n <= 0) {
			not_through(k, n);
			return;
		}
		if (nghttp2_session_mem_recv(k->session, in, (size_t)n) != n)
			k->broken = true;
	}
}

static void
gather(struct sim_apns_connection *k)
{
	if (k->out_off < k->out_len)
		return;
	k->out_off = k->out_len = 0;
	while (sizeof(k->out) - k->out_len >= FRAME_ROOM) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(k->session, &p);

		if (n < 0 || (size_t)n > sizeof(k->out) - k->out_len) {
			k->broken = true;
			return;
		}
		if (n == 0)
			return;
		memcpy(k->out + k->out_len, p, (size_t)n);
		k->out_len += (size_t)n;
	}
}

/* How much may be written before the connection is to be cut. */
static size_t
sendable(const struct sim_apns_connection *k)
{
	size_t len = k->out_len - k->out_off;

	if (k->cut == SIM_APNS_CUT_BYTES && len > k->cut_bytes - k->sent)
		len = k->cut_bytes - k->sent;
	return len;
}

static void
flush(struct sim_apns_connection *k)
{
	while (!k->broken && !k->deaf) {
		size_t len;
		int n;

		gather(k);
		if (k->broken || k->out_off == k->out_len)
			break;
		len = sendable(k);
		if (len == 0) {
			k->broken = true;
			return;
		}
		ERR_clear_error();
		n = SSL_write(k->ssl, k->out + k->out_off, (int)len);
		if (n <= 0) {
			not_through(k, n);
			return;
		}
		k->out_off += (size_t)n;
		k->sent += (size_t)n;
	}
	if (!k->broken && !k->deaf)
		watch(k, EPOLLIN);
	if (!nghttp2_session_want_read(k->session) &&
	    !nghttp2_session_want_write(k->session))
		k->broken = true;
}

void
sim_apns_connection_event(struct sim_apns_connection *k)
{
	/* Nothing is watched any more: this is the peer's reset. */
	k->broken |= k->deaf;
	if (!k->shaken && !k->broken)
		shake_hands(k);
	if (!k->shaken || k->broken)
		return;
	receive(k);
	flush(k);
	if (k->deaf)
		watch(k, 0);
}

int64_t
sim_apns_connection_tick(struct sim_apns_connection *k, int64_t now_ms)
{
	bool any = false;

	while (
	    k->delayed != NULL && k->delayed->due_ms <= now_ms && !k->broken) {
		struct sim_apns_request *r = k->delayed;

		sim_apns_request_undelay(r);
		sim_apns_answer(r);
		any = true;
	}
	if (any)
		flush(k);
	return k->delayed != NULL && !k->broken ? k->delayed->due_ms
	                                        : INT64_MAX;
}

void
sim_apns_connection_free(struct sim_apns_connection *k)
{
	if (k->prev != NULL)
		k->prev->next = k->next;
	else
		k->sim->connections = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
	while (k->all != NULL)
		sim_apns_request_free(k->all);
	nghttp2_session_del(k->session);
	SSL_free(k->ssl);
	close(k->source.fd);
	mem_free(&k);
}

void
sim_apns_connections_sweep(struct sim_apns *s)
{
	struct sim_apns_connection *k, *next;

	for (k = s->connections; k != NULL; k = next) {
		next = k->next;
		if (k->broken)
			sim_apns_connection_free(k);
	}
}
