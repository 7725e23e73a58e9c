/* What is offered when something is wrong with what waits. */
#include "mdm_fixture.h"

/* However many cannot be read (another master.key): the report gets through,
 * and what can be read is delivered. */
static void
broken_commands_block_nothing(void **state)
{
	struct world *w = *state;
	char report[37], broken[37], good[37];

	enroll_quietly(w, &mac_1);
	queue(w, "CertificateList", report);
	for (int i = 0; i < 3; i++)
		queue(w, "ProfileList", broken);
	queue(w, "SecurityInfo", good);
	execute(w, "UPDATE command SET body = "
	           "(SELECT body FROM command WHERE request_type = "
	           "'CertificateList') WHERE request_type = 'ProfileList'");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, report);
	answer(w, "Acknowledged");
	assert_string_equal(w->id, good);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE state = 'error' AND "
	             "request_type = 'ProfileList'"),
	    3);
	assert_int_equal(events(w, "command.acknowledged"), 1);
	assert_int_equal(events(w, "command.error"), 3);
}

static void
very_many_broken_commands_end_in_turns(void **state)
{
	struct world *w = *state;
	char report[37], broken[37];
	int64_t due;

	enroll_quietly(w, &mac_1);
	queue(w, "CertificateList", report);
	idle(w, 'a', UDID_1);
	for (int i = 0; i < 30; i++)
		queue(w, "ProfileList", broken);
	execute(w, "UPDATE command SET body = "
	           "(SELECT body FROM command WHERE request_type = "
	           "'CertificateList') WHERE request_type = 'ProfileList'");
	answer(w, "Acknowledged");
	assert_string_equal(w->id, "");
	assert_int_equal(events(w, "command.acknowledged"), 1);
	due = count(w, "SELECT push_due_at FROM enrollment") - clock_now_ms();
	assert_in_range(due, 1, MS_MIN);
	idle(w, 'a', UDID_1);
	assert_int_equal(events(w, "command.error"), 30);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(broken_commands_block_nothing),
		T(very_many_broken_commands_end_in_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
