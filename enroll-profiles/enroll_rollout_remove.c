/*
 * The way back of a rollout: its certificate is revoked at once, its profile
 * removed when the Mac comes.  Works within the transaction of its caller, on
 * any thread.
 */
#include <string.h>

#include "core/clock.h"
#include "enroll-profiles/enroll_priv.h"

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

bool
enroll_rollout_remove(struct store_tx *tx, const struct seal *seal,
    struct enroll_rollout *r, const char *by, struct err *e)
{
	/* Neither what only waited for a word, nor a first InstallProfile that
	 * the Mac never fetched, left anything. */
	bool sent = r->attempts > 1 ||
	            (r->attempts == 1 && !str_eq(r->state, "issuing"));

	if (!cancel_command(tx, r, by, e))
		return false;
	r->retry_at = 0;
	r->attempts = 1;
	str_copy_cut(r->state, sizeof(r->state), "removing");
	if (sent && !enroll_rollout_queue(tx, seal, r, by, &sent, e))
		return err_wrap(e, "removing the user's certificate");
	return enroll_rollout_move(tx, r, sent ? "removing" : "removed", by, e);
}

bool
enroll_rollout_end(struct store_tx *tx, const struct seal *seal,
    struct enroll_rollout *r, const char *reason, const char *by, struct err *e)
{
	if (!cert_ledger_revoke_device(tx, r->device_id, "rollout",
	        CERT_REASON_AFFILIATION_CHANGED, by, e))
		return false;
	str_copy_cut(r->reason, sizeof(r->reason), reason);
	return enroll_rollout_remove(tx, seal, r, by, e);
}

bool
enroll_rollout_stop(struct store_tx *tx, const struct seal *seal,
    const char *device_id, const char *by, struct err *e)
{
	struct enroll_rollout r;
	bool found;

	if (!enroll_db_rollout_alive(tx, device_id, &r, &found, e))
		return false;
	if (found)
		return enroll_rollout_end(
		    tx, seal, &r, ENROLL_NOT_ASSIGNED, by, e);
	return cert_ledger_revoke_device(
	    tx, device_id, "rollout", CERT_REASON_AFFILIATION_CHANGED, by, e);
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
	str_copy_cut(r.reason, sizeof(r.reason), "its certificate was revoked");
	return enroll_rollout_remove(tx, seal, &r, by, e);
}

/* ---- the Mac's answer ---- */

bool
enroll_rollout_stays(struct store_tx *tx, struct enroll_rollout *r,
    const char *reason, struct err *e)
{
	str_copy_cut(r->reason, sizeof(r->reason), reason);
	r->command_id[0] = '\0';
	r->retry_at = enroll_rollout_retry_at(r->attempts);
	if (r->retry_at != 0)
		return enroll_db_rollout_save(tx, r, e);
	return enroll_rollout_move(tx, r, "removal-failed", "device", e);
}

/*
 * A Mac says that the profile is not there.  Apple documents neither code nor
 * words; 89 is what current systems send (fleetdm/fleet pull request 10579),
 * the words are those of others.
 */
static bool
says_absent(const struct mdm_done *d)
{
	static const char *const words[] = { "not installed", "not found",
		"could not be found", "no profile", "does not exist" };

	if (d->domain != NULL && d->code == 89 &&
	    str_eq(d->domain, "MDMClientError"))
		return true;
	for (size_t i = 0; d->text != NULL && i < COUNT(words); i++)
		if (strcasestr(d->text, words[i]) != NULL)
			return true;
	return false;
}

bool
enroll_rollout_remove_done(struct store_tx *tx, struct enroll_rollout *r,
    const struct mdm_done *d, struct err *e)
{
	if (!str_eq(d->state, "acknowledged") && !says_absent(d))
		return enroll_rollout_stays(tx, r, enroll_rollout_why(d), e);
	r->command_id[0] = '\0';
	r->retry_at = 0;
	return enroll_rollout_move(tx, r, "removed", "device", e);
}
