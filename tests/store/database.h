/*
 * Where a test's database is: the file it names, or, when the environment
 * has the socket directory of a PostgreSQL server in MUTSU_TEST_DATABASE
 * (see with-pgsql.sh), a database of that server, made when first asked for.
 * It is a copy of one with the present schema, which the first test on that
 * server made: copying files takes a tenth of what running the schema does.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "core/embedded.h"
#include "core/str.h"
#include "store/store.h"

/* Not SQLite. */
static inline bool
test_on_pgsql(void)
{
	return getenv("MUTSU_TEST_DATABASE") != NULL;
}

/* One connection for all databases of a test; made again after a stop. */
static inline PGconn *
test_server(void)
{
	static PGconn *c;
	AUTO(str_free)
	char *where = str_printf("host=%s user=mutsu dbname=postgres",
	    getenv("MUTSU_TEST_DATABASE"));

	if (c != NULL) {
		PQclear(PQexec(c, "SELECT 1"));
		if (PQstatus(c) == CONNECTION_OK)
			return c;
		PQfinish(c);
	}
	c = PQconnectdb(where);
	return c;
}

/* Runs it, the name between both; whether there was a row. */
static inline bool
test_server_do(const char *before, const char *name, const char *after)
{
	AUTO(str_free) char *sql = str_printf("%s%s%s", before, name, after);
	PGconn *c = test_server();
	PGresult *r = PQexec(c, sql);
	bool rows = PQntuples(r) > 0;

	if (PQresultStatus(r) != PGRES_COMMAND_OK &&
	    PQresultStatus(r) != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s: %s", sql, PQerrorMessage(c));
		abort();
	}
	PQclear(r);
	return rows;
}

static inline char *
test_address(const char *name)
{
	return str_printf("postgresql://mutsu@/%s?host=%s", name,
	    getenv("MUTSU_TEST_DATABASE"));
}

/* The one to copy, named after the schema in it.  The caller frees it. */
static inline char *
test_template(void)
{
	AUTO(store_close) struct store *st = NULL;
	AUTO(str_free) char *address = NULL;
	struct err e = { 0 };
	uint64_t hash = 0;
	char *name;

	for (const struct embedded *f = store_schema; f->name != NULL; f++)
		hash = 31 * hash + slice_hash(slice_of(f->text, f->len));
	name = str_printf("schema_%016llx", (unsigned long long)hash);
	test_server_do("SELECT pg_advisory_lock(1)", "", "");
	if (!test_server_do("SELECT 1 FROM pg_database WHERE datname = '", name,
	        "' AND datistemplate")) {
		test_server_do("DROP DATABASE IF EXISTS ", name, "");
		test_server_do("CREATE DATABASE ", name, " STRATEGY file_copy");
		address = test_address(name);
		if (!store_open(
		        &(struct store_options){ .path = address }, &st, &e)) {
			fprintf(stderr, "%s\n", e.text);
			abort();
		}
		store_close(&st);
		test_server_do("ALTER DATABASE ", name, " IS_TEMPLATE true");
	}
	test_server_do("SELECT pg_advisory_unlock(1)", "", "");
	return name;
}

/* What to open for this path, with a copy of that one; the caller frees it. */
static inline char *
test_database_like(const char *path, bool empty)
{
	const char *prefix = getenv("MUTSU_TEST_PREFIX");
	AUTO(str_free) char *name = NULL;
	int marker;

	if (!test_on_pgsql())
		return str_dup(path);
	name = str_printf("%s_%s", prefix != NULL ? prefix : "t", path);
	for (char *p = name; *p != '\0'; p++) {
		if (*p == '/' || *p == '.' || *p == '-')
			*p = '_';
	}
	/* The file says that the database was made. */
	marker = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (marker >= 0) {
		AUTO(str_free)
		char *copied = empty ? str_dup("template1") : test_template();
		AUTO(str_free)
		char *how =
		    str_printf("\" TEMPLATE %s STRATEGY file_copy", copied);

		close(marker);
		test_server_do("CREATE DATABASE \"", name, how);
	}
	return test_address(name);
}

/* With the present schema. */
static inline char *
test_database(const char *path)
{
	return test_database_like(path, false);
}

/* Without any. */
static inline char *
test_empty_database(const char *path)
{
	return test_database_like(path, true);
}
