/* What the files of CRL share. */
#pragma once

#include <openssl/x509v3.h>

#include "certs/cert_crl.h"
#include "core/clock.h"

/* RFC 5280 5.1.2.5: the next one comes long before this one ends. */
#define CRL_LIFE_MS (24 * MS_H)
#define CRL_PERIOD_MS (6 * MS_H)

/* ---- cert_crl_build.c ---- */

struct cert_crl_draft {
	const struct cert_member *issuer;
	int64_t number, this_update, next_update;
	X509_CRL *crl;      /* all but the entries */
	struct buf *list;   /* entries as they came, encoded */
	struct buf *serial; /* of one entry */
	int64_t entries;
};
void cert_crl_draft_clear(struct cert_crl_draft *d);
MUST_CHECK bool cert_crl_begin(struct cert_crl_draft *d, struct err *e);
struct cert_crl_entry {
	const char *serial; /* hex */
	int64_t revoked_at;
	int reason;
};
MUST_CHECK bool cert_crl_add(struct cert_crl_draft *d,
    const struct cert_crl_entry *entry, struct err *e);
/* Sorts, signs.  The issuer's key is there. */
MUST_CHECK bool cert_crl_finish(
    struct cert_crl_draft *d, struct buf **der_out, struct err *e);

/* ---- cert_crl_db.c ---- */

struct cert_crl_row {
	struct cert_crl_head head; /* number 0: none was made */
	int64_t changes, made_of;
};
MUST_CHECK bool cert_crl_db_row(struct store_tx *tx, const char *authority_id,
    struct cert_crl_row *out, bool *found, struct err *e);
/* The row for an authority's first CRL. */
MUST_CHECK bool cert_crl_db_add(
    struct store_tx *tx, const char *authority_id, struct err *e);
/* Adds all that are revoked and end after `ended`. */
MUST_CHECK bool cert_crl_db_entries(struct store_tx *tx, int64_t ended,
    struct cert_crl_draft *d, struct err *e);
/* Takes the place of CRL number `old`; ERR_CONFLICT: another one did. */
MUST_CHECK bool cert_crl_db_save(struct store_tx *tx,
    const struct cert_crl_draft *d, const struct cert_crl_row *old,
    struct slice der, struct err *e);
MUST_CHECK bool cert_crl_db_der(struct store_tx *tx, const char *authority_id,
    int64_t *number_out, struct buf **out, struct err *e);
/* DER of an authority's certificate; NULL: there is none. */
MUST_CHECK bool cert_crl_db_authority(
    struct store_tx *tx, const char *id, struct buf **out, struct err *e);
