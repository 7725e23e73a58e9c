/*
 * Write transactions as functions: what is run again, and what is not.  With
 * PostgreSQL each way to lose a transaction is forced.
 */
#include "store/store_priv.h"
#include "tests/store/proxy.h"

/* What a function of these tests does, and how often it was called. */
struct work {
	struct store *st;
	const char *sql;
	int calls, fail_until;
	const char *why; /* SQL that fails in the first calls */
	bool later;
};

static bool
insert(struct store_tx *tx, void *arg, struct err *e)
{
	struct work *w = arg;

	w->calls++;
	if (w->calls <= w->fail_until &&
	    !store_exec(tx, w->why, S_ARGS(), NULL, e))
		return err_wrap(e, "work");
	return w->later ? store_exec_later(tx, w->sql, S_ARGS(), e)
	                : store_exec(tx, w->sql, S_ARGS(), NULL, e);
}

static int64_t
retries(struct store *st)
{
	struct store_stats s;

	store_stats(st, &s);
	return s.retries;
}

static void
it_commits_once(void **state)
{
	struct fixture *f = *state;
	struct work w = { .sql = "INSERT INTO t (id) VALUES (1)" };
	struct err e = { 0 };

	must(store_write(f->st, insert, &w, &e), &e);
	assert_int_equal(w.calls, 1);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 1);
	/* Its own failure is nobody's to repeat. */
	assert_false(store_write(f->st, insert, &w, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(w.calls, 2);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 1);
	assert_int_equal(retries(f->st), 0);
}

static bool
write_then_fail(struct store_tx *tx, void *arg, struct err *e)
{
	(void)arg;
	return store_exec_later(
	           tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), e) &&
	       err_set(e, ERR_REFUSED, "no");
}

static void
failing_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_false(store_write(f->st, write_then_fail, NULL, &e));
	assert_int_equal(e.code, ERR_REFUSED);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
}

/* Statements that nobody waits for, and their results in order. */
static bool
add_and_count(struct store_tx *tx, void *arg, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *a = NULL;
	AUTO(store_rows_free) struct store_rows *b = NULL;
	AUTO(store_rows_free) struct store_rows *unread = NULL;
	int64_t *out = arg;
	bool more;

	if (!store_exec_later(
	        tx, "INSERT INTO t (id, n) VALUES (1, 10)", S_ARGS(), e) ||
	    !store_exec_later(
	        tx, "INSERT INTO t (id, n) VALUES (2, 20)", S_ARGS(), e) ||
	    !store_query_later(tx, "SELECT COUNT(*) FROM t", S_ARGS(), &a, e) ||
	    !store_query_later(
	        tx, "SELECT n FROM t ORDER BY id DESC", S_ARGS(), &b, e) ||
	    !store_query_later(tx, "SELECT 1 FROM t", S_ARGS(), &unread, e) ||
	    !store_next(b, &more, e))
		return false;
	out[1] = store_int(b, 0);
	if (!store_next(a, &more, e))
		return false;
	out[0] = store_int(a, 0);
	return true;
}

static void
results_come_to_their_queries(void **state)
{
	struct fixture *f = *state;
	int64_t seen[2] = { 0 };
	struct err e = { 0 };

	must(store_write(f->st, add_and_count, seen, &e), &e);
	assert_int_equal(seen[0], 2);
	assert_int_equal(seen[1], 20);
	assert_int_equal(number(f->st, "SELECT SUM(n) FROM t"), 30);
}

/* What a client sent, and no database takes as text. */
static bool
ask_for_garbage(struct store_tx *tx, void *arg, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	++*(int *)arg;
	return store_exec_later(
	           tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), e) &&
	       store_query(tx, "SELECT id FROM t WHERE a = $1",
	           S_ARGS(S_TEXT("\xff")), &r, e) &&
	       store_next(r, &more, e) && more;
}

/* It is refused here: there it would cost others their work. */
static void
garbage_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	int calls = 0;

	assert_false(store_write(f->st, ask_for_garbage, &calls, &e));
	if (test_on_pgsql())
		assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(calls, 1);
	assert_int_equal(retries(f->st), 0);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
}

enum { THREADS = 12 };

static void *
write_in_thread(void *arg)
{
	struct work *w = arg;
	struct err e = { 0 };

	must(store_write(w->st, insert, w, &e), &e);
	return NULL;
}

/* Somebody whose statement fails when nobody waits costs the others nothing
 * but time, and is told why. */
