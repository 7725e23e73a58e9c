/*
 * Rows of device.  No state; runs in the caller's transaction, on its thread.
 */
#include "mdm/mdm_db_priv.h"

const int mdm_db_device_user_col = MDM_DB_DEVICE_COUNT,
          mdm_db_device_open_col = MDM_DB_DEVICE_COUNT + 1;

void
mdm_db_device_read(const struct store_rows *r, int col, struct mdm_device *out)
{
	struct mdm_device d = { 0 };

	store_text_copy(r, col, d.id, sizeof(d.id));
	store_text_copy(r, col + 1, d.udid, sizeof(d.udid));
	store_text_copy(r, col + 2, d.serial, sizeof(d.serial));
	store_text_copy(r, col + 3, d.state, sizeof(d.state));
	store_text_copy(r, col + 4, d.name, sizeof(d.name));
	store_text_copy(r, col + 5, d.model_id, sizeof(d.model_id));
	store_text_copy(r, col + 6, d.model_name, sizeof(d.model_name));
	d.name_too_long = store_int(r, col + 7) != 0;
	d.chip = mdm_chip_from_name(store_text(r, col + 8));
	store_text_copy(r, col + 9, d.os_version, sizeof(d.os_version));
	store_text_copy(r, col + 10, d.os_build, sizeof(d.os_build));
	store_text_copy(r, col + 11, d.user_id, sizeof(d.user_id));
	d.enrolled_at = store_int(r, col + 12);
	d.last_seen_at = store_int(r, col + 13);
	d.created_at = store_int(r, col + 14);
	d.updated_at = store_int(r, col + 15);
	d.information_at = store_int(r, col + 16);
	d.security_at = store_int(r, col + 17);
	d.chip_heard = (unsigned)store_int(r, col + 18);
	*out = d;
}

bool
mdm_db_device_get(struct store_tx *tx, enum mdm_db_key by, const char *value,
    struct mdm_device *out, bool *found_out, struct err *e)
{
	static const char *const sql[] = {
		[MDM_BY_ID] = "SELECT " MDM_DB_DEVICE_COLUMNS
		              " FROM device d WHERE d.id = $1",
		[MDM_BY_UDID] = "SELECT " MDM_DB_DEVICE_COLUMNS
		                " FROM device d WHERE d.udid = $1",
		[MDM_BY_SERIAL] = "SELECT " MDM_DB_DEVICE_COLUMNS
		                  " FROM device d WHERE d.serial = $1",
	};
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!mdm_db_one(tx, sql[by], S_ARGS(S_TEXT(value)), &r, found_out, e))
		return false;
	if (*found_out)
		mdm_db_device_read(r, 0, out);
	return true;
}

bool
mdm_db_device_any(struct store_tx *tx, const char *any, const char *serial,
    struct mdm_device out[2], int *count_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more = false;
	int count = 0;

	if (!mdm_db_one(tx,
	        "SELECT " MDM_DB_DEVICE_COLUMNS
	        " FROM device d WHERE " MDM_DB_DEVICE_ANY("$1", "$2"),
	        S_ARGS(S_TEXT(any), S_TEXT(serial)), &r, &more, e))
		return false;
	while (more) {
		mdm_db_device_read(r, 0, &out[count++]);
		if (!store_next(r, &more, e))
			return false;
	}
	*count_out = count;
	return true;
}

bool
mdm_db_device_add(
    struct store_tx *tx, const struct mdm_device *d, struct err *e)
{
	return store_exec(tx,
	    "INSERT INTO device (id, udid, serial, state, created_at, "
	    "updated_at) VALUES ($1, $2, $3, $4, $5, $5)",
	    S_ARGS(S_TEXT(d->id), S_TEXT(d->udid), S_MAYBE(d->serial),
	        S_TEXT(d->state), S_INT(d->created_at)),
	    NULL, e);
}

bool
mdm_db_device_save(
    struct store_tx *tx, const struct mdm_device *d, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE device SET udid = $2, serial = $3, state = $4, name = $5, "
	    "name_too_long = $6, model_id = $7, model_name = $8, chip = $9, "
	    "os_version = $10, os_build = $11, enrolled_at = $12, "
	    "last_seen_at = $13, updated_at = $14, chip_heard = $15 "
	    "WHERE id = $1",
	    S_ARGS(S_TEXT(d->id), S_TEXT(d->udid), S_MAYBE(d->serial),
	        S_TEXT(d->state), S_MAYBE(d->name), S_INT(d->name_too_long),
	        S_MAYBE(d->model_id), S_MAYBE(d->model_name),
	        S_TEXT(mdm_chip_name(d->chip)), S_MAYBE(d->os_version),
	        S_MAYBE(d->os_build), S_TIME(d->enrolled_at),
	        S_TIME(d->last_seen_at), S_INT(d->updated_at),
	        S_INT(d->chip_heard)),
	    e);
}

