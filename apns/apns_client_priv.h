/*
 * What the files of the APNs client share.  Everything here belongs to the
 * client's thread, except what struct apns_client says its lock guards.
 */
#pragma once

#include <netdb.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "apns/apns_client.h"

enum {
	APNS_HOSTS_MAX = 8,
	APNS_CONNECTIONS_MAX = 16,
	APNS_ADDRESSES_MAX = 16,
	APNS_TOPIC_MAX = 256,
	APNS_CREDENTIALS_MAX = 1024,
	APNS_REPLY_MAX = 4 << 10, /* of a proxy, its head */
	APNS_SENDS_MAX = 5,       /* of one push that peers keep refusing */
	APNS_BODY_MAX = 4 << 10, /* of an answer; Apple's are under 200 bytes */
	APNS_OUT_SIZE = 64 << 10,
	APNS_IN_SIZE = 16 << 10
};

/* One push from apns_client_push() to its answer. */
struct apns_job {
	struct apns_job *prev, *next; /* in exactly one struct apns_jobs */
	int32_t stream;
	unsigned sends; /* that were refused, or did not leave whole */
	bool urgent;
	bool whole;       /* nghttp2 handed out its last frame ... */
	int64_t out_at;   /* ... behind so many bytes of the connection */
	int64_t since_ms; /* monotonic: queued, later submitted */
	uint64_t ref;
	char id[37];
	char expiration[24];
	/* The answer as far as it came. */
	int status;
	bool ended;    /* the peer finished the stream */
	bool overlong; /* its body passed APNS_BODY_MAX */
	int64_t retry_after_s;
	struct buf *body;
	/* Parts of text, which hold no NUL. */
	struct slice path, topic, payload;
	size_t payload_sent;
	char text[];
};

struct apns_jobs {
	struct apns_job *head, *tail;
	size_t count;
};
void apns_jobs_append(struct apns_jobs *l, struct apns_job *j);
void apns_jobs_prepend(struct apns_jobs *l, struct apns_job *j);
void apns_jobs_remove(struct apns_jobs *l, struct apns_job *j);
/* Moves all of from behind the last of to. */
void apns_jobs_move(struct apns_jobs *to, struct apns_jobs *from);
struct apns_job *apns_job_new(const struct apns_push *p, int64_t now_ms);

/* "host:port", "[v6]:port". */
struct apns_host {
	char name[256];
	char port[6];
	char authority[264];
	bool literal; /* an address: no look-up, verified as an address */
};
MUST_CHECK bool apns_host_parse(
    const char *text, struct apns_host *out, struct err *e);

/* A look-up in its own short-lived thread, which may outlive who asked. */
struct apns_resolve;
/* ERR_UNAVAILABLE: no thread.  Its fd becomes readable when it is done. */
MUST_CHECK bool apns_resolve_start(
    const struct apns_host *h, struct apns_resolve **out, struct err *e);
int apns_resolve_fd(const struct apns_resolve *r);
/* Only after the fd was readable.  false: no address.  Caller frees the list
 * with freeaddrinfo(). */
MUST_CHECK bool apns_resolve_result(
    struct apns_resolve *r, struct addrinfo **out, struct err *e);
/* Leaves a running look-up to end by itself. */
void apns_resolve_free(struct apns_resolve **r);
/* For literals: never blocks. */
MUST_CHECK bool apns_resolve_literal(
    const struct apns_host *h, struct addrinfo **out, struct err *e);

/* Trust anchors of the options; the caller frees. */
MUST_CHECK bool apns_tls_trust(
    const struct apns_client_options *o, X509_STORE **out, struct err *e);
/* A context that shows this certificate; NULL: none. */
MUST_CHECK bool apns_tls_context(X509_STORE *trust, const char *cert_pem,
    const char *key_pem, SSL_CTX **out, struct err *e);
/* A client session that verifies the peer as h. */
MUST_CHECK bool apns_tls_session(
    SSL_CTX *ctx, const struct apns_host *h, int fd, SSL **out, struct err *e);
/*
 * Empties OpenSSL's error queue into e.  *our_fault becomes true when the
 * peer's alert says that it does not like our certificate.
 */
void apns_tls_error(struct err *e, bool *our_fault, const char *what);

enum apns_state {
	APNS_CLOSED,
	APNS_RESOLVING,
	APNS_CONNECTING, /* TCP */
	APNS_TUNNEL,     /* asking the proxy for the host */
	APNS_HANDSHAKE,  /* TLS */
	APNS_SETTLING,   /* waiting for the peer's SETTINGS */
	APNS_OPEN,
	APNS_DRAINING /* no new streams; closes when the last one ended */
};

