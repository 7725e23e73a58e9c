/*
 * The pool of connections for read transactions, which both drivers have: who
 * takes one and finds none idle makes one, up to a number, and then waits.
 *
 * The pool is used by any thread; what was taken belongs to the thread that
 * took it until it is given back.  Not for other directories.
 */
#pragma once

#include <pthread.h>

/* The first member of what is pooled. */
struct store_pooled {
	struct store_pooled *next;
};

struct store_pool {
	pthread_mutex_t mutex;     /* guards idle, made and waiting */
	struct store_pooled *idle; /* the last used first: its cache is warm */
	int made, waiting;
	pthread_cond_t returned;
	int max;
};

void store_pool_init(struct store_pool *p, int max);
/* All must have been drained. */
void store_pool_destroy(struct store_pool *p);
/* Waits while all are in use.  NULL: the caller makes one, and gives it back
 * when done, or says that it could not. */
struct store_pooled *store_pool_take(struct store_pool *p);
void store_pool_give(struct store_pool *p, struct store_pooled *r);
void store_pool_not_made(struct store_pool *p);
/* An idle one, which is the caller's to free and no longer of the pool; NULL:
 * there is none. */
struct store_pooled *store_pool_drain(struct store_pool *p);
