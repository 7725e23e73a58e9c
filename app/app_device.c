/* mutsu device ...: Macs, seen and asked.  One thread. */
#include <stdio.h>

#include "app/app_cli.h"
#include "core/json.h"

static const struct app_column device_columns[] = {
	{ "SERIAL", "serial" },
	{ "NAME", "name" },
	{ "USER", "user" },
	{ "MODEL", "model_id" },
	{ "CHIP", "chip" },
	{ "OS", "os_version" },
	{ "STATE", "state" },
	{ "OPEN", "open_commands" },
	{ "ID DAYS", "identity.days" },
	{ "LAST SEEN", "last_seen_at" },
	{ NULL, NULL },
};

static const struct app_column device_fields[] = {
	{ "Serial", "serial" },
	{ "Name", "name" },
	{ "Name too long", "name_too_long" },
	{ "UDID", "udid" },
	{ "State", "state" },
	{ "User", "user" },
	{ "Model", "model_id" },
	{ "Model name", "model_name" },
	{ "Chip", "chip" },
	{ "macOS", "os_version" },
	{ "Build", "os_build" },
	{ "Open commands", "open_commands" },
	{ "Identity", "identity.state" },
	{ "  ends", "identity.not_after" },
	{ "  days left", "identity.days" },
	{ "  renewal", "identity.renewal.state" },
	{ "  reason", "identity.renewal.reason" },
	{ "Certificate", "rollout.state" },
	{ "  reason", "rollout.reason" },
	{ "Enrolled", "enrolled_at" },
	{ "Last seen", "last_seen_at" },
	{ "Inventory of", "information_at" },
	{ NULL, NULL },
};

static const struct app_option list_options[] = {
	{ "search", "TEXT", "only with TEXT in serial, name, UDID or user" },
	{ NULL, NULL, NULL },
};

static int
device_list(const struct app_args *a)
{
	const char *search = app_arg(a, "search");
	AUTO(str_free) char *q = app_escape(search != NULL ? search : "");
	AUTO(str_free)
	char *path =
	    str_printf("/api/v1/devices?limit=500%s%s", *q ? "&q=" : "", q);
	AUTO(json_free) json_t *rows = json_array();
	int code = app_call_list(a, path, "devices", rows);

	if (code == APP_OK)
		app_print_list(a, rows, device_columns,
		    *q ? "No Mac with this text in serial number, name, UDID "
		         "or user."
		       : "No Mac is enrolled yet: open the enrolment URL in "
		         "Safari.");
	return code;
}

static int
device_show(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free) char *path = str_printf("/api/v1/devices/%s", id);
	AUTO(json_free) json_t *d = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &d);

	if (code == APP_OK)
		app_print_one(a, d, device_fields);
	return code;
}

/* POST without a body on a device; says what happens next. */
static int
device_post(const struct app_args *a, const char *what, const char *next)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free)
	char *path = str_printf("/api/v1/devices/%s/%s", id, what);
	AUTO(json_free) json_t *answer = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "POST", .path = path }, &answer);

	if (code == APP_OK && a->json)
		app_print_one(a, answer, NULL);
	if (code == APP_OK)
		app_say(a, "%s %s", next, a->words[0]);
	return code;
}

static int
device_refresh(const struct app_args *a)
{
	return device_post(a, "refresh",
	    "Asked. The Mac answers when it is awake: mutsu device show");
}

static int
device_push(const struct app_args *a)
{
	return device_post(a, "push",
	    "A push is due now; what waits: mutsu command list --device");
}

static int
device_renew(const struct app_args *a)
{
	return device_post(a, "renew",
	    "The profile with a new identity is queued: mutsu device show");
}

static const struct app_option delete_options[] = {
	{ "yes", NULL, "do not ask to type the serial number" },
	{ NULL, NULL, NULL },
};

static int
device_delete(const struct app_args *a)
{
	AUTO(str_free) char *device = NULL;
	AUTO(str_free) char *path = NULL;
	AUTO(json_free) json_t *answer = NULL;
	char id[64] = "";
	int code = APP_OK;

	if (app_arg(a, "yes") == NULL)
		code = app_confirm(a,
		    &(struct app_question){
		        "delete", "revokes all certificates of, and deletes," },
		    id);
	if (code != APP_OK)
		return code;
	device = app_escape(id[0] != '\0' ? id : a->words[0]);
	path = str_printf("/api/v1/devices/%s", device);
	code = app_call(
	    a, &(struct app_call){ .method = "DELETE", .path = path }, &answer);
	if (code == APP_OK)
		app_say(a,
		    "Deleted; the Mac itself keeps its profile until somebody "
		    "removes it there: %s",
		    a->words[0]);
	return code;
}

const struct app_subcommand app_device_commands[] = {
	{ "device", "list", "", 0, 0, list_options, "all Macs", device_list,
	    false },
	{ "device", "show", "DEVICE", 1, 1, NULL, "one Mac", device_show,
	    false },
	{ "device", "refresh", "DEVICE", 1, 1, NULL,
	    "ask a Mac for its inventory", device_refresh, false },
	{ "device", "push", "DEVICE", 1, 1, NULL, "wake a Mac", device_push,
	    false },
	{ "device", "renew", "DEVICE", 1, 1, NULL,
	    "renew the identity of a Mac now", device_renew, false },
	{ "device", "delete", "DEVICE", 1, 1, delete_options,
	    "end a Mac's management and revoke all its certificates",
	    device_delete, false },
	{ 0 },
};
