/*
 * What the sources of http/ share.
 *
 * A connection and its one request in progress are owned by the listener's
 * thread, except from the moment the connection is suspended and handed to
 * the pool until the worker resumes it: then they are the worker's.  Only
 * what is marked atomic or named under a lock is touched by others.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "core/str.h"
#include "http/http.h"

enum {
	HTTP_PARAMS_MAX = 8,
	HTTP_HEADERS_MAX = 8, /* a reply's own, beyond the fixed ones */
	HTTP_OUT_MAX = 64 << 20,
	HTTP_ID_SIZE = 24,
	HTTP_PEER_SIZE = 46,
	HTTP_CLASSES = 5, /* 1xx to 5xx */
	HTTP_STOP_MS = 10 * 1000
};

#define HTTP_STOPPING "the server is stopping"

struct http_conn;
struct http_tls;

struct http_reply {
	int status;
	const char *type;
	struct buf *out;    /* NULL until http_out() */
	struct slice fixed; /* http_set_static() */
	struct {
		const char *name;
		char *value;
	} headers[HTTP_HEADERS_MAX];
	size_t header_count;
	bool failed; /* made from a struct err */
	bool parked;
	int64_t park_until_ms;
};

/* One row of the callers' tables with what http_add() was told about it. */
struct http_rule {
	const struct http_route *route;
	void *service;
	struct http_rule *next; /* other methods on the same path */
};

/* Rules of one path. */
struct http_place {
	const char *pattern;
	struct http_rule *rules;
	struct http_place *next; /* same bucket, or next pattern */
};

enum { HTTP_BUCKETS = 64 };

/* Routes of one side; written before the first listener starts, then only
 * read. */
struct http_routes {
	struct http_place *exact[HTTP_BUCKETS]; /* no braces, by hash */
	struct http_place *patterns;            /* in the order to be tried */
};

struct http_param {
	struct slice name; /* in the route's pattern */
	const char *value; /* in the request's text */
};

struct http_match {
	const struct http_rule *rule; /* NULL: no such path or method */
	bool path_known;              /* then it is the method: 405 */
	char allow[64];               /* value of Allow, if so */
	struct http_param params[HTTP_PARAMS_MAX];
	size_t param_count;
};

/* A request target taken apart; text is one allocation. */
struct http_target {
	char *text;
	size_t size;
	char *path;      /* raw, NUL-terminated */
	char *decoded;   /* path, percent-decoded */
	char *scratch;   /* room for decoded parameters */
	char *query;     /* raw, NULL if none */
	char *arguments; /* name NUL value NUL ..., ended by arguments_end */
	char *arguments_end;
	bool bad;    /* the path is no text */
	bool unread; /* an argument is no text: it was left out */
};

enum http_phase {
	HTTP_READING_HEAD,
	HTTP_READING_BODY,
	HTTP_AUTHORIZING, /* at a worker, its body not yet read */
	HTTP_AUTHORIZED,  /* back from there */
	HTTP_RUNNING,     /* at a worker */
	HTTP_ANSWERED     /* a reply is ready or on its way */
};

struct http_request {
	struct http_conn *conn;
	struct http_request *next; /* in the pool's queue or parked */
	char peer[HTTP_PEER_SIZE]; /* of this request; "": the connection's */
	enum http_phase phase;
	bool live;        /* counted as under way */
	bool body_coming; /* headers announce one */
	bool refused;     /* answered before its body was read */
	bool authorized;  /* its rights were checked */
	bool discarding;  /* the body grew too large: read, but not kept */
	size_t discarded;
	struct http_target target;
	const char *method;
	struct http_match match;
	struct http_caller caller;
	struct buf *body;
	struct buf *proxy_cert;
	bool proxy_cert_known;
	char id[HTTP_ID_SIZE];
	int64_t began_us;
	int64_t parked_since_ms;
	uint64_t wake_seen; /* the server's wakes when the handler began */
	struct http_reply reply;
	/* The answer, ready to be queued: */
	bool empty_ok; /* the listener's empty_ok, or */
	struct MHD_Response *response;
	int status;
	size_t reply_len;
};

