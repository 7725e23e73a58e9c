/* mutsu command ..., mutsu event ...  One thread. */
#include <stdio.h>
#include <stdlib.h>

#include "app/app_cli.h"
#include "core/json.h"

enum { EVENTS_MAX = 500 };

static const struct app_column command_columns[] = {
	{ "COMMAND", "id" },
	{ "DEVICE", "serial" },
	{ "TYPE", "request_type" },
	{ "STATE", "state" },
	{ "QUEUED", "queued_at" },
	{ "WHY", "why" },
	{ NULL, NULL },
};

static const struct app_column command_fields[] = {
	{ "Command", "id" },
	{ "Device", "serial" },
	{ "Type", "request_type" },
	{ "State", "state" },
	{ "Why", "why" },
	{ "Queued by", "queued_by" },
	{ "Queued", "queued_at" },
	{ "Delivered", "delivered_at" },
	{ "Done", "done_at" },
	{ "Error", "error.text" },
	{ NULL, NULL },
};

static const struct app_column event_columns[] = {
	{ "SEQ", "seq" },
	{ "AT", "at" },
	{ "KIND", "kind" },
	{ "DEVICE", "device" },
	{ "ACTOR", "actor" },
	{ "SUBJECT", "subject" },
	{ NULL, NULL },
};

static const struct app_option command_options[] = {
	{ "device", "DEVICE", "only of this Mac" },
	{ "state", "STATE", "only in this state; \"open\": all that wait" },
	{ NULL, NULL, NULL },
};

static const struct app_option send_options[] = {
	{ "args", "JSON", "keys of the command: '{\"UserName\":\"x\"}'" },
	{ NULL, NULL, NULL },
};

static const struct app_option event_options[] = {
	{ "after", "SEQ", "only later ones" },
	{ "last", "N", "only the newest N, at most 500" },
	{ "follow", NULL, "wait for more, until interrupted" },
	{ NULL, NULL, NULL },
};

/* GET path, print the array at key. */
static int
list(const struct app_args *a, const char *path, const char *key,
    const struct app_column *columns, const char *empty)
{
	AUTO(json_free) json_t *page = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &page);

	if (code == APP_OK)
		app_print_page(a, page, key, columns, empty);
	return code;
}

static int
command_list(const struct app_args *a)
{
	const char *device = app_arg(a, "device");
	const char *state = app_arg(a, "state");
	AUTO(str_free) char *d = app_escape(device != NULL ? device : "");
	AUTO(str_free) char *s = app_escape(state != NULL ? state : "");
	AUTO(str_free) char *path = NULL;

	if (device != NULL)
		path = str_printf("/api/v1/devices/%s/commands?limit=500%s%s",
		    d, *s ? "&state=" : "", s);
	else
		path = str_printf(
		    "/api/v1/commands?limit=500%s%s", *s ? "&state=" : "", s);
	return list(a, path, "commands", command_columns, "No commands.");
}

static int
command_one(const struct app_args *a, const char *method, const char *tail)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free)
	char *path = str_printf("/api/v1/commands/%s%s", id, tail);
	AUTO(json_free) json_t *c = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = method, .path = path }, &c);

	if (code == APP_OK)
		app_print_one(a, c, command_fields);
	return code;
}

static int
command_show(const struct app_args *a)
{
	return command_one(a, "GET", "");
}

static int
command_cancel(const struct app_args *a)
{
	return command_one(a, "POST", "/cancel");
}

static int
command_send(const struct app_args *a)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free)
	char *path = str_printf("/api/v1/devices/%s/commands", id);
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *args = NULL;
	AUTO(json_free) json_t *c = NULL;
	struct err e = { 0 };
	int code;

	json_put_str(body, "request_type", a->words[1]);
	if (app_arg(a, "args") != NULL) {
		if (!json_parse(slice_str(app_arg(a, "args")), &args, &e)) {
			fprintf(stderr, "mutsu: --args: %s\n", e.text);
			return APP_USAGE;
		}
		json_object_set(body, "command", args);
	}
	code = app_call(a,
	    &(struct app_call){ .method = "POST", .path = path, .body = body },
	    &c);
	if (code == APP_OK) {
		app_print_one(a, c, command_fields);
		app_say(a, "See the answer: mutsu command show %s",
		    json_string_value(json_object_get(c, "id")));
	}
	return code;
}

/* Prints what comes after *after, which moves on; *count, if not NULL, is how
 * many.  An exit code. */
static int
event_page(
    const struct app_args *a, const char *query, int64_t *after, size_t *count)
{
	AUTO(str_free)
	char *path =
	    str_printf("/api/v1/events?limit=%d&%s", EVENTS_MAX, query);
	AUTO(json_free) json_t *page = NULL;
	const json_t *events;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &page);

	if (code != APP_OK)
		return code;
	events = json_object_get(page, "events");
	if (json_array_size(events) != 0 || count != NULL)
		app_print_list(a, events, event_columns, "No events.");
	fflush(stdout);
	*after = json_integer_value(json_object_get(page, "next"));
	if (count != NULL)
		*count = json_array_size(events);
	return APP_OK;
}

static int
event_list(const struct app_args *a)
{
	const char *from = app_arg(a, "after"), *last = app_arg(a, "last");
	AUTO(str_free) char *query = NULL;
	int64_t after = 0, n = 0;
	size_t count = 0;
	int code;

	if (from != NULL && !str_to_i64(from, 0, INT64_MAX, &after)) {
		fprintf(stderr, "mutsu: --after takes a sequence number\n");
		return APP_USAGE;
	}
	if (last != NULL &&
	    (from != NULL || !str_to_i64(last, 1, EVENTS_MAX, &n))) {
		fprintf(stderr,
		    "mutsu: --last takes a number from 1 to %d, and no "
		    "--after\n",
		    EVENTS_MAX);
		return APP_USAGE;
	}
	query = str_printf("%s=%lld", last != NULL ? "last" : "after",
	    (long long)(last != NULL ? n : after));
	code = event_page(a, query, &after, &count);
	while (code == APP_OK && app_arg(a, "follow") != NULL) {
		str_free(&query);
		query = str_printf("wait=30&after=%lld", (long long)after);
		code = event_page(a, query, &after, NULL);
	}
	if (code == APP_OK && last == NULL && count == EVENTS_MAX)
		fprintf(stderr,
		    "mutsu: there may be more than these %d; go on with "
		    "--after %lld, or see the newest with --last N\n",
		    EVENTS_MAX, (long long)after);
	return code;
}

const struct app_subcommand app_queue_commands[] = {
	{ "command", "list", "", 0, 0, command_options,
	    "the queue, newest first", command_list, false },
	{ "command", "show", "COMMAND", 1, 1, NULL,
	    "one command and its answer (--json: whole)", command_show, false },
	{ "command", "send", "DEVICE TYPE", 2, 2, send_options,
	    "queue an MDM command", command_send, false },
	{ "command", "cancel", "COMMAND", 1, 1, NULL, "end a waiting command",
	    command_cancel, false },
	{ "event", "list", "", 0, 0, event_options, "what happened", event_list,
	    false },
	{ 0 },
};
