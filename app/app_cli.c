/*
 * Finding and running a subcommand: the tables joined, and help printed from
 * their rows.  One thread.
 */
#include <stdio.h>

#include "app/app_cli_priv.h"
#include "app/app_settings.h"

/* local: these ask no server of ours, so need neither its URL nor a token. */
static const struct {
	const struct app_subcommand *commands;
	bool local;
} tables[] = {
	{ app_serve_commands, true },
	{ app_device_commands, false },
	{ app_order_commands, false },
	{ app_user_commands, false },
	{ app_queue_commands, false },
	{ app_certificate_commands, false },
	{ app_template_commands, false },
	{ app_upstream_commands, false },
	{ app_admin_commands, false },
	{ app_scep_request_commands, false },
	{ app_store_commands, true },
	{ app_doctor_commands, true },
	{ app_scep_commands, true },
	{ app_ca_commands, true },
	{ app_ca_outside_commands, true },
	{ app_push_cert_commands, false },
	{ app_push_sign_commands, true },
	{ app_sim_commands, true },
};

static void
print_usage(const struct app_subcommand *c, bool local)
{
	app_cli_usage(stdout, c);
	printf("\n%s\n", c->help);
	app_cli_options_help(c, local);
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
		for (const struct app_subcommand *c = tables[t].commands;
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
find(int argc, char **argv, int *used, bool *local)
{
	for (size_t t = 0; t < COUNT(tables); t++)
		for (const struct app_subcommand *c = tables[t].commands;
		     c->name != NULL; c++) {
			*local = tables[t].local;
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
	c = find(argc, argv, &used, &a.local);
	if (c == NULL)
		return no_such(argc, argv);
	if (asks_help(argc, argv)) {
		print_usage(c, a.local);
		return APP_OK;
	}
	if (!app_cli_parse(
	        &a, c, (const char *const *)argv + used, (size_t)(argc - used)))
		return APP_USAGE;
	a.json = app_arg(&a, "json") != NULL;
	return c->run(&a);
}
