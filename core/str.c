/*
 * Slices and strings.  No state; any thread may call.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/str.h"

struct slice
slice_str(const char *s)
{
	return slice_of(s, s != NULL ? strlen(s) : 0);
}

struct slice
slice_of(const void *p, size_t len)
{
	return (struct slice){ .p = p, .len = len };
}

uint64_t
slice_hash(struct slice s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * UINT64_C(1099511628211);
	return h;
}

bool
slice_eq(struct slice a, struct slice b)
{
	/* memcmp() may not be given NULL, not even with a length of 0. */
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool
slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

bool
slice_utf8_valid(struct slice s)
{
	while (s.len > 0) {
		size_t step = slice_utf8_step(s);

		if (step == 0)
			return false;
		s.p += step;
		s.len -= step;
	}
	return true;
}

/*
 * Unicode 15, table 3-7: the second byte has a narrower range after E0, ED,
 * F0 and F4, which shuts out overlong forms, surrogates and what lies beyond
 * U+10FFFF.
 */
size_t
slice_utf8_step(struct slice s)
{
	const uint8_t *p = s.p;
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (s.len < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
slice_utf8_steers(struct slice c)
{
	if (c.len == 1)
		return c.p[0] < 0x20 || c.p[0] == 0x7f;
	if (c.len == 2)
		return c.p[0] == 0xc2 && c.p[1] < 0xa0;
	if (c.len != 3 || c.p[0] != 0xe2)
		return false;
	return (c.p[1] == 0x80 && c.p[2] >= 0xa8 && c.p[2] <= 0xae) ||
	       (c.p[1] == 0x81 && c.p[2] >= 0xa6 && c.p[2] <= 0xa9);
}

bool
slice_to_i64(struct slice s, int64_t min, int64_t max, int64_t *out)
{
	bool negative = s.len > 0 && s.p[0] == '-';
	int64_t n = 0;

	if (s.len == (negative ? 1 : 0))
		return false;
	/* Counted downwards: INT64_MIN has no positive counterpart. */
	for (size_t i = negative; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_sub_overflow(n, s.p[i] - '0', &n))
			return false;
	}
	if (!negative && __builtin_sub_overflow(0, n, &n))
		return false;
	if (n < min || n > max)
		return false;
	*out = n;
	return true;
}

bool
str_eq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool
str_ieq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	/* Not strcasecmp(): the locale has no say here. */
	while (*a != '\0' && lower(*a) == lower(*b))
		a++, b++;
	return lower(*a) == lower(*b);
}

bool
str_starts(const char *s, const char *prefix)
{
	return s != NULL && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_empty(const char *s)
{
	return s == NULL || *s == '\0';
}

size_t
str_utf8_len(const char *s)
{
	struct slice rest = slice_str(s);
	size_t count = 0;

	for (; rest.len > 0; count++) {
		size_t step = slice_utf8_step(rest);

		if (step == 0)
			return SIZE_MAX;
		rest.p += step;
		rest.len -= step;
	}
	return count;
}

bool
str_copy(char *dst, size_t size, const char *s)
{
	size_t len = strlen(s);

	if (len >= size)
		return false;
	memcpy(dst, s, len + 1);
	return true;
}

void
str_copy_cut(char *dst, size_t size, const char *s)
{
	size_t len = strlen(s);

	if (size == 0)
		return;
	if (len >= size) {
		len = size - 1;
		/* s[len] continues a character: that one goes whole. */
		while (len > 0 && ((uint8_t)s[len] & 0xc0) == 0x80)
			len--;
	}
	memmove(dst, s, len);
	dst[len] = '\0';
}

bool
str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	return slice_to_i64(slice_str(s), min, max, out);
}

char *
str_dup(const char *s)
{
	size_t size;
	char *copy;

	if (s == NULL)
		return NULL;
	size = strlen(s) + 1;
	copy = mem_alloc(size);
	memcpy(copy, s, size);
	return copy;
}

char *
str_printf(const char *fmt, ...)
{
	va_list ap, again;
	size_t size;
	char *s;

	va_start(ap, fmt);
	va_copy(again, ap);
	size = (size_t)vsnprintf(NULL, 0, fmt, ap) + 1;
	va_end(ap);
	s = mem_alloc(size);
	vsnprintf(s, size, fmt, again);
	va_end(again);
	return s;
}

void
str_free(char **s)
{
	free(*s);
	*s = NULL;
}

void
str_wipe(char **s)
{
	if (*s != NULL)
		mem_wipe(*s, strlen(*s));
	str_free(s);
}
