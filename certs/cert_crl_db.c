/* SQL of table crl, and what of table certificate goes into it.  No state. */
#include "certs/cert_crl_priv.h"

bool
cert_crl_db_row(struct store_tx *tx, const char *authority_id,
    struct cert_crl_row *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx,
	        "SELECT number, this_update, next_update, entries, changes,"
	        " made_of FROM crl WHERE authority_id = $1",
	        S_ARGS(S_TEXT(authority_id)), &r, e) ||
	    !store_next(r, found, e))
		return false;
	if (*found)
		*out = (struct cert_crl_row){
			.head = { store_int(r, 0), store_int(r, 1),
			    store_int(r, 2), store_int(r, 3) },
			.changes = store_int(r, 4),
			.made_of = store_int(r, 5),
		};
	return true;
}

bool
cert_crl_db_add(struct store_tx *tx, const char *authority_id, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO crl (authority_id, number, changes, made_of,"
	    " this_update, next_update, entries) VALUES ($1, 0, 0, 0, 0, 0, 0)"
	    " ON CONFLICT (authority_id) DO NOTHING",
	    S_ARGS(S_TEXT(authority_id)), NULL, e);
}

bool
cert_crl_db_entries(
    struct store_tx *tx, int64_t ended, struct cert_crl_draft *d, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx,
	        "SELECT serial, revoked_at, revoke_reason FROM certificate"
	        " WHERE authority_id = $1 AND state = 'revoked'"
	        " AND not_after > $2",
	        S_ARGS(S_TEXT(d->issuer->id), S_INT(ended)), &r, e))
		return false;
	for (;;) {
		struct cert_crl_entry entry;
		bool more;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		entry = (struct cert_crl_entry){ store_text(r, 0),
			store_int(r, 1), (int)store_int(r, 2) };
		if (!cert_crl_add(d, &entry, e))
			return false;
	}
}

bool
cert_crl_db_save(struct store_tx *tx, const struct cert_crl_draft *d,
    const struct cert_crl_row *old, struct slice der, struct err *e)
{
	int64_t changed;

	if (!store_exec(tx,
	        "UPDATE crl SET number = $1, made_of = $2, this_update = $3,"
	        " next_update = $4, entries = $5, der = $6"
	        " WHERE authority_id = $7 AND number = $8",
	        S_ARGS(S_INT(d->number), S_INT(old->changes),
	            S_INT(d->this_update), S_INT(d->next_update),
	            S_INT(d->entries), S_BLOB(der), S_TEXT(d->issuer->id),
	            S_INT(old->head.number)),
	        &changed, e))
		return false;
	return changed == 1 ||
	       err_set(e, ERR_CONFLICT, "another node made the CRL");
}

bool
cert_crl_db_der(struct store_tx *tx, const char *authority_id,
    int64_t *number_out, struct buf **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct slice der;
	bool found;

	if (!store_query(tx,
	        "SELECT number, der FROM crl WHERE authority_id = $1"
	        " AND number > 0",
	        S_ARGS(S_TEXT(authority_id)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_UNAVAILABLE, "there is no CRL yet");
	der = store_blob(r, 1);
	*number_out = store_int(r, 0);
	*out = buf_new(der.len);
	buf_add(*out, der.p, der.len);
	return true;
}

bool
cert_crl_db_authority(
    struct store_tx *tx, const char *id, struct buf **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct slice der;
	bool found;

	if (!store_query(tx,
	        "SELECT certificate FROM authority WHERE id = $1"
	        " AND certificate IS NOT NULL",
	        S_ARGS(S_TEXT(id)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	*out = NULL;
	if (!found)
		return true;
	der = store_blob(r, 0);
	*out = buf_new(der.len);
	buf_add(*out, der.p, der.len);
	return true;
}
