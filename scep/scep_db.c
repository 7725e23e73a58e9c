/*
 * The tables of the SCEP service: challenge and renewal.  No state of its own;
 * runs on the thread of the transaction.
 */
#include "core/clock.h"
#include "scep/scep_service_priv.h"

/* Challenges are kept so long past their end: used ones to recognise their
 * reuse, others only for who looks why a Mac was refused.  What was made void
 * ended at 0: it is kept so long past its beginning. */
#define USED_KEPT_MS (30 * MS_DAY)
#define UNUSED_KEPT_MS MS_DAY

const char *
scep_or_null(const char *s)
{
	return str_empty(s) ? NULL : s;
}

bool
scep_db_challenge_add(
    struct store_tx *tx, const struct scep_challenge *c, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO challenge (mac, id, template, purpose,"
	    " enrollment_ref, device_id, user_id, subject, created_at,"
	    " expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
	    S_ARGS(S_TEXT(c->mac), S_TEXT(c->id), S_TEXT(c->template),
	        S_TEXT(c->purpose), S_MAYBE(c->enrollment_ref),
	        S_MAYBE(c->device_id), S_MAYBE(c->user_id), S_TEXT(c->subject),
	        S_INT(clock_now_ms()), S_INT(c->expires_at)),
	    NULL, e);
}

static bool
column(const struct store_rows *r, int col, char *dst, size_t size)
{
	const char *s = store_text(r, col);

	return str_copy(dst, size, s != NULL ? s : "");
}

static bool
read_challenge(const struct store_rows *r, struct scep_challenge *c)
{
	c->subject = str_dup(store_text(r, 6));
	c->expires_at = store_int(r, 7);
	c->used_at = store_int(r, 8);
	return column(r, 0, c->id, sizeof(c->id)) &&
	       column(r, 1, c->template, sizeof(c->template)) &&
	       column(r, 2, c->purpose, sizeof(c->purpose)) &&
	       column(r, 3, c->enrollment_ref, sizeof(c->enrollment_ref)) &&
	       column(r, 4, c->device_id, sizeof(c->device_id)) &&
	       column(r, 5, c->user_id, sizeof(c->user_id)) &&
	       column(r, 9, c->used_spki, sizeof(c->used_spki)) &&
	       column(r, 10, c->fingerprint, sizeof(c->fingerprint));
}

