/* The check before libplist: what passes, what does not, and its bounds. */
#include "core/limits.h"
#include "core/pl_priv.h"
#include "core_test.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define DOCTYPE                                                                \
	"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "              \
	"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
#define OPEN "<plist version=\"1.0\">"
#define WRAP(body) OPEN "<dict>" body "</dict></plist>"
#define VALUE(v) WRAP("<key>k</key>" v)

static void
passes(const char *xml, size_t want)
{
	struct slice text;
	size_t values;

	assert_ok(pl_scan(slice_str(xml), &text, &values, e));
	assert_int_equal(values, want);
}

static void
fails(const char *xml, size_t len)
{
	struct slice text;
	size_t values;

	assert_err(pl_scan(slice_of(xml, len), &text, &values, e), ERR_INVALID);
}

#define FAIL_EACH(rows)                                                        \
	for (size_t i_ = 0; i_ < COUNT(rows); i_++)                            \
	fails((rows)[i_], strlen((rows)[i_]))

static void
usual_documents_pass(void **state)
{
	(void)state;
	passes(HEAD DOCTYPE OPEN "\n<dict/>\n</plist>\n", 1);
	passes("\xef\xbb\xbf" HEAD OPEN "<dict></dict></plist>", 1);
	passes("<plist><dict/></plist>", 1);
	passes(HEAD "<!-- x --> " DOCTYPE "<!-- y -->" OPEN
	            "<!-- <dict> --><dict/><!----></plist> <!-- z -->\n",
	    1);
	passes(WRAP("<key>a</key><true/><key>b</key><false />"
	            "<key>c</key><array><integer>-5</integer>"
	            "<real>1.5e3</real><string/></array>"
	            "<key>d</key><dict><key>e</key><data>\n\tAAAA\n</data>"
	            "</dict><key>f</key><date>2026-11-23T16:05:00Z</date>"),
	    10);
	passes(VALUE("<string>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F34E;\x01"
	             "\xe3\x81\x82</string>"),
	    2);
}

static void
every_truncation_fails(void **state)
{
	static const char xml[] = HEAD DOCTYPE OPEN
	    "<dict><key>k</key><array><string>a&amp;\xe3\x81\x82</string>"
	    "<data>AAAA</data></array></dict></plist>";

	(void)state;
	for (size_t len = 0; len < sizeof(xml) - 1; len++)
		fails(xml, len);
	passes(xml, 4);
}

static void
structure_is_checked(void **state)
{
	static const char *const wrong[] = {
		"",
		"bplist00\x01\x02",
		"text",
		"<dict/>",
		OPEN "</plist>",
		OPEN "<array/></plist>",
		OPEN "<string>a</string></plist>",
		OPEN "<dict/><dict/></plist>",
		OPEN "<dict/></plist>x",
		OPEN "<dict/></plist><dict/>",
		OPEN OPEN "<dict/></plist></plist>",
		"<plist version=\"2.0\"><dict/></plist>",
		"<plist/>",
		WRAP("<key>a</key>"),
		WRAP("<string>a</string>"),
		WRAP("<key>a</key><key>b</key>"),
		WRAP("<key>a</key><true/><true/>"),
		WRAP("<key></key><true/>"),
		WRAP("<key/><true/>"),
		WRAP("text"),
		VALUE("<array><key>a</key></array>"),
		VALUE("<array></dict>"),
		VALUE("<true></true>"),
		VALUE("</true>"),
		VALUE("<integer/>"),
		VALUE("<nil/>"),
		VALUE("<strings>a</strings>"),
		VALUE("<STRING>a</STRING>"),
		VALUE("<string a=\"b\">a</string>"),
		VALUE("<string>a</key>"),
		VALUE("<string><b/></string>"),
		VALUE("<string>a<!-- b --></string>"),
		VALUE("<string><![CDATA[a]]></string>"),
		VALUE("<string>a</string/>"),
		VALUE("< string>a</string>"),
		WRAP("<?pi?>"),
		WRAP("<!-- open"),
	};

	(void)state;
	FAIL_EACH(wrong);
}

static void
declarations_are_refused(void **state)
{
	static const char *const wrong[] = {
		"<!DOCTYPE plist [<!ENTITY a \"b\">]>" OPEN "<dict/></plist>",
		"<!DOCTYPE plist [ ]>" OPEN "<dict/></plist>",
		"<!ENTITY a \"b\">" OPEN "<dict/></plist>",
		"<!DOCTYPE html>" OPEN "<dict/></plist>",
		DOCTYPE DOCTYPE OPEN "<dict/></plist>",
		HEAD HEAD OPEN "<dict/></plist>",
		VALUE("<string>&a;</string>"),
		VALUE("<string>&</string>"),
		VALUE("<string>&lt</string>"),
		VALUE("<string>&#;</string>"),
		VALUE("<string>&#x;</string>"),
		VALUE("<string>&#0;</string>"),
		VALUE("<string>&#xD800;</string>"),
		VALUE("<string>&#x110000;</string>"),
		VALUE("<string>&#99999999999;</string>"),
		VALUE("<string>&#6a;</string>"),
		VALUE("<string>&#xg;</string>"),
		VALUE("<string>\xff</string>"),
		VALUE("<string>\xed\xa0\x80</string>"),
	};
	static const char nul[] = VALUE("<string>a\0b</string>");

	(void)state;
	FAIL_EACH(wrong);
	fails(nul, sizeof(nul) - 1);
}

