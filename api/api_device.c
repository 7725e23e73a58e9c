/* Devices: listed, shown, refreshed, pushed, and given a user. */
#include "api/api_priv.h"
#include "apns/apns_scheduler.h"
#include "enroll-profiles/enroll_identity.h"
#include "enroll-profiles/enroll_service.h"
#include "enroll-profiles/enroll_user.h"
#include "mdm/mdm_service.h"

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const filters[] = { "q", NULL };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	struct mdm_device_page page = { .after = api_filter(rq, "after"),
		.like = api_filter(rq, "q") };

	if (!api_limit(rq, filters, &page.limit, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !mdm_device_list(tx, &page, array, &next, e) ||
	    !enroll_identity_json(tx, array, e))
		return false;
	api_reply_list(rp, "devices", &array, &next);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	struct api_service *s = service;
	struct mdm_device d;
	json_t *j;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !mdm_device_find(tx, http_param(rq, "device"), &d, e) ||
	    !mdm_device_json(tx, &d, true, &j, e))
		return false;
	json_array_append(array, j);
	if (!enroll_identity_json(tx, array, e)) {
		json_free(&j);
		return false;
	}
	api_reply(rp, 200, &j);
	return true;
}

/* A change of the device of the path; may be run again. */
struct change {
	struct api_service *s;
	const struct http_request *rq;
	bool (*make)(struct store_tx *tx, const struct change *c,
	    const struct mdm_device *d, struct err *e);
	const struct enroll_user *user; /* of assign() */
	json_t *after;                  /* the device as it is then */
};

/* The device channel of the device, which has to be enrolled. */
static bool
need_channel(struct store_tx *tx, const struct mdm_device *d,
    char out[MDM_ENROLLMENT_ID], struct err *e)
{
	if (!mdm_device_channel(tx, d->id, out, e))
		return false;
	return out[0] != '\0' || err_slug(e, ERR_CONFLICT, "not_enrolled",
	                             "the device is not enrolled at present");
}

static bool
change_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct change *c = arg;
	struct mdm_device before, after;

	json_free(&c->after);
	return mdm_device_find(tx, http_param(c->rq, "device"), &before, e) &&
	       c->make(tx, c, &before, e) &&
	       mdm_device_find(tx, before.id, &after, e) &&
	       mdm_device_json(tx, &after, false, &c->after, e);
}

static bool
change(struct change *c, int status, struct http_reply *rp, struct err *e)
{
	AUTO(json_free) json_t *after = NULL;
	bool ok = store_write(c->s->o.store, change_once, c, e);

	after = TAKE(c->after);
	if (ok)
		api_reply(rp, status, &after);
	return ok;
}

static bool
make_refresh(struct store_tx *tx, const struct change *c,
    const struct mdm_device *d, struct err *e)
{
	char channel[MDM_ENROLLMENT_ID];

	return need_channel(tx, d, channel, e) &&
	       mdm_inventory_ask(tx, c->s->o.seal, d->id, api_by(c->rq), e);
}

static bool
refresh(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { service, rq, make_refresh, NULL, NULL };

	return api_no_body(rq, e) && change(&c, 202, rp, e);
}

static bool
make_push(struct store_tx *tx, const struct change *c,
    const struct mdm_device *d, struct err *e)
{
	char channel[MDM_ENROLLMENT_ID];

	(void)c;
	return need_channel(tx, d, channel, e) &&
	       apns_push_due(tx, channel, clock_now_ms(), e);
}

static bool
push(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { service, rq, make_push, NULL, NULL };

	return api_no_body(rq, e) && change(&c, 202, rp, e);
}

static bool
make_renewal(struct store_tx *tx, const struct change *c,
    const struct mdm_device *d, struct err *e)
{
	return enroll_identity_renew(tx, c->s->o.seal, d, api_by(c->rq), e);
}

static bool
renew(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { service, rq, make_renewal, NULL, NULL };

	return api_no_body(rq, e) && change(&c, 202, rp, e);
}

static bool
make_assignment(struct store_tx *tx, const struct change *c,
    const struct mdm_device *d, struct err *e)
{
	char user_id[UUID_SIZE];

	return enroll_user_put(tx, c->user, api_by(c->rq), user_id, e) &&
	       enroll_user_assign(
	           tx, c->s->o.seal, d, user_id, api_by(c->rq), e);
}

static bool
assign(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "user", "full_name", "email",
		NULL };
	AUTO(json_free) json_t *body = NULL;
	struct enroll_user u;
	struct change c = { service, rq, make_assignment, &u, NULL };

	return api_body(rq, keys, &body, e) &&
	       json_need_str(body, "user", LIMIT_NAME, &u.name, e) &&
	       json_get_str(body, "full_name", LIMIT_NAME, &u.full_name, e) &&
	       json_get_str(body, "email", LIMIT_NAME, &u.email, e) &&
	       change(&c, 200, rp, e);
}

static bool
make_unassignment(struct store_tx *tx, const struct change *c,
    const struct mdm_device *d, struct err *e)
{
	return enroll_user_unassign(tx, c->s->o.seal, d, api_by(c->rq), e);
}

static bool
unassign(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { service, rq, make_unassignment, NULL, NULL };

	return change(&c, 200, rp, e);
}

/* May be run again. */
static bool
delete_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct change *c = arg;
	const char *by = api_by(c->rq);
	struct mdm_device d;

	return mdm_device_find(tx, http_param(c->rq, "device"), &d, e) &&
	       enroll_user_unassign(tx, c->s->o.seal, &d, by, e) &&
	       mdm_device_delete(tx, &d, by, e) &&
	       enroll_rollout_left(tx, d.id, "deleted", NULL, e);
}

static bool delete (const struct http_request *rq, struct http_reply *rp,
    void *service, struct err *e)
{
	struct change c = { service, rq, NULL, NULL, NULL };

	if (!store_write(c.s->o.store, delete_once, &c, e))
		return false;
	http_set(rp, 204, NULL);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/devices", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/devices/{device}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "DELETE", "/api/v1/devices/{device}", HTTP_DESTROY, LIMIT_BODY_NONE,
	    delete },
	{ "POST", "/api/v1/devices/{device}/refresh", HTTP_CONTROL,
	    LIMIT_BODY_API, refresh },
	{ "POST", "/api/v1/devices/{device}/push", HTTP_CONTROL, LIMIT_BODY_API,
	    push },
	{ "POST", "/api/v1/devices/{device}/renew", HTTP_CONTROL,
	    LIMIT_BODY_API, renew },
	{ "PUT", "/api/v1/devices/{device}/user", HTTP_CONTROL, LIMIT_BODY_API,
	    assign },
	{ "DELETE", "/api/v1/devices/{device}/user", HTTP_CONTROL,
	    LIMIT_BODY_NONE, unassign },
};

void
api_device_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
