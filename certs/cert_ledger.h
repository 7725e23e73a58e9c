/*
 * The issuance ledger: which certificate was issued by whom, for what, for
 * which device.  A certificate that is not here, or not alive here, is nobody.
 * Works in the caller's transaction; no state of its own.
 */
#pragma once

#include <jansson.h>

#include "certs/cert_authority.h"

struct cert_entry {
	char fingerprint[SHA256_HEX_SIZE];
	char serial[64];
	char subject[LIMIT_SUBJECT];
	char template[32];
	char purpose[16];   /* enroll, renew, rollout, scep, service */
	char device_id[64]; /* "" : not bound yet */
	char user_id[64];
	bool revoked;
	int64_t not_before, not_after, created_at, revoked_at;
	int revoke_reason; /* enum cert_reason, when revoked */
};

struct cert_record {
	const struct cert_issued *issued;
	const char *authority_id, *template, *purpose;
	const char *enrollment_ref, *device_id, *user_id; /* may be NULL */
	const char *challenge_id, *transaction_id;        /* may be NULL */
	const char *line; /* with which others it counts; may be NULL */
};

/* What a certificate says, for its record; authority_id stays "". */
MUST_CHECK bool cert_ledger_read(
    const X509 *x, struct cert_issued *out, struct err *e);
/* In the transaction that spends the challenge.  Writes the event
 * certificate.issued.  ERR_CONFLICT: it is there already; ERR_UNAVAILABLE: its
 * authority was given up. */
MUST_CHECK bool cert_ledger_add(
    struct store_tx *tx, const struct cert_record *r, struct err *e);
/* *found false if it is not in the ledger. */
MUST_CHECK bool cert_ledger_find(struct store_tx *tx, const char *fingerprint,
    struct cert_entry *out, bool *found, struct err *e);
/* The DER of a ledger entry; ERR_NOT_FOUND. */
MUST_CHECK bool cert_ledger_der(struct store_tx *tx, const char *fingerprint,
    struct buf **out, struct err *e);
/* Binds an unbound certificate to a device; writes the event
 * certificate.bound.  ERR_FORBIDDEN when it, or a live one of the same key,
 * belongs to another device already, ERR_NOT_FOUND when it is not in the
 * ledger; done before: success. */
MUST_CHECK bool cert_ledger_bind(struct store_tx *tx, const char *fingerprint,
    const char *device_id, struct err *e);
/*
 * reason: enum cert_reason.  Revoking twice keeps the first, but what is on
 * hold may be revoked for good, and of what is revoked it may turn out that its
 * key got about.  Writes the event certificate.revoked, and has a new CRL made.
 * With CERT_REASON_KEY_COMPROMISE all certificates of the key, and all that
 * they were renewed into, over however many renewals, end for the same reason,
 * each with an event that names this one (ended_with); also_ended in its own
 * event is how many did.  ERR_NOT_FOUND.
 */
MUST_CHECK bool cert_ledger_revoke(struct store_tx *tx, const char *fingerprint,
    int reason, const char *actor, struct err *e);
/* Ends a hold; writes the event certificate.released.  ERR_CONFLICT: it is not
 * on hold; ERR_NOT_FOUND. */
MUST_CHECK bool cert_ledger_release(struct store_tx *tx,
    const char *fingerprint, const char *actor, struct err *e);
/* All certificates of a device with this purpose (NULL: any) that are neither
 * revoked for good nor expired.  reason is not CERT_REASON_HOLD. */
MUST_CHECK bool cert_ledger_revoke_device(struct store_tx *tx,
    const char *device_id, const char *purpose, int reason, const char *actor,
    struct err *e);
/* The same for all in a user's name, of this device (NULL: of any or none),
 * whatever their purpose, but for identities of Macs (enroll, renew). */
MUST_CHECK bool cert_ledger_revoke_user(struct store_tx *tx,
    const char *user_id, const char *device_id, int reason, const char *actor,
    struct err *e);

/*
 * RFC 5280 5.3.1, as far as it is about what an end entity has.  The
 * compromise of an authority is no matter of one certificate, and
 * removeFromCRL is for delta CRLs, which we do not make: what is released from
 * hold is not in the next CRL.
 */
enum cert_reason {
	CERT_REASON_UNSPECIFIED = 0,
	CERT_REASON_KEY_COMPROMISE = 1,
	CERT_REASON_AFFILIATION_CHANGED = 3,
	CERT_REASON_SUPERSEDED = 4,
	CERT_REASON_CESSATION = 5,
	CERT_REASON_HOLD = 6,
	CERT_REASON_PRIVILEGE_WITHDRAWN = 9
};
/* "superseded"; "unspecified" for a number that is none of these. */
const char *cert_reason_name(int reason);
/* ERR_INVALID names those there are. */
MUST_CHECK bool cert_reason_parse(
    const char *name, int *reason_out, struct err *e);
