/* The authority's certificates as the API and the command line show them. */
#pragma once

#include "certs/cert_authority.h"
#include "core/json.h"

/* One row: id, role, state, where its key is, and of the certificate, if there
 * is one, end, subject and fingerprint; the caller's. */
json_t *cert_member_json(const struct cert_member *m);
/* All of a, and r, an open request; either may be NULL. */
json_t *cert_authority_json(
    const struct cert_authority *a, const struct cert_member *r);
