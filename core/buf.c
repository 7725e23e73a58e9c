/*
 * Growing bytes with a maximum.  A struct buf belongs to one thread at a time.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"

enum { BUF_FIRST = 64 };

struct buf *
buf_new(size_t max)
{
	struct buf *b = mem_zalloc(1, sizeof(*b));

	b->max = max;
	b->cap = max < BUF_FIRST ? max : BUF_FIRST;
	b->p = mem_alloc(b->cap + 1);
	b->p[0] = '\0';
	return b;
}

void
buf_free(struct buf **b)
{
	if (*b == NULL)
		return;
	free((*b)->p);
	free(*b);
	*b = NULL;
}

void
buf_wipe(struct buf **b)
{
	if (*b != NULL)
		mem_wipe((*b)->p, (*b)->cap);
	buf_free(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	b->p[0] = '\0';
}

/* Room for len more bytes, or false and overflow. */
static bool
reserve(struct buf *b, size_t len)
{
	size_t cap = b->cap;
	uint8_t *p;

	/* What came after a dropped write would stand in the wrong place. */
	if (b->overflow || len > b->max - b->len) {
		b->overflow = true;
		return false;
	}
	if (len <= b->cap - b->len)
		return true;
	while (cap - b->len < len)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	/*
	 * Not realloc(): a buffer may hold key material, and no copy of that
	 * may stay behind in freed memory.
	 */
	p = mem_alloc(cap + 1);
	memcpy(p, b->p, b->len + 1);
	mem_wipe(b->p, b->len);
	free(b->p);
	b->p = p;
	b->cap = cap;
	return true;
}

uint8_t *
buf_grow(struct buf *b, size_t len)
{
	uint8_t *at;

	if (!reserve(b, len))
		return NULL;
	at = b->p + b->len;
	b->len += len;
	b->p[b->len] = '\0';
	return at;
}

void
buf_cut(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->p[len] = '\0';
}

void
buf_add(struct buf *b, const void *p, size_t len)
{
	uint8_t *at;

	if (len == 0)
		return;
	at = buf_grow(b, len);
	if (at != NULL)
		memcpy(at, p, len);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->cap - b->len;
	va_list ap, again;
	size_t len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = (size_t)vsnprintf((char *)b->p + b->len, room + 1, fmt, ap);
	va_end(ap);
	if (b->overflow || len > room) {
		b->p[b->len] = '\0';
		if (reserve(b, len))
			vsnprintf((char *)b->p + b->len, len + 1, fmt, again);
	}
	va_end(again);
	if (b->overflow)
		b->p[b->len] = '\0';
	else
		b->len += len;
}

void
buf_add_utf8(struct buf *b, struct slice text)
{
	while (text.len > 0) {
		size_t step = slice_utf8_step(text);

		if (step > 0)
			buf_add(b, text.p, step);
		else
			buf_adds(b, "\xef\xbf\xbd");
		text.p += step > 0 ? step : 1;
		text.len -= step > 0 ? step : 1;
	}
}

struct slice
buf_slice(const struct buf *b)
{
	return slice_of(b->p, b->len);
}

const char *
buf_str(const struct buf *b)
{
	return (const char *)b->p;
}

bool
buf_ok(const struct buf *b, struct err *e)
{
	if (b->overflow)
		return err_set(e, ERR_TOO_LARGE, "more than %zu bytes", b->max);
	return true;
}
