/*
 * The APNs provider client: HTTP/2 on nghttp2 over OpenSSL, one thread, few
 * long-lived connections, many streams.  Knows nothing of the database.
 */
#pragma once

#include "core/str.h"

struct apns_client;

struct apns_client_options {
	/* "host:port" in order of preference, NULL-ended; borrowed. */
	const char *const *hosts;
	const char *ca_file; /* trust anchors; NULL: the system's */
	const char *ca_pem;  /* trust anchors as text; NULL: none */
	/* For pushes of topics without a certificate of their own; NULL: such
	 * pushes are APNS_OUR_FAULT. */
	const char *cert_pem, *key_pem;
	/* HTTP proxy, "host:port": CONNECT over plain TCP; NULL: none. */
	const char *proxy;
	const char *proxy_credentials; /* "user:password"; NULL: none */
	int connections_max;           /* for each certificate; 0: 2 */
	int streams_max;   /* per connection, below the peer's limit; 0: 1000 */
	int64_t answer_ms; /* per push, once it is sent; 0: 30 s */
	int64_t connect_ms; /* per address, until HTTP/2 runs; 0: 10 s */
	int64_t idle_ms;    /* silent for longer: PING before use; 0: 60 s */
	int64_t ping_ms;    /* a PING unanswered so long: dead; 0: 5 s */
	/* A PING after so long without traffic; 0: an hour, as Apple says. */
	int64_t keep_alive_ms;
	int64_t per_s; /* pushes a second, all together; 0: no limit */
};

/* One notification.  Copied by apns_client_push(). */
struct apns_push {
	struct slice token;
	const char *magic;
	const char *topic;
	char id[37];          /* apns-id, lower case */
	int64_t expiration_s; /* Unix seconds */
	bool urgent;          /* overtakes those that are not and wait */
	uint64_t ref;         /* handed back with the answer */
};

enum apns_outcome {
	APNS_ACCEPTED,   /* 200 */
	APNS_DEAD,       /* 410: the token is gone */
	APNS_REFUSED,    /* BadDeviceToken, DeviceTokenNotForTopic */
	APNS_BACK_OFF,   /* 429, 5xx: try again later */
	APNS_OUR_FAULT,  /* certificate or topic: stop all, alarm */
	APNS_BUG,        /* our request was wrong: no retry */
	APNS_UNREACHABLE /* no connection, timeout: may have been delivered */
};
struct apns_answer {
	uint64_t ref;
	char id[37]; /* the push's apns-id */
	enum apns_outcome outcome;
	int status;            /* 0: none came */
	char reason[64];       /* Apple's reason, or a word of ours */
	int64_t retry_after_s; /* 0: not said */
	int64_t timestamp_ms;  /* with 410 */
};
/* The table of apns.md 5: status and reason to outcome. */
enum apns_outcome apns_classify(int status, const char *reason);

/* answer is called on the client's thread, exactly once per push. */
typedef void (*apns_answer_fn)(const struct apns_answer *a, void *arg);

MUST_CHECK bool apns_client_new(const struct apns_client_options *o,
    apns_answer_fn answer, void *arg, struct apns_client **out, struct err *e);
/* Answers what is under way as APNS_UNREACHABLE, then stops the thread. */
void apns_client_free(struct apns_client **c);
/*
 * Gives the pushes of a topic a certificate of their own, or a new one; any
 * thread.  Pushes queued from then on go over new connections; those under way
 * are answered on the old ones, which close after the last.  ERR_INVALID:
 * certificate and key are no pair, or the topic is none.
 */
MUST_CHECK bool apns_client_identity(struct apns_client *c, const char *topic,
    const char *cert_pem, const char *key_pem, struct err *e);
/* Queues pushes; any thread, does not block. */
void apns_client_push(
    struct apns_client *c, const struct apns_push *pushes, size_t count);
/* Pushes accepted by apns_client_push() and not answered yet. */
size_t apns_client_pending(const struct apns_client *c);

struct apns_client_stats {
	int64_t connects, accepted, failed, goaways;
	int connections; /* open now */
};
void apns_client_stats(
    const struct apns_client *c, struct apns_client_stats *out);
