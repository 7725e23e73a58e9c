/*
 * The event feed and its table of kinds.
 *
 * No state: an event belongs to the transaction it is added in, and to that
 * transaction's thread.  The writer's turn makes the numbers gap-free: nobody
 * else can take the next one before this transaction is kept or undone.
 */
#include <assert.h>

#include "core/clock.h"
#include "store/store_event.h"

static const struct store_event_kind kinds[] = {
	{ "device.enrolling", "A Mac authenticated; its enrolment has begun." },
	{ "device.enrolled", "A Mac finished its enrolment and is managed." },
	{ "device.left", "A Mac checked out: its enrolment profile is gone." },
	{ "device.wiped", "A Mac acknowledged a wipe and is erased." },
	{ "device.deleted", "A Mac is no longer managed; its history stays." },
	{ "device.updated", "What is known of a Mac has changed." },
	{ "device.name_too_long",
	    "A Mac reports a computer name of more than 15 characters." },
	{ "device.serial_conflict",
	    "A Mac reports a serial number that another device holds." },
	{ "device.serial_refused",
	    "A Mac reports what cannot be a serial number." },
	{ "device.identity_conflict",
	    "An identity certificate was used by a device it is not for." },
	{ "device.rejected", "A check-in or connection was refused." },
	{ "device.assigned", "A user was assigned to a Mac." },
	{ "device.unassigned", "The user of a Mac was taken away." },
	{ "command.queued", "A command waits for its device." },
	{ "command.delivered", "A command was handed to its device." },
	{ "command.not_now", "A device put a command off." },
	{ "command.acknowledged", "A device carried a command out." },
	{ "command.error", "A device reports that a command failed." },
	{ "command.expired", "A command was not carried out in its time." },
	{ "command.cancelled", "A command was withdrawn." },
	{ "command.refused", "A rule forbade a command." },
	{ "order.created", "A lock or wipe was ordered." },
	{ "order.refused", "A lock or wipe was refused, with the reason." },
	{ "order.delivered", "A lock or wipe was handed to its Mac." },
	{ "order.acknowledged", "A Mac carried a lock or wipe out." },
	{ "order.error", "A Mac reports that a lock or wipe failed." },
	{ "order.cancelled", "A lock or wipe was withdrawn." },
	{ "order.expired", "A lock or wipe was not carried out in its time." },
	{ "order.unconfirmed",
	    "A lock or wipe was delivered, but no answer came." },
	{ "order.pin_read", "Somebody read the PIN of a lock or wipe." },
	{ "rollout.issuing", "A certificate is made for a user's Mac." },
	{ "rollout.sent", "The profile with a certificate was queued." },
	{ "rollout.installed", "A Mac installed its user's certificate." },
	{ "rollout.failed", "A certificate could not be rolled out." },
	{ "rollout.removing", "The removal of a certificate was queued." },
	{ "rollout.removal_failed",
	    "A Mac did not remove the profile with a revoked certificate." },
	{ "rollout.removed", "A Mac no longer has its user's certificate." },
	{ "identity.renewing",
	    "The profile that renews a Mac's identity was queued." },
	{ "identity.renewed",
	    "A Mac speaks with its new identity; the old one is revoked." },
	{ "identity.renewal_failed",
	    "A Mac's identity could not be renewed; retry_at: the next try." },
	{ "identity.expiring",
	    "A Mac's identity ends in 60, 30, 14, 7 or 1 days." },
	{ "identity.expired",
	    "A Mac's identity has ended: it has to enrol anew." },
	{ "certificate.issued", "The authority issued a certificate." },
	{ "certificate.bound", "A certificate was first used by its device." },
	{ "certificate.revoked", "A certificate was revoked, or put on hold." },
	{ "certificate.released", "A certificate is no longer on hold." },
	{ "authority.requested",
	    "Key and request (CSR) of an issuing CA below an outside root "
	    "were made." },
	{ "authority.request_dropped",
	    "A request to an outside root was given up, and its key is gone." },
	{ "authority.imported",
	    "An issuing CA that an outside root signed was taken in." },
	{ "authority.prepared", "The next issuing CA was made." },
	{ "authority.next_dropped",
	    "The next issuing CA was given up, and its key destroyed." },
	{ "authority.switched", "The next issuing CA became the active one." },
	{ "authority.retired", "An old issuing CA is trusted no more." },
	{ "authority.root_taken",
	    "The root's key was moved out of the installation." },
	{ "authority.ra_renewed", "The SCEP RA got a new certificate." },
	{ "authority.expiring",
	    "Root, issuing CA or RA ends in 60, 30, 14, 7 or 1 days; advice: "
	    "what to do." },
	{ "authority.expired", "Root, issuing CA or RA has ended." },
	{ "template.changed", "A certificate template was made or changed." },
	{ "template.removed",
	    "A certificate template was removed, or is as it comes again." },
	{ "template.secret_set", "The static challenge of a template, or the "
	                         "key of its webhook, was "
	                         "set." },
	{ "template.secret_removed", "It was removed." },
	{ "challenge.created", "A challenge for a SCEP client was made." },
	{ "challenge.reused",
	    "A challenge was presented again, with another key." },
	{ "scep.requested", "A SCEP request waits for approval." },
	{ "scep.approved", "A SCEP request was approved and issued." },
	{ "scep.rejected", "A SCEP request was rejected." },
	{ "scep.expired", "A SCEP request was not approved in time." },
	{ "scep.queued", "A SCEP request waits for an upstream." },
	{ "scep.issued", "An upstream issued what a SCEP request asks for." },
	{ "scep.failed", "An upstream did not issue, with the reason." },
	{ "scep.late",
	    "An upstream issued for a request that was closed; the ledger has "
	    "the certificate as revoked: revoke it there." },
	{ "upstream.changed", "An upstream was made or changed." },
	{ "upstream.removed", "An upstream was removed." },
	{ "upstream.unreachable", "An upstream failed three times in a row." },
	{ "upstream.recovered", "An upstream answers again." },
	{ "user.created", "A user was added." },
	{ "user.updated", "The full name or address of a user was changed." },
	{ "user.deleted", "A user was deleted." },
	{ "token.created", "An API token was made." },
	{ "token.revoked", "An API token was revoked." },
	{ "push.dead", "Apple reports that a push token is no longer valid." },
	{ "push.refused", "Apple refused a push to one enrolment." },
	{ "push.stopped",
	    "All pushing stopped: the push certificate or topic is refused." },
	{ "push.resumed", "Pushing goes on after a stop." },
	{ "push_certificate.requested",
	    "Key and request (CSR) of a push certificate were made." },
	{ "push_certificate.imported", "A push certificate was imported." },
	{ "push_certificate.restored",
	    "An earlier push certificate was taken into use again." },
	{ "push_certificate.expiring",
	    "A push certificate has 60, 30, 14, 7 or 1 days left." },
	{ "push_certificate.expired",
	    "A push certificate expired: its Macs cannot be woken." },
	{ NULL, NULL },
};

const struct store_event_kind *
store_event_kinds(void)
{
	return kinds;
}

static bool
known(const char *name)
{
	for (const struct store_event_kind *k = kinds; k->name != NULL; k++) {
		if (str_eq(k->name, name))
			return true;
	}
	return false;
}

bool
store_event_add(
    struct store_tx *tx, const struct store_event *ev, struct err *e)
{
	if (!known(ev->kind)) {
#ifdef MUTSU_CHECKS
		assert(!"event kind without a row in the table");
#endif
		return err_set(
		    e, ERR_INTERNAL, "unknown kind of event: %s", ev->kind);
	}
	assert(ev->actor != NULL);
	if (!store_exec_later(tx,
	        "INSERT INTO event (seq, at, kind, device_id, subject_id, "
	        "actor, data) VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM "
	        "event), $1, $2, $3, $4, $5, $6)",
	        S_ARGS(S_INT(clock_now_ms()), S_TEXT(ev->kind),
	            S_TEXT(ev->device_id), S_TEXT(ev->subject_id),
	            S_TEXT(ev->actor), S_TEXT(ev->data)),
	        e))
		return err_wrap(e, "event %s", ev->kind);
	store_notify(tx, STORE_CHANNEL_EVENT);
	return true;
}
