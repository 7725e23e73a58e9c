/*
 * The certificate of a device's user, as one tracked job:
 *
 *	issuing -> sent -> installed
 *	   ^        |
 *	   +-failed-+          any of them -> removing -> removed
 *
 * issuing: InstallProfile is queued.  sent: the Mac fetched it; the profile
 * and its challenge were made in that moment, so a Mac that was away for a
 * week does not come back to an expired one.  installed: the Mac acknowledged
 * and the ledger has a certificate issued for it.  failed: tried again at
 * retry_at with a fresh challenge, until the tries are used up.
 *
 * Each rollout has a profile identifier of its own.  So removing the profile
 * of a former user, late or twice, cannot take away the new user's.
 *
 * All functions work within the transaction of their caller, on any thread.
 */
#include <stdio.h>
#include <string.h>

#include "core/encode.h"
#include "core/json.h"
#include "enroll-profiles/enroll_priv.h"
#include "store/store_event.h"

enum { TRIES = 4 };
/* Before the second, third and fourth try. */
static const int64_t gaps_ms[TRIES - 1] = { MS_MIN, 5 * MS_MIN, 30 * MS_MIN };

/* Event of each state; the event table knows them all. */
static const struct {
	const char *state, *kind;
} kinds[] = {
	{ "issuing", "rollout.issuing" },
	{ "sent", "rollout.sent" },
	{ "installed", "rollout.installed" },
	{ "failed", "rollout.failed" },
	{ "removing", "rollout.removing" },
	{ "removed", "rollout.removed" },
};

static const char *
kind_of(const char *state)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_eq(kinds[i].state, state))
			return kinds[i].kind;
	return NULL;
}

static bool
in_state(const struct enroll_rollout *r, const char *a, const char *b)
{
	return str_eq(r->state, a) || str_eq(r->state, b);
}

static bool
tell(struct store_tx *tx, const struct enroll_rollout *r, const char *actor,
    struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "user_id", r->user_id);
	json_put_int(data, "attempt", r->attempts);
	if (r->reason[0] != '\0')
		json_put_str(data, "reason", r->reason);
	if (r->fingerprint[0] != '\0')
		json_put_str(data, "fingerprint", r->fingerprint);
	if (r->retry_at != 0)
		json_put_time(data, "retry_at", r->retry_at);
	text = json_text(data);
	return store_event_add(tx,
	    &(struct store_event){
	        kind_of(r->state), r->device_id, r->id, actor, text },
	    e);
}

bool
enroll_rollout_move(struct store_tx *tx, struct enroll_rollout *r,
    const char *state, const char *actor, struct err *e)
{
	str_copy_cut(r->state, sizeof(r->state), state);
	return enroll_db_rollout_save(tx, r, e) && tell(tx, r, actor, e);
}

static void
set_reason(struct enroll_rollout *r, const char *reason)
{
	str_copy_cut(r->reason, sizeof(r->reason), reason);
}

/* Queues InstallProfile or RemoveProfile for it, to be rendered at delivery;
 * *queued_out is false when the device has no enrolled channel. */
static bool
queue(struct store_tx *tx, const struct seal *seal, struct enroll_rollout *r,
    const char *request_type, const char *by, bool *queued_out, struct err *e)
{
	char channel[LIMIT_ID + 1];

	if (!enroll_db_channel(tx, r->device_id, channel, queued_out, e))
		return false;
	if (!*queued_out)
		return true;
	return mdm_queue_add(tx, seal,
	    &(struct mdm_command){ .enrollment_id = channel,
	        .request_type = request_type,
	        .renderer = ENROLL_RENDERER,
	        .renderer_ref = r->id,
	        .origin = "rollout",
	        .by = by },
	    r->command_id, e);
}

/* A rollout of this user's certificate to this device, not stored yet. */
static struct enroll_rollout
fresh(const struct mdm_device *d, const char *user_id, const char *state)
{
	struct enroll_rollout r = { .attempts = 1,
		.created_at = clock_now_ms() };

	uuid_new_lower(r.id);
	str_copy_cut(r.device_id, sizeof(r.device_id), d->id);
	str_copy_cut(r.user_id, sizeof(r.user_id), user_id);
	str_copy_cut(r.state, sizeof(r.state), state);
	(void)snprintf(r.profile_identifier, sizeof(r.profile_identifier),
	    "%s%s", ENROLL_USER_IDENTIFIER, r.id);
	return r;
}

