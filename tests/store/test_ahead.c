/*
 * Questions that are asked ahead: whoever uses an answer that is no longer
 * true loses what another added.  With PostgreSQL they travel together; with
 * SQLite all is as ever.
 */
#include <pthread.h>

#include "store/store_about.h"
#include "tests/store/fixture.h"

enum { CROWD = 5, ROWS = 4, ROUNDS = 150, PATIENCE_MS = 60000 };

static const char ask_n[] =
    "SELECT t.a, t.n, o.n FROM t LEFT JOIN t o ON o.a = $2 WHERE t.a = $1";

/* Adds one to a row by what it read of it, and to one that the question is
 * also about; other: and one to that. */
struct adding {
	struct store *st;
	const char *row, *also, *other;
	bool wide, fails;
	bool ok;
};

static bool
add_to(struct store_tx *tx, const char *row, int64_t n, struct err *e)
{
	return store_exec_later(tx, "UPDATE t SET n = $2 WHERE a = $1",
	    S_ARGS(S_TEXT(row), S_INT(n)), e);
}

static bool
add(struct store_tx *tx, void *arg, struct err *e)
{
	const struct adding *a = arg;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(
	        tx, ask_n, S_ARGS(S_TEXT(a->row), S_TEXT(a->also)), &r, e) ||
	    !store_next(r, &more, e) || !more ||
	    !add_to(tx, a->row, store_int(r, 1) + 1, e))
		return false;
	if (a->also != NULL && !add_to(tx, a->also, store_int(r, 2) + 1, e))
		return false;
	if (a->other != NULL &&
	    !store_exec(tx, "UPDATE t SET n = n + 1 WHERE a = $1",
	        S_ARGS(S_TEXT(a->other)), NULL, e))
		return false;
	if (!a->wide)
		store_confine(tx);
	return !a->fails || err_set(e, ERR_CONFLICT, "as it should");
}

static void *
run(void *arg)
{
	struct adding *a = arg;
	struct store_value args[] = { S_TEXT(a->row), S_TEXT(a->also),
		{ .type = STORE_END } };
	struct store_question q = {
		.sql = ask_n, .args = args, .also = a->also
	};
	struct err e = { 0 };

	a->ok = store_write_about(a->st, &q, add, a, &e);
	return NULL;
}

static void
fill(struct fixture *f)
{
	write_sql(f->st,
	    "INSERT INTO t (id, a) VALUES (1, 'a'), (2, 'b'), (3, 'c'), "
	    "(4, 'd'), (5, 'e')",
	    S_ARGS());
}

static struct store_stats
stats(struct store *st)
{
	struct store_stats s;

	store_stats(st, &s);
	return s;
}

/* All in line behind one another before the first of them runs. */
static void
run_in_line(struct fixture *f, struct adding *a, int count)
{
	AUTO(store_rollback) struct store_tx *gate = NULL;
	pthread_t threads[CROWD];
	int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &gate, &e), &e);
	for (int i = 0; i < count; i++) {
		a[i].st = f->st;
		assert_int_equal(
		    pthread_create(&threads[i], NULL, run, &a[i]), 0);
		while (stats(f->st).waiting <= i) {
			assert_true(clock_mono_ms() < end_ms);
			clock_sleep_ms(1);
		}
	}
	store_rollback(&gate);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static int64_t
n_of(struct fixture *f, const char *row)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more;

	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, ask_n, S_ARGS(S_TEXT(row), S_NULL), &r, &e), &e);
	must(store_next(r, &more, &e), &e);
	assert_true(more);
	return store_int(r, 1);
}

/* The second of those in line writes about anything, or none does. */
static void
count_trips(struct fixture *f, bool wide, int64_t most)
{
	static const char *const rows[CROWD] = { "a", "b", "c", "d", "e" };
	int64_t end_ms = clock_mono_ms() + PATIENCE_MS, trips = 0;
	int times = 0;

	fill(f);
	/* On a machine that is slow just then the batch is over too soon. */
	do {
		struct adding a[CROWD] = { 0 };

		assert_true(clock_mono_ms() < end_ms);
		for (int i = 0; i < CROWD; i++)
			a[i].row = rows[i];
		a[1].wide = wide;
		trips = stats(f->st).round_trips;
		run_in_line(f, a, CROWD);
		trips = stats(f->st).round_trips - trips;
		times++;
		for (int i = 0; i < CROWD; i++) {
			assert_true(a[i].ok);
			assert_int_equal(n_of(f, rows[i]), times);
		}
	} while (trips > most);
}

