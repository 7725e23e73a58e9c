/*
 * The copy of an installation: from a SQLite file to the other database of
 * the run (a second file, or PostgreSQL) and back.
 */
#include "tests/store/fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "core/embedded.h"
#include "store/store_copy.h"

enum { DEVICES = 23, BATCH = 4, BATCH_BYTES = 4000 };

struct places {
	char *file, *other, *back;
};

/* ---- an installation ---- */

static void
add_device(struct store_tx *tx, int i)
{
	static const char *const texts[] = { NULL, "", "plain", "\x7f\x01\t",
		"\xc2\x80 \xdf\xbf", "\xe0\xa0\x80 \xef\xbf\xbd",
		"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", "B", "a", "_", "\xc3\xa4",
		"'\"\\$1" };
	AUTO(str_free) char *id = str_printf("%s%d", i % 2 ? "a-" : "B", i);
	const char *text = texts[(size_t)i % COUNT(texts)];
	struct err e = { 0 };

	must(store_exec(tx,
	         "INSERT INTO device (id, udid, serial, state, name, "
	         "information, enrolled_at, created_at, updated_at) VALUES "
	         "($1, $2, NULL, 'enrolled', $3, $4, $5, $6, $7)",
	         S_ARGS(S_TEXT(id), S_TEXT(id), S_TEXT(text), S_TEXT(text),
	             i % 3 ? S_INT(i) : S_NULL, S_INT(INT64_MAX - i),
	             S_INT(INT64_MIN + i)),
	         NULL, &e),
	    &e);
	must(store_exec(tx,
	         "INSERT INTO enrollment (id, device_id, channel, state, "
	         "push_token) VALUES ($1, $2, 'device', 'enrolled', $3)",
	         S_ARGS(S_TEXT(id), S_TEXT(id),
	             i % 3 == 0   ? S_NULL
	             : i % 3 == 1 ? S_BLOB(slice_of("", 0))
	                          : S_BLOB(slice_of("\0\xff\x80'", 4))),
	         NULL, &e),
	    &e);
	must(store_exec(tx,
	         "INSERT INTO event (seq, at, kind, actor) VALUES "
	         "($1, $2, 'device.enrolled', 'system')",
	         S_ARGS(S_INT(i + 1), S_INT(i)), NULL, &e),
	    &e);
}

/* What does not fit in a batch together. */
static void
add_large(struct store_tx *tx)
{
	enum { LARGE = BATCH_BYTES / 2 + 1, HOW_MANY = 3 };
	char *bytes = mem_zalloc(1, LARGE);
	struct err e = { 0 };

	for (int i = 0; i < HOW_MANY; i++) {
		char id[] = { (char)('0' + i), '\0' };

		must(store_exec(tx,
		         "INSERT INTO command (id, enrollment_id, "
		         "request_type, body, state, sort_key, origin, "
		         "queued_at, queued_by) VALUES ($1, 'B0', 'X', $2, "
		         "'queued', 1, 'api', 0, 'x')",
		         S_ARGS(S_TEXT(id), S_BLOB(slice_of(bytes, LARGE))),
		         NULL, &e),
		    &e);
	}
	mem_free(&bytes);
}

static void
fill(const char *path)
{
	AUTO(store_close) struct store *st = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_open(&(struct store_options){ .path = path }, &st, &e), &e);
	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	for (int i = 0; i < DEVICES; i++)
		add_device(tx, i);
	add_large(tx);
	must(store_commit(&tx, &e), &e);
}

static int
setup_places(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct places *p;

	snprintf(f->dir, sizeof(f->dir), "/tmp/mutsu-store-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	*state = f;
	p = calloc(1, sizeof(*p));
	p->file = str_printf("%s/from", f->dir);
	p->other = str_printf("%s/other", f->dir);
	p->back = str_printf("%s/back", f->dir);
	if (test_on_pgsql()) {
		char *address = test_database(p->other);

		str_free(&p->other);
		p->other = address;
	}
	fill(p->file);
	f->st = (struct store *)p; /* until teardown_places() */
	return 0;
}

static int
teardown_places(void **state)
{
	struct fixture *f = *state;
	struct places *p = (struct places *)f->st;

	f->st = NULL;
	str_free(&p->file);
	str_free(&p->other);
	str_free(&p->back);
	free(p);
	return teardown(state);
}

static struct places *
places(void **state)
{
	return (struct places *)((struct fixture *)*state)->st;
}

/* ---- copying ---- */

static struct store_copy_options
options(const char *from, const char *to)
{
	return (struct store_copy_options){ .from = from,
		.to = to,
		.batch_rows = BATCH,
		.batch_bytes = BATCH_BYTES };
}

static struct store_copy_result *
copy(const struct store_copy_options *o)
{
	struct store_copy_result *r = NULL;
	struct err e = { 0 };

	must(store_copy(o, &r, &e), &e);
	return r;
}

static void
refused(
    const struct store_copy_options *o, enum err_code code, const char *words)
{
	struct store_copy_result *r = NULL;
	struct err e = { 0 };

	assert_false(store_copy(o, &r, &e));
	if (strstr(e.text, words) == NULL)
		fail_msg("not \"%s\": %s", words, e.text);
	assert_int_equal(e.code, code);
}

static void
on(const char *path, enum store_use use, const char *sql)
{
	AUTO(store_close) struct store *st = NULL;
	struct err e = { 0 };

	must(store_open(
	         &(struct store_options){ .path = path, .use = use }, &st, &e),
	    &e);
	write_sql(st, sql, S_ARGS());
}

static void
assert_same(
    const struct store_copy_result *a, const struct store_copy_result *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->rows, b->rows);
	for (size_t i = 0; i < a->count; i++) {
		assert_string_equal(a->tables[i].name, b->tables[i].name);
		assert_string_equal(a->tables[i].digest, b->tables[i].digest);
	}
}

