/*
 * The MDM push certificate's life: requested, imported after a canary push,
 * shown, gone back from.
 */
#include "api/api_priv.h"
#include "apns/apns_canary.h"
#include "apns/apns_cert.h"
#include "apns/apns_request.h"

enum { PEM_MAX = 64 << 10, WORD_MAX = 256 };

/* ---- shown ---- */

static json_t *
row_json(const struct store_rows *r)
{
	json_t *o = json_object();
	int64_t left = store_int(r, 4) - clock_now_ms();

	json_put_str(o, "id", store_text(r, 0));
	json_put_str(o, "topic", store_text(r, 1));
	json_put_str(o, "state", store_text(r, 2));
	json_put_str(o, "owner", store_text(r, 3));
	json_put_time(o, "not_after", store_int(r, 4));
	json_put_int(o, "days_left", left > 0 ? left / MS_DAY : 0);
	json_put_time(o, "created_at", store_int(r, 5));
	json_put_time(o, "activated_at", store_int(r, 6));
	json_put_int(o, "enrollments", store_int(r, 7));
	return o;
}

/* All, the active ones first; or only that of new enrolments, NULL when there
 * is none. */
static bool
read_all(struct store_tx *tx, json_t *array, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!api_db_push_certificates(tx, &r, e) || !store_next(r, &more, e))
		return false;
	while (more) {
		json_array_append_new(array, row_json(r));
		if (!store_next(r, &more, e))
			return false;
	}
	return true;
}