/* One trip for all questions, one for what they write. */
static void
answers_come_together(void **state)
{
	count_trips(*state, false, 2);
}

/* Then one more, for all of those behind it. */
static void
void_answers_come_again_together(void **state)
{
	count_trips(*state, true, 3);
}

static void
about_the_same_it_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct adding a[CROWD] = { 0 };

	fill(f);
	for (int i = 0; i < CROWD; i++)
		a[i].row = i == 2 ? "b" : "a";
	run_in_line(f, a, CROWD);
	assert_int_equal(n_of(f, "a"), CROWD - 1);
	assert_int_equal(n_of(f, "b"), 1);
}

static void
about_the_same_besides_too(void **state)
{
	struct fixture *f = *state;
	struct adding a[3] = { { .row = "a", .also = "d" },
		{ .row = "b", .also = "e" }, { .row = "c", .also = "d" } };

	fill(f);
	run_in_line(f, a, 3);
	assert_int_equal(n_of(f, "c"), 1);
	assert_int_equal(n_of(f, "d"), 2);
	assert_int_equal(n_of(f, "e"), 1);
}

static void
behind_one_that_writes_anything_too(void **state)
{
	struct fixture *f = *state;
	struct adding a[3] = { { .row = "a" },
		{ .row = "b", .other = "c", .wide = true }, { .row = "c" } };

	fill(f);
	run_in_line(f, a, 3);
	assert_int_equal(n_of(f, "a"), 1);
	assert_int_equal(n_of(f, "b"), 1);
	assert_int_equal(n_of(f, "c"), 2);
}

static void
what_was_undone_was_never_true(void **state)
{
	struct fixture *f = *state;
	struct adding a[3] = { { .row = "a", .other = "b", .fails = true },
		{ .row = "b" }, { .row = "a" } };

	fill(f);
	run_in_line(f, a, 3);
	assert_false(a[0].ok);
	assert_true(a[1].ok && a[2].ok);
	assert_int_equal(n_of(f, "a"), 1);
	assert_int_equal(n_of(f, "b"), 1);
}

/* A row that is not there is about nothing. */
static void
nothing_found_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct adding a[2] = { { .row = "a" }, { .row = "nobody" } };

	fill(f);
	run_in_line(f, a, 2);
	assert_true(a[0].ok);
	assert_false(a[1].ok);
	assert_int_equal(n_of(f, "a"), 1);
}

struct member {
	struct store *st;
	unsigned seed;
	int64_t added;
	bool ok;
};

static void *
run_many(void *arg)
{
	static const char *const rows[ROWS] = { "a", "b", "c", "d" };
	struct member *m = arg;

	m->ok = true;
	for (int i = 0; i < ROUNDS; i++) {
		struct adding a = { .st = m->st };

		a.row = rows[rand_r(&m->seed) % ROWS];
		a.wide = rand_r(&m->seed) % 4 == 0;
		a.fails = rand_r(&m->seed) % 8 == 0;
		if (a.wide)
			a.other = rows[rand_r(&m->seed) % ROWS];
		run(&a);
		m->ok = m->ok && a.ok != a.fails;
		if (a.ok)
			m->added += a.other != NULL ? 2 : 1;
	}
	return NULL;
}

static void
nothing_is_lost_in_a_crowd(void **state)
{
	struct fixture *f = *state;
	struct member m[CROWD] = { 0 };
	pthread_t threads[CROWD];
	int64_t added = 0;

	fill(f);
	for (int i = 0; i < CROWD; i++) {
		m[i].st = f->st;
		m[i].seed = (unsigned)i;
		assert_int_equal(
		    pthread_create(&threads[i], NULL, run_many, &m[i]), 0);
	}
	for (int i = 0; i < CROWD; i++) {
		pthread_join(threads[i], NULL);
		assert_true(m[i].ok);
		added += m[i].added;
	}
	assert_int_equal(number(f->st, "SELECT SUM(n) FROM t"), added);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(answers_come_together),
		TEST(void_answers_come_again_together),
		TEST(about_the_same_it_is_asked_again),
		TEST(about_the_same_besides_too),
		TEST(behind_one_that_writes_anything_too),
		TEST(what_was_undone_was_never_true),
		TEST(nothing_found_is_asked_again),
		TEST(nothing_is_lost_in_a_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
