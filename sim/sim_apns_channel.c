/*
 * The device channel of the simulated APNs: which Mac listens for which
 * token, and what waits for those that are away.  Belongs to the simulator's
 * thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/sim_apns_priv.h"

enum { MAC_OUT_MAX = 4 << 20, CHAINS_FIRST = 1024 };

static const char hello[] = "HELLO ";

static void
grow(struct sim_apns *s)
{
	size_t count =
	    s->chains_count == 0 ? CHAINS_FIRST : 2 * s->chains_count;
	struct sim_apns_token **chains = mem_zalloc(count, sizeof(*chains));

	for (size_t i = 0; i < s->chains_count; i++) {
		while (s->chains[i] != NULL) {
			struct sim_apns_token *t = s->chains[i];

			s->chains[i] = t->next;
			t->next = chains[t->hash % count];
			chains[t->hash % count] = t;
		}
	}
	mem_free(&s->chains);
	s->chains = chains;
	s->chains_count = count;
}

/* The entry of a token, made if need be; NULL: there are too many. */
static struct sim_apns_token *
token_of(struct sim_apns *s, const char *hex)
{
	uint64_t hash = slice_hash(slice_str(hex));
	struct sim_apns_token *t = NULL;
	size_t size = strlen(hex) + 1;

	if (s->chains_count > 0)
		t = s->chains[hash % s->chains_count];
	for (; t != NULL; t = t->next) {
		if (t->hash == hash && str_eq(t->hex, hex))
			return t;
	}
	if (s->tokens_count >= SIM_APNS_KEPT_MAX)
		return NULL;
	if (s->tokens_count >= s->chains_count)
		grow(s);
	t = mem_zalloc(1, sizeof(*t) + size);
	memcpy(t->hex, hex, size);
	t->hash = hash;
	t->next = s->chains[hash % s->chains_count];
	s->chains[hash % s->chains_count] = t;
	s->tokens_count++;
	return t;
}

static void
leave(struct sim_apns_token *t)
{
	struct sim_apns_token **at;

	if (t->mac == NULL)
		return;
	for (at = &t->mac->tokens; *at != t; at = &(*at)->mac_next)
		continue;
	*at = t->mac_next;
	atomic_fetch_sub(&t->mac->sim->devices, 1);
	t->mac = NULL;
}

static void
say(struct sim_apns_mac *m, const char *hex, const char *payload)
{
	if (!m->dirty) {
		m->dirty = true;
		m->dirty_next = m->sim->dirty;
		m->sim->dirty = m;
	}
	/* Hundreds of Macs may share a connection: faster than printf. */
	buf_add(m->out, "PUSH ", 5);
	buf_adds(m->out, hex);
	buf_addc(m->out, ' ');
	buf_adds(m->out, payload);
	buf_addc(m->out, '\n');
	m->broken |= m->out->overflow;
	atomic_fetch_add(&m->sim->delivered, 1);
}

void
sim_apns_deliver(struct sim_apns *s, const struct sim_apns_request *r)
{
	struct sim_apns_token *t = token_of(s, r->token);
	char line[SIM_APNS_PAYLOAD + 1];
	size_t i;

	if (t == NULL)
		return;
	/* Line breaks can only stand between JSON's parts. */
	for (i = 0; i < r->payload_len; i++) {
		char c = r->payload[i];

		line[i] = c == '\n' || c == '\r' ? ' ' : c;
	}
	line[i] = '\0';
	if (t->mac != NULL) {
		say(t->mac, t->hex, line);
		return;
	}
	if (t->kept == NULL)
		atomic_fetch_add(&s->kept, 1);
	str_free(&t->kept);
	t->kept = str_dup(line);
}

