/*
 * The load generator: takes the lanes of a load file through keep-alive
 * connections, or each through a new one, and measures rate, latency and the
 * processor time of the server.  One thread, epoll.
 *
 *	bench_http --load FILE --device PORT [--admin PORT] [--pid PID]
 *	    [--connections N] [--seconds S] [--warm S] [--tls] [--fresh]
 *	    [--once] [--lanes N] [--tolerate]
 *
 * Prints one JSON object.  A wrong answer ends it with status 1; or, where
 * they are tolerated, is counted apart.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench_client.h"
#include "bench_proc.h"
#include "core/clock.h"

enum { CONNECTIONS_MAX = 1024, SAMPLES = 1 << 21, STALL_MS = 20 * 1000 };

struct options {
	const char *load;
	int64_t port[LOAD_SIDES], pid, connections, lanes;
	double seconds, warm;
	bool tls, fresh, once, tolerate;
};

struct generator;

/* One lane under way. */
struct slot {
	struct generator *g;
	struct client_conn conn[LOAD_SIDES];
	const struct load_lane *lane; /* NULL: nothing left to do */
	size_t step;
	int64_t since_us;
	bool sent;
};

struct generator {
	struct options o;
	struct load load;
	SSL_CTX *tls;
	int epoll_fd;
	size_t next;     /* lane to be taken */
	int64_t running; /* slots with a lane */
	int64_t done, wrong;
	bool stop;
	uint32_t *us; /* latencies of lanes */
	size_t samples;
};

static void
die(const char *what)
{
	fprintf(stderr, "bench_http: %s\n", what);
	exit(1);
}

static void
must(bool ok, const struct err *e)
{
	if (!ok)
		die(e->text);
}

static bool
take_lane(struct slot *s)
{
	struct generator *g = s->g;

	s->lane = NULL;
	if (g->stop || (g->o.once && g->next == g->load.count))
		return false;
	s->lane = &g->load.lanes[g->next++ % g->load.count];
	s->step = 0;
	s->sent = false;
	s->since_us = clock_mono_us();
	return true;
}

static bool
is_right(const struct load_step *step, const struct client_answer *a)
{
	bool good = a->status == step->status;

	if (step->expect == LOAD_EMPTY)
		good = good && a->body.len == 0;
	if (step->expect == LOAD_HAS)
		good = good && memmem(a->body.p, a->body.len, step->has.p,
		                   step->has.len) != NULL;
	return good;
}

static void
check(struct generator *g, const struct load_step *step,
    const struct client_answer *a)
{
	if (is_right(step, a))
		return;
	if (g->o.tolerate) {
		g->wrong++;
		return;
	}
	fprintf(stderr,
	    "bench_http: wrong answer, status %d, to\n%.*s\n----\n%.*s\n",
	    a->status, (int)step->request.len, step->request.p,
	    (int)a->body.len, a->body.p);
	exit(1);
}

static void
lane_done(struct slot *s)
{
	struct generator *g = s->g;

	g->done++;
	if (g->samples < SAMPLES)
		g->us[g->samples++] = (uint32_t)(clock_mono_us() - s->since_us);
	if (g->o.fresh)
		client_close(&s->conn[LOAD_DEVICE]);
	if (!take_lane(s))
		g->running--;
}

/* Goes on until it has to wait. */
static void
run(struct slot *s)
{
	struct generator *g = s->g;
	struct client_answer answer;
	struct err e;

	while (s->lane != NULL) {
		const struct load_step *step = &s->lane->steps[s->step];
		struct client_conn *c = &s->conn[step->side];
		bool tls = g->tls != NULL && step->side == LOAD_DEVICE;

		if (c->fd < 0)
			must(client_open(c, (uint16_t)g->o.port[step->side],
			         tls ? g->tls : NULL, g->epoll_fd, &e),
			    &e);
		if (!s->sent)
			client_send(c, step->request);
		s->sent = true;
		switch (client_drive(c, &answer)) {
		case CLIENT_WAIT:
			return;
		case CLIENT_FAILED:
			die("a connection was lost");
			return;
		case CLIENT_DONE:
			break;
		}
		check(g, step, &answer);
		s->sent = false;
		if (++s->step == s->lane->count)
			lane_done(s);
	}
}

/* Until the time has come or nothing is left to do. */
static void
turn(struct generator *g, int64_t until_us)
{
	struct epoll_event events[256];

	while (g->running > 0 && clock_mono_us() < until_us) {
		int n = epoll_wait(g->epoll_fd, events, 256, STALL_MS);

		if (n == 0)
			die("no answer for 20 s");
		for (int i = 0; i < n; i++) {
			const struct client_conn *c = events[i].data.ptr;

			run(c->owner);
		}
	}
}

static struct slot *
make_slots(struct generator *g)
{
	struct slot *slots =
	    mem_zalloc((size_t)g->o.connections, sizeof(*slots));

	for (int64_t i = 0; i < g->o.connections; i++) {
		slots[i].g = g;
		for (int side = 0; side < LOAD_SIDES; side++) {
			slots[i].conn[side].fd = -1;
			slots[i].conn[side].owner = &slots[i];
		}
		if (take_lane(&slots[i]))
			g->running++;
	}
	for (int64_t i = 0; i < g->o.connections; i++)
		run(&slots[i]);
	return slots;
}

