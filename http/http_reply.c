/*
 * Replies: what handlers write, how errors look on each side, and the one
 * table from error codes to statuses.  A reply belongs to the thread that has
 * its request.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "http/http_priv.h"

enum { SEND_BYTES_PER_MS = 16 };

/* ---- the table ---- */

/* RFC 9110 section 15.  A Mac drops its MDM profile on 401, so the device
 * side says 403 to those who prove nothing. */
static const struct {
	int device, admin;
} statuses[ERR_CODES] = {
	[ERR_NONE] = { 200, 200 },
	[ERR_INVALID] = { 400, 400 },
	[ERR_UNAUTHORIZED] = { 403, 401 },
	[ERR_FORBIDDEN] = { 403, 403 },
	[ERR_NOT_FOUND] = { 404, 404 },
	[ERR_CONFLICT] = { 409, 409 },
	[ERR_REFUSED] = { 422, 422 },
	[ERR_TOO_LARGE] = { 413, 413 },
	[ERR_RATE] = { 429, 429 },
	[ERR_UNAVAILABLE] = { 503, 503 },
	[ERR_INTERNAL] = { 500, 500 },
};

int
http_status_of(enum err_code code, enum http_side side)
{
	assert((unsigned)code < ERR_CODES && statuses[code].admin != 0);
	return side != HTTP_ADMIN_SIDE ? statuses[code].device
	                               : statuses[code].admin;
}

/* ---- what handlers write ---- */

void
http_set(struct http_reply *rp, int status, const char *type)
{
	rp->status = status;
	rp->type = type;
}

struct buf *
http_out(struct http_reply *rp)
{
	rp->fixed = slice_of(NULL, 0);
	if (rp->out == NULL)
		rp->out = buf_new(HTTP_OUT_MAX);
	return rp->out;
}

void
http_set_header(struct http_reply *rp, const char *name, const char *value)
{
	size_t i = 0;

	while (i < rp->header_count && !str_ieq(rp->headers[i].name, name))
		i++;
	assert(i < HTTP_HEADERS_MAX);
	if (i == rp->header_count)
		rp->header_count++;
	str_free(&rp->headers[i].value);
	rp->headers[i].name = name;
	rp->headers[i].value = str_dup(value);
}

void
http_set_static(struct http_reply *rp, struct slice body)
{
	buf_free(&rp->out);
	rp->fixed = body;
}

void
http_park(struct http_reply *rp, int64_t deadline_mono_ms)
{
	rp->parked = true;
	rp->park_until_ms = deadline_mono_ms;
}

void
http_reply_clear(struct http_reply *rp)
{
	buf_free(&rp->out);
	for (size_t i = 0; i < rp->header_count; i++)
		str_free(&rp->headers[i].value);
	rp->header_count = 0;
	rp->status = MHD_HTTP_OK;
	rp->type = NULL;
	rp->fixed = slice_of(NULL, 0);
	rp->failed = rp->parked = false;
}

/* ---- errors ---- */

/* An error's text may quote what an outsider sent and may be cut within a
 * character; JSON takes whole ones only. */
static void
make_text(char *s)
{
	for (size_t cut = strlen(s); str_utf8_len(s) == SIZE_MAX && cut > 0;)
		s[--cut] = '\0';
}

static void
write_problem(struct http_request *rq, const struct err *e, const char *detail)
{
	AUTO(json_free) json_t *j = json_object();
	AUTO(str_free) char *text = NULL;
	int status = rq->reply.status;

	json_put_str(j, "type", "about:blank");
	json_put_str(j, "title", MHD_get_reason_phrase_for((unsigned)status));
	json_put_int(j, "status", status);
	json_put_str(j, "code", err_name(e));
	json_put_str(j, "detail", detail);
	json_put_str(j, "request_id", rq->id);
	text = json_text(j);
	rq->reply.type = "application/problem+json";
	buf_adds(http_out(&rq->reply), text);
}