/* One address that is dialled: RFC 8305, section 5. */
struct apns_attempt {
	const struct addrinfo *address;
	int fd; /* -1: not under way */
	bool failed;
};

struct apns_connection {
	struct apns_client *client;
	struct apns_set *set;
	enum apns_state state;
	/* The dial: hosts are tried in turn, each with all its addresses. */
	unsigned host_try;
	const struct apns_host *host;
	struct apns_resolve *resolve;
	struct addrinfo *addresses;
	struct apns_attempt attempts[APNS_ADDRESSES_MAX];
	unsigned attempts_count;
	int64_t attempt_at_ms; /* when the next address is tried as well */
	int64_t deadline_ms;   /* until APNS_OPEN */
	size_t reply_len;      /* of the proxy */
	char reply[APNS_REPLY_MAX];

	int fd;
	uint32_t events; /* registered with epoll */
	SSL *ssl;
	nghttp2_session *session;
	struct apns_jobs jobs; /* in flight, oldest first */
	int64_t answers;
	int64_t gathered, written; /* bytes of HTTP/2 */
	int64_t read_ms;           /* when the peer last said something */
	int64_t ping_ms;           /* when the unanswered PING left; 0: none */
	bool probing;   /* not to be used until the PING is answered */
	bool unread;    /* stopped reading before the end */
	bool broken;    /* to be closed as soon as nghttp2 has returned */
	bool retired;   /* its certificate was replaced */
	bool our_fault; /* the peer does not like our certificate or topic */
	struct err why; /* with broken */
	char blame[64]; /* Apple's reason, with our_fault */
	size_t out_len, out_off;
	uint8_t out[APNS_OUT_SIZE];
};

/* apns_dial.c: from closed to TCP connected. */
void apns_dial_start(struct apns_connection *k);
/* The look-up is done, or a socket is connected or failed. */
void apns_dial_event(struct apns_connection *k);
/* Nobody answered yet: the next address, beside those under way. */
void apns_dial_more(struct apns_connection *k);
/* This address does not work: the next one, or the end of the round. */
void apns_dial_next(struct apns_connection *k, const struct err *why);
void apns_dial_clear(struct apns_connection *k);
/* RFC 8305, section 4: attempts out of addresses.  The families take turns,
 * each in the resolver's order, and its favourite is first. */
void apns_dial_sort(struct apns_connection *k);

/*
 * apns_tunnel.c: through an HTTP proxy (RFC 9110, 9.3.6), over the connected
 * socket; goes on with apns_connection_begin().
 */
void apns_tunnel_begin(struct apns_connection *k);
void apns_tunnel_event(struct apns_connection *k);
/*
 * Reads the head of a proxy's reply.  *done false: more must come.
 * ERR_UNAVAILABLE: it does not connect us.
 */
MUST_CHECK bool apns_tunnel_reply(
    struct slice reply, bool *done, struct err *e);

/* apns_connection.c: TLS and HTTP/2. */
void apns_connection_begin(struct apns_connection *k);
void apns_connection_event(struct apns_connection *k);
/* Writes what there is to write. */
void apns_connection_flush(struct apns_connection *k);
/*
 * Takes no more pushes and closes when those under way are answered, without
 * counting as a failure.
 */
void apns_connection_retire(struct apns_connection *k);
/* Timeouts of the connection and of its pushes. */
void apns_connection_tick(struct apns_connection *k, int64_t now_ms);
/* Next time for apns_connection_tick(); INT64_MAX: never. */
int64_t apns_connection_next_ms(const struct apns_connection *k);
void apns_connection_ping(struct apns_connection *k);
/*
 * Ends it in whatever state.  Pushes under way are answered; a dial goes on
 * with the next address, and what never answered counts as a failure.
 */
void apns_connection_fail(struct apns_connection *k, const struct err *why);
/* Frees what it holds; nobody is told, and there must be no pushes. */
void apns_connection_close(struct apns_connection *k);
/* How many more streams may be opened now. */
size_t apns_connection_room(const struct apns_connection *k);
/* Registers fd for these epoll events; 0 takes it away. */
void apns_connection_watch(struct apns_connection *k, int fd, uint32_t events);

/* apns_stream.c: pushes as streams. */
MUST_CHECK bool apns_stream_session(struct apns_connection *k, struct err *e);
/* Opens a stream for a job that is in no list. */
void apns_stream_submit(struct apns_connection *k, struct apns_job *j);
void apns_stream_timeout(struct apns_connection *k, struct apns_job *j);
/* Part of it never left: the peer cannot have processed it. */
bool apns_stream_unsent(
    const struct apns_connection *k, const struct apns_job *j);

