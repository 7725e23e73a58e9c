/*
 * The push columns of enrollment, for the scheduler.  Each call belongs to its
 * caller's transaction.
 *
 * A claim moves push_due_at to its own end.  So an enrolment whose scheduler
 * died becomes due again by itself; and whoever asks for another push while
 * one is under way moves push_due_at away from there, which the record of the
 * answer sees and leaves alone.
 */
#pragma once

#include "apns/apns_policy.h"
#include "store/store.h"

/* A second push within this time waits for its end, unless it is urgent: a
 * burst of commands is one push or two, not ten. */
enum { APNS_DEBOUNCE_MS = 1000 };

/* One claimed enrolment, from claim to record. */
struct apns_claim {
	struct apns_claim *next;
	char *enrollment_id, *device_id, *topic, *magic; /* in text */
	struct slice token;                              /* likewise */
	int64_t token_at;
	int64_t until;
	int64_t generation; /* of the certificate it was sent with */
	bool open;          /* a command waits */
	bool urgent;        /* a lock or wipe does */
	int64_t attempts;   /* pushes before it */
	int64_t newest_at;  /* open command, or urgent one; 0: none */
	bool probe;         /* sent to find out whether a stop is over */
	struct apns_answer answer;
	size_t text_len;
	char text[];
};
void apns_claim_free(struct apns_claim **c);

struct apns_claim_options {
	const char *by;
	int64_t now, until;
	int64_t limit;
	bool urgent;        /* only those for which a lock or wipe waits */
	const char *except; /* not these topics, each between spaces */
	const char *only;   /* this topic; NULL: any */
};
/*
 * Claims due enrolments, the longest due first, and puts them in front of
 * *list, which has none yet; *count grows by how many.
 */
MUST_CHECK bool apns_db_claim(struct store_tx *tx,
    const struct apns_claim_options *o, struct apns_claim **list,
    int64_t *count, struct err *e);
/* Nothing waits for it: no push. */
MUST_CHECK bool apns_db_forget(
    struct store_tx *tx, const struct apns_claim *c, struct err *e);
/* Enrolled under another topic than our certificate's: no push, and an
 * event. */
MUST_CHECK bool apns_db_mismatch(
    struct store_tx *tx, const struct apns_claim *c, struct err *e);
MUST_CHECK bool apns_db_enrollment_event(struct store_tx *tx,
    const struct apns_claim *c, const char *kind, const char *reason,
    struct err *e);
/* apns_db_record.c: what the answers in list mean: columns and events. */
MUST_CHECK bool apns_db_record(struct store_tx *tx, const char *by,
    const struct apns_claim *list, int64_t now, struct err *e);
/* push_due_at of the next one that can be claimed; 0: none.  For except and
 * only see struct apns_claim_options. */
MUST_CHECK bool apns_db_next_due(struct store_tx *tx, const char *except,
    const char *only, int64_t *out, struct err *e);
/* A lock or wipe waits for a push that is due; not of the topics of except. */
MUST_CHECK bool apns_db_urgent_due(struct store_tx *tx, const char *except,
    int64_t now, bool *out, struct err *e);
/* How many are due now. */
MUST_CHECK bool apns_db_count_due(
    struct store_tx *tx, int64_t now, int64_t *out, struct err *e);
/* The events push.stopped and push.resumed. */
MUST_CHECK bool apns_db_event(struct store_tx *tx, const char *kind,
    const char *topic, const char *reason, struct err *e);
