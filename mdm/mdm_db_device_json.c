/*
 * What the API shows of a device beyond its row.  No state; runs in the
 * caller's transaction, on its thread.
 */
#include "core/json.h"
#include "mdm/mdm_db_priv.h"

bool
mdm_db_device_more(struct store_tx *tx, const char *id, char user_out[256],
    int64_t *open_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!mdm_db_one(tx,
	        "SELECT u.name, (SELECT COUNT(*) FROM enrollment n JOIN "
	        "command q ON q.enrollment_id = n.id AND q.done_at IS NULL "
	        "WHERE n.device_id = d.id) FROM device d LEFT JOIN users u ON "
	        "u.id = d.user_id WHERE d.id = $1",
	        S_ARGS(S_TEXT(id)), &r, &found, e))
		return false;
	user_out[0] = '\0';
	*open_out = 0;
	if (found) {
		store_text_copy(r, 0, user_out, 256);
		*open_out = store_int(r, 1);
	}
	return true;
}

static void
put_int_or_null(json_t *o, const char *key, const struct store_rows *r, int col)
{
	if (store_null(r, col))
		json_put_str(o, key, NULL);
	else
		json_put_int(o, key, store_int(r, col));
}

bool
mdm_db_enrollments_json(
    struct store_tx *tx, const char *device_id, json_t *array, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!mdm_db_one(tx,
	        "SELECT id, channel, state, user_short_name, token_at, "
	        "push_state, push_due_at, push_last_at, push_last_id, "
	        "push_last_status, push_last_reason, last_seen_at "
	        "FROM enrollment WHERE device_id = $1 ORDER BY id LIMIT 100",
	        S_ARGS(S_TEXT(device_id)), &r, &more, e))
		return false;
	while (more) {
		json_t *o = json_object();

		json_put_str(o, "id", store_text(r, 0));
		json_put_str(o, "channel", store_text(r, 1));
		json_put_str(o, "state", store_text(r, 2));
		json_put_str(o, "user", store_text(r, 3));
		json_put_time(o, "token_at", store_int(r, 4));
		json_put_str(o, "push_state", store_text(r, 5));
		json_put_time(o, "push_due_at", store_int(r, 6));
		json_put_time(o, "push_last_at", store_int(r, 7));
		json_put_str(o, "push_last_id", store_text(r, 8));
		put_int_or_null(o, "push_last_status", r, 9);
		json_put_str(o, "push_last_reason", store_text(r, 10));
		json_put_time(o, "last_seen_at", store_int(r, 11));
		json_array_append_new(array, o);
		if (!store_next(r, &more, e))
			return false;
	}
	return true;
}

bool
mdm_db_rollout_json(
    struct store_tx *tx, const char *device_id, json_t **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	json_t *o;
	bool found;

	if (!mdm_db_one(tx,
	        "SELECT state, reason, updated_at, fingerprint FROM rollout "
	        "WHERE device_id = $1 ORDER BY created_at DESC, id DESC "
	        "LIMIT 1",
	        S_ARGS(S_TEXT(device_id)), &r, &found, e))
		return false;
	o = found ? json_object() : json_null();
	if (found) {
		json_put_str(o, "state", store_text(r, 0));
		json_put_str(o, "reason", store_text(r, 1));
		json_put_time(o, "updated_at", store_int(r, 2));
		json_put_str(o, "fingerprint", store_text(r, 3));
	}
	*out = o;
	return true;
}
