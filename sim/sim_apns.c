/*
 * The simulated APNs: its thread, listeners, rules and statistics.  See
 * sim_apns.h; every function here may be called from any thread.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "sim/sim_apns_priv.h"

enum { STREAMS = 1000, WINDOW = 64 << 10, EVENTS_MAX = 256, BACKLOG = 512 };

static bool
listen_on(const char *address, uint16_t port, struct sim_apns_source *out,
    uint16_t *port_out, struct err *e)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	socklen_t size = sizeof(a);
	int on = 1, fd;

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		return err_set(
		    e, ERR_INVALID, "simulated APNs: address %s", address);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "simulated APNs");
	out->fd = fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &size) != 0)
		return err_errno(e, ERR_UNAVAILABLE,
		    "simulated APNs: port %u of %s", port, address);
	*port_out = ntohs(a.sin_port);
	return true;
}

static bool
watch_source(struct sim_apns *s, struct sim_apns_source *source, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = source };

	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, source->fd, &ev) != 0)
		return err_errno(e, ERR_INTERNAL, "simulated APNs");
	return true;
}

static void
dispatch(struct sim_apns *s, const struct epoll_event *ev)
{
	struct sim_apns_source *source = ev->data.ptr;
	uint64_t count;

	switch (source->kind) {
	case SIM_WAKE:
		if (read(source->fd, &count, sizeof(count)) < 0)
			return;
		break;
	case SIM_LISTEN:
		sim_apns_accept(s);
		break;
	case SIM_LISTEN_DEVICE:
		sim_apns_mac_accept(s);
		break;
	case SIM_H2:
		sim_apns_connection_event((struct sim_apns_connection *)source);
		break;
	case SIM_MAC:
		sim_apns_mac_event((struct sim_apns_mac *)source, ev->events);
		break;
	}
}

static bool
stopping(struct sim_apns *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

/* Gives the delayed answers; until when epoll may sleep. */
static int
tick(struct sim_apns *s)
{
	int64_t now_ms = clock_mono_ms(), next = INT64_MAX;

	for (struct sim_apns_connection *k = s->connections; k != NULL;
	     k = k->next) {
		int64_t at = sim_apns_connection_tick(k, now_ms);

		next = at < next ? at : next;
	}
	if (next == INT64_MAX)
		return -1;
	return next > now_ms ? (int)(next - now_ms) : 0;
}

static void *
run(void *arg)
{
	struct sim_apns *s = arg;
	struct epoll_event events[EVENTS_MAX];

	while (!stopping(s)) {
		int timeout = tick(s);
		int n;

		sim_apns_macs_flush(s);
		sim_apns_connections_sweep(s);
		n = epoll_wait(s->epoll, events, EVENTS_MAX, timeout);
		for (int i = 0; i < n; i++)
			dispatch(s, &events[i]);
	}
	return NULL;
}

static bool
start(struct sim_apns *s, const struct sim_apns_options *o, struct err *e)
{
	const char *address = o->address != NULL ? o->address : "127.0.0.1";
	sigset_t all, before;
	int failed;

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll < 0 || s->wake.fd < 0)
		return err_errno(e, ERR_INTERNAL, "simulated APNs");
	if (!listen_on(address, o->port, &s->listener, &s->port, e) ||
	    !listen_on("127.0.0.1", o->device_port, &s->device_listener,
	        &s->device_port, e) ||
	    !watch_source(s, &s->wake, e) ||
	    !watch_source(s, &s->listener, e) ||
	    !watch_source(s, &s->device_listener, e) ||
	    !sim_apns_context(o, &s->tls, e))
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		return err_set(e, ERR_INTERNAL, "simulated APNs: no thread");
	return true;
}

static void
close_source(struct sim_apns_source *source)
{
	if (source->fd >= 0)
		close(source->fd);
}

static void
release(struct sim_apns *s)
{
	while (s->connections != NULL)
		sim_apns_connection_free(s->connections);
	while (s->unused != NULL) {
		struct sim_apns_request *r = s->unused;

		s->unused = r->next;
		mem_free(&r);
	}
	sim_apns_channel_free(s);
	sim_apns_clear_rules(s);
	close_source(&s->wake);
	close_source(&s->listener);
	close_source(&s->device_listener);
	if (s->epoll >= 0)
		close(s->epoll);
	SSL_CTX_free(s->tls);
	mem_free(&s->ids);
	pthread_mutex_destroy(&s->lock);
	mem_free(&s);
}

