/* When to push again, and what each answer means for its enrolment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apns/apns_policy.h"
#include "core/clock.h"
#include "core/encode.h"

enum { NOW = 1000000000 };

static void
gaps(void **state)
{
	static const struct {
		int64_t attempt;
		bool urgent;
		int64_t age_ms, gap_ms;
	} rows[] = {
		{ 1, false, 0, 30 * MS_S },
		{ 2, false, 0, 2 * MS_MIN },
		{ 3, false, 0, 8 * MS_MIN },
		{ 4, false, 0, 30 * MS_MIN },
		{ 5, false, 0, MS_H },
		{ 1000, false, MS_DAY - 1, MS_H },
		{ 5, false, MS_DAY, MS_DAY },
		{ 1000, false, 400 * MS_DAY, MS_DAY },
		{ 1, true, 0, 30 * MS_S },
		{ 2, true, 0, 2 * MS_MIN },
		{ 3, true, 0, 8 * MS_MIN },
		{ 4, true, 0, 10 * MS_MIN },
		{ 1000, true, MS_DAY - 1, 10 * MS_MIN },
		{ 30, true, MS_DAY, MS_DAY },
		{ 0, false, 0, 30 * MS_S },
		{ -1, true, -5, 30 * MS_S },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(apns_next_gap_ms(rows[i].attempt,
		                     rows[i].urgent, rows[i].age_ms),
		    rows[i].gap_ms);
}

/* In a lock's first day, however often it was pushed in vain. */
static void
urgent_never_waits_longer(void **state)
{
	struct apns_situation s = { .now = NOW,
		.token_at = 1,
		.sent_token_at = 1,
		.newest_at = NOW - MS_H,
		.urgent_at = NOW - MS_H };
	const struct apns_answer accepted = { .outcome = APNS_ACCEPTED,
		.status = 200 };
	const struct apns_answer busy = { .outcome = APNS_BACK_OFF,
		.status = 429 };
	struct apns_reaction re;

	(void)state;
	for (s.attempts = 0; s.attempts < 200; s.attempts++) {
		apns_react(&accepted, &s, &re);
		assert_in_range(re.next, NOW + 27 * MS_S, NOW + 10 * MS_MIN);
		apns_react(&busy, &s, &re);
		assert_in_range(re.next, NOW + 54 * MS_S, NOW + 10 * MS_MIN);
	}
}

static void
accepted(void **state)
{
	struct apns_situation s = { .now = NOW, .newest_at = NOW - 1 };
	const struct apns_answer a = { .outcome = APNS_ACCEPTED,
		.status = 200 };
	struct apns_reaction re;

	(void)state;
	apns_react(&a, &s, &re);
	assert_true(re.pushed && re.counts);
	assert_null(re.push_state);
	assert_in_range(re.next, NOW + 27 * MS_S, NOW + 30 * MS_S);
	/* Everything was done before the answer came. */
	s.newest_at = 0;
	apns_react(&a, &s, &re);
	assert_int_equal(re.next, 0);
}

/* A wave does not come back as one; and the same push always at its time. */
static void
spread(void **state)
{
	enum { STEPS = 17, STEP_MS = 187, PUSHES = 500 };
	const struct apns_situation s = { .now = NOW, .newest_at = NOW - 1 };
	struct apns_answer a = { .outcome = APNS_ACCEPTED, .status = 200 };
	struct apns_reaction re, again;
	int at[STEPS] = { 0 };

	(void)state;
	for (int i = 0; i < PUSHES; i++) {
		int64_t early;

		uuid_new_lower(a.id);
		apns_react(&a, &s, &re);
		apns_react(&a, &s, &again);
		assert_int_equal(re.next, again.next);
		early = NOW + 30 * MS_S - re.next;
		assert_int_equal(early % STEP_MS, 0);
		assert_in_range(early / STEP_MS, 0, STEPS - 1);
		at[early / STEP_MS]++;
	}
	/* That one of them is empty: 1 in 10^12. */
	for (int i = 0; i < STEPS; i++)
		assert_true(at[i] > 0);
}

