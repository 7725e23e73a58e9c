/*
 * Authenticate: a Mac is about to enrol.  Binds its certificate to the
 * device, and begins a new life of it, unless the certificate was issued to
 * renew the identity of this very enrolment: then nothing is destroyed.
 * Any thread.
 */
#include <string.h>

#include "certs/cert_ledger.h"
#include "mdm/mdm_priv.h"

struct authenticate {
	struct mdm_service *s;
	const struct mdm_message *m;
	struct mdm_told told;
	const char *serial; /* or NULL */
	struct mdm_who who;
	struct mdm_device device;
	bool known; /* the device has a row */
	enum mdm_refusal why;
	bool conflict;    /* its serial number belongs to another */
	bool asked, news; /* whether that is worth an event */
	bool stale;       /* a conflict that is none */
};

static bool
read_told(struct authenticate *a, struct err *e)
{
	const struct pl *p = a->m->doc;
	struct mdm_told *t = &a->told;
	const char *topic;

	if (!pl_need_str(p, "Topic", LIMIT_TOPIC, &topic, e) ||
	    !pl_get_str(p, "DeviceName", LIMIT_NAME, &t->name, e) ||
	    !pl_get_str(p, "ProductName", LIMIT_ID, &t->product_name, e) ||
	    !pl_get_str(p, "Model", LIMIT_ID, &t->model, e) ||
	    !pl_get_str(p, "ModelName", LIMIT_ID, &t->model_name, e) ||
	    !pl_get_str(p, "OSVersion", LIMIT_ID, &t->os_version, e) ||
	    !pl_get_str(p, "BuildVersion", LIMIT_ID, &t->os_build, e) ||
	    !pl_get_str(p, "SerialNumber", LIMIT_ID, &a->serial, e))
		return err_wrap(e, "Authenticate");
	if (!mdm_device_serial_ok(a->serial)) {
		log_event(LOG_WARN, "serial_refused", "udid", a->m->udid,
		    "serial", a->serial, NULL);
		return err_slug(e, ERR_INVALID, "serial_malformed",
		    "Authenticate: SerialNumber: not one of a Mac (%d to %d "
		    "letters and digits)",
		    LIMIT_SERIAL_MIN, LIMIT_SERIAL);
	}
	if (!mdm_topic_fits(a->s, topic))
		log_event(LOG_WARN, "topic_mismatch", "udid", a->m->udid,
		    "topic", topic, NULL);
	return true;
}

/* The certificate is free, or belongs to this very device. */
static enum mdm_refusal
may_bind(const struct authenticate *a)
{
	enum mdm_refusal why = mdm_auth_certificate(&a->who, clock_now_ms());
	const char *owner = a->who.owner_id;

	if (why != MDM_ACCEPTED || owner[0] == '\0')
		return why;
	return a->known && str_eq(owner, a->device.id) ? MDM_ACCEPTED
	                                               : MDM_OTHER_DEVICE;
}

/* A copy of an identity on another machine (Migration Assistant). */
static bool
is_clone(const struct authenticate *a)
{
	char serial[sizeof(a->device.serial)];

	mdm_device_serial(serial, a->serial);
	return a->known && a->who.owner_id[0] != '\0' && serial[0] != '\0' &&
	       a->device.serial[0] != '\0' && !str_eq(serial, a->device.serial);
}

static bool
is_renewal(const struct authenticate *a)
{
	return str_eq(a->who.purpose, "renew") && a->known &&
	       str_eq(a->who.owner_id, a->device.id) &&
	       str_eq(a->device.state, "enrolled");
}

static bool
end_old_life(struct authenticate *a, struct store_tx *tx, struct err *e)
{
	AUTO(mdm_db_order_clear) struct mdm_db_order wipe = { 0 };
	struct mdm_farewell f = { .device_id = a->device.id,
		.state = "enrolling",
		.why = "re-enrolled" };

	if (!mdm_db_order_open(tx, a->device.id, "wipe", &wipe, e))
		return false;
	if (str_eq(wipe.state, "delivered"))
		f.why = "wiped";
	return mdm_life_end(a->s, tx, &f, e);
}

static bool
begin_life(struct authenticate *a, struct store_tx *tx, struct err *e)
{
	struct mdm_device *d = &a->device;
	bool named;

	str_copy_cut(d->state, sizeof(d->state), "enrolling");
	mdm_device_forget(d);
	mdm_device_take(d, &a->told, &named);
	d->updated_at = d->last_seen_at = clock_now_ms();
	return mdm_inventory_chip(tx, d, e) && mdm_db_device_save(tx, d, e) &&
	       mdm_db_enrollment_begin(
	           tx, d->udid, d->id, a->m->fingerprint, e) &&
	       cert_ledger_bind(tx, a->m->fingerprint, d->id, e) &&
	       mdm_event(tx,
	           &(struct store_event){ .kind = "device.enrolling",
	               .device_id = d->id,
	               .actor = "device" },
	           NULL, e) &&
	       (!named || mdm_device_named(tx, d, e));
}

