/* Idle, what a visit costs, renderers, wipes that did and did not happen. */
#include "mdm_fixture.h"

static void
idle_with_nothing_to_do_is_one_read(void **state)
{
	struct world *w = *state;
	struct store_stats before, after;

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE enrollment SET push_due_at = NULL");
	store_stats(w->store, &before);
	idle(w, 'a', UDID_1);
	store_stats(w->store, &after);
	assert_int_equal(w->answer->len, 0);
	assert_int_equal(after.reads - before.reads, 1);
	assert_int_equal(after.statements - before.statements, 1);
	assert_int_equal(after.writes, before.writes);
}

static int64_t
trips(struct world *w)
{
	struct store_stats s;

	store_stats(w->store, &s);
	return s.round_trips;
}

/* The answers of one kind are sent three times: statements are prepared by the
 * first, and nothing is said of those. */
static void
expect_two_trips(struct world *w, const char *type, const char *dict)
{
	char ids[4][37];
	int64_t before = 0;

	for (int i = 0; i < 4; i++)
		queue(w, type, ids[i]);
	idle(w, 'a', UDID_1);
	for (int i = 0; i < 3; i++) {
		struct reply r = { UDID_1, ids[i], "Acknowledged", dict };

		assert_string_equal(w->id, ids[i]);
		before = trips(w);
		assert_true(reply(w, 'a', &r));
	}
	assert_int_equal(trips(w) - before, test_on_pgsql() ? 2 : 0);
	assert_string_equal(w->id, ids[3]);
	assert_true(reply(
	    w, 'a', &(struct reply){ UDID_1, ids[3], "Acknowledged", dict }));
	before = trips(w);
	idle(w, 'a', UDID_1);
	assert_int_equal(trips(w) - before, test_on_pgsql() ? 1 : 0);
}

static void
round_trips_are_few(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	expect_two_trips(w, "ProfileList", NULL);
	expect_two_trips(w, "DeviceInformation",
	    "<key>QueryResponses</key><dict><key>OSVersion</key>"
	    "<string>14.1</string></dict>");
	assert_text(w, "SELECT os_version FROM device", "14.1");
	assert_int_equal(events(w, "command.acknowledged"), 8);
	assert_int_equal(count(w, "SELECT MAX(seq) = COUNT(*) FROM event"), 1);
}

/* What was done long ago is not looked at.  Asks SQLite's planner; the other
 * one's choice depends on how much is in the table. */
static void
a_long_history_costs_nothing(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (test_on_pgsql())
		return;
	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(store_query(tx,
	    "EXPLAIN QUERY PLAN SELECT EXISTS (SELECT 1 FROM command q WHERE "
	    "q.enrollment_id = $1 AND q.done_at IS NULL), (SELECT MAX(not_now) "
	    "FROM command WHERE enrollment_id = $1 AND done_at IS NULL)",
	    S_ARGS(S_TEXT(UDID_1)), &r, e));
	OK(store_next(r, &more, e));
	while (more) {
		const char *step = store_text(r, 3);

		if (strstr(step, "SCAN command") != NULL ||
		    strstr(step, "command_list") != NULL)
			fail_msg("%s", step);
		OK(store_next(r, &more, e));
	}
}

static void
the_first_visit_gets_the_inventory(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceInformation");
	assert_text(w,
	    "SELECT state FROM command WHERE request_type = "
	    "'DeviceInformation'",
	    "delivered");
	assert_int_equal(count(w, "SELECT push_due_at > 0 FROM enrollment"), 1);
	answer(w, "Acknowledged");
	assert_string_equal(w->type, "SecurityInfo");
	answer(w, "Acknowledged");
	assert_string_equal(w->type, "");
	assert_int_equal(w->answer->len, 0);
	assert_int_equal(count(w, "SELECT push_due_at IS NULL AND "
	                          "push_attempts = 0 FROM enrollment"),
	    1);
	assert_int_equal(events(w, "command.delivered"), 2);
	assert_int_equal(events(w, "command.acknowledged"), 2);
}

static void
an_unanswered_command_comes_again(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, id);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, id);
	assert_int_equal(count(w, "SELECT MAX(deliveries) FROM command"), 2);
	assert_int_equal(events(w, "command.delivered"), 1);
}

static void
expired_commands_are_not_delivered(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	execute(w, "UPDATE command SET expires_at = 5 WHERE done_at IS NULL");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, "");
	assert_int_equal(events(w, "command.expired"), 1);
}

static void
queue_rendered(struct world *w, char id[37])
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_command c = { .enrollment_id = UDID_1,
		.request_type = "InstallProfile",
		.renderer = "rollout",
		.renderer_ref = "R1",
		.origin = "rollout",
		.by = "system" };

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_queue_add(tx, w->seal, &c, id, e));
	OK(store_commit(&tx, e));
}

static void
rendered_at_delivery(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue_rendered(w, id);
	assert_int_equal(w->rendered, 0);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "InstallProfile");
	assert_non_null(strstr(buf_str(w->answer), "<string>R1</string>"));
	assert_int_equal(w->rendered, 1);
	answer(w, "Acknowledged");
	assert_int_equal(w->done, 1);
	assert_string_equal(w->done_state, "acknowledged");
}

