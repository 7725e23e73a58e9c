/* What follows from the settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/app_settings.h"
#include "core/str.h"

static void
expect_url(const char *host, const char *wanted)
{
	AUTO(str_free) char *url = app_settings_url("http", host, 8444);

	assert_string_equal(url, wanted);
}

static void
an_address_of_ipv6_has_brackets(void **state)
{
	(void)state;
	expect_url("::1", "http://[::1]:8444");
	expect_url("fd00::2", "http://[fd00::2]:8444");
	expect_url("127.0.0.1", "http://127.0.0.1:8444");
	expect_url("mdm.example.com", "http://mdm.example.com:8444");
	/* Where it listens everywhere it is asked here. */
	expect_url("0.0.0.0", "http://127.0.0.1:8444");
	expect_url("::", "http://[::1]:8444");
}

/* The check's verdict on a public-url. */
static bool
accepts(const char *url, struct err *e)
{
	AUTO(settings_free)
	struct settings *s = settings_new(app_settings, app_settings_count);

	assert_true(settings_set(s, "public-url", url, e));
	return app_settings_check(s, e);
}

static void
public_url_is_an_https_host(void **state)
{
	static const char *const good[] = { "https://mdm.example.com",
		"https://mdm.example.com/", "https://localhost:19781",
		"https://localhost:19781/", "https://[fd00::2]:8443",
		"https://192.0.2.1", "https://mac_mgmt.example" };
	static const char *const bad[] = { "http://mdm.example.com",
		"localhost:19771", "mdm.example.com", "https://",
		"https:///enroll", "https://:443",
		"https://m.example.com:", "https://m.example.com:0",
		"https://m.example.com:65536", "https://m.example.com:x",
		"https://m.example.com/mdm", "https://m.example.com//",
		"https://m.example.com?a=b", "https://m.example.com#a",
		"https://u@m.example.com", "https://m_x y", "https://[fd00::2",
		"https://[]:1" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(accepts(good[i], &e));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(accepts(bad[i], &e));
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(str_starts(e.text, "public-url: "));
	}
}

static void
a_slash_at_the_end_is_dropped(void **state)
{
	AUTO(settings_free)
	struct settings *s = settings_new(app_settings, app_settings_count);
	AUTO(str_free) char *url = NULL;
	struct err e;

	(void)state;
	assert_null(app_settings_public_url(s));
	assert_true(settings_set(s, "public-url", "https://a:1/", &e));
	url = app_settings_public_url(s);
	assert_string_equal(url, "https://a:1");
}

static void
the_host_of_a_url(void **state)
{
	static const char *const rows[][2] = {
		{ "https://mdm.example.com", "mdm.example.com" },
		{ "https://mdm.example.com:8443/", "mdm.example.com" },
		{ "https://[fd00::2]:8443", "fd00::2" },
		{ "localhost", "localhost" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(str_free) char *host = app_settings_host(rows[i][0]);

		assert_string_equal(host, rows[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_of_ipv6_has_brackets),
		cmocka_unit_test(public_url_is_an_https_host),
		cmocka_unit_test(a_slash_at_the_end_is_dropped),
		cmocka_unit_test(the_host_of_a_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
