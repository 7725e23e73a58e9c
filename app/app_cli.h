/*
 * What the subcommands share: the table of them, their options, and the
 * client of the admin side's REST API.  One thread.
 *
 * Exit codes, documented in docs/cli.md from here.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "core/str.h"

enum app_exit {
	APP_OK = 0,
	APP_FAILED = 1,      /* the server or the network failed */
	APP_USAGE = 2,       /* the command line is wrong, or a file here */
	APP_REFUSED = 3,     /* a rule forbids it: T2, unknown chip, name */
	APP_NOT_FOUND = 4,   /* no such device, order, user, command */
	APP_CONFLICT = 5,    /* against the present state */
	APP_NOT_ALLOWED = 6, /* no token, a bad one, or too few rights */
};

/*
 * An option of a subcommand: "--name VALUE" or "--name=VALUE", or a flag when
 * value is NULL.  It has one value, unless value ends in "...".
 */
struct app_option {
	const char *name, *value, *help;
};

enum { APP_ARGS_MAX = 8, APP_OPTIONS_MAX = 32, APP_SETTINGS_MAX = 64 };

/* A setting, or an option once more: "--name value". */
struct app_setting {
	const char *name, *value;
};

struct app_args {
	const char *words[APP_ARGS_MAX]; /* what is no option, in order */
	size_t count;
	const struct app_option *options; /* the table that was parsed with */
	/* By row of it, then of the common ones; flags: "1". */
	const char *values[APP_OPTIONS_MAX];
	/* Of options that may be repeated, those behind the first. */
	struct app_setting repeats[APP_OPTIONS_MAX];
	size_t repeat_count;
	struct app_setting settings[APP_SETTINGS_MAX];
	size_t setting_count;
	bool json;
	bool local; /* asks no server: neither --url nor --token-file */
};

struct app_subcommand {
	const char *group; /* "device", or NULL for "mutsu lock" */
	const char *name;
	const char *words; /* "DEVICE USER" */
	size_t words_min, words_max;
	const struct app_option *options; /* ended by a NULL name, or NULL */
	const char *help;
	int (*run)(const struct app_args *args);
	bool settings; /* the settings of the server are options too */
};

/* ---- app_confirm.c ---- */

struct app_question {
	const char *verb, *does; /* "wipe", "erases" */
};
/*
 * Asks the administrator to type the serial number of the Mac of words[0].
 * *id_out is the Mac that was shown: a name may belong to another one by the
 * time it is done.
 */
int app_confirm(
    const struct app_args *a, const struct app_question *q, char id_out[64]);

/* One table a file; app_main.c joins them. */
extern const struct app_subcommand app_device_commands[];
extern const struct app_subcommand app_order_commands[];
extern const struct app_subcommand app_user_commands[];
extern const struct app_subcommand app_queue_commands[];
extern const struct app_subcommand app_certificate_commands[];
extern const struct app_subcommand app_template_commands[];
extern const struct app_subcommand app_upstream_commands[];
extern const struct app_subcommand app_admin_commands[];
extern const struct app_subcommand app_scep_commands[];
extern const struct app_subcommand app_scep_request_commands[];
extern const struct app_subcommand app_push_cert_commands[];
extern const struct app_subcommand app_push_sign_commands[];
extern const struct app_subcommand app_serve_commands[];
extern const struct app_subcommand app_store_commands[];
extern const struct app_subcommand app_doctor_commands[];
extern const struct app_subcommand app_ca_commands[];
extern const struct app_subcommand app_ca_outside_commands[];
extern const struct app_subcommand app_sim_commands[];

/* Finds and runs the subcommand; the process's exit code. */
int app_run(int argc, char **argv);

/* Value of an option, or NULL; a name that has no row is a bug. */
const char *app_arg(const struct app_args *a, const char *name);
/* The value that the option had when it was there for the nth time, from 0;
 * NULL: it was not. */
const char *app_arg_nth(const struct app_args *a, const char *name, size_t n);

/* ---- app_hex.c ---- */

/*
 * Hex as people paste it, with digits of either case, and ':' or blanks
 * between them: in lower case, digits alone; the caller's.  NULL: there is
 * something else in it, or nothing.
 */
char *app_hex(const char *s);

/* ---- talking to the server ---- */

/*
 * Does one request and parses the answer.  Returns APP_OK with *out set (the
 * caller's; an empty object for an empty answer); otherwise the problem was
 * printed on standard error and its exit code is returned.  body may be NULL.
 */
struct app_call {
	const char *method;
	const char *path;            /* already escaped */
	const json_t *body;          /* borrowed */
	const char *idempotency_key; /* or NULL */
};
int app_call(const struct app_args *a, const struct app_call *c, json_t **out);

/* Appends the rows at key of a list whose path has a query, page after page
 * until it is whole; an exit code. */
int app_call_list(
    const struct app_args *a, const char *path, const char *key, json_t *rows);

/* Path segment, percent-encoded; caller's. */
char *app_escape(const char *s);

/* ---- printing ---- */

/* Puts "dns:a.example, ip:192.0.2.1" in place of an array of texts. */
void app_join(json_t *o, const char *key);
/* A column of a table: title and key ("user", "error.text"). */
struct app_column {
	const char *title, *key;
};
/*
 * Prints text of a Mac or the server for people: at most so many columns of a
 * terminal (Japanese takes two a character), with '?' for what would steer it.
 * Returns how many there were; f may be NULL, for that alone.
 */
size_t app_print_safe(FILE *f, const char *s, size_t most);
/* --json: the value as it is; else a table.  empty: said when there are no
 * rows. */
void app_print_list(const struct app_args *a, const json_t *rows,
    const struct app_column *columns, const char *empty);
/* The same for the rows at key of one page, and says on standard error if
 * there are more. */
void app_print_page(const struct app_args *a, const json_t *page,
    const char *key, const struct app_column *columns, const char *empty);
/* --json: as it is; else "title: value" lines of what is set. */
void app_print_one(const struct app_args *a, const json_t *object,
    const struct app_column *columns);
/* Says on standard error what is wrong with an option or a file here:
 * APP_USAGE. */
int app_wrong(const char *what);
/* Prints a line for people only (not with --json). */
void app_say(const struct app_args *a, const char *fmt, ...) PRINTF(2, 3);
/* String value at a dotted key, "" when it is not there; numbers and booleans
 * are written into the scratch buffer. */
const char *app_value(
    const json_t *o, const char *key, char *scratch, size_t size);
