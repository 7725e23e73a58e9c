/*
 * HTTP service: listeners over libmicrohttpd, a pool of workers, and a table
 * of routes.
 *
 * A listener thread reads a whole request within the limits of its route,
 * suspends the connection and hands the request to a worker.  The worker runs
 * the handler as plain blocking code; its reply resumes the connection.
 * Handlers read: decode, authorise, act, encode.
 */
#pragma once

#include "core/str.h"

struct http_server;
struct http_request;
struct http_reply;

/*
 * Rights a caller holds; a route names those it asks for, all of them.
 * HTTP_ANYONE is for pages that are public and for devices, which prove
 * themselves to the handler.
 */
enum http_right {
	HTTP_ANYONE = 0,
	HTTP_VIEW = 1,    /* see devices, orders, events */
	HTTP_CONTROL = 2, /* assign users, send harmless commands */
	HTTP_DESTROY = 4, /* lock, wipe, and commands that can do either */
	HTTP_SECRETS = 8, /* read PINs */
	HTTP_ADMIN = 16   /* tokens, push certificate, settings */
};

struct http_caller {
	char name[80]; /* "token:<name>", for audit; "" for the public */
	unsigned rights;
};

/*
 * Does the work of one route.  service is the route table's pointer.  On
 * failure e becomes the answer: problem+json on the admin side, one line of
 * text on the device side.  What acknowledges something is answered after its
 * commit.
 */
typedef bool (*http_handler)(const struct http_request *rq,
    struct http_reply *rp, void *service, struct err *e);

struct http_route {
	const char *method; /* "GET" also serves HEAD */
	/* "/api/v1/devices/{id}": a segment in braces matches one segment;
	 * a last "{rest...}" matches all that follows, slashes too.  What
	 * they match is never empty.  Paths without braces are tried first,
	 * then patterns, those with "{rest...}" last. */
	const char *path;
	unsigned rights;
	size_t body_max; /* 0: no body */
	http_handler handler;
};

/* Checks a request's credentials against a route's rights.  ERR_UNAUTHORIZED:
 * none or bad ones; ERR_FORBIDDEN: not enough. */
typedef bool (*http_authorizer)(const struct http_request *rq, unsigned rights,
    struct http_caller *out, void *arg, struct err *e);

enum http_side {
	/* Errors are short text; status 401 is never sent (it un-enrols). */
	HTTP_DEVICE_SIDE,
	HTTP_ADMIN_SIDE, /* errors are application/problem+json */
	HTTP_PLAIN_SIDE, /* no TLS: SCEP, CRL, OCSP; errors are short text */
	HTTP_SIDES       /* how many there are */
};

struct http_listen {
	enum http_side side;
	const char *address; /* "127.0.0.1" */
	uint16_t port;       /* 0: any free one */
	int socket;          /* of http_bind(), which goes to the listener; 0:
	                      * address and port are bound now */
	/* TLS when both are set: PEM text.  Client certificates are asked for
	 * but not demanded, and not verified in TLS: the handler looks them
	 * up in the ledger.  */
	const char *cert_pem, *key_pem;
	http_authorizer authorizer; /* may be NULL if all is HTTP_ANYONE */
	void *authorizer_arg;
	/*
	 * Name of the header in which a proxy at one of proxy_addresses
	 * (comma-separated) hands over the client certificate (RFC 9440
	 * Client-Cert, or nginx's URL-escaped PEM); NULL: none.  From any
	 * other address the header is ignored.  Requests from these addresses
	 * come from the last address of their X-Forwarded-For, for logs and
	 * rate limits.
	 */
	const char *proxy_header, *proxy_addresses;
	bool no_client_cert; /* TLS: do not even ask for one */
};

struct http_options {
	int workers;   /* 0: 32 */
	int queue_max; /* waiting requests before 503; 0: 1024 */
	/* Per listener; 0: 8192.  Never so many that the process, as its
	 * limit of descriptors is at http_new(), could run out of them. */
	int connections_max;
	int64_t request_ms; /* to send a whole request; 0: LIMIT_REQUEST_MS */
	int idle_s;         /* 0: LIMIT_IDLE_S */
	int per_ip_max;     /* connections of one address; 0: no limit */
	int io_threads;     /* per listener; 0: 1 */
};

MUST_CHECK bool http_new(
    const struct http_options *o, struct http_server **out, struct err *e);
/* Before http_listen().  routes and service stay borrowed.  A path and method
 * given twice is a bug (asserted).  side: on which listeners they answer. */
void http_add(struct http_server *s, enum http_side side,
    const struct http_route *routes, size_t count, void *service);
