/*
 * Rows of command.  No state; runs in the caller's transaction, on its
 * thread.
 */
#include "core/limits.h"
#include "mdm/mdm_db_priv.h"

#define COMMAND_COLUMNS                                                        \
	"q.id, q.enrollment_id, q.request_type, q.state, q.order_id, "         \
	"q.renderer, q.renderer_ref, q.body, q.urgent, q.done_at, "            \
	"q.deliveries, q.not_now, q.expires_at, q.queued_at, e.device_id, "    \
	"q.result IS NOT NULL"
#define FROM_COMMAND                                                           \
	" FROM command q JOIN enrollment e ON e.id = q.enrollment_id "

void
mdm_db_command_clear(struct mdm_db_command *c)
{
	buf_free(&c->body);
}

bool
mdm_db_command_take(
    struct store_rows *r, struct mdm_db_command *out, struct err *e)
{
	struct slice body;
	bool found;

	if (!store_next(r, &found, e))
		return false;
	*out = (struct mdm_db_command){ 0 };
	if (!found)
		return true;
	mdm_db_copy(out->id, sizeof(out->id), r, 0);
	mdm_db_copy(out->enrollment_id, sizeof(out->enrollment_id), r, 1);
	mdm_db_copy(out->request_type, sizeof(out->request_type), r, 2);
	mdm_db_copy(out->state, sizeof(out->state), r, 3);
	mdm_db_copy(out->order_id, sizeof(out->order_id), r, 4);
	mdm_db_copy(out->renderer, sizeof(out->renderer), r, 5);
	mdm_db_copy(out->renderer_ref, sizeof(out->renderer_ref), r, 6);
	body = store_blob(r, 7);
	if (body.len > 0) {
		out->body = buf_new(body.len + 1);
		buf_add(out->body, body.p, body.len);
	}
	out->urgent = store_int(r, 8) != 0;
	out->done = !store_null(r, 9);
	out->deliveries = store_int(r, 10);
	out->not_now = store_int(r, 11);
	out->expires_at = store_int(r, 12);
	out->queued_at = store_int(r, 13);
	mdm_db_copy(out->device_id, sizeof(out->device_id), r, 14);
	out->answered = store_int(r, 15) != 0;
	return true;
}

static bool
read_one(struct store_tx *tx, const char *sql, const struct store_value *args,
    struct mdm_db_command *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return store_query(tx, sql, args, &r, e) &&
	       mdm_db_command_take(r, out, e);
}

bool
mdm_db_command_ask(
    struct store_tx *tx, const char *id, struct store_rows **out, struct err *e)
{
	return store_query_later(tx,
	    "SELECT " COMMAND_COLUMNS FROM_COMMAND "WHERE q.id = $1",
	    S_ARGS(S_TEXT(id)), out, e);
}

bool
mdm_db_command_get(struct store_tx *tx, const char *id,
    struct mdm_db_command *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return mdm_db_command_ask(tx, id, &r, e) &&
	       mdm_db_command_take(r, out, e);
}

bool
mdm_db_command_next(struct store_tx *tx, const char *enrollment_id,
    bool not_now, struct mdm_db_command *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return mdm_db_command_ask_next(tx,
	           &(struct mdm_next){ .enrollment_id = enrollment_id,
	               .but = "",
	               .not_now = not_now },
	           &r, e) &&
	       mdm_db_command_take(r, out, e);
}

bool
mdm_db_command_ask_next(struct store_tx *tx, const struct mdm_next *n,
    struct store_rows **out, struct err *e)
{
	return store_query_later(tx,
	    "SELECT " COMMAND_COLUMNS FROM_COMMAND
	    "WHERE q.enrollment_id = $1 AND q.done_at IS NULL AND "
	    "q.id <> $3 AND ($2 = 1 OR q.state <> 'not-now' OR q.delivered_at "
	    "< "
	    "(SELECT session_at FROM enrollment WHERE id = $1)) "
	    "ORDER BY q.urgent DESC, q.sort_key LIMIT 1",
	    S_ARGS(S_TEXT(n->enrollment_id), S_INT(n->not_now), S_TEXT(n->but)),
	    out, e);
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
	return store_exec(tx,
	    "INSERT INTO command (id, enrollment_id, request_type, body, "
	    "renderer, renderer_ref, state, urgent, sort_key, origin, "
	    "order_id, queued_at, queued_by, expires_at) VALUES ($1, $2, $3, "
	    "$4, $5, $6, 'queued', $7, (SELECT COALESCE(MAX(sort_key), 0) + 1 "
	    "FROM command), $8, $9, $10, $11, $12)",
	    S_ARGS(S_TEXT(id), S_TEXT(c->enrollment_id),
	        S_TEXT(c->request_type), S_BLOB(body), mdm_db_text(c->renderer),
	        mdm_db_text(c->renderer_ref), S_INT(c->urgent),
	        S_TEXT(c->origin), mdm_db_text(c->order_id), S_INT(now),
	        S_TEXT(c->by), S_TIME(c->expires_at)),
	    NULL, e);
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
	        mdm_db_text(how->domain), mdm_db_text(how->text)),
	    e);
}

bool
mdm_db_patience_ask(struct store_tx *tx, const struct mdm_next *n,
    struct store_rows **out, struct err *e)
{
	return store_query_later(tx,
	    "SELECT MAX(not_now), MAX(CASE WHEN urgent = 1 THEN queued_at END) "
	    "FROM command WHERE enrollment_id = $1 "
	    "AND done_at IS NULL AND id <> $2",
	    S_ARGS(S_TEXT(n->enrollment_id), S_TEXT(n->but)), out, e);
}

bool
mdm_db_patience_take(
    struct store_rows *r, struct mdm_patience *out, struct err *e)
{
	bool found;

	if (!store_next(r, &found, e))
		return false;
	*out = (struct mdm_patience){ .not_now = -1 };
	if (found && !store_null(r, 0)) {
		out->not_now = store_int(r, 0);
		out->urgent_at = store_int(r, 1);
	}
	return true;
}

bool
mdm_db_command_patience(struct store_tx *tx, const char *enrollment_id,
    struct mdm_patience *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return mdm_db_patience_ask(tx,
	           &(struct mdm_next){
	               .enrollment_id = enrollment_id, .but = "" },
	           &r, e) &&
	       mdm_db_patience_take(r, out, e);
}
