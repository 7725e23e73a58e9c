/*
 * Opening: whose file it is, which schema is in it, who may read it; and its
 * copy.
 */
#include "tests/store/fixture.h"

#include <string.h>
#include <sys/stat.h>

#include "store/store_priv.h"

static void
second_open_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;
	struct err e = { 0 };

	assert_false(store_open(
	    &(struct store_options){ .path = f->path }, &second, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_null(second);
	store_close(&f->st);
	f->st = open_db(f->path);
}

static void
looking_is_for_readers_beside_a_server(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *database = test_database(f->path);
	AUTO(str_free) char *absent = str_printf("%s/absent", f->dir);
	struct store_options o = { .path = database, .use = STORE_LOOK };
	AUTO(store_close) struct store *look = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_open(&o, &look, &e), &e);
	write_sql(f->st, "INSERT INTO t (id) VALUES (7)", S_ARGS());
	assert_int_equal(number(look, "SELECT id FROM t"), 7);
	assert_false(store_begin(look, STORE_WRITE, &tx, &e));
	o.path = absent;
	if (!test_on_pgsql()) {
		struct store *none = NULL;

		assert_false(store_open(&o, &none, &e));
		assert_int_equal(e.code, ERR_NOT_FOUND);
		assert_int_equal(access(absent, F_OK), -1);
	}
	write_sql(f->st, "INSERT INTO t (id) VALUES (8)", S_ARGS());
}