static void
dead_only_when_newer(void **state)
{
	struct apns_situation s = { .now = NOW,
		.newest_at = NOW,
		.token_at = 5000,
		.sent_token_at = 5000 };
	struct apns_answer a = { .outcome = APNS_DEAD, .status = 410 };
	struct apns_reaction re;

	(void)state;
	a.timestamp_ms = 5001;
	apns_react(&a, &s, &re);
	assert_string_equal(re.push_state, "dead");
	assert_string_equal(re.event, "push.dead");
	assert_int_equal(re.next, 0);
	a.timestamp_ms = 4999;
	apns_react(&a, &s, &re);
	assert_null(re.push_state);
	assert_true(re.next > NOW);
	/* No time: the token that was pushed to must be the present one. */
	a.timestamp_ms = 0;
	apns_react(&a, &s, &re);
	assert_string_equal(re.push_state, "dead");
	s.token_at = 6000;
	apns_react(&a, &s, &re);
	assert_null(re.push_state);
}

static void
refused(void **state)
{
	struct apns_situation s = {
		.now = NOW, .newest_at = NOW, .token_at = 1, .sent_token_at = 1
	};
	const struct apns_answer a = { .outcome = APNS_REFUSED, .status = 400 };
	struct apns_reaction re;

	(void)state;
	apns_react(&a, &s, &re);
	assert_string_equal(re.push_state, "refused");
	assert_string_equal(re.event, "push.refused");
	assert_false(re.pushed);
	s.token_at = 2;
	apns_react(&a, &s, &re);
	assert_null(re.push_state);
	assert_true(re.next > NOW);
}

static void
back_off(void **state)
{
	struct apns_situation s = { .now = NOW, .newest_at = NOW };
	struct apns_answer a = { .outcome = APNS_BACK_OFF, .status = 429 };
	struct apns_reaction re;
	int64_t last = 0;

	(void)state;
	for (s.attempts = 0; s.attempts < 6; s.attempts++) {
		apns_react(&a, &s, &re);
		assert_true(re.next > last);
		last = re.next;
	}
	s.attempts = 1000;
	apns_react(&a, &s, &re);
	assert_in_range(re.next, NOW + 54 * MS_MIN, NOW + MS_H);
	a.retry_after_s = 600;
	s.attempts = 0;
	apns_react(&a, &s, &re);
	assert_int_equal(re.next, NOW + 600 * MS_S);
	/* Nobody may park an enrolment for a year. */
	a.retry_after_s = 86400 * 365;
	apns_react(&a, &s, &re);
	assert_int_equal(re.next, NOW + MS_H);
}

static void
not_the_enrolments_fault(void **state)
{
	struct apns_situation s = { .now = NOW, .newest_at = NOW };
	struct apns_answer a = { .outcome = APNS_OUR_FAULT, .status = 403 };
	struct apns_reaction re;

	(void)state;
	apns_react(&a, &s, &re);
	assert_int_equal(re.next, NOW);
	assert_false(re.counts);
	assert_null(re.push_state);
	a = (struct apns_answer){ .outcome = APNS_UNREACHABLE };
	apns_react(&a, &s, &re);
	assert_in_range(re.next, NOW + 15 * MS_S, NOW + 30 * MS_S);
	assert_false(re.counts);
	a = (struct apns_answer){ .outcome = APNS_BUG, .status = 400 };
	apns_react(&a, &s, &re);
	assert_int_equal(re.next, 0);
	assert_null(re.push_state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaps),
		cmocka_unit_test(urgent_never_waits_longer),
		cmocka_unit_test(accepted),
		cmocka_unit_test(spread),
		cmocka_unit_test(dead_only_when_newer),
		cmocka_unit_test(refused),
		cmocka_unit_test(back_off),
		cmocka_unit_test(not_the_enrolments_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
