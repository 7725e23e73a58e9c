/*
 * All SQL of enroll-profiles/: users, assignments, rollouts, and what they
 * read of enrolments, certificates and challenges.  Functions belong to the
 * transaction they are given.
 */
#include "enroll-profiles/enroll_priv.h"

/* ---- users ---- */

bool
enroll_db_user(struct store_tx *tx, const char *name_or_id,
    struct enroll_user_row *out, bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool there;

	if (!store_query(tx,
	        "SELECT id, name, full_name, email, created_at FROM users "
	        "WHERE name = $1 OR id = $1",
	        S_ARGS(S_TEXT(name_or_id)), &r, e) ||
	    !store_next(r, &there, e))
		return false;
	*found = there;
	if (!there)
		return true;
	store_text_copy(r, 0, out->id, sizeof(out->id));
	store_text_copy(r, 1, out->name, sizeof(out->name));
	store_text_copy(r, 2, out->full_name, sizeof(out->full_name));
	store_text_copy(r, 3, out->email, sizeof(out->email));
	out->created_at = store_int(r, 4);
	return true;
}

bool
enroll_db_user_add(
    struct store_tx *tx, const struct enroll_user_row *u, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO users (id, name, full_name, email, created_at) "
	    "VALUES ($1, $2, $3, $4, $5)",
	    S_ARGS(S_TEXT(u->id), S_TEXT(u->name), S_MAYBE(u->full_name),
	        S_MAYBE(u->email), S_INT(u->created_at)),
	    NULL, e);
}

bool
enroll_db_user_update(
    struct store_tx *tx, const struct enroll_user_row *u, struct err *e)
{
	return store_exec(tx,
	    "UPDATE users SET full_name = $1, email = $2 WHERE id = $3",
	    S_ARGS(S_MAYBE(u->full_name), S_MAYBE(u->email), S_TEXT(u->id)),
	    NULL, e);
}

bool
enroll_db_user_delete(struct store_tx *tx, const char *id, struct err *e)
{
	return store_exec(
	    tx, "DELETE FROM users WHERE id = $1", S_ARGS(S_TEXT(id)), NULL, e);
}

bool
enroll_db_users(struct store_tx *tx, const char *after, int64_t limit,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT u.id, u.name, u.full_name, u.email, u.created_at, "
	    "(SELECT COUNT(*) FROM device d WHERE d.user_id = u.id) "
	    "FROM users u WHERE u.name > $1 ORDER BY u.name LIMIT $2",
	    S_ARGS(S_TEXT(after == NULL ? "" : after), S_INT(limit)), out, e);
}

bool
enroll_db_user_devices(struct store_tx *tx, const char *user_id, int64_t limit,
    struct store_rows **out, struct err *e)
{
	return store_query(tx,
	    "SELECT id, serial, name FROM device WHERE user_id = $1 "
	    "ORDER BY serial, id LIMIT $2",
	    S_ARGS(S_TEXT(user_id), S_INT(limit)), out, e);
}

bool
enroll_db_user_count(
    struct store_tx *tx, const char *user_id, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool there;

	if (!store_query(tx, "SELECT COUNT(*) FROM device WHERE user_id = $1",
	        S_ARGS(S_TEXT(user_id)), &r, e) ||
	    !store_next(r, &there, e))
		return false;
	*out = there ? store_int(r, 0) : 0;
	return true;
}

bool
enroll_db_user_device(struct store_tx *tx, const char *user_id, char out[37],
    bool *found, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx, "SELECT id FROM device WHERE user_id = $1 LIMIT 1",
	        S_ARGS(S_TEXT(user_id)), &r, e) ||
	    !store_next(r, found, e))
		return false;
	if (*found)
		store_text_copy(r, 0, out, UUID_SIZE);
	return true;
}

bool
enroll_db_assign(struct store_tx *tx, const char *device_id,
    const char *user_id, struct err *e)
{
	return store_exec(tx,
	    "UPDATE device SET user_id = $1, updated_at = $2 WHERE id = $3",
	    S_ARGS(S_TEXT(user_id), S_INT(clock_now_ms()), S_TEXT(device_id)),
	    NULL, e);
}

/* ---- rollouts ---- */

#define ROLLOUT_COLUMNS                                                        \
	"SELECT id, device_id, user_id, state, reason, command_id, "           \
	"profile_identifier, fingerprint, attempts, retry_at, created_at, "    \
	"challenge_id FROM rollout "

/* The one row of a query over ROLLOUT_COLUMNS. */
static bool
one_rollout(struct store_tx *tx, const char *sql,
    const struct store_value *args, struct enroll_rollout *out, bool *found,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx, sql, args, &r, e) || !store_next(r, found, e))
		return false;
	if (!*found)
		return true;
	store_text_copy(r, 0, out->id, sizeof(out->id));
	store_text_copy(r, 1, out->device_id, sizeof(out->device_id));
	store_text_copy(r, 2, out->user_id, sizeof(out->user_id));
	store_text_copy(r, 3, out->state, sizeof(out->state));
	store_text_copy(r, 4, out->reason, sizeof(out->reason));
	store_text_copy(r, 5, out->command_id, sizeof(out->command_id));
	store_text_copy(
	    r, 6, out->profile_identifier, sizeof(out->profile_identifier));
	store_text_copy(r, 7, out->fingerprint, sizeof(out->fingerprint));
	out->attempts = store_int(r, 8);
	out->retry_at = store_int(r, 9);
	out->created_at = store_int(r, 10);
	store_text_copy(r, 11, out->challenge_id, sizeof(out->challenge_id));
	return true;
}

