/*
 * Writers that share a transaction: all is there exactly once, a rollback
 * harms nobody else, a failed commit is told to everybody and keeps nothing,
 * and listeners hear only of what was committed.
 */
#include "tests/store/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { THREADS = 64, WRITES = 40 };

struct job {
	struct store *st;
	int number;
	/* kept[i]: the i-th transaction was acknowledged. */
	bool kept[WRITES];
	struct err last;
	pthread_t thread;
};

/* Every third is rolled back, every fifth has a failed statement in it. */
static bool
write_row(struct job *j, int i)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t id = j->number * 1000 + i + 1;

	if (!store_begin(j->st, STORE_WRITE, &tx, &j->last) ||
	    !store_exec(tx, "INSERT INTO t (id, n) VALUES ($1, 1)",
	        S_ARGS(S_INT(id)), NULL, &j->last))
		return false;
	if (i % 5 == 0)
		assert_false(store_exec(tx, "INSERT INTO t (id) VALUES ($1)",
		    S_ARGS(S_INT(id)), NULL, &j->last));
	if (i % 3 == 0)
		return false;
	return store_exec(tx, "UPDATE t SET n = n + 1 WHERE id = 0", S_ARGS(),
	           NULL, &j->last) &&
	       store_commit(&tx, &j->last);
}

static void *
write_rows(void *arg)
{
	struct job *j = arg;

	for (int i = 0; i < WRITES; i++)
		j->kept[i] = write_row(j, i);
	return NULL;
}

static void
run_jobs(struct store *st, struct job *jobs, int n, void *(*fn)(void *))
{
	for (int i = 0; i < n; i++) {
		jobs[i].st = st;
		jobs[i].number = i;
		assert_int_equal(
		    pthread_create(&jobs[i].thread, NULL, fn, &jobs[i]), 0);
	}
	for (int i = 0; i < n; i++)
		pthread_join(jobs[i].thread, NULL);
}

/* The rows are those that were acknowledged, and no others. */
static int64_t
compare(struct store *st, const struct job *jobs, int n)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	int64_t acknowledged = 0, rows = 0;
	bool more = true;

	for (int i = 0; i < n; i++) {
		for (int k = 0; k < WRITES; k++)
			acknowledged += jobs[i].kept[k];
	}
	must(store_begin(st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, "SELECT id FROM t WHERE id > 0", S_ARGS(), &r, &e),
	    &e);
	for (;; rows++) {
		int64_t id;

		must(store_next(r, &more, &e), &e);
		if (!more)
			break;
		id = store_int(r, 0) - 1;
		assert_true(jobs[id / 1000].kept[id % 1000]);
	}
	assert_int_equal(rows, acknowledged);
	return rows;
}

static void
many_threads_each_exactly_once(void **state)
{
	struct fixture *f = *state;
	static struct job jobs[THREADS];
	struct store_stats s;
	int64_t rows;

	write_sql(f->st, "INSERT INTO t (id) VALUES (0)", S_ARGS());
	run_jobs(f->st, jobs, THREADS, write_rows);
	rows = compare(f->st, jobs, THREADS);
	assert_int_equal(rows, THREADS * (WRITES - (WRITES + 2) / 3));
	assert_int_equal(number(f->st, "SELECT n FROM t WHERE id = 0"), rows);
	store_stats(f->st, &s);
	/* They did share: far fewer syncs than transactions. */
	assert_true(s.commits < s.writes);
	assert_int_equal(s.waiting, 0);
}

static void *
write_large(void *arg)
{
	static const uint8_t blob[20000] = { 1 };
	struct job *j = arg;

	for (int i = 0; i < WRITES; i++) {
		AUTO(store_rollback) struct store_tx *tx = NULL;
		int64_t id = j->number * 1000 + i + 1;

		j->kept[i] =
		    store_begin(j->st, STORE_WRITE, &tx, &j->last) &&
		    store_exec(tx, "INSERT INTO t (id, b) VALUES ($1, $2)",
		        S_ARGS(S_INT(id), S_BLOB(slice_of(blob, sizeof(blob)))),
		        NULL, &j->last) &&
		    store_commit(&tx, &j->last);
	}
	return NULL;
}

