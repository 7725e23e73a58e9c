/*
 * JSON from outside, with bounds, over jansson.  Values belong to one thread.
 */
#include <stdlib.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"

void
json_free(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

/*
 * jansson's own bound on nesting is 2048 levels of its recursion: enough to
 * protect the stack, too much for us.  Brackets are counted first; those in
 * strings do not count.
 */
static bool
depth_ok(struct slice in)
{
	size_t depth = 0;
	bool string = false;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.p[i];

		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (string)
			continue;
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > LIMIT_JSON_DEPTH)
			return false;
	}
	return true;
}

bool
json_parse_any(struct slice in, json_t **out, struct err *e)
{
	json_error_t why;
	json_t *j;

	if (!depth_ok(in))
		return err_set(e, ERR_INVALID,
		    "JSON: nested deeper than %d levels", LIMIT_JSON_DEPTH);
	/* Flags unset: NUL in strings and bytes behind the end are errors. */
	j = json_loadb(
	    (const char *)in.p, in.len, JSON_REJECT_DUPLICATES, &why);
	if (j == NULL)
		return err_set(e, ERR_INVALID, "JSON: %s (byte %d)", why.text,
		    why.position);
	*out = j;
	return true;
}

bool
json_parse(struct slice in, json_t **out, struct err *e)
{
	AUTO(json_free) json_t *j = NULL;

	if (!json_parse_any(in, &j, e))
		return false;
	if (!json_is_object(j))
		return err_set(e, ERR_INVALID, "JSON: not an object");
	*out = TAKE(j);
	return true;
}

/* The value of key; NULL if it is absent or null. */
static json_t *
present(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_null(v) ? NULL : v;
}

bool
json_get_str(const json_t *o, const char *key, size_t max, const char **out,
    struct err *e)
{
	const json_t *v = present(o, key);

	if (v != NULL && !json_is_string(v))
		return err_set(e, ERR_INVALID, "%s: not a string", key);
	if (v != NULL && json_string_length(v) > max)
		return err_set(
		    e, ERR_INVALID, "%s: longer than %zu bytes", key, max);
	*out = json_string_value(v);
	return true;
}

bool
json_need_str(const json_t *o, const char *key, size_t max, const char **out,
    struct err *e)
{
	const char *s;

	if (!json_get_str(o, key, max, &s, e))
		return false;
	if (str_empty(s))
		return err_set(e, ERR_INVALID, "%s: missing", key);
	*out = s;
	return true;
}

bool
json_get_bool(
    const json_t *o, const char *key, bool absent, bool *out, struct err *e)
{
	const json_t *v = present(o, key);

	if (v != NULL && !json_is_boolean(v))
		return err_set(e, ERR_INVALID, "%s: not true or false", key);
	*out = v != NULL ? json_is_true(v) : absent;
	return true;
}

bool
json_get_int(const json_t *o, const char *key, int64_t absent, int64_t *out,
    struct err *e)
{
	const json_t *v = present(o, key);

	if (v != NULL && !json_is_integer(v))
		return err_set(e, ERR_INVALID, "%s: not an integer", key);
	*out = v != NULL ? json_integer_value(v) : absent;
	return true;
}

static bool
listed(const char *key, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		if (str_eq(key, *keys))
			return true;
	return false;
}

bool
json_only_keys(const json_t *o, const char *const *keys, struct err *e)
{
	const char *key;
	json_t *v;

	/* The iterator takes the object as it is and changes nothing. */
	json_object_foreach(
	    (json_t *)o, key, v) if (!listed(key, keys)) return err_set(e,
	    ERR_INVALID, "%s: unknown key", key);
	return true;
}

/* jansson answers NULL only without memory or for what is not JSON. */
static void
certain(bool ok)
{
	if (!ok)
		abort();
}

char *
json_text(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	certain(text != NULL);
	return text;
}

void
json_put_str(json_t *o, const char *key, const char *s)
{
	json_t *v = s != NULL ? json_string(s) : json_null();
	AUTO(buf_free) struct buf *clean = NULL;

	if (v == NULL) {
		/* Not UTF-8: shown as far as it can be. */
		clean = buf_new(SIZE_MAX / 2);
		buf_add_utf8(clean, slice_str(s));
		v = json_string(buf_str(clean));
	}
	certain(json_object_set_new(o, key, v) == 0);
}

void
json_put_int(json_t *o, const char *key, int64_t n)
{
	certain(json_object_set_new(o, key, json_integer(n)) == 0);
}

void
json_put_bool(json_t *o, const char *key, bool v)
{
	certain(json_object_set_new(o, key, json_boolean(v)) == 0);
}

void
json_put_time(json_t *o, const char *key, int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];

	if (at_ms != 0)
		clock_format(text, at_ms);
	json_put_str(o, key, at_ms != 0 ? text : NULL);
}
