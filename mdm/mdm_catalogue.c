/*
 * From JSON to a checked Command dictionary, by the tables.  No state beyond
 * a call; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "core/encode.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/pl.h"
#include "mdm/mdm_catalogue_priv.h"
#include "mdm/mdm_device.h"

enum { PATH_MAX_LEN = 512 };

/* A container being written. */
struct frame {
	const json_t *node;
	size_t index;    /* of an array's next item */
	void *next;      /* of an object's next member */
	size_t path_len; /* of the container's own path */
	bool any;        /* the schema says nothing below here */
};

struct walk {
	const struct mdm_catalogue_row *command;
	struct buf *out;
	char path[PATH_MAX_LEN];
	struct frame stack[LIMIT_JSON_DEPTH + 1];
	size_t depth;
};

static const struct mdm_catalogue_row *
find_command(const char *name)
{
	const struct mdm_catalogue_row *const tables[] = { mdm_catalogue_a,
		mdm_catalogue_m };

	for (size_t t = 0; t < COUNT(tables); t++)
		for (const struct mdm_catalogue_row *r = tables[t];
		     r->name != NULL; r++)
			if (str_eq(r->name, name))
				return r;
	return NULL;
}

static bool
unknown_command(const char *name, struct err *e)
{
	return err_slug(e, ERR_INVALID, "unknown_command",
	    "there is no macOS command \"%.64s\"", name != NULL ? name : "");
}

bool
mdm_catalogue_danger(
    const char *request_type, enum mdm_danger *out, struct err *e)
{
	const struct mdm_catalogue_row *r = find_command(request_type);

	if (r == NULL)
		return unknown_command(request_type, e);
	*out = r->danger;
	return true;
}

/* ---- the schema of one command ---- */

static const struct mdm_key *
find_key(const struct walk *w, const char *path)
{
	for (const struct mdm_key *k = w->command->keys;
	     k != NULL && k->path != NULL; k++)
		if (str_eq(k->path, path))
			return k;
	return NULL;
}

/*
 * The row of the present path, or the ANY row of its container.  A name that
 * holds characters of the path language can only be an ANY.
 */
static const struct mdm_key *
key_here(const struct walk *w, size_t container_len, const char *name)
{
	char any[PATH_MAX_LEN + 8];
	bool plain = name == NULL || strpbrk(name, ".[]<>") == NULL;
	const struct mdm_key *k = plain ? find_key(w, w->path) : NULL;

	if (k != NULL || container_len == 0)
		return k;
	snprintf(any, sizeof(any), "%.*s.ANY", (int)container_len, w->path);
	return find_key(w, any);
}

/* The name of a row directly below the container path, or NULL. */
static const char *
child_name(const struct mdm_key *k, const char *path)
{
	size_t len = strlen(path);
	const char *name = k->path + len;

	if (!str_starts(k->path, path))
		return NULL;
	if (len > 0 && *name++ != '.')
		return NULL;
	return strpbrk(name, ".[<") == NULL ? name : NULL;
}

static bool
check_members(const struct walk *w, const json_t *object, struct err *e)
{
	for (const struct mdm_key *k = w->command->keys;
	     k != NULL && k->path != NULL; k++) {
		const char *name = k->required ? child_name(k, w->path) : NULL;

		if (name != NULL && json_object_get(object, name) == NULL)
			return err_set(e, ERR_INVALID, "%s: %s is missing",
			    w->command->name, k->path);
	}
	return true;
}

static bool
check_items(struct walk *w, const json_t *array, struct err *e)
{
	char path[PATH_MAX_LEN + 8];
	const struct mdm_key *k;

	snprintf(path, sizeof(path), "%s[]", w->path);
	k = find_key(w, path);
	if (k != NULL && k->required && json_array_size(array) == 0)
		return err_set(e, ERR_INVALID, "%s: %s must not be empty",
		    w->command->name, w->path);
	return true;
}

