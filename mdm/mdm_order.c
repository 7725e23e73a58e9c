/*
 * Orders: lock and wipe.  No state of its own: everything is in the caller's
 * transaction and on its thread.
 */
#include <stdio.h>

#include "core/random.h"
#include "mdm/mdm_priv.h"

enum { PIN_DIGITS = 6, ORDER_LIFE_DAYS = 30, KEY_MAX = 128 };

/* Reads up to 4 digits and moves behind them; -1 if there are none. */
static int
read_number(const char **s)
{
	int n = -1;

	for (int i = 0; i < 4 && **s >= '0' && **s <= '9'; i++, (*s)++)
		n = (n < 0 ? 0 : n * 10) + (**s - '0');
	return n;
}

/* True if the version told is at least major.minor; unknown: if_unknown. */
static bool
os_at_least(const char *version, int major, int minor, bool if_unknown)
{
	int a = read_number(&version);
	int b = *version == '.' ? (version++, read_number(&version)) : 0;

	if (a < 0)
		return if_unknown;
	return a > major || (a == major && b >= minor);
}

/* ---- is the question well put? ---- */

static bool
check_text(const char *name, const char *text, size_t max, struct err *e)
{
	size_t len = text != NULL ? str_utf8_len(text) : 0;

	if (len <= max)
		return true;
	return err_set(e, ERR_INVALID,
	    "%s: more than %zu characters, or not UTF-8", name, max);
}

static bool
check_asked(const struct mdm_order *o, struct err *e)
{
	bool lock = str_eq(o->kind, "lock");

	if (!lock && !str_eq(o->kind, "wipe"))
		return err_set(e, ERR_INVALID, "kind: lock or wipe");
	if (!lock && (o->message != NULL || o->phone != NULL))
		return err_set(e, ERR_INVALID,
		    "a wipe shows no message and no phone number");
	if (lock && o->obliteration != NULL)
		return err_set(
		    e, ERR_INVALID, "obliteration belongs to a wipe");
	return check_text("message", o->message, MDM_MESSAGE_MAX, e) &&
	       check_text("phone", o->phone, MDM_PHONE_MAX, e) &&
	       check_text("note", o->note, MDM_NOTE_MAX, e) &&
	       check_text(
	           "obliteration", o->obliteration, MDM_BEHAVIOUR_MAX, e) &&
	       check_text("Idempotency-Key", o->idempotency_key, KEY_MAX, e);
}

static bool
same_text(const char *asked, const char *stored)
{
	return str_eq(asked != NULL ? asked : "", stored);
}

/* The slug of an err is a literal. */
static const char *
refusal_slug(const char *stored)
{
	static const char *const slugs[] = { "wipe_refused_t2", "chip_unknown",
		"lock_unsafe" };

	for (size_t i = 0; i < COUNT(slugs); i++)
		if (str_eq(stored, slugs[i]))
			return slugs[i];
	return "refused";
}

/* The same key again: the same order, or a mistake of the caller. */
static bool
repeat(const struct mdm_db_order *old, const struct mdm_device *d,
    const struct mdm_order *o, struct mdm_order_made *out, struct err *e)
{
	if (!str_eq(old->device_id, d->id) || !str_eq(old->kind, o->kind) ||
	    !same_text(o->message, old->message) ||
	    !same_text(o->phone, old->phone) ||
	    !same_text(o->note, old->note) ||
	    !same_text(o->obliteration, old->obliteration))
		return err_slug(e, ERR_CONFLICT, "idempotency_mismatch",
		    "this Idempotency-Key was used for another order");
	if (str_eq(old->state, "refused"))
		err_slug(&out->refused, ERR_REFUSED,
		    refusal_slug(old->reason_code), "%s", old->reason);
	return str_copy(out->id, sizeof(out->id), old->id);
}

/* ---- may it be done? ---- */

