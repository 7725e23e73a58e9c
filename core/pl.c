/*
 * Property lists from outside: parsing and checked access.  A struct pl is
 * libplist's node under another name; it belongs to one thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plist/plist.h>

#include "core/clock.h"
#include "core/encode.h"
#include "core/limits.h"
#include "core/pl_priv.h"

static const char *const type_names[] = {
	[PLIST_BOOLEAN] = "a boolean",
	[PLIST_UINT] = "an integer",
	[PLIST_STRING] = "a string",
	[PLIST_ARRAY] = "an array",
	[PLIST_DICT] = "a dictionary",
	[PLIST_DATA] = "data",
};

/* A walk through the children of a dictionary or an array. */
struct walk {
	plist_t node;
	bool dict;
	void *iter; /* malloc'ed by libplist */
	char *key;  /* of the present child, malloc'ed; NULL in an array */
};

/* libplist does not know const; none of the getters changes a node. */
static plist_t
node_of(const struct pl *p)
{
	return (plist_t)p;
}

static const struct pl *
borrowed(plist_t node)
{
	return node;
}

static void
walk_begin(struct walk *w, plist_t node)
{
	*w = (struct walk){ .node = node,
		.dict = plist_get_node_type(node) == PLIST_DICT };
	if (w->dict)
		plist_dict_new_iter(node, &w->iter);
	else if (plist_get_node_type(node) == PLIST_ARRAY)
		plist_array_new_iter(node, &w->iter);
}

/* The next child, or NULL at the end and for what has no children. */
static plist_t
walk_next(struct walk *w, bool want_key)
{
	plist_t child = NULL;

	free(w->key);
	w->key = NULL;
	if (w->iter == NULL)
		return NULL;
	if (w->dict)
		plist_dict_next_item(
		    w->node, w->iter, want_key ? &w->key : NULL, &child);
	else
		plist_array_next_item(w->node, w->iter, &child);
	return child;
}

static void
walk_end(struct walk *w)
{
	free(w->key);
	free(w->iter);
}

/*
 * Values in the tree below and with node.  Recursion over a tree whose depth
 * pl_scan() bounds.
 */
static size_t
count_values(plist_t node)
{
	AUTO(walk_end) struct walk w;
	size_t count = 1;
	plist_t child;

	walk_begin(&w, node);
	while ((child = walk_next(&w, false)) != NULL)
		count += count_values(child);
	return count;
}

bool
pl_parse(struct slice xml, struct pl **out, struct err *e)
{
	AUTO(pl_free) struct pl *p = NULL;
	struct slice text;
	plist_t root = NULL;
	size_t values;

	if (xml.len > LIMIT_BODY_CONNECT)
		return err_set(e, ERR_TOO_LARGE, "plist: longer than %d bytes",
		    LIMIT_BODY_CONNECT);
	if (!pl_scan(xml, &text, &values, e))
		return false;
	plist_from_xml((const char *)text.p, (uint32_t)text.len, &root);
	p = root;
	if (root == NULL)
		return err_set(e, ERR_INVALID, "plist: malformed XML");
	/*
	 * libplist keeps the last of duplicate keys, other readers the first:
	 * a document that says two things says nothing.  The count also shows
	 * any other difference between what was checked and what was read.
	 */
	if (plist_get_node_type(root) != PLIST_DICT ||
	    count_values(root) != values)
		return err_set(
		    e, ERR_INVALID, "plist: a dictionary has a key twice");
	*out = TAKE(p);
	return true;
}

void
pl_free(struct pl **p)
{
	if (*p != NULL)
		plist_free(*p);
	*p = NULL;
}

/* The value of key in p, NULL if absent; ERR_INVALID for another type. */
static bool
lookup(const struct pl *p, const char *key, plist_type type, plist_t *out,
    struct err *e)
{
	plist_t node = plist_dict_get_item(node_of(p), key);

	if (node != NULL && plist_get_node_type(node) != type)
		return err_set(
		    e, ERR_INVALID, "%s: not %s", key, type_names[type]);
	*out = node;
	return true;
}

static bool
too_long(const char *key, size_t max, struct err *e)
{
	return err_set(e, ERR_INVALID, "%s: longer than %zu bytes", key, max);
}

bool
pl_get_str(const struct pl *p, const char *key, size_t max, const char **out,
    struct err *e)
{
	const char *s = NULL;
	uint64_t len = 0;
	plist_t node = NULL;

	if (!lookup(p, key, PLIST_STRING, &node, e))
		return false;
	if (node != NULL)
		s = plist_get_string_ptr(node, &len);
	if (len > max)
		return too_long(key, max, e);
	*out = s;
	return true;
}

bool
pl_need_str(const struct pl *p, const char *key, size_t max, const char **out,
    struct err *e)
{
	const char *s;

	if (!pl_get_str(p, key, max, &s, e))
		return false;
	if (str_empty(s))
		return err_set(e, ERR_INVALID, "%s: missing", key);
	*out = s;
	return true;
}

bool
pl_get_bool(
    const struct pl *p, const char *key, bool absent, bool *out, struct err *e)
{
	uint8_t value = absent;
	plist_t node = NULL;

	if (!lookup(p, key, PLIST_BOOLEAN, &node, e))
		return false;
	if (node != NULL)
		plist_get_bool_val(node, &value);
	*out = value != 0;
	return true;
}

