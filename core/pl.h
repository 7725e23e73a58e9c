/*
 * Property lists from outside, read with bounds; and XML plists, written.
 *
 * libplist recurses and reports no errors, so XML is scanned first (size,
 * depth, node count, DOCTYPE subset), parsed then, and every getter checks
 * type and length.  Binary plists are refused.  Only the sources of this
 * header include libplist.  A struct pl belongs to one thread.
 */
#pragma once

#include "core/str.h"

struct pl; /* a parsed document, or a node borrowed from one */

/*
 * Parses an XML plist whose root is a dictionary.  ERR_INVALID for a binary
 * plist, another root, malformed or truncated XML, a key that is twice in one
 * dictionary, an integer beyond 64 bits with sign, or nesting deeper than
 * LIMIT_PLIST_DEPTH; ERR_TOO_LARGE for more than LIMIT_PLIST_NODES elements or
 * LIMIT_BODY_CONNECT bytes.  The text is not needed afterwards.
 */
MUST_CHECK bool pl_parse(struct slice xml, struct pl **out, struct err *e);
void pl_free(struct pl **p);

/*
 * Getters: value of key in a dictionary.  Absent is success with NULL / the
 * given default / an empty slice; of another type, or longer than max bytes,
 * is ERR_INVALID naming the key.  Strings are borrowed from p, are valid
 * UTF-8 and hold no NUL; other control characters they may hold.  In what is
 * not a dictionary every key is absent.
 */
MUST_CHECK bool pl_get_str(const struct pl *p, const char *key, size_t max,
    const char **out, struct err *e);
/* As pl_get_str(); absent or empty is ERR_INVALID. */
MUST_CHECK bool pl_need_str(const struct pl *p, const char *key, size_t max,
    const char **out, struct err *e);
MUST_CHECK bool pl_get_bool(
    const struct pl *p, const char *key, bool absent, bool *out, struct err *e);
MUST_CHECK bool pl_get_int(const struct pl *p, const char *key, int64_t absent,
    int64_t *out, struct err *e);
MUST_CHECK bool pl_get_data(const struct pl *p, const char *key, size_t max,
    struct slice *out, struct err *e);
MUST_CHECK bool pl_get_dict(
    const struct pl *p, const char *key, const struct pl **out, struct err *e);
MUST_CHECK bool pl_get_array(
    const struct pl *p, const char *key, const struct pl **out, struct err *e);
bool pl_has(const struct pl *p, const char *key);

/* Array access; item() of an index that is not there is NULL. */
size_t pl_array_len(const struct pl *array);
const struct pl *pl_array_item(const struct pl *array, size_t i);
/* The string a node is, or NULL when it is something else. */
const char *pl_node_str(const struct pl *node);
/* True if the node is a dictionary. */
bool pl_is_dict(const struct pl *node);

/*
 * Appends the node as JSON: data as base64 strings, dates as RFC 3339,
 * infinities and NaN as null.
 * For storing and showing what a device reported.
 */
MUST_CHECK bool pl_to_json(
    const struct pl *node, struct buf *out, struct err *e);

/*
 * Writer.  Emits one XML document; calls must nest properly, with a dictionary
 * at the root (pl_end() asserts it in builds with MUTSU_CHECKS).  The buffer
 * is empty at first.  Text is escaped; characters XML cannot hold are dropped.
 *
 *	pl_begin(b); pl_dict(b); pl_key_str(b, "PIN", pin);
 *	pl_dict_end(b); pl_end(b);
 */
void pl_begin(struct buf *b);
void pl_end(struct buf *b);
void pl_dict(struct buf *b);
void pl_dict_end(struct buf *b);
void pl_array(struct buf *b);
void pl_array_end(struct buf *b);
void pl_key(struct buf *b, const char *key);
void pl_str(struct buf *b, const char *s);
void pl_int(struct buf *b, int64_t n);
void pl_real(struct buf *b, double d);
void pl_bool(struct buf *b, bool v);
void pl_data(struct buf *b, struct slice data);
void pl_date(struct buf *b, int64_t at_ms);
/* key and value at once; a NULL string writes nothing. */
void pl_key_str(struct buf *b, const char *key, const char *s);
void pl_key_int(struct buf *b, const char *key, int64_t n);
void pl_key_bool(struct buf *b, const char *key, bool v);
void pl_key_data(struct buf *b, const char *key, struct slice data);
