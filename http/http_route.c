/*
 * The table of routes of one side: exact paths by hash, patterns with
 * parameters in order.  Written before the first listener starts and only
 * read afterwards, by all listener threads.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"

static unsigned
bucket_of(const char *path)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *path != '\0'; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return h % HTTP_BUCKETS;
}

static bool
takes_rest(const char *pattern)
{
	return strstr(pattern, "...}") != NULL;
}

/* Patterns that swallow the rest come after all others. */
static struct http_place **
list_for(struct http_routes *r, const char *pattern)
{
	struct http_place **at;

	if (strchr(pattern, '{') == NULL)
		return &r->exact[bucket_of(pattern)];
	at = &r->patterns;
	while (*at != NULL && !str_eq((*at)->pattern, pattern) &&
	       (takes_rest(pattern) || !takes_rest((*at)->pattern)))
		at = &(*at)->next;
	return at;
}

static struct http_place *
place_for(struct http_routes *r, const char *pattern)
{
	struct http_place **at = list_for(r, pattern);
	struct http_place *place;

	for (place = *at; place != NULL; place = place->next)
		if (str_eq(place->pattern, pattern))
			return place;
	place = mem_zalloc(1, sizeof(*place));
	place->pattern = pattern;
	place->next = *at;
	*at = place;
	return place;
}

void
http_routes_add(
    struct http_routes *r, const struct http_route *route, void *service)
{
	struct http_place *place;
	struct http_rule *rule, **at;

	assert(route->path[0] == '/' && route->handler != NULL);
	place = place_for(r, route->path);
	for (at = &place->rules; *at != NULL; at = &(*at)->next)
		assert(!str_eq((*at)->route->method, route->method));
	rule = mem_zalloc(1, sizeof(*rule));
	rule->route = route;
	rule->service = service;
	*at = rule;
}

static void
places_free(struct http_place **list)
{
	while (*list != NULL) {
		struct http_place *place = *list;

		*list = place->next;
		while (place->rules != NULL) {
			struct http_rule *rule = place->rules;

			place->rules = rule->next;
			mem_free(&rule);
		}
		mem_free(&place);
	}
}

void
http_routes_clear(struct http_routes *r)
{
	for (size_t i = 0; i < HTTP_BUCKETS; i++)
		places_free(&r->exact[i]);
	places_free(&r->patterns);
}

static bool
places_public(const struct http_place *place)
{
	for (; place != NULL; place = place->next)
		for (const struct http_rule *u = place->rules; u != NULL;
		     u = u->next)
			if (u->route->rights != HTTP_ANYONE)
				return false;
	return true;
}

bool
http_routes_public(const struct http_routes *r)
{
	for (size_t i = 0; i < HTTP_BUCKETS; i++)
		if (!places_public(r->exact[i]))
			return false;
	return places_public(r->patterns);
}

/* Takes the place's rule for the method, or notes its methods for Allow. */
static void
choose(
    const struct http_place *place, const char *method, struct http_match *out)
{
	const struct http_rule *get = NULL;
	bool head = str_eq(method, "HEAD");

	for (const struct http_rule *u = place->rules; u != NULL; u = u->next) {
		const char *own = u->route->method;
		size_t used = strlen(out->allow);

		if (str_eq(own, method)) {
			out->rule = u;
			return;
		}
		if (str_eq(own, "GET"))
			get = u;
		if (strstr(out->allow, own) == NULL)
			snprintf(out->allow + used, sizeof(out->allow) - used,
			    "%s%s%s", used > 0 ? ", " : "", own,
			    str_eq(own, "GET") ? ", HEAD" : "");
	}
	out->path_known = true;
	if (head)
		out->rule = get;
}

/* One segment of the raw path against one of the pattern. */
static bool
match_segment(struct slice want, struct slice have, char **scratch,
    struct http_match *out)
{
	struct http_param *param;
	size_t len;

	if (!http_percent_decode(
	        (const char *)have.p, have.len, false, *scratch, &len))
		return false;
	if (want.len < 2 || want.p[0] != '{')
		return slice_eq(want, slice_of(*scratch, len));
	if (len == 0)
		return false;
	assert(out->param_count < HTTP_PARAMS_MAX);
	param = &out->params[out->param_count++];
	param->name = slice_of(want.p + 1, want.len - 2);
	if (param->name.len > 3 &&
	    slice_eq_str(
	        slice_of(param->name.p + param->name.len - 3, 3), "..."))
		param->name.len -= 3;
	param->value = *scratch;
	*scratch += len + 1;
	return true;
}

static bool
match_pattern(
    const char *pattern, const struct http_target *t, struct http_match *out)
{
	const char *want = pattern, *have = t->path;
	char *scratch = t->scratch;

	out->param_count = 0;
	while (*want == '/' && *have == '/') {
		size_t want_len = strcspn(++want, "/");
		size_t have_len = strcspn(++have, "/");

		if (takes_rest(want) && want[0] == '{')
			have_len = strlen(have);
		if (!match_segment(slice_of(want, want_len),
		        slice_of(have, have_len), &scratch, out))
			return false;
		want += want_len;
		have += have_len;
	}
	return *want == '\0' && *have == '\0';
}

void
http_routes_match(const struct http_routes *r, const char *method,
    struct http_target *t, struct http_match *out)
{
	const struct http_place *place;

	out->rule = NULL;
	out->path_known = false;
	out->allow[0] = '\0';
	out->param_count = 0;
	/* An escaped slash is part of a segment and never separates two. */
	place = NULL;
	if (strcasestr(t->path, "%2f") == NULL)
		place = r->exact[bucket_of(t->decoded)];
	for (; place != NULL && out->rule == NULL; place = place->next)
		if (str_eq(place->pattern, t->decoded))
			choose(place, method, out);
	if (out->rule != NULL)
		return;
	for (place = r->patterns; place != NULL; place = place->next) {
		if (match_pattern(place->pattern, t, out))
			choose(place, method, out);
		if (out->rule != NULL)
			return;
	}
}
