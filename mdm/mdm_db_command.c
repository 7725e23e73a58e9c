/*
 * Rows of command.  No state; runs in the caller's transaction, on its
 * thread.
 */
#include "core/limits.h"
#include "mdm/mdm_db_priv.h"

/* The order of mdm_db_command_read(); and the body, where it is wanted. */
#define COMMAND_COLUMNS MDM_DB_COMMAND_COLUMNS("q") ", q.body"
#define FROM_COMMAND                                                           \
	" FROM command q JOIN enrollment e ON e.id = q.enrollment_id "

void
mdm_db_command_clear(struct mdm_db_command *c)
{
	buf_free(&c->body);
}

void
mdm_db_command_read(
    const struct store_rows *r, int col, struct mdm_db_command *out)
{
	*out = (struct mdm_db_command){ 0 };
	store_text_copy(r, col, out->id, sizeof(out->id));
	store_text_copy(
	    r, col + 1, out->enrollment_id, sizeof(out->enrollment_id));
	store_text_copy(
	    r, col + 2, out->request_type, sizeof(out->request_type));
	store_text_copy(r, col + 3, out->state, sizeof(out->state));
	store_text_copy(r, col + 4, out->order_id, sizeof(out->order_id));
	store_text_copy(r, col + 5, out->renderer, sizeof(out->renderer));
	store_text_copy(
	    r, col + 6, out->renderer_ref, sizeof(out->renderer_ref));
	out->urgent = store_int(r, col + 7) != 0;
	out->done = !store_null(r, col + 8);
	out->deliveries = store_int(r, col + 9);
	out->not_now = store_int(r, col + 10);
	out->expires_at = store_int(r, col + 11);
	out->queued_at = store_int(r, col + 12);
	store_text_copy(r, col + 13, out->device_id, sizeof(out->device_id));
	out->answered = store_int(r, col + 14) != 0;
}

void
mdm_db_command_read_body(
    const struct store_rows *r, int col, struct mdm_db_command *out)
{
	struct slice body = store_blob(r, col);

	if (body.len == 0)
		return;
	out->body = buf_new(body.len + 1);
	buf_add(out->body, body.p, body.len);
}

static bool
take(struct store_rows *r, struct mdm_db_command *out, struct err *e)
{
	bool found;

	if (!store_next(r, &found, e))
		return false;
	*out = (struct mdm_db_command){ 0 };
	if (!found)
		return true;
	mdm_db_command_read(r, 0, out);
	mdm_db_command_read_body(r, MDM_DB_COMMAND_COUNT, out);
	return true;
}

static bool
read_one(struct store_tx *tx, const char *sql, const struct store_value *args,
    struct mdm_db_command *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx, sql, args, &r, e) && take(r, out, e);
}

bool
mdm_db_command_get(struct store_tx *tx, const char *id,
    struct mdm_db_command *out, struct err *e)
{
	return read_one(tx,
	    "SELECT " COMMAND_COLUMNS FROM_COMMAND "WHERE q.id = $1",
	    S_ARGS(S_TEXT(id)), out, e);
}

bool
mdm_db_command_next(struct store_tx *tx, const char *enrollment_id,
    bool not_now, struct mdm_db_command *out, struct err *e)
{
	return read_one(tx,
	    "SELECT " COMMAND_COLUMNS FROM_COMMAND
	    "WHERE q.enrollment_id = $1 AND q.done_at IS NULL AND "
	    "($2 = 1 OR q.state <> 'not-now' OR q.delivered_at < "
	    "(SELECT session_at FROM enrollment WHERE id = $1)) "
	    "ORDER BY q.urgent DESC, q.sort_key LIMIT 1",
	    S_ARGS(S_TEXT(enrollment_id), S_INT(not_now)), out, e);
}

bool
mdm_db_command_open(struct store_tx *tx, const char *enrollment_id,
    struct mdm_db_command *out, struct err *e)
{
	return mdm_db_command_next(tx, enrollment_id, true, out, e);
}

