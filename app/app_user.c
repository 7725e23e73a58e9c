/* mutsu assign, mutsu unassign, mutsu user ...  One thread. */
#include "app/app_cli.h"
#include "core/json.h"

static const struct app_column user_columns[] = {
	{ "NAME", "name" },
	{ "FULL NAME", "full_name" },
	{ "EMAIL", "email" },
	{ "DEVICES", "device_count" },
	{ "CREATED", "created_at" },
	{ NULL, NULL },
};

static const struct app_column assigned_fields[] = {
	{ "Serial", "serial" },
	{ "Name", "name" },
	{ "User", "user" },
	{ "Certificate", "rollout.state" },
	{ NULL, NULL },
};

static const struct app_option assign_options[] = {
	{ "full-name", "TEXT", "of a new user" },
	{ "email", "ADDRESS", "of a new user; goes into the certificate" },
	{ NULL, NULL, NULL },
};

static int
user_assign(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/devices/%s/user", id);
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *d = NULL;
	int code;

	json_put_str(body, "user", a->words[1]);
	if (app_arg(a, "full-name") != NULL)
		json_put_str(body, "full_name", app_arg(a, "full-name"));
	if (app_arg(a, "email") != NULL)
		json_put_str(body, "email", app_arg(a, "email"));
	code = app_call(a,
	    &(struct app_call){ .method = "PUT", .path = path, .body = body },
	    &d);
	if (code == APP_OK) {
		app_print_one(a, d, assigned_fields);
		app_say(a,
		    "A certificate goes to the Mac by itself. Follow it: "
		    "mutsu device show %s",
		    a->words[0]);
	}
	return code;
}

static int
has_user(const struct app_args *a, const char *device, bool *out)
{
	AUTO(str_free) char *path = str_printf("/api/v1/devices/%s", device);
	AUTO(json_free) json_t *d = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &d);

	*out = json_is_string(json_object_get(d, "user"));
	return code;
}

static int
user_unassign(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/devices/%s/user", id);
	AUTO(json_free) json_t *d = NULL;
	bool had = false;
	int code = has_user(a, id, &had);

	if (code == APP_OK)
		code = app_call(a,
		    &(struct app_call){ .method = "DELETE", .path = path }, &d);
	if (code == APP_OK) {
		app_print_one(a, d, assigned_fields);
		app_say(a, "%s",
		    had ? "The certificate is revoked now; the profile goes "
		          "when the Mac comes."
		        : "This Mac had no user: nothing has changed.");
	}
	return code;
}

static int
user_list(const struct app_args *a)
{
	AUTO(json_free) json_t *rows = json_array();
	int code = app_call_list(a, "/api/v1/users?limit=500", "users", rows);

	if (code == APP_OK)
		app_print_list(a, rows, user_columns, "No users.");
	return code;
}

static int
user_delete(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/users/%s", id);
	AUTO(json_free) json_t *answer = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "DELETE", .path = path }, &answer);

	if (code == APP_OK)
		app_say(a, "Deleted; the certificates are revoked.");
	return code;
}

const struct app_subcommand app_user_commands[] = {
	{ NULL, "assign", "DEVICE USER", 2, 2, assign_options,
	    "give a Mac to a user; rolls a certificate out", user_assign,
	    false },
	{ NULL, "unassign", "DEVICE", 1, 1, NULL,
	    "take it back; revokes the certificate", user_unassign, false },
	{ "user", "list", "", 0, 0, NULL, "users", user_list, false },
	{ "user", "delete", "USER", 1, 1, NULL,
	    "unassign the user's Macs and forget the user", user_delete,
	    false },
	{ 0 },
};
