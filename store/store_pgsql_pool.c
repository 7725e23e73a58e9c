/*
 * The pool of connections for read transactions.
 *
 * The pool is used by any thread; a reader belongs to the thread that took it
 * until it is given back.
 */
#include <assert.h>

#include "store/store_pgsql_priv.h"

void
store_pgsql_pool_init(struct pg_pool *p, struct pg_dial *dial, int max)
{
	*p = (struct pg_pool){ .max = max, .dial = dial };
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->returned, NULL);
}

void
store_pgsql_pool_close(struct pg_pool *p)
{
	while (p->idle != NULL) {
		struct pg_reader *r = p->idle;

		p->idle = r->next;
		p->made--;
		store_pgsql_conn_close(&r->conn);
		mem_free(&r);
	}
	assert(p->made == 0);
	pthread_cond_destroy(&p->returned);
	pthread_mutex_destroy(&p->mutex);
}

/* An idle reader, or NULL: the caller may make one. */
static struct pg_reader *
take_idle(struct pg_pool *p)
{
	struct pg_reader *r;

	pthread_mutex_lock(&p->mutex);
	p->waiting++;
	while (p->idle == NULL && p->made == p->max)
		pthread_cond_wait(&p->returned, &p->mutex);
	p->waiting--;
	r = p->idle;
	if (r != NULL)
		p->idle = r->next;
	else
		p->made++;
	pthread_mutex_unlock(&p->mutex);
	return r;
}

bool
store_pgsql_pool_take(struct pg_pool *p, struct pg_reader **out, struct err *e)
{
	struct pg_reader *r = take_idle(p);

	if (r == NULL) {
		r = mem_zalloc(1, sizeof(*r));
		r->conn.dial = p->dial;
	}
	if (!store_pgsql_conn_ready(&r->conn, e)) {
		store_pgsql_pool_give(p, r);
		return false;
	}
	*out = r;
	return true;
}

void
store_pgsql_pool_give(struct pg_pool *p, struct pg_reader *r)
{
	bool wanted;

	pthread_mutex_lock(&p->mutex);
	r->next = p->idle;
	p->idle = r;
	wanted = p->waiting > 0;
	pthread_mutex_unlock(&p->mutex);
	if (wanted)
		pthread_cond_signal(&p->returned);
}
