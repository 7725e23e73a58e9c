/* Tables for people, JSON for programs.  One thread. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/app_cli.h"
#include "core/json.h"

enum { CELL_MAX = 48, COLUMNS_MAX = 16 };

const char *
app_value(const json_t *o, const char *key, char *scratch, size_t size)
{
	const json_t *v = o;
	char part[64];

	while (v != NULL && *key != '\0') {
		size_t n = 0;

		while (key[n] != '\0' && key[n] != '.')
			n++;
		snprintf(part, sizeof(part), "%.*s", (int)n, key);
		v = json_object_get(v, part);
		key += n + (key[n] == '.');
	}
	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_integer(v))
		snprintf(
		    scratch, size, "%lld", (long long)json_integer_value(v));
	else if (json_is_boolean(v))
		snprintf(scratch, size, "%s", json_is_true(v) ? "yes" : "no");
	else
		snprintf(scratch, size, "%s", "");
	return scratch;
}

static void
print_json(const json_t *j)
{
	AUTO(str_free) char *text = json_dumps(j, JSON_INDENT(2));

	printf("%s\n", text);
}

/* Characters that take no column of their own, and those that take two, as
 * terminals show them (Unicode: combining marks, East Asian Width W and F);
 * all others take one.  The C library would need a locale to tell. */
static const struct span {
	uint32_t from, to;
} none_wide[] = {
	{ 0x0300, 0x036f },
	{ 0x200b, 0x200f },
	{ 0x20d0, 0x20f0 },
	{ 0x302a, 0x302d },
	{ 0x3099, 0x309a }, /* as Macs write names: ka and a mark are ga */
	{ 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f },
	{ 0xfeff, 0xfeff },
	{ 0xe0100, 0xe01ef },
}, two_wide[] = {
	{ 0x1100, 0x115f },
	{ 0x231a, 0x231b },
	{ 0x2329, 0x232a },
	{ 0x23e9, 0x23ec },
	{ 0x26a1, 0x26a1 },
	{ 0x2705, 0x2705 },
	{ 0x2728, 0x2728 },
	{ 0x274c, 0x274c },
	{ 0x2b50, 0x2b50 },
	{ 0x2e80, 0x303e },
	{ 0x3041, 0x4dbf },
	{ 0x4e00, 0xa4cf },
	{ 0xa960, 0xa97f },
	{ 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },
	{ 0xfe10, 0xfe19 },
	{ 0xfe30, 0xfe6f },
	{ 0xff01, 0xff60 },
	{ 0xffe0, 0xffe6 },
	{ 0x1f200, 0x1f265 },
	{ 0x1f300, 0x1f64f },
	{ 0x1f680, 0x1f6ff },
	{ 0x1f900, 0x1f9ff },
	{ 0x1fa70, 0x1faff },
	{ 0x20000, 0x3fffd },
};

static bool
among(const struct span *spans, size_t count, uint32_t c)
{
	for (size_t i = 0; i < count; i++)
		if (c >= spans[i].from && c <= spans[i].to)
			return true;
	return false;
}

/* Columns of one character of UTF-8. */
static size_t
columns_of(struct slice c)
{
	static const uint8_t lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t code = c.p[0] & lead[c.len];

	for (size_t i = 1; i < c.len; i++)
		code = code << 6 | (c.p[i] & 0x3f);
	if (among(none_wide, COUNT(none_wide), code))
		return 0;
	return among(two_wide, COUNT(two_wide), code) ? 2 : 1;
}

size_t
app_print_safe(FILE *f, const char *s, size_t most)
{
	struct slice rest = slice_str(s);
	size_t shown = 0;

	while (rest.len > 0) {
		size_t step = slice_utf8_step(rest);
		struct slice c = slice_of(rest.p, step);
		bool bad = step == 0 || slice_utf8_steers(c);
		size_t wide = bad ? 1 : columns_of(c);

		if (wide > most - shown)
			break;
		shown += wide;
		if (f != NULL && bad)
			putc('?', f);
		else if (f != NULL)
			fwrite(rest.p, 1, step, f);
		step += step == 0;
		rest = slice_of(rest.p + step, rest.len - step);
	}
	return shown;
}

/* How much of a cell is shown.  The first column names the row, and hex is a
 * fingerprint, a key or a UUID: what a command takes is never cut. */
static size_t
most_of(const char *s, size_t column)
{
	bool whole =
	    column == 0 || s[strspn(s, "0123456789abcdefABCDEF:-")] == '\0';

	return whole ? SIZE_MAX : CELL_MAX;
}

/* Filled up to width; 0: the last of its line. */
static void
print_cell(const char *s, size_t most, size_t width)
{
	size_t shown = app_print_safe(stdout, s, most);

	for (; shown < width; shown++)
		putchar(' ');
	if (width > 0)
		printf("  ");
}

static void
print_row(
    const json_t *row, const struct app_column *columns, const size_t *widths)
{
	char scratch[32];

	for (size_t c = 0; columns[c].title != NULL; c++) {
		bool last = columns[c + 1].title == NULL;
		const char *s = row == NULL ? columns[c].title
		                            : app_value(row, columns[c].key,
		                                  scratch, sizeof(scratch));

		print_cell(
		    s, last ? SIZE_MAX : most_of(s, c), last ? 0 : widths[c]);
	}
	putchar('\n');
}

static void
measure(const json_t *rows, const struct app_column *columns, size_t *widths)
{
	char scratch[32];
	const json_t *row;
	size_t i;

	for (size_t c = 0; columns[c].title != NULL; c++)
		widths[c] = app_print_safe(NULL, columns[c].title, SIZE_MAX);
	json_array_foreach(rows, i, row) for (size_t c = 0;
	                                      columns[c].title != NULL; c++)
	{
		const char *s =
		    app_value(row, columns[c].key, scratch, sizeof(scratch));
		size_t n = app_print_safe(NULL, s, most_of(s, c));

		if (n > widths[c])
			widths[c] = n;
	}
}

void
app_print_list(const struct app_args *a, const json_t *rows,
    const struct app_column *columns, const char *empty)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	const json_t *row;
	size_t i;

	if (a->json) {
		print_json(rows);
		return;
	}
	if (json_array_size(rows) == 0) {
		printf("%s\n", empty);
		return;
	}
	measure(rows, columns, widths);
	print_row(NULL, columns, widths);
	json_array_foreach(rows, i, row)
	{
		print_row(row, columns, widths);
	}
}

void
app_print_page(const struct app_args *a, const json_t *page, const char *key,
    const struct app_column *columns, const char *empty)
{
	const json_t *rows = json_object_get(page, key);

	app_print_list(a, rows, columns, empty);
	if (json_is_string(json_object_get(page, "next")))
		fprintf(stderr, "mutsu: there are more than these %zu\n",
		    json_array_size(rows));
}

void
app_print_one(const struct app_args *a, const json_t *object,
    const struct app_column *columns)
{
	char scratch[32];

	if (a->json) {
		print_json(object);
		return;
	}
	for (; columns->title != NULL; columns++) {
		const char *v =
		    app_value(object, columns->key, scratch, sizeof(scratch));

		if (*v == '\0')
			continue;
		print_cell(columns->title, SIZE_MAX, 16);
		print_cell(v, SIZE_MAX, 0);
		putchar('\n');
	}
}

int
app_wrong(const char *what)
{
	fputs("mutsu: ", stderr);
	app_print_safe(stderr, what, SIZE_MAX);
	fputs("\n", stderr);
	return APP_USAGE;
}

void
app_say(const struct app_args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}
