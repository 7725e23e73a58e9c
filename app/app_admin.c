/* mutsu token ..., mutsu push-cert ..., mutsu scep ...  One thread. */
#include <stdio.h>

#include "app/app_cli.h"
#include "core/file.h"
#include "core/json.h"

enum { PEM_MAX = 64 << 10 };

static const struct app_column token_columns[] = {
	{ "NAME", "name" },
	{ "ROLE", "role" },
	{ "CREATED", "created_at" },
	{ "REVOKED", "revoked_at" },
	{ NULL, NULL },
};

static const struct app_column push_fields[] = {
	{ "Topic", "topic" },
	{ "Owner", "owner" },
	{ "Not after", "not_after" },
	{ "State", "state" },
	{ NULL, NULL },
};

static const struct app_option token_options[] = {
	{ "role", "ROLE", "viewer, operator or admin (viewer)" },
	{ NULL, NULL, NULL },
};

static const struct app_option push_options[] = {
	{ "owner", "ACCOUNT", "Apple account it belongs to; needed" },
	{ "allow-topic-change", NULL,
	    "even if enrolled Macs depend on another topic" },
	{ NULL, NULL, NULL },
};

static const struct app_option scep_options[] = {
	{ "o", "NAME", "organization" },
	{ "email", "ADDRESS", "alternative name" },
	{ "dns", "NAME", "alternative name" },
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

static int
push_show(const struct app_args *a)
{
	AUTO(json_free) json_t *c = NULL;
	int code = app_call(a,
	    &(struct app_call){
	        .method = "GET", .path = "/api/v1/push-certificate" },
	    &c);

	if (code == APP_OK)
		app_print_one(a, c, push_fields);
	return code;
}

static bool
read_pem(const char *path, struct buf **out)
{
	struct err e = { 0 };

	if (file_read(path, PEM_MAX, out, &e))
		return true;
	fprintf(stderr, "mutsu: %s\n", e.text);
	return false;
}

static int
push_import(const struct app_args *a)
{
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *c = NULL;
	int code;

	if (app_arg(a, "owner") == NULL) {
		fprintf(stderr,
		    "mutsu: --owner ACCOUNT is needed: only that Apple account "
		    "can renew the certificate with the same topic\n");
		return APP_USAGE;
	}
	if (!read_pem(a->words[0], &cert) || !read_pem(a->words[1], &key))
		return APP_USAGE;
	json_put_str(body, "certificate", buf_str(cert));
	json_put_str(body, "key", buf_str(key));
	json_put_str(body, "owner", app_arg(a, "owner"));
	json_put_bool(body, "allow_topic_change",
	    app_arg(a, "allow-topic-change") != NULL);
	code = app_call(a,
	    &(struct app_call){ .method = "PUT",
	        .path = "/api/v1/push-certificate",
	        .body = body },
	    &c);
	if (code == APP_OK) {
		app_print_one(a, c, push_fields);
		app_say(a, "Macs can enrol now: open the enrolment URL.");
	}
	return code;
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
	static const char *const names[] = { "o", "email", "dns" };
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *challenge = NULL;
	const char *minutes = app_arg(a, "minutes");
	int64_t n;
	int code;

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
	{ "scep", "challenge", "CN", 1, 1, scep_options,
	    "let a SCEP client get a certificate", scep_challenge, false },
	{ "push-cert", "show", "", 0, 0, NULL, "the MDM push certificate",
	    push_show, false },
	{ "push-cert", "import", "CERT.PEM KEY.PEM", 2, 2, push_options,
	    "use Apple's MDM push certificate", push_import, false },
	{ 0 },
};
