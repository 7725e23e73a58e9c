/* mutsu lock, mutsu wipe, mutsu order ...  One thread. */
#include <stdio.h>

#include "app/app_cli.h"
#include "core/json.h"

static const struct app_column order_columns[] = {
	{ "ORDER", "id" },
	{ "DEVICE", "device" },
	{ "KIND", "kind" },
	{ "STATE", "state" },
	{ "REASON", "reason_code" },
	{ "BY", "requested_by" },
	{ "CREATED", "created_at" },
	{ NULL, NULL },
};

static const struct app_column order_fields[] = {
	{ "Order", "id" },
	{ "Device", "device" },
	{ "Kind", "kind" },
	{ "State", "state" },
	{ "PIN", "pin" },
	{ "Reason", "reason" },
	{ "Message", "message" },
	{ "Phone", "phone" },
	{ "Note", "note" },
	{ "Ordered by", "requested_by" },
	{ "Created", "created_at" },
	{ "Changed", "updated_at" },
	{ "Next", "next" },
	{ "Warning", "warning" },
	{ NULL, NULL },
};

static const struct app_option lock_options[] = {
	{ "message", "TEXT", "shown on the locked screen" },
	{ "phone", "NUMBER", "shown there too (Apple silicon)" },
	{ "note", "TEXT", "why; kept with the order" },
	{ "key", "KEY", "idempotency key: the same order is made once" },
	{ NULL, NULL, NULL },
};

static const struct app_option wipe_options[] = {
	{ "yes", NULL, "do not ask to type the serial number" },
	{ "obliteration", "MODE",
	    "DoNotObliterate (default), Default, ObliterateWithWarning, "
	    "Always" },
	{ "note", "TEXT", "why; kept with the order" },
	{ "key", "KEY", "idempotency key: the same order is made once" },
	{ NULL, NULL, NULL },
};

static const struct app_option list_options[] = {
	{ "device", "DEVICE", "only of this Mac" },
	{ "state", "STATE", "only in this state" },
	{ NULL, NULL, NULL },
};

static int
order_create(const struct app_args *a, const char *kind, const char *device)
{
	static const char *const texts[] = { "message", "phone", "note",
		"obliteration" };
	AUTO(json_free) json_t *body = json_object();
	AUTO(json_free) json_t *order = NULL;
	int code;

	json_put_str(body, "kind", kind);
	json_put_str(body, "device", device);
	for (size_t i = 0; i < COUNT(texts); i++)
		if (app_arg(a, texts[i]) != NULL)
			json_put_str(body, texts[i], app_arg(a, texts[i]));
	code = app_call(a,
	    &(struct app_call){ .method = "POST",
	        .path = "/api/v1/orders",
	        .body = body,
	        .idempotency_key = app_arg(a, "key") },
	    &order);
	if (code == APP_OK) {
		app_print_one(a, order, order_fields);
		app_say(a, "See how it goes: mutsu order show %s",
		    json_string_value(json_object_get(order, "id")));
	}
	return code;
}

static int
order_lock(const struct app_args *a)
{
	return order_create(a, "lock", a->words[0]);
}

static int
order_wipe(const struct app_args *a)
{
	char id[64];
	int code;

	if (app_arg(a, "yes") != NULL)
		return order_create(a, "wipe", a->words[0]);
	code = app_confirm(a, &(struct app_question){ "wipe", "erases" }, id);
	return code == APP_OK ? order_create(a, "wipe", id) : code;
}

static int
order_list(const struct app_args *a)
{
	const char *device = app_arg(a, "device");
	const char *state = app_arg(a, "state");
	AUTO(str_free) char *d = app_escape(device != NULL ? device : "");
	AUTO(str_free) char *s = app_escape(state != NULL ? state : "");
	AUTO(str_free)
	char *path = str_printf("/api/v1/orders?limit=500%s%s%s%s",
	    *d ? "&device=" : "", d, *s ? "&state=" : "", s);
	AUTO(json_free) json_t *page = NULL;
	int code = app_call(
	    a, &(struct app_call){ .method = "GET", .path = path }, &page);

	if (code == APP_OK)
		app_print_page(a, page, "orders", order_columns, "No orders.");
	return code;
}

static int
order_get(const struct app_args *a, const char *method, const char *tail,
    json_t **out)
{
	AUTO(str_free) char *id = app_escape(a->words[0]);
	AUTO(str_free)
	char *path = str_printf("/api/v1/orders/%s%s", id, tail);

	return app_call(
	    a, &(struct app_call){ .method = method, .path = path }, out);
}

static int
order_show(const struct app_args *a)
{
	AUTO(json_free) json_t *order = NULL;
	int code = order_get(a, "GET", "", &order);

	if (code == APP_OK)
		app_print_one(a, order, order_fields);
	return code;
}

static int
order_pin(const struct app_args *a)
{
	AUTO(json_free) json_t *pin = NULL;
	int code = order_get(a, "GET", "/pin", &pin);

	if (code == APP_OK)
		app_print_one(a, pin, order_fields);
	return code;
}

static int
order_cancel(const struct app_args *a)
{
	AUTO(json_free) json_t *order = NULL;
	int code = order_get(a, "POST", "/cancel", &order);

	if (code == APP_OK)
		app_print_one(a, order, order_fields);
	return code;
}

const struct app_subcommand app_order_commands[] = {
	{ NULL, "lock", "DEVICE", 1, 1, lock_options,
	    "lock a Mac; prints the PIN that opens it", order_lock, false },
	{ NULL, "wipe", "DEVICE", 1, 1, wipe_options,
	    "erase a Mac (never one with the T2 chip)", order_wipe, false },
	{ "order", "list", "", 0, 0, list_options, "locks and wipes",
	    order_list, false },
	{ "order", "show", "ORDER", 1, 1, NULL, "one order", order_show,
	    false },
	{ "order", "pin", "ORDER", 1, 1, NULL,
	    "the PIN of an order; the reading is recorded", order_pin, false },
	{ "order", "cancel", "ORDER", 1, 1, NULL,
	    "end an order that the Mac has not got", order_cancel, false },
	{ 0 },
};
