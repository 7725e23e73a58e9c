/*
 * Certificate templates as data: the built-in ones, what an administrator
 * changed of them, and those he made.  A set is read-only once loaded; any
 * thread.
 *
 * What a template says is one JSON object: help, key_usage, ext_key_usage
 * (names of RFC 5280 4.2.1.3 and 4.2.1.12), life_days, renew_days, rsa,
 * rsa_min, rsa_max, ec, ec_min, san, sha1, des3; who gets certificates of
 * it: challenge, approval, subject, beyond, webhook, webhook_seconds; and
 * upstream.  What is absent is as in the built-in template of that name, else
 * as in "scep".
 */
#pragma once

#include "certs/cert_template.h"
#include "store/store.h"

/* How many there can be, and the longest name with its NUL. */
enum { CERT_TEMPLATES_MAX = 64, CERT_TEMPLATE_NAME_SIZE = 32 };

struct cert_template_set;

/* Rows that this version cannot read are passed over, with a warning in the
 * log: a built-in template is then as it comes. */
MUST_CHECK bool cert_template_set_load(
    struct store_tx *tx, struct cert_template_set **out, struct err *e);
void cert_template_set_free(struct cert_template_set **s);
/* All of them, ended by a NULL name; built-in ones first.  Borrowed. */
const struct cert_template *cert_template_set_all(
    const struct cert_template_set *s);
/* The i-th as the API shows it; the caller's. */
json_t *cert_template_set_json(const struct cert_template_set *s, size_t i);
/* Cuts off these fields what may be a secret, which is the query of the
 * webhook's URL: for whoever may not change them. */
void cert_template_hide(json_t *fields);

/* 1 to 31 of a-z, 0-9 and '-', a letter first: may be a template's name. */
bool cert_template_name_good(const char *name);
/* Is there, or was there, a template of this name? */
MUST_CHECK bool cert_template_known(
    struct store_tx *tx, const char *name, bool *out, struct err *e);
/* A template that requests may be made for, as the database has it at this
 * moment; the caller's.  NULL: there is none of this name, or it is
 * tls-server. */
MUST_CHECK bool cert_template_for_challenges(struct store_tx *tx,
    const char *name, struct cert_template **out, struct err *e);
void cert_template_free(struct cert_template **t);

/* Grows with every change. */
MUST_CHECK bool cert_template_version(
    struct store_tx *tx, int64_t *out, struct err *e);
/*
 * Makes a template, or replaces what it says, with event and notice to all
 * nodes.  by: who asks.  ERR_INVALID names the field that is wrong, also when a
 * built-in template does not let go of it (to say of it what it is does no
 * harm); ERR_CONFLICT: there are too many.
 */
MUST_CHECK bool cert_template_put(struct store_tx *tx, const char *name,
    const json_t *fields, const char *by, struct err *e);
/* As cert_template_put(), for the given fields alone: the others stay, and one
 * that is null is as it comes again. */
MUST_CHECK bool cert_template_merge(struct store_tx *tx, const char *name,
    const json_t *fields, const char *by, struct err *e);
/* Removes one, or takes a built-in one back to how it comes.  ERR_NOT_FOUND:
 * there is nothing to remove. */
MUST_CHECK bool cert_template_remove(
    struct store_tx *tx, const char *name, const char *by, struct err *e);
