/*
 * What the end of a device's management, or of a user's, means for what SCEP
 * clients have, or are to get, in its name.  Works in the caller's transaction,
 * on its thread; no state.
 */
#include "scep/scep_device.h"
#include "certs/cert_ledger.h"
#include "core/clock.h"
#include "scep/scep_relay_priv.h"

#define TEXT_LEFT "its device has left the management"
#define TEXT_USER_LEFT "it is in the name of a user who left"

/* Who asks an upstream for it at this moment comes late. */
static bool
close_queued(struct store_tx *tx, struct scep_errand *x,
    struct scep_decision *d, bool *changed, struct err *e)
{
	bool open;

	uuid_new_lower(x->claim);
	d->claim = x->claim;
	d->state = "failed";
	store_notify(tx, STORE_CHANNEL_UPSTREAM);
	return scep_db_errand_seize(tx, x, &open, e) &&
	       scep_db_errand_close(tx, d, changed, e);
}

static bool
close_request(
    struct store_tx *tx, const char *id, const char *why, struct err *e)
{
	AUTO(scep_errand_clear) struct scep_errand x = { 0 };
	struct scep_decision d = { .id = id,
		.state = "rejected",
		.by = "system",
		.reason = why,
		.now_ms = clock_now_ms() };
	bool found, changed;

	if (!scep_db_errand_get(tx, id, &x, &found, e))
		return false;
	if (!(str_eq(x.w.state, "queued")
	            ? close_queued(tx, &x, &d, &changed, e)
	            : scep_db_waiting_decide(tx, &d, &changed, e)))
		return false;
	if (!changed)
		return err_set(e, ERR_INTERNAL, "request %s is not open", id);
	return scep_approval_tell(tx, &x.w,
	    &(struct scep_waiting_event){
	        str_eq(d.state, "failed") ? "scep.failed" : "scep.rejected",
	        "system", why },
	    e);
}

static bool
close_requests(struct store_tx *tx, const struct scep_whose *of,
    const char *why, struct err *e)
{
	char id[UUID_SIZE];
	bool found;

	for (;;) {
		if (!scep_db_waiting_of(tx, of, id, &found, e))
			return false;
		if (!found)
			return true;
		if (!close_request(tx, id, why, e))
			return false;
	}
}

bool
scep_device_left(struct store_tx *tx, const char *device_id, struct err *e)
{
	const struct scep_whose of = { .device_id = device_id };

	return cert_ledger_revoke_device(
	           tx, device_id, "scep", CERT_REASON_CESSATION, "system", e) &&
	       scep_db_challenge_void(tx, &of, e) &&
	       close_requests(tx, &of, TEXT_LEFT, e);
}

bool
scep_user_left(struct store_tx *tx, const struct scep_leaver *l, struct err *e)
{
	const struct scep_whose of = { l->device_id, l->user_id };

	return cert_ledger_revoke_user(tx, l->user_id, l->device_id,
	           CERT_REASON_AFFILIATION_CHANGED, l->by, e) &&
	       scep_db_challenge_void(tx, &of, e) &&
	       close_requests(tx, &of, TEXT_USER_LEFT, e);
}
