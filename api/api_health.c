/* Liveness, readiness, metrics: for machines that watch machines. */
#include "api/api_priv.h"

static bool
healthz(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq, (void)service, (void)e;
	http_set(rp, 200, "text/plain; charset=utf-8");
	buf_adds(http_out(rp), "ok\n");
	return true;
}

static bool
readyz(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct api_service *s = service;
	AUTO(json_free) json_t *list = json_array();
	struct err why = { 0 };
	json_t *j;

	(void)rq;
	if (!store_ping(s->o.store, &why) ||
	    (s->o.ready != NULL && !s->o.ready(s->o.arg, &why)))
		return err_slug(e, ERR_UNAVAILABLE, "not_ready", "%s",
		    why.code == ERR_INTERNAL ? "internal error" : why.text);
	j = json_object();
	json_put_str(j, "status", "ready");
	json_put_str(j, "version", MUTSU_VERSION);
	if (s->o.warnings != NULL)
		s->o.warnings(list, s->o.arg);
	json_object_set_new(j, "warnings", TAKE(list));
	api_reply(rp, 200, &j);
	return true;
}

static bool
metrics(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq, (void)e;
	http_set(rp, 200, "text/plain; version=0.0.4; charset=utf-8");
	api_metrics_write(service, http_out(rp));
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/healthz", HTTP_ANYONE, LIMIT_BODY_NONE, healthz },
	{ "GET", "/readyz", HTTP_ANYONE, LIMIT_BODY_NONE, readyz },
	{ "GET", "/metrics", HTTP_ANYONE, LIMIT_BODY_NONE, metrics },
};

void
api_health_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
