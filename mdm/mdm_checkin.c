/*
 * Check-in: TokenUpdate, CheckOut, and the messages this release does not
 * offer.  Every acknowledgement follows its commit.  Any thread.
 */
#include "apns/apns_scheduler.h"
#include "certs/cert_ledger.h"
#include "mdm/mdm_priv.h"

typedef bool (*checkin_handler)(struct mdm_service *s, struct mdm_message *m,
    int *status_out, struct err *e);

/* ---- TokenUpdate ---- */

static bool
read_token(struct mdm_service *s, const struct mdm_message *m,
    struct mdm_token *t, struct err *e)
{
	if (!pl_need_str(m->doc, "Topic", LIMIT_TOPIC, &t->topic, e) ||
	    !pl_need_str(m->doc, "PushMagic", LIMIT_PUSH_MAGIC, &t->magic, e) ||
	    !pl_get_data(m->doc, "Token", LIMIT_PUSH_TOKEN, &t->token, e) ||
	    !pl_get_str(m->doc, "UserShortName", LIMIT_NAME, &t->short_name, e))
		return err_wrap(e, "TokenUpdate");
	if (t->token.len == 0)
		return err_set(e, ERR_INVALID, "TokenUpdate: Token is missing");
	t->enrollment_id = m->enrollment_id;
	t->channel = m->user_id != NULL ? "user" : "device";
	t->now = clock_now_ms();
	t->push_state = "ok";
	if (!mdm_topic_fits(s, t->topic)) {
		/* Stored all the same: it can be seen, but not pushed. */
		t->push_state = "refused";
		log_event(LOG_ERROR, "topic_mismatch", "udid", m->udid, "topic",
		    t->topic, NULL);
	}
	return true;
}

/* Identities of earlier lives are of no use to anybody honest. */
static bool
supersede(struct store_tx *tx, const char *device_id, const char *fingerprint,
    struct err *e)
{
	char other[65];

	for (;;) {
		if (!mdm_db_other_identity(
		        tx, device_id, fingerprint, other, e))
			return false;
		if (other[0] == '\0')
			return true;
		if (!cert_ledger_revoke(
		        tx, other, CERT_REASON_SUPERSEDED, "system", e))
			return false;
	}
}

