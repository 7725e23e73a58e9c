/* CSV for spreadsheets.  No state; any thread. */
#include <string.h>

#include "core/csv.h"

static bool
is_formula(const char *s)
{
	return *s != '\0' && strchr("=+-@\t\r\n", *s) != NULL;
}

void
csv_cell(struct buf *out, const char *text, bool last)
{
	const char *s = text != NULL ? text : "";
	bool formula = is_formula(s);
	bool quoted = formula || strpbrk(s, ",\"\r\n") != NULL || s[0] == ' ' ||
	              (*s != '\0' && s[strlen(s) - 1] == ' ');

	if (quoted)
		buf_addc(out, '"');
	if (formula)
		buf_addc(out, '\'');
	while (*s != '\0') {
		size_t n = strcspn(s, "\"");

		buf_add_utf8(out, slice_of(s, n));
		s += n;
		if (*s == '"') {
			buf_adds(out, "\"\"");
			s++;
		}
	}
	if (quoted)
		buf_addc(out, '"');
	buf_adds(out, last ? "\r\n" : ",");
}
