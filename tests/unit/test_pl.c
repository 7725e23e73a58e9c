/* Property lists: parsing, getters with type and length, JSON. */
#include "core/pl.h"
#include "core_test.h"

#define WRAP(body) "<plist version=\"1.0\"><dict>" body "</dict></plist>"

static const char token_update[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
    "<plist version=\"1.0\">\n<dict>\n"
    "\t<key>MessageType</key>\n\t<string>TokenUpdate</string>\n"
    "\t<key>AwaitingConfiguration</key>\n\t<false/>\n"
    "\t<key>Supervised</key>\n\t<true/>\n"
    "\t<key>Empty</key>\n\t<string></string>\n"
    "\t<key>Count</key>\n\t<integer>-5</integer>\n"
    "\t<key>Token</key>\n\t<data>\n\tG6fJAGbF\n\tD3c=\n\t</data>\n"
    "\t<key>Name &amp; more</key>\n\t<string>Fruit &lt;1&gt;</string>\n"
    "\t<key>List</key>\n\t<array>\n\t\t<string>a</string>\n"
    "\t\t<integer>2</integer>\n\t\t<dict>\n\t\t\t<key>x</key>"
    "<string>y</string>\n\t\t</dict>\n\t</array>\n"
    "</dict>\n</plist>\n";

static struct pl *
parse(const char *xml)
{
	struct pl *p = NULL;

	assert_ok(pl_parse(slice_str(xml), &p, e));
	return p;
}

static void
getters_give_values(void **state)
{
	AUTO(pl_free) struct pl *p = parse(token_update);
	const char *s;
	struct slice data;
	int64_t n;
	bool yes;

	(void)state;
	assert_ok(pl_get_str(p, "MessageType", 11, &s, e));
	assert_string_equal(s, "TokenUpdate");
	assert_ok(pl_get_str(p, "Name & more", 99, &s, e));
	assert_string_equal(s, "Fruit <1>");
	assert_ok(pl_get_str(p, "Empty", 0, &s, e));
	assert_string_equal(s, "");
	assert_ok(pl_get_bool(p, "AwaitingConfiguration", true, &yes, e));
	assert_false(yes);
	assert_ok(pl_get_bool(p, "Supervised", false, &yes, e));
	assert_true(yes);
	assert_ok(pl_get_int(p, "Count", 0, &n, e));
	assert_int_equal(n, -5);
	assert_ok(pl_get_data(p, "Token", 8, &data, e));
	assert_int_equal(data.len, 8);
	assert_memory_equal(data.p, "\x1b\xa7\xc9\x00\x66\xc5\x0f\x77", 8);
	assert_true(pl_has(p, "Token"));
	assert_false(pl_has(p, "token"));
}

static void
absent_is_success(void **state)
{
	AUTO(pl_free) struct pl *p = parse(WRAP(""));
	const struct pl *node = p;
	const char *s = "old";
	struct slice data;
	int64_t n;
	bool yes;

	(void)state;
	assert_ok(pl_get_str(p, "k", 9, &s, e));
	assert_null(s);
	assert_ok(pl_get_bool(p, "k", true, &yes, e));
	assert_true(yes);
	assert_ok(pl_get_int(p, "k", -7, &n, e));
	assert_int_equal(n, -7);
	assert_ok(pl_get_data(p, "k", 9, &data, e));
	assert_int_equal(data.len, 0);
	assert_ok(pl_get_dict(p, "k", &node, e));
	assert_null(node);
	assert_ok(pl_get_array(p, "k", &node, e));
	assert_null(node);
	assert_err(pl_need_str(p, "k", 9, &s, e), ERR_INVALID);
}

static void
wrong_type_or_length_is_invalid(void **state)
{
	AUTO(pl_free) struct pl *p = parse(token_update);
	const struct pl *node = NULL;
	const char *s = "old";
	struct slice data;
	int64_t n = 1;
	bool yes;

	(void)state;
	assert_err(pl_get_str(p, "MessageType", 10, &s, e), ERR_INVALID);
	assert_err(pl_get_str(p, "Count", 99, &s, e), ERR_INVALID);
	assert_err(pl_get_str(p, "Token", 99, &s, e), ERR_INVALID);
	assert_err(pl_need_str(p, "Empty", 99, &s, e), ERR_INVALID);
	assert_string_equal(s, "old");
	assert_err(pl_get_bool(p, "Count", true, &yes, e), ERR_INVALID);
	assert_err(pl_get_int(p, "Supervised", 0, &n, e), ERR_INVALID);
	assert_int_equal(n, 1);
	assert_err(pl_get_data(p, "Token", 7, &data, e), ERR_INVALID);
	assert_err(pl_get_data(p, "MessageType", 99, &data, e), ERR_INVALID);
	assert_err(pl_get_dict(p, "List", &node, e), ERR_INVALID);
	assert_err(pl_get_array(p, "Token", &node, e), ERR_INVALID);
	assert_null(node);
}

static void
arrays_and_nodes(void **state)
{
	AUTO(pl_free) struct pl *p = parse(token_update);
	const struct pl *list, *item;
	const char *s;

	(void)state;
	assert_ok(pl_get_array(p, "List", &list, e));
	assert_int_equal(pl_array_len(list), 3);
	assert_string_equal(pl_node_str(pl_array_item(list, 0)), "a");
	assert_null(pl_node_str(pl_array_item(list, 1)));
	assert_null(pl_array_item(list, 3));
	assert_null(pl_array_item(list, SIZE_MAX));
	item = pl_array_item(list, 2);
	assert_true(pl_is_dict(item));
	assert_false(pl_is_dict(list));
	assert_ok(pl_need_str(item, "x", 1, &s, e));
	assert_string_equal(s, "y");
	/* In what is no dictionary there is no key, and no item elsewhere. */
	assert_false(pl_has(list, "x"));
	assert_int_equal(pl_array_len(p), 0);
}

static void
bad_documents_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"bplist00",
		"<plist version=\"1.0\"><array/></plist>",
		WRAP("<key>a</key>"),
		WRAP("<key>a</key><true/><key>a</key><false/>"),
		WRAP("<key>a</key><dict><key>b</key><true/><key>b</key>"
		     "<dict><key>c</key><true/></dict></dict>"),
		/* "&#97;" is "a". */
		WRAP("<key>a</key><true/><key>&#97;</key><false/>"),
		/* libplist knows no numbers as long as this. */
		WRAP("<key>a</key><string>&#00000000065;</string>"),
	};
	struct pl *p = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(pl_parse(slice_str(wrong[i]), &p, e), ERR_INVALID);
	assert_null(p);
	assert_err(pl_parse(slice_of("<", (64 << 20)), &p, e), ERR_TOO_LARGE);
}