/* Some failed, for want of space; what is there is what was acknowledged. */
static void
check_full(struct store *st, struct job *jobs, int n)
{
	int64_t failed = 0;

	for (int i = 0; i < n; i++) {
		for (int k = 0; k < WRITES; k++)
			failed += !jobs[i].kept[k];
		if (jobs[i].last.code != ERR_NONE)
			assert_int_equal(jobs[i].last.code, ERR_UNAVAILABLE);
	}
	assert_true(failed > 0);
	compare(st, jobs, n);
}

/*
 * SQLite undoes the shared transaction in the middle of somebody's turn: the
 * members lose their work as well, and hear of it.
 */
static void
full_database_is_told_to_all(void **state)
{
	struct fixture *f = *state;
	static struct job jobs[16], again[1];
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	assert_true(number_in(tx, "PRAGMA max_page_count = 300") <= 300);
	must(store_commit(&tx, &e), &e);
	run_jobs(f->st, jobs, COUNT(jobs), write_large);
	check_full(f->st, jobs, COUNT(jobs));

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	assert_true(number_in(tx, "PRAGMA max_page_count = 1000000") > 0);
	must(store_exec(tx, "DELETE FROM t", S_ARGS(), NULL, &e), &e);
	must(store_commit(&tx, &e), &e);
	run_jobs(f->st, again, 1, write_large);
	assert_int_equal(compare(f->st, again, 1), WRITES);
}

/* A child: its limit of file size makes the commit itself fail. */
static void
commit_fails(struct fixture *f)
{
	static struct job jobs[16];
	struct rlimit small, large;

	signal(SIGXFSZ, SIG_IGN);
	f->st = open_db(f->path);
	getrlimit(RLIMIT_FSIZE, &large);
	small = large;
	small.rlim_cur = 3 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	run_jobs(f->st, jobs, COUNT(jobs), write_large);
	check_full(f->st, jobs, COUNT(jobs));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
	write_sql(f->st, "INSERT INTO t (id) VALUES (-1)", S_ARGS());
	compare(f->st, jobs, COUNT(jobs));
	store_close(&f->st);
	f->st = open_db(f->path);
	compare(f->st, jobs, COUNT(jobs));
	store_close(&f->st);
}

static void
failed_commit_is_told_to_all(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	store_close(&f->st);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		commit_fails(f);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	f->st = open_db(f->path);
}

static void
undone_transaction_stays_dead(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	assert_true(number_in(tx, "PRAGMA max_page_count = 1") > 0);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e),
	    &e);
	assert_false(
	    store_exec(tx, "INSERT INTO t (id, b) VALUES (2, zeroblob(100000))",
	        S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	e = (struct err){ 0 };
	if (store_exec(tx, "INSERT INTO t (id) VALUES (3)", S_ARGS(), NULL, &e))
		/* SQLite undid the statement only; then this is kept. */
		must(store_commit(&tx, &e), &e);
	else
		assert_false(store_commit(&tx, &e));
	if (e.code == ERR_NONE)
		assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 2);
	else
		assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
}

struct heard {
	struct store *st;
	int calls;
	int64_t rows; /* seen by a read within the call */
	pthread_t thread;
};

/* The read is for this test: listeners should take no transaction. */
static void
hear(void *arg)
{
	struct heard *h = arg;

	h->calls++;
	h->rows = number(h->st, "SELECT COUNT(*) FROM t");
	h->thread = pthread_self();
}

static void
notify_after_commit_only(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct heard push = { .st = f->st }, event = { .st = f->st };
	struct err e = { 0 };

	store_listen(f->st, STORE_CHANNEL_PUSH, hear, &push);
	store_listen(f->st, STORE_CHANNEL_EVENT, hear, &event);

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e),
	    &e);
	store_notify(tx, STORE_CHANNEL_PUSH);
	store_notify(tx, STORE_CHANNEL_PUSH);
	assert_int_equal(push.calls, 0);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(push.calls, 1);
	assert_int_equal(push.rows, 1);
	assert_true(pthread_equal(push.thread, pthread_self()));
	assert_int_equal(event.calls, 0);

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	store_notify(tx, STORE_CHANNEL_PUSH);
	store_rollback(&tx);
	assert_int_equal(push.calls, 1);
}

static void
count_call(void *arg)
{
	atomic_int *calls = arg;

	atomic_fetch_add(calls, 1);
}

static void
notify_push(struct store *st)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	store_notify(tx, STORE_CHANNEL_PUSH);
	must(store_commit(&tx, &e), &e);
}

