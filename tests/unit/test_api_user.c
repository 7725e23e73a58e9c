/* Users over the API. */
#include "tests/unit/api_fixture.h"

static void
made_shown_deleted(void **state)
{
	struct admin *a = *state;

	CALL(OPERATOR, "POST /api/v1/users",
	    "{\"name\":\"sato\",\"full_name\":\"佐藤\"}", 201);
	assert_string_equal(text_at(a, "full_name"), "佐藤");
	assert_non_null(strcasestr(a->head, "Location: /api/v1/users/"));
	CALL(OPERATOR, "POST /api/v1/users",
	    "{\"name\":\"sato\",\"email\":\"s@example.com\"}", 200);
	assert_string_equal(text_at(a, "full_name"), "佐藤");
	CALL(VIEWER, "GET /api/v1/users/sato", NULL, 200);
	assert_string_equal(text_at(a, "email"), "s@example.com");
	assert_int_equal(json_array_size(at(a, "devices")), 0);

	CALL(OPERATOR, "PUT /api/v1/devices/C02T2/user", "{\"user\":\"sato\"}",
	    200);
	CALL(VIEWER, "GET /api/v1/users", NULL, 200);
	assert_int_equal(json_array_size(at(a, "users")), 1);
	CALL(OPERATOR, "DELETE /api/v1/users/sato", NULL, 204);
	CALL(VIEWER, "GET /api/v1/devices/C02T2", NULL, 200);
	assert_true(json_is_null(at(a, "user")));
	REFUSED(
	    OPERATOR, "DELETE /api/v1/users/sato", NULL, 404, "no_such_user");
	REFUSED(
	    OPERATOR, "POST /api/v1/users", "{\"name\":\"\"}", 400, "invalid");
	REFUSED(
	    OPERATOR, "POST /api/v1/users", "{\"nam\":\"x\"}", 400, "invalid");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_shown_deleted),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
