/* Tables for people: what Macs call themselves does not steer a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/app_cli.h"

static void
is_printed(const char *text, size_t most, const char *wanted, size_t wide)
{
	char *printed = NULL;
	size_t len = 0, shown;
	FILE *f = open_memstream(&printed, &len);

	assert_non_null(f);
	shown = app_print_safe(f, text, most);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(printed, wanted);
	assert_int_equal(shown, wide);
	free(printed);
}

static void
plain_text_is_printed_as_it_is(void **state)
{
	(void)state;
	is_printed("", 8, "", 0);
	is_printed("sato-mbp", SIZE_MAX, "sato-mbp", 8);
	is_printed("佐藤のMac", SIZE_MAX, "佐藤のMac", 9);
}

static void
nothing_steers_the_terminal(void **state)
{
	static const char *const bad[] = { "\033", "\n", "\r", "\177",
		"\xc2\x9b",     /* CSI in one character */
		"\xe2\x80\xae", /* right to left from here on */
		"\xe2\x81\xa6", "\xe2\x80\xa8", "\xff", "\xc3" };
	char text[16];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(text, sizeof(text), "a%sb", bad[i]);
		is_printed(text, SIZE_MAX, "a?b", 3);
	}
	is_printed("\xc2\xa0\xe2\x80\xa7", SIZE_MAX, "\xc2\xa0\xe2\x80\xa7", 2);
}

static void
a_cut_leaves_characters_whole(void **state)
{
	(void)state;
	is_printed("佐藤のMac", 6, "佐藤の", 6);
	is_printed("佐藤のMac", 5, "佐藤", 4);
	is_printed("佐藤のMac", 7, "佐藤のM", 7);
	is_printed("か\u3099x", 2, "か\u3099", 2);
	is_printed("ab", 1, "a", 1);
	is_printed("ab", 0, "", 0);
}

static void
columns_as_a_terminal_has_them(void **state)
{
	static const struct {
		const char *text;
		size_t wide;
	} rows[] = {
		{ "é", 1 },
		{ "e\u0301", 1 },
		{ "カ", 2 },
		{ "ｶ", 1 },
		{ "か\u3099", 2 },
		{ "Ａ", 2 },
		{ "한", 2 },
		{ "、", 2 },
		{ "😀", 2 },
		{ "𠮷", 2 },
		{ "Ж", 1 },
		{ "\u200d", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		is_printed(rows[i].text, SIZE_MAX, rows[i].text, rows[i].wide);
		assert_int_equal(
		    app_print_safe(NULL, rows[i].text, 48), rows[i].wide);
	}
}

#define SHA256                                                                 \
	"00f1e2d3c4b5a6978877665544332211ffeeddccbbaa99887766554433221100"
#define LONG                                                                   \
	"a name of more than forty-eight characters, which is cut in the end"

/* What identifies is whole wherever it stands, and other text where it is the
 * first column or the last. */
static void
what_a_command_takes_is_not_cut(void **state)
{
	static const struct app_column columns[] = {
		{ "NAME", "name" },
		{ "CN", "cn" },
		{ "KEY", "key" },
		{ "WHY", "why" },
		{ NULL, NULL },
	};
	struct app_args a = { 0 };
	json_t *rows = json_pack("[{s:s, s:s, s:s, s:s}]", "name", LONG, "cn",
	    LONG, "key", SHA256, "why", LONG);
	char *printed = NULL;
	FILE *was = stdout;
	size_t len = 0;

	(void)state;
	stdout = open_memstream(&printed, &len);
	app_print_list(&a, rows, columns, "none");
	fclose(stdout);
	stdout = was;
	json_decref(rows);
	assert_non_null(strstr(printed, "\n" LONG "  a name of"));
	assert_non_null(
	    strstr(printed, "characters, whic  " SHA256 "  " LONG "\n"));
	free(printed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_is_printed_as_it_is),
		cmocka_unit_test(nothing_steers_the_terminal),
		cmocka_unit_test(columns_as_a_terminal_has_them),
		cmocka_unit_test(a_cut_leaves_characters_whole),
		cmocka_unit_test(what_a_command_takes_is_not_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
