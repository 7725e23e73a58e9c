/*
 * The tables upstream, upstream_signer, outside_authority and outside_grant. No
 * state of its own; runs on the thread of the transaction.
 */
#include "core/clock.h"
#include "scep/scep_upstream_conf_priv.h"

bool
scep_db_upstreams(struct store_tx *tx, const char *name,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT name, fields, secret, slot_at, faults, fault, fault_at,"
	    " good_at, changed_at, (SELECT COUNT(*) FROM scep_request r"
	    " WHERE r.upstream = upstream.name AND r.next_at IS NOT NULL)"
	    " FROM upstream WHERE name = COALESCE(CAST($1 AS TEXT), name)"
	    " ORDER BY name",
	    S_ARGS(S_TEXT(name)), out, e);
}

/* What was wrong before may be right now. */
bool
scep_db_upstream_put(
    struct store_tx *tx, const struct scep_upstream_row *r, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO upstream (name, fields, secret, changed_at,"
	    " changed_by) VALUES ($1, $2, $3, $4, $5)"
	    " ON CONFLICT (name) DO UPDATE SET fields = excluded.fields,"
	    " secret = excluded.secret, changed_at = excluded.changed_at,"
	    " changed_by = excluded.changed_by, slot_at = 0, faults = 0,"
	    " fault = NULL, fault_at = NULL",
	    S_ARGS(S_TEXT(r->name), S_TEXT(r->fields), S_BLOB(r->secret),
	        S_INT(clock_now_ms()), S_TEXT(r->by)),
	    NULL, e);
}

bool
scep_db_upstream_delete(struct store_tx *tx, const char *name, struct err *e)
{
	return store_exec(tx, "DELETE FROM upstream_signer WHERE upstream = $1",
	           S_ARGS(S_TEXT(name)), NULL, e) &&
	       store_exec(tx, "DELETE FROM upstream WHERE name = $1",
	           S_ARGS(S_TEXT(name)), NULL, e);
}

bool
scep_db_upstream_signer(struct store_tx *tx, const char *name,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT certificate, secret FROM upstream_signer"
	    " WHERE upstream = $1",
	    S_ARGS(S_TEXT(name)), out, e);
}

bool
scep_db_upstream_signer_put(struct store_tx *tx, const char *name,
    struct slice certificate, struct slice secret, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO upstream_signer (upstream, certificate, secret,"
	    " created_at) VALUES ($1, $2, $3, $4)"
	    " ON CONFLICT (upstream) DO NOTHING",
	    S_ARGS(S_TEXT(name), S_BLOB(certificate), S_BLOB(secret),
	        S_INT(clock_now_ms())),
	    NULL, e);
}

bool
scep_db_upstream_count(struct store_tx *tx, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(
	        tx, "SELECT COUNT(*) FROM upstream", S_ARGS(), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	*out = store_int(r, 0);
	return true;
}

bool
scep_db_upstream_slot(
    struct store_tx *tx, const char *name, int64_t at_ms, struct err *e)
{
	return store_exec(tx,
	    "UPDATE upstream SET slot_at = $1 WHERE name = $2",
	    S_ARGS(S_INT(at_ms), S_TEXT(name)), NULL, e);
}

bool
scep_db_upstream_fault(struct store_tx *tx, const char *name, const char *why,
    int64_t until_ms, struct err *e)
{
	return store_exec(tx,
	    "UPDATE upstream SET faults = faults + 1, fault = $1,"
	    " fault_at = $2, slot_at = $3 WHERE name = $4",
	    S_ARGS(S_TEXT(why), S_INT(clock_now_ms()), S_INT(until_ms),
	        S_TEXT(name)),
	    NULL, e);
}

bool
scep_db_upstream_good(struct store_tx *tx, const char *name, struct err *e)
{
	return store_exec(tx,
	    "UPDATE upstream SET faults = 0, good_at = $1 WHERE name = $2",
	    S_ARGS(S_INT(clock_now_ms()), S_TEXT(name)), NULL, e);
}

bool
scep_db_outside_add(struct store_tx *tx, const char *id, const char *upstream,
    struct slice chain, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO outside_authority (id, upstream, chain, created_at)"
	    " VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE"
	    " SET chain = excluded.chain",
	    S_ARGS(S_TEXT(id), S_TEXT(upstream), S_BLOB(chain),
	        S_INT(clock_now_ms())),
	    NULL, e);
}

static bool
add_all(struct store_rows *r, struct buf *out, struct err *e)
{
	for (;;) {
		struct slice chain;
		bool more;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		chain = store_blob(r, 0);
		buf_add(out, chain.p, chain.len);
	}
}

bool
scep_db_outside_chain(struct store_tx *tx, const char *fingerprint,
    struct buf *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT o.chain FROM certificate c"
	           " JOIN outside_authority o ON o.id = c.authority_id"
	           " WHERE c.fingerprint = $1",
	           S_ARGS(S_TEXT(fingerprint)), &r, e) &&
	       add_all(r, out, e);
}

bool
scep_db_outside_chains(
    struct store_tx *tx, const char *upstream, struct buf *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT chain FROM outside_authority WHERE upstream = $1"
	           " ORDER BY created_at, id",
	           S_ARGS(S_TEXT(upstream)), &r, e) &&
	       add_all(r, out, e);
}

bool
scep_db_outside_grant(struct store_tx *tx, const char *fingerprint,
    const char *subject, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO outside_grant (fingerprint, subject) VALUES ($1, $2)"
	    " ON CONFLICT (fingerprint) DO NOTHING",
	    S_ARGS(S_TEXT(fingerprint), S_TEXT(subject)), NULL, e);
}

bool
scep_db_outside_granted(
    struct store_tx *tx, const char *fingerprint, char **subject, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	*subject = NULL;
	/* An older node that goes on beside us notes nothing: then it is what
	 * the challenge said, as long as that is kept. */
	if (!store_query(tx,
	        "SELECT subject FROM outside_grant WHERE fingerprint = $1 "
	        "UNION ALL SELECT h.subject FROM certificate c "
	        "JOIN challenge h ON h.id = c.challenge_id "
	        "WHERE c.fingerprint = $1 LIMIT 1",
	        S_ARGS(S_TEXT(fingerprint)), &r, e) ||
	    !store_next(r, &found, e))
		return false;
	if (found)
		*subject = str_dup(store_text(r, 0));
	return true;
}
