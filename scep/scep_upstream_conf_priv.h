/* Upstreams as data, between the sources of scep/. */
#pragma once

#include "core/fetch.h"
#include "scep/scep_service_priv.h"
#include "scep/scep_upstream.h"
#include "scep/scep_upstream_conf.h"

/* One of them, opened.  Strings are borrowed from fields, but for secrets. */
struct scep_upstream_conf {
	char name[CERT_TEMPLATE_NAME_SIZE];
	json_t *fields;
	const char *kind, *url, *ca, *tls_ca, *ca_name, *user, *client_cert;
	char *password, *client_key; /* wiped when cleared */
	int64_t rate_per_min, timeout_s, tries, days;
	bool est, renew, allow_des;
	STACK_OF(X509) * anchors;
	X509 *client; /* of client_cert, or NULL */
	EVP_PKEY *client_private;
	/* SCEP without such: of our own making; see scep_upstream_signer(). */
	X509 *signer;
	EVP_PKEY *signer_key;
	int64_t faults; /* in a row, as the row had it */
};
void scep_upstream_conf_clear(struct scep_upstream_conf *c);
/* Adds numbers and flags that are absent, as they are in force. */
void scep_upstream_conf_complete(json_t *fields);
/* *found false: there is none of that name. */
MUST_CHECK bool scep_upstream_conf_open(struct store_tx *tx,
    const struct seal *seal, const char *name, struct scep_upstream_conf *out,
    bool *found, struct err *e);
/* What it is asked with; o borrows from c; free *f_out. */
MUST_CHECK bool scep_upstream_conf_options(const struct scep_upstream_conf *c,
    const atomic_bool *stop, struct scep_upstream_options *o,
    struct fetch **f_out, struct err *e);

/* ---- scep_upstream_signer.c ---- */

/* Who is to sign requests to a SCEP upstream that gave us no certificate; made
 * if there is none yet.  Nothing for others.  Not within a transaction. */
MUST_CHECK bool scep_upstream_signer(
    struct scep_service *s, struct scep_upstream_conf *c, struct err *e);

/* ---- scep_upstream_db.c ---- */

/* Columns of the rows, in this order. */
enum scep_upstream_column {
	SCEP_UPSTREAM_NAME,
	SCEP_UPSTREAM_FIELDS,
	SCEP_UPSTREAM_SECRET,
	SCEP_UPSTREAM_SLOT_AT,
	SCEP_UPSTREAM_FAULTS,
	SCEP_UPSTREAM_FAULT,
	SCEP_UPSTREAM_FAULT_AT,
	SCEP_UPSTREAM_GOOD_AT,
	SCEP_UPSTREAM_CHANGED_AT,
	SCEP_UPSTREAM_QUEUED /* requests that wait for it */
};
/* name NULL: all, by name. */
MUST_CHECK bool scep_db_upstreams(struct store_tx *tx, const char *name,
    struct store_rows **out, struct err *e);
struct scep_upstream_row {
	const char *name, *fields, *by;
	struct slice secret; /* p NULL: none */
};
MUST_CHECK bool scep_db_upstream_put(
    struct store_tx *tx, const struct scep_upstream_row *r, struct err *e);
MUST_CHECK bool scep_db_upstream_delete(
    struct store_tx *tx, const char *name, struct err *e);
MUST_CHECK bool scep_db_upstream_count(
    struct store_tx *tx, int64_t *out, struct err *e);
/* It is not asked before that. */
MUST_CHECK bool scep_db_upstream_slot(
    struct store_tx *tx, const char *name, int64_t at_ms, struct err *e);
/* It rests until then after a fault. */
MUST_CHECK bool scep_db_upstream_fault(struct store_tx *tx, const char *name,
    const char *why, int64_t until_ms, struct err *e);
MUST_CHECK bool scep_db_upstream_good(
    struct store_tx *tx, const char *name, struct err *e);

/* certificate and secret, if *out has a row. */
MUST_CHECK bool scep_db_upstream_signer(struct store_tx *tx, const char *name,
    struct store_rows **out, struct err *e);
/* Unless there is one. */
MUST_CHECK bool scep_db_upstream_signer_put(struct store_tx *tx,
    const char *name, struct slice certificate, struct slice secret,
    struct err *e);

/* CAs that issued for an upstream: id is the authority of their certificates
 * in the ledger, chain DER certificates in a row. */
MUST_CHECK bool scep_db_outside_add(struct store_tx *tx, const char *id,
    const char *upstream, struct slice chain, struct err *e);
/* Appends the chain of a certificate of the ledger; nothing for one of ours. */
MUST_CHECK bool scep_db_outside_chain(struct store_tx *tx,
    const char *fingerprint, struct buf *out, struct err *e);
/* Appends those of all CAs of an upstream. */
MUST_CHECK bool scep_db_outside_chains(
    struct store_tx *tx, const char *upstream, struct buf *out, struct err *e);
/* The names (JSON) that a certificate of an upstream was granted for; the first
 * ones count. */
MUST_CHECK bool scep_db_outside_grant(struct store_tx *tx,
    const char *fingerprint, const char *subject, struct err *e);
/* *subject, the caller's, is NULL when that is not on record. */
MUST_CHECK bool scep_db_outside_granted(struct store_tx *tx,
    const char *fingerprint, char **subject, struct err *e);
