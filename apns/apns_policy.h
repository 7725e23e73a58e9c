/*
 * What follows from an answer of APNs for one enrolment: pure decisions, no
 * state, any thread.
 */
#pragma once

#include "apns/apns_client.h"
#include "apns/apns_scheduler.h"

/* An enrolment when its answer is recorded. */
struct apns_situation {
	int64_t now;
	int64_t token_at;      /* last TokenUpdate, now */
	int64_t sent_token_at; /* the same when the push was claimed */
	int64_t attempts;      /* pushes since the device last came */
	int64_t newest_at;     /* newest open command; 0: none is open */
	int64_t urgent_at;     /* newest open urgent one; 0: none */
};

struct apns_reaction {
	const char *push_state; /* becomes this; NULL: stays */
	const char *event;      /* kind, or NULL */
	bool pushed;            /* queued commands become pushed */
	bool counts;            /* as an attempt */
	int64_t next;           /* push_due_at; 0: NULL */
};

void apns_react(const struct apns_answer *a, const struct apns_situation *s,
    struct apns_reaction *out);
