/*
 * One SQLite connection: how it is set up, and what its errors mean.
 *
 * A struct sq_conn is used by one thread at a time: the writer's by whoever
 * has the turn, a reader's by the thread that took it from the pool.
 */
#include <assert.h>

#include "store/store_sqlite_priv.h"

enum {
	/* Only a foreign program (an administrator's sqlite3) can make us
	 * wait for a lock; a checkpoint waits for readers. */
	BUSY_MS = 1000,
	CHECKPOINT_BUSY_MS = 20
};

static enum err_code
code_of(int rc)
{
	switch (rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_FOREIGNKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return ERR_CONFLICT;
	default:
		break;
	}
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_NOMEM:
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_UNAVAILABLE;
	default:
		return ERR_INTERNAL;
	}
}

bool
store_sqlite_conn_err(
    const struct sq_conn *c, int rc, const char *what, struct err *e)
{
	const char *text =
	    c->db != NULL ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc);
	enum err_code code = code_of(rc);

	/* The message names tables and columns, never values. */
	if (code == ERR_CONFLICT)
		return err_set(e, code, "%s", text);
	return err_set(e, code, "%s (%d): %s", text, rc, what);
}

static bool
harden(struct sq_conn *c, struct err *e)
{
	static const struct {
		int option, value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
	};

	for (size_t i = 0; i < COUNT(options); i++) {
		int rc = sqlite3_db_config(
		    c->db, options[i].option, options[i].value, NULL);

		if (rc != SQLITE_OK)
			return store_sqlite_conn_err(c, rc, "harden", e);
	}
	return true;
}

/* cache_size is small: the system's page cache is just behind it. */
static const char *
pragmas(enum sq_role role)
{
	switch (role) {
	case SQ_WRITER:
		return "PRAGMA journal_mode = WAL;"
		       "PRAGMA synchronous = FULL;"
		       "PRAGMA temp_store = MEMORY;"
		       "PRAGMA cache_size = -4096;"
		       "PRAGMA journal_size_limit = 67108864;"
		       "PRAGMA wal_autocheckpoint = 0;";
	case SQ_READER:
		return "PRAGMA query_only = ON;"
		       "PRAGMA temp_store = MEMORY;"
		       "PRAGMA cache_size = -160;"
		       "PRAGMA wal_autocheckpoint = 0;";
	case SQ_CHECKPOINT:
		return "PRAGMA synchronous = FULL;"
		       "PRAGMA cache_size = -64;"
		       "PRAGMA wal_autocheckpoint = 0;";
	}
	return "";
}

/* SQLite keeps another journal, without an error, where it cannot use a WAL. */
static bool
check_wal(struct sq_conn *c, struct err *e)
{
	struct sq_stmt *s;
	bool wal;

	if (!store_sqlite_stmt_get(
	        c, "PRAGMA journal_mode", S_ARGS(), false, &s, e))
		return false;
	wal = sqlite3_step(s->h) == SQLITE_ROW &&
	      str_eq((const char *)sqlite3_column_text(s->h, 0), "wal");
	store_sqlite_stmt_release(s);
	if (!wal)
		return err_set(e, ERR_UNAVAILABLE,
		    "the file system cannot hold a write-ahead log");
	return true;
}

bool
store_sqlite_conn_open(
    struct sq_conn *c, const char *path, enum sq_role role, struct err *e)
{
	int rc;

	*c = (struct sq_conn){ 0 };
	rc = sqlite3_open_v2(path, &c->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	    NULL);
	if (rc != SQLITE_OK) {
		store_sqlite_conn_err(c, rc, "open", e);
		store_sqlite_conn_close(c);
		return false;
	}
	sqlite3_busy_timeout(
	    c->db, role == SQ_CHECKPOINT ? CHECKPOINT_BUSY_MS : BUSY_MS);
	if (!harden(c, e) || !store_sqlite_conn_script(c, pragmas(role), e) ||
	    !check_wal(c, e)) {
		store_sqlite_conn_close(c);
		return false;
	}
	return true;
}

void
store_sqlite_conn_close(struct sq_conn *c)
{
	int rc;

	if (c->db == NULL)
		return;
	store_sqlite_stmt_clear(c);
	rc = sqlite3_close(c->db);
	assert(rc == SQLITE_OK);
	(void)rc;
	c->db = NULL;
}

bool
store_sqlite_conn_run(struct sq_conn *c, const char *sql, struct err *e)
{
	struct sq_stmt *s;
	int rc;

	if (!store_sqlite_stmt_get(c, sql, S_ARGS(), false, &s, e))
		return false;
	do
		rc = sqlite3_step(s->h);
	while (rc == SQLITE_ROW);
	if (rc != SQLITE_DONE)
		store_sqlite_conn_err(c, rc, sql, e);
	store_sqlite_stmt_release(s);
	return rc == SQLITE_DONE;
}

bool
store_sqlite_conn_script(struct sq_conn *c, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return store_sqlite_conn_err(c, rc, "script", e);
	return true;
}
