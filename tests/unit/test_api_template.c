/* Certificate templates and their secrets over the API. */
#include "tests/unit/api_fixture.h"

#define PRINTERS "/api/v1/templates/printers"
#define SECRET PRINTERS "/secret"

static void
who_gets_certificates(void **state)
{
	struct admin *a = *state;

	CALL(ADMIN, "PUT " PRINTERS,
	    "{\"challenge\":\"static\",\"approval\":true,\"beyond\":\"refuse\","
	    "\"subject\":{\"cn\":\"$NAME\",\"o\":\"Acme\"}}",
	    200);
	assert_string_equal(text_at(a, "challenge"), "static");
	assert_string_equal(text_at(a, "beyond"), "refuse");
	assert_string_equal(text_in(at(a, "subject"), "cn"), "$NAME");
	assert_true(json_is_true(at(a, "approval")));
	assert_true(json_is_null(at(a, "secret_set_at")));
	assert_non_null(strstr(text_at(a, "warning"), "same challenge"));
	CALL(VIEWER, "GET /api/v1/templates", NULL, 200);
	assert_int_equal(json_array_size(at(a, "templates")), 5);
	REFUSED(ADMIN, "PUT " PRINTERS,
	    "{\"challenge\":\"static\",\"subject\":{\"cn\":\"$EMAIL\"}}", 400,
	    "invalid");
}

static void
secrets_are_shown_once(void **state)
{
	struct admin *a = *state;
	AUTO(str_free) char *secret = NULL;
	AUTO(str_free) char *all = NULL;

	CALL(ADMIN, "PUT " SECRET, "{\"names\":[\"p-1\",\"p-2\"]}", 200);
	secret = str_dup(text_at(a, "secret"));
	assert_int_equal(strlen(secret), 32);
	assert_non_null(text_at(a, "warning"));
	assert_non_null(strcasestr(a->head, "Cache-Control: no-store"));
	CALL(VIEWER, "GET " PRINTERS, NULL, 200);
	assert_int_equal(json_array_size(at(a, "names")), 2);
	assert_non_null(text_at(a, "secret_set_at"));
	all = json_text(a->body);
	assert_null(strstr(all, secret));
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE data LIKE "
	                     "'%' || $1 || '%'",
	                     secret),
	    0);
	/* One that was brought along is not told back. */
	CALL(ADMIN, "PUT " SECRET,
	    "{\"secret\":\"the-one-we-always-had\",\"names\":[\"p-1\"]}", 200);
	assert_null(json_object_get(a->body, "secret"));
}

static void
who_may(void **state)
{
	struct admin *a = *state;

	REFUSED(NOBODY, "PUT " SECRET, "{}", 401, "unauthorized");
	REFUSED(VIEWER, "PUT " SECRET, "{}", 403, "forbidden");
	REFUSED(OPERATOR, "PUT " SECRET, "{}", 403, "forbidden");
	REFUSED(OPERATOR, "DELETE " SECRET, NULL, 403, "forbidden");
}

static void
bad_secrets(void **state)
{
	struct admin *a = *state;

	REFUSED(ADMIN, "PUT " SECRET, "{}", 400, "invalid");
	REFUSED(ADMIN, "PUT " SECRET, "{\"names\":null}", 400, "invalid");
	REFUSED(ADMIN, "PUT " SECRET,
	    "{\"secret\":\"short\",\"names\":[\"p\"]}", 400, "invalid");
	REFUSED(
	    ADMIN, "PUT /api/v1/templates/scep/secret", "{}", 409, "conflict");
	REFUSED(ADMIN, "PUT /api/v1/templates/no-such/secret", "{}", 404,
	    "not_found");
}

/* No challenge comes back with a kind that comes back. */
static void
secrets_go_with_their_kind(void **state)
{
	struct admin *a = *state;

	CALL(ADMIN, "PUT " PRINTERS, "{}", 200);
	CALL(ADMIN, "PUT " PRINTERS, "{\"challenge\":\"static\"}", 200);
	assert_true(json_is_null(at(a, "secret_set_at")));
	REFUSED(ADMIN, "DELETE " SECRET, NULL, 404, "not_found");
	CALL(ADMIN, "PUT " SECRET, "{\"names\":[\"p-1\"]}", 200);
	CALL(ADMIN, "DELETE " SECRET, NULL, 204);
	CALL(ADMIN, "PUT " SECRET, "{\"names\":[\"p-1\"]}", 200);
	CALL(ADMIN, "DELETE " PRINTERS, NULL, 204);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM template_secret WHERE "
	                     "template = $1",
	                     "printers"),
	    0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_gets_certificates),
		cmocka_unit_test(secrets_are_shown_once),
		cmocka_unit_test(who_may),
		cmocka_unit_test(bad_secrets),
		cmocka_unit_test(secrets_go_with_their_kind),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
