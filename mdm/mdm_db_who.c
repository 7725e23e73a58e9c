/*
 * The statement every request of a device begins with, and what is kept of a
 * visit.  No state; runs in the caller's transaction, on its thread.
 */
#include "certs/cert_template.h"
#include "mdm/mdm_db_priv.h"

void
mdm_db_who_read(const struct store_rows *r, struct mdm_who *out)
{
	struct mdm_who w = { .certificate = true };

	store_text_copy(r, 0, w.purpose, sizeof(w.purpose));
	w.revoked = !str_eq(store_text(r, 1), "issued");
	w.not_before = store_int(r, 2);
	w.not_after = store_int(r, 3);
	store_text_copy(r, 4, w.owner_id, sizeof(w.owner_id));
	w.enrollment = !store_null(r, MDM_DB_WHO_DEVICE);
	store_text_copy(r, 12, w.template, sizeof(w.template));
	w.used = !store_null(r, 13);
	w.outgoing = !store_null(r, 14);
	w.outgoing_at = store_int(r, 14);
	if (w.enrollment) {
		store_text_copy(
		    r, MDM_DB_WHO_DEVICE, w.device_id, sizeof(w.device_id));
		store_text_copy(r, 6, w.state, sizeof(w.state));
		w.seen_at = store_int(r, 7);
		w.push_due = !store_null(r, 8);
		store_text_copy(r, 9, w.device_state, sizeof(w.device_state));
		w.chip = mdm_chip_from_name(store_text(r, 10));
		w.device_changed_at = store_int(r, 11);
	}
	*out = w;
}

bool
mdm_db_who(struct store_tx *tx, const char *fingerprint,
    const char *enrollment_id, struct mdm_who *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	*out = (struct mdm_who){ 0 };
	if (!mdm_db_one(tx,
	        "SELECT " MDM_DB_WHO_COLUMNS ", "
	        "EXISTS (SELECT 1 FROM command q WHERE q.enrollment_id = e.id "
	        "AND q.done_at IS NULL) "
	        "FROM certificate c "
	        "LEFT JOIN enrollment e ON e.id = $2 "
	        "LEFT JOIN device d ON d.id = e.device_id "
	        "WHERE c.fingerprint = $1",
	        S_ARGS(S_TEXT(fingerprint), S_TEXT(enrollment_id)), &r, &found,
	        e))
		return false;
	if (!found)
		return true;
	mdm_db_who_read(r, out);
	out->open = store_int(r, MDM_DB_WHO_COUNT) != 0;
	return true;
}

void
mdm_db_seen(struct store *st, const char *enrollment_id, const char *device_id,
    int64_t now)
{
	/* A command queued in the meantime keeps its push. */
	store_defer(st,
	    "UPDATE enrollment SET last_seen_at = $2, push_due_at = NULL, "
	    "push_attempts = 0 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM "
	    "command q WHERE q.enrollment_id = $1 AND q.done_at IS NULL)",
	    S_ARGS(S_TEXT(enrollment_id), S_INT(now)));
	store_defer(st, "UPDATE device SET last_seen_at = $2 WHERE id = $1",
	    S_ARGS(S_TEXT(device_id), S_INT(now)));
}

void
mdm_db_first_seen(struct store *st, const char *fingerprint, int64_t now)
{
	store_defer(st,
	    "UPDATE certificate SET first_seen_at = $2 WHERE fingerprint = $1 "
	    "AND first_seen_at IS NULL",
	    S_ARGS(S_TEXT(fingerprint), S_INT(now)));
}

bool
mdm_db_outgoing_seen(
    struct store_tx *tx, const char *device_id, int64_t now, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE identity_renewal SET old_seen_at = $2 WHERE device_id = $1",
	    S_ARGS(S_TEXT(device_id), S_INT(now)), e);
}

bool
mdm_db_other_identity(struct store_tx *tx, const char *device_id,
    const char *fingerprint, char out[65], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	if (!mdm_db_one(tx,
	        "SELECT fingerprint FROM certificate WHERE device_id = $1 AND "
	        "purpose IN ('enroll', 'renew') AND "
	        "template = '" CERT_TEMPLATE_DEVICE "' AND "
	        "(state = 'issued' OR revoke_reason = 6) AND "
	        "fingerprint <> $2 AND NOT EXISTS (SELECT 1 FROM enrollment n "
	        "WHERE n.device_id = $1 AND n.state <> 'left' AND "
	        "n.identity = certificate.fingerprint) LIMIT 1",
	        S_ARGS(S_TEXT(device_id), S_TEXT(fingerprint)), &r, &found, e))
		return false;
	out[0] = '\0';
	if (found)
		store_text_copy(r, 0, out, 65);
	return true;
}