static bool
is_allowed(const char *allowed, const char *value)
{
	size_t len = strlen(value);

	while (allowed != NULL) {
		const char *bar = strchr(allowed, '|');
		size_t n =
		    bar != NULL ? (size_t)(bar - allowed) : strlen(allowed);

		if (n == len && memcmp(allowed, value, n) == 0)
			return true;
		allowed = bar != NULL ? bar + 1 : NULL;
	}
	return false;
}

static bool
check_allowed(const struct walk *w, const struct mdm_key *k, const char *value,
    struct err *e)
{
	if (k->allowed == NULL || is_allowed(k->allowed, value))
		return true;
	return err_set(e, ERR_INVALID, "%s: %s must be one of %.120s",
	    w->command->name, k->path, k->allowed);
}

/* ---- writing ---- */

static bool
wrong_type(const struct walk *w, const char *wanted, struct err *e)
{
	return err_set(e, ERR_INVALID, "%s: %s must be %s", w->command->name,
	    w->path, wanted);
}

static bool
push(struct walk *w, const json_t *node, bool any, struct err *e)
{
	struct frame *f = &w->stack[w->depth];

	if (w->depth == COUNT(w->stack))
		return err_set(
		    e, ERR_INVALID, "%s: nested too deeply", w->command->name);
	*f = (struct frame){
		.node = node, .path_len = strlen(w->path), .any = any
	};
	if (json_is_object(node)) {
		f->next = json_object_iter((json_t *)node);
		pl_dict(w->out);
	} else {
		pl_array(w->out);
	}
	w->depth++;
	return true;
}

static bool
put_string(
    struct walk *w, const struct mdm_key *k, const json_t *v, struct err *e)
{
	const char *s = json_string_value(v);

	if (s == NULL || strlen(s) != json_string_length(v))
		return wrong_type(w, "a string", e);
	if (!check_allowed(w, k, s, e))
		return false;
	if (str_eq(w->path, "Settings[]<DeviceName>.DeviceName") &&
	    !mdm_device_name_ok(s, e))
		return false;
	pl_str(w->out, s);
	return true;
}

static bool
put_integer(
    struct walk *w, const struct mdm_key *k, const json_t *v, struct err *e)
{
	char text[24];

	if (!json_is_integer(v))
		return wrong_type(w, "an integer", e);
	snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	if (!check_allowed(w, k, text, e))
		return false;
	pl_int(w->out, json_integer_value(v));
	return true;
}

static bool
put_data(struct walk *w, const json_t *v, struct err *e)
{
	AUTO(buf_wipe) struct buf *data = NULL;
	struct err why = { 0 };

	if (!json_is_string(v))
		return wrong_type(w, "a string in base64", e);
	data = buf_new(LIMIT_BODY_API);
	if (!b64_decode(data,
	        slice_of(json_string_value(v), json_string_length(v)),
	        B64_SPACES, &why) ||
	    !buf_ok(data, &why))
		return wrong_type(w, "a string in base64", e);
	pl_data(w->out, buf_slice(data));
	return true;
}

/* Below an ANY key: the JSON type says what it is. */
static bool
put_any(struct walk *w, const json_t *v, struct err *e)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return push(w, v, true, e);
	case JSON_STRING:
		pl_str(w->out, json_string_value(v));
		return true;
	case JSON_INTEGER:
		pl_int(w->out, json_integer_value(v));
		return true;
	case JSON_REAL:
		pl_real(w->out, json_real_value(v));
		return true;
	case JSON_TRUE:
	case JSON_FALSE:
		pl_bool(w->out, json_is_true(v));
		return true;
	case JSON_NULL:
		break;
	}
	return wrong_type(w, "something other than null", e);
}