bool
mdm_db_command_stale(
    struct store_tx *tx, int64_t now, struct mdm_db_command *out, struct err *e)
{
	return read_one(tx,
	    "SELECT " COMMAND_COLUMNS FROM_COMMAND
	    "WHERE q.done_at IS NULL AND q.expires_at <= $1 LIMIT 1",
	    S_ARGS(S_INT(now)), out, e);
}

bool
mdm_db_command_waits(struct store_tx *tx, const char *enrollment_id,
    const char *request_type, bool *out, struct err *e)
{
	return mdm_db_exists(tx,
	    "SELECT 1 FROM command WHERE enrollment_id = $1 AND "
	    "done_at IS NULL AND request_type = $2 LIMIT 1",
	    S_ARGS(S_TEXT(enrollment_id), S_TEXT(request_type)), out, e);
}

bool
mdm_db_command_add(struct store_tx *tx, const char *id,
    const struct mdm_command *c, struct slice body, int64_t now, struct err *e)
{
	return store_exec_later(tx,
	    "INSERT INTO command (id, enrollment_id, request_type, body, "
	    "renderer, renderer_ref, state, urgent, sort_key, origin, "
	    "order_id, queued_at, queued_by, expires_at) VALUES ($1, $2, $3, "
	    "$4, $5, $6, 'queued', $7, (SELECT COALESCE(MAX(sort_key), 0) + 1 "
	    "FROM command), $8, $9, $10, $11, $12)",
	    S_ARGS(S_TEXT(id), S_TEXT(c->enrollment_id),
	        S_TEXT(c->request_type), S_BLOB(body), S_MAYBE(c->renderer),
	        S_MAYBE(c->renderer_ref), S_INT(c->urgent), S_TEXT(c->origin),
	        S_MAYBE(c->order_id), S_INT(now), S_TEXT(c->by),
	        S_TIME(c->expires_at)),
	    e);
}

bool
mdm_db_command_delivered(
    struct store_tx *tx, const char *id, int64_t now, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE command SET state = 'delivered', delivered_at = $2, "
	    "deliveries = deliveries + 1 WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_INT(now)), e);
}

bool
mdm_db_command_not_now(struct store_tx *tx, const char *id,
    const char *enrollment_id, struct err *e)
{
	return store_exec_later(tx,
	           "UPDATE command SET state = 'not-now', "
	           "not_now = not_now + 1 WHERE id = $1",
	           S_ARGS(S_TEXT(id)), e) &&
	       store_exec_later(tx,
	           "UPDATE enrollment SET not_now_count = not_now_count + 1 "
	           "WHERE id = $1",
	           S_ARGS(S_TEXT(enrollment_id)), e);
}

bool
mdm_db_command_end(struct store_tx *tx, const char *id,
    const struct mdm_ending *how, int64_t now, struct err *e)
{
	return store_exec_later(tx,
	    "UPDATE command SET state = $2, done_at = $3, result = $4, "
	    "error_code = $5, error_domain = $6, error_text = $7 "
	    "WHERE id = $1",
	    S_ARGS(S_TEXT(id), S_TEXT(how->state), S_INT(now),
	        S_BLOB(how->result), how->has_code ? S_INT(how->code) : S_NULL,
	        S_MAYBE(how->domain), S_MAYBE(how->text)),
	    e);
}

bool
mdm_db_command_patience(struct store_tx *tx, const char *enrollment_id,
    struct mdm_patience *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool found;

	*out = (struct mdm_patience){ .not_now = -1 };
	if (!mdm_db_one(tx,
	        "SELECT MAX(q.not_now), "
	        "MAX(CASE WHEN q.urgent = 1 THEN q.queued_at END) "
	        "FROM command q "
	        "WHERE q.enrollment_id = $1 AND q.done_at IS NULL",
	        S_ARGS(S_TEXT(enrollment_id)), &r, &found, e))
		return false;
	if (!found || store_null(r, 0))
		return true;
	out->not_now = store_int(r, 0);
	out->urgent_at = store_int(r, 1);
	return true;
}
