/*
 * Why a command waits, or how it ended: one sentence from what truly
 * happened.  Pure; any thread.
 */
#pragma once

#include "core/str.h"

/* Times are Unix milliseconds, 0: never.  Texts are borrowed, NULL: none. */
struct mdm_why {
	const char *state; /* of the command */
	const char *error; /* its error text */
	int64_t queued_at, done_at, delivered_at, not_now;

	const char *enrollment_state, *push_state;
	bool has_token;
	int64_t seen_at; /* the Mac's last contact */
	int64_t push_due_at, push_claim_until;
	int64_t push_last_at, push_last_status; /* status 0: no answer came */
	const char *push_last_reason, *push_last_id;
	/* Of the enrolment's topic; 0: there is no push certificate for it. */
	int64_t push_cert_not_after;
	int64_t identity; /* of the device; mdm_why_identity() */
};

/* An identity that does not end by itself, in the place of its end. */
enum { MDM_WHY_HELD = -1, MDM_WHY_REVOKED = -2 };
/*
 * Why the Mac is refused when it comes, and what would help, from the end of
 * its identity; NULL if it is not, or nothing is known (0).  The caller's.
 */
char *mdm_why_identity(int64_t identity, int64_t now_ms);

/* The caller's. */
char *mdm_why_sentence(const struct mdm_why *w, int64_t now_ms);
