/*
 * Orders: lock and wipe.  A refused order is kept as a row before its refusal
 * is answered, so that the audit trail shows who tried.
 */
#include <string.h>

#include "api/api_priv.h"
#include "mdm/mdm_order.h"

enum {
	KEY_MAX = 128,
	MESSAGE_MAX = 1000,
	PHONE_MAX = 64,
	BULK_MAX = 500,
	STATE_MAX = 32
};

bool
api_order_key(const struct http_request *rq, const char **out, struct err *e)
{
	const char *key = http_header(rq, "Idempotency-Key");

	if (str_empty(key)) {
		*out = NULL;
		return true;
	}
	if (strlen(key) > KEY_MAX)
		return err_set(e, ERR_INVALID,
		    "Idempotency-Key is longer than %d characters", KEY_MAX);
	for (const char *p = key; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(e, ERR_INVALID,
			    "Idempotency-Key has blanks or characters that "
			    "are not ASCII");
	*out = key;
	return true;
}

void
api_order_made_clear(struct api_order_made *m)
{
	json_free(&m->order);
}

/* ---- making one ---- */

/* Whoever may read secrets gets the PIN of a lock with the order; that is a
 * reading, and an event says so. */
static bool
add_pin(struct api_service *s, struct store_tx *tx,
    const struct http_request *rq, const struct api_order_made *m,
    struct err *e)
{
	const char *kind = json_string_value(json_object_get(m->order, "kind"));
	char pin[16];

	if (!str_eq(kind, "lock") || m->refused.code != ERR_NONE ||
	    !api_holds(rq, HTTP_SECRETS))
		return true;
	if (!mdm_order_pin(tx, s->o.seal, m->id, api_by(rq), pin, e))
		return false;
	json_put_str(m->order, "pin", pin);
	mem_wipe(pin, sizeof(pin));
	return true;
}

/* The refusal of an order that was asked for before under the same key. */
static void
recall_refusal(struct api_order_made *m)
{
	const char *text;

	if (m->refused.code != ERR_NONE ||
	    !str_eq(json_string_value(json_object_get(m->order, "state")),
	        "refused"))
		return;
	text = json_string_value(json_object_get(m->order, "reason"));
	err_set(
	    &m->refused, ERR_REFUSED, "%s", text != NULL ? text : "refused");
}

/* The key under which the order is stored: for one of a bulk order, a hash
 * of the caller's key and the device, since one key makes many orders. */
static char *
stored_key(const struct api_order_ask *ask, const char *device_id)
{
	AUTO(str_free) char *both = NULL;
	char hex[SHA256_HEX_SIZE];

	if (ask->idempotency_key == NULL || !ask->key_per_device)
		return str_dup(ask->idempotency_key);
	both = str_printf("%s %s", ask->idempotency_key, device_id);
	sha256_hex(hex, slice_str(both));
	return str_printf("bulk:%s", hex);
}

struct making {
	struct api_service *s;
	const struct http_request *rq;
	const struct api_order_ask *ask;
	struct api_order_made m;
};

/* May be run again. */
static bool
make_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct making *k = arg;
	struct api_service *s = k->s;
	const struct http_request *rq = k->rq;
	const struct api_order_ask *ask = k->ask;
	struct api_order_made *m = &k->m;
	AUTO(str_free) char *key = NULL;
	char before[UUID_SIZE] = "";
	struct mdm_order_made made;
	struct mdm_device d;

	api_order_made_clear(m);
	*m = (struct api_order_made){ 0 };
	if (!mdm_device_find(tx, ask->device, &d, e))
		return false;
	key = stored_key(ask, d.id);
	if (key != NULL && !api_db_order_by_key(tx, api_by(rq), key, before, e))
		return false;
	if (!mdm_order_create(tx, s->o.seal, &d,
	        &(struct mdm_order){ .kind = ask->kind,
	            .message = ask->message,
	            .phone = ask->phone,
	            .note = ask->note,
	            .idempotency_key = key,
	            .obliteration = ask->obliteration,
	            .by = api_by(rq) },
	        &made, e) ||
	    !mdm_order_json(tx, made.id, &m->order, e))
		return false;
	str_copy_cut(m->id, sizeof(m->id), made.id);
	m->refused = made.refused;
	m->repeated = str_eq(before, m->id);
	recall_refusal(m);
	return add_pin(s, tx, rq, m, e);
}

