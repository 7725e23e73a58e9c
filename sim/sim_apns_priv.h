/*
 * What the files of the simulated APNs share.  All of it belongs to the
 * simulator's thread, except what struct sim_apns says its lock guards.
 */
#pragma once

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "sim/sim_apns.h"

enum {
	SIM_APNS_TOKEN_HEX = 512, /* 256 bytes */
	SIM_APNS_PAYLOAD = 4096,  /* Apple's limit */
	SIM_APNS_OUT = 64 << 10,
	SIM_APNS_IN = 16 << 10,
	SIM_APNS_REASONS = 64,
	SIM_APNS_KEPT_MAX = 1 << 20,
	SIM_APNS_BIG = 10 << 20
};

/* What epoll's data points at. */
enum sim_apns_kind { SIM_WAKE, SIM_LISTEN, SIM_LISTEN_DEVICE, SIM_H2, SIM_MAC };
struct sim_apns_source {
	enum sim_apns_kind kind;
	int fd;
};

/* Which header fields came; a second one is DuplicateHeaders. */
enum sim_apns_field {
	SIM_F_METHOD = 1 << 0,
	SIM_F_PATH = 1 << 1,
	SIM_F_TOPIC = 1 << 2,
	SIM_F_TYPE = 1 << 3,
	SIM_F_ID = 1 << 4,
	SIM_F_EXPIRATION = 1 << 5,
	SIM_F_PRIORITY = 1 << 6,
	SIM_F_DUPLICATE = 1 << 7
};

struct sim_apns_connection;

/* One request; reused through a free list. */
struct sim_apns_request {
	struct sim_apns_request *prev, *next;         /* delayed, or free */
	struct sim_apns_request *all_prev, *all_next; /* of its connection */
	struct sim_apns_connection *connection;
	int32_t stream;
	bool delayed;
	int64_t due_ms; /* monotonic */
	unsigned fields;
	bool method_ok, path_ok, type_ok, topic_ok, id_ok, expiration_ok,
	    priority_ok, too_large;
	char id[37];
	size_t token_len; /* hex digits in token */
	char token[SIM_APNS_TOKEN_HEX + 1];
	size_t payload_len;
	char payload[SIM_APNS_PAYLOAD + 1];
	/* The answer. */
	enum sim_apns_action action;
	int status;
	int64_t retry_after_s;
	size_t answer_len, answer_sent;
	char answer[256];
};

struct sim_apns_connection {
	struct sim_apns_source source;
	struct sim_apns *sim;
	struct sim_apns_connection *prev, *next;
	SSL *ssl;
	nghttp2_session *session;
	bool shaken, broken, deaf, closing;
	uint32_t events;
	char topic[257]; /* UID of the client's certificate; "": any */
	struct sim_apns_request *all;
	struct sim_apns_request *delayed, *delayed_last; /* by due_ms */
	enum sim_apns_cut cut;
	size_t cut_bytes, sent;
	size_t out_len, out_off;
	uint8_t out[SIM_APNS_OUT];
};

/* A token that is connected, or has a push waiting, or both. */
struct sim_apns_token {
	struct sim_apns_token *next; /* in its chain */
	struct sim_apns_mac *mac;    /* or NULL */
	struct sim_apns_token *mac_next;
	char *kept; /* payload, or NULL */
	uint64_t hash;
	char hex[];
};

/* One connection of the device channel. */
struct sim_apns_mac {
	struct sim_apns_source source;
	struct sim_apns *sim;
	struct sim_apns_mac *prev, *next;
	struct sim_apns_token *tokens;
	bool broken;
	bool dirty; /* has lines to write */
	struct sim_apns_mac *dirty_next;
	uint32_t events;
	size_t in_len;
	char in[SIM_APNS_TOKEN_HEX + 16];
	struct buf *out;
	size_t out_off;
};

struct sim_apns_rule_state {
	struct sim_apns_rule rule;
	char token[SIM_APNS_TOKEN_HEX + 1], reason[64], *body;
	int64_t seen, used;
	struct sim_apns_rule_state *next;
};

struct sim_apns_reason {
	char name[64];
	int64_t count;
};

struct sim_apns {
	/* Guards stopping, rules, the cut, reasons and ids. */
	pthread_mutex_t lock;
	bool stopping;
	struct sim_apns_rule_state *rules;
	enum sim_apns_cut cut;
	size_t cut_bytes;
	int64_t cut_count;
	struct sim_apns_reason reasons[SIM_APNS_REASONS];
	char (*ids)[37];
	size_t ids_count;

	/* Read-only once the thread runs. */
	pthread_t thread;
	int epoll;
	SSL_CTX *tls;
	bool any_client;
	uint32_t streams_max, window;
	int64_t latency_ms;
	const char *date;
	size_t ids_max;
	uint16_t port, device_port;
	struct sim_apns_source wake, listener, device_listener;

	/* Any thread. */
	atomic_bool has_rules;
	atomic_int_fast64_t connections_ever, pushes, accepted, refused,
	    delivered, kept, pings, devices;

	/* The simulator's thread alone. */
	struct sim_apns_connection *connections;
	struct sim_apns_request *unused;
	struct sim_apns_mac *macs, *dirty;
	struct sim_apns_token **chains;
	size_t chains_count, tokens_count;
};

/* sim_apns_tls.c. */
MUST_CHECK bool sim_apns_context(
    const struct sim_apns_options *o, SSL_CTX **out, struct err *e);
/* UID of the certificate the client showed, or "". */
void sim_apns_peer_topic(const SSL *ssl, char *out, size_t size);

/* sim_apns_connection.c. */
void sim_apns_accept(struct sim_apns *s);
void sim_apns_connection_event(struct sim_apns_connection *k);
/* Answers whose latency is over; returns when to look again. */
int64_t sim_apns_connection_tick(struct sim_apns_connection *k, int64_t now_ms);
void sim_apns_connection_free(struct sim_apns_connection *k);
/* Frees what broke; after the events of one epoll_wait(). */
void sim_apns_connections_sweep(struct sim_apns *s);

/* sim_apns_request.c: HTTP/2 requests. */
MUST_CHECK bool sim_apns_session(struct sim_apns_connection *k, struct err *e);
void sim_apns_answer(struct sim_apns_request *r);
void sim_apns_request_free(struct sim_apns_request *r);
/* Takes r out of the delayed ones, if it is there. */
void sim_apns_request_undelay(struct sim_apns_request *r);

/* sim_apns_check.c: what Apple checks. */
void sim_apns_check_field(
    struct sim_apns_request *r, struct slice name, struct slice value);
/* Decides the answer of a whole request. */
void sim_apns_decide(struct sim_apns_request *r);
void sim_apns_count_reason(struct sim_apns *s, const char *reason);

/* sim_apns_channel.c: devices. */
void sim_apns_mac_accept(struct sim_apns *s);
void sim_apns_mac_event(struct sim_apns_mac *m, uint32_t events);
/* A push was accepted: hand it to its Mac, or keep it. */
void sim_apns_deliver(struct sim_apns *s, const struct sim_apns_request *r);
/* Writes what deliveries left, frees what broke. */
void sim_apns_macs_flush(struct sim_apns *s);
void sim_apns_channel_free(struct sim_apns *s);
