/*
 * SCEP requests that wait for a person (RFC 8894 PENDING): who comes without a
 * challenge may be put on a list, and an administrator decides.
 */
#pragma once

#include <jansson.h>

#include "scep/scep_service.h"

/*
 * ERR_INVALID: after is no page key.  Adds objects, newest first: id,
 * transaction, subject, san (alternative names as the certificate will have
 * them), ignored (names that are asked for and will not be certified),
 * template, key (SHA-256 of the public key), key_type, key_bits, peer, state,
 * reason, decided_by, certificate, created_at, expires_at, decided_at, and what
 * concerns an upstream.  What is read from the request itself is null, and
 * ignored empty, where that cannot be opened.
 * *next_out: key of the next page, or NULL; the caller's.
 */
struct scep_request_page {
	const struct seal *seal; /* requests are sealed */
	const char *state;       /* NULL: all */
	int64_t before_at;       /* INT64_MAX: from the newest */
	const char *before_id;
	int64_t limit;
};
MUST_CHECK bool scep_approval_list(struct store_tx *tx,
    const struct scep_request_page *page, json_t *array, char **next_out,
    struct err *e);
/*
 * Issues the certificate, records it and closes the request, in one
 * transaction; the client gets it when it polls.  ERR_NOT_FOUND;
 * ERR_CONFLICT: decided before, or expired; ERR_REFUSED: the key or the names
 * cannot be certified any more.
 */
MUST_CHECK bool scep_approve(
    struct scep_service *s, const char *id, const char *by, struct err *e);
/* reason may be NULL.  ERR_NOT_FOUND, ERR_CONFLICT. */
MUST_CHECK bool scep_reject(struct scep_service *s, const char *id,
    const char *reason, const char *by, struct err *e);
/* One request as the list shows it; ERR_NOT_FOUND. */
MUST_CHECK bool scep_approval_json(struct store_tx *tx, const struct seal *seal,
    const char *id, json_t **out, struct err *e);
