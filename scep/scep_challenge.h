/*
 * SCEP challenges: random, single use, bound to what the certificate will be,
 * stored only as a MAC.
 */
#pragma once

#include "certs/cert_pattern.h"
#include "core/encode.h"
#include "core/seal.h"
#include "store/store.h"

enum { SCEP_CHALLENGE_SIZE = 33 }; /* 32 of [A-Za-z0-9] and a NUL */

struct scep_grant {
	const char *template; /* CERT_TEMPLATE_* */
	const char *purpose;  /* enroll, renew, rollout, scep */
	const char *enrollment_ref, *device_id, *user_id; /* may be NULL */
	/* What the certificate will say, unless the template says it: then
	 * with these values (NULL: none). */
	const struct cert_subject *subject;
	const struct cert_variables *variables;
	int64_t ttl_ms;
};

/*
 * Makes a challenge; the plain text exists only in out.  ERR_INVALID: no such
 * template, or not one of one-time challenges; a subject without cn; a variable
 * of the template's subject without a value; no time to live.
 */
MUST_CHECK bool scep_challenge_new(struct store_tx *tx, const struct seal *seal,
    const struct scep_grant *g, char out[SCEP_CHALLENGE_SIZE], char id_out[37],
    struct err *e);
/* The form in which a challenge is stored and looked up. */
void scep_challenge_mac(
    const struct seal *seal, const char *challenge, char out[SHA256_HEX_SIZE]);
