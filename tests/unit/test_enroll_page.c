/* The enrolment page: languages, what it says, and that nothing of a name
 * becomes markup. */
#include "tests/unit/enroll_fixture.h"

static void
language_by_argument_then_header(void **state)
{
	static const struct {
		const char *asked, *accept;
		enum enroll_lang lang;
	} rows[] = {
		{ NULL, NULL, ENROLL_EN },
		{ NULL, "ja", ENROLL_JA },
		{ NULL, "ja-JP,ja;q=0.9,en;q=0.5", ENROLL_JA },
		{ NULL, "en-GB,ja;q=0.9", ENROLL_EN },
		{ NULL, "ja,en", ENROLL_JA },
		{ NULL, "en,ja", ENROLL_EN },
		{ NULL, "fr, JA ;q=0.2", ENROLL_JA },
		{ NULL, "ja;q=0,en;q=0.1", ENROLL_EN },
		{ NULL, "ja;q=nan", ENROLL_EN },
		{ NULL, "ja;q=7", ENROLL_EN },
		{ NULL, "jam,eng", ENROLL_EN },
		{ NULL, ",,,;;q=", ENROLL_EN },
		{ NULL, "j", ENROLL_EN },
		{ "ja", "en", ENROLL_JA },
		{ "EN", "ja", ENROLL_EN },
		{ "xx", "ja", ENROLL_JA },
		{ "", "ja", ENROLL_JA },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (enroll_page_lang(rows[i].asked, rows[i].accept) !=
		    rows[i].lang)
			fail_msg("row %zu", i);
}

static struct buf *
page(enum enroll_lang lang, const char *organization, bool ready)
{
	struct buf *b = buf_new(64 << 10);

	enroll_page_write(
	    &(struct enroll_page){ lang, organization, 60, ready }, b);
	OK(buf_ok(b, &e));
	return b;
}

static void
says_what_will_happen(void **state)
{
	AUTO(buf_free) struct buf *en = page(ENROLL_EN, "Acme", true);
	AUTO(buf_free) struct buf *ja = page(ENROLL_JA, "Acme", true);

	(void)state;
	assert_non_null(strstr(buf_str(en), "<html lang=\"en\">"));
	assert_non_null(strstr(buf_str(ja), "<html lang=\"ja\">"));
	assert_non_null(strstr(buf_str(en), "/enroll?lang=ja"));
	assert_non_null(strstr(buf_str(ja), "/enroll?lang=en"));
	assert_non_null(strstr(buf_str(en), "href=\"/enroll/profile\""));
	assert_non_null(strstr(buf_str(ja), "href=\"/enroll/profile\""));
	assert_non_null(strstr(buf_str(en), "General &gt; Device Management"));
	assert_non_null(strstr(buf_str(en), "T2"));
	assert_non_null(strstr(buf_str(ja), "T2"));
	assert_non_null(strstr(buf_str(en), "60 minutes"));
	assert_null(strstr(buf_str(en), "{"));
	assert_null(strstr(buf_str(ja), "{"));
	assert_null(strstr(buf_str(en), "<script"));
	assert_null(strstr(buf_str(en), "style="));
}

static void
escapes_the_organisation(void **state)
{
	AUTO(buf_free)
	struct buf *b = page(ENROLL_EN, "<script>\"&'{min}", true);

	(void)state;
	assert_null(strstr(buf_str(b), "<script"));
	assert_non_null(strstr(buf_str(b), "&lt;script&gt;"));
	/* A placeholder within a name is only text. */
	assert_non_null(strstr(buf_str(b), "{min}"));
}

static void
not_ready_has_no_button(void **state)
{
	AUTO(buf_free) struct buf *en = page(ENROLL_EN, "Acme", false);
	AUTO(buf_free) struct buf *ja = page(ENROLL_JA, "Acme", false);

	(void)state;
	assert_null(strstr(buf_str(en), "/enroll/profile"));
	assert_null(strstr(buf_str(ja), "/enroll/profile"));
	assert_non_null(strstr(buf_str(en), "not possible yet"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(language_by_argument_then_header),
		cmocka_unit_test(says_what_will_happen),
		cmocka_unit_test(escapes_the_organisation),
		cmocka_unit_test(not_ready_has_no_button),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
