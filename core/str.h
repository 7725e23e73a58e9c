/*
 * Strings, byte ranges and growing buffers.
 *
 * A struct slice borrows bytes; a struct buf owns them and has a maximum, so
 * that nothing an outsider sends can make it grow without bound.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/auto.h"
#include "core/err.h"

/* Borrowed bytes, not NUL-terminated. */
struct slice {
	const uint8_t *p;
	size_t len;
};

/* The bytes of a string without its NUL; an empty slice for NULL. */
struct slice slice_str(const char *s);
struct slice slice_of(const void *p, size_t len);
/* FNV-1a, 64 bits: for tables of ours, not against who looks for collisions. */
uint64_t slice_hash(struct slice s);
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *s);
bool slice_utf8_valid(struct slice s);
/* Bytes of the UTF-8 character s begins with; 0 if there is none. */
size_t slice_utf8_step(struct slice s);
/* Whether this one character of UTF-8 steers a terminal in place of being
 * shown: control characters (C0, C1), line ends and what turns the direction of
 * reading around. */
bool slice_utf8_steers(struct slice c);
/* As str_to_i64(). */
MUST_CHECK bool slice_to_i64(
    struct slice s, int64_t min, int64_t max, int64_t *out);

/* Strings equal; two NULLs are equal, a NULL and a string are not. */
bool str_eq(const char *a, const char *b);
/* As str_eq(), ASCII letters compared without case. */
bool str_ieq(const char *a, const char *b);
/* False for a NULL s. */
bool str_starts(const char *s, const char *prefix);
/* NULL or "". */
bool str_empty(const char *s);
/*
 * Characters (code points) of UTF-8 text, or SIZE_MAX when it is not valid
 * UTF-8.
 */
size_t str_utf8_len(const char *s);
/* Copies s whole; false when it does not fit.  size includes the NUL. */
MUST_CHECK bool str_copy(char *dst, size_t size, const char *s);
/* Copies as much of s as fits, cut at a UTF-8 boundary.  May overlap. */
void str_copy_cut(char *dst, size_t size, const char *s);
/* A decimal number within [min, max] and nothing else; false otherwise. */
MUST_CHECK bool str_to_i64(
    const char *s, int64_t min, int64_t max, int64_t *out);
/* Never NULL: running out of memory ends the process.  NULL gives NULL. */
char *str_dup(const char *s);
char *str_printf(const char *fmt, ...) PRINTF(1, 2) NOT_NULL;
void str_free(char **s);
/* As str_free(), wiping the bytes first. */
void str_wipe(char **s);
/* Time and content of the comparison do not depend on each other. */
bool mem_eq_const_time(const void *a, const void *b, size_t len);
void mem_wipe(void *p, size_t len);
/*
 * From here on nobody but root reads the memory of this process: no core dumps,
 * and no debuggers of the same user.  /proc/PID becomes root's as well.
 */
MUST_CHECK bool mem_keep_private(struct err *e);

/* malloc/calloc/realloc that end the process when there is no memory. */
void *mem_alloc(size_t size) NOT_NULL;
void *mem_zalloc(size_t count, size_t size) NOT_NULL;
void *mem_realloc(void *p, size_t size) NOT_NULL;
void mem_free(void *pp); /* address of a pointer: frees, leaves NULL */

/*
 * Growing bytes.  Always NUL-terminated behind len, so text may be used as a
 * string.  Writing past max sets overflow and drops this and all later
 * writes; check once, at the end, with buf_ok().  What is added may not point
 * into the buffer itself.
 */
struct buf {
	uint8_t *p;
	size_t len, cap, max;
	bool overflow;
};

struct buf *buf_new(size_t max) NOT_NULL;
void buf_free(struct buf **b);
/* As buf_free(), wiping the bytes first: for key material. */
void buf_wipe(struct buf **b);
void buf_reset(struct buf *b);
void buf_add(struct buf *b, const void *p, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/*
 * Adds len bytes for the caller to fill and returns where they start, valid
 * until the next call on b; NULL if they do not fit.
 */
uint8_t *buf_grow(struct buf *b, size_t len);
/* Shortens the content to len bytes; a buffer that is shorter stays. */
void buf_cut(struct buf *b, size_t len);
/* Adds UTF-8 text; bytes that are not become U+FFFD. */
void buf_add_utf8(struct buf *b, struct slice text);
struct slice buf_slice(const struct buf *b);
const char *buf_str(const struct buf *b);
/* ERR_TOO_LARGE if anything did not fit. */
MUST_CHECK bool buf_ok(const struct buf *b, struct err *e);
