/*
 * Commands: queued from JSON by way of the catalogue, listed, cancelled.
 * What locks or erases never becomes a bare command here: it is an order.
 */
#include <string.h>

#include "api/api_priv.h"
#include "mdm/mdm_catalogue.h"
#include "mdm/mdm_queue.h"
#include "mdm/mdm_service.h"

enum { TYPE_MAX = 64, STRING_MAX = 1000, DICT_MAX = 2 * LIMIT_BODY_API };

/* ---- lists ---- */

static bool
answer_list(struct store_tx *tx, const struct http_request *rq,
    const char *device_id, struct http_reply *rp, struct err *e)
{
	static const char *const filters[] = { "state", NULL };
	static const char *const states[] = { "open", "queued", "pushed",
		"delivered", "not-now", "acknowledged", "error", "expired",
		"cancelled", "refused", NULL };
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct mdm_command_page page = { .device_id = device_id,
		.state = api_filter(rq, "state") };
	int64_t next_key = 0;

	if (!api_limit(rq, filters, &page.limit, e) ||
	    !api_one_of("state", page.state, states, e) ||
	    !api_number(rq, "after", 0, &page.after, e) ||
	    !mdm_queue_list(tx, &page, array, &next_key, e))
		return false;
	if (next_key != 0)
		next = str_printf("%lld", (long long)next_key);
	api_reply_list(rp, "commands", &array, &next);
	return true;
}

static bool
list_of_device(const struct http_request *rq, struct http_reply *rp,
    void *service, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	struct mdm_device d;

	return store_begin(s->o.store, STORE_READ, &tx, e) &&
	       mdm_device_find(tx, http_param(rq, "device"), &d, e) &&
	       answer_list(tx, rq, d.id, rp, e);
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;

	return store_begin(s->o.store, STORE_READ, &tx, e) &&
	       answer_list(tx, rq, NULL, rp, e);
}

/* ---- queueing ---- */

/* DeviceLock and EraseDevice as orders.  The PIN is always one of ours: it is
 * sealed before anything leaves. */
static bool
decode_order(const char *request_type, const json_t *args,
    struct api_order_ask *ask, struct err *e)
{
	static const char *const lock_keys[] = { "Message", "PhoneNumber",
		NULL };
	static const char *const wipe_keys[] = { "ObliterationBehavior", NULL };
	bool lock = str_eq(request_type, "DeviceLock");

	if (!lock && !mdm_chip_erases(request_type))
		return err_slug(e, ERR_REFUSED, "order_only",
		    "%s can only be sent by an order", request_type);
	ask->kind = lock ? "lock" : "wipe";
	if (args == NULL)
		return true;
	if (json_object_get(args, "PIN") != NULL)
		return err_slug(e, ERR_INVALID, "pin_not_allowed",
		    "PIN: the server makes it; read it from the order");
	return json_only_keys(args, lock ? lock_keys : wipe_keys, e) &&
	       json_get_str(args, "Message", STRING_MAX, &ask->message, e) &&
	       json_get_str(args, "PhoneNumber", STRING_MAX, &ask->phone, e) &&
	       json_get_str(args, "ObliterationBehavior", STRING_MAX,
	           &ask->obliteration, e);
}

static bool
create_order(struct api_service *s, const struct http_request *rq,
    const char *request_type, const json_t *args, struct http_reply *rp,
    struct err *e)
{
	struct api_order_ask ask = { .device = http_param(rq, "device") };

	return api_need(rq, HTTP_DESTROY, e) &&
	       decode_order(request_type, args, &ask, e) &&
	       api_order_key(rq, &ask.idempotency_key, e) &&
	       api_order_answer(s, rq, &ask, rp, e);
}

static bool
queue(struct api_service *s, const struct http_request *rq,
    const struct mdm_command *c, struct http_reply *rp, struct err *e)
{
	AUTO(mdm_queued_free) struct mdm_queued *q = NULL;
	json_t *j;

	if (!mdm_queued_new(s->o.seal, c, &q, e) ||
	    !mdm_queue_put(s->o.store, q, http_param(rq, "device"), e))
		return false;
	if (s->o.mdm != NULL)
		mdm_service_expect(s->o.mdm, mdm_queued_enrollment(q));
	j = mdm_queued_json(q);
	api_location(rp, "/api/v1/commands", mdm_queued_id(q));
	api_reply(rp, 201, &j);
	return true;
}

