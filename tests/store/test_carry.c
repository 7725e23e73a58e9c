/*
 * Whoever has the writer's turn runs the functions of those in line behind it:
 * each is run once, as itself, and answers for itself.
 */
#include <pthread.h>
#include <string.h>

#include "core/log.h"
#include "store/store_pgsql_priv.h"
#include "tests/store/fixture.h"

enum { CROWD = 5, PATIENCE_MS = 60000 };

struct task {
	struct store *st;
	int number, calls;
	bool refuses, spoils; /* spoils: ends the shared transaction */
	bool loses;           /* the connection, behind what it wrote */
	pthread_t thread, ran_on;
	char request[16], seen[16];
	bool ok;
	struct err e;
};

/* All that was written in the shared transaction is gone with it. */
static bool
spoil(struct store_tx *tx, struct err *e)
{
	return store_exec(tx,
	    test_on_pgsql() ? "DO $do$ BEGIN PERFORM "
	                      "pg_terminate_backend(pg_backend_pid()); END $do$"
	                    : "ROLLBACK",
	    S_ARGS(), NULL, e);
}

static bool
insert(struct store_tx *tx, void *arg, struct err *e)
{
	struct task *t = arg;
	struct err lost;

	t->calls++;
	t->ran_on = pthread_self();
	str_copy_cut(t->seen, sizeof(t->seen), log_request_id());
	if (!store_exec_later(tx, "INSERT INTO t (id) VALUES ($1)",
	        S_ARGS(S_INT(t->number)), e))
		return false;
	if (t->spoils && t->calls == 1 && !spoil(tx, e))
		return false;
	if (t->loses && t->calls == 1)
		(void)!store_pgsql_drop(((struct pg_tx *)tx)->conn, &lost);
	return !t->refuses || err_set(e, ERR_REFUSED, "number %d", t->number);
}

static void *
run(void *arg)
{
	struct task *t = arg;

	log_set_request(t->request);
	t->ok = store_write(t->st, insert, t, &t->e);
	assert_string_equal(log_request_id(), t->request);
	return NULL;
}

static int64_t
waiting(struct store *st)
{
	struct store_stats s;

	store_stats(st, &s);
	return s.waiting;
}

/* All are in line, in their order, before the first of them runs. */
static void
run_in_line(struct fixture *f, struct task *t, int count)
{
	AUTO(store_rollback) struct store_tx *gate = NULL;
	int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &gate, &e), &e);
	for (int i = 0; i < count; i++) {
		t[i].st = f->st;
		t[i].number = i + 1;
		snprintf(t[i].request, sizeof(t[i].request), "r%d", i);
		assert_int_equal(
		    pthread_create(&t[i].thread, NULL, run, &t[i]), 0);
		while (waiting(f->st) <= i) {
			assert_true(clock_mono_ms() < end_ms);
			clock_sleep_ms(1);
		}
	}
	store_rollback(&gate);
	for (int i = 0; i < count; i++)
		pthread_join(t[i].thread, NULL);
	assert_int_equal(waiting(f->st), 0);
}

static bool
is_kept(struct fixture *f, const struct task *t)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool found;

	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, "SELECT 1 FROM t WHERE id = $1",
	         S_ARGS(S_INT(t->number)), &r, &e),
	    &e);
	must(store_next(r, &found, &e), &e);
	return found;
}

/* Their rows are there, or not, as they were told. */
static int
check(struct fixture *f, const struct task *t, int count)
{
	int ok = 0;

	for (int i = 0; i < count; i++) {
		assert_int_equal(is_kept(f, &t[i]), t[i].ok);
		ok += t[i].ok;
	}
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), ok);
	return ok;
}

static void
one_runs_for_all(void **state)
{
	struct fixture *f = *state;
	int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
	int together = 0;

	/* On a machine that is slow just then the batch is over too soon. */
	while (together < CROWD) {
		struct task t[CROWD] = { 0 };

		assert_true(clock_mono_ms() < end_ms);
		write_sql(f->st, "DELETE FROM t", S_ARGS());
		run_in_line(f, t, CROWD);
		assert_int_equal(check(f, t, CROWD), CROWD);
		together = 0;
		for (int i = 0; i < CROWD; i++) {
			assert_int_equal(t[i].calls, 1);
			assert_string_equal(t[i].seen, t[i].request);
			together +=
			    pthread_equal(t[i].ran_on, t[0].thread) != 0;
		}
	}
}

static void
who_fails_fails_alone(void **state)
{
	struct fixture *f = *state;
	struct task t[CROWD] = {
		[1] = { .refuses = true }, [3] = { .refuses = true }
	};

	run_in_line(f, t, CROWD);
	assert_int_equal(check(f, t, CROWD), CROWD - 2);
	for (int i = 0; i < CROWD; i++) {
		assert_int_equal(t[i].calls, 1);
		assert_int_equal(t[i].ok, !t[i].refuses);
	}
	assert_int_equal(t[1].e.code, ERR_REFUSED);
	assert_string_equal(t[1].e.text, "number 2");
	assert_string_equal(t[3].e.text, "number 4");
}

/* The fourth was written before, or is behind it: nobody is told an untruth;
 * and PostgreSQL's are run again. */
static void
what_is_lost_is_told(void **state)
{
	struct fixture *f = *state;
	struct task t[CROWD] = { [3] = { .spoils = true } };
	int ok;

	run_in_line(f, t, CROWD);
	ok = check(f, t, CROWD);
	if (test_on_pgsql())
		assert_int_equal(ok, CROWD);
	else
		assert_false(t[3].ok);
	write_sql(f->st, "INSERT INTO t (id) VALUES (99)", S_ARGS());
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), ok + 1);
}

/* Found lost only when what is held is to be sent. */
static void
a_connection_lost_between_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct task t[CROWD] = { [2] = { .loses = true } };

	if (!test_on_pgsql())
		return;
	run_in_line(f, t, CROWD);
	assert_int_equal(check(f, t, CROWD), CROWD);
	assert_int_equal(t[2].calls, 2);
}

static void *
begin_and_commit(void *arg)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct task *t = arg;

	t->ok = store_begin(t->st, STORE_WRITE, &tx, &t->e) &&
	        insert(tx, t, &t->e) && store_commit(&tx, &t->e);
	return NULL;
}

/* Whoever is no function runs on its own thread, between those that are. */
static void
others_have_their_turn(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *gate = NULL;
	int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
	struct task t[CROWD] = { 0 };
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &gate, &e), &e);
	for (int i = 0; i < CROWD; i++) {
		t[i].st = f->st;
		t[i].number = i + 1;
		assert_int_equal(
		    pthread_create(&t[i].thread, NULL,
		        i % 2 == 1 ? begin_and_commit : run, &t[i]),
		    0);
		while (waiting(f->st) <= i) {
			assert_true(clock_mono_ms() < end_ms);
			clock_sleep_ms(1);
		}
	}
	store_rollback(&gate);
	for (int i = 0; i < CROWD; i++)
		pthread_join(t[i].thread, NULL);
	assert_int_equal(check(f, t, CROWD), CROWD);
	for (int i = 1; i < CROWD; i += 2)
		assert_true(pthread_equal(t[i].ran_on, t[i].thread));
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_runs_for_all),
		TEST(who_fails_fails_alone),
		TEST(what_is_lost_is_told),
		TEST(a_connection_lost_between_is_noticed),
		TEST(others_have_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
