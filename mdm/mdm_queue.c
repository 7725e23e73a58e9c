/*
 * The command queue: how commands end and are shown.  No state of its own:
 * everything is in the caller's transaction and on its thread.
 */
#include <stdio.h>

#include "mdm/mdm_priv.h"

enum { RESULT_JSON_MAX = 64 << 20 };

/* Answers are shown and kept in the clear without these. */
static const char *const secret_results[] = { "ActivationLockBypassCode",
	"FDE_PersonalRecoveryKeyCMS", "UnlockToken", "RotateResult" };

struct mdm_context
mdm_context(const char *what, const char *id)
{
	struct mdm_context c;

	snprintf(c.text, sizeof(c.text), "%s:%s", what, id);
	return c;
}

/* ---- ending ---- */

static const char *
kind_of_state(const char *state)
{
	static const struct {
		const char *state, *kind;
	} rows[] = {
		{ "acknowledged", "command.acknowledged" },
		{ "error", "command.error" },
		{ "expired", "command.expired" },
		{ "refused", "command.refused" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(state, rows[i].state))
			return rows[i].kind;
	return "command.cancelled";
}

static bool
tell_renderer(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_db_command *c, const struct mdm_ending *how, struct err *e)
{
	const struct mdm_renderer *r =
	    s != NULL ? mdm_renderer_find(s, c->renderer) : NULL;
	bool good = str_eq(how->state, "acknowledged");

	if (r == NULL || r->done == NULL)
		return true;
	return r->done(tx,
	    &(struct mdm_done){ .ref = c->renderer_ref,
	        .command_id = c->id,
	        .state = good ? "acknowledged" : "error",
	        .text = how->text != NULL ? how->text : how->state,
	        .domain = how->has_code ? how->domain : NULL,
	        .code = how->code },
	    r->arg, e);
}

bool
mdm_queue_end(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_db_command *c, const struct mdm_ending *how, struct err *e)
{
	json_t *data;

	if (!mdm_db_command_end(tx, c->id, how, clock_now_ms(), e) ||
	    !tell_renderer(s, tx, c, how, e))
		return false;
	data = json_object();
	json_put_str(data, "request_type", c->request_type);
	if (how->text != NULL)
		json_put_str(data, "text", how->text);
	if (how->has_code)
		json_put_int(data, "code", how->code);
	return mdm_event(tx,
	    &(struct store_event){ .kind = kind_of_state(how->state),
	        .device_id = c->device_id,
	        .subject_id = c->id,
	        .actor = how->actor != NULL ? how->actor : "device" },
	    data, e);
}

/* What is said of an order whose time ran out. */
static struct mdm_order_change
order_lapsed(const struct mdm_db_command *c)
{
	if (!str_eq(c->state, "delivered"))
		return (struct mdm_order_change){ .state = "expired",
			.reason_code = "expired",
			.reason = "the Mac did not come in time" };
	return (struct mdm_order_change){ .state = "unconfirmed",
		.reason_code = "no_answer",
		.reason = mdm_chip_erases(c->request_type)
		              ? "the Mac received it and did not answer in "
		                "time: it may be erased, so the certificate "
		                "of its user is revoked"
		              : "the Mac received it and did not answer in "
		                "time" };
}

bool
mdm_queue_expire(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_db_command *c, struct err *e)
{
	struct mdm_order_change to = order_lapsed(c);

	if (!mdm_queue_end(s, tx, c,
	        &(struct mdm_ending){ .state = "expired", .actor = "system" },
	        e))
		return false;
	if (c->order_id[0] != '\0' &&
	    !mdm_order_change(tx, c->order_id, &to, "system", e))
		return false;
	if (mdm_chip_erases(c->request_type) &&
	    str_eq(to.state, "unconfirmed") &&
	    s->o.on_wipe_unconfirmed != NULL &&
	    !s->o.on_wipe_unconfirmed(tx, c->device_id, s->o.hook_arg, e))
		return false;
	return mdm_db_enrollment_calm(tx, c->enrollment_id, e);
}

bool
mdm_queue_cancel(
    struct store_tx *tx, const char *id, const char *by, struct err *e)
{
	AUTO(mdm_db_command_clear) struct mdm_db_command c = { 0 };
	AUTO(str_free) char *text = str_printf("cancelled by %.80s", by);

	if (!mdm_db_command_get(tx, id, &c, e))
		return false;
	if (c.id[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "there is no such command");
	if (c.done)
		return err_slug(e, ERR_CONFLICT, "already_done",
		    "the command has ended already: %s", c.state);
	if (c.order_id[0] != '\0')
		return mdm_order_cancel(tx, c.order_id, by, e);
	return mdm_queue_end(NULL, tx, &c,
	           &(struct mdm_ending){
	               .state = "cancelled", .text = text, .actor = by },
	           e) &&
	       mdm_db_enrollment_calm(tx, c.enrollment_id, e);
}

bool
mdm_queue_clear(struct store_tx *tx, const char *enrollment_id,
    const char *state, struct err *e)
{
	struct mdm_ending how = { .state = state, .actor = "system" };

	for (;;) {
		AUTO(mdm_db_command_clear) struct mdm_db_command c = { 0 };

		if (!mdm_db_command_open(tx, enrollment_id, &c, e))
			return false;
		if (c.id[0] == '\0')
			break;
		if (!mdm_queue_end(NULL, tx, &c, &how, e))
			return false;
	}
	return mdm_db_enrollment_calm(tx, enrollment_id, e);
}

/* ---- showing ---- */

bool
mdm_queue_list(struct store_tx *tx, const struct mdm_command_page *page,
    json_t *array, int64_t *next_out, struct err *e)
{
	return mdm_db_commands_json(tx, page, array, next_out, e);
}

void
mdm_queue_drop_secrets(json_t *o)
{
	for (size_t i = 0; i < COUNT(secret_results); i++)
		json_object_del(o, secret_results[i]);
}

/* What the device sent, as JSON without secrets. */
static bool
result_json(const struct seal *seal, const char *id, struct slice sealed,
    json_t **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *xml = buf_new(LIMIT_BODY_CONNECT + 1);
	AUTO(buf_wipe) struct buf *text = buf_new(RESULT_JSON_MAX);
	AUTO(pl_free) struct pl *p = NULL;

	if (!seal_get(
	        seal, mdm_context("command.result", id).text, sealed, xml, e) ||
	    !buf_ok(xml, e) || !pl_parse(buf_slice(xml), &p, e) ||
	    !pl_to_json(p, text, e) || !buf_ok(text, e) ||
	    !json_parse_any(buf_slice(text), out, e))
		return false;
	mdm_queue_drop_secrets(*out);
	mdm_queue_drop_secrets(json_object_get(*out, "SecurityInfo"));
	mdm_queue_drop_secrets(json_object_get(*out, "QueryResponses"));
	return true;
}

bool
mdm_queue_json(struct store_tx *tx, const struct seal *seal, const char *id,
    json_t **out, struct err *e)
{
	AUTO(json_free) json_t *command = NULL;
	AUTO(buf_free) struct buf *sealed = NULL;
	json_t *result = NULL;
	struct err why = { 0 };

	if (!mdm_db_command_json(tx, id, &command, &sealed, e))
		return false;
	json_put_str(command, "result", NULL);
	if (sealed != NULL) {
		if (result_json(seal, id, buf_slice(sealed), &result, &why))
			json_object_set_new(command, "result", result);
		else
			json_put_str(command, "result_problem", why.text);
	}
	*out = TAKE(command);
	return true;
}
