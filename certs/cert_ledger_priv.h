/* What the sources of the ledger share; SQL of table certificate. */
#pragma once

#include "certs/cert_ledger.h"

/* As cert_ledger_find(); ERR_NOT_FOUND. */
MUST_CHECK bool cert_ledger_need(struct store_tx *tx, const char *fingerprint,
    struct cert_entry *out, struct err *e);

MUST_CHECK bool cert_ledger_db_add(
    struct store_tx *tx, const struct cert_record *r, struct err *e);
MUST_CHECK bool cert_ledger_db_find(struct store_tx *tx,
    const char *fingerprint, struct cert_entry *out, bool *found,
    struct err *e);
/* *out NULL: not there. */
MUST_CHECK bool cert_ledger_db_der(struct store_tx *tx, const char *fingerprint,
    struct buf **out, struct err *e);
/* Only where no device is named yet. */
MUST_CHECK bool cert_ledger_db_bind(struct store_tx *tx,
    const char *fingerprint, const char *device_id, bool *changed,
    struct err *e);
/* Only where it is not revoked yet, or on hold and reason is another. */
struct cert_ledger_end {
	const char *fingerprint, *actor;
	int reason;
};
MUST_CHECK bool cert_ledger_db_revoke(struct store_tx *tx,
    const struct cert_ledger_end *end, bool *changed, struct err *e);
MUST_CHECK bool cert_ledger_db_release(
    struct store_tx *tx, const char *fingerprint, struct err *e);
/* Counts a change for the CRL of its authority. */
MUST_CHECK bool cert_ledger_db_changed(
    struct store_tx *tx, const char *fingerprint, struct err *e);
/* The same, where it is known to be so. */
MUST_CHECK bool cert_ledger_db_end(
    struct store_tx *tx, const struct cert_ledger_end *end, struct err *e);
/* The CRL of that authority is no longer the truth. */
MUST_CHECK bool cert_ledger_db_changed_authority(
    struct store_tx *tx, const char *authority_id, struct err *e);

/* What its end has to say of a certificate that lives, or is on hold. */
struct cert_ledger_living {
	char fingerprint[SHA256_HEX_SIZE], serial[64], purpose[16];
	char device_id[64], user_id[64], authority_id[64];
};
/*
 * Which ones: those of the key of that certificate, and what they were renewed
 * into; else those of the user but for identities of Macs, of any device when
 * that is NULL; else those of the device, for any purpose when that is NULL.
 */
struct cert_ledger_which {
	const char *key_of, *user_id, *device_id, *purpose;
};
/* At most max of them, in no order. */
MUST_CHECK bool cert_ledger_db_living(struct store_tx *tx,
    const struct cert_ledger_which *which, struct cert_ledger_living *list,
    size_t max, size_t *n_out, struct err *e);
