/*
 * A write transaction as a function: run by another thread whose turn it is,
 * if that comes first, and run again when the database undid it for reasons of
 * its own.
 *
 * No state; any thread.
 */
#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"
#include "store/store_priv.h"

/* About a second in all, and no further attempt behind a slow one (that waited
 * for a lock, or a server): somebody waits for the answer. */
enum { TRIES = 7, PAUSE_FIRST_MS = 10, MOST_MS = 1500 };

bool
store_carry(struct store_tx *tx)
{
	struct store_task *t = tx->task;
	char mine[LOG_REQUEST_SIZE];

	str_copy_cut(mine, sizeof(mine), log_request_id());
	log_set_request(t->request);
	tx->later = true;
	t->ok = t->fn(tx, t->arg, &t->failure) &&
	        tx->st->driver->keep(tx, &t->failure);
	log_set_request(mine);
	if (t->ok)
		return true;
	tx->again = tx->again || str_eq(t->failure.slug, STORE_AGAIN);
	tx->st->driver->undo(tx);
	return false;
}

/* After a failure it has its own thread, without a question that was asked
 * with others', and each statement answers for itself.  *again_out: nothing was
 * kept, and the next attempt may succeed. */
static bool
attempt(struct store *st, struct store_task *t, bool first, bool *again_out,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool ok;

	*again_out = true;
	if (!store_begin_task(st, first ? t : NULL, &tx, e)) {
		*again_out = str_eq(e->slug, STORE_AGAIN);
		return false;
	}
	if (tx->carried) {
		ok = t->ok;
		*e = ok ? *e : t->failure;
	} else {
		tx->later = first;
		ok = t->fn(tx, t->arg, e);
	}
	if (!ok) {
		*again_out = tx->again;
		return false;
	}
	if (store_commit(&tx, e))
		return true;
	*again_out = str_eq(e->slug, STORE_AGAIN);
	return false;
}

/* Between half and the whole of a time that doubles. */
static void
wait_before(int try)
{
	uint32_t most = (uint32_t)PAUSE_FIRST_MS << (try - 1);

	clock_sleep_ms(most / 2 + random_below(most / 2 + 1));
}

static bool
run(struct store *st, struct store_task *t, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + MOST_MS;
	bool again = true;

	for (int try = 0; again && try < TRIES; try++) {
		if (try > 0 && clock_mono_ms() >= until_ms)
			break;
		if (try > 0) {
			atomic_fetch_add_explicit(
			    &st->counters.retries, 1, memory_order_relaxed);
			wait_before(try);
		}
		if (attempt(st, t, try == 0, &again, e))
			return true;
	}
	return false;
}

bool
store_write(struct store *st,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    struct err *e)
{
	return store_write_about(st, NULL, fn, arg, e);
}

bool
store_write_about(struct store *st, const struct store_question *q,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    struct err *e)
{
	struct store_task t = {
		.question = q, .fn = fn, .arg = arg, .request = log_request_id()
	};

	return run(st, &t, e);
}
