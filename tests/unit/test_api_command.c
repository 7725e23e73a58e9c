/* Commands from JSON: checked by the catalogue; lock and wipe are orders. */
#include "tests/unit/api_fixture.h"

#define POST(device) "POST /api/v1/devices/" device "/commands"

static void
push_accepted(struct admin *a)
{
	struct store_tx *tx = site_write(a->site);

	OK(store_exec(tx, "UPDATE enrollment SET push_accepted_at = $1",
	    S_ARGS(S_INT(clock_now_ms())), NULL, &e));
	site_commit(tx);
}

static void
queued_shown_cancelled(void **state)
{
	struct admin *a = *state;
	char path[128], id[64];

	CALL(OPERATOR, POST("C02INTEL"), "{\"request_type\":\"ProfileList\"}",
	    201);
	str_copy_cut(id, sizeof(id), text_at(a, "id"));
	assert_string_equal(text_at(a, "state"), "queued");
	assert_string_equal(text_at(a, "queued_by"), "token:operator");
	snprintf(path, sizeof(path), "Location: /api/v1/commands/%s", id);
	assert_non_null(strcasestr(a->head, path));
	CALL(VIEWER, "GET /api/v1/devices/C02INTEL/commands", NULL, 200);
	assert_string_equal(
	    text_in(json_array_get(at(a, "commands"), 0), "id"), id);
	CALL(VIEWER, "GET /api/v1/commands?state=open", NULL, 200);
	assert_int_equal(json_array_size(at(a, "commands")), 1);
	CALL(VIEWER, "GET /api/v1/commands?state=pushed", NULL, 200);
	assert_int_equal(json_array_size(at(a, "commands")), 0);
	snprintf(path, sizeof(path), "GET /api/v1/commands/%s", id);
	push_accepted(a);
	CALL(VIEWER, path, NULL, 200);
	assert_string_equal(text_at(a, "state"), "pushed");
	CALL(VIEWER, "GET /api/v1/commands?state=pushed", NULL, 200);
	assert_int_equal(json_array_size(at(a, "commands")), 1);
	CALL(VIEWER, "GET /api/v1/devices/C02INTEL/commands?state=queued", NULL,
	    200);
	assert_int_equal(json_array_size(at(a, "commands")), 0);
	snprintf(path, sizeof(path), "POST /api/v1/commands/%s/cancel", id);
	CALL(OPERATOR, path, NULL, 200);
	assert_string_equal(text_at(a, "state"), "cancelled");
	REFUSED(OPERATOR, path, NULL, 409, "already_done");
	CALL(VIEWER, "GET /api/v1/commands?state=open", NULL, 200);
	assert_int_equal(json_array_size(at(a, "commands")), 0);
}

static void
bad_input(void **state)
{
	struct admin *a = *state;

	REFUSED(OPERATOR, POST("C02INTEL"), "{}", 400, "invalid");
	REFUSED(OPERATOR, POST("C02INTEL"), "{\"request_type\":\"MeltDown\"}",
	    400, "unknown_command");
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"request_type\":\"ProfileList\",\"command\":[]}", 400,
	    "invalid");
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"request_type\":\"ProfileList\",\"command\":{\"No\":1}}", 400,
	    "invalid");
	REFUSED(OPERATOR, POST("nobody"), "{\"request_type\":\"ProfileList\"}",
	    404, "not_found");
	REFUSED(OPERATOR, POST("C02LEFT"), "{\"request_type\":\"ProfileList\"}",
	    409, "not_enrolled");
	REFUSED(VIEWER, "GET /api/v1/commands/none", NULL, 404, "not_found");
	REFUSED(VIEWER, "GET /api/v1/commands?after=x", NULL, 400, "invalid");
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"request_type\":\"Settings\",\"command\":{\"Settings\":[{"
	    "\"Item\":\"DeviceName\",\"DeviceName\":\"sixteen-letters!\"}]}}",
	    422, "name_too_long");
}

#define ID "8D6AF1B0-35C9-4A3B-9D5B-7C0F3B1B7A11"

