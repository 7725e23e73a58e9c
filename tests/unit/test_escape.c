/* Text made safe for XML and JSON. */
#include <jansson.h>

#include "core/encode.h"
#include "core_test.h"

static void
xml(const char *in, const char *want)
{
	AUTO(buf_free) struct buf *b = buf_new(1000);

	xml_escape(b, in);
	assert_string_equal(buf_str(b), want);
}

static void
xml_is_escaped(void **state)
{
	(void)state;
	xml("", "");
	xml("plain \xe3\x81\x82", "plain \xe3\x81\x82");
	xml("<a b=\"c\" d='e'>&amp;",
	    "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;");
	xml("]]>", "]]&gt;");
	xml("a\tb\nc\rd", "a\tb\nc&#13;d");
}

static void
xml_drops_what_it_cannot_hold(void **state)
{
	(void)state;
	xml("a\x01\x1b\x7f"
	    "b",
	    "ab");
	xml("a\xef\xbf\xbf\xef\xbf\xbe\xef\xbf\xbd", "a\xef\xbf\xbd");
	xml("a\xff\xc3(\xe3\x81", "a(");
	xml("\xed\xa0\x80x", "x");
}

/* jansson reads back what was meant. */
static void
json(const char *in, size_t len)
{
	AUTO(buf_free) struct buf *b = buf_new(1000);
	json_t *j;

	json_escape(b, slice_of(in, len));
	j = json_loadb(
	    buf_str(b), b->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(j);
	assert_int_equal(json_string_length(j), len);
	assert_memory_equal(json_string_value(j), in, len);
	json_decref(j);
}

static void
json_is_read_back(void **state)
{
	char all[128];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	json(all, sizeof(all));
	json("", 0);
	json("\"\\/\n\xe3\x81\x82", 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xml_is_escaped),
		cmocka_unit_test(xml_drops_what_it_cannot_hold),
		cmocka_unit_test(json_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
