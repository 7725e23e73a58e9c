/* Devices: list, show, refresh, push, and their users. */
#include "tests/unit/api_fixture.h"

static void
listed_and_shown(void **state)
{
	struct admin *a = *state;
	char path[256];
	int seen = 0;

	CALL(VIEWER, "GET /api/v1/devices?limit=3", NULL, 200);
	seen += (int)json_array_size(at(a, "devices"));
	assert_int_equal(seen, 3);
	snprintf(path, sizeof(path), "GET /api/v1/devices?limit=3&after=%s",
	    text_at(a, "next"));
	CALL(VIEWER, path, NULL, 200);
	seen += (int)json_array_size(at(a, "devices"));
	assert_int_equal(seen, 4);
	assert_true(json_is_null(at(a, "next")));
	CALL(VIEWER, "GET /api/v1/devices?q=intel", NULL, 200);
	assert_int_equal(json_array_size(at(a, "devices")), 1);

	CALL(VIEWER, "GET /api/v1/devices/c02t2", NULL, 200);
	assert_string_equal(text_at(a, "chip"), "t2");
	/* In any case by its UDID as well. */
	CALL(VIEWER, "GET /api/v1/devices/m-t2", NULL, 200);
	assert_string_equal(text_at(a, "serial"), "C02T2");
	CALL(VIEWER, "GET /api/v1/devices/intel", NULL, 200);
	assert_string_equal(text_at(a, "serial"), "C02INTEL");
	REFUSED(
	    VIEWER, "GET /api/v1/devices/twin", NULL, 409, "ambiguous_device");
	REFUSED(VIEWER, "GET /api/v1/devices/nobody", NULL, 404, "not_found");
}

static void
refreshed_and_pushed(void **state)
{
	static const char *const bare[] = {
		"POST /api/v1/devices/C02T2/push",
		"POST /api/v1/devices/C02T2/refresh",
		"POST /api/v1/devices/C02T2/renew",
		"POST /api/v1/commands/C/cancel",
		"POST /api/v1/orders/O/cancel",
	};
	struct admin *a = *state;

	for (int i = 0; i < 2; i++)
		CALL(OPERATOR, "POST /api/v1/devices/C02INTEL/refresh", NULL,
		    202);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM command WHERE "
	                     "enrollment_id = $1",
	                     "M-INTEL"),
	    2);
	CALL(OPERATOR, "POST /api/v1/devices/C02T2/push", NULL, 202);
	CALL(OPERATOR, "POST /api/v1/devices/C02T2/push", "{}", 202);
	for (size_t i = 0; i < COUNT(bare); i++)
		REFUSED(OPERATOR, bare[i], "{\"x\":1}", 400, "invalid");
	assert_int_equal(site_number(a->site,
	                     "SELECT push_due_at IS NOT NULL FROM enrollment "
	                     "WHERE id = $1",
	                     "M-T2"),
	    1);
	REFUSED(OPERATOR, "POST /api/v1/devices/C02LEFT/push", NULL, 409,
	    "not_enrolled");
	REFUSED(OPERATOR, "POST /api/v1/devices/C02LEFT/refresh", NULL, 409,
	    "not_enrolled");
}

static void
given_a_user(void **state)
{
	struct admin *a = *state;

	CALL(OPERATOR, "PUT /api/v1/devices/C02INTEL/user",
	    "{\"user\":\"sato\",\"email\":\"sato@example.com\"}", 200);
	assert_string_equal(text_at(a, "user"), "sato");
	assert_int_equal(site_events(a->site, "rollout.issuing"), 1);
	CALL(OPERATOR, "PUT /api/v1/devices/C02INTEL/user",
	    "{\"user\":\"sato\"}", 200);
	assert_int_equal(site_events(a->site, "rollout.issuing"), 1);
	CALL(OPERATOR, "PUT /api/v1/devices/C02INTEL/user",
	    "{\"user\":\"ito\"}", 200);
	assert_string_equal(text_at(a, "user"), "ito");
	CALL(OPERATOR, "DELETE /api/v1/devices/C02INTEL/user", NULL, 200);
	assert_true(json_is_null(at(a, "user")));
	CALL(OPERATOR, "DELETE /api/v1/devices/C02INTEL/user", NULL, 200);
	assert_int_equal(site_events(a->site, "device.unassigned"), 2);

	REFUSED(
	    OPERATOR, "PUT /api/v1/devices/C02INTEL/user", "", 400, "invalid");
	assert_non_null(strstr(text_at(a, "detail"), "the body is empty"));
	REFUSED(OPERATOR, "PUT /api/v1/devices/C02INTEL/user", "{}", 400,
	    "invalid");
	REFUSED(OPERATOR, "PUT /api/v1/devices/C02INTEL/user",
	    "{\"user\":\"a/b\"}", 400, "user_name_invalid");
	REFUSED(OPERATOR, "PUT /api/v1/devices/C02INTEL/user",
	    "{\"user\":\"a\",\"email\":\"x\"}", 400, "email_invalid");
	REFUSED(OPERATOR, "PUT /api/v1/devices/nobody/user",
	    "{\"user\":\"new\"}", 404, "not_found");
	/* What was refused made no user. */
	REFUSED(VIEWER, "GET /api/v1/users/new", NULL, 404, "no_such_user");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_setup, admin_teardown)

static void
deleted(void **state)
{
	struct admin *a = *state;
	char id[64], path[128];

	CALL(OPERATOR, "PUT /api/v1/devices/C02INTEL/user",
	    "{\"user\":\"sato\"}", 200);
	str_copy_cut(id, sizeof(id), text_at(a, "id"));
	REFUSED(
	    VIEWER, "DELETE /api/v1/devices/C02INTEL", NULL, 403, "forbidden");
	CALL(OPERATOR, "DELETE /api/v1/devices/C02INTEL", NULL, 204);
	REFUSED(OPERATOR, "DELETE /api/v1/devices/C02INTEL", NULL, 404,
	    "not_found");
	CALL(VIEWER, "GET /api/v1/devices?q=intel", NULL, 200);
	assert_int_equal(json_array_size(at(a, "devices")), 0);
	assert_int_equal(site_events(a->site, "device.unassigned"), 1);
	assert_int_equal(site_events(a->site, "rollout.removed"), 1);
	snprintf(path, sizeof(path), "GET /api/v1/devices/%s", id);
	CALL(VIEWER, path, NULL, 200);
	assert_string_equal(text_at(a, "state"), "deleted");
	snprintf(path, sizeof(path), "DELETE /api/v1/devices/%s", id);
	CALL(OPERATOR, path, NULL, 204);
	snprintf(path, sizeof(path), "PUT /api/v1/devices/%s/user", id);
	REFUSED(OPERATOR, path, "{\"user\":\"sato\"}", 409, "device_deleted");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(listed_and_shown),
		TEST(refreshed_and_pushed),
		TEST(given_a_user),
		TEST(deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
