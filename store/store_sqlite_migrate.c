/*
 * Brings the schema up to date: the files of store/schema/, built into the
 * program, each in its own transaction together with its row in
 * schema_version.
 *
 * Runs while the database is opened, on the writer's connection, before any
 * other thread knows of it.
 */
#include "core/clock.h"
#include "core/embedded.h"
#include "core/log.h"
#include "store/store_sqlite_priv.h"

/* One number, or 0 for NULL or no row. */
static bool
number(struct sq_conn *c, const char *sql, int64_t *out, struct err *e)
{
	struct sq_stmt *s;
	int rc;

	if (!store_sqlite_stmt_get(c, sql, S_ARGS(), false, &s, e))
		return false;
	rc = sqlite3_step(s->h);
	*out = rc == SQLITE_ROW ? sqlite3_column_int64(s->h, 0) : 0;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		store_sqlite_conn_err(c, rc, sql, e);
	store_sqlite_stmt_release(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* The table of versions, made in an empty database only. */
static bool
ensure_table(struct sq_conn *c, enum store_use use, struct err *e)
{
	int64_t ours, tables;

	if (!number(c,
	        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND "
	        "name = 'schema_version'",
	        &ours, e))
		return false;
	if (ours > 0)
		return true;
	if (!number(c, "SELECT COUNT(*) FROM sqlite_master", &tables, e))
		return false;
	if (tables > 0)
		return err_set(
		    e, ERR_CONFLICT, "this is the database of another program");
	if (use == STORE_COPY_FROM || use == STORE_LOOK)
		return store_schema_fits(use, 0, 0, e);
	return store_sqlite_conn_script(c,
	    "CREATE TABLE schema_version ("
	    "version BIGINT PRIMARY KEY, name TEXT NOT NULL, "
	    "applied_at BIGINT NOT NULL, oldest BIGINT NOT NULL)",
	    e);
}

static bool
record(struct sq_conn *c, const struct embedded *file, int64_t version,
    struct err *e)
{
	struct sq_stmt *s;
	int rc;

	if (!store_sqlite_stmt_get(c,
	        "INSERT INTO schema_version (version, name, applied_at, "
	        "oldest) "
	        "VALUES ($1, $2, $3, $4)",
	        S_ARGS(S_INT(version), S_TEXT(file->name),
	            S_INT(clock_now_ms()),
	            S_INT(store_schema_oldest(file->text, version))),
	        false, &s, e))
		return false;
	rc = sqlite3_step(s->h);
	if (rc != SQLITE_DONE)
		store_sqlite_conn_err(c, rc, "schema_version", e);
	store_sqlite_stmt_release(s);
	return rc == SQLITE_DONE;
}

static bool
apply(struct sq_conn *c, const struct embedded *file, int64_t version,
    struct err *e)
{
	struct err ignored;

	if (store_sqlite_conn_run(c, "BEGIN IMMEDIATE", e) &&
	    store_sqlite_conn_script(c, file->text, e) &&
	    record(c, file, version, e) &&
	    store_sqlite_conn_run(c, "COMMIT", e)) {
		log_event(
		    LOG_INFO, "schema_migrated", "file", file->name, NULL);
		return true;
	}
	/* Closing the connection undoes it too. */
	(void)!store_sqlite_conn_run(c, "ROLLBACK", &ignored);
	return err_wrap(e, "migration %s", file->name);
}

bool
store_sqlite_migrate(struct sq_conn *c, enum store_use use, struct err *e)
{
	int64_t present, oldest, known = 0;

	if (!ensure_table(c, use, e) ||
	    !number(
	        c, "SELECT MAX(version) FROM schema_version", &present, e) ||
	    !number(c, "SELECT MAX(oldest) FROM schema_version", &oldest, e) ||
	    !store_schema_fits(use, present, oldest, e))
		return false;
	for (const struct embedded *f = store_schema; f->name != NULL; f++) {
		if (!store_schema_version(f->name, &known, e))
			return false;
		if (known > present && !apply(c, f, known, e))
			return false;
	}
	return true;
}
