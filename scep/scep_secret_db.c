/* The table template_secret.  No state of its own. */
#include "core/clock.h"
#include "scep/scep_secret_priv.h"
#include "scep/scep_service_priv.h"

void
scep_secret_clear(struct scep_secret *s)
{
	buf_free(&s->sealed);
	str_free(&s->names);
}

bool
scep_db_secret_find(struct store_tx *tx, const char *template, const char *kind,
    struct scep_secret *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct scep_secret s = { 0 };
	struct slice sealed;

	if (!store_query(tx,
	        "SELECT template, kind, mac, names, created_at, sealed"
	        " FROM template_secret WHERE template = $1 AND kind = $2",
	        S_ARGS(S_TEXT(template), S_TEXT(kind)), &r, e) ||
	    !store_next(r, found, e))
		return false;
	if (!*found)
		return true;
	store_text_copy(r, 0, s.template, sizeof(s.template));
	store_text_copy(r, 1, s.kind, sizeof(s.kind));
	store_text_copy(r, 2, s.mac, sizeof(s.mac));
	s.names = str_dup(store_text(r, 3));
	s.created_at = store_int(r, 4);
	sealed = store_blob(r, 5);
	s.sealed = buf_new(sealed.len);
	buf_add(s.sealed, sealed.p, sealed.len);
	*out = s;
	return true;
}

bool
scep_db_secret_put(struct store_tx *tx, const struct scep_secret *s,
    const char *by, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO template_secret (template, kind, mac, sealed, names,"
	    " created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	    " ON CONFLICT (template) DO UPDATE SET kind = excluded.kind,"
	    " mac = excluded.mac, sealed = excluded.sealed,"
	    " names = excluded.names, created_at = excluded.created_at,"
	    " created_by = excluded.created_by",
	    S_ARGS(S_TEXT(s->template), S_TEXT(s->kind),
	        S_TEXT(s->mac[0] != '\0' ? s->mac : NULL),
	        s->sealed != NULL ? S_BLOB(buf_slice(s->sealed)) : S_NULL,
	        S_TEXT(s->names), S_INT(clock_now_ms()), S_TEXT(by)),
	    NULL, e);
}

bool
scep_db_secret_names(struct store_tx *tx, const char *template,
    const char *names, bool *changed, struct err *e)
{
	int64_t n = 0;

	if (!store_exec(tx,
	        "UPDATE template_secret SET names = $1"
	        " WHERE template = $2 AND kind = 'static'",
	        S_ARGS(S_TEXT(names), S_TEXT(template)), &n, e))
		return false;
	*changed = n == 1;
	return true;
}

bool
scep_db_secret_drop(struct store_tx *tx, const char *template, const char *kept,
    bool *dropped, struct err *e)
{
	int64_t n = 0;

	if (!store_exec(tx,
	        "DELETE FROM template_secret"
	        " WHERE template = $1 AND kind <> COALESCE($2, '')",
	        S_ARGS(S_TEXT(template), S_TEXT(kept)), &n, e))
		return false;
	*dropped = n > 0;
	return true;
}

bool
scep_db_secrets(struct store_tx *tx, struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT template, kind FROM template_secret ORDER BY template",
	    S_ARGS(), out, e);
}
