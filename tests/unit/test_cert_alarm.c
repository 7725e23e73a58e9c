/* At which days somebody is told of an end. */
#include "cert_fixture.h"

#include "certs/cert_alarm.h"
#include "core/log.h"

static void
steps(void **state)
{
	static const struct {
		int64_t left, step;
	} cases[] = {
		{ 61 * MS_DAY, -1 },
		{ 60 * MS_DAY + 1, -1 },
		{ 60 * MS_DAY, 60 },
		{ 30 * MS_DAY + 1, 60 },
		{ 30 * MS_DAY, 30 },
		{ 14 * MS_DAY, 14 },
		{ 8 * MS_DAY, 14 },
		{ 7 * MS_DAY, 7 },
		{ 1 * MS_DAY, 1 },
		{ 1, 1 },
		{ 0, 0 },
		{ -MS_DAY, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(cert_alarm_step(cases[i].left), cases[i].step);
}

static void
tell(struct place *p, const struct cert_alarm *a)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(p->st, STORE_WRITE, &tx, &e), &e);
	must(cert_alarm_tell(tx, a, &e), &e);
	must(store_commit(&tx, &e), &e);
	cert_alarm_log(a);
}

static void
the_event_says_what_there_is(void **state)
{
	struct place *p = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct cert_alarm a = { .what = "authority",
		.subject_id = "issuing-1",
		.not_after = INT64_C(1800000000000),
		.step = 7,
		.facts = { { "role", "issuing" }, { "advice", "do it" } } };
	struct err e = { 0 };
	bool more;

	log_set_level(LOG_ERROR + 1);
	tell(p, &a);
	a.step = 0;
	tell(p, &a);
	log_set_level(LOG_INFO);
	must(store_begin(p->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx,
	         "SELECT kind, subject_id, data FROM event "
	         "ORDER BY seq",
	         S_ARGS(), &r, &e),
	    &e);
	must(store_next(r, &more, &e), &e);
	assert_string_equal(store_text(r, 0), "authority.expiring");
	assert_string_equal(store_text(r, 1), "issuing-1");
	assert_string_equal(store_text(r, 2),
	    "{\"role\":\"issuing\",\"advice\":\"do it\","
	    "\"not_after\":\"2027-01-15T08:00:00.000Z\",\"days\":7}");
	must(store_next(r, &more, &e), &e);
	assert_string_equal(store_text(r, 0), "authority.expired");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		PLACE_TEST(the_event_says_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