bool
sim_apns_new(
    const struct sim_apns_options *o, struct sim_apns **out, struct err *e)
{
	struct sim_apns *s = mem_zalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->epoll = -1;
	s->wake = (struct sim_apns_source){ SIM_WAKE, -1 };
	s->listener = (struct sim_apns_source){ SIM_LISTEN, -1 };
	s->device_listener = (struct sim_apns_source){ SIM_LISTEN_DEVICE, -1 };
	s->any_client = o->any_client;
	s->window = o->window != 0 ? o->window : WINDOW;
	s->streams_max = o->streams_max != 0 ? o->streams_max : STREAMS;
	s->latency_ms = o->latency_ms;
	s->date = o->date;
	s->ids_max = o->ids_max;
	if (s->ids_max > 0)
		s->ids = mem_zalloc(s->ids_max, sizeof(s->ids[0]));
	if (!start(s, o, e)) {
		release(s);
		return false;
	}
	*out = s;
	return true;
}

void
sim_apns_free(struct sim_apns **sim)
{
	struct sim_apns *s = TAKE(*sim);
	uint64_t one = 1;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_mutex_unlock(&s->lock);
	while (write(s->wake.fd, &one, sizeof(one)) != sizeof(one))
		continue;
	pthread_join(s->thread, NULL);
	release(s);
}

uint16_t
sim_apns_port(const struct sim_apns *s)
{
	return s->port;
}

uint16_t
sim_apns_device_port(const struct sim_apns *s)
{
	return s->device_port;
}

void
sim_apns_rule(struct sim_apns *s, const struct sim_apns_rule *r)
{
	struct sim_apns_rule_state *state = mem_zalloc(1, sizeof(*state));
	struct sim_apns_rule_state **at = &s->rules;

	state->rule = *r;
	str_copy_cut(state->token, sizeof(state->token), r->token);
	str_copy_cut(state->reason, sizeof(state->reason),
	    r->reason != NULL ? r->reason : "");
	state->body = str_dup(r->body);
	/* Nothing borrowed is left behind. */
	state->rule.token = state->token;
	state->rule.reason = state->reason;
	state->rule.body = state->body;
	pthread_mutex_lock(&s->lock);
	while (*at != NULL)
		at = &(*at)->next;
	*at = state;
	pthread_mutex_unlock(&s->lock);
	atomic_store_explicit(&s->has_rules, true, memory_order_release);
}

void
sim_apns_clear_rules(struct sim_apns *s)
{
	atomic_store_explicit(&s->has_rules, false, memory_order_release);
	pthread_mutex_lock(&s->lock);
	while (s->rules != NULL) {
		struct sim_apns_rule_state *state = s->rules;

		s->rules = state->next;
		str_free(&state->body);
		mem_free(&state);
	}
	pthread_mutex_unlock(&s->lock);
}

void
sim_apns_cut(
    struct sim_apns *s, enum sim_apns_cut where, size_t bytes, int64_t count)
{
	pthread_mutex_lock(&s->lock);
	s->cut = where;
	s->cut_bytes = bytes;
	s->cut_count = count;
	pthread_mutex_unlock(&s->lock);
}

void
sim_apns_stats(const struct sim_apns *s, struct sim_apns_stats *out)
{
	*out = (struct sim_apns_stats){
		.connections = atomic_load(&s->connections_ever),
		.pushes = atomic_load(&s->pushes),
		.accepted = atomic_load(&s->accepted),
		.refused = atomic_load(&s->refused),
		.delivered = atomic_load(&s->delivered),
		.kept = atomic_load(&s->kept),
		.pings = atomic_load(&s->pings),
		.devices = atomic_load(&s->devices),
	};
}

int64_t
sim_apns_refused(struct sim_apns *s, const char *reason)
{
	int64_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < SIM_APNS_REASONS; i++) {
		if (s->reasons[i].count > 0 &&
		    str_eq(s->reasons[i].name, reason))
			count = s->reasons[i].count;
	}
	pthread_mutex_unlock(&s->lock);
	return count;
}

void
sim_apns_each_id(
    struct sim_apns *s, void (*fn)(const char *id, void *arg), void *arg)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->ids_count; i++)
		fn(s->ids[i], arg);
	pthread_mutex_unlock(&s->lock);
}
