/* SQL of OCSP.  No state. */
#include "certs/cert_ocsp_priv.h"

bool
cert_ocsp_db_status(struct store_tx *tx, const char *authority_id,
    const char *serial, struct cert_ocsp_found *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!store_query(tx,
	        "SELECT state, revoked_at, revoke_reason FROM certificate"
	        " WHERE serial = $1 AND authority_id = $2",
	        S_ARGS(S_TEXT(serial), S_TEXT(authority_id)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	*out = (struct cert_ocsp_found){ .known = found };
	if (found && !str_eq(store_text(r, 0), "issued")) {
		out->revoked = true;
		out->revoked_at = store_int(r, 1);
		out->reason = (int)store_int(r, 2);
	}
	return true;
}

static struct buf *
bytes(const struct store_rows *r, int col)
{
	struct slice s = store_blob(r, col);
	struct buf *b = buf_new(s.len);

	buf_add(b, s.p, s.len);
	return b;
}

bool
cert_ocsp_db_responder(struct store_tx *tx, const char *authority_id,
    struct buf **certificate, struct buf **key, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!store_query(tx,
	        "SELECT certificate, key FROM ocsp_responder"
	        " WHERE authority_id = $1",
	        S_ARGS(S_TEXT(authority_id)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	*certificate = found ? bytes(r, 0) : NULL;
	*key = found ? bytes(r, 1) : NULL;
	return true;
}

bool
cert_ocsp_db_save(struct store_tx *tx, const struct cert_ocsp_responder *r,
    struct slice certificate, struct slice key, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO ocsp_responder (authority_id, certificate, key,"
	    " not_after, created_at) VALUES ($1, $2, $3, $4, $5)"
	    " ON CONFLICT (authority_id) DO UPDATE SET"
	    " certificate = excluded.certificate, key = excluded.key,"
	    " not_after = excluded.not_after, created_at = excluded.created_at",
	    S_ARGS(S_TEXT(r->id), S_BLOB(certificate), S_BLOB(key),
	        S_INT(r->not_after), S_INT(clock_now_ms())),
	    NULL, e);
}