/* ---- the tests ---- */

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

struct death {
	int calls; /* at which of them */
};

static void
die(const char *what, const char *table, int64_t rows, void *arg)
{
	struct death *d = arg;

	(void)what, (void)table, (void)rows;
	if (--d->calls == 0)
		(void)raise(SIGKILL);
}

/* Kills a copy at its n-th call; false: it came to its end before. */
static bool
killed_at(struct store_copy_options o, int n)
{
	struct death d = { n };
	struct store_copy_result *r = NULL;
	struct err e = { 0 };
	pid_t child = fork();
	int status;

	o.progress = die;
	o.arg = &d;
	if (child == 0) {
		/* The server needs a moment to see that a client has died. */
		while (
		    !store_copy(&o, &r, &e) && strstr(e.text, "in use") != NULL)
			clock_sleep_ms(5);
		_exit(r != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(status, 0);
	return false;
}

static struct store_copy_result *
copy_soon(const struct store_copy_options *o)
{
	struct store_copy_result *r = NULL;
	struct err e = { 0 };

	while (!store_copy(o, &r, &e)) {
		if (strstr(e.text, "in use") == NULL)
			fail_msg("%s", e.text);
		clock_sleep_ms(5);
	}
	return r;
}

/* Batches of the source: 6 each of 3 tables, and 3 of the large one. */
enum { READS = 21 };

static void
killed_again_and_again_it_ends_right(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	struct store_copy_options home = options(p->other, p->back);
	AUTO(store_copy_result_free) struct store_copy_result *a = NULL;
	AUTO(store_copy_result_free) struct store_copy_result *b = NULL;
	struct store *st = NULL;
	struct err e = { 0 };

	assert_true(killed_at(o, READS / 2));
	/* Each goes on for 4 batches, then for what is left, then compares. */
	for (int i = 0; i < 6; i++) {
		assert_true(killed_at(o, READS + 4));
		while (!store_open(&(struct store_options){ .path = p->other },
		           &st, &e) &&
		       strstr(e.text, "in use") != NULL)
			clock_sleep_ms(5);
		assert_null(st);
		assert_int_equal(e.code, ERR_CONFLICT);
		assert_non_null(strstr(e.text, "not finished"));
	}
	a = copy_soon(&o);
	assert_int_equal(a->copied, 0); /* was all copied before */
	b = copy_soon(&home);
	assert_same(a, b);
}

static void
the_middle_is_where_it_goes_on(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	AUTO(store_copy_result_free) struct store_copy_result *r = NULL;

	assert_true(killed_at(o, READS + 5));
	r = copy_soon(&o);
	assert_int_equal(r->copied, r->rows - 5 * BATCH);
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
a_source_that_changed_needs_a_restart(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	AUTO(store_copy_result_free) struct store_copy_result *r = NULL;
	struct err e = { 0 };

	assert_true(killed_at(o, READS + 10));
	on(p->file, STORE_WORK, "DELETE FROM event WHERE seq = 1");
	while (!store_copy(&o, &r, &e) && strstr(e.text, "in use") != NULL)
		clock_sleep_ms(5);
	assert_null(r);
	assert_non_null(strstr(e.text, "--restart"));
	o.restart = true;
	r = copy_soon(&o);
	assert_int_equal(r->copied, r->rows);
}

static void
a_difference_is_found(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	struct store *st = NULL;
	struct err e = { 0 };

	assert_true(killed_at(o, 2 * READS + 1)); /* while it compares */
	while (!store_open(
	    &(struct store_options){ .path = p->other, .use = STORE_COPY_TO },
	    &st, &e)) {
		assert_non_null(strstr(e.text, "in use"));
		clock_sleep_ms(5);
	}
	write_sql(st,
	    "UPDATE device SET name = NULL WHERE name = '' AND "
	    "id = 'a-1'",
	    S_ARGS());
	store_close(&st);
	refused(&o, ERR_INTERNAL, "table device");
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
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, setup_places, teardown_places)
	const struct CMUnitTest tests[] = {
		T(round_trip_changes_nothing),
		T(every_table_of_the_schema_is_copied),
		T(killed_again_and_again_it_ends_right),
		T(the_middle_is_where_it_goes_on),
		T(a_target_that_is_not_empty_is_refused),
		T(a_source_that_changed_needs_a_restart),
		T(a_difference_is_found),
		T(what_is_in_use_is_refused),
		T(what_no_other_driver_holds_is_refused),
		T(other_schemas_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
