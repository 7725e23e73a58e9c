/* Certificate templates.  What they are is for certs/ to say. */
#include "api/api_priv.h"
#include "certs/cert_template_set.h"

static bool
read_set(struct api_service *s, struct cert_template_set **out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(s->o.store, STORE_READ, &tx, e) &&
	       cert_template_set_load(tx, out, e);
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(cert_template_set_free) struct cert_template_set *set = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL; /* they fit one page */
	const struct cert_template *t;

	(void)rq;
	if (!read_set(service, &set, e))
		return false;
	t = cert_template_set_all(set);
	for (size_t i = 0; t[i].name != NULL; i++)
		json_array_append_new(array, cert_template_set_json(set, i));
	api_reply_list(rp, "templates", &array, &next);
	return true;
}

static bool
reply_one(struct api_service *s, const char *name, struct http_reply *rp,
    struct err *e)
{
	AUTO(cert_template_set_free) struct cert_template_set *set = NULL;
	AUTO(json_free) json_t *j = NULL;
	const struct cert_template *t;
	size_t i = 0;

	if (!read_set(s, &set, e))
		return false;
	t = cert_template_set_all(set);
	while (t[i].name != NULL && !str_eq(t[i].name, name))
		i++;
	if (t[i].name == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no such template");
	j = cert_template_set_json(set, i);
	api_reply(rp, 200, &j);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	return reply_one(service, http_param(rq, "name"), rp, e);
}

struct change {
	const char *name, *by;
	const json_t *fields; /* NULL: remove it */
};

static bool
change(struct store_tx *tx, void *arg, struct err *e)
{
	const struct change *c = arg;

	return c->fields != NULL
	           ? cert_template_put(tx, c->name, c->fields, c->by, e)
	           : cert_template_remove(tx, c->name, c->by, e);
}

/* Whoever is told that it is done finds this node working by it; the others
 * follow within moments, and this one, should it fail here. */
static bool
make_change(struct api_service *s, struct change *c, struct err *e)
{
	struct err late = { 0 };

	if (!store_write(s->o.store, change, c, e))
		return false;
	if (s->o.on_template != NULL)
		(void)s->o.on_template(s->o.arg, &late);
	return true;
}

static bool
put(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "help", "key_usage",
		"ext_key_usage", "life_days", "renew_days", "rsa_min",
		"rsa_max", "ec", "san", "sha1", "des3", NULL };
	AUTO(json_free) json_t *body = NULL;
	struct change c = { http_param(rq, "name"), api_by(rq), NULL };

	if (!api_body(rq, keys, &body, e))
		return false;
	c.fields = body;
	return make_change(service, &c, e) && reply_one(service, c.name, rp, e);
}

static bool
drop(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { http_param(rq, "name"), api_by(rq), NULL };

	if (!make_change(service, &c, e))
		return false;
	http_set(rp, 204, NULL);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/templates", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/templates/{name}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "PUT", "/api/v1/templates/{name}", HTTP_ADMIN, LIMIT_BODY_API, put },
	{ "DELETE", "/api/v1/templates/{name}", HTTP_ADMIN, LIMIT_BODY_NONE,
	    drop },
};

void
api_template_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