static void
unlistened_is_not_called(void **state)
{
	struct fixture *f = *state;
	atomic_int stays = 0, goes = 0;

	store_listen(f->st, STORE_CHANNEL_PUSH, count_call, &stays);
	/* More often than there are places. */
	for (int i = 1; i <= 100; i++) {
		store_listen(f->st, STORE_CHANNEL_PUSH, count_call, &goes);
		notify_push(f->st);
		assert_int_equal(goes, i);
		store_unlisten(f->st, count_call, &goes);
		store_unlisten(f->st, count_call, &goes);
	}
	notify_push(f->st);
	assert_int_equal(goes, 100);
	assert_int_equal(stays, 101);
}

struct busy {
	struct store *st;
	atomic_bool stop;
};

static void *
notify_until_stopped(void *arg)
{
	struct busy *b = arg;

	while (!atomic_load(&b->stop))
		notify_push(b->st);
	return NULL;
}

/* Whoever stops listening may free what the calls used. */
static void
unlisten_waits_for_calls(void **state)
{
	struct fixture *f = *state;
	struct busy b = { .st = f->st };
	pthread_t threads[4];

	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, notify_until_stopped, &b),
		    0);
	for (int i = 0; i < 50; i++) {
		atomic_int *calls = mem_zalloc(1, sizeof(*calls));

		store_listen(f->st, STORE_CHANNEL_PUSH, count_call, calls);
		while (atomic_load(calls) == 0)
			sched_yield();
		store_unlisten(f->st, count_call, calls);
		mem_free(&calls);
	}
	atomic_store(&b.stop, true);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
}

/* Turns are given in the order in which they were asked for. */
struct in_line {
	struct store *st;
	pthread_t thread;
};

static void *
append(void *arg)
{
	struct in_line *x = arg;

	write_sql(x->st,
	    "INSERT INTO t (id, n) VALUES ((SELECT COUNT(*) FROM t), $1)",
	    S_ARGS(S_INT((int64_t)(uintptr_t)x)));
	return NULL;
}

static void
turns_are_fair(void **state)
{
	struct fixture *f = *state;
	struct in_line line[8];
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more;

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	for (size_t i = 0; i < COUNT(line); i++) {
		struct store_stats s = { 0 };

		line[i].st = f->st;
		pthread_create(&line[i].thread, NULL, append, &line[i]);
		while (s.waiting != (int64_t)i + 1)
			store_stats(f->st, &s);
	}
	must(store_commit(&tx, &e), &e);
	for (size_t i = 0; i < COUNT(line); i++)
		pthread_join(line[i].thread, NULL);

	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, "SELECT n FROM t ORDER BY id", S_ARGS(), &r, &e),
	    &e);
	for (size_t i = 0; i < COUNT(line); i++) {
		must(store_next(r, &more, &e), &e);
		assert_true(store_int(r, 0) == (int64_t)(uintptr_t)&line[i]);
	}
}

static void *
read_rows(void *arg)
{
	struct job *j = arg;

	for (int i = 0; i < WRITES * 20; i++)
		assert_true(number(j->st, "SELECT COUNT(*) FROM t") >= 0);
	return NULL;
}

static void *
read_or_write(void *arg)
{
	struct job *j = arg;

	return j->number % 2 == 0 ? read_rows(arg) : write_large(arg);
}

/* More readers than connections, and enough writes for checkpoints. */
static void
readers_and_checkpoints_beside_writers(void **state)
{
	struct fixture *f = *state;
	static struct job jobs[48];

	run_jobs(f->st, jobs, COUNT(jobs), read_or_write);
	assert_int_equal(compare(f->st, jobs, COUNT(jobs)),
	    (int64_t)COUNT(jobs) / 2 * WRITES);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(many_threads_each_exactly_once),
		TEST(notify_after_commit_only),
		TEST(unlistened_is_not_called),
		TEST(unlisten_waits_for_calls),
		TEST(turns_are_fair),
		TEST(readers_and_checkpoints_beside_writers),
	};
	/* Of files, and of what only SQLite can be made to do. */
	const struct CMUnitTest sqlite_tests[] = {
		TEST(full_database_is_told_to_all),
		TEST(failed_commit_is_told_to_all),
		TEST(undone_transaction_stays_dead),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (!test_on_pgsql())
		failed += cmocka_run_group_tests(sqlite_tests, NULL, NULL);
	return failed;
}
