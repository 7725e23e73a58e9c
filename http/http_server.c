/*
 * The server: owns routes, listeners, pool and janitor, and their order of
 * birth and death.  One thread makes and frees it.
 */
#include <assert.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "core/limits.h"
#include "core/random.h"
#include "http/http_priv.h"

enum {
	WORKERS = 32,
	QUEUE_MAX = 1024,
	/* With TLS each holds some 80 KB. */
	CONNECTIONS_MAX = 8192,
	/* Descriptors that are for others: the database, pushes, files. */
	DESCRIPTORS_KEPT = 256,
	STOP_LOOK_MS = 2
};

/* Each side has one listener; all may be full at one time. */
static int
connections_that_fit(int wanted)
{
	struct rlimit limit;
	rlim_t ours;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return wanted;
	ours = limit.rlim_cur > 2 * DESCRIPTORS_KEPT
	           ? limit.rlim_cur - DESCRIPTORS_KEPT
	           : limit.rlim_cur / 2;
	ours /= HTTP_SIDES;
	return ours < (rlim_t)wanted ? (int)ours : wanted;
}

static struct http_options
with_defaults(struct http_options o)
{
	o.workers = o.workers > 0 ? o.workers : WORKERS;
	o.queue_max = o.queue_max > 0 ? o.queue_max : QUEUE_MAX;
	o.connections_max =
	    o.connections_max > 0 ? o.connections_max : CONNECTIONS_MAX;
	o.connections_max = connections_that_fit(o.connections_max);
	o.request_ms = o.request_ms > 0 ? o.request_ms : LIMIT_REQUEST_MS;
	o.idle_s = o.idle_s > 0 ? o.idle_s : LIMIT_IDLE_S;
	return o;
}

bool
http_new(const struct http_options *o, struct http_server **out, struct err *e)
{
	AUTO(http_free)
	struct http_server *s = mem_zalloc(1, sizeof(*s));

	s->o = with_defaults(*o);
	random_alnum(s->id_prefix, sizeof(s->id_prefix) - 1);
	http_lot_init(&s->lot);
	http_pool_init(&s->pool, s);
	http_janitor_init(&s->janitor);
	if (!http_janitor_start(s, e) || !http_pool_start(&s->pool, e))
		return false;
	*out = TAKE(s);
	return true;
}

void
http_add(struct http_server *s, enum http_side side,
    const struct http_route *routes, size_t count, void *service)
{
	assert(s->listeners == NULL);
	for (size_t i = 0; i < count; i++)
		http_routes_add(&s->routes[side], &routes[i], service);
}

bool
http_listen(struct http_server *s, const struct http_listen *how,
    uint16_t *port_out, struct err *e)
{
	struct http_listener *l;

	if (!http_listener_new(s, how, &l, port_out, e))
		return false;
	pthread_mutex_lock(&s->janitor.lock);
	l->next = s->listeners;
	s->listeners = l;
	pthread_mutex_unlock(&s->janitor.lock);
	return true;
}

/* Requests that have begun may end; nobody has to hurry before this. */
static void
finish(struct http_server *s)
{
	int64_t until_ms = clock_mono_ms() + HTTP_STOP_MS;

	while (atomic_load(&s->under_way) > 0 && clock_mono_ms() < until_ms)
		clock_sleep_ms(STOP_LOOK_MS);
}

void
http_free(struct http_server **sp)
{
	struct http_server *s = *sp;

	if (s == NULL)
		return;
	atomic_store(&s->stopping, true);
	for (struct http_listener *l = s->listeners; l != NULL; l = l->next)
		http_listener_quiesce(l);
	http_lot_close(s);
	finish(s);
	/* After this no connection is suspended, which libmicrohttpd demands
	 * when it stops. */
	http_pool_stop(&s->pool);
	http_janitor_stop(s);
	while (s->listeners != NULL) {
		struct http_listener *l = s->listeners;

		s->listeners = l->next;
		http_listener_free(&l);
	}
	http_pool_free(&s->pool);
	http_lot_free(&s->lot);
	http_janitor_free(s);
	for (int side = 0; side < HTTP_SIDES; side++)
		http_routes_clear(&s->routes[side]);
	mem_free(sp);
}
