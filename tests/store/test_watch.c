/*
 * Watches: a hook runs after a commit that touched its name, here or on
 * another node, also when no notification comes through.
 */
#include "tests/store/fixture.h"

#include <stdatomic.h>

#include "store/store_watch.h"

enum { WAIT_MS = 90000 };

struct counter {
	_Atomic int calls;
	_Atomic int fail; /* so many times more */
};

static bool
count(void *arg, struct err *e)
{
	struct counter *c = arg;

	c->calls++;
	if (c->fail > 0) {
		c->fail--;
		return err_set(e, ERR_UNAVAILABLE, "not now");
	}
	return true;
}

static void
touch(struct store *st, const char *name, bool keep)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	must(store_watch_touch(tx, name, &e), &e);
	if (keep)
		must(store_commit(&tx, &e), &e);
}

static struct store_watch *
watch_new(struct store *st)
{
	struct store_watch *w = NULL;
	struct err e = { 0 };

	must(store_watch_new(st, &w, &e), &e);
	return w;
}

static void
start(struct store_watch *w)
{
	struct err e = { 0 };

	must(store_watch_start(w, &e), &e);
}

static void
wait_calls(struct counter *c, int wanted)
{
	int64_t end_ms = clock_mono_ms() + WAIT_MS;

	while (c->calls < wanted) {
		assert_true(clock_mono_ms() < end_ms);
		clock_sleep_ms(1);
	}
	assert_int_equal(c->calls, wanted);
}

static void
hook_runs_for_its_name(void **state)
{
	struct fixture *f = *state;
	struct counter a = { 0 }, b = { 0 };
	AUTO(store_watch_free) struct store_watch *w = NULL;

	touch(f->st, "a", true); /* before any copy was made */
	w = watch_new(f->st);
	store_watch_add(w, "a", count, &a);
	store_watch_add(w, "b", count, &b);
	start(w);
	touch(f->st, "a", false);
	touch(f->st, "b", true);
	wait_calls(&b, 1);
	touch(f->st, "b", true);
	wait_calls(&b, 2);
	assert_int_equal(a.calls, 0);
	touch(f->st, "a", true);
	wait_calls(&a, 1);
}

/* Between reading where things stand and the start of the thread. */
static void
nothing_falls_between(void **state)
{
	struct fixture *f = *state;
	struct counter a = { 0 };
	AUTO(store_watch_free) struct store_watch *w = watch_new(f->st);

	touch(f->st, "a", true);
	store_watch_add(w, "a", count, &a);
	start(w);
	wait_calls(&a, 1);
}

static void
failed_hook_runs_again(void **state)
{
	struct fixture *f = *state;
	struct counter a = { .fail = 1 };
	AUTO(store_watch_free) struct store_watch *w = watch_new(f->st);

	store_watch_add(w, "a", count, &a);
	start(w);
	touch(f->st, "a", true);
	wait_calls(&a, 2);
}

/* No notification: only looking finds it. */
static void
looking_is_enough(void **state)
{
	struct fixture *f = *state;
	struct counter a = { 0 };
	AUTO(store_watch_free) struct store_watch *w = watch_new(f->st);

	store_watch_add(w, "a", count, &a);
	start(w);
	write_sql(
	    f->st, "INSERT INTO touched (name, seq) VALUES ('a', 7)", S_ARGS());
	wait_calls(&a, 1);
}

/* Restored from a backup, or failed over to a standby that was behind. */
static void
going_back_calls_everybody(void **state)
{
	struct fixture *f = *state;
	struct counter a = { 0 }, b = { 0 };
	AUTO(store_watch_free) struct store_watch *w = NULL;

	touch(f->st, "a", true);
	touch(f->st, "a", true);
	touch(f->st, "a", true);
	w = watch_new(f->st);
	store_watch_add(w, "a", count, &a);
	store_watch_add(w, "b", count, &b);
	start(w);
	write_sql(f->st, "UPDATE touched SET seq = 1", S_ARGS());
	wait_calls(&b, 1);
	wait_calls(&a, 1);
	touch(f->st, "a", true);
	wait_calls(&a, 2);
}

static void
another_node_hears(void **state)
{
	struct fixture *f = *state;
	struct counter a = { 0 };
	struct store *other;
	struct store_watch *w;

	if (!test_on_pgsql())
		skip();
	other = open_db(f->path);
	w = watch_new(other);
	store_watch_add(w, "a", count, &a);
	start(w);
	for (int i = 1; i <= 3; i++) {
		touch(f->st, "a", true);
		wait_calls(&a, i);
	}
	store_watch_free(&w);
	store_close(&other);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hook_runs_for_its_name),
		TEST(nothing_falls_between),
		TEST(failed_hook_runs_again),
		TEST(looking_is_enough),
		TEST(going_back_calls_everybody),
		TEST(another_node_hears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
