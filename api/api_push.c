/* The MDM push certificate: shown and imported. */
#include "api/api_priv.h"
#include "apns/apns_cert.h"

enum { PEM_MAX = 64 << 10 };

/* *out is NULL when there is none. */
static bool
read_active(struct store_tx *tx, json_t **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool there;
	json_t *o;

	if (!api_db_push_certificate(tx, &r, e) || !store_next(r, &there, e))
		return false;
	*out = NULL;
	if (!there)
		return true;
	o = json_object();
	json_put_str(o, "id", store_text(r, 0));
	json_put_str(o, "topic", store_text(r, 1));
	json_put_str(o, "owner", store_text(r, 2));
	json_put_time(o, "not_after", store_int(r, 3));
	json_put_int(
	    o, "days_left", (store_int(r, 3) - clock_now_ms()) / MS_DAY);
	json_put_time(o, "created_at", store_int(r, 4));
	*out = o;
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	json_t *j;

	(void)rq;
	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !read_active(tx, &j, e))
		return false;
	if (j == NULL)
		return err_slug(e, ERR_NOT_FOUND, "no_push_certificate",
		    "no push certificate was imported yet");
	api_reply(rp, 200, &j);
	return true;
}

struct import {
	const char *cert, *key, *owner;
	bool allow_change;
};

static bool
decode(const json_t *body, struct import *in, struct err *e)
{
	/* Nobody can renew the certificate without knowing the account. */
	return json_need_str(body, "certificate", PEM_MAX, &in->cert, e) &&
	       json_need_str(body, "key", PEM_MAX, &in->key, e) &&
	       json_need_str(body, "owner", LIMIT_NAME, &in->owner, e) &&
	       json_get_bool(
	           body, "allow_topic_change", false, &in->allow_change, e);
}

static bool
import(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "certificate", "key", "owner",
		"allow_topic_change", NULL };
	AUTO(apns_cert_free) struct apns_cert *cert = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *body = NULL, *j = NULL;
	struct api_service *s = service;
	struct import in;

	if (!api_body(rq, keys, &body, e) || !decode(body, &in, e) ||
	    !apns_cert_parse(slice_str(in.cert), slice_str(in.key), &cert, e))
		return false;
	if (!store_begin(s->o.store, STORE_WRITE, &tx, e) ||
	    !apns_cert_save(tx, s->o.seal, cert, in.owner, in.allow_change,
	        api_by(rq), e) ||
	    !read_active(tx, &j, e) || !store_commit(&tx, e))
		return false;
	if (s->o.on_push_certificate != NULL)
		s->o.on_push_certificate(cert->topic, s->o.arg);
	api_reply(rp, 200, &j);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/push-certificate", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "PUT", "/api/v1/push-certificate", HTTP_ADMIN, LIMIT_BODY_API,
	    import },
};

void
api_push_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
