/* SQL of table certificate, for cert_ledger.c. */
#pragma once

#include "certs/cert_ledger.h"

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
/* Some live certificate of a device; purpose NULL: any; *found false: none. */
MUST_CHECK bool cert_ledger_db_live(struct store_tx *tx, const char *device_id,
    const char *purpose, char fingerprint_out[SHA256_HEX_SIZE], bool *found,
    struct err *e);