/*
 * Binds without answering yet, for a caller that has to know its port before
 * it makes its services.  The socket is the caller's.  ERR_CONFLICT: in use.
 */
MUST_CHECK bool http_bind(const char *address, uint16_t port, int *socket_out,
    uint16_t *port_out, struct err *e);
/* Starts answering; *port_out gets the port in use. */
MUST_CHECK bool http_listen(struct http_server *s, const struct http_listen *l,
    uint16_t *port_out, struct err *e);
/*
 * From now on new connections of the TLS listeners get this certificate (PEM,
 * with its chain); those that there are go on.  ERR_INVALID: they keep the one
 * they have.  Any thread.
 */
MUST_CHECK bool http_set_certificate(struct http_server *s,
    const char *cert_pem, const char *key_pem, struct err *e);
/* Stops accepting, finishes what is under way (at most 10 s), frees. */
void http_free(struct http_server **s);

/* ---- requests: everything borrowed for the handler's run ---- */

const char *http_method(const struct http_request *rq);
const char *http_path(const struct http_request *rq); /* percent-decoded */
/* Value of the {name} segment, percent-decoded; never NULL for a name in the
 * route's path. */
const char *http_param(const struct http_request *rq, const char *name);
/* First value of a query argument, decoded ('+' is a blank); NULL if absent,
 * "" if empty.  One that is not UTF-8 text counts as absent: see
 * http_raw_query(); with one the admin side refuses the request before. */
const char *http_query(const struct http_request *rq, const char *name);
/* The query string as it was sent, without '?'; NULL if there was none. */
const char *http_raw_query(const struct http_request *rq);
const char *http_header(const struct http_request *rq, const char *name);
struct slice http_body(const struct http_request *rq);
/* Address of the peer, as text in one form each, for logs and rate limits. */
const char *http_peer(const struct http_request *rq);
/* Client certificate, DER; empty if none.  By TLS, or of a trusted proxy by its
 * header alone. */
struct slice http_client_cert(const struct http_request *rq);
const struct http_caller *http_caller(const struct http_request *rq);
/* Id of this request in logs and replies. */
const char *http_request_id(const struct http_request *rq);
/* True if Content-Type is this type; parameters are ignored. */
bool http_type_is(const struct http_request *rq, const char *type);

/* ---- replies ---- */

/* 200 and an empty body unless set.  type is a literal, NULL: none. */
void http_set(struct http_reply *rp, int status, const char *type);
/* The body to fill; grows to at most 64 MiB. */
struct buf *http_out(struct http_reply *rp);
/* name is a literal; value is copied. */
void http_set_header(
    struct http_reply *rp, const char *name, const char *value);
/* A body that outlives the server (static data): no copy is made.  The later
 * of this and http_out() counts. */
void http_set_static(struct http_reply *rp, struct slice body);
/*
 * Long poll: discards the reply and runs the handler again when http_wake()
 * is called or at the deadline (clock_mono_ms()), without holding a worker.
 * The handler then returns true.  A wake that comes while the handler still
 * runs is not lost.  When the server stops, or the client leaves, the request
 * ends with 503 and the handler is not run again.
 */
void http_park(struct http_reply *rp, int64_t deadline_mono_ms);
/* When http_park() was first called for this request; 0: never. */
int64_t http_parked_since(const struct http_request *rq);
/* Runs parked requests again.  Any thread; cheap. */
void http_wake(struct http_server *s);

/* ---- metrics ---- */

/*
 * Counters and gauges for /metrics (Prometheus text format 0.0.4).  A family
 * is a row of a table; labels are fixed text.  Any thread, no locks.
 */
struct http_metric {
	const char *name; /* "mutsu_pushes_total" */
	const char *help;
	const char *type;          /* "counter" or "gauge" */
	const char *label;         /* "status", or NULL for a single value */
	const char *const *values; /* label values, NULL-ended; NULL if none */
};
struct http_metrics;
/* rows borrowed; index of a row is its handle. */
struct http_metrics *http_metrics_new(
    const struct http_metric *rows, size_t count);
void http_metrics_free(struct http_metrics **m);
void http_metric_add(
    struct http_metrics *m, size_t row, size_t value, int64_t n);
void http_metric_set(
    struct http_metrics *m, size_t row, size_t value, int64_t n);
void http_metrics_write(const struct http_metrics *m, struct buf *out);
/* Requests by status class and side, latency sum, open connections, queue:
 * the server's own numbers, in the same format. */
void http_stats_write(struct http_server *s, struct buf *out);

/* HTTP status of an error code; the one table.  Never 401 device side. */
int http_status_of(enum err_code code, enum http_side side);