void
http_reply_fail(struct http_request *rq, int status, const struct err *e)
{
	struct http_reply *rp = &rq->reply;
	char detail[sizeof(e->text)];

	http_reply_clear(rp);
	rp->failed = true;
	rp->status = status;
	str_copy_cut(detail, sizeof(detail),
	    e->code == ERR_INTERNAL ? "internal error" : e->text);
	make_text(detail);
	if (rq->conn->listener->side == HTTP_ADMIN_SIDE) {
		write_problem(rq, e, detail);
	} else {
		rp->type = "text/plain";
		buf_addf(http_out(rp), "%s\n", detail);
	}
	if (status == MHD_HTTP_UNAUTHORIZED)
		http_set_header(rp, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		http_set_header(rp, MHD_HTTP_HEADER_ALLOW, rq->match.allow);
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		http_set_header(rp, MHD_HTTP_HEADER_RETRY_AFTER, "2");
}

/* ---- sealing ---- */

static void
log_request(const struct http_request *rq, const struct err *e, int64_t us)
{
	enum log_level level = LOG_DEBUG;
	int status = rq->reply.status;

	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		level = LOG_WARN;
	else if (status >= 500)
		level = LOG_ERROR;
	else if (status >= 400)
		level = LOG_INFO;
	log_set_request(rq->id);
	log_event(level, level == LOG_DEBUG ? "http_request" : "http_failed",
	    "method", rq->method, "path", rq->target.decoded, "status",
	    LOG_NUM(status), "peer", http_peer(rq), "us", LOG_NUM(us), "code",
	    e != NULL ? err_name(e) : NULL, "error", e != NULL ? e->text : NULL,
	    NULL);
	log_set_request(NULL);
}

static void
count_request(struct http_request *rq, int64_t us)
{
	struct http_stats *st = &rq->conn->listener->server->stats;
	enum http_side side = rq->conn->listener->side;
	int class = rq->reply.status / 100 - 1;

	if (class >= 0 && class < HTTP_CLASSES)
		atomic_fetch_add(&st->requests[side][class], 1);
	atomic_fetch_add(&st->us_sum[side], us);
}

static void
free_body(void *cls)
{
	struct buf *b = cls;

	buf_free(&b);
}

static struct MHD_Response *
make_body(struct http_reply *rp)
{
	struct MHD_Response *r;
	struct buf *b;

	if (rp->out == NULL)
		return MHD_create_response_from_buffer(rp->fixed.len,
		    (void *)(uintptr_t)rp->fixed.p, MHD_RESPMEM_PERSISTENT);
	b = TAKE(rp->out);
	r = MHD_create_response_from_buffer_with_free_callback_cls(
	    b->len, b->p, free_body, b);
	if (r == NULL)
		buf_free(&b);
	return r;
}

static void
add_header(struct MHD_Response *r, const char *name, const char *value)
{
	/* libmicrohttpd refuses line breaks in values. */
	if (MHD_add_response_header(r, name, value) != MHD_YES)
		log_event(LOG_ERROR, "http_header_dropped", "name", name, NULL);
}

static void
add_side_headers(
    struct MHD_Response *r, enum http_side side, const struct http_reply *rp)
{
	bool cache_set = false;

	for (size_t i = 0; rp != NULL && i < rp->header_count; i++)
		cache_set = cache_set || str_ieq(rp->headers[i].name,
		                             MHD_HTTP_HEADER_CACHE_CONTROL);
	if (!cache_set)
		add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (side == HTTP_ADMIN_SIDE)
		add_header(r, "X-Content-Type-Options", "nosniff");
}

struct MHD_Response *
http_reply_empty(enum http_side side)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);

	if (r != NULL)
		add_side_headers(r, side, NULL);
	return r;
}

static bool
closes(const struct http_request *rq)
{
	return rq->refused || rq->discarding ||
	       atomic_load(&rq->conn->listener->server->stopping);
}

/* The commonest answer to a Mac, "nothing to do", is made once. */
static bool
is_empty_ok(const struct http_request *rq)
{
	const struct http_reply *rp = &rq->reply;

	return rp->status == MHD_HTTP_OK && rp->type == NULL &&
	       (rp->out == NULL || rp->out->len == 0) && rp->fixed.len == 0 &&
	       rp->header_count == 0 && !closes(rq) &&
	       rq->conn->listener->side != HTTP_ADMIN_SIDE;
}

static struct MHD_Response *
make_response(struct http_request *rq)
{
	enum http_side side = rq->conn->listener->side;
	struct http_reply *rp = &rq->reply;
	struct MHD_Response *r = make_body(rp);

	if (r == NULL)
		return NULL;
	if (rp->type != NULL)
		add_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, rp->type);
	add_side_headers(r, side, rp);
	if (side == HTTP_ADMIN_SIDE || rp->failed)
		add_header(r, "X-Request-Id", rq->id);
	for (size_t i = 0; i < rp->header_count; i++)
		add_header(r, rp->headers[i].name, rp->headers[i].value);
	if (closes(rq))
		add_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	return r;
}

/* Our own mistakes, found before they leave; false with e filled. */
static bool
may_leave(const struct http_request *rq, struct err *e)
{
	const struct http_reply *rp = &rq->reply;

	if (rp->status == MHD_HTTP_UNAUTHORIZED &&
	    rq->conn->listener->side != HTTP_ADMIN_SIDE)
		return err_set(e, ERR_INTERNAL,
		    "a handler said 401 to a device, which would un-enrol it");
	if (rp->out != NULL && rp->out->overflow)
		return err_set(e, ERR_INTERNAL, "reply beyond %d bytes",
		    (int)HTTP_OUT_MAX);
	if (rp->status < 200 || rp->status > 599)
		return err_set(
		    e, ERR_INTERNAL, "a handler set status %d", rp->status);
	return true;
}

void
http_reply_seal(struct http_request *rq, const struct err *e)
{
	struct err own;
	int64_t us = clock_mono_us() - rq->began_us;

	if (!may_leave(rq, &own)) {
		http_reply_fail(rq, MHD_HTTP_INTERNAL_SERVER_ERROR, &own);
		e = &own;
	}
	log_request(rq, e, us);
	count_request(rq, us);
	rq->status = rq->reply.status;
	rq->reply_len =
	    rq->reply.out != NULL ? rq->reply.out->len : rq->reply.fixed.len;
	rq->phase = HTTP_ANSWERED;
	rq->empty_ok = is_empty_ok(rq);
	if (!rq->empty_ok)
		rq->response = make_response(rq);
}

int64_t
http_reply_send_ms(const struct http_request *rq)
{
	return rq->conn->listener->server->o.request_ms +
	       (int64_t)(rq->reply_len / SEND_BYTES_PER_MS);
}
