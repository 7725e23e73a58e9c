/*
 * Tokens: made, listed, revoked.  The text of a token is shown once, when it
 * is made.  A revoked token keeps its row and its name, so that the audit
 * trail stays unambiguous.
 */
#include <string.h>

#include "api/api_priv.h"
#include "core/random.h"
#include "store/store_event.h"
#include "store/store_watch.h"

enum { TOKEN_NAME_MAX = 64, TOKEN_RANDOM = 40 };

static bool
name_ok(const char *name, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789._@-";
	size_t len = strlen(name);

	if (len == 0 || len > TOKEN_NAME_MAX || strspn(name, allowed) != len)
		return err_slug(e, ERR_INVALID, "token_name_invalid",
		    "a token's name has 1 to %d letters, digits or ._@-",
		    TOKEN_NAME_MAX);
	return true;
}

static bool
tell(struct store_tx *tx, const char *kind, const char *name, const char *role,
    const char *by, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "name", name);
	json_put_str(data, "role", role);
	text = json_text(data);
	return store_event_add(
	    tx, &(struct store_event){ kind, NULL, NULL, by, text }, e);
}

bool
api_token_new(struct store_tx *tx, const struct seal *seal,
    const struct api_token_wish *w, char out[API_TOKEN_SIZE], struct err *e)
{
	struct api_token_row row;
	char token[API_TOKEN_SIZE] = "mutsu_", mac[65], id[UUID_SIZE];
	unsigned rights;
	bool found;

	if (!name_ok(w->name, e))
		return false;
	if (!api_role_rights(w->role, &rights))
		return err_slug(e, ERR_INVALID, "role_unknown",
		    "a role is viewer, operator or admin");
	if (!api_db_token_by_name(tx, w->name, &row, &found, e))
		return false;
	if (found)
		return err_slug(e, ERR_CONFLICT, "token_name_used",
		    "there is or was a token of this name");
	random_alnum(token + strlen(token), TOKEN_RANDOM);
	api_token_mac(seal, token, mac);
	uuid_new_lower(id);
	if (!api_db_token_add(tx, id, w->name, mac, w->role, e) ||
	    !tell(tx, "token.created", w->name, w->role, w->by, e))
		return false;
	memcpy(out, token, API_TOKEN_SIZE);
	mem_wipe(token, sizeof(token));
	return true;
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	int64_t limit;
	bool more;

	if (!api_limit(rq, NULL, &limit, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !api_db_tokens(tx, api_filter(rq, "after"), limit + 1, &r, e))
		return false;
	for (;;) {
		json_t *o;

		if (!store_next(r, &more, e))
			return false;
		if (!more || json_array_size(array) == (size_t)limit)
			break;
		o = json_object();
		json_put_str(o, "name", store_text(r, 0));
		json_put_str(o, "role", store_text(r, 1));
		json_put_time(o, "created_at", store_int(r, 2));
		json_put_time(o, "revoked_at", store_int(r, 3));
		json_array_append_new(array, o);
		str_free(&next);
		next = str_dup(store_text(r, 0));
	}
	if (!more)
		str_free(&next);
	api_reply_list(rp, "tokens", &array, &next);
	return true;
}

/* May be run again. */
struct change {
	const struct seal *seal;
	struct api_token_wish wish;
	char token[API_TOKEN_SIZE];
};

static bool
create_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct change *c = arg;

	return api_token_new(tx, c->seal, &c->wish, c->token, e);
}

static bool
create(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	static const char *const keys[] = { "name", "role", NULL };
	AUTO(json_free) json_t *body = NULL, *j = NULL;
	struct api_service *s = service;
	struct change c = { .seal = s->o.seal, .wish = { .by = api_by(rq) } };
	bool ok;

	if (!api_body(rq, keys, &body, e) ||
	    !json_need_str(body, "name", LIMIT_NAME, &c.wish.name, e) ||
	    !json_need_str(body, "role", LIMIT_NAME, &c.wish.role, e))
		return false;
	ok = store_write(s->o.store, create_once, &c, e);
	if (ok) {
		j = json_object();
		json_put_str(j, "name", c.wish.name);
		json_put_str(j, "role", c.wish.role);
		json_put_str(j, "token", c.token);
		api_location(rp, "/api/v1/tokens", c.wish.name);
		api_reply(rp, 201, &j);
	}
	mem_wipe(c.token, sizeof(c.token));
	return ok;
}

/* Nobody could make tokens any more without the server's own console. */
static bool
not_last_admin(
    struct store_tx *tx, const struct api_token_row *row, struct err *e)
{
	int64_t admins;

	if (row->revoked || !str_eq(row->role, "admin"))
		return true;
	if (!api_db_token_admins(tx, &admins, e))
		return false;
	return admins > 1 ||
	       err_slug(e, ERR_CONFLICT, "last_admin_token",
	           "this is the last token of an admin; make another first");
}

static bool
revoke_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct change *c = arg;
	struct api_token_row row;
	bool found;

	if (!api_db_token_by_name(tx, c->wish.name, &row, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no such token");
	if (!not_last_admin(tx, &row, e))
		return false;
	return row.revoked || (api_db_token_revoke(tx, c->wish.name, e) &&
	                          store_watch_touch(tx, STORE_WATCH_TOKEN, e) &&
	                          tell(tx, "token.revoked", c->wish.name,
	                              row.role, c->wish.by, e));
}

static bool
revoke(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct api_service *s = service;
	struct change c = { .wish.name = http_param(rq, "name"),
		.wish.by = api_by(rq) };

	if (!store_write(s->o.store, revoke_once, &c, e))
		return false;
	api_auth_cache_clear(s->cache);
	http_set(rp, 204, NULL);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/api/v1/tokens", HTTP_ADMIN, LIMIT_BODY_NONE, list },
	{ "POST", "/api/v1/tokens", HTTP_ADMIN, LIMIT_BODY_API, create },
	{ "DELETE", "/api/v1/tokens/{name}", HTTP_ADMIN, LIMIT_BODY_NONE,
	    revoke },
};

void
api_token_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
