/*
 * The writer of every driver: one connection on which threads take turns,
 * first come first served, and a transaction that they share (group commit).
 *
 * Whoever has the turn opens the shared transaction if there is none, works
 * in a savepoint of it, and then runs the tasks of those next in line: they
 * need not be woken for that, and it would wait for the same commit anyway.
 * At the first who has no task it passes the turn, going to sleep as a member
 * of the batch; when nobody waits or the batch is large or old enough, it
 * commits for all members and wakes them.  Each sleeper has its own semaphore:
 * it is woken when it can go on, and never else.
 *
 * Rolling a savepoint back does not touch the work of other members.  Only
 * when the database gives the shared transaction up (disk full, lost
 * connection) do all members lose their work, and are told.  No constraint may
 * be deferred: it would fail at the shared commit, for everybody.
 *
 * Any thread; see struct store_writer for who may touch what.
 */
#include <assert.h>
#include <errno.h>

#include "core/clock.h"
#include "store/store_writer_priv.h"

enum { SYNC_MOST_US = 500000 };

void
store_waiter_init(struct store_waiter *self)
{
	*self = (struct store_waiter){ .thread = pthread_self() };
	sem_init(&self->wake, 0, 0);
}

void
store_waiter_clear(struct store_waiter *self)
{
	sem_destroy(&self->wake);
}

static void
sleep_until_woken(struct store_waiter *self)
{
	while (sem_wait(&self->wake) != 0)
		assert(errno == EINTR);
}

static void
push(struct store_queue *q, struct store_waiter *x)
{
	x->next = NULL;
	if (q->first == NULL)
		q->first = x;
	else
		q->last->next = x;
	q->last = x;
}

static struct store_waiter *
pop(struct store_queue *q)
{
	struct store_waiter *x = q->first;

	if (x != NULL)
		q->first = x->next;
	return x;
}

/* ---- turns ---- */

static void
turn_take(struct store_writer *w, struct store_waiter *self)
{
	bool wait;

	pthread_mutex_lock(&w->mutex);
	/* A second write transaction of one thread would wait for ever. */
	assert(!w->busy || !pthread_equal(w->holder, self->thread));
	wait = w->busy;
	if (wait) {
		push(&w->queue, self);
		atomic_fetch_add_explicit(
		    &w->counters->waiting, 1, memory_order_relaxed);
	} else {
		w->busy = true;
		w->holder = self->thread;
	}
	pthread_mutex_unlock(&w->mutex);
	if (wait)
		sleep_until_woken(self);
}