bool
api_order_make(struct api_service *s, const struct http_request *rq,
    const struct api_order_ask *ask, struct api_order_made *out, struct err *e)
{
	struct making k = { s, rq, ask, { 0 } };

	if (!store_write(s->o.store, make_once, &k, e)) {
		api_order_made_clear(&k.m);
		return false;
	}
	*out = k.m;
	return true;
}

/* "code" of a refusal: the order's own word for it. */
static const char *
refusal_code(const struct api_order_made *m)
{
	const char *code =
	    json_string_value(json_object_get(m->order, "reason_code"));

	return code != NULL ? code : err_name(&m->refused);
}

/* What a refusal says, with the id of the order that records it. */
static void
put_refusal(json_t *j, const struct api_order_made *m)
{
	json_put_str(j, "code", refusal_code(m));
	json_put_str(j, "detail", m->refused.text);
	json_put_str(j, "order", m->id);
}

bool
api_order_answer(struct api_service *s, const struct http_request *rq,
    const struct api_order_ask *ask, struct http_reply *rp, struct err *e)
{
	AUTO(api_order_made_clear) struct api_order_made m = { 0 };
	json_t *j;

	if (!api_order_make(s, rq, ask, &m, e))
		return false;
	if (m.refused.code == ERR_NONE) {
		api_location(rp, "/api/v1/orders", m.id);
		api_reply(rp, m.repeated ? 200 : 201, &m.order);
		return true;
	}
	/* As http/ writes problems, with one member more. */
	j = json_object();
	json_put_str(j, "type", "about:blank");
	json_put_str(j, "title", "Unprocessable Content");
	json_put_int(j, "status", 422);
	put_refusal(j, &m);
	json_put_str(j, "request_id", http_request_id(rq));
	api_reply(rp, 422, &j);
	http_set(rp, 422, "application/problem+json");
	return true;
}

/* ---- handlers ---- */

/* What both forms of asking have in common. */
static bool
decode(const json_t *body, struct api_order_ask *ask, struct err *e)
{
	if (!json_need_str(body, "kind", STATE_MAX, &ask->kind, e) ||
	    !json_get_str(body, "message", MESSAGE_MAX, &ask->message, e) ||
	    !json_get_str(body, "phone", PHONE_MAX, &ask->phone, e) ||
	    !json_get_str(body, "note", MESSAGE_MAX, &ask->note, e) ||
	    !json_get_str(
	        body, "obliteration", STATE_MAX, &ask->obliteration, e))
		return false;
	if (!str_eq(ask->kind, "lock") && !str_eq(ask->kind, "wipe"))
		return err_slug(e, ERR_INVALID, "order_kind_unknown",
		    "kind is lock or wipe");
	return true;
}

static bool
create(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "kind", "device", "message",
		"phone", "note", "obliteration", NULL };
	AUTO(json_free) json_t *body = NULL;
	struct api_order_ask ask = { 0 };

	return api_body(rq, keys, &body, e) && decode(body, &ask, e) &&
	       json_need_str(body, "device", LIMIT_NAME, &ask.device, e) &&
	       api_order_key(rq, &ask.idempotency_key, e) &&
	       api_order_answer(service, rq, &ask, rp, e);
}

/* What became of one device of a bulk order. */
static json_t *
bulk_one(struct api_service *s, const struct http_request *rq,
    const struct api_order_ask *ask)
{
	AUTO(api_order_made_clear) struct api_order_made m = { 0 };
	json_t *result = json_object(), *problem;
	struct err why = { 0 };

	json_put_str(result, "device", ask->device);
	if (!api_order_make(s, rq, ask, &m, &why)) {
		problem = json_object();
		json_put_str(problem, "code", err_name(&why));
		json_put_str(problem, "detail",
		    why.code == ERR_INTERNAL ? "internal error" : why.text);
		json_object_set_new(result, "problem", problem);
	} else if (m.refused.code != ERR_NONE) {
		problem = json_object();
		put_refusal(problem, &m);
		json_object_set_new(result, "problem", problem);
	} else {
		json_object_set_new(result, "order", TAKE(m.order));
	}
	return result;
}