static bool
lock_allowed(const struct mdm_device *d, struct err *e)
{
	if (d->chip != MDM_CHIP_APPLE_SILICON ||
	    os_at_least(d->os_version, 11, 5, false))
		return true;
	return err_slug(e, ERR_REFUSED, "lock_unsafe",
	    "not locked: before macOS 11.5 a lock deactivates a Mac with "
	    "Apple silicon instead of asking for a PIN (it reports macOS %s)",
	    d->os_version[0] != '\0' ? d->os_version : "of unknown version");
}

static bool
order_allowed(struct store_tx *tx, const struct mdm_device *d,
    const struct mdm_order *o, struct err *refusal, bool *out, struct err *e)
{
	if (str_eq(o->kind, "wipe"))
		return mdm_inventory_may_wipe(tx, d, out, refusal, e);
	*out = lock_allowed(d, refusal);
	return true;
}

static bool
order_event(struct store_tx *tx, const char *kind, const struct mdm_db_order *o,
    const char *actor, struct err *e)
{
	json_t *data = json_object();

	json_put_str(data, "kind", o->kind);
	if (o->reason_code[0] != '\0') {
		json_put_str(data, "reason_code", o->reason_code);
		json_put_str(data, "reason", o->reason);
	}
	return mdm_event(tx,
	    &(struct store_event){ .kind = kind,
	        .device_id = o->device_id,
	        .subject_id = o->id,
	        .actor = actor },
	    data, e);
}

/* Writes down a refusal and asks the Mac for what is not known. */
static bool
refuse(struct store_tx *tx, const struct seal *seal, const struct mdm_device *d,
    const struct mdm_order_row *row, struct err *e)
{
	struct mdm_db_order told = { 0 };

	str_copy_cut(told.id, sizeof(told.id), row->id);
	str_copy_cut(told.device_id, sizeof(told.device_id), row->device_id);
	str_copy_cut(told.kind, sizeof(told.kind), row->asked->kind);
	str_copy_cut(
	    told.reason_code, sizeof(told.reason_code), row->reason_code);
	str_copy_cut(told.reason, sizeof(told.reason), row->reason);
	if (!mdm_db_order_add(tx, row, e) ||
	    !order_event(tx, "order.refused", &told, row->asked->by, e))
		return false;
	if (str_eq(row->reason_code, "wipe_refused_t2"))
		return true;
	return mdm_inventory_ask(tx, seal, d->id, row->asked->by, e);
}

/* ---- making it ---- */

static json_t *
arguments(
    const struct mdm_device *d, const struct mdm_order *o, const char *pin)
{
	json_t *args = json_object();
	bool lock = str_eq(o->kind, "lock");

	if (pin[0] != '\0')
		json_put_str(args, "PIN", pin);
	if (o->message != NULL)
		json_put_str(args, "Message", o->message);
	if (o->phone != NULL)
		json_put_str(args, "PhoneNumber", o->phone);
	if (!lock && os_at_least(d->os_version, 12, 0, true))
		json_put_str(args, "ObliterationBehavior",
		    o->obliteration != NULL ? o->obliteration
		                            : "DoNotObliterate");
	return args;
}

static bool
queue_order(struct store_tx *tx, const struct seal *seal,
    const struct mdm_order_row *row, const char *enrollment_id,
    const char *dict_xml, struct err *e)
{
	char command_id[UUID_SIZE];
	bool lock = str_eq(row->asked->kind, "lock");
	struct mdm_command c = { .enrollment_id = enrollment_id,
		.request_type = lock ? "DeviceLock" : "EraseDevice",
		.dict_xml = dict_xml,
		.origin = "order",
		.by = row->asked->by,
		.order_id = row->id,
		.urgent = true,
		.expires_at = row->expires_at };

	return mdm_queue_add(tx, seal, &c, command_id, e) &&
	       mdm_db_order_command(tx, row->id, command_id, e);
}

