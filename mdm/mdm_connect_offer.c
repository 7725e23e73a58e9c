/*
 * Which command a device gets next, and its message.  A NotNow command is not
 * offered again in the visit, begun by an Idle, in which it was put off.
 * Whether a Mac may be erased is asked here again, with what is known of it
 * now.  Runs in the transaction of the visit, on its thread.
 */
#include "mdm/mdm_connect_priv.h"

enum { COMMAND_MAX = 16 << 20, MOST_ENDED = 100 };

/* Asks the Mac for what is not known of it.  One that cannot be asked has
 * nothing to be told either. */
static bool
ask_again(struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	return mdm_inventory_ask(
	           tx, v->s->o.seal, v->brief.who.device_id, "system", e) ||
	       str_eq(e->slug, "not_enrolled");
}

static bool
end_refused(struct mdm_visit *v, struct store_tx *tx,
    const struct mdm_db_command *c, const struct err *why, struct err *e)
{
	struct mdm_ending how = {
		.state = "refused", .text = why->text, .actor = "system"
	};
	struct mdm_order_change to = { .state = "refused",
		.reason_code = why->slug,
		.reason = why->text };

	v->wide = true;
	log_event(LOG_WARN, "command_refused", "udid", v->m->udid, "command",
	    c->id, "reason", why->slug, NULL);
	return mdm_queue_end(v->s, tx, c, &how, e) &&
	       (c->order_id[0] == '\0' ||
	           mdm_order_change(tx, c->order_id, &to, "system", e)) &&
	       (!str_eq(why->slug, "chip_unknown") || ask_again(v, tx, e));
}

bool
mdm_connect_end_broken(struct store_tx *tx, void *arg, struct err *e)
{
	struct mdm_visit *v = arg;
	AUTO(mdm_db_command_clear) struct mdm_db_command c = { 0 };
	AUTO(str_free)
	char *text =
	    str_printf("it could not be prepared: %s", v->broken_why.text);
	struct mdm_ending how = {
		.state = "error", .text = text, .actor = "system"
	};
	struct mdm_order_change to = {
		.state = "error", .reason_code = "not_prepared", .reason = text
	};

	if (!mdm_db_command_get(tx, v->broken_id, &c, e))
		return false;
	if (c.id[0] == '\0' || c.done)
		return true; /* by another visit */
	log_event(LOG_ERROR, "command_broken", "udid", v->m->udid, "command",
	    c.id, "error", v->broken_why.text, NULL);
	return mdm_queue_end(v->s, tx, &c, &how, e) &&
	       (c.order_id[0] == '\0' ||
	           mdm_order_change(tx, c.order_id, &to, "system", e));
}

static bool
may_erase(struct mdm_visit *v, struct store_tx *tx,
    const struct mdm_db_command *c, bool *may_out, struct err *refusal,
    struct err *e)
{
	struct mdm_device d = { 0 }; /* of unknown chip, if there is none */
	bool found;

	*may_out = true;
	if (!mdm_chip_erases(c->request_type))
		return true;
	return mdm_db_device_get(
	           tx, MDM_BY_ID, v->brief.who.device_id, &d, &found, e) &&
	       mdm_inventory_may_wipe(tx, &d, may_out, refusal, e);
}

/* Ends the command if it must not go out; *ended_out: look for another. */
static bool
sift(struct mdm_visit *v, struct store_tx *tx, const struct mdm_db_command *c,
    bool *ended_out, struct err *e)
{
	struct err refusal = { 0 };
	bool may;

	*ended_out = true;
	if (c->expires_at != 0 && c->expires_at <= v->now) {
		v->wide = true;
		return mdm_queue_expire(v->s, tx, c, e);
	}
	if (!may_erase(v, tx, c, &may, &refusal, e))
		return false;
	if (!may)
		return end_refused(v, tx, c, &refusal, e);
	*ended_out = false;
	return true;
}

static bool
render(struct mdm_visit *v, struct store_tx *tx, const struct mdm_db_command *c,
    struct buf *xml, struct err *e)
{
	const struct mdm_renderer *r = mdm_renderer_find(v->s, c->renderer);

