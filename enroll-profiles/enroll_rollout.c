/*
 * The certificate of a device's user, as one tracked job:
 *
 *	issuing -> sent -> installed
 *	   ^        |
 *	   +-failed-+     any of them -> removing -> removed, or removal-failed
 *
 * issuing: InstallProfile is queued.  sent: the Mac fetched it; the profile
 * and its challenge were made in that moment, so a Mac that was away for a
 * week does not come back to an expired one.  installed: the Mac acknowledged
 * and the ledger has a certificate issued for it.  failed: tried again at
 * retry_at with a fresh challenge, until the tries are used up.
 * removal-failed: so are those of RemoveProfile.  The certificate is revoked,
 * but its profile may lie on the Mac.
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

enum { TRIES = ENROLL_ROLLOUT_TRIES };
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
	{ "removal-failed", "rollout.removal_failed" },
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

bool
enroll_rollout_queue(struct store_tx *tx, const struct seal *seal,
    struct enroll_rollout *r, const char *by, bool *queued_out, struct err *e)
{
	bool removing = str_eq(r->state, "removing");
	char channel[MDM_ENROLLMENT_ID];

	if (!mdm_device_channel(tx, r->device_id, channel, e))
		return false;
	*queued_out = channel[0] != '\0';
	if (!*queued_out)
		return true;
	return mdm_queue_add(tx, seal,
	    &(struct mdm_command){ .enrollment_id = channel,
	        .request_type = removing ? "RemoveProfile" : "InstallProfile",
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
	if (found &&
	    !enroll_rollout_end(tx, seal, &old,
	        str_eq(old.user_id, user_id) ? "the certificate is sent anew"
	                                     : ENROLL_NOT_ASSIGNED,
	        by, e))
		return false;
	r = fresh(d, user_id, "issuing");
	if (!enroll_rollout_queue(tx, seal, &r, by, &queued, e))
		return err_wrap(e, "certificate of the user");
	if (!queued)
		return true;
	return enroll_db_rollout_add(tx, &r, e) && tell(tx, &r, by, e);
}

/* ---- the Mac's answer ---- */

int64_t
enroll_rollout_retry_at(int64_t attempts)
{
	return attempts < TRIES ? clock_now_ms() + gaps_ms[attempts - 1] : 0;
}

bool
enroll_rollout_failed(struct store_tx *tx, struct enroll_rollout *r,
    const char *reason, struct err *e)
{
	set_reason(r, reason);
	r->command_id[0] = '\0';
	r->retry_at = enroll_rollout_retry_at(r->attempts);
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

const char *
enroll_rollout_why(const struct mdm_done *d)
{
	return str_empty(d->text) ? "the Mac gave no reason" : d->text;
}

static bool
install_done(struct store_tx *tx, struct enroll_rollout *r,
    const struct mdm_done *d, struct err *e)
{
	if (!str_eq(d->state, "acknowledged"))
		return enroll_rollout_failed(tx, r, enroll_rollout_why(d), e);
	if (r->fingerprint[0] == '\0')
		return enroll_rollout_failed(tx, r,
		    "the Mac installed the profile but no certificate was "
		    "issued for it",
		    e);
	return installed(tx, r, e);
}

bool
enroll_rollout_done(
    struct store_tx *tx, const struct mdm_done *what, void *arg, struct err *e)
{
	struct enroll_rollout r;
	bool found;

	(void)arg;
	if (!enroll_db_rollout(tx, what->ref, &r, &found, e))
		return false;
	/* An answer to a command that was taken back meanwhile. */
	if (!found || !str_eq(r.command_id, what->command_id))
		return true;
	if (str_eq(r.state, "removing"))
		return enroll_rollout_remove_done(tx, &r, what, e);
	if (in_state(&r, "issuing", "sent"))
		return install_done(tx, &r, what, e);
	return true;
}

/* ---- hooks ---- */

/* An authority behind this server may take days: the Mac has given that try
 * up, and the certificate of a later one must not be displaced.  Until a
 * profile was delivered nothing can be of this try; which challenge an older
 * program put into it, nobody knows. */
static bool
of_this_try(const struct enroll_rollout *r, const struct cert_record *c)
{
	return str_eq(r->state, "sent") &&
	       (r->challenge_id[0] == '\0' ||
	           str_eq(r->challenge_id, c->challenge_id));
}

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
	if (!of_this_try(&r, c))
		return err_set(
		    e, ERR_REFUSED, "the rollout has begun another try since");
	str_copy_cut(
	    r.fingerprint, sizeof(r.fingerprint), c->issued->fingerprint);
	return enroll_db_rollout_save(tx, &r, e);
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
	r.attempts = 0;
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
