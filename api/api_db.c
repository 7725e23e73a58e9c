/*
 * All SQL of api/: tokens, the event feed, the lists that no other layer
 * owns, and counts for metrics.  Functions belong to the transaction they are
 * given.
 */
#include "api/api_priv.h"

/* ---- tokens ---- */

static bool
read_token(
    struct store_rows *r, struct api_token_row *out, bool *found, struct err *e)
{
	bool there;

	if (!store_next(r, &there, e))
		return false;
	*found = there;
	if (!there)
		return true;
	store_text_copy(r, 0, out->name, sizeof(out->name));
	store_text_copy(r, 1, out->role, sizeof(out->role));
	out->revoked = !store_null(r, 2);
	return true;
}

bool
api_db_token_by_mac(struct store_tx *tx, const char *mac,
    struct api_token_row *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT name, role, revoked_at FROM token WHERE mac = $1",
	           S_ARGS(S_TEXT(mac)), &r, e) &&
	       read_token(r, out, found, e);
}

bool
api_db_token_by_name(struct store_tx *tx, const char *name,
    struct api_token_row *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT name, role, revoked_at FROM token WHERE name = $1",
	           S_ARGS(S_TEXT(name)), &r, e) &&
	       read_token(r, out, found, e);
}

bool
api_db_token_add(struct store_tx *tx, const char *id, const char *name,
    const char *mac, const char *role, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO token (id, name, mac, role, created_at) "
	    "VALUES ($1, $2, $3, $4, $5)",
	    S_ARGS(S_TEXT(id), S_TEXT(name), S_TEXT(mac), S_TEXT(role),
	        S_INT(clock_now_ms())),
	    NULL, e);
}

bool
api_db_token_revoke(struct store_tx *tx, const char *name, struct err *e)
{
	return store_exec(tx,
	    "UPDATE token SET revoked_at = $1 WHERE name = $2",
	    S_ARGS(S_INT(clock_now_ms()), S_TEXT(name)), NULL, e);
}

/* The one number of a query's one row. */
static bool
read_number(struct store_rows *r, int64_t *out, struct err *e)
{
	bool there;

	if (!store_next(r, &there, e))
		return false;
	*out = there ? store_int(r, 0) : 0;
	return true;
}

bool
api_db_token_admins(struct store_tx *tx, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT COUNT(*) FROM token WHERE role = 'admin' "
	           "AND revoked_at IS NULL",
	           S_ARGS(), &r, e) &&
	       read_number(r, out, e);
}

bool
api_db_tokens(struct store_tx *tx, const char *after, int64_t limit,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT name, role, created_at, revoked_at FROM token "
	    "WHERE name > $1 ORDER BY name LIMIT $2",
	    S_ARGS(S_TEXT(after == NULL ? "" : after), S_INT(limit)), out, e);
}

/* ---- lists and look-ups ---- */

bool
api_db_order_by_key(struct store_tx *tx, const char *by, const char *key,
    char out[37], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool there;

	if (!store_query(tx,
	        "SELECT id FROM orders WHERE requested_by = $1 "
	        "AND idempotency_key = $2",
	        S_ARGS(S_TEXT(by), S_TEXT(key)), &r, e) ||
	    !store_next(r, &there, e))
		return false;
	out[0] = '\0';
	if (there)
		store_text_copy(r, 0, out, UUID_SIZE);
	return true;
}

bool
api_db_events(struct store_tx *tx, int64_t after, int64_t limit,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT e.seq, e.at, e.kind, "
	    "COALESCE(d.serial, d.deleted_serial), e.device_id, e.subject_id, "
	    "e.actor, e.data FROM event e LEFT JOIN device d "
	    "ON d.id = e.device_id WHERE e.seq > $1 ORDER BY e.seq LIMIT $2",
	    S_ARGS(S_INT(after), S_INT(limit)), out, e);
}

bool
api_db_push_certificates(
    struct store_tx *tx, struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT p.id, p.topic, p.state, p.owner, p.not_after, "
	    "p.created_at, p.activated_at, (SELECT COUNT(*) FROM enrollment n "
	    "WHERE n.topic = p.topic AND n.state = 'enrolled') "
	    "FROM push_certificate p ORDER BY CASE WHEN p.state = 'active' "
	    "THEN 0 ELSE 1 END, p.activated_at DESC, p.id LIMIT 200",
	    S_ARGS(), out, e);
}

/* ---- counts ---- */

bool
api_db_count_devices(
    struct store_tx *tx, struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT state, chip, COUNT(*) FROM device GROUP BY state, chip "
	    "ORDER BY state, chip",
	    S_ARGS(), out, e);
}

bool
api_db_count_rollouts(
    struct store_tx *tx, struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT state, COUNT(*) FROM rollout GROUP BY state ORDER BY state",
	    S_ARGS(), out, e);
}

bool
api_db_count_scep_requests(
    struct store_tx *tx, struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT state, COUNT(*) FROM scep_request"
	    " WHERE state IN ('pending', 'queued')"
	    " GROUP BY state ORDER BY state",
	    S_ARGS(), out, e);
}

bool
api_db_count_commands(
    struct store_tx *tx, struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT state, COUNT(*) FROM command WHERE done_at IS NULL "
	    "GROUP BY state ORDER BY state",
	    S_ARGS(), out, e);
}

bool
api_db_last_event(struct store_tx *tx, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx, "SELECT COALESCE(MAX(seq), 0) FROM event",
	           S_ARGS(), &r, e) &&
	       read_number(r, out, e);
}
