/*
 * Where a command would go.  No state; runs in the caller's transaction, on
 * its thread.
 */
#include "mdm/mdm_priv.h"

enum {
	COL_ENROLLMENT,
	COL_STATE,
	COL_TOKEN,
	COL_PUSH_STATE,
	COL_PUSH_DUE,
	COL_PUSH_LAST,
	COL_PUSH_STATUS,
	COL_PUSH_REASON,
	COL_PUSH_ID,
	COL_PUSH_CLAIM,
	COL_SEEN,
	COL_PUSH_CERT,
	COL_PUSH_ACCEPTED,
	COL_URGENT,
	COL_TAKEN,
	COL_DEVICE,
	COL_SERIAL,
	COL_CHIP,
	COL_IDENTITY
};

#define TARGET_COLUMNS                                                         \
	"e.id, e.state, e.push_token IS NOT NULL, e.push_state, "              \
	"e.push_due_at, e.push_last_at, e.push_last_status, "                  \
	"e.push_last_reason, e.push_last_id, e.push_claim_until, "             \
	"e.last_seen_at, (SELECT MAX(p.not_after) FROM push_certificate p "    \
	"WHERE p.topic = e.topic AND p.state = 'active'), "                    \
	"e.push_accepted_at, "                                                 \
	"EXISTS (SELECT 1 FROM command q WHERE q.enrollment_id = e.id AND "    \
	"q.done_at IS NULL AND q.urgent = 1), "                                \
	"EXISTS (SELECT 1 FROM command t WHERE t.id = $2), "                   \
	"d.id, COALESCE(d.serial, d.deleted_serial), "                         \
	"d.chip, " MDM_DB_IDENTITY("d.id") " "

static void
read_enrollment(const struct store_rows *r, struct mdm_target *t)
{
	store_text_copy(
	    r, COL_ENROLLMENT, t->enrollment_id, sizeof(t->enrollment_id));
	store_text_copy(r, COL_STATE, t->state, sizeof(t->state));
	store_text_copy(
	    r, COL_PUSH_STATE, t->push_state, sizeof(t->push_state));
	store_text_copy(r, COL_PUSH_REASON, t->push_last_reason,
	    sizeof(t->push_last_reason));
	store_text_copy(
	    r, COL_PUSH_ID, t->push_last_id, sizeof(t->push_last_id));
	t->has_token = store_int(r, COL_TOKEN) != 0;
	t->push_last_status = store_int(r, COL_PUSH_STATUS);
	t->push_claim_until = store_int(r, COL_PUSH_CLAIM);
	t->seen_at = store_int(r, COL_SEEN);
	t->push_cert_not_after = store_int(r, COL_PUSH_CERT);
	t->push_accepted_at = store_int(r, COL_PUSH_ACCEPTED);
	t->due = (struct apns_due){
		.can = t->has_token && str_eq(t->push_state, "ok") &&
		       str_eq(t->state, "enrolled"),
		.urgent = store_int(r, COL_URGENT) != 0,
		.at = store_int(r, COL_PUSH_DUE),
		.last_at = store_int(r, COL_PUSH_LAST),
	};
}

static void
read_target(const struct store_rows *r, struct mdm_target *out)
{
	out->device = true;
	store_text_copy(r, COL_DEVICE, out->device_id, sizeof(out->device_id));
	store_text_copy(r, COL_SERIAL, out->serial, sizeof(out->serial));
	out->chip = mdm_chip_from_name(store_text(r, COL_CHIP));
	out->taken = store_int(r, COL_TAKEN) != 0;
	out->identity = store_int(r, COL_IDENTITY);
	out->found = !store_null(r, COL_ENROLLMENT);
	if (out->found)
		read_enrollment(r, out);
}

bool
mdm_db_target(struct store_tx *tx, const char *enrollment_id,
    const char *command_id, struct mdm_target *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	*out = (struct mdm_target){ 0 };
	if (!mdm_db_one(tx,
	        "SELECT " TARGET_COLUMNS "FROM enrollment e JOIN device d "
	        "ON d.id = e.device_id WHERE e.id = $1",
	        S_ARGS(S_TEXT(enrollment_id), S_TEXT(command_id)), &r, &found,
	        e))
		return false;
	if (found)
		read_target(r, out);
	return true;
}

/* One row a device; the newest enrolment of each. */
static const char targets_of[] =
    "SELECT " TARGET_COLUMNS "FROM device d LEFT JOIN enrollment e "
    "ON e.id = (SELECT n.id FROM enrollment n WHERE n.device_id = d.id "
    "AND n.channel = 'device' AND n.state = 'enrolled' "
    "ORDER BY n.token_at DESC LIMIT 1) WHERE " MDM_DB_DEVICE_ANY("$1", "$3");

void
mdm_db_target_question(struct mdm_db_target_ask *ask, const char *any,
    const char *command_id, struct store_question *out)
{
	ask->any = any;
	mdm_device_serial(ask->serial, any);
	ask->args[0] = S_TEXT(any);
	ask->args[1] = S_TEXT(command_id);
	ask->args[2] = S_TEXT(ask->serial);
	ask->args[3] = (struct store_value){ .type = STORE_END };
	*out = (struct store_question){
		.sql = targets_of,
		.args = ask->args,
		.scope_col = COL_DEVICE,
		.also = command_id,
	};
}

bool
mdm_db_target_of(struct store_tx *tx, const struct mdm_db_target_ask *ask,
    const struct store_question *q, struct mdm_target *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	*out = (struct mdm_target){ 0 };
	if (!mdm_db_one(tx, q->sql, q->args, &r, &more, e))
		return false;
	if (!more)
		return true;
	read_target(r, out);
	if (str_eq(out->device_id, ask->any))
		return true;
	if (!store_next(r, &more, e))
		return false;
	/* Of several devices it is none. */
	if (more)
		*out = (struct mdm_target){ 0 };
	return true;
}
