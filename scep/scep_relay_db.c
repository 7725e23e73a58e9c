/*
 * The queue for upstreams in table scep_request.  No state of its own; runs on
 * the thread of the transaction.
 */
#include "scep/scep_relay_priv.h"

/* Behind SCEP_WAITING_COLUMNS. */
#define ERRAND_COLUMNS                                                         \
	SCEP_WAITING_COLUMNS                                                   \
	", upstream, old_fingerprint, claim, seen, tries, polls"

void
scep_errand_clear(struct scep_errand *e)
{
	scep_waiting_clear(&e->w);
}

bool
scep_db_errand_add(struct store_tx *tx, const struct scep_errand *x,
    int64_t now_ms, struct err *e)
{
	const struct scep_waiting *w = &x->w;

	return store_exec(tx,
	    "INSERT INTO scep_request (id, transaction_id, signer_spki, spki,"
	    " csr, subject, template, peer, state, created_at, expires_at,"
	    " upstream, purpose, challenge_id, enrollment_ref, device_id,"
	    " user_id, old_fingerprint, next_at)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10, $11,"
	    " $12, $13, $14, $15, $16, $17, $9)",
	    S_ARGS(S_TEXT(w->id), S_TEXT(w->transaction_id),
	        S_TEXT(w->signer_spki), S_TEXT(w->spki),
	        S_BLOB(buf_slice(w->csr)), S_TEXT(w->subject),
	        S_TEXT(w->template), S_TEXT(w->peer), S_INT(now_ms),
	        S_INT(w->expires_at), S_TEXT(x->upstream), S_TEXT(x->w.purpose),
	        S_MAYBE(x->w.challenge_id), S_MAYBE(x->w.enrollment_ref),
	        S_MAYBE(x->w.device_id), S_MAYBE(x->w.user_id),
	        S_MAYBE(x->old_fingerprint)),
	    NULL, e);
}

bool
scep_db_errand_approve(struct store_tx *tx,
    const struct scep_errand_approval *a, bool *changed, struct err *e)
{
	int64_t n = 0;

	if (!store_exec(tx,
	        "UPDATE scep_request SET state = 'queued', upstream = $1,"
	        " purpose = COALESCE(purpose, 'scep'), decided_by = $2, "
	        "expires_at = $3,"
	        " next_at = created_at WHERE id = $4 AND state = 'pending'",
	        S_ARGS(S_TEXT(a->upstream), S_TEXT(a->by), S_INT(a->until_ms),
	            S_TEXT(a->id)),
	        &n, e))
		return false;
	*changed = n == 1;
	return true;
}

bool
scep_db_errand_get(struct store_tx *tx, const char *id, struct scep_errand *out,
    bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	*out = (struct scep_errand){ 0 };
	if (!store_query(tx,
	        "SELECT " ERRAND_COLUMNS " FROM scep_request WHERE id = $1",
	        S_ARGS(S_TEXT(id)), &r, e) ||
	    !scep_db_waiting_read(r, &out->w, found, e))
		return false;
	if (!*found)
		return true;
	store_text_copy(
	    r, SCEP_WAITING_COUNT + 0, out->upstream, sizeof(out->upstream));
	store_text_copy(r, SCEP_WAITING_COUNT + 1, out->old_fingerprint,
	    sizeof(out->old_fingerprint));
	store_text_copy(
	    r, SCEP_WAITING_COUNT + 2, out->claim, sizeof(out->claim));
	out->seen = store_int(r, SCEP_WAITING_COUNT + 3);
	out->tries = store_int(r, SCEP_WAITING_COUNT + 4);
	out->polls = store_int(r, SCEP_WAITING_COUNT + 5);
	return true;
}

bool
scep_db_errand_of(struct store_tx *tx, const char *challenge_id,
    char id_out[UUID_SIZE], bool *found, struct err *e)
{
	return scep_db_waiting_one(tx,
	    "SELECT id FROM scep_request WHERE challenge_id = $1"
	    " ORDER BY created_at DESC LIMIT 1",
	    S_ARGS(S_TEXT(challenge_id)), id_out, found, e);
}

/* When an upstream has rested, all of its requests are due: then the one that
 * has waited longest.  One look at the index for each upstream, however long
 * the queue is. */
