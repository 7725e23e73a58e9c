/* SQL of table authority.  No state of its own. */
#include "certs/cert_authority_priv.h"
#include "core/clock.h"

bool
cert_authority_db_active(struct store_tx *tx, const char *role,
    struct cert_authority_row *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct cert_authority_row r = { 0 };
	bool more;

	if (!store_query(tx,
	        "SELECT id, key_file, certificate FROM authority"
	        " WHERE role = $1 AND state = 'active'"
	        " ORDER BY created_at DESC, id",
	        S_ARGS(S_TEXT(role)), &rows, e) ||
	    !store_next(rows, &more, e))
		return err_wrap(e, "authority %s", role);
	if (more) {
		str_copy_cut(r.role, sizeof(r.role), role);
		if (!str_copy(r.id, sizeof(r.id), store_text(rows, 0)) ||
		    !str_copy(
		        r.key_file, sizeof(r.key_file), store_text(rows, 1)))
			return err_set(e, ERR_INTERNAL,
			    "authority %s: a name in the row is too long",
			    role);
		if (!cert_parse(store_blob(rows, 2), &r.certificate, e))
			return err_wrap(e, "authority %s", role);
	}
	*out = r;
	return true;
}

bool
cert_authority_db_add(
    struct store_tx *tx, const struct cert_authority_row *r, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;

	return cert_der(r->certificate, &der, e) &&
	       store_exec(tx,
	           "INSERT INTO authority (id, role, state, certificate,"
	           " key_file, not_after, created_at)"
	           " VALUES ($1, $2, 'active', $3, $4, $5, $6)",
	           S_ARGS(S_TEXT(r->id), S_TEXT(r->role),
	               S_BLOB(buf_slice(der)), S_TEXT(r->key_file),
	               S_INT(cert_not_after(r->certificate)),
	               S_INT(clock_now_ms())),
	           NULL, e);
}

bool
cert_authority_db_retire(
    struct store_tx *tx, const char *id, bool *retired, struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE authority SET state = 'old'"
	        " WHERE id = $1 AND state = 'active'",
	        S_ARGS(S_TEXT(id)), &changed, e))
		return false;
	*retired = changed == 1;
	return true;
}
