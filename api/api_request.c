/*
 * What handlers share: reading a request's body and arguments, writing an
 * answer.  No state; any thread.
 */
#include <string.h>

#include "api/api_priv.h"

enum { PAGE_DEFAULT = 100 };

bool
api_body(const struct http_request *rq, const char *const *keys, json_t **out,
    struct err *e)
{
	AUTO(json_free) json_t *j = NULL;

	if (!http_type_is(rq, "application/json"))
		return err_slug(e, ERR_INVALID, "not_json",
		    "the body has to be application/json");
	if (http_body(rq).len == 0)
		return err_set(
		    e, ERR_INVALID, "the body is empty: it is to be an object");
	if (!json_parse(http_body(rq), &j, e) || !json_only_keys(j, keys, e))
		return false;
	*out = TAKE(j);
	return true;
}

bool
api_no_body(const struct http_request *rq, struct err *e)
{
	static const char *const none[] = { NULL };
	AUTO(json_free) json_t *body = NULL;

	return http_body(rq).len == 0 || api_body(rq, none, &body, e);
}

bool
api_number(const struct http_request *rq, const char *name, int64_t absent,
    int64_t *out, struct err *e)
{
	const char *s = http_query(rq, name);

	if (s == NULL) {
		*out = absent;
		return true;
	}
	if (!str_to_i64(s, 0, INT64_MAX, out))
		return err_set(e, ERR_INVALID, "%s is not a number", name);
	return true;
}

const char *
api_filter(const struct http_request *rq, const char *name)
{
	const char *s = http_query(rq, name);

	return str_empty(s) ? NULL : s;
}

static bool
is_name(const char *p, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(name, p, len) == 0;
}

/* A filter misspelt must not be an empty one. */
static bool
only_queries(const struct http_request *rq, bool pages,
    const char *const *names, struct err *e)
{
	const char *p = http_raw_query(rq);

	while (!str_empty(p)) {
		size_t len = strcspn(p, "=&");
		bool known =
		    len == 0 || (pages && (is_name(p, len, "limit") ||
		                              is_name(p, len, "after")));

		for (size_t i = 0; names != NULL && names[i] != NULL; i++)
			known = known || is_name(p, len, names[i]);
		if (!known)
			return err_slug(e, ERR_INVALID, "unknown_filter",
			    "there is no filter \"%.*s\"",
			    (int)(len < 64 ? len : 64), p);
		p += strcspn(p, "&");
		p += *p == '&';
	}
	return true;
}

bool
api_only_queries(
    const struct http_request *rq, const char *const *filters, struct err *e)
{
	return only_queries(rq, true, filters, e);
}

bool
api_no_queries(const struct http_request *rq, struct err *e)
{
	return only_queries(rq, false, NULL, e);
}

bool
api_limit(const struct http_request *rq, const char *const *filters,
    int64_t *out, struct err *e)
{
	int64_t n;

	if (!only_queries(rq, true, filters, e) ||
	    !api_number(rq, "limit", PAGE_DEFAULT, &n, e))
		return false;
	if (n < 1 || n > LIMIT_PAGE)
		return err_set(
		    e, ERR_INVALID, "limit lies between 1 and %d", LIMIT_PAGE);
	*out = n;
	return true;
}

bool
api_one_of(const char *what, const char *value, const char *const *names,
    struct err *e)
{
	AUTO(buf_free) struct buf *list = NULL;

	for (size_t i = 0; names[i] != NULL; i++)
		if (value == NULL || str_eq(value, names[i]))
			return true;
	list = buf_new(1024);
	for (size_t i = 0; names[i] != NULL; i++)
		buf_addf(list, "%s%s", i > 0 ? ", " : "", names[i]);
	return err_set(e, ERR_INVALID, "%s is none of %s", what, buf_str(list));
}

bool
api_page_key(
    const char *key, int64_t *at_out, const char **id_out, struct err *e)
{
	const char *colon = strchr(key, ':');
	char digits[24];
	int64_t at;

	if (colon == NULL || (size_t)(colon - key) >= sizeof(digits))
		return err_set(e, ERR_INVALID, "after is not a page key");
	memcpy(digits, key, (size_t)(colon - key));
	digits[colon - key] = '\0';
	if (!str_to_i64(digits, 0, INT64_MAX, &at))
		return err_set(e, ERR_INVALID, "after is not a page key");
	*at_out = at;
	*id_out = colon + 1;
	return true;
}

const char *
api_by(const struct http_request *rq)
{
	return http_caller(rq)->name;
}

bool
api_holds(const struct http_request *rq, unsigned rights)
{
	return (http_caller(rq)->rights & rights) == rights;
}

bool
api_need(const struct http_request *rq, unsigned rights, struct err *e)
{
	return api_holds(rq, rights) ||
	       err_set(e, ERR_FORBIDDEN, "your role does not allow this");
}

bool
api_device_filter(struct store_tx *tx, const struct http_request *rq,
    char out[37], struct err *e)
{
	const char *any = api_filter(rq, "device");
	struct mdm_device d;

	if (any == NULL) {
		out[0] = '\0';
		return true;
	}
	if (!mdm_device_find(tx, any, &d, e))
		return false;
	str_copy_cut(out, UUID_SIZE, d.id);
	return true;
}

void
api_reply(struct http_reply *rp, int status, json_t **j)
{
	AUTO(json_free) json_t *taken = TAKE(*j);
	AUTO(str_free) char *text = json_text(taken);

	http_set(rp, status, "application/json");
	/* Some answers hold a PIN, a token or a challenge. */
	http_set_header(rp, "Cache-Control", "no-store");
	buf_adds(http_out(rp), text);
}

void
api_reply_list(
    struct http_reply *rp, const char *name, json_t **array, char **next)
{
	json_t *j = json_object();

	json_object_set_new(j, name, TAKE(*array));
	json_put_str(j, "next", *next);
	str_free(next);
	api_reply(rp, 200, &j);
}

void
api_location(struct http_reply *rp, const char *collection, const char *id)
{
	AUTO(str_free) char *path = str_printf("%s/%s", collection, id);

	http_set_header(rp, "Location", path);
}
