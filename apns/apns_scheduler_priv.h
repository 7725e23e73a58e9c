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
	APNS_BATCH = 500,   /* claims, and records, in one transaction */
	APNS_WINDOW = 4000, /* claimed and not yet recorded */
	APNS_SLEEP_MAX_MS = 10 * 1000, /* without a notification */
	APNS_SLEEP_MIN_MS = 1000,      /* when what is due cannot be claimed */
	APNS_PAUSE_MAX_MS = 60 * 1000
};

struct apns_scheduler {
	pthread_mutex_t lock; /* guards down to stop_reason */
	pthread_cond_t wake;
	bool poked, stopping, reload;
	struct apns_claim *answered; /* the last one first */
	int64_t pushes[7];
	int64_t cert_not_after;
	bool stopped;
	char stop_reason[64];

	/* Read-only once the thread runs. */
	pthread_t thread;
	struct store *store;
	const struct seal *seal;
	int64_t expiration_s, claim_ms, stop_ms;
	char by[UUID_SIZE];

	/* The scheduler's thread alone. */
	struct apns_client_options client_options; /* what it points to is
	                                            * borrowed */
	struct apns_client *client;
	struct apns_cert *cert;        /* NULL: none */
	struct apns_claim *unrecorded; /* waiting for the database */
	int64_t generation;            /* of the certificate */
	int64_t window;                /* most in_flight */
	int64_t in_flight;             /* claimed, not recorded */
	int64_t not_before_ms;         /* monotonic: no claims until then */
	int64_t pause_ms;              /* grows while APNs is out of reach */
	int64_t next_ms;               /* monotonic: when to look again */
	int64_t reload_ms; /* monotonic: the certificate could not be read, and
	                    * is tried again then; 0: it could */
	bool halted;       /* as stopped, without the lock */
	bool db_failed;    /* logged already */
};

/* apns_scheduler.c. */
void apns_scheduler_database_failed(
    struct apns_scheduler *s, const struct err *e);
void apns_scheduler_set_stopped(
    struct apns_scheduler *s, bool stopped, const char *reason);

/* There is a certificate for it. */
bool apns_scheduler_has_topic(
    const struct apns_scheduler *s, const char *topic);

/* apns_scheduler_record.c: records the answers that have come.  false: the
 * database does not take them; they stay. */
bool apns_scheduler_record(struct apns_scheduler *s);
void apns_claim_list_free(struct apns_claim **list);

/* apns_scheduler_dispatch.c: claims and pushes what is due; sets next_ms. */
void apns_scheduler_dispatch(struct apns_scheduler *s);
