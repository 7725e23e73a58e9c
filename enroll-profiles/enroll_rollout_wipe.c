/*
 * What the end of an enrolment means for the certificates of the Mac and its
 * user, and wipes that did not end as they should.  Hooks of mdm/: they work
 * within the transaction of their caller, on any thread.
 */
#include "enroll-profiles/enroll_priv.h"
#include "scep/scep_device.h"

/* The user's, and what SCEP clients have in the Mac's name. */
static bool
end_certificates(struct store_tx *tx, const char *device_id, struct err *e)
{
	return cert_ledger_revoke_device(tx, device_id, "rollout",
	           CERT_REASON_CESSATION, "system", e) &&
	       scep_device_left(tx, device_id, e);
}

bool
enroll_rollout_left(struct store_tx *tx, const char *device_id, const char *why,
    void *service, struct err *e)
{
	struct enroll_rollout r;
	bool found;

	(void)service;
	if (!end_certificates(tx, device_id, e))
		return false;
	/* The profiles went with the enrolment, and its queue is cleared. */
	for (;;) {
		if (!enroll_db_rollout_open(tx, device_id, &r, &found, e))
			return false;
		if (!found)
			break;
		str_copy_cut(r.reason, sizeof(r.reason), why);
		r.command_id[0] = '\0';
		r.retry_at = 0;
		if (!enroll_rollout_move(tx, &r, "removed", "system", e))
			return false;
	}
	/* Whoever enrols it next is not for that reason its user. */
	return !str_eq(why, "wiped") || enroll_user_wiped(tx, device_id, e);
}

bool
enroll_rollout_returned(
    struct store_tx *tx, const char *device_id, void *service, struct err *e)
{
	struct enroll_service *s = service;
	struct enroll_rollout r;
	bool found;

	for (;;) {
		/* As enroll_rollout_left() was told. */
		if (!enroll_db_rollout_removed(
		        tx, device_id, "wiped", &r, &found, e))
			return false;
		if (!found)
			return true;
		str_copy_cut(r.reason, sizeof(r.reason),
		    "the wipe did not happen: the profile is still there");
		if (!enroll_rollout_remove(tx, s->seal, &r, "system", e))
			return false;
	}
}

bool
enroll_rollout_wipe_unconfirmed(
    struct store_tx *tx, const char *device_id, void *service, struct err *e)
{
	struct enroll_service *s = service;
	struct enroll_rollout r;
	bool found;

	if (!end_certificates(tx, device_id, e) ||
	    !enroll_db_rollout_alive(tx, device_id, &r, &found, e))
		return false;
	if (!found)
		return true;
	str_copy_cut(r.reason, sizeof(r.reason),
	    "the Mac got a wipe and did not answer: it may be erased");
	return enroll_rollout_remove(tx, s->seal, &r, "system", e);
}
