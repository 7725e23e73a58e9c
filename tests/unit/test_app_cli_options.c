/* Options as people give them: with blank or '=', twice, without a value. */
#include "app/app_cli_priv.h"
#include "tests/unit/core_test.h"

static const struct app_option options[] = {
	{ "cn", "NAME", "a name" },
	{ "dns", "NAME...", "names" },
	{ "yes", NULL, "a flag" },
	{ NULL, NULL, NULL },
};

static const struct app_subcommand command = { .group = "x",
	.name = "y",
	.words = "URL [MORE]",
	.words_min = 1,
	.words_max = 2,
	.options = options };

struct parsed {
	struct app_args a;
	bool good;
	char *said; /* on standard error */
};

static void
parsed_clear(struct parsed *p)
{
	free(p->said);
}

/* What becomes of a line of words between single blanks. */
static struct parsed
parse_as(const struct app_subcommand *c, bool local, char *line)
{
	struct parsed p = { .a.local = local };
	const char *argv[16];
	FILE *was = stderr;
	size_t count = 0, len = 0;
	char *rest = NULL;

	for (char *w = strtok_r(line, " ", &rest); w != NULL;
	     w = strtok_r(NULL, " ", &rest))
		argv[count++] = w;
	stderr = open_memstream(&p.said, &len);
	p.good = app_cli_parse(&p.a, c, argv, count);
	fclose(stderr);
	stderr = was;
	return p;
}

static void
refused(const struct app_subcommand *c, bool local, const char *text,
    const char *why)
{
	AUTO(str_free) char *line = str_dup(text);
	AUTO(parsed_clear) struct parsed p = parse_as(c, local, line);

	assert_false(p.good);
	if (strstr(p.said, why) == NULL)
		fail_msg("%s: %s", text, p.said);
}

static void
value_stands_behind_a_blank_or_a_sign(void **state)
{
	static const char *const lines[] = { "u --cn a=b --yes",
		"--cn=a=b u --yes", "--yes --cn=a=b u",
		"u --cn a=b --cn=a=b --yes --yes" };

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		AUTO(str_free) char *line = str_dup(lines[i]);
		AUTO(parsed_clear)
		struct parsed p = parse_as(&command, false, line);

		assert_true(p.good);
		assert_string_equal(p.said, "");
		assert_string_equal(app_arg(&p.a, "cn"), "a=b");
		assert_non_null(app_arg(&p.a, "yes"));
		assert_null(app_arg(&p.a, "dns"));
		assert_int_equal(p.a.count, 1);
	}
}

static void
what_may_be_repeated_is_kept_in_order(void **state)
{
	char line[] = "u --dns a --dns=b --cn x --dns c";
	AUTO(parsed_clear) struct parsed p = parse_as(&command, false, line);

	(void)state;
	assert_true(p.good);
	assert_string_equal(app_arg_nth(&p.a, "dns", 0), "a");
	assert_string_equal(app_arg_nth(&p.a, "dns", 1), "b");
	assert_string_equal(app_arg_nth(&p.a, "dns", 2), "c");
	assert_null(app_arg_nth(&p.a, "dns", 3));
	assert_null(app_arg_nth(&p.a, "cn", 1));
}

static void
what_is_wrong_is_named(void **state)
{
	(void)state;
	refused(&command, false, "u --cn a --cn b", "--cn is there twice");
	refused(&command, false, "u --cn", "--cn needs a value: NAME");
	refused(&command, false, "u --cn --yes",
	    "--cn needs a value: NAME; --yes is the next option");
	refused(&command, false, "u --yes=1", "--yes takes no value");
	refused(&command, false, "u --nosuch", "unknown option --nosuch");
	refused(&command, false, "u --nosuch=x", "unknown option --nosuch");
	refused(&command, false, "--cn a",
	    "too few arguments; usage: mutsu x y URL [MORE]");
	refused(&command, false, "u v w", "unexpected argument \"w\"");
}

static void
settings_are_options_of_some(void **state)
{
	struct app_subcommand serve = {
		.name = "serve", .words = "", .settings = true
	};
	char line[] = "--trial=yes --device-port 1 --device-port 2";
	AUTO(parsed_clear) struct parsed p = parse_as(&serve, true, line);

	(void)state;
	assert_true(p.good);
	assert_int_equal(p.a.setting_count, 3);
	assert_string_equal(p.a.settings[0].name, "trial");
	assert_string_equal(p.a.settings[0].value, "yes");
	assert_string_equal(p.a.settings[2].value, "2");
	refused(&serve, true, "--trial --data x",
	    "--trial needs a value: yes or no; --data is");
	refused(&command, false, "u --trial yes", "unknown option --trial");
}

static void
only_who_asks_the_server_takes_its_address(void **state)
{
	char line[] = "u --url http://x --token-file f --json";
	AUTO(parsed_clear) struct parsed p = parse_as(&command, false, line);

	(void)state;
	assert_true(p.good);
	assert_string_equal(app_arg(&p.a, "url"), "http://x");
	refused(&command, true, "u --url http://x", "unknown option --url");
	refused(&command, true, "u --token-file f", "unknown option --token");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_stands_behind_a_blank_or_a_sign),
		cmocka_unit_test(what_may_be_repeated_is_kept_in_order),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(settings_are_options_of_some),
		cmocka_unit_test(only_who_asks_the_server_takes_its_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