static void
a_bad_one_fails_alone(void **state)
{
	struct fixture *f = *state;
	struct work bad = { .later = true,
		.sql = "INSERT INTO t (id, up) VALUES (99, 98)" };
	struct work good[THREADS];
	pthread_t threads[THREADS];
	struct err e = { 0 };

	for (int i = 0; i < THREADS; i++) {
		good[i] = (struct work){ .st = f->st,
			.later = true,
			.sql = "INSERT INTO t (id) SELECT "
			       "COALESCE(MAX(id), 0) + 1 FROM t" };
		pthread_create(&threads[i], NULL, write_in_thread, &good[i]);
	}
	assert_false(store_write(f->st, insert, &bad, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(bad.calls, test_on_pgsql() ? 2 : 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), THREADS);
	assert_int_equal(number(f->st, "SELECT MAX(id) FROM t"), THREADS);
}

/* ---- PostgreSQL ---- */

/* Behind what was written and not awaited, or before it. */
static bool
read_badly(struct store_tx *tx, void *arg, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct work *w = arg;

	w->calls++;
	return (!w->later || store_exec_later(tx, w->sql, S_ARGS(), e)) &&
	       store_query(tx, w->why, S_ARGS(), &r, e);
}

/* The first run has no savepoint to go back to, the second tells why. */
static void
failed_reads_cost_the_others_nothing(void **state)
{
	struct fixture *f = *state;
	struct work good[THREADS];
	pthread_t threads[THREADS];

	if (!test_on_pgsql())
		return;
	for (int i = 0; i < THREADS; i++) {
		good[i] = (struct work){ .st = f->st,
			.later = i % 2 == 0,
			.sql = "INSERT INTO t (id) SELECT "
			       "COALESCE(MAX(id), 0) + 1 FROM t" };
		pthread_create(&threads[i], NULL, write_in_thread, &good[i]);
	}
	for (int i = 0; i < 4; i++) {
		struct work bad = { .later = i % 2 == 0,
			.sql = "INSERT INTO t (id) VALUES (-1)",
			.why = "SELECT 1 / COUNT(*) FROM t WHERE id < -1" };
		struct err e = { 0 };

		assert_false(store_write(f->st, read_badly, &bad, &e));
		assert_int_equal(e.code, ERR_INTERNAL);
		assert_true(bad.calls >= (bad.later ? 1 : 2));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), THREADS);
	assert_int_equal(number(f->st, "SELECT MAX(id) FROM t"), THREADS);
}

/* What is held waits for nobody: the commit takes it along. */
static void
writes_travel_with_the_commit(void **state)
{
	struct fixture *f = *state;
	struct work w = { .later = true,
		.sql = "INSERT INTO t (id) SELECT COALESCE(MAX(id), 0) + 1 "
		       "FROM t" };
	struct store_stats before, after;
	struct err e = { 0 };

	must(store_write(f->st, insert, &w, &e), &e);
	store_stats(f->st, &before);
	must(store_write(f->st, insert, &w, &e), &e);
	store_stats(f->st, &after);
	if (test_on_pgsql())
		assert_int_equal(after.round_trips - before.round_trips, 1);
	assert_int_equal(number(f->st, "SELECT MAX(id) FROM t"), 2);
}

static void
expect_two_calls(struct fixture *f, const char *why)
{
	struct work w = { .sql = "INSERT INTO t (id) VALUES (1)",
		.fail_until = 1,
		.why = why };
	struct err e = { 0 };

	must(store_write(f->st, insert, &w, &e), &e);
	assert_int_equal(w.calls, 2);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 1);
	assert_int_equal(retries(f->st), 1);
}

static void
serialization_failures_are_run_again(void **state)
{
	if (test_on_pgsql())
		expect_two_calls(
		    *state, "DO $do$ BEGIN RAISE SQLSTATE '40001'; END $do$");
}

/* The writer kills its own connection, behind a row it had written. */
static void
lost_connections_are_run_again(void **state)
{
	if (test_on_pgsql())
		expect_two_calls(*state,
		    "DO $do$ BEGIN INSERT INTO t (id) VALUES (7); PERFORM "
		    "pg_terminate_backend(pg_backend_pid()); END $do$");
}