struct http_conn {
	struct http_listener *listener;
	struct MHD_Connection *mhd;
	struct http_conn *prev, *next; /* listener->conns_lock */
	int fd;
	_Atomic int64_t deadline_ms; /* monotonic; 0: none */
	bool linger;                 /* unread body: drain before closing */
	struct http_tls *tls;        /* NULL: a plain one */
	bool trusted_proxy;
	char peer[HTTP_PEER_SIZE];
	struct buf *tls_cert;
	bool tls_cert_known;
	struct http_request rq;
};

struct http_listener {
	/* Guards conns, the list's links, and tls_now. */
	pthread_mutex_t conns_lock;
	struct http_conn *conns;
	struct http_server *server;
	struct http_listener *next;
	struct MHD_Daemon *mhd;
	int fd; /* listening socket; ours once the library is quiesced */
	enum http_side side;
	http_authorizer authorizer;
	void *authorizer_arg;
	char *proxy_header, *proxy_addresses;
	bool tls, ask_cert;
	struct http_tls *tls_now; /* of new connections */
	void *ticket_key;         /* see http_client_cert.c */
	unsigned ticket_key_len;
	_Atomic bool started;
	char start_error[160]; /* what libmicrohttpd said before started */
	/* An empty 200 with the side's fixed headers, queued many times. */
	struct MHD_Response *empty_ok;
};

/* Workers and the requests that wait for one (http_worker.c). */
struct http_pool {
	/* Guards what follows. */
	pthread_mutex_t lock;
	struct http_request *head, *tail;
	int queued, queue_max;
	struct http_worker *idle; /* most recently idle first */
	bool waking;              /* one was signalled and has not come yet */
	bool stop;
	struct http_worker *workers;
	int worker_count;
	struct http_server *server;
};

/* Requests in long polls (http_park.c). */
struct http_lot {
	/* Guards what follows. */
	pthread_mutex_t lock;
	struct http_request *parked;
	bool closed;
	_Atomic uint64_t wakes;
	_Atomic int count;
};

/* The thread that ends what takes too long (http_deadline.c). */
struct http_janitor {
	/* Guards what follows. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t next_ms; /* when it looks next */
	bool stop;
	struct http_lingering *lingering;
	int lingering_count;
	pthread_t thread;
	bool started;
};

struct http_stats {
	_Atomic int64_t requests[HTTP_SIDES][HTTP_CLASSES];
	_Atomic int64_t us_sum[HTTP_SIDES];
	_Atomic int64_t connections[HTTP_SIDES];
	_Atomic int64_t rejected, timeouts;
};

struct http_server {
	struct http_options o; /* defaults filled in */
	struct http_routes routes[HTTP_SIDES];
	struct http_listener *listeners;
	struct http_pool pool;
	struct http_lot lot;
	struct http_janitor janitor;
	struct http_stats stats;
	char id_prefix[7];
	_Atomic uint64_t ids;
	_Atomic bool stopping;
	_Atomic int under_way;
};

/* http_route.c */
void http_routes_add(
    struct http_routes *r, const struct http_route *route, void *service);
void http_routes_clear(struct http_routes *r);
/* False if some route asks for rights. */
bool http_routes_public(const struct http_routes *r);
void http_routes_match(const struct http_routes *r, const char *method,
    struct http_target *t, struct http_match *out);

/* http_target.c */
void http_target_parse(struct http_target *t, const char *target);
void http_target_free(struct http_target *t);
/* Decodes [p, p + len) to out (room for len + 1), returns the length.  False
 * for a bad escape, NUL, or bytes that are not UTF-8. */
bool http_percent_decode(
    const char *p, size_t len, bool plus, char *out, size_t *len_out);

/* http_request.c */
void http_request_begin(struct http_request *rq, const char *target);
void http_request_end(struct http_request *rq);
/* Checks the framing headers: ERR_INVALID for what could be read two ways. */
bool http_request_check(struct http_request *rq, const char *version,
    int64_t *length_out, struct err *e);

/* http_listener.c */
bool http_listener_new(struct http_server *s, const struct http_listen *l,
    struct http_listener **out, uint16_t *port_out, struct err *e);
/* Stops accepting. */
void http_listener_quiesce(struct http_listener *l);
void http_listener_free(struct http_listener **l);

/* http_handover.c: the access handler of libmicrohttpd. */
enum MHD_Result http_handover(void *cls, struct MHD_Connection *mhd,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_len, void **rq);

