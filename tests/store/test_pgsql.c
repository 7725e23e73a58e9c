/*
 * What only PostgreSQL has: several nodes on one database, connections that
 * are lost, and addresses that lead nowhere.  Runs beside a server only.
 */
#include "tests/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/embedded.h"
#include "store/store_event.h"
#include "store/store_pgsql_priv.h"

enum { NODES = 3, WRITERS = 8, EVENTS = 25 };

static bool
add_event(struct store *st, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_WRITE, &tx, e) &&
	       store_event_add(tx,
	           &(struct store_event){
	               .kind = "command.queued", .actor = "system" },
	           e) &&
	       store_commit(&tx, e);
}

static void *
add_events(void *arg)
{
	struct err e = { 0 };

	for (int i = 0; i < EVENTS; i++)
		must(add_event(arg, &e), &e);
	return NULL;
}

/* Reads the feed as a consumer does: after N, and never sees a gap. */
static void
follow_feed(struct store *st, int64_t want)
{
	int64_t seen = 0;

	while (seen < want) {
		AUTO(store_rollback) struct store_tx *tx = NULL;
		AUTO(store_rows_free) struct store_rows *r = NULL;
		struct err e = { 0 };
		bool more = true;

		must(store_begin(st, STORE_READ, &tx, &e), &e);
		must(store_query(tx,
		         "SELECT seq FROM event WHERE seq > $1 ORDER BY seq",
		         S_ARGS(S_INT(seen)), &r, &e),
		    &e);
		for (;;) {
			must(store_next(r, &more, &e), &e);
			if (!more)
				break;
			assert_int_equal(store_int(r, 0), seen + 1);
			seen++;
		}
	}
}

static void
feed_of_several_nodes_has_no_gaps(void **state)
{
	struct fixture *f = *state;
	struct store *nodes[NODES];
	pthread_t threads[NODES * WRITERS];

	for (int i = 0; i < NODES; i++)
		nodes[i] = open_db(f->path);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, add_events, nodes[i % NODES]);
	follow_feed(f->st, (int64_t)COUNT(threads) * EVENTS);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < NODES; i++)
		store_close(&nodes[i]);
}

static void *
open_node(void *arg)
{
	return open_db(arg);
}

/* The first one migrates, the others wait for it. */
static void
nodes_may_start_together(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *path = str_printf("%s/new", f->dir);
	pthread_t threads[4];
	int64_t files = 0;

	while (store_schema[files].name != NULL)
		files++;
	free(test_empty_database(path));
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, open_node, path);
	for (size_t i = 0; i < COUNT(threads); i++) {
		void *opened;
		struct store *st;

		pthread_join(threads[i], &opened);
		st = opened;
		assert_int_equal(
		    number(st, "SELECT COUNT(*) FROM schema_version"), files);
		store_close(&st);
	}
}

static void
count_call(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void
other_nodes_are_woken(void **state)
{
	struct fixture *f = *state;
	atomic_int here = 0, there = 0;
	struct store *other;
	struct err e = { 0 };

	other = open_db(f->path);
	store_listen(f->st, STORE_CHANNEL_EVENT, count_call, &here);
	store_listen(other, STORE_CHANNEL_EVENT, count_call, &there);
	must(add_event(f->st, &e), &e);
	assert_int_equal(atomic_load(&here), 1);
	while (atomic_load(&there) == 0)
		clock_sleep_ms(1);
	/* Our own came back to us before the other's does. */
	must(add_event(other, &e), &e);
	while (atomic_load(&here) == 1)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(&here), 2);
	store_close(&other);
}

static void
cut_connections(struct store *st)
{
	(void)number(st, "SELECT COUNT(pg_terminate_backend(pid)) FROM "
	                 "pg_stat_activity WHERE pid <> pg_backend_pid() AND "
	                 "datname = current_database()");
}