/* The body's "command": an object, or absent. */
static bool
decode_args(const json_t *body, const json_t **out, struct err *e)
{
	const json_t *args = json_object_get(body, "command");

	if (args != NULL && !json_is_object(args) && !json_is_null(args))
		return err_set(e, ERR_INVALID, "command is not an object");
	*out = json_is_object(args) ? args : NULL;
	return true;
}

static bool
create(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "id", "request_type", "command",
		NULL };
	AUTO(json_free) json_t *body = NULL;
	AUTO(buf_wipe) struct buf *dict = buf_new(DICT_MAX);
	enum mdm_danger danger;
	const json_t *args = NULL;
	struct mdm_command c = { .origin = "api", .by = api_by(rq) };

	if (!api_body(rq, keys, &body, e) ||
	    !json_get_str(body, "id", UUID_SIZE - 1, &c.id, e) ||
	    !json_need_str(
	        body, "request_type", TYPE_MAX, &c.request_type, e) ||
	    !decode_args(body, &args, e) ||
	    !mdm_catalogue_danger(c.request_type, &danger, e))
		return false;
	if (danger == MDM_ORDER_ONLY && c.id != NULL)
		return err_set(
		    e, ERR_INVALID, "id: an order makes its own command");
	if (danger == MDM_ORDER_ONLY)
		return create_order(service, rq, c.request_type, args, rp, e);
	if (danger == MDM_DESTRUCTIVE && !api_need(rq, HTTP_DESTROY, e))
		return false;
	if (!mdm_catalogue_build(c.request_type, args, dict, e) ||
	    !buf_ok(dict, e))
		return false;
	c.dict_xml = buf_str(dict);
	return queue(service, rq, &c, rp, e);
}

/* ---- one ---- */

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_service *s = service;
	json_t *j;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !mdm_queue_json(tx, s->o.seal, http_param(rq, "command"), &j, e))
		return false;
	api_reply(rp, 200, &j);
	return true;
}

struct cancellation {
	struct api_service *s;
	const struct http_request *rq;
	const char *id;
	json_t *after;
};

/* What it takes the right to destroy to order, it takes to call off. */
static bool
may_cancel(struct store_tx *tx, const struct cancellation *c, struct err *e)
{
	AUTO(json_free) json_t *j = NULL;
	enum mdm_danger danger = MDM_HARMLESS;
	const char *type;
	struct err unknown;

	if (!mdm_queue_json(tx, c->s->o.seal, c->id, &j, e))
		return false;
	type = json_string_value(json_object_get(j, "request_type"));
	return (mdm_catalogue_danger(type, &danger, &unknown) &&
	           danger == MDM_HARMLESS) ||
	       api_need(c->rq, HTTP_DESTROY, e);
}

static bool
cancel_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct cancellation *c = arg;

	json_free(&c->after);
	return may_cancel(tx, c, e) &&
	       mdm_queue_cancel(tx, c->id, api_by(c->rq), e) &&
	       mdm_queue_json(tx, c->s->o.seal, c->id, &c->after, e);
}

static bool
cancel(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(json_free) json_t *j = NULL;
	struct api_service *s = service;
	struct cancellation c = { s, rq, http_param(rq, "command"), NULL };
	bool ok =
	    api_no_body(rq, e) && store_write(s->o.store, cancel_once, &c, e);

	j = TAKE(c.after);
	if (ok)
		api_reply(rp, 200, &j);
	return ok;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/devices/{device}/commands", HTTP_VIEW,
	    LIMIT_BODY_NONE, list_of_device },
	/* create() asks for the right to destroy where it takes it. */
	{ "POST", "/api/v1/devices/{device}/commands", HTTP_CONTROL,
	    LIMIT_BODY_API, create },
	{ "GET", "/api/v1/commands", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/commands/{command}", HTTP_VIEW, LIMIT_BODY_NONE,
	    show },
	/* cancel() asks for the right to destroy where it takes it. */
	{ "POST", "/api/v1/commands/{command}/cancel", HTTP_CONTROL,
	    LIMIT_BODY_API, cancel },
};

void
api_command_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