static void
references_become_characters(void **state)
{
	AUTO(pl_free)
	struct pl *p = parse(
	    WRAP("<key>k</key><string>&#65;&#x7f;&#x80;&#x7ff;&#x800;&#xfffd;"
	         "&#x10000;&#x10FFFF;</string>"));
	const char *s;

	(void)state;
	assert_ok(pl_get_str(p, "k", 99, &s, e));
	assert_string_equal(s,
	    "A\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbd\xf0\x90\x80\x80"
	    "\xf4\x8f\xbf\xbf");
}

static void
json_shows_everything(void **state)
{
	AUTO(pl_free)
	struct pl *p = parse(
	    WRAP("<key>s</key><string>a\"\\\n&amp;\x01</string>"
	         "<key>t</key><true/><key>n</key><integer>-5</integer>"
	         "<key>r</key><real>1.5</real><key>i</key><real>nan</real>"
	         "<key>d</key><data>AAECAw==</data><key>e</key><data/>"
	         "<key>w</key><date>2026-11-23T16:05:00Z</date>"
	         "<key>never</key><date>4001-01-01T00:00:00Z</date>"
	         "<key>past</key><date>0001-01-01T00:00:00Z</date>"
	         "<key>a</key><array><dict/><array/></array>"));
	AUTO(buf_free) struct buf *b = buf_new(10000);
	AUTO(buf_free) struct buf *small = buf_new(100);

	(void)state;
	assert_ok(pl_to_json(p, b, e));
	assert_string_equal(buf_str(b),
	    "{\"s\":\"a\\\"\\\\\\n&\\u0001\",\"t\":true,\"n\":-5,\"r\":1.5,"
	    "\"i\":null,\"d\":\"AAECAw==\",\"e\":\"\","
	    "\"w\":\"2026-11-23T16:05:00Z\","
	    "\"never\":\"4001-01-01T00:00:00Z\","
	    "\"past\":\"0001-01-01T00:00:00Z\",\"a\":[{},[]]}");
	assert_err(pl_to_json(p, small, e), ERR_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(getters_give_values),
		cmocka_unit_test(absent_is_success),
		cmocka_unit_test(wrong_type_or_length_is_invalid),
		cmocka_unit_test(arrays_and_nodes),
		cmocka_unit_test(bad_documents_are_refused),
		cmocka_unit_test(references_become_characters),
		cmocka_unit_test(json_shows_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
