/* An installation to be copied, and where to. */
#pragma once

#include "tests/store/fixture.h"

#include <string.h>

#include "store/store_copy.h"

enum { DEVICES = 23, BATCH = 4, BATCH_BYTES = 4000 };

struct places {
	char *file, *other, *back;
};

/* ---- an installation ---- */

static inline void
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
static inline void
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

static inline void
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

static inline int
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
		char *address = test_empty_database(p->other);

		str_free(&p->other);
		p->other = address;
	}
	fill(p->file);
	f->st = (struct store *)p; /* until teardown_places() */
	return 0;
}

static inline int
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

static inline struct places *
places(void **state)
{
	return (struct places *)((struct fixture *)*state)->st;
}

/* ---- copying ---- */

static inline struct store_copy_options
options(const char *from, const char *to)
{
	return (struct store_copy_options){ .from = from,
		.to = to,
		.batch_rows = BATCH,
		.batch_bytes = BATCH_BYTES };
}

static inline struct store_copy_result *
copy(const struct store_copy_options *o)
{
	struct store_copy_result *r = NULL;
	struct err e = { 0 };

	must(store_copy(o, &r, &e), &e);
	return r;
}

static inline void
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

static inline void
on(const char *path, enum store_use use, const char *sql)
{
	AUTO(store_close) struct store *st = NULL;
	struct err e = { 0 };

	must(store_open(
	         &(struct store_options){ .path = path, .use = use }, &st, &e),
	    &e);
	write_sql(st, sql, S_ARGS());
}

static inline void
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

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, setup_places, teardown_places)
