/*
 * The event feed.  Numbers have no gaps and follow the order of commits, so a
 * reader that goes on after the last number it has seen misses nothing.  A
 * reader that waits is parked; http/ runs it again when the feed grows, also
 * when that happens between its look and its parking.
 */
#include "api/api_priv.h"

/* Data is JSON of our own making; should it not be, it is left out rather
 * than breaking the feed for ever. */
static void
put_data(json_t *o, const char *text)
{
	json_t *data = NULL;
	struct err why;

	if (text == NULL || !json_parse(slice_str(text), &data, &why))
		data = json_null();
	json_object_set_new(o, "data", data);
}

static bool
read_events(struct store_tx *tx, int64_t after, int64_t limit, json_t *array,
    int64_t *next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!api_db_events(tx, after, limit, &r, e))
		return false;
	*next_out = after;
	for (;;) {
		json_t *o;

		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return true;
		o = json_object();
		json_put_int(o, "seq", store_int(r, 0));
		json_put_time(o, "at", store_int(r, 1));
		json_put_str(o, "kind", store_text(r, 2));
		json_put_str(o, "device", store_text(r, 3));
		json_put_str(o, "device_id", store_text(r, 4));
		json_put_str(o, "subject", store_text(r, 5));
		json_put_str(o, "actor", store_text(r, 6));
		put_data(o, store_text(r, 7));
		*next_out = store_int(r, 0);
		json_array_append_new(array, o);
	}
}

/* Parks the request if it may still wait. */
static bool
parks(const struct http_request *rq, struct http_reply *rp, int64_t wait_s)
{
	int64_t since = http_parked_since(rq), now = clock_mono_ms();
	int64_t until = (since != 0 ? since : now) + wait_s * MS_S;

	if (now >= until)
		return false;
	http_park(rp, until);
	return true;
}

/* The number behind which the list begins: after, or that of last. */
static bool
first_after(struct store_tx *tx, int64_t last, int64_t *after, struct err *e)
{
	int64_t newest;

	if (last == 0)
		return true;
	if (!api_db_last_event(tx, &newest, e))
		return false;
	*after = newest > last ? newest - last : 0;
	return true;
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const filters[] = { "wait", "last", NULL };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	struct api_service *s = service;
	int64_t after, limit, wait_s, last, next;
	json_t *j;

	if (!api_limit(rq, filters, &limit, e) ||
	    !api_number(rq, "after", 0, &after, e) ||
	    !api_number(rq, "wait", 0, &wait_s, e) ||
	    !api_number(rq, "last", 0, &last, e))
		return false;
	if (last > limit || (last > 0 && (after > 0 || wait_s > 0)))
		return err_set(e, ERR_INVALID,
		    "last is at most limit, and without after and wait");
	if (wait_s > LIMIT_FEED_WAIT_S)
		return err_set(e, ERR_INVALID, "wait is at most %d seconds",
		    LIMIT_FEED_WAIT_S);
	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !first_after(tx, last, &after, e) ||
	    !read_events(tx, after, limit, array, &next, e))
		return false;
	if (json_array_size(array) == 0 && parks(rq, rp, wait_s))
		return true;
	j = json_object();
	json_object_set_new(j, "events", TAKE(array));
	json_put_int(j, "next", next);
	api_reply(rp, 200, &j);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/events", HTTP_VIEW, LIMIT_BODY_NONE, list },
};

void
api_event_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