static void
what_fails_always_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct work w = { .sql = "INSERT INTO t (id) VALUES (1)",
		.fail_until = 1000,
		.why = "DO $do$ BEGIN RAISE SQLSTATE '40P01'; END $do$" };
	struct err e = { 0 };

	if (!test_on_pgsql())
		return;
	assert_false(store_write(f->st, insert, &w, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_in_range(w.calls, 3, 10);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
}

static bool
fail_slowly(struct store_tx *tx, void *arg, struct err *e)
{
	int *calls = arg;

	++*calls;
	tx->again = true;
	clock_sleep_ms(1500);
	return err_set(e, ERR_UNAVAILABLE, "waited for a lock");
}

/* Somebody waits for the answer. */
static void
slow_failures_are_not_repeated_for_ever(void **state)
{
	struct fixture *f = *state;
	int calls = 0;
	struct err e = { 0 };

	if (!test_on_pgsql())
		return; /* nothing is run again */
	assert_false(store_write(f->st, fail_slowly, &calls, &e));
	assert_int_equal(calls, 1);
}

struct knot {
	struct store_tx *other;
	pthread_t thread;
	int calls;
};

/* Waits for what the writer has, until that is undone. */
static void *
pull(void *arg)
{
	struct knot *k = arg;

	(void)number_in(k->other, "SELECT COUNT(pg_advisory_xact_lock(8))");
	store_rollback(&k->other);
	return NULL;
}

static bool
tie(struct store_tx *tx, void *arg, struct err *e)
{
	struct knot *k = arg;

	(void)number_in(
	    tx, "SELECT LENGTH(set_config('deadlock_timeout', '1', true))");
	(void)number_in(tx, "SELECT COUNT(pg_advisory_xact_lock(8))");
	if (k->calls++ == 0)
		pthread_create(&k->thread, NULL, pull, k);
	while (k->calls == 1 &&
	       number_in(tx, "SELECT COUNT(*) FROM pg_locks l JOIN "
	                     "pg_database d ON d.oid = l.database WHERE "
	                     "d.datname = current_database() AND NOT granted "
	                     "AND locktype = 'advisory' AND objid = 8") == 0)
		clock_sleep_ms(1);
	return store_exec(tx,
	    "INSERT INTO t (id) SELECT COUNT(pg_advisory_xact_lock(9))",
	    S_ARGS(), NULL, e);
}

static void
deadlocks_are_run_again(void **state)
{
	struct fixture *f = *state;
	struct knot k = { 0 };
	struct err e = { 0 };

	if (!test_on_pgsql())
		return;
	must(store_begin(f->st, STORE_READ, &k.other, &e), &e);
	(void)number_in(k.other,
	    "SELECT LENGTH(set_config('deadlock_timeout', '60s', true))");
	(void)number_in(k.other, "SELECT COUNT(pg_advisory_xact_lock(9))");
	must(store_write(f->st, tie, &k, &e), &e);
	pthread_join(k.thread, NULL);
	assert_int_equal(k.calls, 2);
	assert_int_equal(retries(f->st), 1);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 1);
}

/* Two writes through the proxy, the second with a fault in its COMMIT. */
static bool
write_with_fault(
    struct fixture *f, enum proxy_fault fault, struct work *w, struct err *e)
{
	struct work first = { .sql = "INSERT INTO t (id) VALUES (1)" };
	struct proxy x;
	struct store *st;
	bool ok;

	proxy_start(&x, f->dir);
	st = proxy_open(f);
	must(store_write(st, insert, &first, e), e);
	atomic_store(&x.fault, fault);
	ok = store_write(st, insert, w, e);
	assert_int_equal(atomic_load(&x.fault), PROXY_NONE);
	store_close(&st);
	proxy_stop(&x);
	return ok;
}

static void
a_commit_that_took_place_is_found(void **state)
{
	struct work w = { .sql =
		              "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t" };
	struct fixture *f = *state;
	struct err e = { 0 };

	if (!test_on_pgsql())
		return;
	must(write_with_fault(f, PROXY_AFTER_COMMIT, &w, &e), &e);
	assert_int_equal(w.calls, 1);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 2);
}

static void
a_commit_that_did_not_is_run_again(void **state)
{
	struct work w = { .sql =
		              "INSERT INTO t (id) SELECT MAX(id) + 1 FROM t" };
	struct fixture *f = *state;
	struct err e = { 0 };

	if (!test_on_pgsql())
		return;
	must(write_with_fault(f, PROXY_BEFORE_COMMIT, &w, &e), &e);
	assert_int_equal(w.calls, 2);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 2);
}

/* Begun and committed in one round trip: its number was lost with it. */
static void
a_commit_of_which_nothing_is_known_fails(void **state)
{
	static const char next[] =
	    "INSERT INTO t (id) SELECT COALESCE(MAX(id), 0) + 1 FROM t";
	struct work w = { .sql = next, .later = true };
	struct fixture *f = *state;
	struct proxy x;
	struct store *st;
	struct err e = { 0 };

	if (!test_on_pgsql())
		return;
	proxy_start(&x, f->dir);
	st = proxy_open(f);
	must(store_write(st, insert, &w, &e), &e);
	atomic_store(&x.fault, PROXY_AFTER_COMMIT);
	assert_false(store_write(st, insert, &w, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_null(e.slug);
	assert_int_equal(w.calls, 2);
	must(store_write(st, insert, &w, &e), &e);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 3);
	store_close(&st);
	proxy_stop(&x);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_commits_once),
		TEST(failing_leaves_nothing),
		TEST(results_come_to_their_queries),
		TEST(a_bad_one_fails_alone),
		TEST(garbage_is_not_sent),
		TEST(failed_reads_cost_the_others_nothing),
		TEST(writes_travel_with_the_commit),
		TEST(serialization_failures_are_run_again),
		TEST(lost_connections_are_run_again),
		TEST(what_fails_always_is_given_up),
		TEST(slow_failures_are_not_repeated_for_ever),
		TEST(deadlocks_are_run_again),
		TEST(a_commit_that_took_place_is_found),
		TEST(a_commit_that_did_not_is_run_again),
		TEST(a_commit_of_which_nothing_is_known_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
