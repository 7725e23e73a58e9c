/*
 * The rows of progress in a database that is being filled: table store_copy.
 * They are made in the transaction that found it empty and removed when the
 * comparison succeeded, so whoever finds any knows that it is not whole.
 *
 * One thread, which has the database for itself.
 */
#include "core/json.h"
#include "store/store_copy_priv.h"

enum { DELETE_ROWS = 5000 };

static const char not_resumable[] =
    "the target was begun to be filled from another source, or the source "
    "has changed since; --restart empties it and begins again";

static bool
number(struct store_tx *tx, const char *sql, const struct store_value *args,
    int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx, sql, args, &r, e) || !store_next(r, &more, e))
		return false;
	*out = more ? store_int(r, 0) : 0;
	return true;
}

static bool
begun(struct store *to, bool *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t n = 0;

	if (!store_begin(to, STORE_READ, &tx, e) ||
	    !number(tx, "SELECT COUNT(*) FROM store_copy", S_ARGS(), &n, e))
		return false;
	*out = n > 0;
	return true;
}

/* The very tables, rows and digests that the copy began with. */
static bool
check(struct store *to, const struct copy_plan *p,
    const struct store_copy_table *tables, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t n = 0;

	if (!store_begin(to, STORE_READ, &tx, e) ||
	    !number(tx, "SELECT COUNT(*) FROM store_copy", S_ARGS(), &n, e))
		return false;
	if (n != (int64_t)p->count)
		return err_set(e, ERR_CONFLICT, "%s", not_resumable);
	for (size_t i = 0; i < p->count; i++) {
		if (!number(tx,
		        "SELECT COUNT(*) FROM store_copy WHERE name = $1 AND "
		        "total = $2 AND digest = $3",
		        S_ARGS(S_TEXT(tables[i].name), S_INT(tables[i].rows),
		            S_TEXT(tables[i].digest)),
		        &n, e))
			return false;
		if (n != 1)
			return err_set(e, ERR_CONFLICT, "%s", not_resumable);
	}
	return true;
}

static bool
check_empty(struct store_tx *tx, const struct copy_table *t, struct err *e)
{
	int64_t n = 0;

	if (!number(tx, t->count_sql, S_ARGS(), &n, e))
		return false;
	if (n > 0)
		return err_set(e, ERR_CONFLICT,
		    "the target holds an installation already (table %s)",
		    t->name);
	return true;
}

static bool
create(struct store *to, const struct copy_plan *p,
    const struct store_copy_table *tables, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	if (!store_begin(to, STORE_WRITE, &tx, e))
		return false;
	for (size_t i = 0; i < p->count; i++) {
		if (!check_empty(tx, &p->tables[i], e) ||
		    !store_exec(tx,
		        "INSERT INTO store_copy (name, total, digest) VALUES "
		        "($1, $2, $3)",
		        S_ARGS(S_TEXT(tables[i].name), S_INT(tables[i].rows),
		            S_TEXT(tables[i].digest)),
		        NULL, e))
			return false;
	}
	return store_commit(&tx, e);
}

/* ---- beginning again ---- */

static bool
run(struct store *to, const char *sql, const struct store_value *args,
    int64_t *changed, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(to, STORE_WRITE, &tx, e) &&
	       store_exec(tx, sql, args, changed, e) && store_commit(&tx, e);
}

/* Somebody who is killed in it leaves what can only be begun again. */
static bool
empty(struct store *to, const struct copy_plan *p, struct err *e)
{
	if (!run(to, "UPDATE store_copy SET digest = ''", S_ARGS(), NULL, e))
		return false;
	for (size_t i = p->count; i-- > 0;) {
		int64_t n = 1;

		while (n > 0) {
			if (!run(to, p->tables[i].delete_sql,
			        S_ARGS(S_INT(DELETE_ROWS)), &n, e))
				return false;
		}
	}
	return run(to, "DELETE FROM store_copy", S_ARGS(), NULL, e);
}

bool
copy_state_begin(struct store *to, const struct copy_plan *p,
    const struct store_copy_table *tables, bool restart, struct err *e)
{
	bool is;

	if (!begun(to, &is, e))
		return false;
	if (is && !restart)
		return check(to, p, tables, e);
	return (!is || empty(to, p, e)) && create(to, p, tables, e);
}

/* ---- a table ---- */

bool
copy_state_load(struct store *to, struct copy_cursor *c, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_begin(to, STORE_READ, &tx, e) ||
	    !store_query(tx,
	        "SELECT copied, last_key FROM store_copy WHERE name = $1",
	        S_ARGS(S_TEXT(c->table->name)), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	if (!more)
		return err_set(
		    e, ERR_INTERNAL, "no progress of table %s", c->table->name);
	if (!store_null(r, 1) &&
	    !json_parse_any(slice_str(store_text(r, 1)), &c->last, e))
		return false;
	c->rows = store_int(r, 0);
	return true;
}

bool
copy_state_save(struct store_tx *tx, const struct copy_cursor *c, struct err *e)
{
	AUTO(str_free) char *key = json_text(c->last);

	return store_exec(tx,
	    "UPDATE store_copy SET copied = $1, last_key = $2 WHERE name = $3",
	    S_ARGS(S_INT(c->rows), S_TEXT(key), S_TEXT(c->table->name)), NULL,
	    e);
}

bool
copy_state_end(struct store *to, struct err *e)
{
	return run(to, "DELETE FROM store_copy", S_ARGS(), NULL, e);
}