static bool
read_active(struct store_tx *tx, json_t **out, struct err *e)
{
	AUTO(json_free) json_t *all = json_array();
	const json_t *first;
	const char *state;

	if (!read_all(tx, all, e))
		return false;
	first = json_array_get(all, 0);
	state = json_string_value(json_object_get(first, "state"));
	*out = str_eq(state, "active") ? json_incref((json_t *)(uintptr_t)first)
	                               : NULL;
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

static bool
history(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;

	if (!api_no_queries(rq, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !read_all(tx, array, e))
		return false;
	api_reply_list(rp, "push_certificates", &array, &next);
	return true;
}

/* ---- the canary ---- */

struct canary_ask {
	const char *device; /* any identifier, or NULL */
	bool skip;
};

static bool
decode_canary(const json_t *body, struct canary_ask *out, struct err *e)
{
	return json_get_str(body, "canary", LIMIT_NAME, &out->device, e) &&
	       json_get_bool(body, "skip_canary", false, &out->skip, e);
}

static bool
find_canary(struct api_service *s, const struct canary_ask *ask,
    const char *topic, struct apns_canary **out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_device d;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    (ask->device != NULL && !mdm_device_find(tx, ask->device, &d, e)) ||
	    !apns_canary_find(
	        tx, topic, ask->device != NULL ? d.id : NULL, out, e))
		return false;
	if (*out == NULL && ask->device != NULL)
		return err_slug(e, ERR_CONFLICT, "canary_impossible",
		    "that Mac cannot be pushed under the topic of this "
		    "certificate");
	return true;
}

/*
 * Proves that APNs takes the certificate, by a push to one Mac.  With no Mac
 * under its topic there is nothing to prove it by, and nothing to lose.
 */
static bool
prove(struct api_service *s, const struct canary_ask *ask,
    const struct apns_cert *cert, json_t **told, struct err *e)
{
	AUTO(apns_canary_free) struct apns_canary *c = NULL;
	struct apns_answer a;

	*told = json_null();
	if (ask->skip)
		return true;
	if (!find_canary(s, ask, cert->topic, &c, e))
		return false;
	if (c == NULL)
		return true;
	if (s->o.push_canary == NULL)
		return err_set(e, ERR_UNAVAILABLE, "pushing is not running");
	if (!s->o.push_canary(cert, c, &a, s->o.arg, e))
		return false;
	if (a.outcome != APNS_ACCEPTED)
		return err_slug(e, ERR_CONFLICT, "canary_failed",
		    "a push to %s with this certificate was not accepted (%d "
		    "%s): nothing was changed",
		    c->serial, a.status, a.reason);
	*told = json_object();
	json_put_str(*told, "device", c->device_id);
	json_put_str(*told, "serial", c->serial);
	json_put_str(*told, "apns_id", a.id);
	return true;
}

/* ---- taken into use ---- */

/* The answer: the active certificate, and the Mac that proved it. */
static void
answer(struct api_service *s, struct http_reply *rp, json_t **cert,
    json_t **canary)
{
	const char *topic = json_string_value(json_object_get(*cert, "topic"));

	if (s->o.on_push_certificate != NULL)
		s->o.on_push_certificate(topic, s->o.arg);
	json_object_set_new(*cert, "canary", TAKE(*canary));
	api_reply(rp, 200, cert);
}

struct import {
	const char *cert, *key, *pkcs12, *passphrase, *owner, *typed_topic;
	struct canary_ask canary;
};

static bool
decode(const json_t *body, struct import *in, struct err *e)
{
	/* Nobody can renew the certificate without knowing the account. */
	if (!json_get_str(body, "certificate", PEM_MAX, &in->cert, e) ||
	    !json_get_str(body, "key", PEM_MAX, &in->key, e) ||
	    !json_get_str(body, "pkcs12", PEM_MAX, &in->pkcs12, e) ||
	    !json_get_str(body, "passphrase", WORD_MAX, &in->passphrase, e) ||
	    !json_need_str(body, "owner", LIMIT_NAME, &in->owner, e) ||
	    !json_get_str(
	        body, "change_topic_to", LIMIT_TOPIC, &in->typed_topic, e) ||
	    !decode_canary(body, &in->canary, e))
		return false;
	if ((in->cert == NULL) == (in->pkcs12 == NULL) ||
	    (in->pkcs12 != NULL && in->key != NULL))
		return err_set(e, ERR_INVALID,
		    "certificate (and key), or pkcs12: one of them is needed");
	return true;
}

/* The key that was made here with the request, if this is its answer. */
static bool
own_key(
    struct api_service *s, struct slice cert, struct buf **out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(str_wipe) char *pem = NULL;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !apns_request_key(tx, s->o.seal, cert, &pem, e))
		return false;
	if (pem == NULL)
		return err_slug(e, ERR_INVALID, "no_key",
		    "no key was given, and the certificate answers no request "
		    "of this server");
	*out = buf_new(PEM_MAX);
	buf_adds(*out, pem);
	return true;
}

static bool
read_import(struct api_service *s, const struct import *in,
    struct apns_cert **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *pkcs12 = buf_new(PEM_MAX);
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	struct apns_cert_input input = { .cert = slice_str(in->cert),
		.key = slice_str(in->key),
		.passphrase = in->passphrase };

	if (in->pkcs12 != NULL &&
	    !b64_decode(pkcs12, slice_str(in->pkcs12), B64_SPACES, e))
		return err_wrap(e, "pkcs12");
	input.pkcs12 = buf_slice(pkcs12);
	return apns_cert_read(&input, &cert, &key, e) &&
	       (key != NULL || own_key(s, buf_slice(cert), &key, e)) &&
	       apns_cert_parse(buf_slice(cert), buf_slice(key), out, e);
}

/* A certificate taken into use; may be run again. */
struct activation {
	struct api_service *s;
	const struct apns_cert *cert;
	const struct apns_cert_import *import; /* NULL: gone back to */
	const char *by;
	json_t *active;
};

static bool
activate_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct activation *a = arg;

	json_free(&a->active);
	return (a->import != NULL
	               ? apns_cert_save(tx, a->s->o.seal, a->cert, a->import, e)
	               : apns_cert_restore(tx, a->cert, a->by, e)) &&
	       read_active(tx, &a->active, e);
}

