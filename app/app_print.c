/* Tables for people, JSON for programs.  One thread. */
#include <stdarg.h>
#include <stdio.h>

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

/* Control characters (C0, C1), line ends and what turns the direction of
 * reading around. */
static bool
steers(struct slice c)
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

size_t
app_print_safe(FILE *f, const char *s, size_t most)
{
	struct slice rest = slice_str(s);
	size_t shown = 0;

	for (; rest.len > 0 && shown < most; shown++) {
		size_t step = slice_utf8_step(rest);

		if (step == 0 || steers(slice_of(rest.p, step)))
			putc('?', f);
		else
			fwrite(rest.p, 1, step, f);
		step += step == 0;
		rest = slice_of(rest.p + step, rest.len - step);
	}
	return shown;
}

static void
print_cell(const char *s, size_t width, bool last)
{
	size_t shown = app_print_safe(stdout, s, last ? SIZE_MAX : CELL_MAX);

	for (; !last && shown < width; shown++)
		putchar(' ');
	if (!last)
		printf("  ");
}

static size_t
cell_width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n > CELL_MAX ? CELL_MAX : n;
}

static void
measure(const json_t *rows, const struct app_column *columns, size_t *widths)
{
	char scratch[32];
	const json_t *row;
	size_t i;

	for (size_t c = 0; columns[c].title != NULL; c++)
		widths[c] = cell_width(columns[c].title);
	json_array_foreach(rows, i, row) for (size_t c = 0;
	                                      columns[c].title != NULL; c++)
	{
		size_t n = cell_width(
		    app_value(row, columns[c].key, scratch, sizeof(scratch)));

		if (n > widths[c])
			widths[c] = n;
	}
}

void
app_print_list(const struct app_args *a, const json_t *rows,
    const struct app_column *columns, const char *empty)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	char scratch[32];
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
	for (size_t c = 0; columns[c].title != NULL; c++)
		print_cell(
		    columns[c].title, widths[c], columns[c + 1].title == NULL);
	putchar('\n');
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; columns[c].title != NULL; c++)
			print_cell(app_value(row, columns[c].key, scratch,
			               sizeof(scratch)),
			    widths[c], columns[c + 1].title == NULL);
		putchar('\n');
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
		print_cell(columns->title, 16, false);
		print_cell(v, 0, true);
		putchar('\n');
	}
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
