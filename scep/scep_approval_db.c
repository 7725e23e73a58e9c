/*
 * The table scep_request.  No state of its own; runs on the thread of the
 * transaction.
 */
#include "scep/scep_approval_priv.h"

/* As enum scep_shown counts them. */
#define SHOWN                                                                  \
	"SELECT r.id, r.transaction_id, r.subject, r.template, r.spki, "       \
	"r.peer, r.state, r.reason, r.decided_by, r.fingerprint, "             \
	"r.created_at, r.expires_at, r.decided_at, r.upstream, r.tries, "      \
	"r.polls, r.next_at, r.seen, r.claim, r.csr, u.slot_at, u.faults, "    \
	"u.fields FROM scep_request r "                                        \
	"LEFT JOIN upstream u ON u.name = r.upstream "

void
scep_waiting_clear(struct scep_waiting *w)
{
	str_free(&w->subject);
	buf_free(&w->csr);
}

bool
scep_db_waiting_add(struct store_tx *tx, const struct scep_waiting *w,
    int64_t now_ms, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO scep_request (id, transaction_id, signer_spki, spki,"
	    " csr, subject, template, peer, state, created_at, expires_at,"
	    " challenge_id, purpose, enrollment_ref, device_id, user_id)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10,"
	    " $11, $12, $13, $14, $15)",
	    S_ARGS(S_TEXT(w->id), S_TEXT(w->transaction_id),
	        S_TEXT(w->signer_spki), S_TEXT(w->spki),
	        S_BLOB(buf_slice(w->csr)), S_TEXT(w->subject),
	        S_TEXT(w->template), S_TEXT(w->peer), S_INT(now_ms),
	        S_INT(w->expires_at), S_TEXT(scep_or_null(w->challenge_id)),
	        S_TEXT(scep_or_null(w->purpose)),
	        S_TEXT(scep_or_null(w->enrollment_ref)),
	        S_TEXT(scep_or_null(w->device_id)),
	        S_TEXT(scep_or_null(w->user_id))),
	    NULL, e);
}

bool
scep_db_waiting_read(
    struct store_rows *r, struct scep_waiting *out, bool *found, struct err *e)
{
	struct slice csr;

	if (!store_next(r, found, e))
		return false;
	if (!*found)
		return true;
	*out = (struct scep_waiting){ 0 };
	store_text_copy(r, 0, out->id, sizeof(out->id));
	store_text_copy(r, 1, out->transaction_id, sizeof(out->transaction_id));
	store_text_copy(r, 2, out->state, sizeof(out->state));
	store_text_copy(r, 3, out->template, sizeof(out->template));
	store_text_copy(r, 4, out->signer_spki, sizeof(out->signer_spki));
	store_text_copy(r, 5, out->spki, sizeof(out->spki));
	store_text_copy(r, 6, out->fingerprint, sizeof(out->fingerprint));
	store_text_copy(r, 7, out->peer, sizeof(out->peer));
	out->subject = str_dup(store_text(r, 8));
	csr = store_blob(r, 9);
	out->csr = buf_new(csr.len);
	buf_add(out->csr, csr.p, csr.len);
	out->expires_at = store_int(r, 10);
	store_text_copy(r, 11, out->challenge_id, sizeof(out->challenge_id));
	store_text_copy(r, 12, out->purpose, sizeof(out->purpose));
	store_text_copy(
	    r, 13, out->enrollment_ref, sizeof(out->enrollment_ref));
	store_text_copy(r, 14, out->device_id, sizeof(out->device_id));
	store_text_copy(r, 15, out->user_id, sizeof(out->user_id));
	out->decided_at = store_int(r, 16);
	out->created_at = store_int(r, 17);
	return true;
}

bool
scep_db_waiting_find(struct store_tx *tx, const char *transaction_id,
    const char *signer_spki, struct scep_waiting *out, bool *found,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT " SCEP_WAITING_COLUMNS " FROM scep_request"
	           " WHERE transaction_id = $1 AND signer_spki = $2",
	           S_ARGS(S_TEXT(transaction_id), S_TEXT(signer_spki)), &r,
	           e) &&
	       scep_db_waiting_read(r, out, found, e);
}

bool
scep_db_waiting_get(struct store_tx *tx, const char *id,
    struct scep_waiting *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT " SCEP_WAITING_COLUMNS
	           " FROM scep_request WHERE id = $1",
	           S_ARGS(S_TEXT(id)), &r, e) &&
	       scep_db_waiting_read(r, out, found, e);
}

/* Those who had a challenge and those who had none do not compete. */
#define COUNTED                                                                \
	"SELECT peer, COUNT(*),"                                               \
	" SUM(CASE WHEN spki = $2 AND template = $3 THEN 1 ELSE 0 END)"        \
	" FROM scep_request WHERE state = 'pending' AND expires_at > $1"
#define BY_PEER " GROUP BY peer"