static void
id_of_the_callers_choice(void **state)
{
	struct admin *a = *state;

	CALL(OPERATOR, POST("C02INTEL"),
	    "{\"id\":\"" ID "\",\"request_type\":\"ProfileList\"}", 201);
	assert_string_equal(text_at(a, "id"), ID);
	CALL(VIEWER, "GET /api/v1/commands/" ID, NULL, 200);
	assert_string_equal(text_at(a, "request_type"), "ProfileList");
	/* The same again, other content, another device. */
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"id\":\"" ID "\",\"request_type\":\"ProfileList\"}", 409,
	    "command_exists");
	REFUSED(OPERATOR, POST("C02T2"),
	    "{\"id\":\"" ID "\",\"request_type\":\"CertificateList\"}", 409,
	    "command_exists");
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"id\":\"8d6af1b0-35c9-4a3b-9d5b-7c0f3b1b7a12\","
	    "\"request_type\":\"ProfileList\"}",
	    400, "invalid");
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"id\":\"1\",\"request_type\":\"ProfileList\"}", 400, "invalid");
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"id\":1,\"request_type\":\"ProfileList\"}", 400, "invalid");
	REFUSED(OPERATOR, POST("C02INTEL"),
	    "{\"id\":\"" ID "\",\"request_type\":\"DeviceLock\"}", 400,
	    "invalid");
}

static void
lock_becomes_an_order(void **state)
{
	struct admin *a = *state;

	CALL(OPERATOR, POST("C02INTEL"),
	    "{\"request_type\":\"DeviceLock\",\"command\":{\"Message\":\"hi\","
	    "\"PhoneNumber\":\"+81\"}}",
	    201);
	assert_non_null(strcasestr(a->head, "Location: /api/v1/orders/"));
	assert_string_equal(text_at(a, "kind"), "lock");
	assert_string_equal(text_at(a, "message"), "hi");
	assert_non_null(text_at(a, "pin"));
	REFUSED(OPERATOR, POST("C02T2"),
	    "{\"request_type\":\"DeviceLock\",\"command\":{\"PIN\":\"1\"}}",
	    400, "pin_not_allowed");
	REFUSED(OPERATOR, POST("C02T2"),
	    "{\"request_type\":\"DeviceLock\",\"command\":{\"Other\":\"1\"}}",
	    400, "invalid");
}

static void
wipe_asks_the_same_rule(void **state)
{
	struct admin *a = *state;

	REFUSED(OPERATOR, POST("C02T2"), "{\"request_type\":\"EraseDevice\"}",
	    422, "wipe_refused_t2");
	assert_non_null(text_at(a, "order"));
	REFUSED(OPERATOR, POST("C02NEW"), "{\"request_type\":\"EraseDevice\"}",
	    422, "chip_unknown");
	CALL(OPERATOR, POST("C02INTEL"), "{\"request_type\":\"EraseDevice\"}",
	    201);
	assert_string_equal(text_at(a, "kind"), "wipe");
}

static bool
controls_only(const struct http_request *rq, unsigned rights,
    struct http_caller *out, void *arg, struct err *e)
{
	(void)rq, (void)arg;
	*out = (struct http_caller){ .rights = HTTP_VIEW | HTTP_CONTROL };
	str_copy_cut(out->name, sizeof(out->name), "token:control");
	return (out->rights & rights) == rights ||
	       err_set(e, ERR_FORBIDDEN, "no");
}

/* What it takes the right to destroy to order is not called off without. */
static void
calling_off_a_lock_takes_the_right_to_order_it(void **state)
{
	struct admin *a = *state;
	struct http_listen l = { .side = HTTP_ADMIN_SIDE,
		.address = "127.0.0.1",
		.authorizer = controls_only };
	char path[128], other[128];
	uint16_t port;

	OK(http_listen(a->http, &l, &port, &e));
	CALL(OPERATOR, POST("C02INTEL"), "{\"request_type\":\"DeviceLock\"}",
	    201);
	snprintf(path, sizeof(path), "POST /api/v1/commands/%s/cancel",
	    text_at(a, "command_id"));
	CALL(OPERATOR, POST("C02INTEL"), "{\"request_type\":\"ProfileList\"}",
	    201);
	snprintf(other, sizeof(other), "POST /api/v1/commands/%s/cancel",
	    text_at(a, "id"));
	a->port = port;
	REFUSED(NOBODY, path, NULL, 403, "forbidden");
	CALL(NOBODY, other, NULL, 200);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_setup, admin_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(queued_shown_cancelled),
		TEST(bad_input),
		TEST(id_of_the_callers_choice),
		TEST(lock_becomes_an_order),
		TEST(wipe_asks_the_same_rule),
		TEST(calling_off_a_lock_takes_the_right_to_order_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