static bool
make(struct store_tx *tx, const struct seal *seal, const struct mdm_device *d,
    struct mdm_order_row *row, struct err *e)
{
	AUTO(buf_wipe) struct buf *xml = buf_new(64 << 10);
	AUTO(buf_free) struct buf *sealed = buf_new(1024);
	AUTO(json_free) json_t *args = NULL;
	const struct mdm_order *o = row->asked;
	bool lock = str_eq(o->kind, "lock");
	struct mdm_db_order told = { 0 };
	char enrollment_id[MDM_ENROLLMENT_ID], pin[16] = "";
	bool ok;

	/* Apple silicon ignores a PIN: its protection is Activation Lock. */
	if (lock || d->chip != MDM_CHIP_APPLE_SILICON)
		random_digits(pin, PIN_DIGITS);
	args = arguments(d, o, pin);
	ok = mdm_catalogue_build(
	         lock ? "DeviceLock" : "EraseDevice", args, xml, e) &&
	     (pin[0] == '\0' ||
	         seal_put(seal, mdm_context("order.pin", row->id).text,
	             slice_str(pin), sealed, e)) &&
	     mdm_db_enrollment_of(tx, d->id, enrollment_id, e);
	mem_wipe(pin, sizeof(pin));
	if (!ok)
		return false;
	row->pin = buf_slice(sealed);
	if (sealed->len == 0)
		row->pin = (struct slice){ 0 };
	row->state = "queued";
	row->expires_at = row->now + ORDER_LIFE_DAYS * MS_DAY;
	str_copy_cut(told.id, sizeof(told.id), row->id);
	str_copy_cut(told.device_id, sizeof(told.device_id), d->id);
	str_copy_cut(told.kind, sizeof(told.kind), o->kind);
	return mdm_db_order_add(tx, row, e) &&
	       order_event(tx, "order.created", &told, o->by, e) &&
	       queue_order(tx, seal, row, enrollment_id, buf_str(xml), e);
}

static bool
check_present(struct store_tx *tx, const struct mdm_device *d,
    const struct mdm_order *o, struct err *e)
{
	AUTO(mdm_db_order_clear) struct mdm_db_order open = { 0 };

	if (!str_eq(d->state, "enrolled"))
		return err_slug(e, ERR_CONFLICT, "not_enrolled",
		    "the Mac is not enrolled (%s): it can be sent nothing",
		    d->state);
	if (!mdm_db_order_open(tx, d->id, o->kind, &open, e))
		return false;
	if (open.id[0] != '\0')
		return err_slug(e, ERR_CONFLICT, "order_open",
		    "a %s of this Mac is open already: %s", o->kind, open.id);
	return true;
}

bool
mdm_order_create(struct store_tx *tx, const struct seal *seal,
    const struct mdm_device *d, const struct mdm_order *o,
    struct mdm_order_made *out, struct err *e)
{
	AUTO(mdm_db_order_clear) struct mdm_db_order old = { 0 };
	char id[UUID_SIZE];
	bool allowed;
	struct mdm_order_row row = {
		.id = id, .device_id = d->id, .asked = o, .now = clock_now_ms()
	};

	*out = (struct mdm_order_made){ 0 };
	if (!check_asked(o, e))
		return false;
	if (o->idempotency_key != NULL &&
	    !mdm_db_order_by_key(tx, o->by, o->idempotency_key, &old, e))
		return false;
	if (old.id[0] != '\0')
		return repeat(&old, d, o, out, e);
	if (!check_present(tx, d, o, e))
		return false;
	uuid_new(id);
	if (!order_allowed(tx, d, o, &out->refused, &allowed, e))
		return false;
	if (!allowed) {
		row.state = "refused";
		row.reason_code = out->refused.slug;
		row.reason = out->refused.text;
		if (!refuse(tx, seal, d, &row, e))
			return false;
	} else if (!make(tx, seal, d, &row, e)) {
		return false;
	}
	return str_copy(out->id, sizeof(out->id), id);
}

/* ---- what becomes of it ---- */