/* The answer shows the Mac that proved it; takes canary. */
static bool
activate(
    struct activation *a, json_t **canary, struct http_reply *rp, struct err *e)
{
	AUTO(json_free) json_t *active = NULL;
	bool ok = store_write(a->s->o.store, activate_once, a, e);

	active = TAKE(a->active);
	if (ok)
		answer(a->s, rp, &active, canary);
	return ok;
}

static bool
import(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "certificate", "key", "pkcs12",
		"passphrase", "owner", "change_topic_to", "canary",
		"skip_canary", NULL };
	AUTO(apns_cert_free) struct apns_cert *cert = NULL;
	AUTO(json_free) json_t *body = NULL, *canary = NULL;
	struct api_service *s = service;
	struct import in = { 0 };
	struct apns_cert_import how = { .actor = api_by(rq) };

	if (!api_body(rq, keys, &body, e) || !decode(body, &in, e) ||
	    !read_import(s, &in, &cert, e) ||
	    !prove(s, &in.canary, cert, &canary, e))
		return false;
	how.owner = in.owner;
	how.typed_topic = in.typed_topic;
	return activate(
	    &(struct activation){ .s = s, .cert = cert, .import = &how },
	    &canary, rp, e);
}

static bool
load_old(struct api_service *s, const char *id, struct apns_cert **out,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(s->o.store, STORE_READ, &tx, e) &&
	       apns_cert_load_old(tx, s->o.seal, id, out, e);
}

static bool
restore(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "id", "canary", "skip_canary",
		NULL };
	AUTO(apns_cert_free) struct apns_cert *cert = NULL;
	AUTO(json_free) json_t *body = NULL, *canary = NULL;
	struct api_service *s = service;
	struct canary_ask ask = { 0 };
	const char *id = NULL;

	if (!api_body(rq, keys, &body, e) ||
	    !json_get_str(body, "id", UUID_SIZE - 1, &id, e) ||
	    !decode_canary(body, &ask, e) || !load_old(s, id, &cert, e) ||
	    !prove(s, &ask, cert, &canary, e))
		return false;
	return activate(
	    &(struct activation){ .s = s, .cert = cert, .by = api_by(rq) },
	    &canary, rp, e);
}

/* ---- requested ---- */

struct wish {
	const struct seal *seal;
	const struct apns_request *r;
	const char *by;
};

static bool
save_wish(struct store_tx *tx, void *arg, struct err *e)
{
	const struct wish *w = arg;

	return apns_request_save(tx, w->seal, w->r, w->by, e);
}

static bool
request(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "organization", "country", "email",
		NULL };
	AUTO(apns_request_free) struct apns_request *r = NULL;
	AUTO(json_free) json_t *body = NULL;
	struct api_service *s = service;
	struct apns_request_subject subject;
	json_t *j;

	if (!api_body(rq, keys, &body, e) ||
	    !json_need_str(
	        body, "organization", LIMIT_NAME, &subject.organization, e) ||
	    !json_need_str(body, "country", LIMIT_NAME, &subject.country, e) ||
	    !json_need_str(body, "email", LIMIT_NAME, &subject.email, e) ||
	    !apns_request_make(&subject, &r, e))
		return false;
	if (!store_write(s->o.store, save_wish,
	        &(struct wish){ s->o.seal, r, api_by(rq) }, e))
		return false;
	j = json_object();
	json_put_str(j, "id", r->id);
	json_put_str(j, "csr", r->csr_pem);
	api_reply(rp, 201, &j);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/push-certificate", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "PUT", "/api/v1/push-certificate", HTTP_ADMIN, LIMIT_BODY_API,
	    import },
	{ "POST", "/api/v1/push-certificate/restore", HTTP_ADMIN,
	    LIMIT_BODY_API, restore },
	{ "GET", "/api/v1/push-certificates", HTTP_VIEW, LIMIT_BODY_NONE,
	    history },
	{ "POST", "/api/v1/push-certificate-requests", HTTP_ADMIN,
	    LIMIT_BODY_API, request },
};

void
api_push_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
