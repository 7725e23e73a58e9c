/* Authorities outside that templates may name.  What they are is for scep/ to
 * say. */
#include "api/api_priv.h"
#include "scep/scep_upstream_conf.h"

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL; /* they fit one page */
	struct api_service *s = service;

	if (!api_no_queries(rq, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_upstream_conf_list(tx, array, e))
		return false;
	api_reply_list(rp, "upstreams", &array, &next);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *j = NULL;
	struct api_service *s = service;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_upstream_conf_json(tx, http_param(rq, "name"), &j, e))
		return false;
	api_reply(rp, 200, &j);
	return true;
}

static bool
put_once(struct store_tx *tx, void *change, struct err *e)
{
	return scep_upstream_conf_put(tx, change, e);
}

static bool
remove_once(struct store_tx *tx, void *change, struct err *e)
{
	return scep_upstream_conf_remove(tx, change, e);
}

static bool
put(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(json_free) json_t *body = NULL;
	struct api_service *s = service;
	struct scep_upstream_change c = { .name = http_param(rq, "name"),
		.by = api_by(rq),
		.seal = s->o.seal };

	if (!api_body(rq, scep_upstream_conf_keys(), &body, e))
		return false;
	c.fields = body;
	return store_write(s->o.store, put_once, &c, e) &&
	       show(rq, rp, service, e);
}

static bool
drop(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct api_service *s = service;
	struct scep_upstream_change c = { .name = http_param(rq, "name"),
		.by = api_by(rq) };

	if (!store_write(s->o.store, remove_once, &c, e))
		return false;
	http_set(rp, 204, NULL);
	return true;
}

static bool
test(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(json_free) json_t *j = NULL;
	struct api_service *s = service;

	if (!api_no_body(rq, e) ||
	    !scep_upstream_conf_test(s->o.scep, http_param(rq, "name"), &j, e))
		return false;
	api_reply(rp, 200, &j);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/upstreams", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/upstreams/{name}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "PUT", "/api/v1/upstreams/{name}", HTTP_ADMIN, LIMIT_BODY_API, put },
	{ "DELETE", "/api/v1/upstreams/{name}", HTTP_ADMIN, LIMIT_BODY_NONE,
	    drop },
	{ "POST", "/api/v1/upstreams/{name}/test", HTTP_ADMIN, LIMIT_BODY_API,
	    test },
};

void
api_upstream_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
