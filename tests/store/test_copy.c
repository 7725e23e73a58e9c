/*
 * The copy of an installation: from a SQLite file to the other database of
 * the run (a second file, or PostgreSQL) and back.
 */
#include "tests/store/copy_fixture.h"

#include "core/embedded.h"

static void
round_trip_changes_nothing(void **state)
{
	struct places *p = places(state);
	struct store_copy_options there = options(p->file, p->other);
	struct store_copy_options home = options(p->other, p->back);
	AUTO(store_copy_result_free) struct store_copy_result *a = copy(&there);
	AUTO(store_copy_result_free) struct store_copy_result *b = copy(&home);
	AUTO(store_close) struct store *st = NULL;
	struct err e = { 0 };

	assert_same(a, b);
	assert_int_equal(a->rows, DEVICES * 3 + 3);
	assert_int_equal(a->copied, a->rows);
	must(store_open(&(struct store_options){ .path = p->back }, &st, &e),
	    &e);
	/* Looked at with SQL, not with the copy's own eyes. */
	assert_int_equal(number(st, "SELECT COUNT(*) FROM device WHERE "
	                            "name IS NULL"),
	    2);
	assert_int_equal(
	    number(st, "SELECT COUNT(*) FROM device WHERE name = ''"), 2);
	assert_int_equal(number(st, "SELECT COUNT(*) FROM device WHERE "
	                            "enrolled_at IS NULL"),
	    8);
	assert_int_equal(
	    number(st, "SELECT created_at FROM device WHERE id = 'B0'"),
	    INT64_MAX);
	assert_int_equal(
	    number(st, "SELECT updated_at FROM device WHERE id = 'B0'"),
	    INT64_MIN);
	assert_int_equal(number(st, "SELECT COUNT(*) FROM enrollment WHERE "
	                            "push_token = x'00FF8027'"),
	    7);
	assert_int_equal(number(st, "SELECT COUNT(*) FROM enrollment WHERE "
	                            "push_token = x''"),
	    8);
	assert_int_equal(number(st, "SELECT LENGTH(name) FROM device WHERE "
	                            "id = 'B6'"),
	    3);
}

static void
every_table_of_the_schema_is_copied(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	AUTO(store_copy_result_free) struct store_copy_result *r = copy(&o);
	size_t tables = 0;

	for (const struct embedded *f = store_schema; f->name != NULL; f++) {
		const char *at = f->text;

		while ((at = strstr(at, "CREATE TABLE ")) != NULL) {
			at += strlen("CREATE TABLE ");
			tables += !str_starts(at, "store_copy ");
		}
	}
	assert_int_equal(r->count, tables);
}

static void
a_target_that_is_not_empty_is_refused(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	AUTO(store_copy_result_free) struct store_copy_result *r = copy(&o);

	assert_non_null(r);
	refused(&o, ERR_CONFLICT, "holds an installation already");
	o.restart = true;
	refused(&o, ERR_CONFLICT, "holds an installation already");
}

static void
try_to_work(const char *what, const char *table, int64_t rows, void *arg)
{
	const struct store_copy_options *o = arg;
	const char *const both[] = { o->from, o->to };
	struct store *st = NULL;
	struct err e = { 0 };

	(void)what, (void)table, (void)rows;
	for (size_t i = 0; i < COUNT(both); i++) {
		assert_false(store_open(
		    &(struct store_options){ .path = both[i] }, &st, &e));
		assert_int_equal(e.code, ERR_CONFLICT);
		assert_non_null(strstr(e.text, "in use"));
	}
}

static void
what_is_in_use_is_refused(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	struct store_copy_options home = options(p->other, p->back);
	AUTO(store_close) struct store *st = NULL;
	struct err e = { 0 };

	must(store_open(&(struct store_options){ .path = p->file }, &st, &e),
	    &e);
	refused(&o, ERR_CONFLICT, "in use");
	store_close(&st);
	o.progress = try_to_work;
	o.arg = &o;
	o.batch_rows = 0;
	{
		AUTO(store_copy_result_free)
		struct store_copy_result *r = copy(&o);

		assert_non_null(r);
	}
	must(store_open(&(struct store_options){ .path = p->other }, &st, &e),
	    &e);
	refused(&home, ERR_CONFLICT, "in use");
	store_close(&st);
	home.to = home.from;
	refused(&home, ERR_CONFLICT, "in use");
}

static void
what_no_other_driver_holds_is_refused(void **state)
{
	static const struct {
		const char *sql, *words;
	} bad[] = {
		{ "UPDATE event SET at = 'soon' WHERE seq = 3", "event" },
		{ "UPDATE event SET at = 0, data = CAST(x'C328' AS TEXT)",
		    "event.data" },
		{ "UPDATE event SET data = CAST(x'610062' AS TEXT)",
		    "event.data" },
		{ "UPDATE event SET data = NULL", NULL },
		{ "INSERT INTO users (id, name, created_at) VALUES "
		  "(NULL, 'x', 0)",
		    "users" },
	};
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);

	for (size_t i = 0; i < COUNT(bad); i++) {
		on(p->file, STORE_WORK, bad[i].sql);
		if (bad[i].words != NULL)
			refused(&o, ERR_INVALID, bad[i].words);
	}
}

static void
other_schemas_are_refused(void **state)
{
	struct places *p = places(state);
	struct fixture *f = *state;
	AUTO(str_free) char *absent = str_printf("%s/absent", f->dir);
	struct store_copy_options o = options(absent, p->other);

	refused(&o, ERR_NOT_FOUND, "no file");
	assert_int_equal(access(absent, F_OK), -1);
	if (test_on_pgsql()) {
		o = options(p->other, p->back);
		refused(&o, ERR_NOT_FOUND, "no installation");
		refused(&o, ERR_NOT_FOUND, "no installation");
	}
	on(p->other, STORE_WORK, "ALTER TABLE users ADD COLUMN more TEXT");
	o = options(p->file, p->other);
	refused(&o, ERR_CONFLICT, "table users");
	on(p->file, STORE_WORK,
	    "UPDATE schema_version SET version = 9999 WHERE version ="
	    " (SELECT MAX(version) FROM schema_version)");
	refused(&o, ERR_CONFLICT, "9999");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(round_trip_changes_nothing),
		T(every_table_of_the_schema_is_copied),
		T(a_target_that_is_not_empty_is_refused),
		T(what_is_in_use_is_refused),
		T(what_no_other_driver_holds_is_refused),
		T(other_schemas_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
