/*
 * The writer of XML plists.  All state is in the caller's buffer.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/encode.h"
#include "core/pl_priv.h"

static const char prolog[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
    "<plist version=\"1.0\">\n";

void
pl_begin(struct buf *b)
{
	assert(b->len == 0);
	buf_adds(b, prolog);
}

#ifdef MUTSU_CHECKS
/* What we write, we must be able to read: else the caller nested wrongly. */
static void
check(const struct buf *b)
{
	struct err e = { 0 };
	struct slice text;
	size_t values;

	assert(b->overflow || pl_scan(buf_slice(b), &text, &values, &e));
}
#else
static void
check(const struct buf *b)
{
	(void)b;
}
#endif

void
pl_end(struct buf *b)
{
	buf_adds(b, "</plist>\n");
	check(b);
}

void
pl_dict(struct buf *b)
{
	buf_adds(b, "<dict>\n");
}

void
pl_dict_end(struct buf *b)
{
	buf_adds(b, "</dict>\n");
}

void
pl_array(struct buf *b)
{
	buf_adds(b, "<array>\n");
}

void
pl_array_end(struct buf *b)
{
	buf_adds(b, "</array>\n");
}

void
pl_key(struct buf *b, const char *key)
{
	buf_adds(b, "<key>");
	xml_escape(b, key);
	buf_adds(b, "</key>");
}

void
pl_str(struct buf *b, const char *s)
{
	buf_adds(b, "<string>");
	xml_escape(b, s);
	buf_adds(b, "</string>\n");
}

void
pl_int(struct buf *b, int64_t n)
{
	buf_addf(b, "<integer>%lld</integer>\n", (long long)n);
}

void
pl_real(struct buf *b, double d)
{
	if (isfinite(d))
		buf_addf(b, "<real>%.17g</real>\n", d);
	else if (isnan(d))
		buf_adds(b, "<real>nan</real>\n");
	else
		buf_addf(b, "<real>%cinfinity</real>\n", d < 0 ? '-' : '+');
}

void
pl_bool(struct buf *b, bool v)
{
	buf_adds(b, v ? "<true/>\n" : "<false/>\n");
}

void
pl_data(struct buf *b, struct slice data)
{
	buf_adds(b, "<data>");
	b64_encode(b, data);
	buf_adds(b, "</data>\n");
}

void
pl_date(struct buf *b, int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format_s(text, at_ms);
	buf_addf(b, "<date>%s</date>\n", text);
}

void
pl_key_str(struct buf *b, const char *key, const char *s)
{
	if (s == NULL)
		return;
	pl_key(b, key);
	pl_str(b, s);
}

void
pl_key_int(struct buf *b, const char *key, int64_t n)
{
	pl_key(b, key);
	pl_int(b, n);
}

void
pl_key_bool(struct buf *b, const char *key, bool v)
{
	pl_key(b, key);
	pl_bool(b, v);
}

void
pl_key_data(struct buf *b, const char *key, struct slice data)
{
	pl_key(b, key);
	pl_data(b, data);
}
