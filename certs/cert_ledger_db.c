/* SQL of table certificate.  No state of its own. */
#include "certs/cert_ledger_priv.h"
#include "core/clock.h"

/* In the order that read_entry() takes. */
#define ENTRY_COLUMNS                                                          \
	"fingerprint, serial, subject, template, purpose, device_id, "         \
	"user_id, state, not_before, not_after, created_at, revoked_at, "      \
	"revoke_reason"

bool
cert_ledger_db_add(
    struct store_tx *tx, const struct cert_record *r, struct err *e)
{
	const struct cert_issued *i = r->issued;
	int64_t added;

	if (!store_exec(tx,
	        "INSERT INTO certificate (fingerprint, serial, authority_id,"
	        " subject, spki, template, purpose, enrollment_ref, device_id,"
	        " user_id, challenge_id, transaction_id, der, not_before,"
	        " not_after, state, created_at)"
	        " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
	        "$13,"
	        " $14, $15, 'issued', $16 WHERE NOT EXISTS (SELECT 1 FROM"
	        " authority WHERE id = $3 AND state = 'dropped')",
	        S_ARGS(S_TEXT(i->fingerprint), S_TEXT(i->serial),
	            S_TEXT(r->authority_id), S_TEXT(i->subject),
	            S_TEXT(i->spki), S_TEXT(r->template), S_TEXT(r->purpose),
	            S_TEXT(r->enrollment_ref), S_TEXT(r->device_id),
	            S_TEXT(r->user_id), S_TEXT(r->challenge_id),
	            S_TEXT(r->transaction_id), S_BLOB(buf_slice(i->der)),
	            S_INT(i->not_before), S_INT(i->not_after),
	            S_INT(clock_now_ms())),
	        &added, e))
		return false;
	return added == 1 || err_set(e, ERR_UNAVAILABLE,
	                         "the CA that signed it was given up "
	                         "meanwhile");
}

static void
read_entry(const struct store_rows *rows, struct cert_entry *out)
{
	store_text_copy(rows, 0, out->fingerprint, sizeof(out->fingerprint));
	store_text_copy(rows, 1, out->serial, sizeof(out->serial));
	store_text_copy(rows, 2, out->subject, sizeof(out->subject));
	store_text_copy(rows, 3, out->template, sizeof(out->template));
	store_text_copy(rows, 4, out->purpose, sizeof(out->purpose));
	store_text_copy(rows, 5, out->device_id, sizeof(out->device_id));
	store_text_copy(rows, 6, out->user_id, sizeof(out->user_id));
	out->revoked = !str_eq(store_text(rows, 7), "issued");
	out->not_before = store_int(rows, 8);
	out->not_after = store_int(rows, 9);
	out->created_at = store_int(rows, 10);
	out->revoked_at = store_int(rows, 11);
	out->revoke_reason = (int)store_int(rows, 12);
}

bool
cert_ledger_db_find(struct store_tx *tx, const char *fingerprint,
    struct cert_entry *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;

	if (!store_query(tx,
	        "SELECT " ENTRY_COLUMNS
	        " FROM certificate WHERE fingerprint = $1",
	        S_ARGS(S_TEXT(fingerprint)), &rows, e) ||
	    !store_next(rows, found, e))
		return false;
	if (*found)
		read_entry(rows, out);
	return true;
}

bool
cert_ledger_db_der(struct store_tx *tx, const char *fingerprint,
    struct buf **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct slice der;
	bool found;

	if (!store_query(tx,
	        "SELECT der FROM certificate WHERE fingerprint = $1",
	        S_ARGS(S_TEXT(fingerprint)), &rows, e) ||
	    !store_next(rows, &found, e))
		return false;
	*out = NULL;
	if (!found)
		return true;
	der = store_blob(rows, 0);
	*out = buf_new(der.len);
	buf_add(*out, der.p, der.len);
	return true;
}

bool
cert_ledger_db_bind(struct store_tx *tx, const char *fingerprint,
    const char *device_id, bool *changed, struct err *e)
{
	int64_t n;

	if (!store_exec(tx,
	        "UPDATE certificate SET device_id = $1"
	        " WHERE fingerprint = $2 AND device_id IS NULL"
	        " AND NOT EXISTS (SELECT 1 FROM certificate o"
	        " WHERE o.spki = certificate.spki AND o.device_id <> $1"
	        " AND (o.state = 'issued' OR o.revoke_reason = 6)"
	        " AND o.not_after > $3)",
	        S_ARGS(S_TEXT(device_id), S_TEXT(fingerprint),
	            S_INT(clock_now_ms())),
	        &n, e))
		return false;
	*changed = n > 0;
	return true;
}

bool
cert_ledger_db_revoke(struct store_tx *tx, const struct cert_ledger_end *end,
    bool *changed, struct err *e)
{
	int64_t n;

	/* The time of a hold stays that of the revocation. */
	if (!store_exec(tx,
	        "UPDATE certificate SET state = 'revoked',"
	        " revoked_at = COALESCE(revoked_at, $1), revoke_reason = $2,"
	        " revoked_by = $3"
	        " WHERE fingerprint = $4 AND (state = 'issued'"
	        " OR (revoke_reason = 6 AND $2 <> 6))",
	        S_ARGS(S_INT(clock_now_ms()), S_INT(end->reason),
	            S_TEXT(end->actor), S_TEXT(end->fingerprint)),
	        &n, e))
		return false;
	*changed = n > 0;
	return true;
}

bool
cert_ledger_db_release(
    struct store_tx *tx, const char *fingerprint, struct err *e)
{
	return store_exec(tx,
	    "UPDATE certificate SET state = 'issued', revoked_at = NULL,"
	    " revoke_reason = NULL, revoked_by = NULL"
	    " WHERE fingerprint = $1 AND revoke_reason = 6",
	    S_ARGS(S_TEXT(fingerprint)), NULL, e);
}

bool
cert_ledger_db_changed(
    struct store_tx *tx, const char *fingerprint, struct err *e)
{
	return store_exec(tx,
	    "UPDATE crl SET changes = changes + 1 WHERE authority_id ="
	    " (SELECT authority_id FROM certificate WHERE fingerprint = $1)",
	    S_ARGS(S_TEXT(fingerprint)), NULL, e);
}

bool
cert_ledger_db_live(struct store_tx *tx, const char *device_id,
    const char *purpose, char fingerprint_out[SHA256_HEX_SIZE], bool *found,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;

	if (!store_query(tx,
	        "SELECT fingerprint FROM certificate"
	        " WHERE device_id = $1 AND not_after > $2"
	        " AND (state = 'issued' OR revoke_reason = 6)"
	        " AND purpose = COALESCE($3, purpose)"
	        " ORDER BY created_at LIMIT 1",
	        S_ARGS(
	            S_TEXT(device_id), S_INT(clock_now_ms()), S_TEXT(purpose)),
	        &rows, e) ||
	    !store_next(rows, found, e))
		return false;
	if (*found)
		store_text_copy(rows, 0, fingerprint_out, SHA256_HEX_SIZE);
	return true;
}
