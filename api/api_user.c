/* Users: listed, made, shown, deleted. */
#include "api/api_priv.h"
#include "enroll-profiles/enroll_user.h"

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	int64_t limit;

	if (!api_limit(rq, NULL, &limit, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !enroll_user_list(
	        tx, api_filter(rq, "after"), limit, array, &next, e))
		return false;
	api_reply_list(rp, "users", &array, &next);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	json_t *j;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !enroll_user_json(tx, http_param(rq, "user"), &j, e))
		return false;
	api_reply(rp, 200, &j);
	return true;
}

/* *out is false when there is no user of this name. */
static bool
exists(struct store_tx *tx, const char *name, bool *out, struct err *e)
{
	AUTO(json_free) json_t *j = NULL;
	struct err why = { 0 };

	if (enroll_user_json(tx, name, &j, &why)) {
		*out = true;
		return true;
	}
	if (why.code != ERR_NOT_FOUND) {
		*e = why;
		return false;
	}
	*out = false;
	return true;
}

struct entry {
	const struct enroll_user *user;
	const char *by;
	char id[UUID_SIZE];
	bool known; /* before */
	json_t *after;
};

static bool
put_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct entry *n = arg;

	json_free(&n->after);
	return exists(tx, n->user->name, &n->known, e) &&
	       enroll_user_put(tx, n->user, n->by, n->id, e) &&
	       enroll_user_json(tx, n->id, &n->after, e);
}

static bool
put(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "name", "full_name", "email",
		NULL };
	AUTO(json_free) json_t *body = NULL, *j = NULL;
	struct api_service *s = service;
	struct enroll_user u;
	struct entry n = { .user = &u, .by = api_by(rq) };
	bool ok;

	if (!api_body(rq, keys, &body, e) ||
	    !json_need_str(body, "name", LIMIT_NAME, &u.name, e) ||
	    !json_get_str(body, "full_name", LIMIT_NAME, &u.full_name, e) ||
	    !json_get_str(body, "email", LIMIT_NAME, &u.email, e))
		return false;
	ok = store_write(s->o.store, put_once, &n, e);
	j = TAKE(n.after);
	if (!ok)
		return false;
	api_location(rp, "/api/v1/users", n.id);
	api_reply(rp, n.known ? 200 : 201, &j);
	return true;
}

struct removal {
	const struct seal *seal;
	const char *user, *by;
};

static bool
delete_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct removal *r = arg;

	return enroll_user_delete(tx, r->seal, r->user, r->by, e);
}

static bool delete (const struct http_request *rq, struct http_reply *rp,
    void *service, struct err *e)
{
	struct api_service *s = service;

	if (!store_write(s->o.store, delete_once,
	        &(struct removal){
	            s->o.seal, http_param(rq, "user"), api_by(rq) },
	        e))
		return false;
	http_set(rp, 204, NULL);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/users", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "POST", "/api/v1/users", HTTP_CONTROL, LIMIT_BODY_API, put },
	{ "GET", "/api/v1/users/{user}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "DELETE", "/api/v1/users/{user}", HTTP_CONTROL, LIMIT_BODY_NONE,
	    delete },
};

void
api_user_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
