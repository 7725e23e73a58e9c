/* SQL of table template.  No state of its own. */
#include "certs/cert_template_priv.h"
#include "core/clock.h"

static bool
one_number(struct store_tx *tx, const char *sql, const struct store_value *args,
    int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	bool more;

	if (!store_query(tx, sql, args, &rows, e) ||
	    !store_next(rows, &more, e))
		return err_wrap(e, "templates");
	*out = store_int(rows, 0);
	return true;
}

bool
cert_template_version(struct store_tx *tx, int64_t *out, struct err *e)
{
	return one_number(tx,
	    "SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM template",
	    S_ARGS(), out, e);
}

bool
cert_template_db_count(struct store_tx *tx, int64_t *out, struct err *e)
{
	return one_number(tx,
	    "SELECT COUNT(*) FROM template WHERE fields IS NOT NULL", S_ARGS(),
	    out, e);
}

bool
cert_template_db_find(
    struct store_tx *tx, const char *name, bool *out, struct err *e)
{
	int64_t n;

	if (!one_number(tx,
	        "SELECT COUNT(*) FROM template"
	        " WHERE name = $1 AND fields IS NOT NULL",
	        S_ARGS(S_TEXT(name)), &n, e))
		return false;
	*out = n > 0;
	return true;
}

bool
cert_template_db_get(
    struct store_tx *tx, const char *name, char **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	bool more;

	*out = NULL;
	if (!store_query(tx,
	        "SELECT fields FROM template"
	        " WHERE name = $1 AND fields IS NOT NULL",
	        S_ARGS(S_TEXT(name)), &rows, e) ||
	    !store_next(rows, &more, e))
		return err_wrap(e, "templates");
	if (more)
		*out = str_dup(store_text(rows, 0));
	return true;
}

bool
cert_template_db_ever(
    struct store_tx *tx, const char *name, bool *out, struct err *e)
{
	int64_t n;

	if (!one_number(tx, "SELECT COUNT(*) FROM template WHERE name = $1",
	        S_ARGS(S_TEXT(name)), &n, e))
		return false;
	*out = n > 0;
	return true;
}

bool
cert_template_db_rows(
    struct store_tx *tx, struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT name, fields, changed_at FROM template"
	    " WHERE fields IS NOT NULL ORDER BY name",
	    S_ARGS(), out, e);
}

bool
cert_template_db_put(
    struct store_tx *tx, const struct cert_template_change *c, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO template (name, fields, version, changed_at,"
	    " changed_by) VALUES ($1, $2, 1, $3, $4)"
	    " ON CONFLICT (name) DO UPDATE SET fields = excluded.fields,"
	    " version = template.version + 1,"
	    " changed_at = excluded.changed_at,"
	    " changed_by = excluded.changed_by",
	    S_ARGS(S_TEXT(c->name), S_TEXT(c->fields), S_INT(clock_now_ms()),
	        S_TEXT(c->by)),
	    NULL, e);
}
