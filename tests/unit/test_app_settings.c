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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_of_ipv6_has_brackets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
