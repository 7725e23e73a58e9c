/*
 * Finding and running a subcommand: the tables joined, options parsed by
 * their rows, help printed from the same rows.  One thread.
 */
#include <stdio.h>

#include "app/app_cli.h"
#include "app/app_settings.h"

static const struct app_subcommand *const tables[] = {
	app_serve_commands,
	app_device_commands,
	app_order_commands,
	app_user_commands,
	app_queue_commands,
	app_certificate_commands,
	app_template_commands,
	app_upstream_commands,
	app_admin_commands,
	app_scep_request_commands,
	app_store_commands,
	app_doctor_commands,
	app_scep_commands,
	app_ca_commands,
	app_ca_outside_commands,
	app_push_cert_commands,
	app_sim_commands,
};

/* Every subcommand has these. */
static const struct app_option common[] = {
	{ "json", NULL, "print JSON, for programs" },
	{ "data", "DIR", "data directory with the admin token (data)" },
	{ "url", "URL", "admin side of the server" },
	{ "token-file", "FILE", "file with the API token" },
};

static void
print_usage(const struct app_subcommand *c)
{
	printf("usage: mutsu %s%s%s%s%s [OPTIONS]\n\n%s\n",
	    c->group != NULL ? c->group : "", c->group != NULL ? " " : "",
	    c->name, c->words[0] != '\0' ? " " : "", c->words, c->help);
	for (const struct app_option *o = c->options;
	     o != NULL && o->name != NULL; o++)
		printf("  --%s%s%s\t%s\n", o->name, o->value ? " " : "",
		    o->value ? o->value : "", o->help);
	for (size_t i = 0; i < COUNT(common); i++)
		printf("  --%s%s%s\t%s\n", common[i].name,
		    common[i].value ? " " : "",
		    common[i].value ? common[i].value : "", common[i].help);
	if (c->settings) {
		AUTO(buf_free) struct buf *b = buf_new(64 << 10);

		settings_help(app_settings, app_settings_count, b);
		printf("\nSettings, also in DATA/mutsu.conf as name = value "
		       "and in the environment as MUTSU_NAME:\n%s",
		    buf_str(b));
	}
}

/* The commands of a group, or all of them for NULL; how many. */
static int
print_commands(FILE *f, const char *group)
{
	int n = 0;

	for (size_t t = 0; t < COUNT(tables); t++)
		for (const struct app_subcommand *c = tables[t];
		     c->name != NULL; c++) {
			char left[80];

			if (group != NULL &&
			    (c->group == NULL || !str_eq(c->group, group)))
				continue;
			snprintf(left, sizeof(left), "%s%s%s %s",
			    c->group != NULL ? c->group : "",
			    c->group != NULL ? " " : "", c->name, c->words);
			fprintf(f, "  mutsu %-36s %s\n", left, c->help);
			n++;
		}
	return n;
}

static int
print_all(void)
{
	printf("mutsu %s: management server for Macs\n\n", MUTSU_VERSION);
	(void)print_commands(stdout, NULL);
	printf("\nmutsu COMMAND --help tells the options.  A DEVICE is a "
	       "serial number, UDID or name.\n"
	       "Exit codes: 0 done, 1 failed, 2 usage, 3 refused by a rule, "
	       "4 not found, 5 conflict, 6 not allowed.\n");
	return APP_OK;
}

static const struct app_subcommand *
find(int argc, char **argv, int *used)
{
	for (size_t t = 0; t < COUNT(tables); t++)
		for (const struct app_subcommand *c = tables[t];
		     c->name != NULL; c++) {
			if (c->group == NULL && str_eq(c->name, argv[1])) {
				*used = 2;
				return c;
			}
			if (c->group != NULL && argc > 2 &&
			    str_eq(c->group, argv[1]) &&
			    str_eq(c->name, argv[2])) {
				*used = 3;
				return c;
			}
		}
	return NULL;
}

