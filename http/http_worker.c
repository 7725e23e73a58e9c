/*
 * The pool of workers.  Requests wait in one FIFO; idle workers wait each on
 * its own semaphore, the most recently idle first, since its stack and caches
 * are warm.  At most one worker is on its way up at any time; it wakes the
 * next when it finds more than it takes.  A burst of small requests is thus
 * done by few workers, and blocked ones are replaced at once.
 *
 * Nobody is woken with the lock held: he would run into it.
 */
#include <assert.h>
#include <errno.h>
#include <semaphore.h>

#include "core/log.h"
#include "http/http_priv.h"

struct http_worker {
	struct http_pool *pool;
	pthread_t thread;
	sem_t wake; /* posted once each time it leaves the idle ones */
	struct http_worker *next_idle;
};

/* With the lock held; who is to be woken after it is let go, or NULL. */
static struct http_worker *
call_one(struct http_pool *p)
{
	struct http_worker *w = p->idle;

	if (p->waking || w == NULL)
		return NULL;
	p->idle = w->next_idle;
	p->waking = true;
	return w;
}

static void
unlock_and_wake(struct http_pool *p, struct http_worker *called)
{
	pthread_mutex_unlock(&p->lock);
	if (called != NULL)
		sem_post(&called->wake);
}

/* With the lock held, which is let go meanwhile. */
static void
sleep_until_called(struct http_worker *w)
{
	struct http_pool *p = w->pool;

	w->next_idle = p->idle;
	p->idle = w;
	pthread_mutex_unlock(&p->lock);
	while (sem_wait(&w->wake) != 0)
		assert(errno == EINTR);
	pthread_mutex_lock(&p->lock);
	p->waking = false;
}

/* NULL when the pool stops and nothing waits. */
static struct http_request *
take(struct http_worker *w, bool *stop)
{
	struct http_pool *p = w->pool;
	struct http_worker *called = NULL;
	struct http_request *rq;

	pthread_mutex_lock(&p->lock);
	while (p->head == NULL && !p->stop)
		sleep_until_called(w);
	*stop = p->stop;
	rq = p->head;
	if (rq != NULL) {
		p->head = rq->next;
		if (p->head == NULL)
			p->tail = NULL;
		p->queued--;
		rq->next = NULL;
	}
	if (rq == NULL || p->head != NULL)
		called = call_one(p);
	unlock_and_wake(p, called);
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
	struct http_server *s = w->pool->server;
	struct http_request *rq;
	bool stop;

	while ((rq = take(w, &stop)) != NULL) {
		log_set_request(rq->id);
		if (stop)
			http_request_abandon(rq, HTTP_STOPPING);
		else if (rq->phase == HTTP_AUTHORIZING)
			run_authorizer(rq);
		else
			run_handler(s, rq);
		log_set_request(NULL);
	}
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
		sem_init(&w->wake, 0, 0);
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
	struct http_worker *called = NULL;
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
		called = call_one(p);
	}
	unlock_and_wake(p, called);
	return taken;
}

void
http_pool_stop(struct http_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	unlock_and_wake(p, call_one(p));
	for (int i = 0; i < p->worker_count; i++)
		pthread_join(p->workers[i].thread, NULL);
	for (int i = 0; i < p->worker_count; i++)
		sem_destroy(&p->workers[i].wake);
	p->worker_count = 0;
}

void
http_pool_free(struct http_pool *p)
{
	mem_free(&p->workers);
	pthread_mutex_destroy(&p->lock);
}
