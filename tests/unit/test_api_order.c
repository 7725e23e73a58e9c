/* Orders: lock with its PIN, refusals that are kept, repetition, bulk. */
#include "tests/unit/api_fixture.h"

#define LOCK(device) "{\"kind\":\"lock\",\"device\":\"" device "\"}"
#define WIPE(device) "{\"kind\":\"wipe\",\"device\":\"" device "\"}"

static void
lock_tells_its_pin(void **state)
{
	struct admin *a = *state;
	char path[128], pin[16], id[64];

	CALL(OPERATOR, "POST /api/v1/orders",
	    "{\"kind\":\"lock\",\"device\":\"c02intel\",\"message\":\"Call\","
	    "\"phone\":\"+81\",\"note\":\"lost\"}",
	    201);
	assert_string_equal(text_at(a, "state"), "queued");
	assert_string_equal(text_at(a, "requested_by"), "token:operator");
	str_copy_cut(pin, sizeof(pin), text_at(a, "pin"));
	assert_int_equal(strlen(pin), 6);
	str_copy_cut(id, sizeof(id), text_at(a, "id"));
	snprintf(path, sizeof(path), "Location: /api/v1/orders/%s", id);
	assert_non_null(strcasestr(a->head, path));
	assert_int_equal(site_events(a->site, "order.pin_read"), 1);

	snprintf(path, sizeof(path), "GET /api/v1/orders/%s", id);
	CALL(VIEWER, path, NULL, 200);
	assert_null(json_object_get(a->body, "pin"));
	snprintf(path, sizeof(path), "GET /api/v1/orders/%s/pin", id);
	REFUSED(VIEWER, path, NULL, 403, "forbidden");
	assert_int_equal(site_events(a->site, "order.pin_read"), 1);
	CALL(OPERATOR, path, NULL, 200);
	assert_string_equal(text_at(a, "pin"), pin);
	assert_non_null(strcasestr(a->head, "Cache-Control: no-store"));
	assert_int_equal(site_events(a->site, "order.pin_read"), 2);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE data LIKE "
	                     "'%' || $1 || '%'",
	                     pin),
	    0);
}

static void
open_order_and_cancel(void **state)
{
	struct admin *a = *state;
	char path[128];

	CALL(OPERATOR, "POST /api/v1/orders", LOCK("M-INTEL"), 201);
	snprintf(path, sizeof(path), "POST /api/v1/orders/%s/cancel",
	    text_at(a, "id"));
	REFUSED(OPERATOR, "POST /api/v1/orders", LOCK("M-INTEL"), 409,
	    "order_open");
	CALL(OPERATOR, path, NULL, 200);
	assert_string_equal(text_at(a, "state"), "cancelled");
	REFUSED(OPERATOR, path, NULL, 409, "already_done");
	REFUSED(OPERATOR, "POST /api/v1/orders/none/cancel", NULL, 404,
	    "not_found");
	REFUSED(VIEWER, "GET /api/v1/orders/none", NULL, 404, "not_found");
}

static void
wipe_of_t2_is_refused_and_kept(void **state)
{
	struct admin *a = *state;
	char path[128];

	REFUSED(OPERATOR, "POST /api/v1/orders", WIPE("C02T2"), 422,
	    "wipe_refused_t2");
	snprintf(
	    path, sizeof(path), "GET /api/v1/orders/%s", text_at(a, "order"));
	CALL(VIEWER, path, NULL, 200);
	assert_string_equal(text_at(a, "state"), "refused");
	assert_string_equal(text_at(a, "reason_code"), "wipe_refused_t2");
	assert_int_equal(site_events(a->site, "order.refused"), 1);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM command WHERE "
	                     "request_type = 'EraseDevice'",
	                     NULL),
	    0);
}

static void
wipe_of_unknown_chip(void **state)
{
	struct admin *a = *state;

	REFUSED(OPERATOR, "POST /api/v1/orders", WIPE("C02NEW"), 422,
	    "chip_unknown");
	assert_non_null(text_at(a, "order"));
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM command WHERE "
	                     "enrollment_id = 'M-NEW' AND "
	                     "request_type = 'DeviceInformation'",
	                     NULL),
	    1);
}

static void
wipe_without_t2(void **state)
{
	struct admin *a = *state;

	CALL(OPERATOR, "POST /api/v1/orders", WIPE("C02INTEL"), 201);
	assert_string_equal(text_at(a, "kind"), "wipe");
	assert_null(json_object_get(a->body, "pin"));
}

