/*
 * What store.h promises, one promise a test, against the driver.
 */
#include "tests/store/fixture.h"

#include <string.h>
#include <sys/stat.h>

static void
values_round_trip(void **state)
{
	struct fixture *f = *state;
	static const uint8_t zeros[] = { 0, 1, 0, 255, 0 };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more;

	write_sql(f->st, "INSERT INTO t (id, a, b, n) VALUES ($1, $2, $3, $4)",
	    S_ARGS(S_INT(1), S_TEXT("caf\xc3\xa9 'x' -- $1"),
	        S_BLOB(slice_of(zeros, sizeof(zeros))), S_INT(INT64_MIN)));
	write_sql(f->st, "INSERT INTO t (id, a, b, n) VALUES ($1, $2, $3, $4)",
	    S_ARGS(S_INT(2), S_TEXT(NULL), S_BLOB(((struct slice){ NULL, 0 })),
	        S_INT(INT64_MAX)));
	write_sql(f->st, "INSERT INTO t (id, a, b, up) VALUES ($1, $2, $3, $4)",
	    S_ARGS(S_INT(3), S_TEXT(""), S_BLOB(slice_of("", 0)), S_TIME(0)));

	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	must(store_query(
	         tx, "SELECT a, b, n, up FROM t ORDER BY id", S_ARGS(), &r, &e),
	    &e);
	must(store_next(r, &more, &e), &e);
	assert_true(more);
	assert_string_equal(store_text(r, 0), "caf\xc3\xa9 'x' -- $1");
	assert_int_equal(store_blob(r, 1).len, sizeof(zeros));
	assert_memory_equal(store_blob(r, 1).p, zeros, sizeof(zeros));
	assert_true(store_int(r, 2) == INT64_MIN);
	assert_false(store_null(r, 0));

	must(store_next(r, &more, &e), &e);
	assert_true(more);
	assert_true(store_null(r, 0) && store_null(r, 1));
	assert_null(store_text(r, 0));
	assert_int_equal(store_blob(r, 1).len, 0);
	assert_int_equal(store_int(r, 0), 0);
	assert_true(store_int(r, 2) == INT64_MAX);

	must(store_next(r, &more, &e), &e);
	assert_true(more);
	assert_false(store_null(r, 0) || store_null(r, 1));
	assert_string_equal(store_text(r, 0), "");
	assert_int_equal(store_blob(r, 1).len, 0);
	assert_true(store_null(r, 3));
	must(store_next(r, &more, &e), &e);
	assert_false(more);
}

static void
texts_are_copied_as_far_as_they_fit(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	char whole[6], less[5] = "old";
	bool more;

	write_sql(f->st, "INSERT INTO t (id, a) VALUES (1, $1), (2, NULL)",
	    S_ARGS(S_TEXT("caf\xc3\xa9")));
	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, "SELECT a FROM t ORDER BY id", S_ARGS(), &r, &e),
	    &e);
	must(store_next(r, &more, &e), &e);
	store_text_copy(r, 0, whole, sizeof(whole));
	assert_string_equal(whole, "caf\xc3\xa9");
	store_text_copy(r, 0, less, sizeof(less));
	assert_string_equal(less, "caf");
	must(store_next(r, &more, &e), &e);
	store_text_copy(r, 0, less, sizeof(less));
	assert_string_equal(less, "");
}

/* Both drivers find the same; what LIKE means by itself is only text. */
static void
parts_of_texts_are_found(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *part;
		int64_t hits;
	} rows[] = { { "gate-7", 2 }, { "GATE", 2 }, { "%", 1 }, { "_", 1 },
		{ "!", 1 }, { "100%!_", 1 }, { "g%7", 0 }, { "\xc3\x84", 1 },
		{ "none", 0 }, { "", 4 }, { NULL, 4 } };

	write_sql(f->st,
	    "INSERT INTO t (id, a) VALUES (1, 'CN=Gate-7'), (2, 'xgATE-7x'),"
	    " (3, '100%!_'), (4, $1)",
	    S_ARGS(S_TEXT("\xc3\x84")));
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(store_rollback) struct store_tx *tx = NULL;
		AUTO(store_rows_free) struct store_rows *r = NULL;
		AUTO(str_free) char *like = store_like(rows[i].part);
		struct err e = { 0 };
		bool more;

		must(store_begin(f->st, STORE_READ, &tx, &e), &e);
		must(store_query(tx,
		         "SELECT COUNT(*) FROM t WHERE CAST($1 AS TEXT) IS NULL"
		         " OR LOWER(a) LIKE LOWER($1) ESCAPE '!'",
		         S_ARGS(S_TEXT(like)), &r, &e),
		    &e);
		must(store_next(r, &more, &e), &e);
		assert_int_equal(store_int(r, 0), rows[i].hits);
	}
}

