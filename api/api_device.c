/* Devices: listed, shown, refreshed, pushed, and given a user. */
#include "api/api_priv.h"
#include "apns/apns_scheduler.h"
#include "enroll-profiles/enroll_user.h"
#include "mdm/mdm_service.h"

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	struct mdm_device_page page = { .after = api_filter(rq, "after"),
		.like = api_filter(rq, "q") };

	if (!api_limit(rq, &page.limit, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !mdm_device_list(tx, &page, array, &next, e))
		return false;
	api_reply_list(rp, "devices", &array, &next);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	struct mdm_device d;
	json_t *j;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !mdm_device_find(tx, http_param(rq, "device"), &d, e) ||
	    !mdm_device_json(tx, &d, true, &j, e))
		return false;
	api_reply(rp, 200, &j);
	return true;
}

/* Begins a write transaction and finds the device of the path, which has to
 * be enrolled if channel is given. */
static bool
begin(struct api_service *s, const struct http_request *rq,
    struct store_tx **tx, struct mdm_device *d, char *channel, struct err *e)
{
	bool found;

	if (!store_begin(s->o.store, STORE_WRITE, tx, e) ||
	    !mdm_device_find(*tx, http_param(rq, "device"), d, e))
		return false;
	if (channel == NULL)
		return true;
	if (!api_db_channel(*tx, d->id, channel, &found, e))
		return false;
	return found || err_slug(e, ERR_CONFLICT, "not_enrolled",
	                    "the device is not enrolled at present");
}

/* 202 with the device as it is now; ends the transaction. */
static bool
answer(struct store_tx **tx, const char *id, int status, struct http_reply *rp,
    struct err *e)
{
	AUTO(json_free) json_t *j = NULL;
	struct mdm_device d;

	if (!mdm_device_find(*tx, id, &d, e) ||
	    !mdm_device_json(*tx, &d, false, &j, e) || !store_commit(tx, e))
		return false;
	api_reply(rp, status, &j);
	return true;
}

static bool
refresh(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	char channel[LIMIT_ID + 1];
	struct mdm_device d;

	return begin(s, rq, &tx, &d, channel, e) &&
	       mdm_inventory_ask(tx, s->o.seal, d.id, api_by(rq), e) &&
	       answer(&tx, d.id, 202, rp, e);
}

static bool
push(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	char channel[LIMIT_ID + 1];
	struct mdm_device d;

	return begin(s, rq, &tx, &d, channel, e) &&
	       apns_push_due(tx, channel, clock_now_ms(), e) &&
	       answer(&tx, d.id, 202, rp, e);
}

static bool
assign(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "user", "full_name", "email",
		NULL };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *body = NULL;
	struct api_service *s = service;
	struct enroll_user u;
	struct mdm_device d;
	char user_id[UUID_SIZE];

	if (!api_body(rq, keys, &body, e) ||
	    !json_need_str(body, "user", LIMIT_NAME, &u.name, e) ||
	    !json_get_str(body, "full_name", LIMIT_NAME, &u.full_name, e) ||
	    !json_get_str(body, "email", LIMIT_NAME, &u.email, e))
		return false;
	return begin(s, rq, &tx, &d, NULL, e) &&
	       enroll_user_put(tx, &u, api_by(rq), user_id, e) &&
	       enroll_user_assign(tx, s->o.seal, &d, user_id, api_by(rq), e) &&
	       answer(&tx, d.id, 200, rp, e);
}

static bool
unassign(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	struct mdm_device d;

	return begin(s, rq, &tx, &d, NULL, e) &&
	       enroll_user_unassign(tx, s->o.seal, &d, api_by(rq), e) &&
	       answer(&tx, d.id, 200, rp, e);
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/devices", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/devices/{device}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "POST", "/api/v1/devices/{device}/refresh", HTTP_CONTROL,
	    LIMIT_BODY_API, refresh },
	{ "POST", "/api/v1/devices/{device}/push", HTTP_CONTROL, LIMIT_BODY_API,
	    push },
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
