/*
 * What the scheduler's files share.  Everything belongs to the scheduler's
 * thread, except what the lock guards.
 */
#pragma once

#include <pthread.h>

#include "apns/apns_cert.h"
#include "apns/apns_db_priv.h"
#include "apns/apns_scheduler.h"

enum {
	APNS_TOPICS_MAX = 64,
	APNS_BATCH = 1000,  /* claims, and records, in one transaction */
	APNS_WINDOW = 4000, /* claimed and not yet recorded */
	APNS_SLEEP_MAX_MS = 10 * 1000, /* without a notification */
	APNS_SLEEP_MIN_MS = 1000,      /* when what is due cannot be claimed */
	APNS_PAUSE_MAX_MS = 60 * 1000
};

/* A topic with a certificate. */
struct apns_topic {
	struct apns_cert *cert; /* a list of one */
	int64_t generation;     /* another one with each certificate */
	int64_t probe_ms;       /* monotonic; while stopped: the next try */
	bool stopped, probing;  /* probing: that try is under way */
	bool overdue;           /* was stopped at its certificate's end */
	char reason[64];
};

struct apns_scheduler {
	pthread_mutex_t lock; /* guards down to topics */
	pthread_cond_t wake;
	bool poked, stopping, reload;
	struct apns_claim *answered; /* the last one first */
	int64_t pushes[7];
	/* The scheduler's thread alone writes them, and reads without. */
	size_t topics_count;
	struct apns_topic topics[APNS_TOPICS_MAX];

	/* Read-only once the thread runs. */
	pthread_t thread;
	struct store *store;
	const struct seal *seal;
	int64_t expiration_s, claim_ms, stop_ms;
	void (*on_push)(const char *enrollment_id, void *arg); /* or NULL */
	void *on_push_arg;
	char by[UUID_SIZE];

	/* The scheduler's thread alone. */
	struct apns_client_options client_options; /* what it points to is
	                                            * borrowed */
	struct apns_client *client;
	struct apns_claim *unrecorded; /* waiting for the database */
	int64_t generation;            /* the last one given */
	struct buf *except;            /* topics that are stopped */
	int64_t window;                /* most in_flight */
	int64_t in_flight;             /* claimed, not recorded */
	int64_t not_before_ms;         /* monotonic: no claims until then */
	int64_t pause_ms;              /* grows while APNs is out of reach */
	int64_t next_ms;               /* monotonic: when to look again */
	int64_t reload_ms; /* monotonic: the certificate could not be read, and
	                    * is tried again then; 0: it could */
	bool db_failed;    /* logged already */
};

/* apns_scheduler.c. */
void apns_scheduler_database_failed(
    struct apns_scheduler *s, const struct err *e);

/* apns_scheduler_topic.c. */
/* NULL: there is no certificate for it. */
struct apns_topic *apns_topic_find(struct apns_scheduler *s, const char *topic);
/* Its pushes wait; one tries in stop_ms. */
void apns_topic_stop(
    struct apns_scheduler *s, struct apns_topic *t, const char *reason);
void apns_topic_resume(struct apns_scheduler *s, struct apns_topic *t);
/* Stops it, once, when its certificate is past its end; with an event. */
MUST_CHECK bool apns_topic_expire(
    struct apns_scheduler *s, struct apns_topic *t, struct err *e);
/*
 * Makes these the topics; takes the list.  A certificate that cannot be used
 * is left out.  Connections with an old one answer what is under way on them,
 * and close (Apple: after a new certificate close all).
 */
void apns_topics_take(struct apns_scheduler *s, struct apns_cert *list);

/* apns_scheduler_record.c: records the answers that have come.  false: the
 * database does not take them; they stay. */
bool apns_scheduler_record(struct apns_scheduler *s);
void apns_claim_list_free(struct apns_claim **list);

/* apns_scheduler_dispatch.c: claims and pushes what is due; sets next_ms. */
void apns_scheduler_dispatch(struct apns_scheduler *s);