/* A row for a machine never seen before. */
static bool
add_device(struct authenticate *a, struct store_tx *tx, struct err *e)
{
	struct mdm_device *d = &a->device;

	uuid_new(d->id);
	str_copy_cut(d->state, sizeof(d->state), "enrolling");
	d->created_at = clock_now_ms();
	return mdm_db_device_add(tx, d, e);
}

static bool
refresh(struct authenticate *a, struct store_tx *tx, struct err *e)
{
	struct mdm_device *d = &a->device;
	bool named;

	mdm_device_take(d, &a->told, &named);
	d->updated_at = d->last_seen_at = clock_now_ms();
	log_event(LOG_INFO, "identity_renewed", "udid", d->udid, NULL);
	return mdm_inventory_chip(tx, d, e) && mdm_db_device_save(tx, d, e) &&
	       (!named || mdm_device_named(tx, d, e));
}

/* *conflict_out: the serial number belongs to another; that is an event. */
static bool
enrol(struct authenticate *a, struct store_tx *tx, bool *conflict_out,
    struct err *e)
{
	struct mdm_serial_claim claim = { .device = &a->device,
		.told = a->serial };

	if (is_renewal(a))
		return refresh(a, tx, e);
	if (!a->known)
		str_copy_cut(
		    a->device.udid, sizeof(a->device.udid), a->m->udid);
	if (!mdm_life_serial(tx, &claim, conflict_out, e))
		return false;
	if (*conflict_out)
		return true;
	/* By its serial it may turn out to have a row after all. */
	if (a->device.id[0] == '\0') {
		if (!add_device(a, tx, e))
			return false;
	} else if (!end_old_life(a, tx, e)) {
		return false;
	}
	return begin_life(a, tx, e);
}

/* May be run again: what the Mac told stays, what was found does not. */
static bool
store_life(struct store_tx *tx, void *arg, struct err *e)
{
	struct authenticate *a = arg;
	const struct mdm_message *m = a->m;

	a->device = (struct mdm_device){ 0 };
	a->known = a->conflict = a->stale = false;
	if (!mdm_db_who(tx, m->fingerprint, m->udid, &a->who, e) ||
	    !mdm_db_device_get(
	        tx, MDM_BY_UDID, m->udid, &a->device, &a->known, e))
		return false;
	a->why = may_bind(a);
	if (a->why == MDM_ACCEPTED && is_clone(a))
		a->why = MDM_OTHER_DEVICE;
	if (a->why != MDM_ACCEPTED)
		return err_set(e, ERR_FORBIDDEN, "refused");
	if (!enrol(a, tx, &a->conflict, e))
		return false;
	/* Anybody can download an identity: it does not fill the feed. */
	if (a->conflict && !a->asked) {
		a->asked = true;
		a->news =
		    mdm_auth_is_news(a->s, m->fingerprint, MDM_OTHER_DEVICE);
	}
	a->stale = a->conflict && !a->news;
	return !a->stale || err_set(e, ERR_CONFLICT, "no news");
}

bool
mdm_authenticate(struct mdm_service *s, struct mdm_message *m, struct err *e)
{
	struct authenticate a = { .s = s, .m = m };
	enum mdm_refusal why;

	/* Strangers never get a turn of the writer. */
	if (!mdm_auth_who(s, m->fingerprint, m->udid, &a.who, e))
		return false;
	why = mdm_auth_certificate(&a.who, clock_now_ms());
	if (why != MDM_ACCEPTED)
		return mdm_auth_refuse(s, m, &a.who, why, e);
	if (!read_told(&a, e))
		return false;
	if (!store_write(s->o.store, store_life, &a, e) && !a.stale) {
		if (a.why != MDM_ACCEPTED)
			return mdm_auth_refuse(s, m, &a.who, a.why, e);
		return err_wrap(e, "Authenticate");
	}
	mdm_count(s, MDM_COUNT_AUTHENTICATE);
	if (a.conflict)
		return err_slug(e, ERR_INVALID, "serial_conflict",
		    "another enrolled Mac has this serial number");
	log_event(LOG_INFO, "authenticated", "udid", m->udid, "serial",
	    a.device.serial, "chip", mdm_chip_name(a.device.chip), NULL);
	return true;
}
