/*
 * Commands as the API shows them, with a sentence (mdm_why.c) that says why
 * one waits or how it ended.  No state; runs in the caller's transaction, on
 * its thread.
 */
#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"
#include "mdm/mdm_db_priv.h"
#include "mdm/mdm_why.h"

/* Pushed is what is queued since before the last push that APNs took. */
#define STATE                                                                  \
	"CASE WHEN q.state = 'queued' AND q.queued_at <= e.push_accepted_at "  \
	"THEN 'pushed' ELSE q.state END"
#define SHOWN_COLUMNS                                                          \
	"q.id, d.id, COALESCE(d.serial, d.deleted_serial), "                   \
	"q.request_type, " STATE ", q.origin, "                                \
	"q.queued_at, q.queued_by, q.delivered_at, q.deliveries, q.not_now, "  \
	"q.done_at, q.error_code, q.error_domain, q.error_text, q.sort_key, "  \
	"q.expires_at, q.order_id, e.state, e.push_state, e.push_due_at, "     \
	"e.push_last_at, e.push_last_status, e.push_last_reason, "             \
	"CASE WHEN e.push_token IS NULL THEN 0 ELSE 1 END, e.id, "             \
	"e.last_seen_at, e.push_claim_until, e.push_last_id, "                 \
	"(SELECT MAX(p.not_after) FROM push_certificate p "                    \
	"WHERE p.topic = e.topic AND p.state = 'active'), "                    \
	"CASE WHEN q.done_at IS NULL THEN " MDM_DB_IDENTITY("d.id") " END"
#define FROM_SHOWN                                                             \
	" FROM command q JOIN enrollment e ON e.id = q.enrollment_id "         \
	"JOIN device d ON d.id = e.device_id "

enum {
	COL_STATE = 4,
	COL_QUEUED = 6,
	COL_DELIVERED = 8,
	COL_NOT_NOW = 10,
	COL_DONE = 11,
	COL_ERROR_CODE = 12,
	COL_ERROR_TEXT = 14,
	COL_SORT_KEY = 15,
	COL_ENROLLMENT_STATE = 18,
	COL_PUSH_STATE = 19,
	COL_PUSH_DUE = 20,
	COL_PUSH_LAST = 21,
	COL_PUSH_STATUS = 22,
	COL_PUSH_REASON = 23,
	COL_HAS_TOKEN = 24,
	COL_ENROLLMENT = 25,
	COL_SEEN = 26,
	COL_PUSH_CLAIM = 27,
	COL_PUSH_ID = 28,
	COL_PUSH_CERT = 29,
	COL_IDENTITY = 30,
	COL_RESULT = 31
};

static json_t *
error_json(const struct mdm_shown *s)
{
	json_t *o;

	if (!s->has_error_code && s->why.error == NULL)
		return json_null();
	o = json_object();
	if (s->has_error_code)
		json_put_int(o, "code", s->error_code);
	else
		json_put_str(o, "code", NULL);
	json_put_str(o, "domain", s->error_domain);
	json_put_str(o, "text", s->why.error);
	return o;
}

json_t *
mdm_shown_json(const struct mdm_shown *s)
{
	AUTO(str_free)
	char *sentence = mdm_why_sentence(&s->why, clock_now_ms());
	json_t *o = json_object();

	json_put_str(o, "id", s->id);
	json_put_str(o, "device", s->device_id);
	json_put_str(o, "serial", s->serial);
	json_put_str(o, "enrollment", s->enrollment_id);
	json_put_str(o, "request_type", s->request_type);
	json_put_str(o, "state", s->why.state);
	json_put_str(o, "why", sentence);
	json_put_str(o, "origin", s->origin);
	json_put_str(o, "order", s->order_id);
	json_put_time(o, "queued_at", s->why.queued_at);
	json_put_str(o, "queued_by", s->queued_by);
	json_put_time(o, "delivered_at", s->why.delivered_at);
	json_put_int(o, "deliveries", s->deliveries);
	json_put_int(o, "not_now", s->why.not_now);
	json_put_time(o, "expires_at", s->expires_at);
	json_put_time(o, "done_at", s->why.done_at);
	json_object_set_new(o, "error", error_json(s));
	return o;
}