static bool
put_value(
    struct walk *w, const struct mdm_key *k, const json_t *v, struct err *e)
{
	switch (k->type) {
	case MDM_TYPE_STRING:
		return put_string(w, k, v, e);
	case MDM_TYPE_INTEGER:
		return put_integer(w, k, v, e);
	case MDM_TYPE_BOOLEAN:
		if (!json_is_boolean(v))
			return wrong_type(w, "true or false", e);
		pl_bool(w->out, json_is_true(v));
		return true;
	case MDM_TYPE_DATA:
		return put_data(w, v, e);
	case MDM_TYPE_DICT:
		if (!json_is_object(v))
			return wrong_type(w, "an object", e);
		return check_members(w, v, e) && push(w, v, false, e);
	case MDM_TYPE_ARRAY:
		if (!json_is_array(v))
			return wrong_type(w, "an array", e);
		return check_items(w, v, e) && push(w, v, false, e);
	case MDM_TYPE_ANY:
		break;
	}
	return put_any(w, v, e);
}

/* ---- the walk ---- */

/* Makes path the container's path and what follows. */
static bool
set_path(struct walk *w, size_t len, const char *separator, const char *name,
    struct err *e)
{
	int n = snprintf(
	    w->path + len, sizeof(w->path) - len, "%s%s", separator, name);

	if (n < 0 || (size_t)n >= sizeof(w->path) - len) {
		w->path[len] = '\0';
		return err_set(
		    e, ERR_INVALID, "%s: a key is too long", w->command->name);
	}
	return true;
}

static bool
put_known(struct walk *w, const struct frame *f, const char *name,
    const json_t *v, struct err *e)
{
	const struct mdm_key *k;

	if (f->any)
		return put_any(w, v, e);
	k = key_here(w, f->path_len, name);
	if (k == NULL)
		return err_set(e, ERR_INVALID, "%s: there is no key %.160s",
		    w->command->name, w->path);
	return put_value(w, k, v, e);
}

static bool
put_item(struct walk *w, struct frame *f, struct err *e)
{
	const json_t *v = json_array_get(f->node, f->index++);
	const char *item = json_string_value(json_object_get(v, "Item"));
	size_t len = f->path_len;

	if (!set_path(w, len, "[]", "", e))
		return false;
	if (!f->any && find_key(w, w->path) == NULL && item != NULL &&
	    (!set_path(w, len, "[]<", item, e) ||
	        !set_path(w, strlen(w->path), ">", "", e)))
		return false;
	return put_known(w, f, NULL, v, e);
}

static bool
put_member(struct walk *w, struct frame *f, struct err *e)
{
	const char *name = json_object_iter_key(f->next);
	const json_t *v = json_object_iter_value(f->next);
	size_t len = f->path_len;

	f->next = json_object_iter_next((json_t *)f->node, f->next);
	if (!set_path(w, len, len > 0 ? "." : "", name, e))
		return false;
	pl_key(w->out, name);
	return put_known(w, f, name, v, e);
}

static bool
step(struct walk *w, struct err *e)
{
	struct frame *f = &w->stack[w->depth - 1];
	bool array = json_is_array(f->node);

	if (array && f->index < json_array_size(f->node))
		return put_item(w, f, e);
	if (!array && f->next != NULL)
		return put_member(w, f, e);
	if (array)
		pl_array_end(w->out);
	else
		pl_dict_end(w->out);
	w->depth--;
	return true;
}

bool
mdm_catalogue_build(const char *request_type, const json_t *args,
    struct buf *out, struct err *e)
{
	AUTO(json_free) json_t *none = json_object();
	struct walk w = { .command = find_command(request_type), .out = out };

	if (w.command == NULL)
		return unknown_command(request_type, e);
	if (args == NULL)
		args = none;
	if (!json_is_object(args))
		return err_set(
		    e, ERR_INVALID, "%s: an object is expected", request_type);
	if (!check_members(&w, args, e) || !push(&w, args, false, e))
		return false;
	pl_key_str(out, "RequestType", request_type);
	while (w.depth > 0)
		if (!step(&w, e))
			return false;
	return buf_ok(out, e);
}

const char *const *
mdm_catalogue_names(void)
{
	return mdm_catalogue_all;
}
