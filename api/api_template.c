/*
 * Certificate templates, and the secrets that go with some of them.  What they
 * are is for certs/ and scep/ to say.
 */
#include "api/api_priv.h"
#include "certs/cert_template_set.h"
#include "core/log.h"
#include "scep/scep_secret.h"
#include "scep/scep_upstream_conf.h"

/* As an array, or the one of this name; ERR_NOT_FOUND. */
static bool
read_set(struct api_service *s, const char *name, json_t *array, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(cert_template_set_free) struct cert_template_set *set = NULL;
	const struct cert_template *t;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !cert_template_set_load(tx, &set, e))
		return false;
	t = cert_template_set_all(set);
	for (size_t i = 0; t[i].name != NULL; i++) {
		json_t *one;

		if (name != NULL && !str_eq(t[i].name, name))
			continue;
		one = cert_template_set_json(set, i);
		json_array_append_new(array, one);
		if (!scep_secret_show(tx, t[i].name, one, e))
			return false;
	}
	return name == NULL || json_array_size(array) > 0 ||
	       err_set(e, ERR_NOT_FOUND, "there is no such template");
}

static void
hide(const struct http_request *rq, const json_t *array)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!api_holds(rq, HTTP_ADMIN))
			cert_template_hide(json_array_get(array, i));
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL; /* they fit one page */

	if (!api_no_queries(rq, e) || !read_set(service, NULL, array, e))
		return false;
	hide(rq, array);
	api_reply_list(rp, "templates", &array, &next);
	return true;
}

/* For who may change it. */
static bool
reply_one(struct api_service *s, const char *name, struct http_reply *rp,
    struct err *e)
{
	AUTO(json_free) json_t *array = json_array();
	AUTO(json_free) json_t *j = NULL;

	if (!read_set(s, name, array, e))
		return false;
	j = json_incref(json_array_get(array, 0));
	api_reply(rp, 200, &j);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(json_free) json_t *array = json_array();
	AUTO(json_free) json_t *j = NULL;

	if (!read_set(service, http_param(rq, "name"), array, e))
		return false;
	hide(rq, array);
	j = json_incref(json_array_get(array, 0));
	api_reply(rp, 200, &j);
	return true;
}

static bool
upstream_there(struct store_tx *tx, const json_t *fields, struct err *e)
{
	const char *name =
	    json_string_value(json_object_get(fields, "upstream"));
	bool known;

	if (name == NULL)
		return true;
	if (!scep_upstream_conf_known(tx, name, &known, e))
		return false;
	return known ||
	       err_set(e, ERR_INVALID, "there is no upstream of that name");
}

struct change {
	const char *name, *by;
	json_t *fields;      /* NULL: remove it */
	const json_t *names; /* beside them; NULL: not given */
	bool merge;          /* fields that are not given stay */
};

/* What a template shows besides what it says, it takes back if it is so. */
static bool
take_back(struct change *c, struct err *e)
{
	static const char *const shown[] = { "name", "builtin", "changed_at",
		"secret_set_at", "warning" };
	const char *name;

	if (!json_get_str(c->fields, "name", LIMIT_NAME, &name, e))
		return false;
	if (name != NULL && !str_eq(name, c->name))
		return err_set(e, ERR_INVALID,
		    "name: this is %s, and names cannot be changed", c->name);
	for (size_t i = 0; i < COUNT(shown); i++)
		json_object_del(c->fields, shown[i]);
	return true;
}

/* They belong to the secret, and are changed with it. */
static bool
names_are(struct store_tx *tx, const struct change *c, struct err *e)
{
	AUTO(json_free) json_t *o = NULL;

	if (c->names == NULL)
		return true;
	o = json_object();
	json_put_str(o, "challenge", "static");
	if (!scep_secret_show(tx, c->name, o, e))
		return false;
	return json_equal(json_object_get(o, "names"), c->names) ||
	       err_set(e, ERR_INVALID,
	           "names: they are changed at the template's secret");
}

static bool
put_fields(struct store_tx *tx, const struct change *c, struct err *e)
{
	if (!upstream_there(tx, c->fields, e) || !names_are(tx, c, e))
		return false;
	return c->merge ? cert_template_merge(tx, c->name, c->fields, c->by, e)
	                : cert_template_put(tx, c->name, c->fields, c->by, e);
}

