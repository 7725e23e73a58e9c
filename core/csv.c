/* CSV for spreadsheets.  No state; any thread. */
#include <string.h>

#include "core/csv.h"

static bool
is_formula(const char *s)
{
	return *s != '\0' && strchr("=+-@\t\r\n", *s) != NULL;
}

static void
add_text(struct buf *out, struct slice text)
{
	while (text.len > 0) {
		size_t step = slice_utf8_step(text);
		struct slice c = slice_of(text.p, step);

		if (step == 0 || slice_utf8_steers(c))
			buf_adds(out, "\xef\xbf\xbd");
		else if (c.p[0] == '"')
			buf_adds(out, "\"\"");
		else
			buf_add(out, c.p, step);
		step += step == 0;
		text = slice_of(text.p + step, text.len - step);
	}
}

void
csv_cell(struct buf *out, const char *text, bool last)
{
	const char *s = text != NULL ? text : "";
	bool formula = is_formula(s);
	bool quoted = formula || strpbrk(s, ",\"") != NULL || s[0] == ' ' ||
	              (*s != '\0' && s[strlen(s) - 1] == ' ');

	if (quoted)
		buf_addc(out, '"');
	if (formula)
		buf_addc(out, '\'');
	add_text(out, slice_str(s));
	if (quoted)
		buf_addc(out, '"');
	buf_adds(out, last ? "\r\n" : ",");
}