bool
scep_db_waiting_count(struct store_tx *tx, const struct scep_waiting *w,
    int64_t now_ms, struct scep_waiting_count *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	*out = (struct scep_waiting_count){ 0 };
	if (!store_query(tx,
	        w->purpose[0] == '\0' ? COUNTED " AND purpose IS NULL" BY_PEER
	                              : COUNTED
	            " AND purpose IS NOT NULL" BY_PEER,
	        S_ARGS(S_INT(now_ms), S_TEXT(w->spki), S_TEXT(w->template)), &r,
	        e))
		return false;
	for (;;) {
		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		out->all += store_int(r, 1);
		out->of_key += store_int(r, 2);
		if (scep_rate_same(store_text(r, 0), w->peer))
			out->of_peer += store_int(r, 1);
	}
}

bool
scep_db_waiting_decide(struct store_tx *tx, const struct scep_decision *d,
    bool *changed, struct err *e)
{
	int64_t n = 0;

	if (!store_exec(tx,
	        "UPDATE scep_request SET state = $1, decided_by = $2,"
	        " reason = $3, fingerprint = $4, decided_at = $5"
	        " WHERE id = $6 AND state = 'pending'",
	        S_ARGS(S_TEXT(d->state), S_TEXT(d->by), S_TEXT(d->reason),
	            S_TEXT(d->fingerprint), S_INT(d->now_ms), S_TEXT(d->id)),
	        &n, e))
		return false;
	*changed = n == 1;
	return true;
}

bool
scep_db_waiting_one(struct store_tx *tx, const char *sql,
    const struct store_value *args, char id_out[UUID_SIZE], bool *found,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx, sql, args, &r, e) || !store_next(r, found, e))
		return false;
	if (*found)
		store_text_copy(r, 0, id_out, UUID_SIZE);
	return true;
}

bool
scep_db_waiting_over(struct store_tx *tx, int64_t now_ms,
    char id_out[UUID_SIZE], bool *found, struct err *e)
{
	return scep_db_waiting_one(tx,
	    "SELECT id FROM scep_request WHERE state = 'pending'"
	    " AND expires_at <= $1 LIMIT 1",
	    S_ARGS(S_INT(now_ms)), id_out, found, e);
}

bool
scep_db_waiting_of(struct store_tx *tx, const struct scep_whose *of,
    char id_out[UUID_SIZE], bool *found, struct err *e)
{
	return scep_db_waiting_one(tx,
	    "SELECT id FROM scep_request"
	    " WHERE state IN ('pending', 'queued')"
	    " AND (CAST($1 AS TEXT) IS NULL OR device_id = $1)"
	    " AND (CAST($2 AS TEXT) IS NULL OR (user_id = $2"
	    " AND COALESCE(purpose, '') NOT IN ('enroll', 'renew'))) LIMIT 1",
	    S_ARGS(S_TEXT(of->device_id), S_TEXT(of->user_id)), id_out, found,
	    e);
}

bool
scep_db_waiting_begins(struct store_tx *tx, uint8_t first,
    struct scep_waiting *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT " SCEP_WAITING_COLUMNS " FROM scep_request"
	           " WHERE substr(csr, 1, 1) = $1 LIMIT 1",
	           S_ARGS(S_BLOB(slice_of(&first, 1))), &r, e) &&
	       scep_db_waiting_read(r, out, found, e);
}

bool
scep_db_waiting_csr(
    struct store_tx *tx, const struct scep_waiting *w, struct err *e)
{
	return store_exec(tx, "UPDATE scep_request SET csr = $1 WHERE id = $2",
	    S_ARGS(S_BLOB(buf_slice(w->csr)), S_TEXT(w->id)), NULL, e);
}

bool
scep_db_waiting_forget(struct store_tx *tx, const char *id, struct err *e)
{
	return store_exec(tx, "DELETE FROM scep_request WHERE id = $1",
	    S_ARGS(S_TEXT(id)), NULL, e);
}

bool
scep_db_waiting_purge(struct store_tx *tx, int64_t before_ms, struct err *e)
{
	return store_exec(tx,
	    "DELETE FROM scep_request WHERE state <> 'pending'"
	    " AND decided_at < $1",
	    S_ARGS(S_INT(before_ms)), NULL, e);
}

bool
scep_db_waiting_page(struct store_tx *tx, const struct scep_request_page *page,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    SHOWN "WHERE r.state = COALESCE(CAST($1 AS TEXT), r.state)"
	          " AND (r.created_at, r.id) < ($2, $3)"
	          " ORDER BY r.created_at DESC, r.id DESC LIMIT $4",
	    S_ARGS(S_TEXT(page->state), S_INT(page->before_at),
	        S_TEXT(page->before_id), S_INT(page->limit + 1)),
	    out, e);
}

bool
scep_db_waiting_row(
    struct store_tx *tx, const char *id, struct store_rows **out, struct err *e)
{
	return store_query(
	    tx, SHOWN "WHERE r.id = $1", S_ARGS(S_TEXT(id)), out, e);
}
