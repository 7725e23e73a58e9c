/*
 * How the life of a device ends, and who may have a serial number.  No state
 * of its own: everything is in the caller's transaction and on its thread.
 */
#include "certs/cert_ledger.h"
#include "mdm/mdm_priv.h"

static bool
end_orders(struct store_tx *tx, const struct mdm_farewell *f, struct err *e)
{
	for (;;) {
		AUTO(mdm_db_order_clear) struct mdm_db_order o = { 0 };
		struct mdm_order_change to = { .state = "cancelled",
			.reason_code = "enrolment_ended",
			.reason = "the enrolment ended before the Mac "
			          "received it",
			.ended_by = "system" };

		if (!mdm_db_order_open(tx, f->device_id, NULL, &o, e))
			return false;
		if (o.id[0] == '\0')
			return true;
		if (str_eq(o.state, "delivered")) {
			to.state = "unconfirmed";
			to.reason_code = "no_answer";
			to.reason =
			    str_eq(o.kind, "wipe") &&
			            str_eq(f->state, "enrolling")
			        ? "no answer came, but the Mac enrolled again: "
			          "it was most likely wiped"
			        : "no answer came before the enrolment ended";
		}
		if (!mdm_order_change(tx, o.id, &to, "system", e))
			return false;
	}
}

static bool
end_enrollments(struct store_tx *tx, const char *device_id, struct err *e)
{
	char id[MDM_ENROLLMENT_ID];

	for (;;) {
		if (!mdm_db_enrollment_live(tx, device_id, id, e))
			return false;
		if (id[0] == '\0')
			return true;
		if (!mdm_queue_clear(tx, id, "cancelled", e) ||
		    !mdm_db_enrollment_left(tx, id, e))
			return false;
	}
}

bool
mdm_life_end(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_farewell *f, struct err *e)
{
	struct mdm_device d;
	bool found;

	if (!mdm_db_device_get(tx, MDM_BY_ID, f->device_id, &d, &found, e))
		return false;
	if (!found)
		return true;
	if (!end_orders(tx, f, e) || !end_enrollments(tx, d.id, e) ||
	    !mdm_db_device_state(tx, d.id, f->state, clock_now_ms(), e))
		return false;
	if (s == NULL || !str_eq(d.state, "enrolled") || s->o.on_left == NULL)
		return true;
	return s->o.on_left(tx, d.id, f->why, s->o.hook_arg, e);
}

bool
mdm_life_resume(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_return *r, struct err *e)
{
	json_t *data = json_object();

	json_put_str(data, "why", "it was not erased by the wipe");
	if (!mdm_event(tx,
	        &(struct store_event){ .kind = "device.enrolled",
	            .device_id = r->device_id,
	            .actor = "device" },
	        data, e) ||
	    !mdm_db_enrollment_back(tx, r->device_channel, e) ||
	    !mdm_db_enrollment_back(tx, r->channel, e) ||
	    !mdm_db_device_state(
	        tx, r->device_id, "enrolled", clock_now_ms(), e) ||
	    !mdm_inventory_ask(tx, s->o.seal, r->device_id, "system", e))
		return false;
	return s->o.on_returned == NULL ||
	       s->o.on_returned(tx, r->device_id, s->o.hook_arg, e);
}

/* ---- serial numbers ---- */

/* The code is that of the answer the Mac gets, if it gets one. */
static bool
conflict(struct store_tx *tx, const char *kind, const char *device_id,
    const struct mdm_serial_claim *c, struct err *e)
{
	json_t *data = json_object();

	log_event(LOG_WARN, "serial_conflict", "udid", c->device->udid,
	    "serial", c->told, "kind", kind, NULL);
	json_put_str(data, "code", "serial_conflict");
	json_put_str(data, "serial", c->told);
	json_put_str(data, "udid", c->device->udid);
	return mdm_event(tx,
	    &(struct store_event){
	        .kind = kind, .device_id = device_id, .actor = "device" },
	    data, e);
}

/* Whoever holds a part of the row that becomes another's speaks no more. */
static bool
end_holder(struct store_tx *tx, const struct mdm_device *holder, struct err *e)
{
	struct mdm_farewell f = { .device_id = holder->id,
		.state = "left",
		.why = "its serial number was told by another" };

	return end_orders(tx, &f, e) && end_enrollments(tx, holder->id, e) &&
	       cert_ledger_revoke_device(tx, holder->id, "enroll",
	           CERT_REASON_SUPERSEDED, "system", e) &&
	       cert_ledger_revoke_device(tx, holder->id, "renew",
	           CERT_REASON_SUPERSEDED, "system", e);
}

/* The machine is known under another UDID: its row goes on. */
static bool
inherit(struct store_tx *tx, struct mdm_device *d,
    const struct mdm_device *holder, struct err *e)
{
	char udid[sizeof(d->udid)];

	log_event(LOG_INFO, "device_taken_over", "serial", holder->serial,
	    "old_udid", holder->udid, "udid", d->udid, NULL);
	if (d->id[0] != '\0') {
		struct mdm_device heard = *holder;

		mdm_device_forget(&heard);
		d->chip_heard |= heard.chip_heard;
		return end_holder(tx, holder, e) &&
		       mdm_db_device_merge(tx, holder->id, d->id, e);
	}
	str_copy_cut(udid, sizeof(udid), d->udid);
	*d = *holder;
	str_copy_cut(d->udid, sizeof(d->udid), udid);
	return true;
}

/* It might be the UDID or name by which another Mac is known. */
static bool
malformed(struct store_tx *tx, const struct mdm_serial_claim *c, struct err *e)
{
	json_t *data = json_object();
	char head[LIMIT_ID + 1];

	mdm_device_serial(head, c->told);
	log_event(LOG_WARN, "serial_refused", "udid", c->device->udid, "serial",
	    head, NULL);
	json_put_str(data, "code", "serial_malformed");
	json_put_str(data, "serial", head);
	return mdm_event(tx,
	    &(struct store_event){ .kind = "device.serial_refused",
	        .device_id = c->device->id,
	        .actor = "device" },
	    data, e);
}

bool
mdm_life_serial(struct store_tx *tx, const struct mdm_serial_claim *c,
    bool *refused_out, struct err *e)
{
	struct mdm_device *d = c->device;
	struct mdm_device holder;
	char serial[sizeof(d->serial)];
	bool found;

	*refused_out = !mdm_device_serial_ok(c->told);
	if (*refused_out)
		return malformed(tx, c, e);
	mdm_device_serial(serial, c->told);
	if (serial[0] == '\0' || str_eq(serial, d->serial))
		return true;
	if (!mdm_db_device_get(tx, MDM_BY_SERIAL, serial, &holder, &found, e))
		return false;
	if (found && str_eq(holder.state, "enrolled")) {
		*refused_out = true;
		return conflict(tx, "device.serial_conflict", holder.id, c, e);
	}
	if (d->serial[0] != '\0') {
		*refused_out = true;
		return conflict(tx, "device.identity_conflict", d->id, c, e);
	}
	if (found && !inherit(tx, d, &holder, e))
		return false;
	str_copy_cut(d->serial, sizeof(d->serial), serial);
	return true;
}
