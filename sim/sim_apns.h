/*
 * A simulated APNs: HTTP/2 over TLS with client certificates on one port, and
 * on another, on loopback and in plain, the channel on which simulated Macs
 * hear of pushes.  It checks each push as Apple does and can be told to
 * answer, fall silent, go away or break in every way a client must survive.
 * One thread of its own; every function may be called from any thread.
 *
 * Device channel: lines.  A Mac says "HELLO <token in hex>\n", for as many
 * tokens as it likes, and hears "PUSH <token in hex> <payload>\n" for each.
 * The last push for a token that is not connected is kept until it is.
 */
#pragma once

#include "core/str.h"

struct sim_apns;

struct sim_apns_options {
	const char *address; /* NULL: 127.0.0.1 */
	uint16_t port;       /* 0: any */
	uint16_t device_port;
	const char *cert_pem, *key_pem; /* of the TLS server, with chain */
	const char *client_ca_pem;      /* push certificates end here */
	/* For load generators that have no certificate: one is not asked
	 * for, and any well-formed topic will do. */
	bool any_client;
	uint32_t streams_max; /* SETTINGS; 0: 1000 */
	uint32_t window;      /* of a stream, in octets; 0: 64 KiB */
	int64_t latency_ms;   /* of every answer */
	const char *date;     /* header of every answer, or NULL; borrowed */
	size_t ids_max;       /* remember so many accepted apns-ids */
};
MUST_CHECK bool sim_apns_new(
    const struct sim_apns_options *o, struct sim_apns **out, struct err *e);
void sim_apns_free(struct sim_apns **s);
uint16_t sim_apns_port(const struct sim_apns *s);
uint16_t sim_apns_device_port(const struct sim_apns *s);

enum sim_apns_action {
	SIM_APNS_ANSWER,   /* status and reason */
	SIM_APNS_BYTEWISE, /* the same, its body in DATA frames of 1 byte */
	SIM_APNS_BIG_BODY, /* status, and 10 MB that are not JSON */
	SIM_APNS_SILENCE,  /* no answer */
	SIM_APNS_DEAF,     /* nothing is read from this connection any more */
	/* GOAWAY with reason as debug data.  Streams above last_stream (0: the
	 * one before this) are not processed. */
	SIM_APNS_GOAWAY,
	SIM_APNS_REFUSE,  /* RST_STREAM with REFUSED_STREAM */
	SIM_APNS_CLOSE,   /* the connection is cut */
	SIM_APNS_SETTINGS /* SETTINGS with streams as the limit; answers 200 */
};

/* What happens to pushes that are all right in themselves. */
struct sim_apns_rule {
	const char *token; /* prefix in lower-case hex; "": all */
	enum sim_apns_action action;
	int status;
	const char *reason; /* JSON reason, or NULL: no body */
	const char *body;   /* instead of the JSON, or NULL */
	int64_t retry_after_s;
	int64_t timestamp_ms;
	int32_t last_stream;
	uint32_t streams;
	int64_t skip;  /* matching pushes before it begins */
	int64_t count; /* how often; 0: always */
};
/* The first rule that matches and is not used up acts.  Copied. */
void sim_apns_rule(struct sim_apns *s, const struct sim_apns_rule *r);
void sim_apns_clear_rules(struct sim_apns *s);

enum sim_apns_cut {
	SIM_APNS_CUT_NONE,
	SIM_APNS_CUT_ACCEPT,    /* at once */
	SIM_APNS_CUT_HANDSHAKE, /* in the middle of the TLS handshake */
	SIM_APNS_CUT_SETTINGS,  /* after it, before SETTINGS */
	SIM_APNS_CUT_BYTES      /* when so many bytes of HTTP/2 were sent */
};
/* The next count connections are cut there. */
void sim_apns_cut(
    struct sim_apns *s, enum sim_apns_cut where, size_t bytes, int64_t count);

struct sim_apns_stats {
	int64_t connections; /* TLS connections accepted, ever */
	int64_t pushes;      /* requests in full */
	int64_t accepted;    /* answered 200 */
	int64_t refused;     /* answered otherwise */
	int64_t delivered;   /* handed to a connected device */
	int64_t kept;        /* waiting for a device */
	int64_t pings;
	int64_t devices; /* tokens connected now */
};
void sim_apns_stats(const struct sim_apns *s, struct sim_apns_stats *out);
/* Pushes answered with this reason ("" counts none); a reason is any that a
 * check or a rule gave. */
int64_t sim_apns_refused(struct sim_apns *s, const char *reason);
/* Calls fn for each remembered apns-id, in the order of their answers. */
void sim_apns_each_id(
    struct sim_apns *s, void (*fn)(const char *id, void *arg), void *arg);
