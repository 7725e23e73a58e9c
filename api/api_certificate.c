/* The issuance ledger, newest first. */
#include "api/api_priv.h"

#define EXPIRING_MS (30 * MS_DAY)

/* What an administrator wants to know at a glance. */
static const char *
state_of(const char *stored, int64_t not_after, int64_t now_ms)
{
	if (str_eq(stored, "revoked"))
		return "revoked";
	if (not_after <= now_ms)
		return "expired";
	return not_after - now_ms < EXPIRING_MS ? "expiring" : "valid";
}

static json_t *
certificate_json(const struct store_rows *r, int64_t now_ms)
{
	json_t *o = json_object();

	json_put_str(o, "fingerprint", store_text(r, 0));
	json_put_str(o, "serial", store_text(r, 1));
	json_put_str(o, "subject", store_text(r, 2));
	json_put_str(o, "template", store_text(r, 3));
	json_put_str(o, "purpose", store_text(r, 4));
	json_put_str(o, "device", store_text(r, 5));
	json_put_str(o, "device_id", store_text(r, 6));
	json_put_str(o, "user", store_text(r, 7));
	json_put_str(
	    o, "state", state_of(store_text(r, 8), store_int(r, 10), now_ms));
	json_put_time(o, "not_before", store_int(r, 9));
	json_put_time(o, "not_after", store_int(r, 10));
	json_put_time(o, "revoked_at", store_int(r, 11));
	if (store_null(r, 12))
		json_put_str(o, "revoke_reason", NULL);
	else
		json_put_int(o, "revoke_reason", store_int(r, 12));
	json_put_time(o, "created_at", store_int(r, 13));
	return o;
}

static bool
read_page(struct store_tx *tx, struct api_certificate_page *page, json_t *array,
    char **next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(str_free) char *last = NULL;
	int64_t limit = page->limit, now = clock_now_ms();
	bool more;

	page->limit++;
	if (!api_db_certificates(tx, page, &r, e))
		return false;
	for (;;) {
		if (!store_next(r, &more, e))
			return false;
		if (!more || json_array_size(array) == (size_t)limit)
			break;
		json_array_append_new(array, certificate_json(r, now));
		str_free(&last);
		last = str_printf(
		    "%lld:%s", (long long)store_int(r, 13), store_text(r, 0));
	}
	*next_out = more ? TAKE(last) : NULL;
	return true;
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	const char *after = api_filter(rq, "after");
	struct api_certificate_page page = { .before_at = INT64_MAX,
		.before_id = "" };
	char device[UUID_SIZE];

	if (!api_limit(rq, &page.limit, e) ||
	    (after != NULL &&
	        !api_page_key(after, &page.before_at, &page.before_id, e)) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !api_device_filter(tx, rq, device, e))
		return false;
	page.device_id = device;
	if (!read_page(tx, &page, array, &next, e))
		return false;
	api_reply_list(rp, "certificates", &array, &next);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/certificates", HTTP_VIEW, LIMIT_BODY_NONE, list },
};

void
api_certificate_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
