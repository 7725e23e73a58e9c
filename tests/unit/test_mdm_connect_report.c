/* What a Mac says of a command: answers, errors, NotNow. */
#include "mdm_fixture.h"

static void
answers_count_once(void **state)
{
	struct world *w = *state;
	char first[37], second[37];
	struct reply r = { UDID_1, first, "Acknowledged", NULL };

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", first);
	queue(w, "CertificateList", second);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, first);
	assert_true(reply(w, 'a', &r));
	assert_string_equal(w->id, second);
	/* The same again, since our answer was lost: the next one again. */
	assert_true(reply(w, 'a', &r));
	assert_string_equal(w->id, second);
	r.status = "Error";
	assert_true(reply(w, 'a', &r));
	assert_text(w,
	    "SELECT state FROM command WHERE request_type = 'ProfileList' "
	    "ORDER BY sort_key DESC LIMIT 1",
	    "acknowledged");
	assert_int_equal(events(w, "command.acknowledged"), 1);
	assert_int_equal(events(w, "command.error"), 0);
}

static void
unknown_commands_are_passed_over(void **state)
{
	struct world *w = *state;
	struct mac other = { 'b', UDID_2, "OTHER1", "iMac14,2", "B", "12.0" };
	char id[37];

	enroll_quietly(w, &mac_1);
	enroll(w, &other);
	queue(w, "ProfileList", id);
	assert_true(reply(w, 'a',
	    &(struct reply){ UDID_1, "NOT-OURS", "Acknowledged", NULL }));
	assert_string_equal(w->id, id);
	/* Another device cannot answer for this one. */
	assert_true(
	    reply(w, 'b', &(struct reply){ UDID_2, id, "Acknowledged", NULL }));
	assert_text(w,
	    "SELECT state FROM command WHERE request_type = 'ProfileList'",
	    "delivered");
}

static void
bad_reports_are_refused(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	assert_false(
	    reply(w, 'a', &(struct reply){ UDID_1, "X", "Perhaps", NULL }));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_false(
	    reply(w, 'a', &(struct reply){ UDID_1, "", "Acknowledged", NULL }));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_false(tell(
	    w, 'a', "<dict><key>UDID</key><string>" UDID_1 "</string></dict>"));
	assert_int_equal(w->e.code, ERR_INVALID);
}

static void
errors_are_kept(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	idle(w, 'a', UDID_1);
	assert_true(reply(w, 'a',
	    &(struct reply){ UDID_1, id, "Error",
	        "<key>ErrorChain</key><array><dict><key>ErrorCode</key>"
	        "<integer>12021</integer><key>ErrorDomain</key>"
	        "<string>MCMDMErrorDomain</string>"
	        "<key>USEnglishDescription</key>"
	        "<string>Unknown command</string></dict></array>" }));
	assert_int_equal(
	    count(w, "SELECT MAX(error_code) FROM command"), 12021);
	assert_text(
	    w, "SELECT MAX(error_text) FROM command", "Unknown command");
	assert_int_equal(events(w, "command.error"), 1);
	/* A chain that cannot be read stops nothing. */
	queue(w, "ProfileList", id);
	idle(w, 'a', UDID_1);
	assert_true(reply(w, 'a',
	    &(struct reply){ UDID_1, id, "CommandFormatError",
	        "<key>ErrorChain</key><string>what</string>" }));
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE state = 'error'"), 2);
}

static void
not_now_waits_for_a_new_connection(void **state)
{
	struct world *w = *state;
	char first[37], second[37];
	int64_t due;

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", first);
	queue(w, "CertificateList", second);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, first);
	answer(w, "NotNow");
	assert_string_equal(w->id, second);
	answer(w, "Acknowledged");
	assert_string_equal(w->id, "");
	due = count(w, "SELECT push_due_at FROM enrollment") - clock_now_ms();
	assert_in_range(due, 14 * MS_MIN, 15 * MS_MIN);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, first);
	answer(w, "NotNow");
	assert_string_equal(w->id, "");
	due = count(w, "SELECT push_due_at FROM enrollment") - clock_now_ms();
	assert_in_range(due, 29 * MS_MIN, 30 * MS_MIN);
	assert_int_equal(events(w, "command.not_now"), 2);
	execute(w, "UPDATE command SET not_now = 40");
	idle(w, 'a', UDID_1);
	answer(w, "NotNow");
	due = count(w, "SELECT push_due_at FROM enrollment") - clock_now_ms();
	assert_in_range(due, 6 * MS_H - MS_MIN, 6 * MS_H);
	idle(w, 'a', UDID_1);
	answer(w, "Acknowledged");
	assert_int_equal(
	    count(w, "SELECT push_due_at IS NULL FROM enrollment"), 1);
}

/* All that was put off in an earlier visit is offered in the next one. */
static void
a_new_visit_offers_all_that_was_put_off(void **state)
{
	struct world *w = *state;
	char first[37], second[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", first);
	queue(w, "CertificateList", second);
	idle(w, 'a', UDID_1);
	answer(w, "NotNow");
	answer(w, "NotNow");
	assert_string_equal(w->id, "");
	clock_set_offset_ms(1000);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, first);
	answer(w, "Acknowledged");
	assert_string_equal(w->id, second);
	answer(w, "NotNow");
	assert_string_equal(w->id, "");
	clock_set_offset_ms(0);
}

static void
a_late_answer_still_counts(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	idle(w, 'a', UDID_1);
	execute(w, "UPDATE command SET expires_at = 5 WHERE done_at IS NULL");
	OK(mdm_service_tick(w->mdm, NULL, e));
	assert_int_equal(events(w, "command.expired"), 1);
	assert_true(
	    reply(w, 'a', &(struct reply){ UDID_1, id, "Acknowledged", NULL }));
	assert_int_equal(events(w, "command.acknowledged"), 1);
	assert_true(
	    reply(w, 'a', &(struct reply){ UDID_1, id, "Acknowledged", NULL }));
	assert_int_equal(events(w, "command.acknowledged"), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(answers_count_once),
		T(unknown_commands_are_passed_over),
		T(bad_reports_are_refused),
		T(errors_are_kept),
		T(not_now_waits_for_a_new_connection),
		T(a_new_visit_offers_all_that_was_put_off),
		T(a_late_answer_still_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