/* http_conn.c: callbacks of libmicrohttpd. */
void http_conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode code);
void *http_conn_target(
    void *cls, const char *target, struct MHD_Connection *mhd);
void http_conn_completed(void *cls, struct MHD_Connection *mhd, void **rq,
    enum MHD_RequestTerminationCode why);

/* http_reply.c */
void http_reply_clear(struct http_reply *rp);
/* Turns e into the reply; the text of our own failures stays inside. */
void http_reply_fail(struct http_request *rq, int status, const struct err *e);
/* Makes rq->response of rq->reply, counts and logs.  Ends the request's
 * decisions: what is left is sending. */
void http_reply_seal(struct http_request *rq, const struct err *e);
struct MHD_Response *http_reply_empty(enum http_side side);
int64_t http_reply_send_ms(const struct http_request *rq);

/* http_peer.c */
/*
 * Reads an address of IPv4 or IPv6 and writes it in the one form that it has
 * here: IPv4 within IPv6 (RFC 4291 2.5.5.2) is IPv4.  False, and out as it
 * was: no address.
 */
bool http_peer_read(const char *text, char out[HTTP_PEER_SIZE]);

/* http_client_cert.c */
/* Leaf by TLS, DER, kept in the connection; empty if none. */
struct slice http_cert_tls(struct http_conn *c);
/* Decodes a proxy's header; ERR_INVALID if it is neither form. */
bool http_cert_from_header(const char *value, struct buf *out, struct err *e);
/* Whether peer is in the comma-separated list. */
bool http_cert_trusted(const char *addresses, const char *peer);
/* Sets a new TLS session up, before its handshake. */
void http_cert_session(struct http_conn *c);
/* Key of TLS session tickets, for the life of the listener. */
bool http_cert_tickets_new(struct http_listener *l, struct err *e);
void http_cert_tickets_free(struct http_listener *l);

/* http_tls.c */
/* ERR_INVALID: not PEM, or the key is another's. */
MUST_CHECK bool http_tls_new(const char *cert_pem, const char *key_pem,
    struct http_tls **out, struct err *e);
void http_tls_unref(struct http_tls **t);
/* New connections of l get it; takes a reference of its own. */
void http_tls_put(struct http_listener *l, struct http_tls *t);
/* The connection keeps what is now put. */
void http_tls_session(struct http_conn *c, gnutls_session_t session);

/* http_worker.c */
void http_pool_init(struct http_pool *p, struct http_server *s);
MUST_CHECK bool http_pool_start(struct http_pool *p, struct err *e);
bool http_pool_full(struct http_pool *p);
int http_pool_queued(struct http_pool *p);
/* False once the pool has stopped: then the request is still the caller's. */
MUST_CHECK bool http_pool_push(struct http_pool *p, struct http_request *rq);
/* Answers what still waits with 503, waits for running handlers, joins. */
void http_pool_stop(struct http_pool *p);
/* After http_pool_stop(), when nobody can push any more. */
void http_pool_free(struct http_pool *p);

/* http_park.c */
void http_lot_init(struct http_lot *lot);
/* Takes the request, or runs it again at once if a wake came meanwhile. */
void http_lot_park(struct http_server *s, struct http_request *rq);
/* Runs those whose time came and drops those whose client left.  Returns when
 * to look again, INT64_MAX for never. */
int64_t http_lot_tick(struct http_server *s, int64_t now_ms);
/* Answers all with 503 and takes no more. */
void http_lot_close(struct http_server *s);
void http_lot_free(struct http_lot *lot);
/* Seals a 503 and resumes: for a request that no handler will run. */
void http_request_abandon(struct http_request *rq, const char *why);

/* http_deadline.c */
void http_janitor_init(struct http_janitor *j);
MUST_CHECK bool http_janitor_start(struct http_server *s, struct err *e);
/* Nothing lingers and no deadline is kept after this. */
void http_janitor_stop(struct http_server *s);
void http_janitor_free(struct http_server *s);
/* Makes it look no later than at_ms. */
void http_janitor_by(struct http_server *s, int64_t at_ms);
/* Takes over a duplicate of fd and reads what still comes, for a while, so
 * that closing does not destroy an answer on its way. */
void http_janitor_linger(struct http_server *s, int fd);
