/*
 * Upstreams as data: the outside authorities that templates may name, and how
 * each is asked.  Works in the caller's transaction; no state of its own.
 *
 * What an upstream is, is one JSON object: kind ("scep" or "est"), url, ca (PEM
 * of the CAs that certificates have to lead to; SCEP: the first has to be in
 * GetCACert, and may be its RA), tls_ca (PEM), ca_name, user, password,
 * client_certificate and client_key (PEM), rate_per_min, timeout_s, tries,
 * days, renew, allow_des. Password and key are sealed, and never shown.
 */
#pragma once

#include <jansson.h>

#include "certs/cert_template_set.h"
#include "core/seal.h"

struct scep_service;

/* How many there can be. */
enum { SCEP_UPSTREAMS_MAX = 64 };

/* Names of the fields, NULL-ended. */
const char *const *scep_upstream_conf_keys(void);

struct scep_upstream_change {
	const char *name;     /* as of templates */
	const json_t *fields; /* put: all of it; what is absent is not kept */
	const char *by;       /* who asks */
	const struct seal *seal;
};
/* Makes one, or replaces all of it, with event.  ERR_INVALID names the field
 * that is wrong; ERR_CONFLICT: there are too many. */
MUST_CHECK bool scep_upstream_conf_put(
    struct store_tx *tx, const struct scep_upstream_change *c, struct err *e);
/* ERR_NOT_FOUND; ERR_CONFLICT: a template names it, or requests wait for it. */
MUST_CHECK bool scep_upstream_conf_remove(
    struct store_tx *tx, const struct scep_upstream_change *c, struct err *e);
MUST_CHECK bool scep_upstream_conf_known(
    struct store_tx *tx, const char *name, bool *out, struct err *e);
/* Adds what can be shown of all, by name. */
MUST_CHECK bool scep_upstream_conf_list(
    struct store_tx *tx, json_t *array, struct err *e);
/* One of them, the caller's; ERR_NOT_FOUND. */
MUST_CHECK bool scep_upstream_conf_json(
    struct store_tx *tx, const char *name, json_t **out, struct err *e);

/*
 * Asks the upstream who it is: {"capabilities": [...], "certificates":
 * [{"subject", "sha256", "not_after", "configured"}]}, the caller's.  Nothing
 * is issued, and no password is tried.  Not within a transaction: it takes as
 * long as the time-out allows.  ERR_NOT_FOUND; what the upstream or the way to
 * it does wrong is ERR_UNAVAILABLE, or ERR_REFUSED when another try would
 * change nothing.
 */
MUST_CHECK bool scep_upstream_conf_test(
    struct scep_service *s, const char *name, json_t **out, struct err *e);