bool
scep_db_errand_next(
    struct store_tx *tx, char id_out[UUID_SIZE], int64_t *at_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL, *one = NULL;
	bool found;

	id_out[0] = '\0';
	*at_out = INT64_MAX;
	if (!store_query(tx,
	        "SELECT name, first_at, CASE WHEN slot_at > first_at"
	        " THEN slot_at ELSE first_at END FROM"
	        " (SELECT name, slot_at, (SELECT MIN(r.next_at)"
	        " FROM scep_request r WHERE r.upstream = upstream.name"
	        " AND r.next_at IS NOT NULL) AS first_at FROM upstream) AS u"
	        " WHERE first_at IS NOT NULL ORDER BY 3, 2 LIMIT 1",
	        S_ARGS(), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	if (!found)
		return true;
	if (!store_query(tx,
	        "SELECT id FROM scep_request WHERE upstream = $1"
	        " AND next_at = $2 AND next_at IS NOT NULL"
	        " ORDER BY created_at, id LIMIT 1",
	        S_ARGS(S_TEXT(store_text(r, 0)), S_INT(store_int(r, 1))), &one,
	        e) ||
	    !store_next(one, &found, e))
		return false;
	if (found) {
		store_text_copy(one, 0, id_out, UUID_SIZE);
		*at_out = store_int(r, 2);
	}
	return true;
}

bool
scep_db_errand_claim(struct store_tx *tx, const struct scep_errand *x,
    int64_t until_ms, struct err *e)
{
	return store_exec(tx,
	    "UPDATE scep_request SET claim = $1, next_at = $2,"
	    " seen = CASE WHEN seen = 0 THEN 1 ELSE seen END WHERE id = $3",
	    S_ARGS(S_TEXT(x->claim), S_INT(until_ms), S_TEXT(x->w.id)), NULL,
	    e);
}

bool
scep_db_errand_later(struct store_tx *tx, const struct scep_errand *x,
    const char *reason, int64_t next_at, struct err *e)
{
	return store_exec(tx,
	    "UPDATE scep_request SET seen = $1, tries = $2, polls = $3,"
	    " reason = $4, next_at = $5, claim = NULL"
	    " WHERE id = $6 AND claim = $7 AND state = 'queued'",
	    S_ARGS(S_INT(x->seen), S_INT(x->tries), S_INT(x->polls),
	        S_TEXT(reason), S_INT(next_at), S_TEXT(x->w.id),
	        S_TEXT(x->claim)),
	    NULL, e);
}

bool
scep_db_errand_close(struct store_tx *tx, const struct scep_decision *d,
    bool *changed, struct err *e)
{
	int64_t n = 0;

	if (!store_exec(tx,
	        "UPDATE scep_request SET state = $1,"
	        " decided_by = COALESCE(decided_by, $2), reason = $3,"
	        " fingerprint = $4, decided_at = $5, next_at = NULL,"
	        " claim = NULL"
	        " WHERE id = $6 AND claim = $7 AND state = 'queued'",
	        S_ARGS(S_TEXT(d->state), S_TEXT(d->by), S_TEXT(d->reason),
	            S_TEXT(d->fingerprint), S_INT(d->now_ms), S_TEXT(d->id),
	            S_TEXT(d->claim)),
	        &n, e))
		return false;
	*changed = n == 1;
	return true;
}

bool
scep_db_errand_seize(
    struct store_tx *tx, const struct scep_errand *x, bool *open, struct err *e)
{
	int64_t n = 0;

	if (!store_exec(tx,
	        "UPDATE scep_request SET claim = $1"
	        " WHERE id = $2 AND state = 'queued'",
	        S_ARGS(S_TEXT(x->claim), S_TEXT(x->w.id)), &n, e))
		return false;
	*open = n == 1;
	return true;
}

bool
scep_db_errand_count(struct store_tx *tx, const struct scep_errand *x,
    struct scep_errand_counts *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx,
	        "SELECT COUNT(*),"
	        " COUNT(CASE WHEN old_fingerprint = $1 THEN 1 END),"
	        " COUNT(CASE WHEN spki = $2 AND template = $3 THEN 1 END)"
	        " FROM scep_request WHERE upstream = $4"
	        " AND next_at IS NOT NULL",
	        S_ARGS(S_TEXT(x->old_fingerprint), S_TEXT(x->w.spki),
	            S_TEXT(x->w.template), S_TEXT(x->upstream)),
	        &r, e) ||
	    !store_next(r, &more, e))
		return false;
	out->all = store_int(r, 0);
	out->of_old = store_int(r, 1);
	out->of_key = store_int(r, 2);
	return true;
}

bool
scep_db_errand_move(struct store_tx *tx, const char *id,
    const char *transaction_id, const char *signer_spki, struct err *e)
{
	return store_exec(tx,
	    "UPDATE scep_request SET transaction_id = $1, signer_spki = $2"
	    " WHERE id = $3",
	    S_ARGS(S_TEXT(transaction_id), S_TEXT(signer_spki), S_TEXT(id)),
	    NULL, e);
}

bool
scep_db_challenge_issued(struct store_tx *tx, const char *challenge_id,
    const char *fingerprint, int64_t now_ms, struct err *e)
{
	return store_exec(tx,
	    "UPDATE challenge SET fingerprint = $1, used_at = $2"
	    " WHERE id = $3",
	    S_ARGS(S_TEXT(fingerprint), S_INT(now_ms), S_TEXT(challenge_id)),
	    NULL, e);
}
