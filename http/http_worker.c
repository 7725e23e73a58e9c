/*
 * The pool of workers.  Requests wait in one FIFO; idle workers wait each on
 * its own condition, the most recently idle first, since its stack and caches
 * are warm.  At most one worker is on its way up at any time; it wakes the
 * next when it finds more than it takes.  A burst of small requests is thus
 * done by few workers, and blocked ones are replaced at once.
 */
#include <assert.h>

#include "core/log.h"
#include "http/http_priv.h"

struct http_worker {
	struct http_pool *pool;
	pthread_t thread;
	pthread_cond_t wake;
	bool called; /* pool's lock; woken to look at the queue */
	struct http_worker *next_idle;
};

/* With the lock held. */
static void
wake_one(struct http_pool *p)
{
	struct http_worker *w = p->idle;

	if (p->waking || w == NULL)
		return;
	p->idle = w->next_idle;
	p->waking = true;
	w->called = true;
	pthread_cond_signal(&w->wake);
}

/* With the lock held; NULL when the pool stops and nothing waits. */
static struct http_request *
take(struct http_worker *w)
{
	struct http_pool *p = w->pool;
	struct http_request *rq;

	while (p->head == NULL && !p->stop) {
		w->called = false;
		w->next_idle = p->idle;
		p->idle = w;
		while (!w->called)
			pthread_cond_wait(&w->wake, &p->lock);
		p->waking = false;
	}
	rq = p->head;
	if (rq == NULL) {
		wake_one(p);
		return NULL;
	}
	p->head = rq->next;
	if (p->head == NULL)
		p->tail = NULL;
	else
		wake_one(p);
	p->queued--;
	rq->next = NULL;
	return rq;
}

/* ---- running ---- */

static bool
authorize(struct http_request *rq, struct err *e)
{
	const struct http_listener *l = rq->conn->listener;
	unsigned rights = rq->match.rule->route->rights;

	if (rights == HTTP_ANYONE || rq->authorized)
		return true;
	if (l->authorizer == NULL)
		return err_set(e, ERR_INTERNAL, "route without authorizer");
	if (!l->authorizer(rq, rights, &rq->caller, l->authorizer_arg, e))
		return false;
	rq->authorized = true;
	return true;
}

static void
answer(struct http_request *rq, bool ok, const struct err *e)
{
	if (!ok)
		http_reply_fail(
		    rq, http_status_of(e->code, rq->conn->listener->side), e);
	http_reply_seal(rq, ok ? NULL : e);
	MHD_resume_connection(rq->conn->mhd);
}

void
http_request_abandon(struct http_request *rq, const char *why)
{
	struct err e;

	rq->refused = rq->phase == HTTP_AUTHORIZING;
	err_set(&e, ERR_UNAVAILABLE, "%s", why);
	answer(rq, false, &e);
}

/* Before the body: only whether it may come. */
static void
run_authorizer(struct http_request *rq)
{
	struct err e = { 0 };

	if (!authorize(rq, &e)) {
		rq->refused = true;
		answer(rq, false, &e);
		return;
	}
	rq->phase = HTTP_AUTHORIZED;
	MHD_resume_connection(rq->conn->mhd);
}

static void
run_handler(struct http_server *s, struct http_request *rq)
{
	const struct http_rule *rule = rq->match.rule;
	struct err e = { 0 };
	bool ok;

	rq->wake_seen = atomic_load(&s->lot.wakes);
	http_reply_clear(&rq->reply);
	ok = authorize(rq, &e) &&
	     rule->route->handler(rq, &rq->reply, rule->service, &e);
	assert(ok || e.code != ERR_NONE);
	if (ok && rq->reply.parked) {
		rq->authorized = false; /* what it may can change meanwhile */
		http_lot_park(s, rq);
	} else
		answer(rq, ok, &e);
}

static void *
work(void *arg)
{
	struct http_worker *w = arg;
	struct http_pool *p = w->pool;
	struct http_request *rq;

	pthread_mutex_lock(&p->lock);
	while ((rq = take(w)) != NULL) {
		bool stop = p->stop;

		pthread_mutex_unlock(&p->lock);
		log_set_request(rq->id);
		if (stop)
			http_request_abandon(rq, HTTP_STOPPING);
		else if (rq->phase == HTTP_AUTHORIZING)
			run_authorizer(rq);
		else
			run_handler(p->server, rq);
		log_set_request(NULL);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- the pool ---- */

void
http_pool_init(struct http_pool *p, struct http_server *s)
{
	pthread_mutex_init(&p->lock, NULL);
	p->server = s;
	p->queue_max = s->o.queue_max;
}

bool
http_pool_start(struct http_pool *p, struct err *e)
{
	int workers = p->server->o.workers;

	p->workers = mem_zalloc((size_t)workers, sizeof(*p->workers));
	for (int i = 0; i < workers; i++) {
		struct http_worker *w = &p->workers[i];

		w->pool = p;
		pthread_cond_init(&w->wake, NULL);
		if (pthread_create(&w->thread, NULL, work, w) != 0)
			return err_set(
			    e, ERR_INTERNAL, "cannot start worker %d", i);
		p->worker_count++;
	}
	return true;
}

bool
http_pool_full(struct http_pool *p)
{
	return http_pool_queued(p) >= p->queue_max;
}

int
http_pool_queued(struct http_pool *p)
{
	int n;

	pthread_mutex_lock(&p->lock);
	n = p->queued;
	pthread_mutex_unlock(&p->lock);
	return n;
}

bool
http_pool_push(struct http_pool *p, struct http_request *rq)
{
	bool taken;

	rq->next = NULL;
	pthread_mutex_lock(&p->lock);
	taken = !p->stop;
	if (taken) {
		if (p->tail != NULL)
			p->tail->next = rq;
		else
			p->head = rq;
		p->tail = rq;
		p->queued++;
		wake_one(p);
	}
	pthread_mutex_unlock(&p->lock);
	return taken;
}

void
http_pool_stop(struct http_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	wake_one(p);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->worker_count; i++) {
		pthread_join(p->workers[i].thread, NULL);
		pthread_cond_destroy(&p->workers[i].wake);
	}
	p->worker_count = 0;
}

void
http_pool_free(struct http_pool *p)
{
	mem_free(&p->workers);
	pthread_mutex_destroy(&p->lock);
}
