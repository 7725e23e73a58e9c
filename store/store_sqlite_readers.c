/*
 * The pool of read connections.  With the WAL a reader sees one snapshot and
 * waits for nobody, so a read transaction costs a BEGIN, its statements and
 * an END on a connection that is already open.
 *
 * The pool is used by any thread; a reader belongs to the thread that took it
 * until it is given back.
 */
#include <assert.h>

#include "store/store_sqlite_priv.h"

void
store_sqlite_readers_init(struct sq_readers *p, const char *path, int max)
{
	*p = (struct sq_readers){ .max = max, .path = path };
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->returned, NULL);
}

void
store_sqlite_readers_close(struct sq_readers *p)
{
	while (p->idle != NULL) {
		struct sq_reader *r = p->idle;

		p->idle = r->next;
		p->made--;
		store_sqlite_conn_close(&r->conn);
		mem_free(&r);
	}
	assert(p->made == 0);
	pthread_cond_destroy(&p->returned);
	pthread_mutex_destroy(&p->mutex);
}

/* An idle reader, or NULL: the caller may make one. */
static struct sq_reader *
take_idle(struct sq_readers *p)
{
	struct sq_reader *r;

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
store_sqlite_readers_take(
    struct sq_readers *p, struct sq_reader **out, struct err *e)
{
	struct sq_reader *r = take_idle(p);

	if (r == NULL) {
		r = mem_zalloc(1, sizeof(*r));
		if (!store_sqlite_conn_open(&r->conn, p->path, SQ_READER, e)) {
			mem_free(&r);
			pthread_mutex_lock(&p->mutex);
			p->made--;
			pthread_mutex_unlock(&p->mutex);
			pthread_cond_signal(&p->returned);
			return false;
		}
	}
	*out = r;
	return true;
}

void
store_sqlite_readers_give(struct sq_readers *p, struct sq_reader *r)
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
