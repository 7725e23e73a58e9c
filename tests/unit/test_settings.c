/* Settings: defaults, file, environment, options, and what is refused. */
#include "core/settings.h"
#include "core_test.h"

static const struct setting_row rows[] = {
	{ "data", SETTING_STR, "data", 0, 0, "directory" },
	{ "device-port", SETTING_INT, "8443", 0, 65535, "port" },
	{ "public-url", SETTING_STR, NULL, 0, 0, "URL" },
	{ "tls", SETTING_BOOL, "yes", 0, 0, "TLS" },
};

static struct settings *
fresh(void)
{
	return settings_new(rows, COUNT(rows));
}

static char *
file_with(void **state, const char *text)
{
	char *path = str_printf("%s/conf", (char *)*state);

	assert_ok(file_write(path, slice_str(text), 0600, e));
	return path;
}

static void
defaults(void **state)
{
	AUTO(settings_free) struct settings *s = fresh();

	(void)state;
	assert_string_equal(settings_str(s, "data"), "data");
	assert_int_equal(settings_int(s, "device-port"), 8443);
	assert_null(settings_str(s, "public-url"));
	assert_true(settings_bool(s, "tls"));
	assert_false(settings_given(s, "data"));
	assert_false(settings_given(s, "public-url"));
}

/* The same word as the default is a word all the same; none is none. */
static void
what_is_given_is_known(void **state)
{
	AUTO(settings_free) struct settings *s = fresh();

	(void)state;
	assert_ok(settings_set(s, "data", "data", e));
	assert_true(settings_given(s, "data"));
	assert_ok(settings_set(s, "data", "", e));
	assert_false(settings_given(s, "data"));
	assert_false(settings_given(s, "tls"));
}

static void
file_then_environment_then_option(void **state)
{
	AUTO(settings_free) struct settings *s = fresh();
	AUTO(str_free)
	char *path = file_with(state,
	    "# comment\n\n  data =  /var/lib/mutsu \r\n"
	    "public-url=https://mdm.example.com/?a=b\ntls = Off\n"
	    "device-port = 1");

	assert_ok(settings_load(s, path, e));
	assert_string_equal(settings_str(s, "data"), "/var/lib/mutsu");
	assert_string_equal(
	    settings_str(s, "public-url"), "https://mdm.example.com/?a=b");
	assert_false(settings_bool(s, "tls"));
	assert_int_equal(settings_int(s, "device-port"), 1);
	assert_int_equal(setenv("MUTSU_DEVICE_PORT", "2", 1), 0);
	assert_int_equal(setenv("MUTSU_NO_SUCH_THING", "x", 1), 0);
	assert_ok(settings_env(s, e));
	assert_int_equal(settings_int(s, "device-port"), 2);
	assert_int_equal(setenv("MUTSU_DEVICE_PORT", "many", 1), 0);
	assert_err(settings_env(s, e), ERR_INVALID);
	assert_int_equal(unsetenv("MUTSU_DEVICE_PORT"), 0);
	assert_ok(settings_set(s, "device-port", "3", e));
	assert_int_equal(settings_int(s, "device-port"), 3);
	assert_ok(settings_set(s, "data", settings_str(s, "data"), e));
	assert_string_equal(settings_str(s, "data"), "/var/lib/mutsu");
	assert_ok(settings_set(s, "data", "", e));
	assert_null(settings_str(s, "data"));
}

static void
bad_values_are_refused(void **state)
{
	AUTO(settings_free) struct settings *s = fresh();

	(void)state;
	assert_err(settings_set(s, "nope", "1", e), ERR_INVALID);
	assert_err(settings_set(s, "device-port", "65536", e), ERR_INVALID);
	assert_err(settings_set(s, "device-port", "-1", e), ERR_INVALID);
	assert_err(settings_set(s, "device-port", "", e), ERR_INVALID);
	assert_err(settings_set(s, "tls", "maybe", e), ERR_INVALID);
	assert_int_equal(settings_int(s, "device-port"), 8443);
	assert_true(settings_bool(s, "tls"));
}

static void
bad_files_are_named_with_their_line(void **state)
{
	static const char *const wrong[] = {
		"\ndata\n",
		"\nnope = 1\n",
		"\ndevice-port = x\n",
		"data = a\ndata = b\n",
		"\ndata = \xff\n",
		"\n= x\n",
	};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		AUTO(settings_free) struct settings *s = fresh();
		AUTO(str_free) char *path = file_with(state, wrong[i]);
		AUTO(str_free) char *where = str_printf("%s:2: ", path);
		struct err e = { 0 };

		assert_false(settings_load(s, path, &e));
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(str_starts(e.text, where));
	}
}

static void
no_file_is_not_found(void **state)
{
	AUTO(settings_free) struct settings *s = fresh();
	AUTO(str_free) char *path = str_printf("%s/none", (char *)*state);
	AUTO(str_free) char *nul = str_printf("%s/nul", (char *)*state);

	assert_err(settings_load(s, path, e), ERR_NOT_FOUND);
	assert_ok(file_write(nul, slice_of("data = a\0b\n", 11), 0600, e));
	assert_err(settings_load(s, nul, e), ERR_INVALID);
}

static void
help_has_a_line_a_row(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(1000);

	(void)state;
	settings_help(rows, 3, b);
	assert_string_equal(buf_str(b),
	    "  --data                      directory (data)\n"
	    "  --device-port               port (8443)\n"
	    "  --public-url                URL\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(what_is_given_is_known),
		cmocka_unit_test(file_then_environment_then_option),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(bad_files_are_named_with_their_line),
		cmocka_unit_test(no_file_is_not_found),
		cmocka_unit_test(help_has_a_line_a_row),
	};

	return cmocka_run_group_tests(tests, test_mkdir, test_rmdir);
}
