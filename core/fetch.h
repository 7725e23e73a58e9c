/*
 * Outgoing HTTP/1.1: the one home of libcurl.  Used by the command line
 * client, the SCEP client, the simulated Macs and webhooks.  A struct fetch
 * is one connection cache and belongs to one thread; keep it to keep
 * connections alive.
 */
#pragma once

#include <stdatomic.h>

#include "core/str.h"

struct fetch;

struct fetch_options {
	const char *ca_file; /* PEM trust anchors; NULL: the system's */
	const char *ca_pem;  /* the same as text, instead of ca_file */
	/* Client certificate and chain as text, or NULL. */
	const char *cert_pem;
	const char *key_pem;   /* its key as text */
	const char *unix_path; /* connect to this socket, or NULL */
	int64_t timeout_ms;    /* for a whole request; 0: 30 s */
	bool fresh;            /* a new connection for each request */
	/* True: a request under way ends within a second, with
	 * ERR_UNAVAILABLE; borrowed, may be NULL. */
	const atomic_bool *stop;
};

struct fetch_request {
	const char *method; /* "GET", "PUT", ... */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-ended, or NULL */
	struct slice body;
	size_t answer_max; /* bytes of body accepted; 0: 1 MiB */
	/* A header of the answer that the caller wants to see, or NULL. */
	const char *want_header;
};

struct fetch_answer {
	int status;
	char content_type[128];
	int64_t retry_after_s; /* Retry-After, also as a date; 0: none */
	/* The one that was wanted; "": absent, there twice, or longer. */
	char header[128];
	struct buf *body;
};

/* Copies what o points to. */
MUST_CHECK bool fetch_new(
    const struct fetch_options *o, struct fetch **out, struct err *e);
void fetch_free(struct fetch **f);
/*
 * Does one request, following no redirects and asking no proxy.  Any HTTP
 * status is success.  ERR_UNAVAILABLE: no connection, TLS failure, timeout.
 * ERR_TOO_LARGE: the answer.  ERR_INVALID: URL, headers, or our certificate.
 * The caller frees the answer's body with fetch_answer_clear().
 */
MUST_CHECK bool fetch_do(struct fetch *f, const struct fetch_request *rq,
    struct fetch_answer *out, struct err *e);
void fetch_answer_clear(struct fetch_answer *a);