bool
pl_get_int(const struct pl *p, const char *key, int64_t absent, int64_t *out,
    struct err *e)
{
	uint64_t value = (uint64_t)absent;
	plist_t node = NULL;

	if (!lookup(p, key, PLIST_UINT, &node, e))
		return false;
	/* pl_scan() saw that it fits; libplist gives -5 as 2^64 - 5. */
	if (node != NULL)
		plist_get_uint_val(node, &value);
	*out = (int64_t)value;
	return true;
}

bool
pl_get_data(const struct pl *p, const char *key, size_t max, struct slice *out,
    struct err *e)
{
	const char *data = NULL;
	uint64_t len = 0;
	plist_t node = NULL;

	if (!lookup(p, key, PLIST_DATA, &node, e))
		return false;
	if (node != NULL)
		data = plist_get_data_ptr(node, &len);
	if (len > max)
		return too_long(key, max, e);
	*out = slice_of(data, data != NULL ? len : 0);
	return true;
}

static bool
get_container(const struct pl *p, const char *key, plist_type type,
    const struct pl **out, struct err *e)
{
	plist_t node = NULL;

	if (!lookup(p, key, type, &node, e))
		return false;
	*out = borrowed(node);
	return true;
}

bool
pl_get_dict(
    const struct pl *p, const char *key, const struct pl **out, struct err *e)
{
	return get_container(p, key, PLIST_DICT, out, e);
}

bool
pl_get_array(
    const struct pl *p, const char *key, const struct pl **out, struct err *e)
{
	return get_container(p, key, PLIST_ARRAY, out, e);
}

bool
pl_has(const struct pl *p, const char *key)
{
	return plist_dict_get_item(node_of(p), key) != NULL;
}

size_t
pl_array_len(const struct pl *array)
{
	return plist_array_get_size(node_of(array));
}

const struct pl *
pl_array_item(const struct pl *array, size_t i)
{
	if (i >= pl_array_len(array))
		return NULL;
	return borrowed(plist_array_get_item(node_of(array), (uint32_t)i));
}

const char *
pl_node_str(const struct pl *node)
{
	if (plist_get_node_type(node_of(node)) != PLIST_STRING)
		return NULL;
	return plist_get_string_ptr(node_of(node), NULL);
}

bool
pl_is_dict(const struct pl *node)
{
	return plist_get_node_type(node_of(node)) == PLIST_DICT;
}

/*
 * libplist's getter has 32 bits for seconds since 2001: 4001-01-01, Apple's
 * "never", does not fit.  Its writer knows better, but does not pad years.
 */
static void
date_to_json(plist_t node, struct buf *out)
{
	char *xml = NULL, *at, *end;
	char padded[21];
	uint32_t len = 0;
	size_t width;

	plist_to_xml(node, &xml, &len);
	at = xml != NULL ? strstr(xml, "<date>") : NULL;
	end = at != NULL ? strstr(at, "</date>") : NULL;
	width = end != NULL ? (size_t)(end - at) - strlen("<date>") : 0;
	if (width == 0 || width >= sizeof(padded)) {
		buf_adds(out, "null");
	} else {
		memset(padded, '0', sizeof(padded) - 1);
		memcpy(padded + sizeof(padded) - 1 - width,
		    at + strlen("<date>"), width);
		padded[sizeof(padded) - 1] = '\0';
		buf_addf(out, "\"%s\"", padded);
	}
	plist_to_xml_free(xml);
}

static void
scalar_to_json(plist_t node, struct buf *out)
{
	uint64_t n = 0, len = 0;
	const char *p;
	uint8_t yes = 0;
	double d = 0;

	switch (plist_get_node_type(node)) {
	case PLIST_BOOLEAN:
		plist_get_bool_val(node, &yes);
		buf_adds(out, yes ? "true" : "false");
		break;
	case PLIST_UINT:
		plist_get_uint_val(node, &n);
		buf_addf(out, "%lld", (long long)n);
		break;
	case PLIST_REAL:
		plist_get_real_val(node, &d);
		if (isfinite(d))
			buf_addf(out, "%.17g", d);
		else
			buf_adds(out, "null");
		break;
	case PLIST_STRING:
		p = plist_get_string_ptr(node, &len);
		json_escape(out, slice_of(p, len));
		break;
	case PLIST_DATA:
		p = plist_get_data_ptr(node, &len);
		buf_addc(out, '"');
		b64_encode(out, slice_of(p, p != NULL ? len : 0));
		buf_addc(out, '"');
		break;
	case PLIST_DATE:
		date_to_json(node, out);
		break;
	default:
		buf_adds(out, "null");
		break;
	}
}

/* Recursion over a tree whose depth pl_scan() bounds. */
static void
node_to_json(plist_t node, struct buf *out)
{
	AUTO(walk_end) struct walk w;
	const char *separator = "";
	plist_t child;

	walk_begin(&w, node);
	if (w.iter == NULL) {
		scalar_to_json(node, out);
		return;
	}
	buf_addc(out, w.dict ? '{' : '[');
	while ((child = walk_next(&w, true)) != NULL) {
		buf_adds(out, separator);
		if (w.dict) {
			json_escape(out, slice_str(w.key));
			buf_addc(out, ':');
		}
		node_to_json(child, out);
		separator = ",";
	}
	buf_addc(out, w.dict ? '}' : ']');
}

bool
pl_to_json(const struct pl *node, struct buf *out, struct err *e)
{
	node_to_json(node_of(node), out);
	return buf_ok(out, e);
}
