/*
 * A write transaction as a function that is run again when the database undid
 * it for reasons of its own.
 *
 * No state; any thread.
 */
#include "core/clock.h"
#include "core/random.h"
#include "store/store_priv.h"

/* About a second in all, and no further attempt behind a slow one (that waited
 * for a lock, or a server): somebody waits for the answer. */
enum { TRIES = 7, PAUSE_FIRST_MS = 10, MOST_MS = 1500 };

/* *again_out: nothing was kept, and the next attempt may succeed. */
static bool
attempt(struct store *st, bool later,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    bool *again_out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	*again_out = true;
	if (!store_begin(st, STORE_WRITE, &tx, e)) {
		*again_out = str_eq(e->slug, STORE_AGAIN);
		return false;
	}
	tx->later = later;
	if (!fn(tx, arg, e)) {
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

bool
store_write(struct store *st,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    struct err *e)
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
		/* After a failure each statement answers for itself. */
		if (attempt(st, try == 0, fn, arg, &again, e))
			return true;
	}
	return false;
}