static struct mdm_why
read_why(const struct store_rows *r)
{
	return (struct mdm_why){
		.state = store_text(r, COL_STATE),
		.error = store_text(r, COL_ERROR_TEXT),
		.queued_at = store_int(r, COL_QUEUED),
		.done_at = store_int(r, COL_DONE),
		.delivered_at = store_int(r, COL_DELIVERED),
		.not_now = store_int(r, COL_NOT_NOW),
		.enrollment_state = store_text(r, COL_ENROLLMENT_STATE),
		.push_state = store_text(r, COL_PUSH_STATE),
		.has_token = store_int(r, COL_HAS_TOKEN) != 0,
		.seen_at = store_int(r, COL_SEEN),
		.push_due_at = store_int(r, COL_PUSH_DUE),
		.push_claim_until = store_int(r, COL_PUSH_CLAIM),
		.push_last_at = store_int(r, COL_PUSH_LAST),
		.push_last_status = store_int(r, COL_PUSH_STATUS),
		.push_last_reason = store_text(r, COL_PUSH_REASON),
		.push_last_id = store_text(r, COL_PUSH_ID),
		.push_cert_not_after = store_int(r, COL_PUSH_CERT),
		.identity = store_int(r, COL_IDENTITY),
	};
}

static json_t *
command_json(const struct store_rows *r)
{
	return mdm_shown_json(&(struct mdm_shown){
	    .id = store_text(r, 0),
	    .device_id = store_text(r, 1),
	    .serial = store_text(r, 2),
	    .enrollment_id = store_text(r, COL_ENROLLMENT),
	    .request_type = store_text(r, 3),
	    .origin = store_text(r, 5),
	    .order_id = store_text(r, 17),
	    .queued_by = store_text(r, 7),
	    .error_domain = store_text(r, COL_ERROR_CODE + 1),
	    .deliveries = store_int(r, 9),
	    .expires_at = store_int(r, 16),
	    .has_error_code = !store_null(r, COL_ERROR_CODE),
	    .error_code = store_int(r, COL_ERROR_CODE),
	    .why = read_why(r),
	});
}

static bool
query_page(struct store_tx *tx, const struct mdm_command_page *page,
    struct store_rows **out, struct err *e)
{
	static const char all[] =
	    "SELECT " SHOWN_COLUMNS FROM_SHOWN
	    "WHERE ($1 = 0 OR q.sort_key < $1) AND "
	    "(CAST($2 AS TEXT) IS NULL OR " STATE " = $2) "
	    "ORDER BY q.sort_key DESC LIMIT $3";
	static const char all_open[] = "SELECT " SHOWN_COLUMNS FROM_SHOWN
	                               "WHERE ($1 = 0 OR q.sort_key < $1) "
	                               "AND q.done_at IS NULL AND $2 = 'open' "
	                               "ORDER BY q.sort_key DESC LIMIT $3";
	static const char of_one[] =
	    "SELECT " SHOWN_COLUMNS FROM_SHOWN
	    "WHERE e.device_id = $4 AND ($1 = 0 OR q.sort_key < $1) AND "
	    "(CAST($2 AS TEXT) IS NULL OR " STATE " = $2 OR ($2 = 'open' AND "
	    "q.done_at IS NULL)) ORDER BY q.sort_key DESC LIMIT $3";
	struct store_value state = S_TEXT(page->state);

	if (page->device_id != NULL)
		return store_query(tx, of_one,
		    S_ARGS(S_INT(page->after), state, S_INT(page->limit + 1),
		        S_TEXT(page->device_id)),
		    out, e);
	return store_query(tx, str_eq(page->state, "open") ? all_open : all,
	    S_ARGS(S_INT(page->after), state, S_INT(page->limit + 1)), out, e);
}

bool
mdm_db_commands_json(struct store_tx *tx, const struct mdm_command_page *page,
    json_t *array, int64_t *next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	int64_t last = 0, count = 0;
	bool more;

	*next_out = 0;
	if (!query_page(tx, page, &r, e) || !store_next(r, &more, e))
		return false;
	while (more && count < page->limit) {
		json_array_append_new(array, command_json(r));
		last = store_int(r, COL_SORT_KEY);
		count++;
		if (!store_next(r, &more, e))
			return false;
	}
	if (more)
		*next_out = last;
	return true;
}

bool
mdm_db_command_json(struct store_tx *tx, const char *id, json_t **out,
    struct buf **result_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct slice result;
	bool found;

	if (!mdm_db_one(tx,
	        "SELECT " SHOWN_COLUMNS ", q.result" FROM_SHOWN
	        "WHERE q.id = $1",
	        S_ARGS(S_TEXT(id)), &r, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "there is no such command");
	*out = command_json(r);
	*result_out = NULL;
	result = store_blob(r, COL_RESULT);
	if (result.len > 0) {
		*result_out = buf_new(result.len + 1);
		buf_add(*result_out, result.p, result.len);
	}
	return true;
}
