/*
 * The push scheduler.  "Due" is the column enrollment.push_due_at: whoever
 * queues a command sets it in the same transaction (apns_push_due()), the
 * scheduler claims due enrolments, sends one push each however many commands
 * wait, and sets the next time by the answer.  A crash loses nothing.
 */
#pragma once

#include "apns/apns_canary.h"
#include "apns/apns_client.h"
#include "core/seal.h"
#include "store/store.h"

/*
 * Marks an enrolment due at at_ms, or leaves an earlier time; with nothing
 * urgent open not before a second after its last push, so that a burst of
 * commands is not a burst of pushes.  (Queue first, then call this.)  Notifies
 * the scheduler, which pushes only if a command is open.  No token yet, or a
 * dead one: nothing happens (TokenUpdate makes it due).
 */
MUST_CHECK bool apns_push_due(struct store_tx *tx, const char *enrollment_id,
    int64_t at_ms, struct err *e);

/* The same, for who has read already what decides. */
struct apns_due {
	bool can;        /* enrolled, with a token that is good */
	bool urgent;     /* a lock or wipe is open */
	int64_t at;      /* when a push is due; 0: never */
	int64_t last_at; /* when the last one left */
};
/* known->at becomes what is written. */
MUST_CHECK bool apns_push_due_known(struct store_tx *tx,
    const char *enrollment_id, struct apns_due *known, int64_t at_ms,
    struct err *e);

/*
 * Claims of a scheduler that is gone are free at once, instead of at their
 * end.  by NULL: those of all.
 */
MUST_CHECK bool apns_push_abandon(
    struct store_tx *tx, const char *by, struct err *e);

struct apns_scheduler;
struct apns_scheduler_options {
	struct store *store;
	const char
	    *by; /* names its claims, different for each; NULL: made up */
	const struct seal *seal;
	const char *const *hosts; /* "host:port", NULL-ended */
	const char *ca_file;      /* NULL: the system's */
	int64_t expiration_s; /* apns-expiration lies so far ahead; 0: 7 d */
	int64_t claim_ms;     /* 0: 60 s */
	const char *ca_pem;   /* trust anchors as text; NULL: none */
	int64_t answer_ms;    /* see apns_client.h; 0: its default */
	int64_t stop_ms;      /* of a topic after APNS_OUR_FAULT; 0: 10 min */
	int64_t per_s;        /* pushes a second; 0: no limit */
	const char *proxy, *proxy_credentials; /* see apns_client.h */
	/* Before an enrolment is pushed, on the scheduler's thread; or NULL. */
	void (*on_push)(const char *enrollment_id, void *arg);
	void *on_push_arg;
};
/*
 * Starts the thread, which reads the push certificates in use; with none it
 * waits for apns_scheduler_reload().  All that o points to stays borrowed.
 * ERR_INVALID: hosts, proxy or trust anchors cannot be used.
 */
MUST_CHECK bool apns_scheduler_new(const struct apns_scheduler_options *o,
    struct apns_scheduler **out, struct err *e);
/* Waits up to 2 s for answers under way, records them, stops. */
void apns_scheduler_free(struct apns_scheduler **s);
/* Reads the push certificates again (after an import).  What is under way is
 * answered on the old one's connections.  A topic that is stopped and has the
 * same certificate as before is tried at once. */
void apns_scheduler_reload(struct apns_scheduler *s);

/* apns_canary_push() to the hosts that the scheduler pushes to. */
MUST_CHECK bool apns_scheduler_canary(struct apns_scheduler *s,
    const struct apns_cert *cert, const struct apns_canary *c,
    struct apns_answer *out, struct err *e);

struct apns_scheduler_stats {
	int64_t pushes[7];      /* by apns_outcome */
	int64_t due;            /* enrolments due now; -1: unknown */
	int64_t cert_not_after; /* the earliest end of all; 0: none */
	int64_t stopped; /* topics after APNS_OUR_FAULT: one push tries now
	                  * and then, or a new certificate ends it */
};
void apns_scheduler_stats(
    struct apns_scheduler *s, struct apns_scheduler_stats *out);
struct apns_topic_stats {
	char topic[257];
	int64_t not_after; /* of its certificate */
	bool stopped;
	char reason[64]; /* why */
};
/* The topics that have a certificate, at most max; how many. */
size_t apns_scheduler_topics(
    struct apns_scheduler *s, struct apns_topic_stats *out, size_t max);
/*
 * How long to wait after attempt pushes (1: the first) for which the device
 * has not come.  urgent: a lock or wipe waits; age_ms is the age of the newest
 * of those, or else of the newest open command.  Never above 10 minutes in an
 * urgent command's first day.  Without jitter.
 */
int64_t apns_next_gap_ms(int64_t attempt, bool urgent, int64_t age_ms);