#define KEY(k) a->more = "Idempotency-Key: " k "\r\n"

static void
repetition_by_key(void **state)
{
	struct admin *a = *state;
	char id[64], pin[16];

	KEY("k1");
	CALL(OPERATOR, "POST /api/v1/orders", LOCK("C02T2"), 201);
	str_copy_cut(id, sizeof(id), text_at(a, "id"));
	str_copy_cut(pin, sizeof(pin), text_at(a, "pin"));
	KEY("k1");
	CALL(OPERATOR, "POST /api/v1/orders", LOCK("C02T2"), 200);
	assert_string_equal(text_at(a, "id"), id);
	assert_string_equal(text_at(a, "pin"), pin);
	KEY("k1");
	REFUSED(OPERATOR, "POST /api/v1/orders", LOCK("C02NEW"), 409,
	    "idempotency_mismatch");
	/* Another caller's keys are another matter. */
	KEY("k1");
	REFUSED(ADMIN, "POST /api/v1/orders", LOCK("C02T2"), 409, "order_open");

	KEY("k2");
	REFUSED(OPERATOR, "POST /api/v1/orders", WIPE("C02T2"), 422,
	    "wipe_refused_t2");
	str_copy_cut(id, sizeof(id), text_at(a, "order"));
	KEY("k2");
	REFUSED(OPERATOR, "POST /api/v1/orders", WIPE("C02T2"), 422,
	    "wipe_refused_t2");
	assert_string_equal(text_at(a, "order"), id);
	KEY("two words");
	REFUSED(OPERATOR, "POST /api/v1/orders", LOCK("C02T2"), 400, "invalid");
}

static void
bad_input(void **state)
{
	struct admin *a = *state;

	REFUSED(OPERATOR, "POST /api/v1/orders", "{\"kind\":\"lock\"}", 400,
	    "invalid");
	REFUSED(OPERATOR, "POST /api/v1/orders",
	    "{\"kind\":\"melt\",\"device\":\"C02T2\"}", 400,
	    "order_kind_unknown");
	REFUSED(OPERATOR, "POST /api/v1/orders",
	    "{\"kind\":\"lock\",\"device\":\"C02T2\",\"pin\":\"123456\"}", 400,
	    "invalid");
	REFUSED(OPERATOR, "POST /api/v1/orders",
	    "{\"kind\":\"lock\",\"kind\":\"wipe\",\"device\":\"C02T2\"}", 400,
	    "invalid");
	REFUSED(
	    OPERATOR, "POST /api/v1/orders", LOCK("nobody"), 404, "not_found");
	REFUSED(OPERATOR, "POST /api/v1/orders", LOCK("twin"), 409,
	    "ambiguous_device");
	REFUSED(OPERATOR, "POST /api/v1/orders", LOCK("C02LEFT"), 409,
	    "not_enrolled");
	a->more = "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
	REFUSED(OPERATOR, "POST /api/v1/orders", NULL, 400, "not_json");
	REFUSED(VIEWER, "GET /api/v1/orders?after=xyz", NULL, 400, "invalid");
	REFUSED(
	    VIEWER, "GET /api/v1/orders?device=xyz", NULL, 404, "not_found");
}

static const char *
result_code(const struct admin *a, size_t i)
{
	const json_t *r = json_array_get(at(a, "results"), i);

	return text_in(json_object_get(r, "problem"), "code");
}

#define BULK                                                                   \
	"{\"kind\":\"wipe\",\"devices\":[\"C02INTEL\",\"C02T2\",\"C02NEW\","   \
	"\"nobody\",\"C02INTEL\"]}"

static void
bulk_tells_of_each(void **state)
{
	struct admin *a = *state;
	char id[64];

	KEY("bulk1");
	CALL(OPERATOR, "POST /api/v1/orders/bulk", BULK, 200);
	assert_int_equal(json_array_size(at(a, "results")), 5);
	assert_null(result_code(a, 0));
	str_copy_cut(id, sizeof(id),
	    text_in(
	        json_object_get(json_array_get(at(a, "results"), 0), "order"),
	        "id"));
	assert_string_equal(result_code(a, 1), "wipe_refused_t2");
	assert_string_equal(result_code(a, 2), "chip_unknown");
	assert_string_equal(result_code(a, 3), "not_found");
	/* Named twice: by its key the same order. */
	assert_null(result_code(a, 4));
	KEY("bulk1");
	CALL(OPERATOR, "POST /api/v1/orders/bulk", BULK, 200);
	assert_string_equal(
	    text_in(
	        json_object_get(json_array_get(at(a, "results"), 0), "order"),
	        "id"),
	    id);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM orders WHERE "
	                     "state <> 'refused'",
	                     NULL),
	    1);
}

