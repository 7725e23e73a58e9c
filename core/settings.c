/*
 * Settings.  Filled while the program starts, on one thread; read-only
 * afterwards, and then any thread may read.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/settings.h"

enum { FILE_MAX = 64 << 10, NAME_MAX_SIZE = 64 };

struct settings {
	const struct setting_row *rows; /* borrowed */
	size_t count;
	struct value {
		char *text;     /* NULL: unset */
		int64_t number; /* of SETTING_INT; 0 or 1 of SETTING_BOOL */
		bool given;     /* it is not the default */
	} * values;             /* one a row */
};

/* The index of the row, or count if no row has this name. */
static size_t
find(const struct settings *s, const char *name)
{
	size_t i = 0;

	while (i < s->count && !str_eq(s->rows[i].name, name))
		i++;
	return i;
}

/* The value of a row that the caller knows to be there. */
static const struct value *
known(const struct settings *s, const char *name)
{
	size_t i = find(s, name);

	assert(i < s->count);
	return &s->values[i];
}

static bool
to_bool(const char *text, int64_t *out)
{
	static const struct {
		const char *text;
		bool yes;
	} words[] = {
		{ "yes", true },
		{ "no", false },
		{ "true", true },
		{ "false", false },
		{ "on", true },
		{ "off", false },
		{ "1", true },
		{ "0", false },
	};

	for (size_t i = 0; i < COUNT(words); i++) {
		if (str_ieq(text, words[i].text)) {
			*out = words[i].yes;
			return true;
		}
	}
	return false;
}

/* Checks text against the row. */
static bool
to_number(const struct setting_row *row, const char *text, int64_t *out,
    struct err *e)
{
	switch (row->type) {
	case SETTING_INT:
		if (str_to_i64(text, row->min, row->max, out))
			return true;
		return err_set(e, ERR_INVALID,
		    "%s: must be a number from %lld to %lld", row->name,
		    (long long)row->min, (long long)row->max);
	case SETTING_BOOL:
		if (to_bool(text, out))
			return true;
		return err_set(
		    e, ERR_INVALID, "%s: must be yes or no", row->name);
	case SETTING_STR:
		break;
	}
	*out = 0;
	return true;
}

struct settings *
settings_new(const struct setting_row *rows, size_t count)
{
	struct settings *s = mem_zalloc(1, sizeof(*s));
	struct err e;

	s->rows = rows;
	s->count = count;
	s->values = mem_zalloc(count, sizeof(*s->values));
	for (size_t i = 0; i < count; i++) {
		bool ok = rows[i].initial == NULL ||
		          settings_set(s, rows[i].name, rows[i].initial, &e);

		assert(ok); /* a default that its own row forbids */
		(void)ok;
		s->values[i].given = false;
	}
	return s;
}

void
settings_free(struct settings **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->count; i++)
		str_free(&(*s)->values[i].text);
	free((*s)->values);
	mem_free(s);
}

bool
settings_set(
    struct settings *s, const char *name, const char *value, struct err *e)
{
	size_t i = find(s, name);
	char *old;
	int64_t number;

	if (i == s->count)
		return err_set(e, ERR_INVALID, "%s: no such setting", name);
	if (!to_number(&s->rows[i], value, &number, e))
		return false;
	/* The old text goes last: value may be that. */
	old = s->values[i].text;
	s->values[i].given = *value != '\0';
	s->values[i].text = *value != '\0' ? str_dup(value) : NULL;
	s->values[i].number = number;
	str_free(&old);
	return true;
}

/* s without white space at either end. */
static struct slice
trim(struct slice s)
{
	while (s.len > 0 && strchr(" \t\r", s.p[0]) != NULL)
		s.p++, s.len--;
	while (s.len > 0 && strchr(" \t\r", s.p[s.len - 1]) != NULL)
		s.len--;
	return s;
}

static char *
text_of(struct slice s)
{
	return str_printf("%.*s", (int)s.len, (const char *)s.p);
}

/* One line of a file; seen has a flag for each row. */
static bool
set_line(struct settings *s, struct slice line, bool *seen, struct err *e)
{
	AUTO(str_free) char *name = NULL;
	AUTO(str_free) char *value = NULL;
	const uint8_t *equals;
	size_t i;

	line = trim(line);
	if (line.len == 0 || line.p[0] == '#')
		return true;
	equals = memchr(line.p, '=', line.len);
	if (equals == NULL || !slice_utf8_valid(line))
		return err_set(e, ERR_INVALID, "not of the form name = value");
	name = text_of(trim(slice_of(line.p, (size_t)(equals - line.p))));
	value = text_of(trim(
	    slice_of(equals + 1, (size_t)(line.p + line.len - equals - 1))));
	i = find(s, name);
	if (i < s->count && seen[i])
		return err_set(e, ERR_INVALID, "%s: a second time", name);
	if (i < s->count)
		seen[i] = true;
	return settings_set(s, name, value, e);
}

bool
settings_load(struct settings *s, const char *path, struct err *e)
{
	AUTO(mem_free) bool *seen = mem_zalloc(s->count, sizeof(*seen));
	AUTO(buf_free) struct buf *text = NULL;
	struct slice rest;

	if (!file_read(path, FILE_MAX, &text, e))
		return false;
	rest = buf_slice(text);
	if (rest.len > 0 && memchr(rest.p, '\0', rest.len) != NULL)
		return err_set(e, ERR_INVALID, "%s: not a text", path);
	for (unsigned line = 1; rest.len > 0; line++) {
		const uint8_t *end = memchr(rest.p, '\n', rest.len);
		size_t len = end != NULL ? (size_t)(end - rest.p) : rest.len;

		if (!set_line(s, slice_of(rest.p, len), seen, e))
			return err_wrap(e, "%s:%u", path, line);
		len += end != NULL;
		rest.p += len;
		rest.len -= len;
	}
	return true;
}

/* "device-port" to "MUTSU_DEVICE_PORT". */
static void
env_name(char out[NAME_MAX_SIZE], const char *name)
{
	static const char prefix[] = "MUTSU_";
	size_t len = sizeof(prefix) - 1;

	assert(len + strlen(name) < NAME_MAX_SIZE);
	memcpy(out, prefix, len);
	for (; *name != '\0'; name++) {
		char c = *name == '-' ? '_' : *name;

		out[len++] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
	}
	out[len] = '\0';
}

bool
settings_env(struct settings *s, struct err *e)
{
	char variable[NAME_MAX_SIZE];

	for (size_t i = 0; i < s->count; i++) {
		const char *value;

		env_name(variable, s->rows[i].name);
		value = getenv(variable);
		if (value == NULL)
			continue;
		if (!slice_utf8_valid(slice_str(value)))
			return err_set(
			    e, ERR_INVALID, "%s: not UTF-8", variable);
		if (!settings_set(s, s->rows[i].name, value, e))
			return err_wrap(e, "%s", variable);
	}
	return true;
}

const char *
settings_str(const struct settings *s, const char *name)
{
	return known(s, name)->text;
}

int64_t
settings_int(const struct settings *s, const char *name)
{
	return known(s, name)->number;
}

bool
settings_bool(const struct settings *s, const char *name)
{
	return known(s, name)->number != 0;
}

bool
settings_given(const struct settings *s, const char *name)
{
	return known(s, name)->given;
}

void
settings_help(const struct setting_row *rows, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		buf_addf(out, "  --%-24s  %s", rows[i].name, rows[i].help);
		if (rows[i].initial != NULL)
			buf_addf(out, " (%s)", rows[i].initial);
		buf_addc(out, '\n');
	}
}