static bool
bulk_devices(const json_t *body, json_t **out, struct err *e)
{
	json_t *devices = json_object_get(body, "devices");
	size_t n = json_array_size(devices);

	if (n == 0 || n > BULK_MAX)
		return err_set(e, ERR_INVALID,
		    "devices is a list of 1 to %d devices", BULK_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *d = json_array_get(devices, i);

		if (!json_is_string(d) || json_string_length(d) == 0 ||
		    json_string_length(d) > LIMIT_NAME)
			return err_set(e, ERR_INVALID,
			    "devices[%zu] is not the name of a device", i);
	}
	*out = devices;
	return true;
}

static bool
bulk(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "kind", "devices", "message",
		"phone", "note", "obliteration", NULL };
	AUTO(json_free) json_t *body = NULL;
	struct api_order_ask ask = { .key_per_device = true };
	json_t *devices = NULL, *results, *j;

	if (!api_body(rq, keys, &body, e) || !decode(body, &ask, e) ||
	    !bulk_devices(body, &devices, e) ||
	    !api_order_key(rq, &ask.idempotency_key, e))
		return false;
	results = json_array();
	for (size_t i = 0; i < json_array_size(devices); i++) {
		ask.device = json_string_value(json_array_get(devices, i));
		json_array_append_new(results, bulk_one(service, rq, &ask));
	}
	j = json_object();
	json_object_set_new(j, "results", results);
	api_reply(rp, 200, &j);
	return true;
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const filters[] = { "device", "state", NULL };
	static const char *const states[] = { "queued", "delivered",
		"acknowledged", "error", "unconfirmed", "expired", "cancelled",
		"refused", NULL };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	struct mdm_order_page page = { .state = api_filter(rq, "state"),
		.after = api_filter(rq, "after") };
	char device[UUID_SIZE];

	if (!api_limit(rq, filters, &page.limit, e) ||
	    !api_one_of("state", page.state, states, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !api_device_filter(tx, rq, device, e))
		return false;
	page.device_id = device[0] != '\0' ? device : NULL;
	if (!mdm_order_list(tx, &page, array, &next, e))
		return false;
	api_reply_list(rp, "orders", &array, &next);
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
	    !mdm_order_json(tx, http_param(rq, "order"), &j, e))
		return false;
	api_reply(rp, 200, &j);
	return true;
}

/* What is done to one order; may be run again. */
struct change {
	struct api_service *s;
	const char *id, *by;
	char pin[16];
	json_t *after;
};

static bool
read_pin(struct store_tx *tx, void *arg, struct err *e)
{
	struct change *c = arg;

	return mdm_order_pin(tx, c->s->o.seal, c->id, c->by, c->pin, e);
}

static bool
show_pin(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct api_service *s = service;
	struct change c = {
		.s = s, .id = http_param(rq, "order"), .by = api_by(rq)
	};
	bool ok = store_write(s->o.store, read_pin, &c, e);

	if (ok) {
		json_t *j = json_object();

		json_put_str(j, "pin", c.pin);
		api_reply(rp, 200, &j);
	}
	mem_wipe(c.pin, sizeof(c.pin));
	return ok;
}

static bool
cancel_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct change *c = arg;

	json_free(&c->after);
	return mdm_order_cancel(tx, c->id, c->by, e) &&
	       mdm_order_json(tx, c->id, &c->after, e);
}

static bool
cancel(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(json_free) json_t *j = NULL;
	struct api_service *s = service;
	struct change c = {
		.s = s, .id = http_param(rq, "order"), .by = api_by(rq)
	};
	bool ok =
	    api_no_body(rq, e) && store_write(s->o.store, cancel_once, &c, e);

	j = TAKE(c.after);
	if (ok)
		api_reply(rp, 200, &j);
	return ok;
}

static const struct http_route routes[] = {
	{ "POST", "/api/v1/orders", HTTP_DESTROY, LIMIT_BODY_API, create },
	{ "POST", "/api/v1/orders/bulk", HTTP_DESTROY, LIMIT_BODY_API, bulk },
	{ "GET", "/api/v1/orders", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET", "/api/v1/orders/{order}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "GET", "/api/v1/orders/{order}/pin", HTTP_SECRETS, LIMIT_BODY_NONE,
	    show_pin },
	{ "POST", "/api/v1/orders/{order}/cancel", HTTP_DESTROY, LIMIT_BODY_API,
	    cancel },
};

void
api_order_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
