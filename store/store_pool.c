/* See store_pool_priv.h. */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/store_pool_priv.h"

void
store_pool_init(struct store_pool *p, int max)
{
	*p = (struct store_pool){ .max = max };
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->returned, NULL);
}

void
store_pool_destroy(struct store_pool *p)
{
	assert(p->made == 0);
	pthread_cond_destroy(&p->returned);
	pthread_mutex_destroy(&p->mutex);
}

struct store_pooled *
store_pool_take(struct store_pool *p)
{
	struct store_pooled *r;

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

void
store_pool_give(struct store_pool *p, struct store_pooled *r)
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

void
store_pool_not_made(struct store_pool *p)
{
	pthread_mutex_lock(&p->mutex);
	p->made--;
	pthread_mutex_unlock(&p->mutex);
	pthread_cond_signal(&p->returned);
}

struct store_pooled *
store_pool_drain(struct store_pool *p)
{
	struct store_pooled *r;

	pthread_mutex_lock(&p->mutex);
	r = p->idle;
	if (r != NULL) {
		p->idle = r->next;
		p->made--;
	}
	pthread_mutex_unlock(&p->mutex);
	return r;
}