static void
lost_connections_are_replaced(void **state)
{
	struct fixture *f = *state;
	struct store *other;
	atomic_int heard = 0;
	struct err e = { 0 };

	other = open_db(f->path);
	must(add_event(f->st, &e), &e);
	must(store_ping(f->st, &e), &e);
	store_listen(f->st, STORE_CHANNEL_EVENT, count_call, &heard);
	cut_connections(other);
	must(add_event(f->st, &e), &e);
	must(store_ping(f->st, &e), &e);
	/* The listener's too: at first for what it missed, then for news. */
	while (atomic_load(&heard) < 2)
		clock_sleep_ms(1);
	must(add_event(other, &e), &e);
	while (atomic_load(&heard) < 3)
		clock_sleep_ms(1);
	store_close(&other);
}

static void
transaction_dies_with_its_connection(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rollback) struct store_tx *read = NULL;
	struct store *other;
	struct err e = { 0 };

	other = open_db(f->path);
	must(store_begin(f->st, STORE_READ, &read, &e), &e);
	assert_int_equal(number_in(read, "SELECT COUNT(*) FROM t"), 0);
	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (1)", S_ARGS(), NULL, &e),
	    &e);
	cut_connections(other);
	assert_false(store_exec(
	    tx, "INSERT INTO t (id) VALUES (2)", S_ARGS(), NULL, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_false(store_exec(
	    tx, "INSERT INTO t (id) VALUES (3)", S_ARGS(), NULL, &e));
	assert_false(store_commit(&tx, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_false(store_exec(
	    read, "INSERT INTO t (id) VALUES (4)", S_ARGS(), NULL, &e));
	store_rollback(&read);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM t"), 0);
	write_sql(f->st, "INSERT INTO t (id) VALUES (5)", S_ARGS());
	store_close(&other);
}

static int64_t
trips(struct store *st)
{
	struct store_stats s;

	store_stats(st, &s);
	return s.round_trips;
}

/* What a check-in costs on a database that is far away. */
static void
round_trips_are_few(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	int64_t before;

	for (int i = 0; i < 2; i++) {
		before = trips(f->st);
		must(store_ping(f->st, &e), &e);
	}
	assert_int_equal(trips(f->st) - before, 1);
	for (int i = 0; i < 2; i++) {
		before = trips(f->st);
		must(add_event(f->st, &e), &e);
	}
	/* The statement with its BEGIN, and the commit. */
	assert_int_equal(trips(f->st) - before, 2);
}

/* A plan made while the table is empty, and known to be, is kept. */
static void
plans_of_empty_tables_do_no_harm(void **state)
{
	struct fixture *f = *state;
	static const char look[] = "SELECT COUNT(*) FROM t WHERE id = 5";
	static const char scans[] =
	    "SELECT seq_scan FROM pg_stat_xact_user_tables "
	    "WHERE relname = 't'";
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more;

	write_sql(f->st, "ANALYZE t", S_ARGS());
	assert_int_equal(number(f->st, look), 0);
	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	for (int i = 0; i < 2; i++) {
		store_rows_free(&r);
		must(store_query(tx, i == 0 ? look : scans, S_ARGS(), &r, &e),
		    &e);
		must(store_next(r, &more, &e), &e);
		assert_int_equal(store_int(r, 0), 0);
	}
}

static void
expect_refused(const char *address, enum err_code code)
{
	struct store *st = NULL;
	struct err e = { 0 };

	assert_false(
	    store_open(&(struct store_options){ .path = address }, &st, &e));
	assert_int_equal(e.code, code);
	assert_null(st);
	assert_null(strstr(e.text, "hunter2"));
	assert_null(strchr(e.text, '\n'));
}

static void
bad_addresses_are_told_in_one_line(void **state)
{
	const char *host = getenv("MUTSU_TEST_DATABASE");
	AUTO(str_free)
	char *absent =
	    str_printf("postgresql://mutsu:hunter2@/absent?host=%s", host);
	AUTO(str_free)
	char *tls =
	    str_printf("postgresql://mutsu@127.0.0.1:1/x?sslmode=verify-full");

	(void)state;
	expect_refused("postgresql://u:hunter2@[::1", ERR_INVALID);
	expect_refused("postgresql://u:hunter2@h/x?nonsense=1", ERR_INVALID);
	expect_refused(absent, ERR_UNAVAILABLE);
	expect_refused(tls, ERR_UNAVAILABLE);
}

static void
backup_is_not_ours(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_false(store_backup(f->st, "/tmp/never", &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "pg_dump"));
}

static void
text_that_is_none_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	assert_false(store_exec(tx, "INSERT INTO t (id, a) VALUES (1, $1)",
	    S_ARGS(S_TEXT("\xff\xfe")), NULL, &e));
	assert_int_equal(e.code, ERR_INVALID);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (2)", S_ARGS(), NULL, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

/* ---- what became of a commit ---- */

static bool
took_place(struct pg_dial *d, const struct pg_number *n)
{
	struct err e = { 0 };
	bool ok = store_pgsql_outcome(d, n, &e);

	assert_true(ok || e.code == ERR_UNAVAILABLE);
	assert_null(e.slug);
	return ok;
}

/* The number of a commit that a crash undid may be that of another one. */
static void
numbers_from_before_a_crash_tell_nothing(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *database = test_database(f->path);
	struct store_counters counters = { 0 };
	struct pg_number n = { 0 };
	struct pg_dial d;
	struct err e = { 0 };
	PGconn *h;

	snprintf(n.xid, sizeof(n.xid), "%lld",
	    (long long)number(f->st,
	        "SELECT CAST(CAST(xmin AS TEXT) AS BIGINT) FROM "
	        "schema_version"));
	store_pgsql_dial_init(&d, database, &counters);
	must(store_pgsql_dial(&d, &h, &e), &e);
	store_pgsql_lineage(h, n.lineage);
	PQfinish(h);
	assert_true(took_place(&d, &n));
	/* Statistics do not survive a crash. */
	assert_int_equal(strtoll(strrchr(n.lineage, '/') + 1, NULL, 10),
	    number(f->st, "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM stats_reset)) "
	                  "AS BIGINT) FROM pg_stat_wal"));
	n.lineage[strlen(n.lineage) - 1] ^= 1;
	assert_false(took_place(&d, &n));
	str_copy_cut(strrchr(n.lineage, '/'), 2, "/");
	assert_false(took_place(&d, &n));
	store_pgsql_dial_clear(&d);
}

/* ---- a copy has the database for itself ---- */

static struct store *
open_to_copy(const struct fixture *f)
{
	AUTO(str_free) char *database = test_database(f->path);
	struct store_options o = { .path = database, .use = STORE_COPY_FROM };
	struct store *st = NULL;
	struct err e = { 0 };

	must(store_open(&o, &st, &e), &e);
	return st;
}

/* A node of which only the writer's connection is left cannot write. */
static void
copies_keep_writers_out(void **state)
{
	struct fixture *f = *state;
	struct store *st;

	store_close(&f->st);
	st = open_to_copy(f);
	assert_int_equal(number(st, "SELECT CASE WHEN pg_try_advisory_xact_lock"
	                            "(1836414067, 1) THEN 1 ELSE 0 END"),
	    0);
	store_close(&st);
}

/* Others may have come in meanwhile. */
static void
copies_end_with_their_lock(void **state)
{
	struct fixture *f = *state;
	int64_t end_ms = clock_mono_ms() + 20000;
	struct store_tx *tx = NULL;
	struct store *st;
	struct err e = { 0 };

	store_close(&f->st);
	st = open_to_copy(f);
	cut_connections(st);
	while (store_begin(st, STORE_READ, &tx, &e)) {
		store_rollback(&tx);
		assert_true(clock_mono_ms() < end_ms);
		clock_sleep_ms(1);
	}
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "kept others out"));
	store_close(&st);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(feed_of_several_nodes_has_no_gaps),
		TEST(nodes_may_start_together),
		TEST(other_nodes_are_woken),
		TEST(lost_connections_are_replaced),
		TEST(transaction_dies_with_its_connection),
		TEST(round_trips_are_few),
		TEST(plans_of_empty_tables_do_no_harm),
		TEST(bad_addresses_are_told_in_one_line),
		TEST(backup_is_not_ours),
		TEST(text_that_is_none_is_refused),
		TEST(numbers_from_before_a_crash_tell_nothing),
		TEST(copies_keep_writers_out),
		TEST(copies_end_with_their_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