	if (r == NULL)
		return err_set(e, ERR_INTERNAL, "there is no renderer \"%s\"",
		    c->renderer);
	return r->render(tx, c->renderer_ref, c->id, xml, r->arg, e) &&
	       buf_ok(xml, e) &&
	       mdm_queue_check_xml(c->request_type, buf_str(xml), e);
}

/* The Command dictionary: sealed when it was queued, or written now. */
static bool
command_dict(struct mdm_visit *v, struct store_tx *tx,
    const struct mdm_db_command *c, struct buf *xml, struct err *e)
{
	if (c->renderer[0] != '\0') {
		v->wide = true;
		return render(v, tx, c, xml, e);
	}
	if (c->body == NULL)
		return err_set(e, ERR_INTERNAL, "the command has no body");
	return seal_get(v->s->o.seal, mdm_context("command.body", c->id).text,
	           buf_slice(c->body), xml, e) &&
	       buf_ok(xml, e);
}

static bool
mark_delivered(struct mdm_visit *v, struct store_tx *tx,
    const struct mdm_db_command *c, struct err *e)
{
	json_t *data;

	if (!mdm_db_command_delivered(tx, c->id, v->now, e))
		return false;
	v->wide = v->wide || c->order_id[0] != '\0';
	if (c->order_id[0] != '\0' &&
	    !mdm_order_change(tx, c->order_id,
	        &(struct mdm_order_change){ .state = "delivered" }, "system",
	        e))
		return false;
	if (str_eq(c->state, "delivered"))
		return true; /* once more, after a lost connection */
	data = json_object();
	json_put_str(data, "request_type", c->request_type);
	return mdm_event(tx,
	    &(struct store_event){ .kind = "command.delivered",
	        .device_id = v->brief.who.device_id,
	        .subject_id = c->id,
	        .actor = "system" },
	    data, e);
}

static bool
hand_out(
    struct mdm_visit *v, struct store_tx *tx, struct buf *out, struct err *e)
{
	AUTO(buf_wipe) struct buf *xml = buf_new(COMMAND_MAX);
	const struct mdm_db_command *c = &v->offered;

	if (!command_dict(v, tx, c, xml, e)) {
		/* That the database is away is no fault of the command. */
		if (e->code == ERR_UNAVAILABLE)
			return false;
		v->broken_now = true;
		v->broken_why = *e;
		str_copy_cut(v->broken_id, sizeof(v->broken_id), c->id);
		return false;
	}
	pl_begin(out);
	pl_dict(out);
	pl_key(out, "Command");
	buf_add(out, xml->p, xml->len);
	pl_key_str(out, "CommandUUID", c->id);
	pl_dict_end(out);
	pl_end(out);
	return buf_ok(out, e) && mark_delivered(v, tx, c, e);
}

/* The first one is known from the beginning, if that still holds. */
static bool
find_next(struct mdm_visit *v, struct store_tx *tx, struct err *e)
{
	mdm_db_command_clear(&v->offered);
	if (v->fresh) {
		v->fresh = false;
		v->alone = !v->brief.others;
		v->offered = v->brief.next;
		v->brief.next.body = NULL;
		return true;
	}
	v->alone = false;
	return mdm_db_command_next(
	    tx, v->m->enrollment_id, v->status == MDM_IDLE, &v->offered, e);
}

bool
mdm_connect_offer(
    struct mdm_visit *v, struct store_tx *tx, struct buf *out, struct err *e)
{
	bool ended = true;

	v->alone = false;
	if (v->silent)
		return true;
	for (int i = 0; ended && i < MOST_ENDED; i++) {
		if (!find_next(v, tx, e))
			return false;
		if (v->offered.id[0] == '\0')
			return true;
		if (!sift(v, tx, &v->offered, &ended, e))
			return false;
	}
	if (!ended)
		return hand_out(v, tx, out, e);
	/* Too many ended at once: the rest comes with the next visit. */
	mdm_db_command_clear(&v->offered);
	v->offered = (struct mdm_db_command){ 0 };
	return true;
}
