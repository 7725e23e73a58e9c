/*
 * Who is asking: bearer tokens and their roles.  A token is stored only as a
 * MAC; what the database said of one is remembered for at most a second, so
 * that a busy client costs no transaction a request and a revoked token works
 * no longer than that (and not at all on the node that revoked it).
 *
 * The cache is shared by all threads under its mutex.
 */
#include <string.h>

#include "api/api_priv.h"

enum { ENTRIES = 64, VALID_MS = 1000, TOKEN_LEN = API_TOKEN_SIZE - 1 };

static const struct {
	const char *name;
	unsigned rights;
} roles[] = {
	{ "viewer", HTTP_VIEW },
	{ "operator", HTTP_VIEW | HTTP_CONTROL | HTTP_DESTROY | HTTP_SECRETS },
	{ "admin", HTTP_VIEW | HTTP_CONTROL | HTTP_DESTROY | HTTP_SECRETS |
	               HTTP_ADMIN },
};

bool
api_role_rights(const char *role, unsigned *out)
{
	for (size_t i = 0; i < COUNT(roles); i++)
		if (str_eq(roles[i].name, role)) {
			*out = roles[i].rights;
			return true;
		}
	return false;
}

/* ---- the cache ---- */

struct entry {
	char mac[65];
	struct http_caller caller;
	int64_t read_ms; /* monotonic, before the transaction; 0: unused */
};

struct api_auth_cache {
	pthread_mutex_t lock; /* guards all below */
	struct entry entries[ENTRIES];
	size_t next;     /* the one to replace next */
	uint64_t clears; /* how often it was emptied */
};

struct api_auth_cache *
api_auth_cache_new(void)
{
	struct api_auth_cache *c = mem_zalloc(1, sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void
api_auth_cache_free(struct api_auth_cache **c)
{
	if (*c == NULL)
		return;
	pthread_mutex_destroy(&(*c)->lock);
	mem_free(c);
}

void
api_auth_cache_clear(struct api_auth_cache *c)
{
	pthread_mutex_lock(&c->lock);
	memset(c->entries, 0, sizeof(c->entries));
	c->clears++;
	pthread_mutex_unlock(&c->lock);
}

static bool
recall(struct api_auth_cache *c, const char *mac, int64_t now_ms,
    struct http_caller *out, uint64_t *clears_out)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	*clears_out = c->clears;
	for (size_t i = 0; i < ENTRIES && !found; i++) {
		const struct entry *n = &c->entries[i];

		found = n->read_ms != 0 && now_ms - n->read_ms < VALID_MS &&
		        str_eq(n->mac, mac);
		if (found)
			*out = n->caller;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* What was read before the cache was emptied does not enter it again. */
static void
remember(struct api_auth_cache *c, const struct entry *fresh, uint64_t clears)
{
	size_t i = 0;

	pthread_mutex_lock(&c->lock);
	if (c->clears == clears) {
		while (i < ENTRIES && !str_eq(c->entries[i].mac, fresh->mac))
			i++;
		if (i == ENTRIES) {
			i = c->next;
			c->next = (c->next + 1) % ENTRIES;
		}
		c->entries[i] = *fresh;
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- tokens ---- */

void
api_token_mac(const struct seal *seal, const char *token, char out[65])
{
	seal_mac(seal, "api.token", slice_str(token), out);
}

/* The token of "Authorization: Bearer TOKEN" (RFC 6750 2.1), or NULL. */
static const char *
bearer(const struct http_request *rq)
{
	static const char scheme[] = "bearer ";
	const char *value = http_header(rq, "Authorization");
	char head[sizeof(scheme)];

	if (value == NULL || strlen(value) < sizeof(scheme))
		return NULL;
	str_copy_cut(head, sizeof(head), value);
	if (!str_ieq(head, scheme))
		return NULL;
	value += sizeof(scheme) - 1;
	value += strspn(value, " ");
	return strlen(value) == TOKEN_LEN && str_starts(value, "mutsu_") ? value
	                                                                 : NULL;
}

static bool
bad_token(struct err *e)
{
	return err_set(e, ERR_UNAUTHORIZED,
	    "a valid token is needed: Authorization: Bearer TOKEN");
}

/* Looks the token up; ERR_UNAUTHORIZED if it is not one of ours, or dead. */
static bool
look_up(struct api_service *s, const char *mac, struct http_caller *out,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct api_token_row row;
	unsigned rights = 0;
	bool found;

	if (!store_begin(s->o.store, STORE_READ_ONE, &tx, e) ||
	    !api_db_token_by_mac(tx, mac, &row, &found, e))
		return false;
	if (!found || row.revoked || !api_role_rights(row.role, &rights))
		return bad_token(e);
	memset(out, 0, sizeof(*out));
	str_copy_cut(out->name, sizeof(out->name), "token:");
	str_copy_cut(out->name + 6, sizeof(out->name) - 6, row.name);
	out->rights = rights;
	return true;
}

bool
api_authorize(const struct http_request *rq, unsigned rights,
    struct http_caller *out, void *arg, struct err *e)
{
	struct entry fresh = { .read_ms = clock_mono_ms() };
	struct api_service *s = arg;
	const char *token = bearer(rq);
	uint64_t clears;

	if (token == NULL)
		return bad_token(e);
	api_token_mac(s->o.seal, token, fresh.mac);
	if (!recall(
	        s->cache, fresh.mac, fresh.read_ms, &fresh.caller, &clears)) {
		if (!look_up(s, fresh.mac, &fresh.caller, e))
			return false;
		remember(s->cache, &fresh, clears);
	}
	if ((fresh.caller.rights & rights) != rights)
		return err_set(e, ERR_FORBIDDEN,
		    "the role of this token does not allow it");
	*out = fresh.caller;
	return true;
}
