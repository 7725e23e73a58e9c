/*
 * Options of a subcommand, parsed by the rows of its table, and their help from
 * the same rows.  One thread.
 */
#include <stdio.h>
#include <string.h>

#include "app/app_cli_priv.h"
#include "app/app_settings.h"

/* Of the left column of help; that of settings_help() is as wide. */
enum { NAME_MAX_SHOWN = 26 };

/* Every subcommand has the first two, and those that ask the server all. */
static const struct app_option common[] = {
	{ "json", NULL, "print JSON, for programs" },
	{ "data", "DIR", "data directory with the admin token (data)" },
	{ "url", "URL", "admin side of the server" },
	{ "token-file", "FILE", "file with the API token" },
};

static size_t
common_count(bool local)
{
	return local ? 2 : COUNT(common);
}

/* One argument "--name" or "--name=value", and those behind it. */
struct reader {
	struct app_args *a;
	const char *const *argv;
	size_t count, at;
	char name[64];
	const char *given; /* behind '=', or NULL */
};

static bool
split(struct reader *r)
{
	const char *text = r->argv[r->at] + strlen("--");
	size_t len = strcspn(text, "=");

	r->given = text[len] == '=' ? text + len + 1 : NULL;
	if (len >= sizeof(r->name)) {
		fprintf(stderr, "mutsu: unknown option --%s\n", text);
		return false;
	}
	memcpy(r->name, text, len);
	r->name[len] = '\0';
	return true;
}

/* The row of an option's name, or NULL; *index counts from options. */
static const struct app_option *
find_row(const struct app_args *a, const char *name, size_t *index)
{
	size_t i = 0;

	for (; a->options != NULL && a->options[i].name != NULL; i++)
		if (str_eq(a->options[i].name, name)) {
			*index = i;
			return &a->options[i];
		}
	for (size_t k = 0; k < common_count(a->local); k++)
		if (str_eq(common[k].name, name)) {
			*index = i + k;
			return &common[k];
		}
	return NULL;
}

static const struct setting_row *
find_setting(const char *name)
{
	for (size_t i = 0; i < app_settings_count; i++)
		if (str_eq(app_settings[i].name, name))
			return &app_settings[i];
	return NULL;
}

/* "NAME...": may be given more than once. */
static bool
may_repeat(const struct app_option *row)
{
	size_t len = strlen(row->value);

	return len > 3 && str_eq(row->value + len - 3, "...");
}

/* NULL: there is none, which was said.  The next option is not taken for it:
 * its own value would be a word that nobody expects. */
static const char *
read_value(struct reader *r, const char *what)
{
	const char *next;

	if (r->given != NULL)
		return r->given;
	next = r->at + 1 < r->count ? r->argv[r->at + 1] : NULL;
	if (next != NULL && !str_starts(next, "--")) {
		r->at++;
		return next;
	}
	fprintf(stderr, "mutsu: --%s needs a value: %s", r->name, what);
	if (next != NULL)
		fprintf(stderr, "; %s is the next option", next);
	fprintf(stderr, "\n");
	return NULL;
}

static bool
take_setting(struct reader *r)
{
	const struct setting_row *row = find_setting(r->name);
	struct app_args *a = r->a;
	const char *value;

	if (row == NULL || a->setting_count == COUNT(a->settings)) {
		fprintf(stderr, "mutsu: unknown option --%s\n", r->name);
		return false;
	}
	value =
	    read_value(r, row->type == SETTING_BOOL ? "yes or no" : row->help);
	if (value == NULL)
		return false;
	a->settings[a->setting_count++] =
	    (struct app_setting){ row->name, value };
	return true;
}

static bool
take_flag(struct reader *r, size_t index)
{
	if (r->given != NULL) {
		fprintf(stderr, "mutsu: --%s takes no value\n", r->name);
		return false;
	}
	r->a->values[index] = "1";
	return true;
}

static bool
take_value(struct reader *r, const struct app_option *row, size_t index)
{
	struct app_args *a = r->a;
	const char *value = read_value(r, row->value);
	bool again = a->values[index] != NULL;

	if (value == NULL)
		return false;
	if (again && !may_repeat(row) && str_eq(a->values[index], value))
		return true; /* nothing is lost */
	if (again &&
	    (!may_repeat(row) || a->repeat_count == COUNT(a->repeats))) {
		fprintf(stderr, "mutsu: --%s is there %s\n", row->name,
		    may_repeat(row) ? "too often"
		                    : "twice, with different values");
		return false;
	}
	if (again)
		a->repeats[a->repeat_count++] =
		    (struct app_setting){ row->name, value };
	else
		a->values[index] = value;
	return true;
}

static bool
take_option(struct reader *r, bool settings)
{
	const struct app_option *row;
	size_t index = 0;

	if (!split(r))
		return false;
	row = find_row(r->a, r->name, &index);
	if (row == NULL && settings)
		return take_setting(r);
	if (row == NULL || index >= COUNT(r->a->values)) {
		fprintf(stderr, "mutsu: unknown option --%s\n", r->name);
		return false;
	}
	return row->value == NULL ? take_flag(r, index)
	                          : take_value(r, row, index);
}

void
app_cli_usage(FILE *f, const struct app_subcommand *c)
{
	fprintf(f, "usage: mutsu %s%s%s%s%s [OPTIONS]\n",
	    c->group != NULL ? c->group : "", c->group != NULL ? " " : "",
	    c->name, c->words[0] != '\0' ? " " : "", c->words);
}

bool
app_cli_parse(struct app_args *a, const struct app_subcommand *c,
    const char *const *argv, size_t count)
{
	struct reader r = { .a = a, .argv = argv, .count = count };

	a->options = c->options;
	for (; r.at < count; r.at++) {
		if (str_starts(argv[r.at], "--")) {
			if (!take_option(&r, c->settings))
				return false;
		} else if (a->count < c->words_max) {
			a->words[a->count++] = argv[r.at];
		} else {
			fprintf(stderr, "mutsu: unexpected argument \"%s\"; ",
			    argv[r.at]);
			app_cli_usage(stderr, c);
			return false;
		}
	}
	if (a->count >= c->words_min)
		return true;
	fprintf(stderr, "mutsu: too few arguments; ");
	app_cli_usage(stderr, c);
	return false;
}

const char *
app_arg(const struct app_args *a, const char *name)
{
	size_t index = 0;

	return find_row(a, name, &index) != NULL ? a->values[index] : NULL;
}

const char *
app_arg_nth(const struct app_args *a, const char *name, size_t n)
{
	if (n == 0)
		return app_arg(a, name);
	for (size_t i = 0; i < a->repeat_count; i++)
		if (str_eq(a->repeats[i].name, name) && --n == 0)
			return a->repeats[i].value;
	return NULL;
}

static void
print_option(const struct app_option *o)
{
	AUTO(str_free)
	char *left = str_printf("--%s%s%s", o->name,
	    o->value != NULL ? " " : "", o->value != NULL ? o->value : "");

	printf("  %-*s  %s\n", NAME_MAX_SHOWN, left, o->help);
}

void
app_cli_options_help(const struct app_subcommand *c, bool local)
{
	for (const struct app_option *o = c->options;
	     o != NULL && o->name != NULL; o++)
		print_option(o);
	for (size_t i = 0; i < common_count(local); i++)
		print_option(&common[i]);
}