static void
parameters_go_by_number(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	write_sql(f->st, "INSERT INTO t (n, a, id) VALUES ($3, $2, $1)",
	    S_ARGS(S_INT(10), S_TEXT("two"), S_INT(30)));
	write_sql(f->st, "INSERT INTO t (id, n, a) VALUES ($2, $2, $1)",
	    S_ARGS(S_TEXT("one"), S_INT(20)));
	assert_int_equal(number(f->st, "SELECT n FROM t WHERE id = 10"), 30);
	assert_int_equal(number(f->st, "SELECT n FROM t WHERE a = 'one'"), 20);

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	assert_false(store_exec(tx, "DELETE FROM t WHERE id = $1 AND n = $2",
	    S_ARGS(S_INT(10)), NULL, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_false(store_exec(tx, "DELETE FROM t WHERE id = $1",
	    S_ARGS(S_INT(10), S_INT(30)), NULL, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_false(store_exec(
	    tx, "DELETE FROM t WHERE id = ?", S_ARGS(S_INT(10)), NULL, &e));
	assert_false(store_exec(tx, "DELETE FROM t WHERE n = $1 AND id = $3",
	    S_ARGS(S_INT(10), S_INT(30)), NULL, &e));
	assert_int_equal(number_in(tx, "SELECT COUNT(*) FROM t"), 2);
}

static void
bad_sql_is_our_fault(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	assert_false(store_exec(tx, "SELEC 1", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_false(store_exec(tx, "", S_ARGS(), NULL, &e));
	assert_false(store_exec(
	    tx, "DELETE FROM t; DELETE FROM event", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_false(store_exec(tx, "SELECT 1", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_false(store_exec(tx, "SELECT \"nocolumn\"", S_ARGS(), NULL, &e));
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 1);
}

static void
constraint_leaves_transaction_usable(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };
	int64_t changed = -1;

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	must(store_exec(tx, "INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y')",
	         S_ARGS(), &changed, &e),
	    &e);
	assert_int_equal(changed, 2);
	assert_false(store_exec(tx, "INSERT INTO t (id, a) VALUES (3, 'x')",
	    S_ARGS(), &changed, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(changed, 2);
	assert_false(store_exec(
	    tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_false(store_exec(
	    tx, "INSERT INTO t (id, up) VALUES (4, 99)", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_false(store_exec(
	    tx, "INSERT INTO t (id, n) VALUES (5, NULL)", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	must(store_exec(tx, "UPDATE t SET n = 7 WHERE id = 77", S_ARGS(),
	         &changed, &e),
	    &e);
	assert_int_equal(changed, 0);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (6)", S_ARGS(), NULL, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
	assert_null(tx);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 3);
}

static void
rollback_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e),
	    &e);
	store_rollback(&tx);
	assert_null(tx);
	store_rollback(&tx);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
	write_sql(f->st, "INSERT INTO t (id) VALUES (2)", S_ARGS());
	assert_int_equal(number(f->st, "SELECT MAX(id) FROM t"), 2);
}

static void
readers_see_one_snapshot(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *old = NULL;
	AUTO(store_rollback) struct store_tx *new = NULL;
	AUTO(store_rollback) struct store_tx *writer = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_READ, &old, &e), &e);
	assert_int_equal(number_in(old, "SELECT COUNT(*) FROM t"), 0);

	/* While a writer has its turn, readers begin and see what was. */
	must(store_begin(f->st, STORE_WRITE, &writer, &e), &e);
	must(store_exec(
	         writer, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e),
	    &e);
	assert_int_equal(number_in(writer, "SELECT COUNT(*) FROM t"), 1);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
	must(store_commit(&writer, &e), &e);

	must(store_begin(f->st, STORE_READ, &new, &e), &e);
	assert_int_equal(number_in(new, "SELECT COUNT(*) FROM t"), 1);
	assert_int_equal(number_in(old, "SELECT COUNT(*) FROM t"), 0);
}

static void
one_statement_needs_no_snapshot(void **state)
{
	struct fixture *f = *state;

	write_sql(f->st, "INSERT INTO t (id, n) VALUES (1, 7)", S_ARGS());
	for (int i = 0; i < 3; i++) {
		AUTO(store_rollback) struct store_tx *tx = NULL;
		AUTO(store_rows_free) struct store_rows *r = NULL;
		struct err e = { 0 };
		bool more;

		must(store_begin(f->st, STORE_READ_ONE, &tx, &e), &e);
		must(store_query(tx, "SELECT n FROM t", S_ARGS(), &r, &e), &e);
		must(store_next(r, &more, &e), &e);
		assert_int_equal(store_int(r, 0), 7);
	}
}

static void
reader_cannot_write(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	assert_false(store_exec(
	    tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_int_equal(number_in(tx, "SELECT COUNT(*) FROM t"), 0);
}

static bool
count_below(struct store_tx *tx, int64_t limit, int depth, int64_t *total)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more = true;

	must(store_query(tx, "SELECT id FROM t WHERE id < $1 ORDER BY id",
	         S_ARGS(S_INT(limit)), &r, &e),
	    &e);
	for (;;) {
		must(store_next(r, &more, &e), &e);
		if (!more)
			return true;
		(*total)++;
		if (depth > 0)
			count_below(tx, store_int(r, 0), depth - 1, total);
	}
}

static void
query_within_its_own_loop(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };
	int64_t total = 0;

	write_sql(
	    f->st, "INSERT INTO t (id) VALUES (1), (2), (3), (4)", S_ARGS());
	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	count_below(tx, 5, 2, &total);
	assert_int_equal(total, 4 + 6 + 4);
}

static void
many_statements_are_kept_apart(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	static char sql[300][32];
	struct err e = { 0 };

	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++) {
			snprintf(sql[i], sizeof(sql[i]), "SELECT %d", i);
			assert_int_equal(number_in(tx, sql[i]), i);
		}
	}
}

static void
defer_is_flushed_by_itself_and_at_close(void **state)
{
	struct fixture *f = *state;
	struct store_stats s = { 0 };
	char text[8] = "copied";

	store_defer(f->st, "INSERT INTO t (id, a) VALUES ($1, $2)",
	    S_ARGS(S_INT(1), S_TEXT(text)));
	memset(text, 'x', sizeof(text) - 1);
	/* One that fails does not take the others with it. */
	store_defer(f->st, "INSERT INTO t (id) VALUES ($1)", S_ARGS(S_INT(1)));
	store_defer(f->st, "INSERT INTO t (id, b) VALUES ($1, $2)",
	    S_ARGS(S_INT(2), S_NULL));
	while (s.deferred < 2) {
		clock_sleep_ms(1);
		store_stats(f->st, &s);
	}
	assert_int_equal(
	    number(f->st, "SELECT id FROM t WHERE a = 'copied'"), 1);

	for (int i = 0; i < 2000; i++)
		store_defer(f->st, "INSERT INTO t (id) VALUES ($1)",
		    S_ARGS(S_INT(100 + i)));
	store_close(&f->st);
	assert_null(f->st);
	f->st = open_db(f->path);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 2002);
}

static void
defer_is_bounded(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct store_stats s = { 0 };
	struct err e = { 0 };
	int64_t added = 0;

	/* With the turn taken nothing is flushed, so the queue fills up. */
	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	while (s.dropped < 10) {
		store_defer(f->st, "UPDATE t SET n = n + $1 WHERE id = 1",
		    S_ARGS(S_INT(1)));
		added++;
		store_stats(f->st, &s);
	}
	assert_true(added >= 100010);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
	store_close(&f->st);
	f->st = open_db(f->path);
	assert_int_equal(
	    number(f->st, "SELECT n FROM t WHERE id = 1"), added - 10);
}

static void
ping_and_stats(void **state)
{
	struct fixture *f = *state;
	struct store_stats a, b;
	struct err e = { 0 };

	store_stats(f->st, &a);
	must(store_ping(f->st, &e), &e);
	write_sql(f->st, "INSERT INTO t (id) VALUES (1)", S_ARGS());
	store_stats(f->st, &b);
	assert_int_equal(b.reads - a.reads, 1);
	assert_int_equal(b.writes - a.writes, 1);
	assert_int_equal(b.commits - a.commits, 1);
	assert_int_equal(b.statements - a.statements, 2);
	assert_int_equal(b.waiting, 0);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(values_round_trip),
		TEST(texts_are_copied_as_far_as_they_fit),
		TEST(parts_of_texts_are_found),
		TEST(parameters_go_by_number),
		TEST(bad_sql_is_our_fault),
		TEST(constraint_leaves_transaction_usable),
		TEST(rollback_keeps_nothing),
		TEST(readers_see_one_snapshot),
		TEST(one_statement_needs_no_snapshot),
		TEST(reader_cannot_write),
		TEST(query_within_its_own_loop),
		TEST(many_statements_are_kept_apart),
		TEST(defer_is_flushed_by_itself_and_at_close),
		TEST(defer_is_bounded),
		TEST(ping_and_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