static void
bulk_bad_input(void **state)
{
	struct admin *a = *state;
	AUTO(buf_free) struct buf *b = buf_new(1 << 20);

	REFUSED(OPERATOR, "POST /api/v1/orders/bulk",
	    "{\"kind\":\"lock\",\"devices\":[]}", 400, "invalid");
	REFUSED(OPERATOR, "POST /api/v1/orders/bulk",
	    "{\"kind\":\"lock\",\"devices\":\"C02T2\"}", 400, "invalid");
	REFUSED(OPERATOR, "POST /api/v1/orders/bulk",
	    "{\"kind\":\"lock\",\"devices\":[1]}", 400, "invalid");
	buf_adds(b, "{\"kind\":\"lock\",\"devices\":[\"x\"");
	for (int i = 0; i < 500; i++)
		buf_adds(b, ",\"x\"");
	buf_adds(b, "]}");
	REFUSED(
	    OPERATOR, "POST /api/v1/orders/bulk", buf_str(b), 400, "invalid");
}

static void
list_filters_and_pages(void **state)
{
	struct admin *a = *state;
	char path[256];

	CALL(OPERATOR, "POST /api/v1/orders", LOCK("C02INTEL"), 201);
	CALL(OPERATOR, "POST /api/v1/orders", LOCK("C02T2"), 201);
	REFUSED(OPERATOR, "POST /api/v1/orders", WIPE("C02T2"), 422,
	    "wipe_refused_t2");
	CALL(VIEWER, "GET /api/v1/orders?device=C02T2&limit=1", NULL, 200);
	assert_int_equal(json_array_size(at(a, "orders")), 1);
	snprintf(path, sizeof(path),
	    "GET /api/v1/orders?device=C02T2&limit=1&after=%s",
	    text_at(a, "next"));
	CALL(VIEWER, path, NULL, 200);
	assert_int_equal(json_array_size(at(a, "orders")), 1);
	assert_true(json_is_null(at(a, "next")));
	CALL(VIEWER, "GET /api/v1/orders?state=refused", NULL, 200);
	assert_int_equal(json_array_size(at(a, "orders")), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_setup, admin_teardown)

static void
a_filter_misspelt_is_not_an_empty_one(void **state)
{
	static const char *const lists[] = { "devices", "orders", "commands",
		"events", "users", "tokens", "certificates", "scep-requests",
		"templates", "push-certificates", "devices/C02INTEL/commands" };
	static const char *const states[] = { "orders", "commands",
		"certificates", "scep-requests", "devices/C02INTEL/commands" };
	struct admin *a = *state;
	char line[128];

	for (size_t i = 0; i < COUNT(lists); i++) {
		snprintf(line, sizeof(line), "GET /api/v1/%s", lists[i]);
		CALL(ADMIN, line, NULL, 200);
		snprintf(
		    line, sizeof(line), "GET /api/v1/%s?stat=open", lists[i]);
		REFUSED(ADMIN, line, NULL, 400, "unknown_filter");
	}
	for (size_t i = 0; i < COUNT(states); i++) {
		snprintf(
		    line, sizeof(line), "GET /api/v1/%s?state=opn", states[i]);
		REFUSED(ADMIN, line, NULL, 400, "invalid");
	}
	CALL(VIEWER, "GET /api/v1/orders?state=queued&limit=5", NULL, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lock_tells_its_pin),
		TEST(open_order_and_cancel),
		TEST(wipe_of_t2_is_refused_and_kept),
		TEST(wipe_of_unknown_chip),
		TEST(wipe_without_t2),
		TEST(repetition_by_key),
		TEST(bad_input),
		TEST(bulk_tells_of_each),
		TEST(bulk_bad_input),
		TEST(list_filters_and_pages),
		TEST(a_filter_misspelt_is_not_an_empty_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