bool
enroll_db_rollout(struct store_tx *tx, const char *id,
    struct enroll_rollout *out, bool *found, struct err *e)
{
	return one_rollout(tx, ROLLOUT_COLUMNS "WHERE id = $1",
	    S_ARGS(S_TEXT(id)), out, found, e);
}

bool
enroll_db_rollout_alive(struct store_tx *tx, const char *device_id,
    struct enroll_rollout *out, bool *found, struct err *e)
{
	return one_rollout(tx,
	    ROLLOUT_COLUMNS "WHERE device_id = $1 "
	                    "AND state NOT IN ('removing', "
	                    "'removal-failed', 'removed') "
	                    "ORDER BY created_at DESC, id LIMIT 1",
	    S_ARGS(S_TEXT(device_id)), out, found, e);
}

bool
enroll_db_rollout_ever(struct store_tx *tx, const char *device_id,
    const char *user_id, bool *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx,
	           "SELECT 1 FROM rollout WHERE device_id = $1 AND "
	           "user_id = $2 LIMIT 1",
	           S_ARGS(S_TEXT(device_id), S_TEXT(user_id)), &r, e) &&
	       store_next(r, out, e);
}

bool
enroll_db_rollout_open(struct store_tx *tx, const char *device_id,
    struct enroll_rollout *out, bool *found, struct err *e)
{
	return one_rollout(tx,
	    ROLLOUT_COLUMNS "WHERE device_id = $1 "
	                    "AND state <> 'removed' "
	                    "ORDER BY created_at, id LIMIT 1",
	    S_ARGS(S_TEXT(device_id)), out, found, e);
}

bool
enroll_db_rollout_removed(struct store_tx *tx, const char *device_id,
    const char *reason, struct enroll_rollout *out, bool *found, struct err *e)
{
	return one_rollout(tx,
	    ROLLOUT_COLUMNS
	    "WHERE device_id = $1 AND state = 'removed' AND "
	    "reason = $2 AND created_at >= (SELECT "
	    "COALESCE(d.enrolled_at, 0) FROM device d WHERE d.id = $1) "
	    "ORDER BY created_at, id LIMIT 1",
	    S_ARGS(S_TEXT(device_id), S_TEXT(reason)), out, found, e);
}

bool
enroll_db_rollout_due(struct store_tx *tx, int64_t now_ms,
    struct enroll_rollout *out, bool *found, struct err *e)
{
	return one_rollout(tx,
	    ROLLOUT_COLUMNS "WHERE retry_at IS NOT NULL "
	                    "AND retry_at <= $1 "
	                    "ORDER BY retry_at LIMIT 1",
	    S_ARGS(S_INT(now_ms)), out, found, e);
}

bool
enroll_db_rollout_orphan(
    struct store_tx *tx, struct enroll_rollout *out, bool *found, struct err *e)
{
	return one_rollout(tx,
	    ROLLOUT_COLUMNS "WHERE command_id IS NOT NULL AND EXISTS (SELECT 1 "
	                    "FROM command c WHERE c.id = rollout.command_id "
	                    "AND c.done_at IS NOT NULL) LIMIT 1",
	    S_ARGS(), out, found, e);
}

bool
enroll_db_rollout_add(
    struct store_tx *tx, const struct enroll_rollout *r, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO rollout (id, device_id, user_id, state, reason, "
	    "command_id, profile_identifier, attempts, created_at, "
	    "updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
	    S_ARGS(S_TEXT(r->id), S_TEXT(r->device_id), S_TEXT(r->user_id),
	        S_TEXT(r->state), S_MAYBE(r->reason), S_MAYBE(r->command_id),
	        S_TEXT(r->profile_identifier), S_INT(r->attempts),
	        S_INT(r->created_at)),
	    NULL, e);
}

bool
enroll_db_rollout_save(
    struct store_tx *tx, const struct enroll_rollout *r, struct err *e)
{
	return store_exec(tx,
	    "UPDATE rollout SET state = $1, reason = $2, command_id = $3, "
	    "fingerprint = $4, attempts = $5, retry_at = $6, updated_at = $7, "
	    "challenge_id = $9 WHERE id = $8",
	    S_ARGS(S_TEXT(r->state), S_MAYBE(r->reason), S_MAYBE(r->command_id),
	        S_MAYBE(r->fingerprint), S_INT(r->attempts),
	        S_TIME(r->retry_at), S_INT(clock_now_ms()), S_TEXT(r->id),
	        S_MAYBE(r->challenge_id)),
	    NULL, e);
}

/* ---- certificates and challenges ---- */

bool
enroll_db_fingerprint(struct store_tx *tx, const char *sql,
    const struct store_value *args, char out[SHA256_HEX_SIZE], bool *found,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx, sql, args, &r, e) || !store_next(r, found, e))
		return false;
	if (*found)
		store_text_copy(r, 0, out, SHA256_HEX_SIZE);
	return true;
}

bool
enroll_db_older_certificate(struct store_tx *tx, const char *device_id,
    const char *keep, char out[SHA256_HEX_SIZE], bool *found, struct err *e)
{
	return enroll_db_fingerprint(tx,
	    "SELECT fingerprint FROM certificate WHERE device_id = $1 "
	    "AND purpose = 'rollout' "
	    "AND (state = 'issued' OR revoke_reason = 6) "
	    "AND fingerprint <> $2 LIMIT 1",
	    S_ARGS(S_TEXT(device_id), S_TEXT(keep)), out, found, e);
}

bool
enroll_db_purge_challenges(
    struct store_tx *tx, int64_t before_ms, int64_t limit, struct err *e)
{
	return store_exec(tx,
	    "DELETE FROM challenge WHERE mac IN (SELECT mac FROM challenge "
	    "WHERE expires_at < $1 LIMIT $2)",
	    S_ARGS(S_INT(before_ms), S_INT(limit)), NULL, e);
}
