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

struct work {
	struct store *st;
	const struct store_question *question; /* or NULL */
	bool (*fn)(struct store_tx *tx, void *arg, struct err *e);
	void *arg;
};

/* *again_out: nothing was kept, and the next attempt may succeed. */
static bool
attempt(const struct work *w, bool first, bool *again_out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	*again_out = true;
	if (!store_begin_with(
	        w->st, STORE_WRITE, first ? w->question : NULL, &tx, e)) {
		*again_out = str_eq(e->slug, STORE_AGAIN);
		return false;
	}
	/* After a failure each statement answers for itself. */
	tx->later = first;
	if (!w->fn(tx, w->arg, e)) {
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
run(const struct work *w, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + MOST_MS;
	bool again = true;

	for (int try = 0; again && try < TRIES; try++) {
		if (try > 0 && clock_mono_ms() >= until_ms)
			break;
		if (try > 0) {
			atomic_fetch_add_explicit(
			    &w->st->counters.retries, 1, memory_order_relaxed);
			wait_before(try);
		}
		if (attempt(w, try == 0, &again, e))
			return true;
	}
	return false;
}

bool
store_write(struct store *st,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    struct err *e)
{
	return run(&(struct work){ st, NULL, fn, arg }, e);
}

bool
store_write_about(struct store *st, const struct store_question *q,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    struct err *e)
{
	return run(&(struct work){ st, q, fn, arg }, e);
}
