/* Tokens: made once, listed without their text, revoked but not reused. */
#include "tests/unit/api_fixture.h"

static void
made_and_used(void **state)
{
	struct admin *a = *state;
	char token[API_TOKEN_SIZE];

	CALL(ADMIN, "POST /api/v1/tokens",
	    "{\"name\":\"core\",\"role\":\"operator\"}", 201);
	assert_non_null(strcasestr(a->head, "Location: /api/v1/tokens/core"));
	assert_true(str_starts(text_at(a, "token"), "mutsu_"));
	assert_int_equal(strlen(text_at(a, "token")), API_TOKEN_SIZE - 1);
	str_copy_cut(token, sizeof(token), text_at(a, "token"));
	assert_int_equal(
	    admin_send(a, token, "GET /api/v1/devices", NULL), 200);
	assert_int_equal(admin_send(a, token, "GET /api/v1/tokens", NULL), 403);
	/* Its text is nowhere in the database. */
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM token WHERE mac LIKE "
	                     "'%' || $1 || '%' OR id = $1 OR name = $1",
	                     token + 6),
	    0);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE data LIKE "
	                     "'%' || $1 || '%'",
	                     token + 6),
	    0);
}

static void
bad_input(void **state)
{
	struct admin *a = *state;

	REFUSED(
	    ADMIN, "POST /api/v1/tokens", "{\"name\":\"x\"}", 400, "invalid");
	REFUSED(ADMIN, "POST /api/v1/tokens",
	    "{\"name\":\"x\",\"role\":\"king\"}", 400, "role_unknown");
	REFUSED(ADMIN, "POST /api/v1/tokens",
	    "{\"name\":\"x y\",\"role\":\"viewer\"}", 400,
	    "token_name_invalid");
	REFUSED(ADMIN, "POST /api/v1/tokens",
	    "{\"name\":\"x\",\"role\":\"viewer\",\"more\":1}", 400, "invalid");
	REFUSED(ADMIN, "POST /api/v1/tokens", "[]", 400, "invalid");
	REFUSED(ADMIN, "POST /api/v1/tokens", "{", 400, "invalid");
	REFUSED(ADMIN, "POST /api/v1/tokens",
	    "{\"name\":\"admin\",\"role\":\"viewer\"}", 409, "token_name_used");
	REFUSED(ADMIN, "DELETE /api/v1/tokens/none", NULL, 404, "not_found");
}

static void
last_admin_stays(void **state)
{
	struct admin *a = *state;

	REFUSED(ADMIN, "DELETE /api/v1/tokens/admin", NULL, 409,
	    "last_admin_token");
	CALL(ADMIN, "POST /api/v1/tokens",
	    "{\"name\":\"admin2\",\"role\":\"admin\"}", 201);
	CALL(ADMIN, "DELETE /api/v1/tokens/admin2", NULL, 204);
	CALL(ADMIN, "DELETE /api/v1/tokens/admin2", NULL, 204);
	REFUSED(ADMIN, "DELETE /api/v1/tokens/admin", NULL, 409,
	    "last_admin_token");
}

static void
listed_in_pages(void **state)
{
	struct admin *a = *state;
	const json_t *one;

	CALL(ADMIN, "GET /api/v1/tokens?limit=1", NULL, 200);
	assert_int_equal(json_array_size(at(a, "tokens")), 1);
	one = json_array_get(at(a, "tokens"), 0);
	assert_string_equal(text_in(one, "name"), "admin");
	assert_null(json_object_get(one, "mac"));
	assert_null(json_object_get(one, "token"));
	assert_string_equal(text_at(a, "next"), "admin");
	CALL(ADMIN, "GET /api/v1/tokens?limit=500&after=admin", NULL, 200);
	assert_true(json_is_null(at(a, "next")));
	REFUSED(ADMIN, "GET /api/v1/tokens?limit=501", NULL, 400, "invalid");
	REFUSED(ADMIN, "GET /api/v1/tokens?limit=0", NULL, 400, "invalid");
	REFUSED(ADMIN, "GET /api/v1/tokens?limit=x", NULL, 400, "invalid");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_used),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(last_admin_stays),
		cmocka_unit_test(listed_in_pages),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