static bool
first_update(struct mdm_service *s, struct store_tx *tx,
    const struct mdm_message *m, const char *device_id, struct err *e)
{
	struct mdm_device d;
	bool found;

	if (!mdm_db_device_get(tx, MDM_BY_ID, device_id, &d, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_INTERNAL, "a device without a row");
	str_copy_cut(d.state, sizeof(d.state), "enrolled");
	d.enrolled_at = d.last_seen_at = d.updated_at = clock_now_ms();
	return mdm_db_device_save(tx, &d, e) &&
	       supersede(tx, d.id, m->fingerprint, e) &&
	       mdm_event(tx,
	           &(struct store_event){ .kind = "device.enrolled",
	               .device_id = d.id,
	               .actor = "device" },
	           NULL, e) &&
	       mdm_inventory_ask(tx, s->o.seal, d.id, "system", e) &&
	       (s->o.on_enrolled == NULL ||
	           s->o.on_enrolled(tx, d.id, s->o.hook_arg, e));
}

/* A user's channel needs no Authenticate, but a device that is enrolled. */
static enum mdm_refusal
may_update(const struct mdm_message *m, const struct mdm_who *w)
{
	enum mdm_refusal why = mdm_auth_bound(w, clock_now_ms());

	if (why == MDM_ACCEPTED && m->user_id != NULL &&
	    !str_eq(w->state, "enrolled"))
		return MDM_NOT_ENROLLED;
	return why;
}

struct update {
	struct mdm_service *s;
	const struct mdm_message *m;
	struct mdm_token token;
	bool first; /* of this enrolment */
	bool late;  /* from an earlier life, while a new one begins */
};

/* UserIDs are the Mac's to invent, and each is a row for good. */
static bool
need_room(struct store_tx *tx, const struct mdm_message *m,
    const char *device_id, struct err *e)
{
	bool room;

	if (m->user_id == NULL)
		return true;
	if (!mdm_db_enrollment_user_room(
	        tx, device_id, m->enrollment_id, &room, e))
		return false;
	return room || err_slug(e, ERR_REFUSED, "too_many_users",
	                   "TokenUpdate: this device has %d users already",
	                   LIMIT_USER_CHANNELS);
}

static bool
store_token(struct store_tx *tx, void *arg, struct err *e)
{
	struct update *u = arg;
	const struct mdm_message *m = u->m;
	struct mdm_token stored = u->token;
	struct mdm_who w;
	int64_t updates;

	if (!mdm_db_who(tx, m->fingerprint, m->udid, &w, e))
		return false;
	if (may_update(m, &w) != MDM_ACCEPTED)
		return err_set(e, ERR_FORBIDDEN, "this device is not enrolled");
	stored.device_id = w.device_id;
	if (!need_room(tx, m, w.device_id, e) ||
	    !mdm_db_enrollment_token(tx, &stored, &updates, e))
		return false;
	u->first = updates == 1 && m->user_id == NULL;
	if (u->first && !first_update(u->s, tx, m, w.device_id, e))
		return false;
	/* What waited for a token that works is pushed now. */
	return (!w.open && m->user_id == NULL) ||
	       apns_push_due(tx, m->enrollment_id, stored.now, e);
}

static bool
token_update(struct mdm_service *s, struct mdm_message *m, int *status_out,
    struct err *e)
{
	struct update u = { .s = s, .m = m };
	struct mdm_who w;
	enum mdm_refusal why;

	(void)status_out;
	if (!mdm_auth_who(s, m->fingerprint, m->udid, &w, e))
		return false;
	why = may_update(m, &w);
	if (why != MDM_ACCEPTED)
		return mdm_auth_refuse(s, m, &w, why, e);
	if (!read_token(s, m, &u.token, e))
		return false;
	if (!store_write(s->o.store, store_token, &u, e))
		return err_wrap(e, "TokenUpdate");
	mdm_count(s, MDM_COUNT_TOKEN_UPDATE);
	log_event(LOG_INFO, u.first ? "enrolled" : "token_updated", "udid",
	    m->udid, "user", m->user_id, NULL);
	return true;
}

/* ---- CheckOut ---- */

static bool
leave(struct mdm_service *s, struct store_tx *tx, const struct mdm_message *m,
    const struct mdm_who *w, struct err *e)
{
	struct mdm_farewell f = {
		.device_id = w->device_id, .state = "left", .why = "checked out"
	};

	if (m->user_id != NULL)
		return mdm_queue_clear(tx, m->enrollment_id, "cancelled", e) &&
		       mdm_db_enrollment_left(tx, m->enrollment_id, e);
	return mdm_life_end(s, tx, &f, e) &&
	       cert_ledger_revoke_device(tx, w->device_id, "enroll",
	           CERT_REASON_CESSATION, "device", e) &&
	       cert_ledger_revoke_device(tx, w->device_id, "renew",
	           CERT_REASON_CESSATION, "device", e) &&
	       mdm_event(tx,
	           &(struct store_event){ .kind = "device.left",
	               .device_id = w->device_id,
	               .actor = "device" },
	           NULL, e);
}

/* It may be sent again when our answer was lost. */
static bool
already_left(const struct mdm_who *w)
{
	return w->enrollment && str_eq(w->owner_id, w->device_id) &&
	       str_eq(w->state, "left");
}

/* A new life has begun by another certificate, and its token is still to come:
 * this is the farewell of the profile that was replaced. */
static bool
is_late(struct store_tx *tx, const struct mdm_message *m,
    const struct mdm_who *w, bool *late_out, struct err *e)
{
	char identity[65];

	*late_out = false;
	if (!str_eq(w->state, "authenticated"))
		return true;
	if (!mdm_db_enrollment_identity(tx, m->udid, identity, e))
		return false;
	*late_out = identity[0] != '\0' && !str_eq(identity, m->fingerprint);
	return true;
}

/* Asks again: a new life may have begun in between. */
static bool
store_leave(struct store_tx *tx, void *arg, struct err *e)
{
	struct update *u = arg;
	struct mdm_who w;

	if (!mdm_db_who(tx, u->m->fingerprint, u->m->udid, &w, e))
		return false;
	if (mdm_auth_bound(&w, clock_now_ms()) != MDM_ACCEPTED)
		return err_set(e, ERR_FORBIDDEN, "this device is not enrolled");
	return is_late(tx, u->m, &w, &u->late, e) &&
	       (u->late || leave(u->s, tx, u->m, &w, e));
}

static bool
check_out(struct mdm_service *s, struct mdm_message *m, int *status_out,
    struct err *e)
{
	struct update u = { .s = s, .m = m };
	struct mdm_who w;
	enum mdm_refusal why;

	(void)status_out;
	if (!mdm_auth_who(s, m->fingerprint, m->udid, &w, e))
		return false;
	why = mdm_auth_bound(&w, clock_now_ms());
	if (why == MDM_UNKNOWN_DEVICE ||
	    ((why == MDM_REVOKED || why == MDM_NOT_ENROLLED) &&
	        already_left(&w))) {
		log_event(LOG_INFO, "checked_out_again", "udid", m->udid, NULL);
		return true;
	}
	if (why != MDM_ACCEPTED)
		return mdm_auth_refuse(s, m, &w, why, e);
	if (!store_write(s->o.store, store_leave, &u, e))
		return err_wrap(e, "CheckOut");
	mdm_count(s, MDM_COUNT_CHECK_OUT);
	log_event(LOG_INFO, u.late ? "checked_out_late" : "checked_out", "udid",
	    m->udid, "user", m->user_id, NULL);
	return true;
}

/* ---- the rest ---- */

static bool
authenticate(struct mdm_service *s, struct mdm_message *m, int *status_out,
    struct err *e)
{
	(void)status_out;
	if (m->user_id != NULL)
		return err_set(e, ERR_INVALID,
		    "Authenticate: a user's channel does not authenticate");
	return mdm_authenticate(s, m, e);
}

/* 410: logins of network accounts are not managed. */
static bool
user_authenticate(struct mdm_service *s, struct mdm_message *m, int *status_out,
    struct err *e)
{
	struct mdm_who w;
	enum mdm_refusal why;

	if (!mdm_auth_who(s, m->fingerprint, m->udid, &w, e))
		return false;
	why = mdm_auth_bound(&w, clock_now_ms());
	if (why != MDM_ACCEPTED)
		return mdm_auth_refuse(s, m, &w, why, e);
	*status_out = 410;
	return true;
}

/* The profile does not announce these, so no Mac has a reason to ask. */
static bool
not_offered(struct mdm_service *s, struct mdm_message *m, int *status_out,
    struct err *e)
{
	(void)s, (void)m, (void)status_out;
	return err_set(
	    e, ERR_INVALID, "this message is not offered by this server");
}

static const struct {
	const char *type;
	checkin_handler handler;
} messages[] = {
	{ "Authenticate", authenticate },
	{ "TokenUpdate", token_update },
	{ "CheckOut", check_out },
	{ "UserAuthenticate", user_authenticate },
	{ "SetBootstrapToken", not_offered },
	{ "GetBootstrapToken", not_offered },
	{ "DeclarativeManagement", not_offered },
	{ "GetToken", not_offered },
};

bool
mdm_checkin(struct mdm_service *s, struct mdm_message *m, int *status_out,
    struct err *e)
{
	const char *type;

	*status_out = 200;
	if (!pl_need_str(m->doc, "MessageType", LIMIT_ID, &type, e))
		return false;
	for (size_t i = 0; i < COUNT(messages); i++)
		if (str_eq(type, messages[i].type))
			return messages[i].handler(s, m, status_out, e);
	return err_set(e, ERR_INVALID, "MessageType: not known");
}