static void
turn_pass(struct store_writer *w)
{
	struct store_waiter *next;

	pthread_mutex_lock(&w->mutex);
	next = pop(&w->queue);
	w->busy = next != NULL;
	if (next != NULL) {
		w->holder = next->thread;
		atomic_fetch_sub_explicit(
		    &w->counters->waiting, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&w->mutex);
	if (next != NULL)
		sem_post(&next->wake);
}

/* With a slow disk it is better that more share its sync: as long as that
 * takes, they may gather.  A commit that was lost took longer. */
static int64_t
batch_us(const struct store_writer *w)
{
	int64_t us = w->commit_us < SYNC_MOST_US ? w->commit_us : SYNC_MOST_US;

	return us > w->ops->batch_us ? us : w->ops->batch_us;
}

static bool
has_room(const struct store_writer *w)
{
	return w->member_count < w->ops->batch_max &&
	       clock_mono_us() - w->began_us < batch_us(w);
}

/* The next thread in line can join the shared transaction as it is. */
static bool
next_may_join(struct store_writer *w)
{
	bool may;

	pthread_mutex_lock(&w->mutex);
	may = w->queue.first != NULL && !w->queue.first->alone;
	pthread_mutex_unlock(&w->mutex);
	return may && has_room(w);
}

/* ---- the shared transaction; all with the turn ---- */

static bool
shared_begin(struct store_writer *w, struct err *e)
{
	if (w->open)
		return true;
	/* A commit and then its rollback failed: try that again. */
	if (w->ops->intact(w->conn) && !w->ops->rollback(w->conn, e))
		return false;
	if (!w->ops->begin(w->conn, e))
		return false;
	w->open = true;
	w->began_us = clock_mono_us();
	return true;
}

/* Ends the shared transaction, keeping what is in it, or nothing. */
static bool
shared_end(struct store_writer *w, struct err *e)
{
	struct err ignored;
	bool ok = true;

	w->open = false;
	if (w->member_count > 0) {
		int64_t from_us = clock_mono_us();

		ok = w->ops->commit(w->conn, e);
		w->commit_us = clock_mono_us() - from_us;
		atomic_fetch_add_explicit(
		    &w->counters->commits, 1, memory_order_relaxed);
	}
	/* shared_begin() tries again if this fails. */
	if (w->ops->intact(w->conn))
		(void)!w->ops->rollback(w->conn, &ignored);
	return ok;
}

static struct store_queue
members_take(struct store_writer *w)
{
	struct store_queue members = w->members;

	w->members = (struct store_queue){ 0 };
	w->member_count = 0;
	return members;
}

/* A member may be gone as soon as it is woken. */
static void
members_wake(struct store_queue members, const struct err *failure)
{
	struct store_waiter *x;

	while ((x = pop(&members)) != NULL) {
		if (failure != NULL) {
			x->failed = true;
			x->failure = *failure;
		}
		sem_post(&x->wake);
	}
}

/* The database has ended it already. */
static void
shared_lost(struct store_writer *w, const struct err *why)
{
	w->open = false;
	members_wake(members_take(w), why);
}

/*
 * Gives the turn away, first ending the shared transaction if it is time for
 * that.  lost, if not NULL, says why the database has ended it already.
 */
static void
turn_end(struct store_writer *w, const struct err *lost)
{
	struct store_queue members = { 0 };
	struct err e;

	if (lost != NULL) {
		w->open = false;
		members = members_take(w);
	} else if (w->open && !next_may_join(w)) {
		if (!shared_end(w, &e))
			lost = &e;
		members = members_take(w);
	}
	/* The next writer works while the members wake up. */
	turn_pass(w);
	members_wake(members, lost);
}

/* ---- transactions ---- */

bool
store_writer_begin(struct store_writer *w, struct store_member *tx,
    struct store_tx *base, struct err *e)
{
	bool lost;

	store_waiter_init(&tx->waiter);
	tx->waiter.tx = base;
	turn_take(w, &tx->waiter);
	if (base->carried)
		return true;
	if (!shared_begin(w, e) || !w->ops->save(w->conn, e)) {
		/* What the members wrote may have gone with it. */
		lost = w->open && !w->ops->intact(w->conn);
		turn_end(w, lost ? e : NULL);
		store_waiter_clear(&tx->waiter);
		return false;
	}
	return true;
}

void
store_writer_in_line(struct store_writer *w,
    bool (*fn)(struct store_tx *tx, void *arg), void *arg)
{
	struct store_waiter *x;
	int room = w->ops->batch_max - w->member_count - 1;

	pthread_mutex_lock(&w->mutex);
	for (x = w->queue.first; x != NULL && !x->alone && room-- > 0;
	     x = x->next)
		if (!fn(x->tx, arg))
			break;
	pthread_mutex_unlock(&w->mutex);
}

void
store_writer_failed(
    struct store_writer *w, struct store_member *tx, const struct err *why)
{
	if (tx->broken || w->ops->intact(w->conn))
		return;
	tx->broken = true;
	tx->waiter.failure = *why;
}

/* False: what the others wrote is gone as well. */
static bool
undo(struct store_writer *w, struct store_member *tx)
{
	struct err e = { 0 };

	if (tx->broken || w->ops->undo(w->conn, &e))
		return !tx->broken;
	/* What remains of it must not be kept with the others. */
	tx->broken = true;
	tx->waiter.failure = e;
	if (w->ops->intact(w->conn))
		(void)!w->ops->rollback(w->conn, &e);
	return false;
}

void
store_writer_undo(struct store_writer *w, struct store_member *tx)
{
	if (!undo(w, tx))
		shared_lost(w, &tx->waiter.failure);
}

void
store_writer_rollback(struct store_writer *w, struct store_member *tx)
{
	if (!tx->waiter.tx->carried)
		turn_end(w, undo(w, tx) ? NULL : &tx->waiter.failure);
	store_waiter_clear(&tx->waiter);
}

bool
store_writer_keep(
    struct store_writer *w, struct store_member *tx, struct err *e)
{
	if (tx->broken || !w->ops->release(w->conn, e)) {
		if (tx->broken)
			*e = tx->waiter.failure;
		return false;
	}
	push(&w->members, &tx->waiter);
	w->member_count++;
	return true;
}

/* ---- running the tasks of others ---- */

/* The next in line, if it can be run here; it is in line no longer. */
static struct store_waiter *
take_task(struct store_writer *w)
{
	struct store_waiter *x;

	pthread_mutex_lock(&w->mutex);
	x = w->queue.first;
	if (x == NULL || x->tx == NULL || x->tx->task == NULL || !has_room(w))
		x = NULL;
	else
		(void)pop(&w->queue);
	pthread_mutex_unlock(&w->mutex);
	return x;
}

static void
carry(struct store_writer *w, struct store_waiter *x)
{
	struct store_tx *tx = x->tx;
	struct err *e = &tx->task->failure, lost;

	atomic_fetch_sub_explicit(
	    &w->counters->waiting, 1, memory_order_relaxed);
	tx->carried = true;
	if (w->ops->save(w->conn, e) && store_carry(tx))
		return;
	/* Its own reason may be another one. */
	if (w->open && !w->ops->intact(w->conn)) {
		err_slug(&lost, ERR_UNAVAILABLE, STORE_AGAIN,
		    "the shared transaction was lost");
		shared_lost(w, &lost);
	}
	sem_post(&x->wake);
}

bool
store_writer_commit(
    struct store_writer *w, struct store_member *tx, struct err *e)
{
	struct store_waiter *x;
	bool ok;

	if (!tx->waiter.tx->carried) {
		while (w->open && (x = take_task(w)) != NULL)
			carry(w, x);
		turn_end(w, NULL);
		sleep_until_woken(&tx->waiter);
	}
	ok = !tx->waiter.failed;
	if (!ok)
		*e = tx->waiter.failure;
	store_waiter_clear(&tx->waiter);
	return ok;
}

void
store_writer_pause(struct store_writer *w, struct store_waiter *self)
{
	self->alone = true;
	turn_take(w, self);
	assert(!w->open);
}

void
store_writer_resume(struct store_writer *w)
{
	turn_pass(w);
}

void
store_writer_init(struct store_writer *w, const struct store_writer_ops *ops,
    void *conn, struct store_counters *counters)
{
	*w = (struct store_writer){
		.ops = ops, .conn = conn, .counters = counters
	};
	pthread_mutex_init(&w->mutex, NULL);
}

void
store_writer_clear(struct store_writer *w)
{
	assert(!w->busy && !w->open);
	pthread_mutex_destroy(&w->mutex);
}
