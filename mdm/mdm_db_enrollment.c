/*
 * Rows of enrollment.  No state; runs in the caller's transaction, on its
 * thread.
 */
#include "core/limits.h"
#include "mdm/mdm_db_priv.h"

bool
mdm_db_enrollment_begin(struct store_tx *tx, const char *id,
    const char *device_id, const char *identity, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO enrollment (id, device_id, channel, state, identity) "
	    "VALUES ($1, $2, 'device', 'authenticated', $3) "
	    "ON CONFLICT (id) DO UPDATE SET device_id = $2, "
	    "channel = 'device', state = 'authenticated', topic = NULL, "
	    "push_token = NULL, push_magic = NULL, token_at = NULL, "
	    "token_updates = 0, push_state = 'ok', push_due_at = NULL, "
	    "push_attempts = 0, not_now_count = 0, identity = $3",
	    S_ARGS(S_TEXT(id), S_TEXT(device_id), S_TEXT(identity)), NULL, e);
}

bool
mdm_db_enrollment_identity(
    struct store_tx *tx, const char *id, char out[65], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!mdm_db_one(tx, "SELECT identity FROM enrollment WHERE id = $1",
	        S_ARGS(S_TEXT(id)), &r, &found, e))
		return false;
	out[0] = '\0';
	if (found)
		store_text_copy(r, 0, out, 65);
	return true;
}

bool
mdm_db_enrollment_token(struct store_tx *tx, const struct mdm_token *t,
    int64_t *updates_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	/* A user's channel begins here; a life that ended begins anew. */
	if (!store_exec(tx,
	        "INSERT INTO enrollment (id, device_id, channel, "
	        "user_short_name, state, topic, push_token, push_magic, "
	        "token_at, token_updates, push_state, last_seen_at, "
	        "push_last_reason) "
	        "VALUES ($1, $2, $3, $4, 'enrolled', $5, $6, $7, $8, 1, $9, "
	        "$8, CASE WHEN $9 = 'ok' THEN NULL ELSE 'topic_mismatch' END) "
	        "ON CONFLICT (id) DO UPDATE SET device_id = $2, "
	        "token_updates = CASE WHEN enrollment.state = 'left' THEN 1 "
	        "ELSE enrollment.token_updates + 1 END, "
	        "user_short_name = $4, state = 'enrolled', topic = $5, "
	        "push_token = $6, push_magic = $7, token_at = $8, "
	        "push_state = $9, last_seen_at = $8, push_last_reason = CASE "
	        "WHEN $9 <> 'ok' THEN 'topic_mismatch' "
	        "WHEN enrollment.push_last_reason = 'topic_mismatch' THEN NULL "
	        "ELSE enrollment.push_last_reason END",
	        S_ARGS(S_TEXT(t->enrollment_id), S_TEXT(t->device_id),
	            S_TEXT(t->channel), S_MAYBE(t->short_name),
	            S_TEXT(t->topic), S_BLOB(t->token), S_TEXT(t->magic),
	            S_INT(t->now), S_TEXT(t->push_state)),
	        NULL, e))
		return false;
	if (!mdm_db_one(tx,
	        "SELECT token_updates FROM enrollment WHERE id = $1",
	        S_ARGS(S_TEXT(t->enrollment_id)), &r, &found, e))
		return false;
	*updates_out = found ? store_int(r, 0) : 0;
	return true;
}

bool
mdm_db_enrollment_user_room(struct store_tx *tx, const char *device_id,
    const char *id, bool *room_out, struct err *e)
{
	bool full;

	if (!mdm_db_exists(tx,
	        "SELECT 1 FROM enrollment WHERE device_id = $1 AND "
	        "channel = 'user' AND NOT EXISTS (SELECT 1 FROM enrollment "
	        "WHERE id = $2) LIMIT 1 OFFSET $3",
	        S_ARGS(S_TEXT(device_id), S_TEXT(id),
	            S_INT(LIMIT_USER_CHANNELS - 1)),
	        &full, e))
		return false;
	*room_out = !full;
	return true;
}

static bool
one_id(struct store_tx *tx, const char *sql, const char *device_id,
    char out[MDM_ENROLLMENT_ID], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!mdm_db_one(tx, sql, S_ARGS(S_TEXT(device_id)), &r, &found, e))
		return false;
	out[0] = '\0';
	if (found)
		store_text_copy(r, 0, out, MDM_ENROLLMENT_ID);
	return true;
}

bool
mdm_db_enrollment_live(struct store_tx *tx, const char *device_id,
    char out[MDM_ENROLLMENT_ID], struct err *e)
{
	return one_id(tx,
	    "SELECT id FROM enrollment WHERE device_id = $1 AND "
	    "state <> 'left' LIMIT 1",
	    device_id, out, e);
}

bool
mdm_db_enrollment_of(struct store_tx *tx, const char *device_id,
    char out[MDM_ENROLLMENT_ID], struct err *e)
{
	return one_id(tx,
	    "SELECT id FROM enrollment WHERE device_id = $1 AND "
	    "channel = 'device' AND state = 'enrolled' "
	    "ORDER BY token_at DESC LIMIT 1",
	    device_id, out, e);
}

bool
mdm_db_enrollment_left(struct store_tx *tx, const char *id, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE enrollment SET state = 'left', push_due_at = NULL, "
	    "push_attempts = 0, not_now_count = 0 WHERE id = $1",
	    S_ARGS(S_TEXT(id)), e);
}

bool
mdm_db_enrollment_back(struct store_tx *tx, const char *id, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE enrollment SET state = 'enrolled' WHERE id = $1",
	    S_ARGS(S_TEXT(id)), e);
}

bool
mdm_db_enrollment_came(struct store_tx *tx, const char *id,
    const struct mdm_came *c, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE enrollment SET push_due_at = $2, push_attempts = 0, "
	    "last_seen_at = $3, not_now_count = CASE WHEN "
	    "CAST($2 AS BIGINT) IS NULL THEN 0 ELSE not_now_count END, "
	    "session_at = COALESCE($4, session_at) WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_TIME(c->push_due_at), S_INT(c->now),
	        c->idle ? S_INT(c->now) : S_NULL),
	    e);
}

bool
mdm_db_enrollment_calm(struct store_tx *tx, const char *id, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE enrollment SET push_due_at = NULL, push_attempts = 0 "
	    "WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM command q WHERE "
	    "q.enrollment_id = $1 AND q.done_at IS NULL)",
	    S_ARGS(S_TEXT(id)), e);
}
