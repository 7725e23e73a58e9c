/*
 * Text made safe for XML and JSON.  No state; any thread may call.
 */
#include <stdio.h>
#include <string.h>

#include "core/encode.h"

/* What stands for the character in XML; NULL: itself; "": nothing. */
static const char *
xml_reference(struct slice c)
{
	switch (c.p[0]) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\r':
		/* As itself, a reader would take it for a line feed. */
		return "&#13;";
	case '\t':
	case '\n':
		return NULL;
	case 0xef:
		/* U+FFFE and U+FFFF are not characters of XML. */
		if (c.len == 3 && c.p[1] == 0xbf && c.p[2] >= 0xbe)
			return "";
		return NULL;
	default:
		return c.p[0] < 0x20 || c.p[0] == 0x7f ? "" : NULL;
	}
}

void
xml_escape(struct buf *out, const char *s)
{
	struct slice rest = slice_str(s);
	size_t plain = 0; /* bytes at rest.p that go out as they are */

	while (plain < rest.len) {
		struct slice c = slice_of(rest.p + plain, rest.len - plain);
		size_t step = slice_utf8_step(c);
		const char *instead =
		    step > 0 ? xml_reference(slice_of(c.p, step)) : "";

		if (instead == NULL) {
			plain += step;
			continue;
		}
		buf_add(out, rest.p, plain);
		buf_adds(out, instead);
		plain += step > 0 ? step : 1;
		rest.p += plain;
		rest.len -= plain;
		plain = 0;
	}
	buf_add(out, rest.p, plain);
}

/* What stands for the character in JSON, made in room; NULL: itself. */
static const char *
json_reference(uint8_t c, char room[8])
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\t':
		return "\\t";
	default:
		break;
	}
	if (c >= 0x20)
		return NULL;
	snprintf(room, 8, "\\u%04x", c);
	return room;
}

void
json_escape(struct buf *out, struct slice text)
{
	size_t plain = 0; /* bytes at text.p that go out as they are */
	char room[8];

	buf_addc(out, '"');
	while (plain < text.len) {
		const char *instead = json_reference(text.p[plain], room);

		if (instead == NULL) {
			plain++;
			continue;
		}
		buf_add(out, text.p, plain);
		buf_adds(out, instead);
		text.p += plain + 1;
		text.len -= plain + 1;
		plain = 0;
	}
	buf_add(out, text.p, plain);
	buf_addc(out, '"');
}
