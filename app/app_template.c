/* mutsu template ...  One thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app_cli.h"
#include "core/file.h"
#include "core/json.h"

enum { SECRET_FILE_MAX = 256, NAMES_FILE_MAX = 128 << 10 };

static const struct app_column columns[] = {
	{ "NAME", "name" },
	{ "DAYS", "life_days" },
	{ "RENEW", "renew_days" },
	{ "CHALLENGE", "challenge" },
	{ "APPROVAL", "approval" },
	{ "BUILT IN", "builtin" },
	{ "CHANGED", "changed_at" },
	{ "WHAT", "help" },
	{ NULL, NULL },
};

static const struct app_option set_options[] = {
	{ "fields", "JSON",
	    "what changes: '{\"life_days\":90}'; null: as it comes" },
	{ "replace", NULL, "all others are as they come again" },
	{ NULL, NULL, NULL },
};

static const struct app_option secret_options[] = {
	{ "names-file", "FILE",
	    "devices that may use a static challenge, one a line" },
	{ "secret-file", "FILE",
	    "the secret (MUTSU_TEMPLATE_SECRET; else made by random and shown "
	    "once)" },
	{ "new", NULL, "a new secret, although only the names were given" },
	{ "remove", NULL, "removes it" },
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
	const char *warning = json_string_value(json_object_get(t, "warning"));

	printf("%s\n", text);
	if (warning != NULL)
		fprintf(stderr, "mutsu: warning: %s\n", warning);
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
	    &(struct app_call){
	        .method = app_arg(a, "replace") != NULL ? "PUT" : "PATCH",
	        .path = path,
	        .body = fields },
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

/* A list of the lines of a file. */
static bool
read_names(const char *path, json_t *body, struct err *e)
{
	AUTO(buf_free) struct buf *text = NULL;
	const char *p;
	json_t *names;

	if (!file_read(path, NAMES_FILE_MAX, &text, e))
		return false;
	names = json_array();
	json_object_set_new(body, "names", names);
	for (p = buf_str(text); *p != '\0'; p += strspn(p, "\r\n")) {
		size_t len = strcspn(p, "\r\n");

		if (len > 0 &&
		    json_array_append_new(names, json_stringn(p, len)) != 0)
			return err_set(
			    e, ERR_INVALID, "%s is not UTF-8 text", path);
		p += len;
	}
	return true;
}

/* Never an argument, which other users of the machine could see. */
static bool
read_secret(const char *path, json_t *body, struct err *e)
{
	AUTO(buf_wipe) struct buf *text = NULL;
	AUTO(str_wipe) char *secret = str_dup(getenv("MUTSU_TEMPLATE_SECRET"));

	if (path != NULL) {
		if (!file_read(path, SECRET_FILE_MAX, &text, e))
			return false;
		str_wipe(&secret);
		secret = str_dup(buf_str(text));
	}
	if (secret == NULL)
		return true;
	secret[strcspn(secret, "\r\n")] = '\0';
	json_put_str(body, "secret", secret);
	return true;
}

/* Sets the secret, or with PATCH only the names. */
static int
send_secret(const struct app_args *a, const char *method, const char *path,
    const json_t *body)
{
	static const struct app_column fields[] = {
		{ "Template", "template" },
		{ "Challenge", "challenge" },
		{ "Secret", "secret" },
		{ NULL, NULL },
	};
	AUTO(json_free) json_t *made = NULL;
	const char *warning;
	int code = app_call(a,
	    &(struct app_call){ .method = method, .path = path, .body = body },
	    &made);

	if (code != APP_OK)
		return code;
	app_print_one(a, made, fields);
	if (json_object_get(made, "secret") != NULL)
		app_say(a, "It is shown this once only.");
	else if (str_eq(method, "PATCH"))
		app_say(a,
		    "The devices are %zu now; the secret is what it was "
		    "(--new makes another).",
		    json_array_size(json_object_get(body, "names")));
	warning = json_string_value(json_object_get(made, "warning"));
	if (warning != NULL)
		fprintf(stderr, "mutsu: warning: %s\n", warning);
	return APP_OK;
}

/* A static challenge that is there stays when only its names are given. */
static int
choose_method(const struct app_args *a, const json_t *body, const char **method)
{
	AUTO(str_free) char *path = path_of(a);
	AUTO(json_free) json_t *t = NULL;
	int code;

	*method = "PUT";
	if (json_object_get(body, "names") == NULL ||
	    json_object_get(body, "secret") != NULL ||
	    app_arg(a, "new") != NULL)
		return APP_OK;
	code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &t);
	if (code == APP_OK &&
	    json_is_string(json_object_get(t, "secret_set_at")) &&
	    str_eq(
	        json_string_value(json_object_get(t, "challenge")), "static"))
		*method = "PATCH";
	return code;
}

static int
put_secret(const struct app_args *a, const char *path)
{
	const char *names = app_arg(a, "names-file"), *method;
	AUTO(json_free) json_t *body = json_object();
	struct err e = { 0 };
	int code;

	if ((names != NULL && !read_names(names, body, &e)) ||
	    !read_secret(app_arg(a, "secret-file"), body, &e))
		return app_wrong(e.text);
	code = choose_method(a, body, &method);
	return code == APP_OK ? send_secret(a, method, path, body) : code;
}

static int
secret(const struct app_args *a)
{
	AUTO(str_free) char *base = path_of(a);
	AUTO(str_free) char *path = str_printf("%s/secret", base);
	AUTO(json_free) json_t *answer = NULL;
	int code;

	if (app_arg(a, "remove") == NULL)
		return put_secret(a, path);
	code = app_call(
	    a, &(struct app_call){ .method = "DELETE", .path = path }, &answer);
	if (code == APP_OK)
		app_say(a, "Removed.");
	return code;
}

const struct app_subcommand app_template_commands[] = {
	{ "template", "list", "", 0, 0, NULL, "certificate templates", list,
	    false },
	{ "template", "show", "NAME", 1, 1, NULL, "all that one says", show,
	    false },
	{ "template", "set", "NAME", 1, 1, set_options,
	    "make one, or change what it says", set, false },
	{ "template", "secret", "NAME", 1, 1, secret_options,
	    "set the static challenge and its devices, or the key of the "
	    "webhook",
	    secret, false },
	{ "template", "delete", "NAME", 1, 1, NULL,
	    "remove one, or take a built-in one back to how it comes", drop,
	    false },
	{ 0 },
};
