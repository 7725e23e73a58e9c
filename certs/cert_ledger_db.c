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
	        " not_after, state, created_at, line)"
	        " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
	        "$13,"
	        " $14, $15, 'issued', $16, $17 WHERE NOT EXISTS (SELECT 1 FROM"
	        " authority WHERE id = $3 AND state = 'dropped')",
	        S_ARGS(S_TEXT(i->fingerprint), S_TEXT(i->serial),
	            S_TEXT(r->authority_id), S_TEXT(i->subject),
	            S_TEXT(i->spki), S_TEXT(r->template), S_TEXT(r->purpose),
	            S_TEXT(r->enrollment_ref), S_TEXT(r->device_id),
	            S_TEXT(r->user_id), S_TEXT(r->challenge_id),
	            S_TEXT(r->transaction_id), S_BLOB(buf_slice(i->der)),
	            S_INT(i->not_before), S_INT(i->not_after),
	            S_INT(clock_now_ms()), S_TEXT(r->line)),
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

/* The time of a hold, and of what turns out to be worse, stays that of the
 * revocation. */
#define END_IT                                                                 \
	"UPDATE certificate SET state = 'revoked',"                            \
	" revoked_at = COALESCE(revoked_at, $1), revoke_reason = $2,"          \
	" revoked_by = $3"                                                     \
	" WHERE fingerprint = $4 AND (state = 'issued'"                        \
	" OR (revoke_reason = 6 AND $2 <> 6)"                                  \
	" OR (revoke_reason <> 1 AND $2 = 1))"

bool
cert_ledger_db_revoke(struct store_tx *tx, const struct cert_ledger_end *end,
    bool *changed, struct err *e)
{
	int64_t n;

	if (!store_exec(tx, END_IT,
	        S_ARGS(S_INT(clock_now_ms()), S_INT(end->reason),
	            S_TEXT(end->actor), S_TEXT(end->fingerprint)),
	        &n, e))
		return false;
	*changed = n > 0;
	return true;
}

bool
cert_ledger_db_end(
    struct store_tx *tx, const struct cert_ledger_end *end, struct err *e)
{
	return store_exec_later(tx, END_IT,
	    S_ARGS(S_INT(clock_now_ms()), S_INT(end->reason),
	        S_TEXT(end->actor), S_TEXT(end->fingerprint)),
	    e);
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
cert_ledger_db_changed_authority(
    struct store_tx *tx, const char *authority_id, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE crl SET changes = changes + 1 WHERE authority_id = $1",
	    S_ARGS(S_TEXT(authority_id)), e);
}

/* ---- what is to end together ---- */

/* In the order that read_living() takes. */
#define LIVING                                                                 \
	"SELECT fingerprint, serial, purpose, device_id, user_id,"             \
	" authority_id FROM certificate WHERE not_after > $1"                  \
	" AND (state = 'issued' OR revoke_reason = 6)"

static bool
ask_living(struct store_tx *tx, const struct cert_ledger_which *w, size_t max,
    struct store_rows **out, struct err *e)
{
	int64_t now = clock_now_ms(), limit = (int64_t)max;

	if (w->key_of != NULL)
		return store_query(tx,
		    "WITH RECURSIVE later (f) AS (SELECT k.fingerprint"
		    " FROM certificate k WHERE k.spki = (SELECT o.spki"
		    " FROM certificate o WHERE o.fingerprint = $2) UNION"
		    " SELECT r.fingerprint FROM later l"
		    " JOIN renewal r ON r.old_fingerprint = l.f) " LIVING
		    " AND fingerprint IN (SELECT f FROM later) LIMIT $3",
		    S_ARGS(S_INT(now), S_TEXT(w->key_of), S_INT(limit)), out,
		    e);
	if (w->user_id != NULL)
		return store_query(tx,
		    LIVING " AND user_id = $2"
		           " AND (CAST($3 AS TEXT) IS NULL OR device_id = $3)"
		           " AND purpose NOT IN ('enroll', 'renew') LIMIT $4",
		    S_ARGS(S_INT(now), S_TEXT(w->user_id), S_TEXT(w->device_id),
		        S_INT(limit)),
		    out, e);
	return store_query(tx,
	    LIVING " AND device_id = $2 AND purpose = COALESCE($3, purpose)"
	           " LIMIT $4",
	    S_ARGS(S_INT(now), S_TEXT(w->device_id), S_TEXT(w->purpose),
	        S_INT(limit)),
	    out, e);
}

static void
read_living(const struct store_rows *rows, struct cert_ledger_living *out)
{
	store_text_copy(rows, 0, out->fingerprint, sizeof(out->fingerprint));
	store_text_copy(rows, 1, out->serial, sizeof(out->serial));
	store_text_copy(rows, 2, out->purpose, sizeof(out->purpose));
	store_text_copy(rows, 3, out->device_id, sizeof(out->device_id));
	store_text_copy(rows, 4, out->user_id, sizeof(out->user_id));
	store_text_copy(rows, 5, out->authority_id, sizeof(out->authority_id));
}

bool
cert_ledger_db_living(struct store_tx *tx,
    const struct cert_ledger_which *which, struct cert_ledger_living *list,
    size_t max, size_t *n_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	size_t n = 0;
	bool more;

	if (!ask_living(tx, which, max, &rows, e))
		return false;
	for (;;) {
		if (!store_next(rows, &more, e))
			return false;
		if (!more || n == max)
			break;
		read_living(rows, &list[n++]);
	}
	*n_out = n;
	return true;
}