static void
free_slots(const struct generator *g, struct slot **slots)
{
	for (int64_t i = 0; i < g->o.connections; i++)
		for (int side = 0; side < LOAD_SIDES; side++) {
			client_close(&(*slots)[i].conn[side]);
			buf_free(&(*slots)[i].conn[side].in);
		}
	mem_free(slots);
}

static int
by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
report(struct generator *g, int64_t us, int64_t cpu_ms)
{
	size_t n = g->samples;
	int64_t right = g->done - g->wrong;

	qsort(g->us, n, sizeof(g->us[0]), by_size);
	printf("{\"lanes\":%lld,\"wrong\":%lld,\"seconds\":%.3f,"
	       "\"rate\":%.1f,\"cpu_ms\":%.5f,\"p50_us\":%u,\"p99_us\":%u}\n",
	    (long long)right, (long long)g->wrong, (double)us / 1e6,
	    (double)right / ((double)us / 1e6),
	    right > 0 ? (double)cpu_ms / (double)right : 0,
	    n > 0 ? g->us[n / 2] : 0, n > 0 ? g->us[n * 99 / 100] : 0);
}

static void
measure(struct generator *g)
{
	int64_t from, cpu;
	struct slot *slots;

	slots = make_slots(g);
	turn(g, clock_mono_us() + (int64_t)(g->o.warm * 1e6));
	g->done = 0;
	g->wrong = 0;
	g->samples = 0;
	from = clock_mono_us();
	cpu = proc_cpu_ms(g->o.pid);
	turn(g, from + (int64_t)(g->o.seconds * 1e6));
	report(g, clock_mono_us() - from, proc_cpu_ms(g->o.pid) - cpu);
	g->stop = true;
	turn(g, INT64_MAX);
	free_slots(g, &slots);
}

static int64_t
number(const char *s, int64_t max)
{
	int64_t n = 0;

	if (!str_to_i64(s, 0, max, &n))
		die("a number is wrong");
	return n;
}

static double
seconds(const char *s)
{
	char *end;
	double n = strtod(s, &end);

	if (end == s || *end != '\0' || !(n >= 0 && n < 1e6))
		die("a time is wrong");
	return n;
}

static void
set(struct options *o, int c)
{
	switch (c) {
	case 'l':
		o->load = optarg;
		break;
	case 'd':
		o->port[LOAD_DEVICE] = number(optarg, 65535);
		break;
	case 'a':
		o->port[LOAD_ADMIN] = number(optarg, 65535);
		break;
	case 'p':
		o->pid = number(optarg, INT64_MAX);
		break;
	case 'c':
		o->connections = number(optarg, CONNECTIONS_MAX);
		break;
	case 'n':
		o->lanes = number(optarg, INT64_MAX);
		break;
	case 's':
		o->seconds = seconds(optarg);
		break;
	case 'w':
		o->warm = seconds(optarg);
		break;
	case 't':
		o->tls = true;
		break;
	case 'f':
		o->fresh = true;
		break;
	case 'o':
		o->once = true;
		break;
	case 'x':
		o->tolerate = true;
		break;
	default:
		exit(2);
	}
}

static struct options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "load", required_argument, NULL, 'l' },
		{ "device", required_argument, NULL, 'd' },
		{ "admin", required_argument, NULL, 'a' },
		{ "pid", required_argument, NULL, 'p' },
		{ "connections", required_argument, NULL, 'c' },
		{ "lanes", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 's' },
		{ "warm", required_argument, NULL, 'w' },
		{ "tls", no_argument, NULL, 't' },
		{ "fresh", no_argument, NULL, 'f' },
		{ "once", no_argument, NULL, 'o' },
		{ "tolerate", no_argument, NULL, 'x' },
		{ 0 },
	};
	struct options o = { .connections = 32, .seconds = 5 };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		set(&o, c);
	if (o.load == NULL || o.port[LOAD_DEVICE] == 0 || o.connections == 0)
		die("--load and --device are needed");
	return o;
}

int
main(int argc, char **argv)
{
	struct generator g = { .o = read_options(argc, argv) };
	struct err e;

	must(load_read(g.o.load, &g.load, &e), &e);
	if (g.o.lanes > 0 && (size_t)g.o.lanes < g.load.count)
		g.load.count = (size_t)g.o.lanes;
	g.us = mem_alloc(SAMPLES * sizeof(g.us[0]));
	g.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (g.o.tls) {
		g.tls = SSL_CTX_new(TLS_client_method());
		if (g.tls == NULL ||
		    SSL_CTX_set_min_proto_version(g.tls, TLS1_3_VERSION) != 1)
			die("TLS");
		SSL_CTX_set_mode(
		    g.tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
		               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
	measure(&g);
	SSL_CTX_free(g.tls);
	close(g.epoll_fd);
	mem_free(&g.us);
	load_clear(&g.load);
	return 0;
}
