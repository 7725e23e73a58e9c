/*
 * Commands as the API shows them, with a sentence that says why one waits or
 * how it ended.  No state; runs in the caller's transaction, on its thread.
 */
#include <stdio.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"
#include "mdm/mdm_db_priv.h"

#define SHOWN_COLUMNS                                                          \
	"q.id, d.id, d.serial, q.request_type, q.state, q.origin, "            \
	"q.queued_at, q.queued_by, q.delivered_at, q.deliveries, q.not_now, "  \
	"q.done_at, q.error_code, q.error_domain, q.error_text, q.sort_key, "  \
	"q.expires_at, q.order_id, e.state, e.push_state, e.push_due_at, "     \
	"e.push_last_at, e.push_last_status, e.push_last_reason, "             \
	"e.push_token IS NOT NULL, e.id"
#define FROM_SHOWN                                                             \
	" FROM command q JOIN enrollment e ON e.id = q.enrollment_id "         \
	"JOIN device d ON d.id = e.device_id "

enum {
	COL_STATE = 4,
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
	COL_RESULT = 26
};

static void
text_of_time(char out[CLOCK_TEXT_SIZE], int64_t at)
{
	str_copy_cut(out, CLOCK_TEXT_SIZE, "never");
	if (at != 0)
		clock_format_s(out, at);
}

/* Why the Mac has not come for it. */
static char *
why_waiting(const struct store_rows *r)
{
	char due[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE];
	const char *reason = store_text(r, COL_PUSH_REASON);

	text_of_time(due, store_int(r, COL_PUSH_DUE));
	text_of_time(last, store_int(r, COL_PUSH_LAST));
	if (str_eq(store_text(r, COL_ENROLLMENT_STATE), "left"))
		return str_printf("the Mac is not enrolled any more");
	if (store_int(r, COL_HAS_TOKEN) == 0)
		return str_printf("the Mac has not told its push token yet");
	if (!str_eq(store_text(r, COL_PUSH_STATE), "ok"))
		return str_printf("the Mac cannot be pushed (%s): it gets this "
		                  "when it connects by itself",
		    reason != NULL ? reason : store_text(r, COL_PUSH_STATE));
	if (store_null(r, COL_PUSH_LAST))
		return str_printf("waiting for its first push, due %s", due);
	if (store_int(r, COL_PUSH_STATUS) != 200)
		return str_printf("the last push failed (%s); next push %s",
		    reason != NULL ? reason : "no answer", due);
	return str_printf("pushed %s, the Mac has not come since; next push "
	                  "%s",
	    last, due);
}

static char *
why(const struct store_rows *r)
{
	const char *state = store_text(r, COL_STATE);
	const char *text = store_text(r, COL_ERROR_TEXT);
	char due[CLOCK_TEXT_SIZE];

	text_of_time(due, store_int(r, COL_PUSH_DUE));
	if (str_eq(state, "delivered"))
		return str_printf("the Mac has it and has not answered yet");
	if (str_eq(state, "not-now"))
		return str_printf("the Mac put it off %lld times (busy, asleep "
		                  "or locked); next push %s",
		    (long long)store_int(r, COL_NOT_NOW), due);
	if (store_null(r, COL_DONE))
		return why_waiting(r);
	if (str_eq(state, "acknowledged") && text == NULL)
		return str_printf("the Mac carried it out");
	if (str_eq(state, "acknowledged"))
		return str_printf("the Mac carried it out, but %s", text);
	if (str_eq(state, "error"))
		return str_printf("the Mac reports: %s",
		    text != NULL ? text : "an error without a text");
	if (str_eq(state, "expired"))
		return str_printf("its time ran out before the Mac answered");
	if (str_eq(state, "cancelled"))
		return str_printf(
		    "withdrawn%s%s", text ? ": " : "", text ? text : "");
	return str_printf("refused%s%s", text ? ": " : "", text ? text : "");
}

static json_t *
error_json(const struct store_rows *r)
{
	json_t *o;

	if (store_null(r, COL_ERROR_CODE) && store_null(r, COL_ERROR_TEXT))
		return json_null();
	o = json_object();
	if (store_null(r, COL_ERROR_CODE))
		json_put_str(o, "code", NULL);
	else
		json_put_int(o, "code", store_int(r, COL_ERROR_CODE));
	json_put_str(o, "domain", store_text(r, COL_ERROR_CODE + 1));
	json_put_str(o, "text", store_text(r, COL_ERROR_TEXT));
	return o;
}

static json_t *
command_json(const struct store_rows *r)
{
	AUTO(str_free) char *sentence = why(r);
	json_t *o = json_object();

	json_put_str(o, "id", store_text(r, 0));
	json_put_str(o, "device", store_text(r, 1));
	json_put_str(o, "serial", store_text(r, 2));
	json_put_str(o, "enrollment", store_text(r, COL_ENROLLMENT));
	json_put_str(o, "request_type", store_text(r, 3));
	json_put_str(o, "state", store_text(r, COL_STATE));
	json_put_str(o, "why", sentence);
	json_put_str(o, "origin", store_text(r, 5));
	json_put_str(o, "order", store_text(r, 17));
	json_put_time(o, "queued_at", store_int(r, 6));
	json_put_str(o, "queued_by", store_text(r, 7));
	json_put_time(o, "delivered_at", store_int(r, 8));
	json_put_int(o, "deliveries", store_int(r, 9));
	json_put_int(o, "not_now", store_int(r, COL_NOT_NOW));
	json_put_time(o, "expires_at", store_int(r, 16));
	json_put_time(o, "done_at", store_int(r, COL_DONE));
	json_object_set_new(o, "error", error_json(r));
	return o;
}

static bool
query_page(struct store_tx *tx, const struct mdm_command_page *page,
    struct store_rows **out, struct err *e)
{
	static const char all[] = "SELECT " SHOWN_COLUMNS FROM_SHOWN
	                          "WHERE ($1 = 0 OR q.sort_key < $1) AND "
	                          "(CAST($2 AS TEXT) IS NULL OR q.state = $2) "
	                          "ORDER BY q.sort_key DESC LIMIT $3";
	static const char all_open[] = "SELECT " SHOWN_COLUMNS FROM_SHOWN
	                               "WHERE ($1 = 0 OR q.sort_key < $1) "
	                               "AND q.done_at IS NULL AND $2 = 'open' "
	                               "ORDER BY q.sort_key DESC LIMIT $3";
	static const char of_one[] =
	    "SELECT " SHOWN_COLUMNS FROM_SHOWN
	    "WHERE e.device_id = $4 AND ($1 = 0 OR q.sort_key < $1) AND "
	    "(CAST($2 AS TEXT) IS NULL OR q.state = $2 OR ($2 = 'open' AND "
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
