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

static char *
mac_of(struct admin *a)
{
	return str_dup(site_text(a->site,
	    "SELECT mac FROM template_secret WHERE template = $1", "printers"));
}

/* A device more is no reason for another challenge on all of them. */
static void
names_change_alone(void **state)
{
	struct admin *a = *state;
	AUTO(str_free) char *before = mac_of(a);
	AUTO(str_free) char *after = NULL, *renewed = NULL;
	int64_t told = site_events(a->site, "template.changed");

	CALL(ADMIN, "PATCH " SECRET, "{\"names\":[\"p-1\",\"p-3\"]}", 200);
	assert_null(json_object_get(a->body, "secret"));
	assert_int_equal(json_array_size(at(a, "names")), 2);
	after = mac_of(a);
	assert_string_equal(after, before);
	assert_int_equal(site_events(a->site, "template.changed"), told + 1);
	REFUSED(ADMIN, "PATCH " SECRET, "{\"names\":[]}", 400, "invalid");
	REFUSED(ADMIN, "PATCH " SECRET, "{}", 400, "invalid");
	REFUSED(ADMIN, "PATCH " SECRET, "{\"names\":[\"p\"],\"secret\":null}",
	    400, "invalid");
	/* And the other way round. */
	CALL(ADMIN, "PUT " SECRET, "{}", 200);
	assert_int_equal(strlen(text_at(a, "secret")), 32);
	renewed = mac_of(a);
	assert_string_not_equal(renewed, before);
	CALL(VIEWER, "GET " PRINTERS, NULL, 200);
	assert_int_equal(json_array_size(at(a, "names")), 2);
}

#define VPN "/api/v1/templates/vpn"

static void
fields_change_alone(void **state)
{
	struct admin *a = *state;

	CALL(ADMIN, "PUT " VPN,
	    "{\"life_days\":90,\"help\":\"gates\",\"approval\":true}", 200);
	CALL(ADMIN, "PATCH " VPN, "{\"life_days\":30}", 200);
	assert_int_equal(json_integer_value(at(a, "life_days")), 30);
	assert_string_equal(text_at(a, "help"), "gates");
	assert_true(json_is_true(at(a, "approval")));
	CALL(ADMIN, "PATCH " VPN, "{\"approval\":null}", 200);
	assert_true(json_is_false(at(a, "approval")));
	assert_int_equal(json_integer_value(at(a, "life_days")), 30);
	CALL(ADMIN, "PUT " VPN, "{\"life_days\":60}", 200);
	assert_string_equal(text_at(a, "help"), "");
	REFUSED(ADMIN, "PATCH " VPN, "{\"life_days\":0}", 400, "invalid");
	REFUSED(OPERATOR, "PATCH " VPN, "{}", 403, "forbidden");
	CALL(ADMIN, "PATCH /api/v1/templates/fresh", "{\"life_days\":7}", 200);
	CALL(ADMIN, "DELETE /api/v1/templates/fresh", NULL, 204);
	CALL(ADMIN, "DELETE " VPN, NULL, 204);
}

/* What is shown is taken, and changes nothing. */
static void
takes_what_it_shows(void **state)
{
	static const char *const names[] = { "printers", "scep",
		"device-identity", "device-user", "tls-server" };
	static const char *const methods[] = { "PUT", "PATCH" };
	struct admin *a = *state;

	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		const char *name = names[i / 2];
		AUTO(str_free)
		char *get = str_printf("GET /api/v1/templates/%s", name);
		AUTO(str_free)
		char *put =
		    str_printf("%s /api/v1/templates/%s", methods[i % 2], name);
		AUTO(str_free) char *before = NULL, *after = NULL;

		CALL(ADMIN, get, NULL, 200);
		before = json_text(a->body);
		CALL(ADMIN, put, before, 200);
		json_object_del(a->body, "changed_at");
		after = json_text(a->body);
		assert_non_null(strstr(after, "\"builtin\""));
		CALL(ADMIN, get, NULL, 200);
		json_object_del(a->body, "changed_at");
		str_free(&before);
		before = json_text(a->body);
		assert_string_equal(after, before);
	}
	REFUSED(ADMIN, "PUT " PRINTERS, "{\"name\":\"scep\"}", 400, "invalid");
	REFUSED(ADMIN, "PUT " PRINTERS,
	    "{\"challenge\":\"static\",\"names\":[\"p-9\"]}", 400, "invalid");
	REFUSED(ADMIN, "PUT /api/v1/templates/device-identity",
	    "{\"san\":true,\"help\":\"mine\"}", 400, "invalid");
}