bool
scep_db_challenge_find(struct store_tx *tx, const char *mac,
    struct scep_challenge *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(scep_challenge_clear) struct scep_challenge c = { 0 };
	bool more;

	if (!store_query(tx,
	        "SELECT id, template, purpose, enrollment_ref, device_id,"
	        " user_id, subject, expires_at, used_at, used_spki,"
	        " fingerprint FROM challenge WHERE mac = $1",
	        S_ARGS(S_TEXT(mac)), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	*found = more;
	if (!more)
		return true;
	if (!str_copy(c.mac, sizeof(c.mac), mac) || !read_challenge(r, &c))
		return err_set(
		    e, ERR_INTERNAL, "challenge %s: column too long", c.id);
	*out = c;
	c.subject = NULL;
	return true;
}

bool
scep_db_challenge_void(
    struct store_tx *tx, const struct scep_whose *of, struct err *e)
{
	if (of->user_id == NULL)
		return store_exec(tx,
		    "UPDATE challenge SET expires_at = 0"
		    " WHERE device_id = $1 AND used_at IS NULL",
		    S_ARGS(S_TEXT(of->device_id)), NULL, e);
	return store_exec(tx,
	    "UPDATE challenge SET expires_at = 0 WHERE user_id = $1"
	    " AND (CAST($2 AS TEXT) IS NULL OR device_id = $2)"
	    " AND purpose NOT IN ('enroll', 'renew') AND used_at IS NULL",
	    S_ARGS(S_TEXT(of->user_id), S_TEXT(of->device_id)), NULL, e);
}

bool
scep_db_earlier(struct store_tx *tx, const struct scep_earlier_key *k,
    int64_t now_ms, struct scep_earlier *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	*out = (struct scep_earlier){ 0 };
	if (!store_query(tx,
	        "SELECT spki, fingerprint, created_at, not_after"
	        " FROM certificate WHERE transaction_id = $1"
	        " AND template = $2 AND state = 'issued' AND not_after > $3"
	        " ORDER BY created_at DESC",
	        S_ARGS(S_TEXT(k->transaction_id), S_TEXT(k->template),
	            S_INT(now_ms)),
	        &r, e))
		return false;
	for (;;) {
		bool more;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		if (!str_eq(store_text(r, 0), k->spki)) {
			out->other_key = true;
		} else if (!out->found) {
			out->found = true;
			out->created_at = store_int(r, 2);
			out->not_after = store_int(r, 3);
			if (!column(r, 1, out->fingerprint,
			        sizeof(out->fingerprint)))
				return err_set(
				    e, ERR_INTERNAL, "certificate: column");
		}
	}
}

bool
scep_db_issued(struct store_tx *tx, const struct scep_earlier_key *k,
    int64_t since_ms, char fingerprint_out[SHA256_HEX_SIZE], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	fingerprint_out[0] = '\0';
	if (!store_query(tx,
	        "SELECT fingerprint FROM certificate WHERE transaction_id = $1"
	        " AND spki = $2 AND state = 'issued' AND created_at >= $3"
	        " ORDER BY created_at DESC LIMIT 1",
	        S_ARGS(S_TEXT(k->transaction_id), S_TEXT(k->spki),
	            S_INT(since_ms)),
	        &r, e) ||
	    !store_next(r, &found, e))
		return false;
	if (found)
		store_text_copy(r, 0, fingerprint_out, SHA256_HEX_SIZE);
	return true;
}

bool
scep_db_purge(struct store_tx *tx, int64_t now_ms, struct err *e)
{
	return store_exec(tx,
	    "DELETE FROM challenge WHERE expires_at < $1"
	    " AND created_at < $1 AND (used_at IS NULL OR expires_at < $2)",
	    S_ARGS(
	        S_INT(now_ms - UNUSED_KEPT_MS), S_INT(now_ms - USED_KEPT_MS)),
	    NULL, e);
}

bool
scep_db_line_living(struct store_tx *tx, const char *line, int64_t now_ms,
    int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx,
	        "SELECT COUNT(*) FROM certificate WHERE line = $1"
	        " AND (state = 'issued' OR revoke_reason = 6)"
	        " AND not_after > $2",
	        S_ARGS(S_TEXT(line), S_INT(now_ms)), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	*out = store_int(r, 0);
	return true;
}

bool
scep_db_predecessor(struct store_tx *tx, const char *fingerprint,
    struct scep_predecessor *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct scep_predecessor p = { 0 };

	str_copy_cut(p.fingerprint, sizeof(p.fingerprint), fingerprint);
	if (!store_query(tx,
	        "SELECT template, enrollment_ref, device_id, user_id, state,"
	        " not_before, not_after, purpose,"
	        " (SELECT o.upstream FROM outside_authority o"
	        " WHERE o.id = certificate.authority_id),"
	        " COALESCE(line, fingerprint)"
	        " FROM certificate WHERE fingerprint = $1",
	        S_ARGS(S_TEXT(p.fingerprint)), &r, e) ||
	    !store_next(r, &p.found, e))
		return false;
	if (p.found) {
		if (!column(r, 0, p.template, sizeof(p.template)) ||
		    !column(r, 1, p.enrollment_ref, sizeof(p.enrollment_ref)) ||
		    !column(r, 2, p.device_id, sizeof(p.device_id)) ||
		    !column(r, 3, p.user_id, sizeof(p.user_id)) ||
		    !column(r, 7, p.purpose, sizeof(p.purpose)) ||
		    !column(r, 8, p.upstream, sizeof(p.upstream)) ||
		    !column(r, 9, p.line.text, sizeof(p.line.text)))
			return err_set(e, ERR_INTERNAL,
			    "certificate %s: column too long", p.fingerprint);
		p.revoked = !str_eq(store_text(r, 4), "issued");
		p.not_before = store_int(r, 5);
		p.not_after = store_int(r, 6);
	}
	*out = p;
	return true;
}

bool
scep_db_successor(struct store_tx *tx, const char *old,
    const char *transaction_id, struct scep_successor *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	*out = (struct scep_successor){ 0 };
	if (!store_query(tx,
	        "SELECT transaction_id, spki, fingerprint FROM renewal"
	        " WHERE old_fingerprint = $1",
	        S_ARGS(S_TEXT(old)), &r, e))
		return false;
	for (;;) {
		bool more;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		out->count++;
		if (!str_eq(store_text(r, 0), transaction_id))
			continue;
		out->found = true;
		if (!column(r, 1, out->spki, sizeof(out->spki)) ||
		    !column(r, 2, out->fingerprint, sizeof(out->fingerprint)))
			return err_set(e, ERR_INTERNAL, "renewal: column");
	}
}

bool
scep_db_renewal_add(struct store_tx *tx, const char *old,
    const struct cert_record *r, int64_t now_ms, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO renewal (old_fingerprint, transaction_id, spki,"
	    " fingerprint, created_at) VALUES ($1, $2, $3, $4, $5)",
	    S_ARGS(S_TEXT(old), S_TEXT(r->transaction_id),
	        S_TEXT(r->issued->spki), S_TEXT(r->issued->fingerprint),
	        S_INT(now_ms)),
	    NULL, e);
}

bool
scep_db_by_serial(struct store_tx *tx, const char *authority_id,
    const char *serial, char fingerprint_out[SHA256_HEX_SIZE], bool *found,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx,
	        "SELECT fingerprint FROM certificate"
	        " WHERE authority_id = $1 AND serial = $2",
	        S_ARGS(S_TEXT(authority_id), S_TEXT(serial)), &r, e) ||
	    !store_next(r, found, e))
		return false;
	return !*found || column(r, 0, fingerprint_out, SHA256_HEX_SIZE);
}