static void
what_cannot_be_rendered_blocks_nothing(void **state)
{
	struct world *w = *state;
	char id[37], next[37], report[37];

	enroll_quietly(w, &mac_1);
	queue(w, "CertificateList", report);
	queue_rendered(w, id);
	queue(w, "ProfileList", next);
	w->render_fails = ERR_INTERNAL;
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, report);
	answer(w, "Acknowledged");
	assert_string_equal(w->id, next);
	assert_string_equal(w->done_state, "error");
	assert_non_null(strstr(w->done_text, "no challenge today"));
	assert_text(w,
	    "SELECT state FROM command WHERE request_type = "
	    "'InstallProfile'",
	    "error");
	assert_text(w,
	    "SELECT state FROM command WHERE request_type = "
	    "'CertificateList'",
	    "acknowledged");
	assert_int_equal(events(w, "command.acknowledged"), 1);
}

/* A full disk is no fault of the command: the Mac comes again. */
static void
a_database_that_is_away_ends_nothing(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue_rendered(w, id);
	w->render_fails = ERR_UNAVAILABLE;
	assert_false(tell(w, 'a',
	    "<dict><key>UDID</key><string>" UDID_1 "</string>"
	    "<key>Status</key><string>Idle</string></dict>"));
	assert_int_equal(w->e.code, ERR_UNAVAILABLE);
	assert_int_equal(w->done, 0);
	w->render_fails = ERR_NONE;
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "InstallProfile");
}

static void
order_wipe(struct world *w, char id[37])
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_order o = { .kind = "wipe", .by = "token:test" };
	struct mdm_order_made made;
	struct mdm_device d;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_device_find(tx, mac_1.serial, &d, e));
	OK(mdm_order_create(tx, w->seal, &d, &o, &made, e));
	assert_int_equal(made.refused.code, ERR_NONE);
	memcpy(id, made.id, sizeof(made.id));
	OK(store_commit(&tx, e));
}

static void
a_wipe_ends_the_life(void **state)
{
	struct world *w = *state;
	char order[37], id[37];

	enroll(w, &mac_1);
	queue(w, "ProfileList", id);
	order_wipe(w, order);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "EraseDevice"); /* before the others */
	assert_text(w, "SELECT state FROM orders", "delivered");
	answer(w, "Acknowledged");
	assert_int_equal(w->answer->len, 0);
	assert_text(w, "SELECT state FROM orders", "acknowledged");
	assert_text(w, "SELECT state FROM device", "wiped");
	assert_string_equal(w->left_why, "wiped");
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL"), 0);
	assert_int_equal(events(w, "device.wiped"), 1);
	/* Still shutting down. */
	idle(w, 'a', UDID_1);
	assert_text(w, "SELECT state FROM device", "wiped");
	/* An hour later it is still there: it was not erased. */
	clock_set_offset_ms(MS_H);
	idle(w, 'a', UDID_1);
	assert_text(w, "SELECT state FROM device", "enrolled");
	assert_text(w, "SELECT state FROM enrollment", "enrolled");
}

static void
a_wipe_without_an_answer(void **state)
{
	struct world *w = *state;
	struct mac again = mac_1;
	char order[37];

	enroll_quietly(w, &mac_1);
	order_wipe(w, order);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "EraseDevice");
	again.letter = 'b';
	enroll(w, &again);
	assert_text(w, "SELECT state FROM orders", "unconfirmed");
	assert_string_equal(w->left_why, "wiped");
	assert_int_equal(events(w, "order.unconfirmed"), 1);
	idle(w, 'b', UDID_1);
	assert_string_equal(w->type, "DeviceInformation");
}

static void
t2_learnt_before_delivery_is_refused(void **state)
{
	struct world *w = *state;
	char order[37], id[37];

	enroll_quietly(w, &mac_1);
	order_wipe(w, order);
	queue(w, "ProfileList", id);
	execute(w, "UPDATE device SET chip = 't2'");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, id);
	assert_text(w, "SELECT state FROM orders", "refused");
	assert_text(w, "SELECT reason_code FROM orders", "wipe_refused_t2");
	assert_text(w,
	    "SELECT state FROM command WHERE request_type = 'EraseDevice'",
	    "refused");
	assert_int_equal(events(w, "order.refused"), 1);
	assert_int_equal(events(w, "command.refused"), 1);
}

static void
a_seen_device_is_remembered(void **state)
{
	struct world *w = *state;
	int64_t patience = clock_mono_ms() + 20 * MS_S;

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE device SET last_seen_at = 1");
	execute(w, "UPDATE enrollment SET last_seen_at = 1");
	idle(w, 'a', UDID_1);
	while (count(w, "SELECT last_seen_at FROM device") == 1 &&
	       clock_mono_ms() < patience)
		clock_sleep_ms(5);
	assert_true(count(w, "SELECT last_seen_at FROM device") > 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(idle_with_nothing_to_do_is_one_read),
		T(round_trips_are_few),
		T(a_long_history_costs_nothing),
		T(the_first_visit_gets_the_inventory),
		T(an_unanswered_command_comes_again),
		T(expired_commands_are_not_delivered),
		T(rendered_at_delivery),
		T(what_cannot_be_rendered_blocks_nothing),
		T(a_database_that_is_away_ends_nothing),
		T(a_wipe_ends_the_life),
		T(a_wipe_without_an_answer),
		T(t2_learnt_before_delivery_is_refused),
		T(a_seen_device_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
