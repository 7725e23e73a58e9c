/* The authority through the API: for everybody to see, and no key of it. */
#include "tests/unit/api_fixture.h"

#define PATH "GET /api/v1/authority"

static void
rows_of_the_first_generation(void **state)
{
	struct admin *a = *state;
	static const char *const roles[] = { "issuing", "ra", "root" };
	int seen = 0;
	json_t *rows, *row;
	size_t i;

	CALL(VIEWER, PATH, NULL, 200);
	rows = json_object_get(a->body, "authority");
	assert_int_equal(json_array_size(rows), COUNT(roles));
	json_array_foreach(rows, i, row)
	{
		const char *role =
		    json_string_value(json_object_get(row, "role"));

		for (size_t k = 0; k < COUNT(roles); k++)
			seen |= str_eq(role, roles[k]) ? 1 << k : 0;
		assert_string_equal(
		    json_string_value(json_object_get(row, "state")), "active");
		assert_true(json_is_string(json_object_get(row, "not_after")));
		assert_true(
		    json_is_string(json_object_get(row, "fingerprint")));
		assert_string_equal(
		    json_string_value(json_object_get(row, "key")), "sealed");
	}
	assert_int_equal(seen, 7);
	REFUSED(NOBODY, PATH, NULL, 401, "unauthorized");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    rows_of_the_first_generation, admin_setup, admin_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
