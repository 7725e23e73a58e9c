/*
 * One request: its life within a connection, checks of its framing, and what
 * handlers read of it.  Belongs to the thread that has the connection (see
 * http_priv.h); accessors fill caches inside, so a handler's request is for
 * the handler's thread.
 */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/limits.h"
#include "http/http_priv.h"

enum { KEEP_BODY = 8 << 10 };

static void
make_id(struct http_server *s, char out[HTTP_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t n = atomic_fetch_add(&s->ids, 1) + 1;
	char *p = out + sizeof(s->id_prefix) - 1;

	memcpy(out, s->id_prefix, sizeof(s->id_prefix) - 1);
	*p++ = '-';
	for (int shift = 60; shift >= 0; shift -= 4)
		if (n >> shift != 0 || shift == 0)
			*p++ = digits[n >> shift & 15];
	*p = '\0';
}

void
http_request_begin(struct http_request *rq, const char *target)
{
	struct http_server *s = rq->conn->listener->server;

	http_request_end(rq);
	rq->live = true;
	atomic_fetch_add(&s->under_way, 1);
	make_id(s, rq->id);
	rq->began_us = clock_mono_us();
	http_target_parse(&rq->target, target);
}

void
http_request_end(struct http_request *rq)
{
	http_reply_clear(&rq->reply);
	buf_free(&rq->proxy_cert);
	if (rq->response != NULL)
		MHD_destroy_response(rq->response);
	rq->response = NULL;
	if (rq->body != NULL && rq->body->cap > KEEP_BODY)
		buf_free(&rq->body);
	else if (rq->body != NULL)
		buf_reset(rq->body);
	if (rq->target.size > KEEP_BODY)
		http_target_free(&rq->target);
	rq->phase = HTTP_READING_HEAD;
	rq->body_coming = rq->refused = rq->discarding = false;
	rq->discarded = 0;
	rq->proxy_cert_known = false;
	rq->authorized = false;
	rq->parked_since_ms = 0;
	rq->method = "";
	rq->match.rule = NULL;
	rq->match.param_count = 0;
	rq->caller.name[0] = '\0';
	rq->caller.rights = HTTP_ANYONE;
	rq->status = 0;
	if (rq->live)
		atomic_fetch_sub(&rq->conn->listener->server->under_way, 1);
	rq->live = false;
}

/* ---- framing ---- */

struct framing {
	const char *proxy_header;
	const char *length, *encoding, *forwarded;
	int lengths, encodings, hosts, proxy_headers;
	bool bad_name, bad_value, folded;
};

/* RFC 9110 5.6.2.  A space before the colon is how requests are smuggled. */
static bool
is_token(const char *s, size_t len)
{
	static const char also[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < len; i++) {
		char c = s[i];
		char low = (char)(c | 0x20);

		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr(also, c) == NULL))
			return false;
	}
	return len > 0;
}

/*
 * libmicrohttpd 0.9.75 joins a folded line to the header's name, not to its
 * value: "Content: 5", folded "-Length", would come out as a Content-Length.
 * It makes a new name for that, so that the value no longer stands behind it.
 */
static bool
is_folded(const char *name, size_t name_len, const char *value)
{
	uintptr_t end = (uintptr_t)name + name_len, at = (uintptr_t)value;

	return at <= end || at - end > LIMIT_HEADERS;
}