static void
known_names_are_named(void **state)
{
	struct admin *a = *state;

	REFUSED(ADMIN, "PUT " VPN, "{\"key_usage\":[\"keyCertSign\"]}", 400,
	    "invalid");
	assert_non_null(strstr(text_at(a, "detail"),
	    "key_usage: an array of digitalSignature, nonRepudiation, "
	    "keyEncipherment, each at most once"));
	REFUSED(ADMIN, "PUT " VPN, "{\"ext_key_usage\":[]}", 400, "invalid");
	assert_non_null(strstr(text_at(a, "detail"), "ipsecIKE"));
}

static void
who_may(void **state)
{
	struct admin *a = *state;

	REFUSED(OPERATOR, "PATCH " SECRET, "{}", 403, "forbidden");
	REFUSED(NOBODY, "PUT " SECRET, "{}", 401, "unauthorized");
	REFUSED(VIEWER, "PUT " SECRET, "{}", 403, "forbidden");
	REFUSED(OPERATOR, "PUT " SECRET, "{}", 403, "forbidden");
	REFUSED(OPERATOR, "DELETE " SECRET, NULL, 403, "forbidden");
}

static void
bad_secrets(void **state)
{
	struct admin *a = *state;

	CALL(ADMIN, "PUT " PRINTERS "-2", "{\"challenge\":\"static\"}", 200);
	REFUSED(ADMIN, "PUT " PRINTERS "-2/secret", "{}", 400, "invalid");
	REFUSED(ADMIN, "PATCH " PRINTERS "-2/secret", "{\"names\":[\"p\"]}",
	    404, "not_found");
	REFUSED(ADMIN, "PATCH /api/v1/templates/scep/secret", "{}", 409,
	    "conflict");
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

static void
expect_webhook(struct admin *a, const char *url, const char *seen)
{
	AUTO(str_free)
	char *body =
	    str_printf("{\"challenge\":\"webhook\",\"webhook\":\"%s\"}", url);
	json_t *one;
	size_t i;

	CALL(ADMIN, "PUT " PRINTERS, body, 200);
	assert_string_equal(text_at(a, "webhook"), url);
	CALL(ADMIN, "GET " PRINTERS, NULL, 200);
	assert_string_equal(text_at(a, "webhook"), url);
	CALL(OPERATOR, "GET " PRINTERS, NULL, 200);
	assert_string_equal(text_at(a, "webhook"), seen);
	CALL(VIEWER, "GET " PRINTERS, NULL, 200);
	assert_string_equal(text_at(a, "webhook"), seen);
	CALL(VIEWER, "GET /api/v1/templates", NULL, 200);
	json_array_foreach(at(a, "templates"), i, one)
	{
		const char *webhook = text_in(one, "webhook");

		assert_true(webhook == NULL || str_eq(webhook, seen));
	}
}

/* A URL may hold the password of whoever it leads to. */
static void
webhooks_are_whole_for_admins_only(void **state)
{
	struct admin *a = *state;

	expect_webhook(a, "https://hook.example.com/a/b?token=s3cr#x",
	    "https://hook.example.com/a/b");
	assert_int_equal(site_number(a->site,
	                     "SELECT COUNT(*) FROM event WHERE data LIKE "
	                     "'%' || $1 || '%'",
	                     "s3cr"),
	    0);
	expect_webhook(
	    a, "https://hook.example.com?a=b/c", "https://hook.example.com");
	expect_webhook(
	    a, "https://hook.example.com/a", "https://hook.example.com/a");
	CALL(ADMIN, "PUT " PRINTERS, "{\"challenge\":\"static\"}", 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_gets_certificates),
		cmocka_unit_test(secrets_are_shown_once),
		cmocka_unit_test(names_change_alone),
		cmocka_unit_test(fields_change_alone),
		cmocka_unit_test(takes_what_it_shows),
		cmocka_unit_test(known_names_are_named),
		cmocka_unit_test(who_may),
		cmocka_unit_test(bad_secrets),
		cmocka_unit_test(secrets_go_with_their_kind),
		cmocka_unit_test(webhooks_are_whole_for_admins_only),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
