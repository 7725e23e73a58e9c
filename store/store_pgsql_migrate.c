/*
 * Brings the schema up to date: the files of store/schema/, built into the
 * program, each in its own transaction together with its row in
 * schema_version.  Nodes that start together take turns by a lock of the
 * database, which ends with the connection.
 *
 * Runs while the database is opened, on a connection of its own, before any
 * other thread knows of it.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/embedded.h"
#include "core/log.h"
#include "store/store_pgsql_priv.h"

enum { SCRIPT_MAX = 1 << 20 };

static bool
run(PGconn *h, const char *sql, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *res = PQexec(h, sql);
	ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		return store_pgsql_err(h, res, e);
	return true;
}

/* One number of one row. */
static bool
number(PGconn *h, const char *sql, int64_t *out, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *res = PQexec(h, sql);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		return store_pgsql_err(h, res, e);
	if (PQntuples(res) != 1 ||
	    !str_to_i64(PQgetvalue(res, 0, 0), 0, INT64_MAX, out))
		return err_set(e, ERR_INTERNAL, "no number: %s", sql);
	return true;
}

/* The table of versions, made in an empty schema only. */
static bool
ensure_table(PGconn *h, enum store_use use, struct err *e)
{
	int64_t ours = 0, tables = 0;

	if (!number(h,
	        "SELECT COUNT(*) FROM pg_class WHERE "
	        "oid = to_regclass('schema_version')",
	        &ours, e))
		return false;
	if (ours > 0)
		return true;
	if (!number(h,
	        "SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON "
	        "n.oid = c.relnamespace WHERE n.nspname = current_schema() "
	        "AND c.relkind IN ('r', 'p', 'v', 'm')",
	        &tables, e))
		return false;
	if (tables > 0)
		return err_set(
		    e, ERR_CONFLICT, "this is the database of another program");
	if (use == STORE_COPY_FROM || use == STORE_LOOK)
		return store_schema_fits(use, 0, 0, e);
	return run(h,
	    "CREATE TABLE schema_version ("
	    "version BIGINT PRIMARY KEY, name TEXT NOT NULL, "
	    "applied_at BIGINT NOT NULL, oldest BIGINT NOT NULL)",
	    e);
}

/* The schema files say BLOB; here it is BYTEA. */
static struct buf *
translate(const char *text)
{
	struct buf *out = buf_new(SCRIPT_MAX);
	const char *word;
	static const char blob[] = "BLOB";

	while ((word = strstr(text, blob)) != NULL) {
		const char *behind = word + strlen(blob);
		bool whole = word != text &&
		             !isalnum((unsigned char)word[-1]) &&
		             word[-1] != '_' &&
		             !isalnum((unsigned char)*behind) && *behind != '_';

		buf_add(out, text, (size_t)(word - text));
		buf_adds(out, whole ? "BYTEA" : blob);
		text = behind;
	}
	buf_adds(out, text);
	return out;
}

static bool
record(PGconn *h, const struct embedded *file, int64_t version, struct err *e)
{
	char number_text[24], now[24], oldest[24];
	const char *const values[] = { number_text, file->name, now, oldest };
	AUTO(store_pgsql_result_free) PGresult *res = NULL;

	snprintf(number_text, sizeof(number_text), "%lld", (long long)version);
	snprintf(now, sizeof(now), "%lld", (long long)clock_now_ms());
	snprintf(oldest, sizeof(oldest), "%lld",
	    (long long)store_schema_oldest(file->text, version));
	res = PQexecParams(h,
	    "INSERT INTO schema_version (version, name, applied_at, oldest) "
	    "VALUES ($1, $2, $3, $4)",
	    COUNT(values), NULL, values, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		return store_pgsql_err(h, res, e);
	return true;
}

/*
 * A file that older programs cannot live with waits until none of them runs.
 * Whoever has a lease is one, since the newer ones queue behind us; and so is
 * whoever holds the lock that keeps copies out: a node that stands still loses
 * its lease, but goes on some day.
 */
static bool
nobody_older(PGconn *h, const struct embedded *file, int64_t version,
    int64_t present, struct err *e)
{
	int64_t tables = 0, living = 0;

	if (store_schema_oldest(file->text, version) <= present)
		return true;
	if (!number(h,
	        "SELECT COUNT(*) FROM pg_class WHERE oid = "
	        "to_regclass('lease')",
	        &tables, e))
		return false;
	if (tables == 0)
		return true;
	if (!number(h,
	        "SELECT GREATEST((SELECT COUNT(*) FROM lease WHERE name LIKE "
	        "'node:%' AND until > EXTRACT(EPOCH FROM clock_timestamp()) * "
	        "1000), (SELECT COUNT(*) FROM pg_locks l JOIN pg_database d "
	        "ON d.oid = l.database WHERE d.datname = current_database() "
	        "AND l.locktype = 'advisory' AND l.classid = 1836414067 AND "
	        "l.objid = 3 AND l.objsubid = 2 AND l.granted))",
	        &living, e))
		return false;
	return living == 0 ||
	       err_set(e, ERR_CONFLICT,
	           "%lld nodes of an older version run, which %s does not "
	           "allow: stop them all first",
	           (long long)living, file->name);
}

static bool
apply(PGconn *h, const struct embedded *file, int64_t version, struct err *e)
{
	AUTO(buf_free) struct buf *script = translate(file->text);
	struct err ignored;

	if (buf_ok(script, e) && run(h, "BEGIN", e) &&
	    run(h, buf_str(script), e) && record(h, file, version, e) &&
	    run(h, "COMMIT", e)) {
		log_event(
		    LOG_INFO, "schema_migrated", "file", file->name, NULL);
		return true;
	}
	(void)!run(h, "ROLLBACK", &ignored);
	return err_wrap(e, "migration %s", file->name);
}

bool
store_pgsql_migrate(PGconn *h, enum store_use use, struct err *e)
{
	int64_t present = 0, oldest = 0, known = 0;

	if (!run(h, "SET lock_timeout = 0; SET statement_timeout = 0", e) ||
	    !run(h, "SELECT pg_advisory_lock(1836414067, 2)", e) ||
	    !ensure_table(h, use, e) ||
	    !number(h, "SELECT COALESCE(MAX(version), 0) FROM schema_version",
	        &present, e) ||
	    !number(h, "SELECT COALESCE(MAX(oldest), 0) FROM schema_version",
	        &oldest, e) ||
	    !store_schema_fits(use, present, oldest, e))
		return false;
	for (const struct embedded *f = store_schema; f->name != NULL; f++) {
		if (!store_schema_version(f->name, &known, e))
			return false;
		if (known > present &&
		    (!nobody_older(h, f, known, present, e) ||
		        !apply(h, f, known, e)))
			return false;
	}
	return true;
}