static void
values_are_checked(void **state)
{
	static const char *const wrong[] = {
		VALUE("<integer></integer>"),
		VALUE("<integer>9223372036854775808</integer>"),
		VALUE("<integer>-9223372036854775809</integer>"),
		VALUE("<integer>010</integer>"),
		VALUE("<integer>-08</integer>"),
		VALUE("<integer>0x10</integer>"),
		VALUE("<integer> 1</integer>"),
		VALUE("<integer>1.0</integer>"),
		VALUE("<real></real>"),
		VALUE("<real>1,5</real>"),
		VALUE("<real>1e</real>"),
		VALUE("<real>.</real>"),
		VALUE("<real>0x1p3</real>"),
		VALUE("<real>inf</real>"),
		VALUE("<real>--1</real>"),
		VALUE("<date></date>"),
		VALUE("<date>2026-11-23</date>"),
		VALUE("<date>2026-02-30T00:00:00Z</date>"),
		VALUE("<date>2026-11-23T16:05:00.5Z</date>"),
		VALUE("<data>A</data>"),
		VALUE("<data>AA</data>"),
		VALUE("<data>AA=A</data>"),
		VALUE("<data>A*AA</data>"),
		VALUE("<data>AAB=</data>"),
	};

	(void)state;
	FAIL_EACH(wrong);
	passes(VALUE("<integer>-9223372036854775808</integer>"), 2);
	passes(VALUE("<integer>9223372036854775807</integer>"), 2);
	passes(VALUE("<integer>0</integer>"), 2);
	passes(VALUE("<real>-.5E-3</real>"), 2);
	passes(VALUE("<real>nan</real>"), 2);
	passes(VALUE("<real>+infinity</real>"), 2);
	passes(VALUE("<data/>"), 2);
}

/* depth arrays in the root dictionary. */
static struct buf *
nested(size_t depth)
{
	struct buf *b = buf_new(1 << 20);

	buf_adds(b, OPEN "<dict><key>k</key>");
	for (size_t i = 0; i < depth; i++)
		buf_adds(b, "<array>");
	for (size_t i = 0; i < depth; i++)
		buf_adds(b, "</array>");
	buf_adds(b, "</dict></plist>");
	return b;
}

static void
depth_is_bounded(void **state)
{
	AUTO(buf_free) struct buf *just = nested(LIMIT_PLIST_DEPTH - 1);
	AUTO(buf_free) struct buf *deeper = nested(LIMIT_PLIST_DEPTH);
	AUTO(buf_free) struct buf *deep = nested(50000);

	(void)state;
	passes(buf_str(just), LIMIT_PLIST_DEPTH);
	fails(buf_str(deeper), deeper->len);
	fails(buf_str(deep), deep->len);
}

/*
 * libplist looks for the end of a declaration outside of double quotes only:
 * with an open one it would find the end in the comment, and take what follows
 * there, however deep, for the document.
 */
static void
quotes_hide_nothing(void **state)
{
	static const char *const openings[] = {
		"<?xml a=\"?><plist version=\"1.0\"><!-- \"?>",
		"<?xml a=\"?>\"?><plist><!-- ?>",
		"<!DOCTYPE plist \"><plist version=\"1.0\"><!-- \">",
		"<!DOCTYPE plist \"[\"><plist><!-- ]>",
		"<?xml version=\"1.0\"><plist><!-- ?>",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(openings); i++) {
		AUTO(buf_free) struct buf *b = buf_new(16 << 20);

		buf_adds(b, openings[i]);
		buf_adds(b, "<plist version=\"1.0\">");
		for (size_t n = 0; n < 200000; n++)
			buf_adds(b, "<array>");
		buf_adds(b, "--><dict/></plist>");
		fails(buf_str(b), b->len);
	}
	passes("<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE plist>"
	       "<plist version=\"1.0\"><dict/></plist>",
	    1);
}

static void
count_is_bounded(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(16 << 20);
	struct slice text;
	size_t values;

	(void)state;
	buf_adds(b, OPEN "<dict><key>k</key><array>");
	for (size_t i = 3; i < LIMIT_PLIST_NODES; i++)
		buf_adds(b, "<true/>");
	values = b->len;
	buf_adds(b, "</array></dict></plist>");
	passes(buf_str(b), LIMIT_PLIST_NODES - 1);
	buf_cut(b, values);
	buf_adds(b, "<true/></array></dict></plist>");
	assert_err(pl_scan(buf_slice(b), &text, &values, e), ERR_TOO_LARGE);
}

/* libplist would need minutes for it. */
static void
references_are_bounded(void **state)
{
	AUTO(buf_free) struct buf *b = buf_new(16 << 20);
	struct slice text;
	size_t values;

	(void)state;
	buf_adds(b, OPEN "<dict><key>k</key><string>");
	for (size_t i = 0; i < 1000; i++)
		buf_adds(b, "&amp;");
	values = b->len;
	buf_adds(b, "</string></dict></plist>");
	passes(buf_str(b), 2);
	buf_cut(b, values);
	for (size_t i = 0; i < 1000000; i++)
		buf_adds(b, "&amp;");
	buf_adds(b, "</string></dict></plist>");
	assert_err(pl_scan(buf_slice(b), &text, &values, e), ERR_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_documents_pass),
		cmocka_unit_test(every_truncation_fails),
		cmocka_unit_test(structure_is_checked),
		cmocka_unit_test(declarations_are_refused),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(quotes_hide_nothing),
		cmocka_unit_test(count_is_bounded),
		cmocka_unit_test(references_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