static enum MHD_Result
look_at_header(void *cls, enum MHD_ValueKind kind, const char *name,
    size_t name_len, const char *value, size_t value_len)
{
	struct framing *f = cls;

	(void)kind;
	if (!is_token(name, name_len))
		f->bad_name = true;
	if (value != NULL && is_folded(name, name_len, value))
		f->folded = true;
	if (value != NULL && memchr(value, '\r', value_len) != NULL)
		f->bad_value = true;
	if (name_len == 14 && str_ieq(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
		f->lengths++;
		f->length = value;
	} else if (name_len == 17 &&
	           str_ieq(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
		f->encodings++;
		f->encoding = value;
	} else if (name_len == 4 && str_ieq(name, MHD_HTTP_HEADER_HOST)) {
		f->hosts++;
	} else if (name_len == 15 && str_ieq(name, "X-Forwarded-For")) {
		f->forwarded = value;
	} else if (f->proxy_header != NULL && str_ieq(name, f->proxy_header)) {
		f->proxy_headers++;
	}
	return MHD_YES;
}

/*
 * Who a trusted proxy speaks for: the last address of the last
 * X-Forwarded-For, which is the one that it wrote itself.  The others came
 * from outside.
 */
static void
set_peer(struct http_request *rq, const char *forwarded)
{
	const char *last;

	str_copy_cut(rq->peer, sizeof(rq->peer), rq->conn->peer);
	if (forwarded == NULL || !rq->conn->trusted_proxy)
		return;
	last = strrchr(forwarded, ',');
	last = last != NULL ? last + 1 : forwarded;
	last += strspn(last, " \t");
	(void)http_peer_read(last, rq->peer);
}

bool
http_request_check(struct http_request *rq, const char *version,
    int64_t *length_out, struct err *e)
{
	struct http_conn *c = rq->conn;
	struct framing f = { .proxy_header = c->trusted_proxy
		                                 ? c->listener->proxy_header
		                                 : NULL };
	int64_t length = 0;

	MHD_get_connection_values_n(
	    c->mhd, MHD_HEADER_KIND, look_at_header, &f);
	set_peer(rq, f.forwarded);
	if (f.bad_name)
		return err_set(e, ERR_INVALID,
		    "RFC 9112 5.1: a header's name is not a token");
	if (f.folded)
		return err_set(e, ERR_INVALID, "RFC 9112 5.2: a folded header");
	if (f.bad_value)
		return err_set(e, ERR_INVALID,
		    "RFC 9110 5.5: a carriage return in a header");
	if (f.encodings > 0 && !str_eq(version, MHD_HTTP_VERSION_1_1))
		return err_set(e, ERR_INVALID,
		    "RFC 9112 6.1: Transfer-Encoding before HTTP/1.1");
	if (f.lengths > 1)
		return err_set(e, ERR_INVALID,
		    "RFC 9112 6.3: more than one Content-Length");
	if (f.lengths > 0 && f.encodings > 0)
		return err_set(e, ERR_INVALID,
		    "RFC 9112 6.3: Content-Length with Transfer-Encoding");
	if (f.encodings > 1 ||
	    (f.encodings == 1 && !str_ieq(f.encoding, "chunked")))
		return err_set(e, ERR_INVALID,
		    "RFC 9112 6.1: a transfer coding other than chunked");
	if (f.hosts > 1)
		return err_set(
		    e, ERR_INVALID, "RFC 9112 3.2: more than one Host");
	if (f.proxy_headers > 1)
		return err_set(e, ERR_INVALID, "more than one %s",
		    c->listener->proxy_header);
	if (f.lengths == 1 && !str_to_i64(f.length, 0, INT64_MAX, &length))
		return err_set(e, ERR_INVALID,
		    "RFC 9110 8.6: Content-Length is not a number");
	*length_out = f.encodings == 1 ? -1 : length;
	return true;
}

/* ---- accessors ---- */

const char *
http_method(const struct http_request *rq)
{
	return rq->method;
}

const char *
http_path(const struct http_request *rq)
{
	return rq->target.decoded;
}

const char *
http_param(const struct http_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->match.param_count; i++)
		if (slice_eq_str(rq->match.params[i].name, name))
			return rq->match.params[i].value;
	return NULL;
}

const char *
http_query(const struct http_request *rq, const char *name)
{
	const char *p = rq->target.arguments;

	while (p < rq->target.arguments_end) {
		const char *value = p + strlen(p) + 1;

		if (str_eq(p, name))
			return value;
		p = value + strlen(value) + 1;
	}
	return NULL;
}

const char *
http_raw_query(const struct http_request *rq)
{
	return rq->target.query;
}

const char *
http_header(const struct http_request *rq, const char *name)
{
	return MHD_lookup_connection_value(
	    rq->conn->mhd, MHD_HEADER_KIND, name);
}

struct slice
http_body(const struct http_request *rq)
{
	return rq->body != NULL ? buf_slice(rq->body) : slice_of(NULL, 0);
}

const char *
http_peer(const struct http_request *rq)
{
	return rq->peer[0] != '\0' ? rq->peer : rq->conn->peer;
}

/* A header that cannot be read counts as no certificate: what was not proven
 * is refused by the handler. */
static struct slice
cert_from_proxy(struct http_request *rq)
{
	const char *value;
	struct err unread;

	if (!rq->proxy_cert_known) {
		rq->proxy_cert_known = true;
		rq->proxy_cert = buf_new(LIMIT_HEADERS);
		value = rq->conn->listener->proxy_header != NULL
		            ? http_header(rq, rq->conn->listener->proxy_header)
		            : NULL;
		if (str_empty(value) ||
		    !http_cert_from_header(value, rq->proxy_cert, &unread))
			buf_free(&rq->proxy_cert);
	}
	return rq->proxy_cert != NULL ? buf_slice(rq->proxy_cert)
	                              : slice_of(NULL, 0);
}

struct slice
http_client_cert(const struct http_request *rq)
{
	/* The cache inside is for this thread alone while it runs.  TLS shows
	 * the proxy's own certificate, which proves nothing for a device. */
	if (rq->conn->trusted_proxy)
		return cert_from_proxy((struct http_request *)rq);
	return http_cert_tls(rq->conn);
}

const struct http_caller *
http_caller(const struct http_request *rq)
{
	return &rq->caller;
}

const char *
http_request_id(const struct http_request *rq)
{
	return rq->id;
}

bool
http_type_is(const struct http_request *rq, const char *type)
{
	const char *value = http_header(rq, MHD_HTTP_HEADER_CONTENT_TYPE);
	size_t len;

	if (value == NULL)
		return false;
	len = strcspn(value, "; \t");
	return len == strlen(type) && strncasecmp(value, type, len) == 0;
}

int64_t
http_parked_since(const struct http_request *rq)
{
	return rq->parked_since_ms;
}
