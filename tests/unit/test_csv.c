/* Cells of CSV. */
#include "tests/unit/core_test.h"

#include "core/csv.h"

#define GONE "\xef\xbf\xbd"

static void
cells_are_harmless(void **state)
{
	static const struct {
		const char *text, *cell;
	} rows[] = {
		{ "plain", "plain," },
		{ "", "," },
		{ NULL, "," },
		{ "a,b", "\"a,b\"," },
		{ "a\"b", "\"a\"\"b\"," },
		{ "a\nb", "a" GONE "b," },
		{ " edge", "\" edge\"," },
		{ "=1+1", "\"'=1+1\"," },
		{ "+1", "\"'+1\"," },
		{ "-1", "\"'-1\"," },
		{ "@SUM(A1)", "\"'@SUM(A1)\"," },
		{ "\t=1", "\"'" GONE "=1\"," },
		{ "\r=1", "\"'" GONE "=1\"," },
		{ "=\"x\"", "\"'=\"\"x\"\"\"," },
		{ "CN=sato", "CN=sato," },
		{ "佐藤", "佐藤," },
		{ "a\xff"
		  "b",
		    "a" GONE "b," },
		/* CSI by C0 and by C1, a line end, and a turn. */
		{ "a\x1b[2J", "a" GONE "[2J," },
		{ "a\xc2\x9b"
		  "2J\xc2\xa0",
		    "a" GONE "2J\xc2\xa0," },
		{ "a\xe2\x80\xa8z\xe2\x80\xae"
		  "txt.exe\xe2\x81\xa6\x7f",
		    "a" GONE "z" GONE "txt.exe" GONE GONE "," },
		{ "\xe2\x80\xae=1", GONE "=1," },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_free) struct buf *out = buf_new(256);

		csv_cell(out, rows[i].text, false);
		assert_string_equal(buf_str(out), rows[i].cell);
	}
}

static void
lines_end(void **state)
{
	AUTO(buf_free) struct buf *out = buf_new(256);

	(void)state;
	csv_cell(out, "a", false);
	csv_cell(out, "b", true);
	assert_string_equal(buf_str(out), "a,b\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_harmless),
		cmocka_unit_test(lines_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
