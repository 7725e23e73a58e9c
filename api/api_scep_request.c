/* SCEP requests that wait for a person to approve them. */
#include "api/api_priv.h"
#include "scep/scep_approval.h"

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const filters[] = { "state", NULL };
	static const char *const states[] = { "pending", "queued", "issued",
		"rejected", "expired", "failed", NULL };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	const char *after = api_filter(rq, "after");
	struct scep_request_page page = { .seal = s->o.seal,
		.state = api_filter(rq, "state"),
		.before_at = INT64_MAX,
		.before_id = "" };

	if (!api_limit(rq, filters, &page.limit, e) ||
	    !api_one_of("state", page.state, states, e) ||
	    (after != NULL &&
	        !api_page_key(after, &page.before_at, &page.before_id, e)) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_approval_list(tx, &page, array, &next, e))
		return false;
	api_reply_list(rp, "scep_requests", &array, &next);
	return true;
}

static bool
reply_one(
    struct api_service *s, const char *id, struct http_reply *rp, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *j = NULL;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_approval_json(tx, s->o.seal, id, &j, e))
		return false;
	api_reply(rp, 200, &j);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	return reply_one(service, http_param(rq, "request"), rp, e);
}

static bool
approve(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	const char *id = http_param(rq, "request");
	struct api_service *s = service;

	return api_no_body(rq, e) &&
	       scep_approve(s->o.scep, id, api_by(rq), e) &&
	       reply_one(s, id, rp, e);
}

static bool
reject(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "reason", NULL };
	AUTO(json_free) json_t *body = NULL;
	const char *id = http_param(rq, "request"), *reason = NULL;
	struct api_service *s = service;

	if (http_body(rq).len > 0 &&
	    (!api_body(rq, keys, &body, e) ||
	        !json_get_str(body, "reason", LIMIT_NAME, &reason, e)))
		return false;
	return scep_reject(s->o.scep, id, reason, api_by(rq), e) &&
	       reply_one(s, id, rp, e);
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/scep-requests", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/scep-requests/{request}", HTTP_VIEW, LIMIT_BODY_NONE,
	    show },
	{ "POST", "/api/v1/scep-requests/{request}/approve", HTTP_ADMIN,
	    LIMIT_BODY_API, approve },
	{ "POST", "/api/v1/scep-requests/{request}/reject", HTTP_ADMIN,
	    LIMIT_BODY_API, reject },
};

void
api_scep_request_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