/* apns_answer.c. */
void apns_answer_read(const struct apns_job *j, struct apns_answer *out);
/* A reason that is about our certificate or topic, whatever its status. */
bool apns_answer_our_fault(const char *reason);
/* The reason in a JSON body, or "". */
void apns_answer_reason(
    struct slice body, char *reason, size_t size, int64_t *timestamp_ms);

/*
 * The connections with one push certificate, and what waits for them.  All of
 * it belongs to the client's thread.
 */
struct apns_set {
	struct apns_client *client;
	struct apns_set *next;
	char topic[APNS_TOPIC_MAX]; /* "": for topics without their own */
	SSL_CTX *tls;
	struct apns_jobs urgent, queue; /* wait; urgent ones go first */
	bool served;                    /* in this round of work */
	struct apns_connection *connections[APNS_CONNECTIONS_MAX];
	int open;           /* connections */
	unsigned host_good; /* the one that worked last ... */
	int64_t host_good_until_ms;
	unsigned failures;     /* in a row */
	int64_t connect_at_ms; /* not before */
	int64_t answered_ms;   /* when an answer last came from outside */
};

/* A certificate on its way to the client's thread. */
struct apns_identity {
	struct apns_identity *next;
	char topic[APNS_TOPIC_MAX];
	SSL_CTX *tls;
};

struct apns_client {
	pthread_mutex_t lock; /* guards incoming, identities and stopping */
	struct apns_jobs incoming;
	struct apns_identity *identities, **identities_end;
	bool stopping;

	/* Read-only once the thread runs. */
	pthread_t thread;
	int epoll, wake;
	X509_STORE *trust;
	struct apns_host hosts[APNS_HOSTS_MAX];
	unsigned hosts_count;
	bool has_proxy;
	struct apns_host proxy;
	char *proxy_auth; /* value of Proxy-Authorization, or NULL */
	unsigned connections_max;
	size_t streams_max;
	int64_t answer_ms, connect_ms, idle_ms, ping_ms, keep_alive_ms;
	int64_t per_s; /* 0: no limit */
	apns_answer_fn answer;
	void *arg;

	/* Any thread. */
	atomic_size_t pending;
	atomic_int_fast64_t connects, accepted, failed, goaways;
	atomic_int open;

	/* The client's thread alone. */
	struct apns_set *sets;
	int64_t rate_at_ms, rate_left; /* thousandths of a push */
};

/* apns_client.c. */
/* Answers and frees a job that is in no list. */
void apns_client_finish(
    struct apns_client *c, struct apns_job *j, const struct apns_answer *a);
/* As apns_client_finish(), for a push that got no answer. */
void apns_client_give_up(struct apns_client *c, struct apns_job *j,
    enum apns_outcome outcome, const char *reason);

/* apns_rate.c: the limit of all sets together. */
/* How many pushes may leave now. */
size_t apns_rate_room(struct apns_client *c, int64_t now_ms);
void apns_rate_take(struct apns_client *c, size_t count);
/* When one may leave; 0: now. */
int64_t apns_rate_next_ms(const struct apns_client *c);

/* apns_set.c. */
/* Takes tls over. */
struct apns_set *apns_set_new(
    struct apns_client *c, const char *topic, SSL_CTX *tls);
/* Answers what it holds as APNS_UNREACHABLE. */
void apns_set_free(struct apns_set **s);
/* The set for a topic; NULL: none. */
struct apns_set *apns_set_find(struct apns_client *c, struct slice topic);
/* New connections use tls, which is taken over; old ones retire. */
void apns_set_replace(struct apns_set *s, SSL_CTX *tls);
/* Timeouts, pushes onto connections, dials. */
void apns_set_work(struct apns_set *s, int64_t now_ms);
/* When to work again; INT64_MAX: when something comes. */
int64_t apns_set_next_ms(const struct apns_set *s);
/* The push that goes next; NULL: none waits. */
struct apns_job *apns_set_head(const struct apns_set *s);
/* Behind its like. */
void apns_set_queue(struct apns_set *s, struct apns_job *j);
/* Back in front of its like: the peer has not processed it. */
void apns_set_again(struct apns_set *s, struct apns_job *j);
/*
 * No connection came about, or one died without ever having answered: backs
 * off, and unless another connection is open answers what waits.
 */
void apns_set_failed(struct apns_set *s, const char *why, bool our_fault);