bool
mdm_db_device_state(struct store_tx *tx, const char *id, const char *state,
    int64_t now, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE device SET state = $2, updated_at = $3 WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_TEXT(state), S_INT(now)), e);
}

/* ':' is in no UDID that a Mac may claim. */
bool
mdm_db_device_delete(
    struct store_tx *tx, const char *id, int64_t now, struct err *e)
{
	return store_exec(tx,
	    "UPDATE device SET state = 'deleted', deleted_serial = serial, "
	    "serial = NULL, udid = 'deleted:' || id, user_id = NULL, "
	    "updated_at = $2 WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_INT(now)), NULL, e);
}

#define HEIR_KEEPS_USER                                                        \
	"UPDATE device SET user_id = COALESCE(user_id, (SELECT o.user_id "     \
	"FROM device o WHERE o.id = $1)) WHERE id = $2"

bool
mdm_db_device_merge(
    struct store_tx *tx, const char *from, const char *into, struct err *e)
{
	static const char *const sql[] = {
		HEIR_KEEPS_USER,
		"UPDATE enrollment SET device_id = $2 WHERE device_id = $1",
		"UPDATE orders SET device_id = $2 WHERE device_id = $1",
		"UPDATE rollout SET device_id = $2 WHERE device_id = $1",
		"UPDATE certificate SET device_id = $2 WHERE device_id = $1",
		"UPDATE challenge SET device_id = $2 WHERE device_id = $1",
		"UPDATE scep_request SET device_id = $2 WHERE device_id = $1",
		/* The identity that it is about has ended. */
		"DELETE FROM identity_renewal"
		" WHERE device_id = $1 AND device_id <> $2",
		"UPDATE event SET device_id = $2 WHERE device_id = $1",
		"DELETE FROM device WHERE id = $1 AND id <> $2",
	};

	for (size_t i = 0; i < COUNT(sql); i++)
		if (!store_exec(tx, sql[i], S_ARGS(S_TEXT(from), S_TEXT(into)),
		        NULL, e))
			return false;
	return true;
}

void
mdm_reported_clear(struct mdm_reported *r)
{
	str_free(&r->information);
	str_free(&r->security);
}

bool
mdm_db_device_reported(struct store_tx *tx, const char *id,
    struct mdm_reported *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!mdm_db_one(tx,
	        "SELECT information, security FROM device WHERE id = $1",
	        S_ARGS(S_TEXT(id)), &r, &found, e))
		return false;
	*out = (struct mdm_reported){ 0 };
	if (found) {
		out->information = str_dup(store_text(r, 0));
		out->security = str_dup(store_text(r, 1));
	}
	return true;
}

/* ---- for a report ---- */

void
mdm_known_clear(struct mdm_known *k)
{
	mdm_reported_clear(&k->reported);
}

bool
mdm_db_device_information(struct store_tx *tx, const char *id, const char *json,
    int64_t now, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE device SET information = $2, information_at = $3 "
	    "WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_TEXT(json), S_INT(now)), e);
}

bool
mdm_db_device_security(struct store_tx *tx, const char *id, const char *json,
    int64_t now, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE device SET security = $2, security_at = $3 WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_TEXT(json), S_INT(now)), e);
}

bool
mdm_db_device_rows(struct store_tx *tx, const struct mdm_device_page *page,
    const char *after_serial, const char *after_id, struct store_rows **out,
    struct err *e)
{
	/* like: of store_like() */
	return store_query(tx,
	    "SELECT " MDM_DB_DEVICE_COLUMNS ", u.name, (SELECT COUNT(*) FROM "
	    "enrollment n JOIN command q ON q.enrollment_id = n.id AND "
	    "q.done_at IS NULL WHERE n.device_id = d.id) "
	    "FROM device d LEFT JOIN users u ON u.id = d.user_id "
	    "WHERE (COALESCE(d.serial, ''), d.id) > ($1, $2) AND "
	    "d.state <> 'deleted' AND "
	    "(CAST($3 AS TEXT) IS NULL OR "
	    "LOWER(d.name) LIKE LOWER($3) ESCAPE '!' OR "
	    "LOWER(d.serial) LIKE LOWER($3) ESCAPE '!' OR "
	    "LOWER(d.udid) LIKE LOWER($3) ESCAPE '!' OR "
	    "LOWER(u.name) LIKE LOWER($3) ESCAPE '!') "
	    "ORDER BY COALESCE(d.serial, ''), d.id LIMIT $4",
	    S_ARGS(S_TEXT(after_serial), S_TEXT(after_id), S_TEXT(page->like),
	        S_INT(page->limit + 1)),
	    out, e);
}