static void
greet(struct sim_apns_mac *m, const char *hex)
{
	struct sim_apns_token *t;
	size_t len = strlen(hex);

	if (len == 0 || len > SIM_APNS_TOKEN_HEX ||
	    strspn(hex, "0123456789abcdef") != len) {
		m->broken = true;
		return;
	}
	t = token_of(m->sim, hex);
	if (t == NULL) {
		m->broken = true;
		return;
	}
	leave(t);
	t->mac = m;
	t->mac_next = m->tokens;
	m->tokens = t;
	atomic_fetch_add(&m->sim->devices, 1);
	if (t->kept == NULL)
		return;
	say(m, t->hex, t->kept);
	str_free(&t->kept);
	atomic_fetch_sub(&m->sim->kept, 1);
}

static void
take_lines(struct sim_apns_mac *m)
{
	size_t start = sizeof(hello) - 1;
	char *end;

	while (!m->broken && (end = memchr(m->in, '\n', m->in_len)) != NULL) {
		size_t used = (size_t)(end - m->in) + 1;

		*end = '\0';
		if (memchr(m->in, '\0', used - 1) != NULL ||
		    !str_starts(m->in, hello))
			m->broken = true;
		else
			greet(m, m->in + start);
		m->in_len -= used;
		memmove(m->in, m->in + used, m->in_len);
	}
	if (m->in_len == sizeof(m->in))
		m->broken = true;
}

static void
receive(struct sim_apns_mac *m)
{
	while (!m->broken) {
		ssize_t n = recv(m->source.fd, m->in + m->in_len,
		    sizeof(m->in) - m->in_len, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			m->broken = true;
			return;
		}
		m->in_len += (size_t)n;
		take_lines(m);
	}
}

static void
send_out(struct sim_apns_mac *m)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = m };

	while (!m->broken && m->out_off < m->out->len) {
		ssize_t n = send(m->source.fd, m->out->p + m->out_off,
		    m->out->len - m->out_off, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			ev.events |= EPOLLOUT;
			break;
		}
		if (n < 0)
			m->broken = true;
		else
			m->out_off += (size_t)n;
	}
	if (m->out_off == m->out->len) {
		buf_reset(m->out);
		m->out_off = 0;
	}
	if (ev.events == m->events)
		return;
	m->events = ev.events;
	(void)epoll_ctl(m->sim->epoll, EPOLL_CTL_MOD, m->source.fd, &ev);
}

void
sim_apns_mac_event(struct sim_apns_mac *m, uint32_t events)
{
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		receive(m);
	if ((events & EPOLLOUT) != 0)
		send_out(m);
}

void
sim_apns_mac_accept(struct sim_apns *s)
{
	for (;;) {
		int fd = accept4(s->device_listener.fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct sim_apns_mac *m;
		struct epoll_event ev = { .events = EPOLLIN };

		if (fd < 0)
			return;
		m = mem_zalloc(1, sizeof(*m));
		m->source = (struct sim_apns_source){ SIM_MAC, fd };
		m->sim = s;
		m->events = EPOLLIN;
		m->out = buf_new(MAC_OUT_MAX);
		m->next = s->macs;
		if (m->next != NULL)
			m->next->prev = m;
		s->macs = m;
		ev.data.ptr = m;
		m->broken = epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) != 0;
	}
}

static void
mac_free(struct sim_apns_mac *m)
{
	while (m->tokens != NULL)
		leave(m->tokens);
	if (m->prev != NULL)
		m->prev->next = m->next;
	else
		m->sim->macs = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	close(m->source.fd);
	buf_free(&m->out);
	mem_free(&m);
}

void
sim_apns_macs_flush(struct sim_apns *s)
{
	struct sim_apns_mac *m, *next;

	while ((m = s->dirty) != NULL) {
		s->dirty = m->dirty_next;
		m->dirty = false;
		send_out(m);
	}
	for (m = s->macs; m != NULL; m = next) {
		next = m->next;
		if (m->broken)
			mac_free(m);
	}
}

void
sim_apns_channel_free(struct sim_apns *s)
{
	while (s->macs != NULL)
		mac_free(s->macs);
	for (size_t i = 0; i < s->chains_count; i++) {
		while (s->chains[i] != NULL) {
			struct sim_apns_token *t = s->chains[i];

			s->chains[i] = t->next;
			str_free(&t->kept);
			mem_free(&t);
		}
	}
	mem_free(&s->chains);
}
