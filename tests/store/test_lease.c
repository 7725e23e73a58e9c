/*
 * Leases: one holder at a time, who is found out when it has ended; on
 * PostgreSQL between nodes whose clocks differ.
 */
#include "tests/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/store_lease.h"

enum { LONG_MS = 60000, SHORT_MS = 1, TAKERS = 8 };

static bool
take(struct store *st, const char *holder, int64_t ttl_ms)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct store_lease l = { "job:x", holder, ttl_ms };
	struct err e = { 0 };
	bool mine;

	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	must(store_lease_take(tx, &l, &mine, &e), &e);
	must(store_commit(&tx, &e), &e);
	return mine;
}

/* What a job does: it writes, and keeps the lease in the same transaction. */
static bool
work(struct store *st, const char *holder, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct store_lease l = { "job:x", holder, LONG_MS };

	must(store_begin(st, STORE_WRITE, &tx, e), e);
	must(store_exec(tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, e),
	    e);
	return store_lease_keep(tx, &l, e) && store_commit(&tx, e);
}

static void
one_holder_at_a_time(void **state)
{
	struct fixture *f = *state;

	assert_true(take(f->st, "a", LONG_MS));
	assert_true(take(f->st, "a", LONG_MS));
	assert_false(take(f->st, "b", LONG_MS));
}

static void
ended_lease_goes_to_another(void **state)
{
	struct fixture *f = *state;

	assert_true(take(f->st, "a", SHORT_MS));
	clock_sleep_ms(SHORT_MS + 5);
	assert_true(take(f->st, "b", LONG_MS));
	assert_false(take(f->st, "a", LONG_MS));
}

/* As one who was stopped and continued: nothing of it is kept. */
static void
late_holder_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_true(take(f->st, "a", SHORT_MS));
	clock_sleep_ms(SHORT_MS + 5);
	assert_false(work(f->st, "a", &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_string_equal(err_name(&e), "lease_lost");
	assert_true(take(f->st, "b", LONG_MS));
	assert_false(work(f->st, "a", &e));
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
	assert_true(work(f->st, "b", &e));
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 1);
}

static void
work_prolongs(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	int64_t before;

	assert_true(take(f->st, "a", LONG_MS / 2));
	before = number(f->st, "SELECT until FROM lease");
	must(work(f->st, "a", &e), &e);
	assert_true(
	    number(f->st, "SELECT until FROM lease") >= before + LONG_MS / 4);
}

static void
release_frees_all_of_a_holder(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		AUTO(store_rollback) struct store_tx *tx = NULL;
		struct err e = { 0 };

		assert_true(take(f->st, "a", LONG_MS));
		must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
		must(store_lease_release(tx, "b", &e), &e);
		must(store_lease_release(tx, i == 0 ? "a" : NULL, &e), &e);
		must(store_commit(&tx, &e), &e);
		assert_int_equal(
		    number(f->st, "SELECT COUNT(*) FROM lease"), 0);
	}
}

static void
ended_ones_are_found(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char holder[STORE_NODE_SIZE];
	struct err e = { 0 };

	take(f->st, "a", SHORT_MS);
	clock_sleep_ms(SHORT_MS + 5);
	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	must(store_lease_ended(tx, "node:", holder, &e), &e);
	assert_string_equal(holder, "");
	must(store_lease_ended(tx, "job:", holder, &e), &e);
	assert_string_equal(holder, "a");
	must(store_lease_keep(tx, NULL, &e), &e);
}

struct taker {
	struct store *st;
	char name[8];
	_Atomic int *won;
};

static void *
try_to_take(void *arg)
{
	struct taker *t = arg;

	for (int i = 0; i < 10; i++)
		if (take(t->st, t->name, LONG_MS))
			atomic_fetch_add(t->won, 1);
	return NULL;
}

/* On PostgreSQL each thread is a node of its own. */
static void
only_one_of_many_wins(void **state)
{
	struct fixture *f = *state;
	struct taker takers[TAKERS];
	pthread_t threads[TAKERS];
	_Atomic int won = 0;

	for (int i = 0; i < TAKERS; i++) {
		takers[i].st = test_on_pgsql() ? open_db(f->path) : f->st;
		takers[i].won = &won;
		snprintf(takers[i].name, sizeof(takers[i].name), "n%d", i);
		pthread_create(&threads[i], NULL, try_to_take, &takers[i]);
	}
	for (int i = 0; i < TAKERS; i++) {
		pthread_join(threads[i], NULL);
		if (test_on_pgsql())
			store_close(&takers[i].st);
	}
	assert_int_equal(won, 10); /* the same one, each time */
}

/* A node whose clock is a day ahead takes nothing away. */
static void
clocks_of_nodes_may_differ(void **state)
{
	struct fixture *f = *state;

	if (!test_on_pgsql())
		skip();
	assert_true(take(f->st, "a", LONG_MS));
	clock_set_offset_ms(MS_DAY);
	assert_false(take(f->st, "b", LONG_MS));
	clock_set_offset_ms(0);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_holder_at_a_time),
		TEST(ended_lease_goes_to_another),
		TEST(late_holder_writes_nothing),
		TEST(work_prolongs),
		TEST(release_frees_all_of_a_holder),
		TEST(ended_ones_are_found),
		TEST(only_one_of_many_wins),
		TEST(clocks_of_nodes_may_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
