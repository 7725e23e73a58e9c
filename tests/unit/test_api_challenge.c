/* Challenges for SCEP clients: made by administrators, shown once. */
#include "tests/unit/api_fixture.h"

#include "scep/scep_challenge.h"

#define PATH "POST /api/v1/scep-challenges"

static void
made_and_shown_once(void **state)
{
	struct admin *a = *state;
	char mac[SHA256_HEX_SIZE];

	CALL(ADMIN, PATH,
	    "{\"cn\":\"printer\",\"o\":\"Acme\",\"dns\":\"p1.example.com\","
	    "\"email\":\"it@example.com\",\"minutes\":5}",
	    201);
	assert_non_null(strcasestr(a->head, "Cache-Control: no-store"));
	assert_string_equal(text_at(a, "template"), "scep");
	assert_string_equal(text_at(a, "url"), "https://mdm.example.com/scep");
	assert_non_null(text_at(a, "expires_at"));
	assert_int_equal(
	    strlen(text_at(a, "challenge")), SCEP_CHALLENGE_SIZE - 1);
	scep_challenge_mac(a->site->seal, text_at(a, "challenge"), mac);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM challenge WHERE mac = $1 "
	                     "AND template = 'scep' AND purpose = 'scep' AND "
	                     "device_id IS NULL AND used_at IS NULL AND "
	                     "expires_at - created_at <= 300000",
	                     mac),
	    1);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE "
	                     "kind = 'challenge.created' AND subject_id = $1 "
	                     "AND actor = 'token:admin'",
	                     text_at(a, "id")),
	    1);
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE data LIKE "
	                     "'%' || $1 || '%'",
	                     text_at(a, "challenge")),
	    0);
}

static void
administrators_only(void **state)
{
	struct admin *a = *state;

	REFUSED(NOBODY, PATH, "{\"cn\":\"x\"}", 401, "unauthorized");
	REFUSED(VIEWER, PATH, "{\"cn\":\"x\"}", 403, "forbidden");
	REFUSED(OPERATOR, PATH, "{\"cn\":\"x\"}", 403, "forbidden");
}

static void
bad_input(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"cn\":\"\"}",
		"{\"cn\":1}",
		"{\"cn\":\"a\\nb\"}",
		"{\"cn\":\"a\",\"dns\":\"a b\"}",
		"{\"cn\":\"a\",\"email\":\"nobody\"}",
		"{\"cn\":\"a\",\"minutes\":0}",
		"{\"cn\":\"a\",\"minutes\":10081}",
		"{\"cn\":\"a\",\"minutes\":-9223372036854775808}",
		"{\"cn\":\"a\",\"minutes\":\"5\"}",
		"{\"cn\":\"a\",\"uid\":\"root\"}",
		("{\"cn\":\"0123456789012345678901234567890123456789012345678"
		 "9012345678901234\"}"),
	};
	struct admin *a = *state;

	for (size_t i = 0; i < COUNT(bad); i++)
		REFUSED(ADMIN, PATH, bad[i], 400, "invalid");
	assert_int_equal(site_events(a->site, "challenge.created"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_shown_once),
		cmocka_unit_test(administrators_only),
		cmocka_unit_test(bad_input),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
