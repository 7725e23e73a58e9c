/* Cells of CSV. */
#include "tests/unit/core_test.h"

#include "core/csv.h"

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
		{ "a\nb", "\"a\nb\"," },
		{ " edge", "\" edge\"," },
		{ "=1+1", "\"'=1+1\"," },
		{ "+1", "\"'+1\"," },
		{ "-1", "\"'-1\"," },
		{ "@SUM(A1)", "\"'@SUM(A1)\"," },
		{ "\t=1", "\"'\t=1\"," },
		{ "\r=1", "\"'\r=1\"," },
		{ "=\"x\"", "\"'=\"\"x\"\"\"," },
		{ "CN=sato", "CN=sato," },
		{ "佐藤", "佐藤," },
		{ "a\xff"
		  "b",
		    "a\xef\xbf\xbd"
		    "b," },
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