static const char *
kind_of_state(const char *state)
{
	static const struct {
		const char *state, *kind;
	} rows[] = {
		{ "delivered", "order.delivered" },
		{ "acknowledged", "order.acknowledged" },
		{ "error", "order.error" },
		{ "unconfirmed", "order.unconfirmed" },
		{ "expired", "order.expired" },
		{ "cancelled", "order.cancelled" },
		{ "refused", "order.refused" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_eq(state, rows[i].state))
			return rows[i].kind;
	return NULL; /* queued again, after a NotNow */
}

bool
mdm_order_change(struct store_tx *tx, const char *order_id,
    const struct mdm_order_change *to, const char *actor, struct err *e)
{
	AUTO(mdm_db_order_clear) struct mdm_db_order o = { 0 };
	const char *kind = kind_of_state(to->state);

	if (!mdm_db_order_get(tx, order_id, &o, e))
		return false;
	if (o.id[0] == '\0' || str_eq(o.state, to->state))
		return true;
	if (!mdm_db_order_change(tx, order_id, to, clock_now_ms(), e))
		return false;
	str_copy_cut(o.reason_code, sizeof(o.reason_code),
	    to->reason_code != NULL ? to->reason_code : "");
	str_copy_cut(
	    o.reason, sizeof(o.reason), to->reason != NULL ? to->reason : "");
	return kind == NULL || order_event(tx, kind, &o, actor, e);
}

bool
mdm_order_cancel(
    struct store_tx *tx, const char *id, const char *by, struct err *e)
{
	AUTO(mdm_db_order_clear) struct mdm_db_order o = { 0 };
	AUTO(mdm_db_command_clear) struct mdm_db_command c = { 0 };
	struct mdm_order_change to = { .state = "cancelled", .ended_by = by };

	if (!mdm_db_order_get(tx, id, &o, e))
		return false;
	if (o.id[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "there is no such order");
	if (str_eq(o.state, "delivered"))
		return err_slug(e, ERR_CONFLICT, "order_delivered",
		    "the Mac has the %s already: it cannot be withdrawn",
		    o.kind);
	if (!str_eq(o.state, "queued"))
		return err_slug(e, ERR_CONFLICT, "already_done",
		    "the order has ended already: %s", o.state);
	if (!mdm_db_command_get(tx, o.command_id, &c, e))
		return false;
	if (c.id[0] != '\0' && !c.done &&
	    !mdm_queue_end(NULL, tx, &c,
	        &(struct mdm_ending){ .state = "cancelled",
	            .text = "its order was withdrawn",
	            .actor = by },
	        e))
		return false;
	if (c.id[0] != '\0' && !mdm_db_enrollment_calm(tx, c.enrollment_id, e))
		return false;
	return mdm_order_change(tx, id, &to, by, e);
}

bool
mdm_order_json(struct store_tx *tx, const char *id, json_t **out, struct err *e)
{
	return mdm_db_order_json(tx, id, out, e);
}

bool
mdm_order_pin(struct store_tx *tx, const struct seal *seal, const char *id,
    const char *by, char pin_out[16], struct err *e)
{
	AUTO(mdm_db_order_clear) struct mdm_db_order o = { 0 };
	AUTO(buf_wipe) struct buf *pin = buf_new(15);

	if (!mdm_db_order_get(tx, id, &o, e))
		return false;
	if (o.id[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "there is no such order");
	if (o.pin == NULL)
		return err_slug(
		    e, ERR_NOT_FOUND, "no_pin", "this order has no PIN");
	if (!seal_get(seal, mdm_context("order.pin", id).text, buf_slice(o.pin),
	        pin, e) ||
	    !buf_ok(pin, e) || !order_event(tx, "order.pin_read", &o, by, e))
		return false;
	return str_copy(pin_out, 16, buf_str(pin));
}

bool
mdm_order_list(struct store_tx *tx, const struct mdm_order_page *page,
    json_t *array, char **next_out, struct err *e)
{
	return mdm_db_orders_json(tx, page, array, next_out, e);
}