/* May be run again. */
static bool
change(struct store_tx *tx, void *arg, struct err *e)
{
	const struct change *c = arg;

	if (c->fields != NULL ? !put_fields(tx, c, e)
	                      : !cert_template_remove(tx, c->name, c->by, e))
		return false;
	return scep_secret_follow(tx, c->name, e);
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
write_fields(const struct http_request *rq, struct http_reply *rp,
    struct api_service *s, bool merge, struct err *e)
{
	static const char *const keys[] = { "help", "key_usage",
		"ext_key_usage", "life_days", "renew_days", "rsa", "rsa_min",
		"rsa_max", "ec", "ec_min", "san", "sha1", "des3", "challenge",
		"approval", "subject", "beyond", "webhook", "webhook_seconds",
		"upstream", "name", "builtin", "changed_at", "secret_set_at",
		"names", "warning", NULL };
	AUTO(json_free) json_t *body = NULL, *names = NULL;
	struct change c = {
		.name = http_param(rq, "name"), .by = api_by(rq), .merge = merge
	};

	if (!api_body(rq, keys, &body, e))
		return false;
	names = json_incref(json_object_get(body, "names"));
	json_object_del(body, "names");
	c.names = names;
	c.fields = body;
	return take_back(&c, e) && make_change(s, &c, e) &&
	       reply_one(s, c.name, rp, e);
}

static bool
put(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	return write_fields(rq, rp, service, false, e);
}

static bool
patch(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	return write_fields(rq, rp, service, true, e);
}

static bool
drop(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { .name = http_param(rq, "name"), .by = api_by(rq) };

	if (!make_change(service, &c, e))
		return false;
	http_set(rp, 204, NULL);
	return true;
}

struct keeping {
	const struct seal *seal;
	struct scep_secret_wish wish;
	struct scep_secret_made made;
};

static bool
keep_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct keeping *k = arg;

	return scep_secret_set(tx, k->seal, &k->wish, &k->made, e);
}

/* Shows the secret if it was made here: this once. */
static void
reply_secret(struct http_reply *rp, const struct keeping *k)
{
	AUTO(json_free) json_t *j = json_object();

	json_put_str(j, "template", k->wish.template);
	json_put_str(j, "challenge", k->made.kind);
	if (k->made.random)
		json_put_str(j, "secret", k->made.text);
	if (str_eq(k->made.kind, "static"))
		json_put_str(j, "warning", SCEP_STATIC_WARNING);
	api_reply(rp, 200, &j);
}

static bool
put_secret(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "secret", "names", NULL };
	struct api_service *s = service;
	AUTO(json_free) json_t *body = NULL;
	struct keeping k = { .seal = s->o.seal,
		.wish = {
		    .template = http_param(rq, "name"), .by = api_by(rq) } };

	if (!api_body(rq, keys, &body, e) ||
	    !json_get_str(body, "secret", LIMIT_NAME, &k.wish.secret, e))
		return false;
	k.wish.names = json_object_get(body, "names");
	if (!store_write(s->o.store, keep_once, &k, e))
		return false;
	if (str_eq(k.made.kind, "static"))
		log_event(LOG_WARN, "static_challenge", "template",
		    k.wish.template, "what", SCEP_STATIC_WARNING, NULL);
	reply_secret(rp, &k);
	mem_wipe(k.made.text, sizeof(k.made.text));
	return true;
}

static bool
rename_once(struct store_tx *tx, void *arg, struct err *e)
{
	return scep_secret_rename(tx, arg, e);
}

/* The list alone; the secret stays what it is. */
static bool
patch_secret(const struct http_request *rq, struct http_reply *rp,
    void *service, struct err *e)
{
	static const char *const keys[] = { "names", NULL };
	struct api_service *s = service;
	AUTO(json_free) json_t *body = NULL;
	struct scep_secret_wish w = { .template = http_param(rq, "name"),
		.by = api_by(rq) };

	if (!api_body(rq, keys, &body, e))
		return false;
	w.names = json_object_get(body, "names");
	return store_write(s->o.store, rename_once, &w, e) &&
	       reply_one(s, w.template, rp, e);
}

static bool
drop_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct change *c = arg;

	return scep_secret_remove(tx, c->name, c->by, e);
}

static bool
drop_secret(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { .name = http_param(rq, "name"), .by = api_by(rq) };
	struct api_service *s = service;

	if (!store_write(s->o.store, drop_once, &c, e))
		return false;
	http_set(rp, 204, NULL);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/templates", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/templates/{name}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "PUT", "/api/v1/templates/{name}", HTTP_ADMIN, LIMIT_BODY_API, put },
	{ "PATCH", "/api/v1/templates/{name}", HTTP_ADMIN, LIMIT_BODY_API,
	    patch },
	{ "DELETE", "/api/v1/templates/{name}", HTTP_ADMIN, LIMIT_BODY_NONE,
	    drop },
	{ "PUT", "/api/v1/templates/{name}/secret", HTTP_ADMIN, LIMIT_BODY_API,
	    put_secret },
	{ "PATCH", "/api/v1/templates/{name}/secret", HTTP_ADMIN,
	    LIMIT_BODY_API, patch_secret },
	{ "DELETE", "/api/v1/templates/{name}/secret", HTTP_ADMIN,
	    LIMIT_BODY_NONE, drop_secret },
};

void
api_template_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