bool
enroll_rollout_start(struct store_tx *tx, const struct seal *seal,
    const struct mdm_device *d, const char *user_id, const char *by,
    struct err *e)
{
	struct enroll_rollout r, old;
	bool found, queued;

	if (!enroll_db_rollout_alive(tx, d->id, &old, &found, e))
		return false;
	/* What failed for good starts anew when asked for again. */
	if (found && str_eq(old.user_id, user_id) &&
	    !(str_eq(old.state, "failed") && old.retry_at == 0))
		return true;
	if (found && !enroll_rollout_stop(tx, seal, d->id, by, e))
		return false;
	r = fresh(d, user_id, "issuing");
	if (!queue(tx, seal, &r, "InstallProfile", by, &queued, e))
		return err_wrap(e, "certificate of the user");
	if (!queued)
		return true;
	return enroll_db_rollout_add(tx, &r, e) && tell(tx, &r, by, e);
}

/* Takes back the command under way, if it is not done yet. */
static bool
cancel_command(struct store_tx *tx, struct enroll_rollout *r, const char *by,
    struct err *e)
{
	struct err why = { 0 };

	if (r->command_id[0] == '\0')
		return true;
	if (!mdm_queue_cancel(tx, r->command_id, by, &why) &&
	    why.code != ERR_CONFLICT && why.code != ERR_NOT_FOUND) {
		*e = why;
		return false;
	}
	r->command_id[0] = '\0';
	return true;
}

/* Removes the profile, if any was sent. */
static bool
take_away(struct store_tx *tx, const struct seal *seal,
    struct enroll_rollout *r, const char *by, struct err *e)
{
	/* A first InstallProfile that the Mac never fetched left nothing. */
	bool sent = !str_eq(r->state, "issuing") || r->attempts > 1;

	if (!cancel_command(tx, r, by, e))
		return false;
	r->retry_at = 0;
	r->attempts = 1;
	if (sent && !queue(tx, seal, r, "RemoveProfile", by, &sent, e))
		return err_wrap(e, "removing the user's certificate");
	return enroll_rollout_move(tx, r, sent ? "removing" : "removed", by, e);
}

bool
enroll_rollout_stop(struct store_tx *tx, const struct seal *seal,
    const char *device_id, const char *by, struct err *e)
{
	struct enroll_rollout r;
	bool found;

	if (!cert_ledger_revoke_device(tx, device_id, "rollout",
	        CERT_REASON_AFFILIATION_CHANGED, by, e))
		return false;
	if (!enroll_db_rollout_alive(tx, device_id, &r, &found, e))
		return false;
	if (!found)
		return true;
	set_reason(&r, "the user is no longer assigned");
	return take_away(tx, seal, &r, by, e);
}

bool
enroll_rollout_revoked(struct store_tx *tx, const struct seal *seal,
    const struct cert_entry *c, const char *by, struct err *e)
{
	struct enroll_rollout r;
	bool found;

	if (!enroll_db_rollout_alive(tx, c->device_id, &r, &found, e))
		return false;
	if (!found || !str_eq(r.fingerprint, c->fingerprint))
		return true;
	set_reason(&r, "its certificate was revoked");
	return take_away(tx, seal, &r, by, e);
}

/* ---- the Mac's answer ---- */

/* Fails this try; the next one comes at retry_at, unless it was the last. */
static bool
failed(struct store_tx *tx, struct enroll_rollout *r, const char *reason,
    struct err *e)
{
	set_reason(r, reason);
	r->command_id[0] = '\0';
	r->retry_at =
	    r->attempts < TRIES ? clock_now_ms() + gaps_ms[r->attempts - 1] : 0;
	if (r->fingerprint[0] != '\0' &&
	    !cert_ledger_revoke(
	        tx, r->fingerprint, CERT_REASON_CESSATION, "system", e))
		return false;
	r->fingerprint[0] = '\0';
	return enroll_rollout_move(tx, r, "failed", "device", e);
}

