/* mutsu token ..., mutsu scep ...  One thread. */
#include <stdio.h>

#include "app/app_cli.h"
#include "core/json.h"

static const struct app_column token_columns[] = {
	{ "NAME", "name" },
	{ "ROLE", "role" },
	{ "CREATED", "created_at" },
	{ "REVOKED", "revoked_at" },
	{ NULL, NULL },
};

static const struct app_option token_options[] = {
	{ "role", "ROLE", "viewer, operator or admin (viewer)" },
	{ NULL, NULL, NULL },
};

static const struct app_option scep_options[] = {
	{ "o", "NAME", "organization" },
	{ "email", "ADDRESS", "alternative name" },
	{ "dns", "NAME", "alternative name" },
	{ "template", "NAME", "certificate template (scep)" },
	{ "device", "DEVICE", "whose certificate it will be" },
	{ "user", "USER", "whose, instead of who has the device" },
	{ "variables", "JSON", "more values: '{\"NAME\":\"gate\"}'" },
	{ "minutes", "N", "life of the challenge (60)" },
	{ NULL, NULL, NULL },
};

static int
token_list(const struct app_args *a)
{
	AUTO(json_free) json_t *rows = json_array();
	int code = app_call_list(a, "/api/v1/tokens?limit=500", "tokens", rows);

	if (code == APP_OK)
		app_print_list(a, rows, token_columns, "No tokens.");
	return code;
}

static int
token_create(const struct app_args *a)
{
	static const struct app_column columns[] = {
		{ "Name", "name" },
		{ "Role", "role" },
		{ "Token", "token" },
		{ NULL, NULL },
	};
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *token = NULL;
	const char *role = app_arg(a, "role");
	int code;

	json_put_str(body, "name", a->words[0]);
	json_put_str(body, "role", role != NULL ? role : "viewer");
	code = app_call(a,
	    &(struct app_call){
	        .method = "POST", .path = "/api/v1/tokens", .body = body },
	    &token);
	if (code == APP_OK) {
		app_print_one(a, token, columns);
		app_say(a, "It is shown this once only.");
	}
	return code;
}

static int
token_revoke(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/tokens/%s", id);
	AUTO(json_free) json_t *answer = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "DELETE", .path = path }, &answer);

	if (code == APP_OK)
		app_say(a, "Revoked.");
	return code;
}

static bool
add_variables(const struct app_args *a, json_t *body)
{
	const char *text = app_arg(a, "variables");
	json_t *variables = NULL;
	struct err e = { 0 };

	if (text == NULL)
		return true;
	if (!json_parse(slice_str(text), &variables, &e)) {
		fprintf(stderr, "mutsu: --variables takes a JSON object: %s\n",
		    e.text);
		return false;
	}
	json_object_set_new(body, "variables", variables);
	return true;
}

static int
scep_challenge(const struct app_args *a)
{
	static const struct app_column fields[] = {
		{ "Challenge", "challenge" },
		{ "URL", "url" },
		{ "Expires", "expires_at" },
		{ NULL, NULL },
	};
	static const char *const names[] = { "o", "email", "dns", "template",
		"device", "user" };
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *challenge = NULL;
	const char *minutes = app_arg(a, "minutes");
	int64_t n;
	int code;

	if (a->count > 0)
		json_put_str(body, "cn", a->words[0]);
	for (size_t i = 0; i < COUNT(names); i++)
		if (app_arg(a, names[i]) != NULL)
			json_put_str(body, names[i], app_arg(a, names[i]));
	if (minutes != NULL) {
		if (!str_to_i64(minutes, 0, INT32_MAX, &n)) {
			fprintf(stderr, "mutsu: --minutes takes a number\n");
			return APP_USAGE;
		}
		json_put_int(body, "minutes", n);
	}
	if (!add_variables(a, body))
		return APP_USAGE;
	code = app_call(a,
	    &(struct app_call){ .method = "POST",
	        .path = "/api/v1/scep-challenges",
	        .body = body },
	    &challenge);
	if (code == APP_OK) {
		app_print_one(a, challenge, fields);
		app_say(a, "It is shown this once only, and good for one "
		           "certificate.");
	}
	return code;
}

const struct app_subcommand app_admin_commands[] = {
	{ "token", "list", "", 0, 0, NULL, "API tokens", token_list, false },
	{ "token", "create", "NAME", 1, 1, token_options, "make an API token",
	    token_create, false },
	{ "token", "revoke", "NAME", 1, 1, NULL, "end an API token",
	    token_revoke, false },
	{ "scep", "challenge", "[CN]", 0, 1, scep_options,
	    "let a SCEP client get a certificate", scep_challenge, false },
	{ 0 },
};
