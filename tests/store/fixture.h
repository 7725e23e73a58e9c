/*
 * A database in a directory of its own, and short forms that fail the test.
 * Each test opens what it needs and removes it; one thread unless it says so.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/clock.h"
#include "store/store.h"
#include "tests/store/database.h"

struct fixture {
	char dir[64];
	char path[80];
	struct store *st;
};

static inline void
must(bool ok, const struct err *e)
{
	if (!ok)
		fail_msg("%s", e->text);
}

static inline struct store *
open_db(const char *path)
{
	AUTO(str_free) char *database = test_database(path);
	struct store *st = NULL;
	struct err e = { 0 };

	must(store_open(&(struct store_options){ .path = database }, &st, &e),
	    &e);
	return st;
}

static inline void
write_sql(struct store *st, const char *sql, const struct store_value *args)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	must(store_exec(tx, sql, args, NULL, &e), &e);
	must(store_commit(&tx, &e), &e);
}

/* The first column of the first row, -1 without a row. */
static inline int64_t
number_in(struct store_tx *tx, const char *sql)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	bool more;

	must(store_query(tx, sql, S_ARGS(), &r, &e), &e);
	must(store_next(r, &more, &e), &e);
	return more ? store_int(r, 0) : -1;
}

static inline int64_t
number(struct store *st, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(st, STORE_READ, &tx, &e), &e);
	return number_in(tx, sql);
}

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/mutsu-store-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
	f->st = open_db(f->path);
#define CREATE_T(blob)                                                         \
	"CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT UNIQUE, b " blob        \
	", n BIGINT NOT NULL DEFAULT 0, up BIGINT REFERENCES t (id))"
	write_sql(f->st, test_on_pgsql() ? CREATE_T("BYTEA") : CREATE_T("BLOB"),
	    S_ARGS());
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;
	DIR *d;
	struct dirent *entry;

	store_close(&f->st);
	d = opendir(f->dir);
	while (d != NULL && (entry = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}