static bool
installed(struct store_tx *tx, struct enroll_rollout *r, struct err *e)
{
	char old[SHA256_HEX_SIZE];
	bool found;

	/* One certificate a device: this one takes the place of others. */
	for (;;) {
		if (!enroll_db_older_certificate(
		        tx, r->device_id, r->fingerprint, old, &found, e))
			return false;
		if (!found)
			break;
		if (!cert_ledger_revoke(
		        tx, old, CERT_REASON_SUPERSEDED, "system", e))
			return false;
	}
	r->reason[0] = '\0';
	r->command_id[0] = '\0';
	r->retry_at = 0;
	return enroll_rollout_move(tx, r, "installed", "device", e);
}

static bool
install_done(struct store_tx *tx, struct enroll_rollout *r, bool acknowledged,
    const char *text, struct err *e)
{
	if (!acknowledged)
		return failed(tx, r, text, e);
	if (r->fingerprint[0] == '\0')
		return failed(tx, r,
		    "the Mac installed the profile but no certificate was "
		    "issued for it",
		    e);
	return installed(tx, r, e);
}

/* Words by which a Mac says that the profile is not there.  Apple documents
 * no code for it. */
static bool
says_absent(const char *text)
{
	static const char *const words[] = { "not installed", "not found",
		"could not be found", "no profile", "does not exist" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (strcasestr(text, words[i]) != NULL)
			return true;
	return false;
}

static bool
remove_done(struct store_tx *tx, struct enroll_rollout *r, bool acknowledged,
    const char *text, struct err *e)
{
	r->command_id[0] = '\0';
	r->retry_at = 0;
	if (acknowledged || says_absent(text))
		return enroll_rollout_move(tx, r, "removed", "device", e);
	set_reason(r, text);
	if (r->attempts < TRIES) {
		r->retry_at = clock_now_ms() + gaps_ms[r->attempts - 1];
		return enroll_db_rollout_save(tx, r, e);
	}
	/* Revoked it is; only the profile lies there still. */
	return enroll_rollout_move(tx, r, "removing", "device", e);
}

bool
enroll_rollout_done(struct store_tx *tx, const char *ref,
    const char *command_id, const char *state, const char *text, void *arg,
    struct err *e)
{
	bool acknowledged = str_eq(state, "acknowledged");
	const char *why = str_empty(text) ? "the Mac gave no reason" : text;
	struct enroll_rollout r;
	bool found;

	(void)arg;
	if (!enroll_db_rollout(tx, ref, &r, &found, e))
		return false;
	/* An answer to a command that was taken back meanwhile. */
	if (!found || !str_eq(r.command_id, command_id))
		return true;
	if (str_eq(r.state, "removing"))
		return remove_done(tx, &r, acknowledged, why, e);
	if (in_state(&r, "issuing", "sent"))
		return install_done(tx, &r, acknowledged, why, e);
	return true;
}

/* ---- hooks ---- */

bool
enroll_rollout_issued(struct store_tx *tx, const struct cert_record *c,
    void *service, struct err *e)
{
	struct enroll_rollout r;
	bool found = false;

	(void)service;
	if (!str_eq(c->purpose, "rollout"))
		return true;
	if (c->enrollment_ref != NULL &&
	    !enroll_db_rollout(tx, c->enrollment_ref, &r, &found, e))
		return false;
	/* Unassigned since the delivery: the challenge outlived its reason. */
	if (!found || !in_state(&r, "issuing", "sent") ||
	    !str_eq(r.device_id, c->device_id))
		return err_set(e, ERR_REFUSED,
		    "the rollout this certificate was for has ended");
	str_copy_cut(
	    r.fingerprint, sizeof(r.fingerprint), c->issued->fingerprint);
	return enroll_db_rollout_save(tx, &r, e);
}

bool
enroll_rollout_left(struct store_tx *tx, const char *device_id, const char *why,
    void *service, struct err *e)
{
	struct enroll_rollout r;
	bool found;

	(void)service;
	if (!cert_ledger_revoke_device(
	        tx, device_id, "rollout", CERT_REASON_CESSATION, "system", e))
		return false;
	/* The profiles went with the enrolment, and its queue is cleared. */
	for (;;) {
		if (!enroll_db_rollout_open(tx, device_id, &r, &found, e))
			return false;
		if (!found)
			break;
		set_reason(&r, why);
		r.command_id[0] = '\0';
		r.retry_at = 0;
		if (!enroll_rollout_move(tx, &r, "removed", "system", e))
			return false;
	}
	/* Whoever enrols it next is not for that reason its user. */
	return !str_eq(why, "wiped") || enroll_user_wiped(tx, device_id, e);
}

/*
 * Anybody who may download an enrolment profile can claim to be this Mac,
 * enrolled anew; who its user is was said of the earlier life.  So the
 * certificate waits until an administrator assigns the user again.
 */
static bool
hold(struct store_tx *tx, const struct mdm_device *d, struct err *e)
{
	struct enroll_rollout r, alive;
	bool found;

	if (!enroll_db_rollout_alive(tx, d->id, &alive, &found, e))
		return false;
	if (found)
		return true;
	r = fresh(d, d->user_id, "failed");
	set_reason(&r,
	    "the Mac enrolled anew: assign its user again to send the "
	    "certificate");
	return enroll_db_rollout_add(tx, &r, e) && tell(tx, &r, "system", e);
}

bool
enroll_rollout_enrolled(
    struct store_tx *tx, const char *device_id, void *service, struct err *e)
{
	struct enroll_service *s = service;
	struct mdm_device d;
	bool before;

	if (!mdm_device_find(tx, device_id, &d, e))
		return false;
	if (d.user_id[0] == '\0')
		return true;
	if (!enroll_db_rollout_ever(tx, d.id, d.user_id, &before, e))
		return false;
	if (before)
		return hold(tx, &d, e);
	return enroll_rollout_start(tx, s->seal, &d, d.user_id, "system", e);
}

/* ---- retries ---- */

static bool
try_again(struct store_tx *tx, const struct seal *seal,
    struct enroll_rollout *r, struct err *e)
{
	bool removing = str_eq(r->state, "removing");
	bool queued;

	r->retry_at = 0;
	r->attempts++;
	if (!queue(tx, seal, r, removing ? "RemoveProfile" : "InstallProfile",
	        "system", &queued, e))
		return false;
	if (!queued) {
		set_reason(r, "the Mac is no longer enrolled");
		return enroll_rollout_move(tx, r, "removed", "system", e);
	}
	return enroll_rollout_move(
	    tx, r, removing ? "removing" : "issuing", "system", e);
}

/* Its command was cancelled: that is not tried again by itself. */
static bool
withdraw(struct store_tx *tx, struct enroll_rollout *r, struct err *e)
{
	static const char why[] = "its command was cancelled";

	if (str_eq(r->state, "removing")) {
		set_reason(r, why);
		r->command_id[0] = '\0';
		return enroll_rollout_move(tx, r, r->state, "system", e);
	}
	r->attempts = TRIES;
	return failed(tx, r, why, e);
}

/* The next rollout to be tried again, or to be withdrawn. */
struct step {
	const struct seal *seal;
	const struct store_lease *lease;
	bool orphans;
	bool found;
	struct enroll_rollout r;
};

/* May be run again. */
static bool
step_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct step *t = arg;

	if (!(t->orphans ? enroll_db_rollout_orphan(tx, &t->r, &t->found, e)
	                 : enroll_db_rollout_due(
	                       tx, clock_now_ms(), &t->r, &t->found, e)))
		return false;
	if (!t->found)
		return true;
	if (!store_lease_keep(tx, t->lease, e) ||
	    !(t->orphans ? withdraw(tx, &t->r, e)
	                 : try_again(tx, t->seal, &t->r, e)))
		return err_wrap(e, "rollout %s", t->r.id);
	return true;
}

bool
enroll_rollout_retry(struct enroll_service *s, const struct store_lease *lease,
    int limit, struct err *e)
{
	for (int orphans = 0; orphans < 2; orphans++) {
		struct step t = { .seal = s->seal,
			.lease = lease,
			.orphans = orphans == 1,
			.found = true };

		for (int i = 0; i < limit && t.found; i++)
			if (!store_write(s->store, step_once, &t, e))
				return false;
	}
	return true;
}
