/*
 * What a device says about a command.  The first answer counts; the state is
 * recorded with the answer as it came, and only then looked into.  Runs in
 * the transaction of the visit, on its thread.
 */
#include "mdm/mdm_connect_priv.h"

enum { ERROR_TEXT_MAX = 1024 };

/* The top of ErrorChain; what cannot be read is left out. */
static void
read_error(const struct pl *doc, struct mdm_ending *how)
{
	const struct pl *chain = NULL, *top;
	struct err unread;

	if (!pl_get_array(doc, "ErrorChain", &chain, &unread) || chain == NULL)
		return;
	top = pl_array_item(chain, 0);
	if (top == NULL || !pl_is_dict(top))
		return;
	if (pl_has(top, "ErrorCode"))
		how->has_code =
		    pl_get_int(top, "ErrorCode", 0, &how->code, &unread);
	if (!pl_get_str(top, "ErrorDomain", LIMIT_NAME, &how->domain, &unread))
		how->domain = NULL;
	if (!pl_get_str(top, "USEnglishDescription", ERROR_TEXT_MAX, &how->text,
	        &unread))
		how->text = NULL;
	if (how->text == NULL && !pl_get_str(top, "LocalizedDescription",
	                             ERROR_TEXT_MAX, &how->text, &unread))
		how->text = NULL;
}

static void
read_ending(const struct mdm_visit *v, struct mdm_ending *how)
{
	how->result = buf_slice(v->result);
	if (v->status == MDM_ACKNOWLEDGED) {
		how->state = "acknowledged";
		if (v->findings.problem.code != ERR_NONE)
			how->text = "its answer could not be read";
		return;
	}
	how->state = "error";
	read_error(v->m->doc, how);
	if (how->text == NULL)
		how->text = v->status == MDM_FORMAT_ERROR
		                ? "the command is malformed"
		                : "an error without a text";
}

static bool
put_off(struct mdm_visit *v, struct store_tx *tx,
    const struct mdm_db_command *c, struct err *e)
{
	json_t *data;

	v->fresh = false;
	v->wide = v->wide || c->order_id[0] != '\0';
	if (!mdm_db_command_not_now(tx, c->id, c->enrollment_id, e))
		return false;
	/* The device did not keep it: it can be withdrawn again. */
	if (c->order_id[0] != '\0' &&
	    !mdm_order_change(tx, c->order_id,
	        &(struct mdm_order_change){ .state = "queued" }, "device", e))
		return false;
	data = json_object();
	json_put_str(data, "request_type", c->request_type);
	json_put_int(data, "times", c->not_now + 1);
	return mdm_event(tx,
	    &(struct store_event){ .kind = "command.not_now",
	        .device_id = v->brief.who.device_id,
	        .subject_id = c->id,
	        .actor = "device" },
	    data, e);
}

static bool
end_order(struct store_tx *tx, const struct mdm_db_command *c,
    const struct mdm_ending *how, struct err *e)
{
	bool good = str_eq(how->state, "acknowledged");
	struct mdm_order_change to = { .state = how->state,
		.reason_code = good ? NULL : "device_error",
		.reason = good ? NULL : how->text };

	if (c->order_id[0] == '\0')
		return true;
	return mdm_order_change(tx, c->order_id, &to, "device", e);
}

static bool
wiped(struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	struct mdm_farewell f = { .device_id = v->brief.who.device_id,
		.state = "wiped",
		.why = "wiped" };

	v->gone = true;
	v->wide = true;
	return mdm_life_end(v->s, tx, &f, e) &&
	       mdm_event(tx,
	           &(struct store_event){ .kind = "device.wiped",
	               .device_id = v->brief.who.device_id,
	               .actor = "device" },
	           NULL, e);
}

static bool
follow_up(struct mdm_visit *v, struct store_tx *tx,
    const struct mdm_db_command *c, struct err *e)
{
	if (v->status != MDM_ACKNOWLEDGED || v->m->user_id != NULL)
		return true;
	if (mdm_chip_erases(c->request_type))
		return wiped(v, tx, e);
	if (!str_eq(c->request_type, "DeviceInformation") &&
	    !str_eq(c->request_type, "SecurityInfo"))
		return true;
	if (v->findings.problem.code != ERR_NONE)
		log_event(LOG_WARN, "answer_unread", "udid", v->m->udid,
		    "command", c->id, "error", v->findings.problem.text, NULL);
	if (v->fresh)
		return mdm_inventory_take(tx, &v->brief.known, &v->findings, e);
	v->wide = true;
	return mdm_inventory_apply(tx, v->brief.who.device_id, &v->findings, e);
}

/* An answer counts once; one that was waited for too long still counts. */
static bool
is_awaited(const struct mdm_db_command *c)
{
	return !c->done || (str_eq(c->state, "expired") && !c->answered &&
	                       c->deliveries > 0);
}

bool
mdm_connect_record(struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	const struct mdm_db_command *c = &v->brief.reported;
	struct mdm_ending how = { 0 };

	v->gone = false;
	if (v->command_id == NULL)
		return true;
	if (c->id[0] == '\0' ||
	    !str_eq(c->enrollment_id, v->m->enrollment_id)) {
		log_event(LOG_WARN, "unknown_command", "udid", v->m->udid,
		    "command", v->command_id, NULL);
		return true;
	}
	if (!is_awaited(c) || (c->done && v->status == MDM_NOT_NOW))
		return true;
	if (v->status == MDM_NOT_NOW)
		return put_off(v, tx, c, e);
	read_ending(v, &how);
	/* Whoever hears of the end may queue and change what it likes. */
	if (c->order_id[0] != '\0' || c->renderer[0] != '\0') {
		v->fresh = false;
		v->wide = true;
	}
	return mdm_queue_end(v->s, tx, c, &how, e) &&
	       end_order(tx, c, &how, e) && follow_up(v, tx, c, e);
}
