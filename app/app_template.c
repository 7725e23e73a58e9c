/* mutsu template ...  One thread. */
#include <stdio.h>

#include "app/app_cli.h"
#include "core/json.h"

static const struct app_column columns[] = {
	{ "NAME", "name" },
	{ "DAYS", "life_days" },
	{ "RENEW", "renew_days" },
	{ "BUILT IN", "builtin" },
	{ "CHANGED", "changed_at" },
	{ "WHAT", "help" },
	{ NULL, NULL },
};

static const struct app_option set_options[] = {
	{ "fields", "JSON", "what it says: '{\"life_days\":90}'" },
	{ NULL, NULL, NULL },
};

static char *
path_of(const struct app_args *a)
{
	AUTO(str_free) char *name = app_escape(a->words[0]);

	return str_printf("/api/v1/templates/%s", name);
}

static int
list(const struct app_args *a)
{
	AUTO(json_free) json_t *page = NULL;
	int code = app_call(a,
	    &(struct app_call){ .method = "GET", .path = "/api/v1/templates" },
	    &page);

	if (code == APP_OK)
		app_print_page(a, page, "templates", columns, "No templates.");
	return code;
}

/* It is JSON that `set` takes, for people too. */
static void
print(const json_t *t)
{
	AUTO(str_free) char *text = json_dumps(t, JSON_INDENT(2));

	printf("%s\n", text);
}

static int
show(const struct app_args *a)
{
	AUTO(str_free) char *path = path_of(a);
	AUTO(json_free) json_t *t = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &t);

	if (code == APP_OK)
		print(t);
	return code;
}

static int
set(const struct app_args *a)
{
	const char *text = app_arg(a, "fields");
	AUTO(str_free) char *path = path_of(a);
	AUTO(json_free) json_t *fields = NULL;
	AUTO(json_free) json_t *t = NULL;
	struct err e = { 0 };
	int code;

	if (!json_parse(slice_str(text != NULL ? text : ""), &fields, &e)) {
		fprintf(stderr, "mutsu: --fields takes a JSON object: %s\n",
		    e.text);
		return APP_USAGE;
	}
	code = app_call(a,
	    &(struct app_call){ .method = "PUT", .path = path, .body = fields },
	    &t);
	if (code == APP_OK)
		print(t);
	return code;
}

static int
drop(const struct app_args *a)
{
	AUTO(str_free) char *path = path_of(a);
	AUTO(json_free) json_t *answer = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "DELETE", .path = path }, &answer);

	if (code == APP_OK)
		app_say(a, "Removed; a built-in one is as it comes again.");
	return code;
}

const struct app_subcommand app_template_commands[] = {
	{ "template", "list", "", 0, 0, NULL, "certificate templates", list,
	    false },
	{ "template", "show", "NAME", 1, 1, NULL, "all that one says", show,
	    false },
	{ "template", "set", "NAME", 1, 1, set_options,
	    "make one, or replace what it says", set, false },
	{ "template", "delete", "NAME", 1, 1, NULL,
	    "remove one, or take a built-in one back to how it comes", drop,
	    false },
	{ 0 },
};
