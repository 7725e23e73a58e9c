/*
 * The access handler: takes a request from libmicrohttpd piece by piece,
 * refuses what can be refused before its body is read, hands it to the pool
 * when it is whole, and gives the answer back.  Runs in a listener's threads;
 * libmicrohttpd does not call it while the connection is suspended.
 */
#include <string.h>

#include "core/clock.h"
#include "http/http_priv.h"

/* Of a body that grew too large so much more is read to be able to answer;
 * beyond that the connection is just closed. */
enum { DISCARD_MAX = 1 << 20 };

static enum MHD_Result
send_answer(struct http_request *rq)
{
	struct http_conn *c = rq->conn;
	struct MHD_Response *r =
	    rq->empty_ok ? c->listener->empty_ok : rq->response;

	if (r == NULL)
		return MHD_NO;
	c->linger = rq->refused;
	atomic_store(&c->deadline_ms, clock_mono_ms() + http_reply_send_ms(rq));
	return MHD_queue_response(c->mhd, (unsigned)rq->status, r);
}

static enum MHD_Result
refuse(struct http_request *rq, int status, const struct err *e)
{
	bool in_head = rq->phase == HTTP_READING_HEAD;

	rq->refused = rq->refused || rq->body_coming;
	http_reply_fail(rq, status, e);
	http_reply_seal(rq, e);
	/* libmicrohttpd closes a connection that is answered in the first
	 * call; without a body a second call comes, and it stays open. */
	if (in_head && !rq->refused)
		return MHD_YES;
	return send_answer(rq);
}

static enum MHD_Result
refuse_busy(struct http_request *rq)
{
	struct http_server *s = rq->conn->listener->server;
	struct err e;

	atomic_fetch_add(&s->stats.rejected, 1);
	err_set(&e, ERR_UNAVAILABLE, "too many requests wait");
	return refuse(rq, MHD_HTTP_SERVICE_UNAVAILABLE, &e);
}

static enum MHD_Result
to_pool(struct http_request *rq, enum http_phase phase)
{
	struct http_conn *c = rq->conn;
	struct http_pool *pool = &c->listener->server->pool;

	if (http_pool_full(pool))
		return refuse_busy(rq);
	rq->phase = phase;
	/* Nobody may be late while we have it. */
	atomic_store(&c->deadline_ms, 0);
	MHD_suspend_connection(c->mhd);
	if (!http_pool_push(pool, rq))
		http_request_abandon(rq, HTTP_STOPPING);
	return MHD_YES;
}

/* Finds the route, or sets the status to answer with and e. */
static bool
find_route(struct http_request *rq, int *status, struct err *e)
{
	struct http_listener *l = rq->conn->listener;

	*status = MHD_HTTP_BAD_REQUEST;
	if (rq->target.bad)
		return err_set(e, ERR_INVALID, "the path is not valid");
	http_routes_match(
	    &l->server->routes[l->side], rq->method, &rq->target, &rq->match);
	if (rq->match.rule != NULL) {
		/* A misread filter must not be an absent one. */
		return l->side != HTTP_ADMIN_SIDE || !rq->target.unread ||
		       err_set(e, ERR_INVALID,
		           "an argument of the query is not valid");
	}
	if (rq->match.path_known) {
		*status = MHD_HTTP_METHOD_NOT_ALLOWED;
		return err_slug(e, ERR_INVALID, "method_not_allowed",
		    "this path takes %s", rq->match.allow);
	}
	*status = MHD_HTTP_NOT_FOUND;
	return err_set(e, ERR_NOT_FOUND, "no such path");
}

static enum MHD_Result
take_head(struct http_request *rq, const char *method, const char *version)
{
	const struct http_route *route;
	struct err e = { 0 };
	int64_t length = 0;
	int status;

	rq->method = method;
	if (!http_request_check(rq, version, &length, &e)) {
		/* Where the next request begins is not known. */
		rq->refused = true;
		return refuse(rq, MHD_HTTP_BAD_REQUEST, &e);
	}
	rq->body_coming = length != 0;
	if (!find_route(rq, &status, &e))
		return refuse(rq, status, &e);
	route = rq->match.rule->route;
	if (length > 0 && (uint64_t)length > route->body_max) {
		err_set(&e, ERR_TOO_LARGE, "body of more than %zu bytes",
		    route->body_max);
		return refuse(rq, MHD_HTTP_CONTENT_TOO_LARGE, &e);
	}
	rq->phase = HTTP_READING_BODY;
	if (rq->body_coming && route->rights != HTTP_ANYONE)
		return to_pool(rq, HTTP_AUTHORIZING);
	return MHD_YES;
}

static enum MHD_Result
take_body(struct http_request *rq, const char *p, size_t *len)
{
	size_t max = rq->match.rule->route->body_max;

	if (rq->body == NULL)
		rq->body = buf_new(max);
	rq->body->max = max;
	if (!rq->discarding && *len > max - rq->body->len) {
		rq->discarding = true;
		buf_free(&rq->body);
	}
	if (rq->discarding) {
		rq->discarded += *len;
		if (rq->discarded > DISCARD_MAX)
			return MHD_NO;
	} else {
		buf_add(rq->body, p, *len);
	}
	*len = 0;
	return MHD_YES;
}

static enum MHD_Result
take_end(struct http_request *rq)
{
	struct err e;

	rq->body_coming = false;
	if (!rq->discarding)
		return to_pool(rq, HTTP_RUNNING);
	err_set(&e, ERR_TOO_LARGE, "body of more than %zu bytes",
	    rq->match.rule->route->body_max);
	return refuse(rq, MHD_HTTP_CONTENT_TOO_LARGE, &e);
}

enum MHD_Result
http_handover(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_len, void **request)
{
	struct http_request *rq = *request;

	(void)cls;
	(void)mhd;
	(void)url;
	switch (rq->phase) {
	case HTTP_READING_HEAD:
		return take_head(rq, method, version);
	case HTTP_AUTHORIZED:
		rq->phase = HTTP_READING_BODY;
		atomic_store(&rq->conn->deadline_ms,
		    clock_mono_ms() + rq->conn->listener->server->o.request_ms);
		return MHD_YES;
	case HTTP_READING_BODY:
		return *upload_len > 0 ? take_body(rq, upload, upload_len)
		                       : take_end(rq);
	case HTTP_ANSWERED:
		return send_answer(rq);
	case HTTP_AUTHORIZING:
	case HTTP_RUNNING:
		break;
	}
	return MHD_NO;
}
