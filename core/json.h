/*
 * JSON from outside, read with bounds over jansson (the one home of
 * jansson.h's parser; other files may build values with jansson).
 */
#pragma once

#include <jansson.h>

#include "core/str.h"

/* For AUTO(json_free). */
void json_free(json_t **j);

/*
 * Parses one object.  Duplicate keys, nesting deeper than LIMIT_JSON_DEPTH,
 * NUL characters, trailing bytes and other roots are ERR_INVALID.
 */
MUST_CHECK bool json_parse(struct slice in, json_t **out, struct err *e);
/* As json_parse(), for a document of our own making that may be an array. */
MUST_CHECK bool json_parse_any(struct slice in, json_t **out, struct err *e);

/* Absent or null: success with NULL / absent.  Wrong type or longer than max
 * bytes: ERR_INVALID that names the key.  Strings are borrowed. */
MUST_CHECK bool json_get_str(const json_t *o, const char *key, size_t max,
    const char **out, struct err *e);
MUST_CHECK bool json_need_str(const json_t *o, const char *key, size_t max,
    const char **out, struct err *e);
MUST_CHECK bool json_get_bool(
    const json_t *o, const char *key, bool absent, bool *out, struct err *e);
MUST_CHECK bool json_get_int(const json_t *o, const char *key, int64_t absent,
    int64_t *out, struct err *e);
/* ERR_INVALID naming the first key of o that is not in the NULL-ended list. */
MUST_CHECK bool json_only_keys(
    const json_t *o, const char *const *keys, struct err *e);

/* Compact text, keys in the order they were set; free with str_free(). */
char *json_text(const json_t *j);
/*
 * Sets key to a string, or to null for NULL.  (jansson dislikes NULL.)  Bytes
 * that are not UTF-8 become U+FFFD.
 */
void json_put_str(json_t *o, const char *key, const char *s);
void json_put_int(json_t *o, const char *key, int64_t n);
void json_put_bool(json_t *o, const char *key, bool v);
/* RFC 3339 text, or null for 0. */
void json_put_time(json_t *o, const char *key, int64_t at_ms);