static void
newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *database = test_database(f->path);
	struct err e = { 0 };

	write_sql(f->st,
	    "INSERT INTO schema_version (version, name, applied_at, oldest) "
	    "VALUES (9999, '9999-later.sql', 0, 9999)",
	    S_ARGS());
	store_close(&f->st);
	assert_false(store_open(
	    &(struct store_options){ .path = database }, &f->st, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	/* The lock was given back. */
	assert_false(store_open(
	    &(struct store_options){ .path = database }, &f->st, &e));
	assert_non_null(strstr(e.text, "9999"));
}

/* An upgrade without a stop: the one before may go on, and start. */
static void
newer_schema_may_say_that_we_fit(void **state)
{
	struct fixture *f = *state;

	write_sql(f->st,
	    "INSERT INTO schema_version (version, name, applied_at, oldest) "
	    "VALUES (9998, '9998-adds.sql', 0, 1), "
	    "(9999, '9999-adds.sql', 0, 1)",
	    S_ARGS());
	store_close(&f->st);
	f->st = open_db(f->path);
	assert_int_equal(
	    number(f->st, "SELECT MAX(version) FROM schema_version"), 9999);
}

static void
files_say_whom_they_fit(void **state)
{
	(void)state;
	assert_int_equal(store_schema_oldest("CREATE TABLE x", 7), 7);
	assert_int_equal(store_schema_oldest("-- oldest: 3\nCREATE", 7), 3);
	assert_int_equal(
	    store_schema_oldest("-- Adds x.\n-- oldest: 6\nCREATE", 7), 6);
	assert_int_equal(store_schema_oldest("-- oldest: 8\n", 7), 7);
	assert_int_equal(store_schema_oldest("-- oldest: x\n", 7), 7);
	assert_int_equal(store_schema_oldest("CREATE\n-- oldest: 3\n", 7), 7);
	assert_int_equal(store_schema_oldest("-- oldest: 3", 7), 3);
}

/* As if the program that is there knew no schema of ours. */
static void
forget_migrations(struct store *st)
{
	write_sql(st, "DELETE FROM schema_version WHERE version > 1", S_ARGS());
	write_sql(st, "UPDATE schema_version SET version = 0", S_ARGS());
}

/* What breaks older programs is not run while one of them lives. */
static void
old_nodes_hold_a_migration_up(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *database = NULL;
	struct store *st = NULL;
	struct err e = { 0 };

	if (!test_on_pgsql())
		skip();
	database = test_database(f->path);
	forget_migrations(f->st);
	write_sql(f->st,
	    "INSERT INTO lease (name, holder, until) VALUES ('node:old', "
	    "'old', 9999999999999)",
	    S_ARGS());
	assert_false(
	    store_open(&(struct store_options){ .path = database }, &st, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "stop them all first"));
}

/* Also while it stands still, and has lost its lease. */
static void
nodes_without_a_lease_do_too(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *database = NULL;
	struct store_options o = { 0 };
	struct store *st = NULL;
	struct err e = { 0 };

	if (!test_on_pgsql())
		skip();
	o.path = database = test_database(f->path);
	forget_migrations(f->st);
	assert_false(store_open(&o, &st, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "1 nodes of an older version run"));
}

static void
foreign_files_are_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *text = str_printf("%s/text", f->dir);
	AUTO(str_free) char *absent = str_printf("%s/no/db", f->dir);
	AUTO(str_free) char *other = str_printf("%s/other", f->dir);
	struct store *st = NULL;
	struct err e = { 0 };
	FILE *file = fopen(text, "w");

	for (int i = 0; i < 1000; i++)
		fputs("not a database\n", file);
	fclose(file);
	assert_false(
	    store_open(&(struct store_options){ .path = text }, &st, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_false(
	    store_open(&(struct store_options){ .path = absent }, &st, &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);

	/* Another program's database: tables, but none of ours. */
	write_sql(f->st, "DROP TABLE schema_version", S_ARGS());
	must(store_backup(f->st, other, &e), &e);
	assert_false(
	    store_open(&(struct store_options){ .path = other }, &st, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_null(st);
}

static unsigned
mode_of(const char *path)
{
	struct stat sb;

	assert_int_equal(stat(path, &sb), 0);
	return sb.st_mode & 0777;
}

static void
files_are_private(void **state)
{
	struct fixture *f = *state;
	static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
	mode_t mask = umask(0);

	store_close(&f->st);
	unlink(f->path);
	f->st = open_db(f->path);
	umask(mask);
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		AUTO(str_free)
		char *p = str_printf("%s%s", f->path, suffixes[i]);

		assert_int_equal(mode_of(p), 0600);
	}
}

static void
backup_restores(void **state)
{
	struct fixture *f = *state;
	AUTO(str_free) char *copy = str_printf("%s/copy", f->dir);
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct store *st;
	struct err e = { 0 };

	write_sql(f->st, "INSERT INTO t (id, a) VALUES (1, 'kept')", S_ARGS());
	/* What is not committed does not get into the copy. */
	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	must(
	    store_exec(tx, "INSERT INTO t (id) VALUES (2)", S_ARGS(), NULL, &e),
	    &e);
	must(store_backup(f->st, copy, &e), &e);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(mode_of(copy), 0600);

	assert_false(store_backup(f->st, copy, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_false(store_backup(f->st, "/nowhere/copy", &e));
	assert_int_equal(e.code, ERR_UNAVAILABLE);

	st = open_db(copy);
	assert_int_equal(number(st, "SELECT COUNT(*) FROM t"), 1);
	assert_int_equal(number(st, "SELECT id FROM t WHERE a = 'kept'"), 1);
	write_sql(st, "INSERT INTO t (id) VALUES (3)", S_ARGS());
	store_close(&st);
}

static void
settings_are_safe(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(f->st, STORE_WRITE, &tx, &e), &e);
	assert_int_equal(number_in(tx, "PRAGMA synchronous"), 2);
	assert_int_equal(number_in(tx, "PRAGMA foreign_keys"), 1);
	assert_int_equal(number_in(tx, "PRAGMA trusted_schema"), 0);
	assert_int_equal(number_in(tx, "PRAGMA wal_autocheckpoint"), 0);
	/* Defensive: even the schema's own table is out of reach. */
	must(store_exec(tx, "PRAGMA writable_schema = 1", S_ARGS(), NULL, &e),
	    &e);
	assert_false(
	    store_exec(tx, "DELETE FROM sqlite_master", S_ARGS(), NULL, &e));
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(newer_schema_is_refused),
		TEST(newer_schema_may_say_that_we_fit),
		TEST(files_say_whom_they_fit),
		TEST(old_nodes_hold_a_migration_up),
		TEST(nodes_without_a_lease_do_too),
		TEST(looking_is_for_readers_beside_a_server),
	};
	/* Of files, and of what only a file does. */
	const struct CMUnitTest sqlite_tests[] = {
		TEST(second_open_is_refused),
		TEST(foreign_files_are_refused),
		TEST(files_are_private),
		TEST(backup_restores),
		TEST(settings_are_safe),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (!test_on_pgsql())
		failed += cmocka_run_group_tests(sqlite_tests, NULL, NULL);
	return failed;
}