/* The row of an option's name, or NULL; *index_out counts from options. */
static const struct app_option *
option_row(const struct app_option *options, const char *name, size_t *index)
{
	size_t i = 0;

	for (; options != NULL && options[i].name != NULL; i++)
		if (str_eq(options[i].name, name)) {
			*index = i;
			return &options[i];
		}
	for (size_t k = 0; k < COUNT(common); k++)
		if (str_eq(common[k].name, name)) {
			*index = i + k;
			return &common[k];
		}
	return NULL;
}

static bool
is_setting(const char *name)
{
	for (size_t i = 0; i < app_settings_count; i++)
		if (str_eq(app_settings[i].name, name))
			return true;
	return false;
}

static bool
take_setting(
    struct app_args *a, const char *name, int argc, char **argv, int *i)
{
	if (!is_setting(name) || a->setting_count == APP_SETTINGS_MAX) {
		fprintf(stderr, "mutsu: unknown option --%s\n", name);
		return false;
	}
	if (*i + 1 >= argc) {
		fprintf(stderr, "mutsu: --%s needs a value\n", name);
		return false;
	}
	*i += 1;
	a->settings[a->setting_count++] =
	    (struct app_setting){ name, argv[*i] };
	return true;
}

static bool
take_option(struct app_args *a, bool settings, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2;
	const struct app_option *row;
	size_t index = 0;

	row = option_row(a->options, name, &index);
	if (row == NULL && settings)
		return take_setting(a, name, argc, argv, i);
	if (row == NULL || index >= COUNT(a->values)) {
		fprintf(stderr, "mutsu: unknown option --%s\n", name);
		return false;
	}
	if (row->value == NULL) {
		a->values[index] = "1";
		return true;
	}
	if (*i + 1 >= argc) {
		fprintf(stderr, "mutsu: --%s needs %s\n", name, row->value);
		return false;
	}
	*i += 1;
	a->values[index] = argv[*i];
	return true;
}

static bool
parse(struct app_args *a, bool settings, int argc, char **argv, int from)
{
	for (int i = from; i < argc; i++) {
		if (str_starts(argv[i], "--")) {
			if (!take_option(a, settings, argc, argv, &i))
				return false;
		} else if (a->count < APP_ARGS_MAX) {
			a->words[a->count++] = argv[i];
		} else {
			fprintf(stderr, "mutsu: too many arguments\n");
			return false;
		}
	}
	return true;
}

static bool
asks_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return true;
	return false;
}

/* "mutsu ca", "mutsu ca --help": the group's commands. */
static int
no_such(int argc, char **argv)
{
	if (asks_help(argc, argv) && print_commands(stdout, argv[1]) > 0)
		return APP_OK;
	if (argc > 2)
		fprintf(
		    stderr, "mutsu: no command \"%s %s\"\n", argv[1], argv[2]);
	if (print_commands(stderr, argv[1]) == 0)
		fprintf(stderr,
		    "mutsu: no command \"%s\"; mutsu help lists them\n",
		    argv[1]);
	return APP_USAGE;
}

int
app_run(int argc, char **argv)
{
	const struct app_subcommand *c;
	struct app_args a = { 0 };
	int used = 0;

	if (argc < 2 || str_eq(argv[1], "help") || str_eq(argv[1], "--help"))
		return print_all();
	if (str_eq(argv[1], "--version")) {
		printf("mutsu %s\n", MUTSU_VERSION);
		return APP_OK;
	}
	c = find(argc, argv, &used);
	if (c == NULL)
		return no_such(argc, argv);
	if (asks_help(argc, argv)) {
		print_usage(c);
		return APP_OK;
	}
	a.options = c->options;
	if (!parse(&a, c->settings, argc, argv, used))
		return APP_USAGE;
	if (a.count < c->words_min || a.count > c->words_max) {
		fprintf(stderr, "usage: mutsu %s%s%s %s [OPTIONS]\n",
		    c->group != NULL ? c->group : "",
		    c->group != NULL ? " " : "", c->name, c->words);
		return APP_USAGE;
	}
	a.json = app_arg(&a, "json") != NULL;
	return c->run(&a);
}

const char *
app_arg(const struct app_args *a, const char *name)
{
	size_t index = 0;

	if (option_row(a->options, name, &index) == NULL)
		return NULL;
	return a->values[index];
}
