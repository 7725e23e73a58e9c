/* An Idle of whom a command waits for goes straight to the writer. */
#include "mdm_fixture.h"

/* What an Idle costs: reads before the writer's turn. */
static int64_t
reads_of_idle(struct world *w)
{
	struct store_stats before, after;

	store_stats(w->store, &before);
	idle(w, 'a', UDID_1);
	store_stats(w->store, &after);
	return after.reads - before.reads;
}

static void
expected_once(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	assert_int_equal(reads_of_idle(w), 1);
	assert_string_equal(w->id, id);

	mdm_service_expect(w->mdm, UDID_1);
	assert_int_equal(reads_of_idle(w), 0);
	assert_string_equal(w->id, id);
	assert_int_equal(reads_of_idle(w), 1);
	assert_string_equal(w->id, id);
	assert_int_equal(events(w, "command.delivered"), 1);
}

/* It costs the writer's turn, and leaves no trace. */
static void
for_nothing(void **state)
{
	struct world *w = *state;
	struct store_stats before, after;

	enroll_quietly(w, &mac_1);
	mdm_service_expect(w->mdm, UDID_1);
	store_stats(w->store, &before);
	assert_int_equal(reads_of_idle(w), 0);
	store_stats(w->store, &after);
	assert_int_equal(w->answer->len, 0);
	assert_int_equal(after.statements - before.statements, 1);
	assert_int_equal(
	    count(w, "SELECT COUNT(session_at) FROM enrollment"), 0);
}

/* Another one's certificate gets nothing by it. */
static void
strangers_stay_out(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	issue_enroll(w, 'b');
	mdm_service_expect(w->mdm, UDID_1);
	assert_false(tell(w, 'b',
	    "<dict><key>UDID</key><string>" UDID_1 "</string>"
	    "<key>Status</key><string>Idle</string></dict>"));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_text(
	    w, "SELECT state FROM command WHERE done_at IS NULL", "queued");
	assert_int_equal(events(w, "command.delivered"), 0);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, id);
}

/* As after a look. */
static void
first_visits_are_noted(void **state)
{
	static const char used[] = "SELECT COUNT(*) FROM certificate "
	                           "WHERE first_seen_at IS NOT NULL";
	struct world *w = *state;
	int64_t end = clock_mono_ms() + 100 * MS_S;

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE certificate SET first_seen_at = NULL");
	mdm_service_expect(w->mdm, UDID_1);
	assert_int_equal(reads_of_idle(w), 0);
	while (count(w, used) == 0 && clock_mono_ms() < end)
		usleep(10 * 1000);
	assert_int_equal(count(w, used), 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_make, world_drop)
	const struct CMUnitTest tests[] = {
		T(expected_once),
		T(for_nothing),
		T(strangers_stay_out),
		T(first_visits_are_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
