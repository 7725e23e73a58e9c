/*
 * The push scheduler: how often and how soon it pushes, and what starts and
 * stops it.
 */
#include "apns_scheduler_fixture.h"

static void
ten_commands_one_push(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r);
	enroll(r, 1, TOPIC);
	queue(r, 1, 10, false);
	wait_number(r,
	    "SELECT COUNT(*) FROM command q JOIN enrollment e ON e.id = "
	    "q.enrollment_id WHERE q.queued_at <= e.push_accepted_at",
	    10);
	assert_int_equal(pushes(r), 1);
	assert_int_equal(number(r, "SELECT push_attempts FROM enrollment"), 1);
	assert_int_equal(
	    number(r, "SELECT push_last_status FROM enrollment"), 200);
	assert_int_equal(number(r, "SELECT push_claim_until IS NULL AND "
	                           "push_last_reason IS NULL AND "
	                           "LENGTH(push_last_id) = 36 FROM enrollment"),
	    1);
	/* Again in half a minute. */
	assert_in_range(
	    number(r, "SELECT push_due_at - push_last_at FROM enrollment"),
	    27 * MS_S, 30 * MS_S);
	/* More commands right after: not at once, but within the second. */
	queue(r, 1, 5, false);
	assert_in_range(
	    number(r, "SELECT push_due_at - push_last_at FROM enrollment"), 1,
	    1000);
	/* The first push may have been accepted in the very millisecond. */
	wait_number(r,
	    "SELECT COUNT(*) FROM command q JOIN enrollment e ON e.id = "
	    "q.enrollment_id WHERE q.queued_at < e.push_accepted_at",
	    15);
	assert_int_equal(pushes(r), 2);
}

enum { LOCKS = 15, GOAL_MS = 100 };

static int
by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * From the commit to Apple in 100 ms: no debounce, no polling.  The median, so
 * that a machine that is busy with something else for a moment does not
 * matter.
 */
static void
lock_goes_at_once(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	int64_t took_ms[LOCKS];

	(void)state;
	rig_start(r);
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, false);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
	for (int i = 0; i < LOCKS; i++) {
		int64_t start_ms;

		queue(r, 1, 1, true);
		start_ms = clock_mono_ms();
		while (
		    pushes(r) < i + 2 && clock_mono_ms() < start_ms + WAIT_MS)
			clock_sleep_ms(1);
		took_ms[i] = clock_mono_ms() - start_ms;
		/* While one is under way, another one waits for its record. */
		wait_number(
		    r, "SELECT push_claim_by IS NULL FROM enrollment", 1);
	}
	qsort(took_ms, LOCKS, sizeof(took_ms[0]), by_size);
	assert_in_range(took_ms[LOCKS / 2], 0, GOAL_MS);
	assert_in_range(took_ms[LOCKS - 1], 0, WAIT_MS - 1);
}

/* Commits that come after it wake nobody. */
static void
freed_before_the_store(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	rig_start(r);
	enroll(r, 1, TOPIC);
	apns_scheduler_free(&r->scheduler);
	queue(r, 1, 1, true);
	/* Another one finds what is due. */
	rig_start(r);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
}

/* The certificate could not be read: that is tried again. */
static void
reads_the_certificate_again(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct store_stats st;

	(void)state;
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, true);
	store_stats(r->st, &st);
	EXEC(r, "ALTER TABLE push_certificate RENAME COLUMN topic TO away");
	rig_start(r);
	wait_reads(r, st.reads + 1);
	EXEC(r, "ALTER TABLE push_certificate RENAME COLUMN away TO topic");
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
}

static void
reload_ends_a_stop(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, true);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "",
	                          .status = 400,
	                          .reason = "TopicDisallowed",
	                          .count = 1 });
	rig_start(r);
	wait_number(
	    r, "SELECT COUNT(*) FROM event WHERE kind = 'push.stopped'", 1);
	apns_scheduler_reload(r->scheduler);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
}

/* Another command while the push is under way: one more push follows. */
static void
asked_again_meanwhile(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	r->options.answer_ms = 400;
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, true);
	sim_apns_rule(
	    r->sim, &(struct sim_apns_rule){
	                .token = "", .action = SIM_APNS_SILENCE, .count = 1 });
	rig_start(r);
	while (pushes(r) < 1)
		clock_sleep_ms(1);
	queue(r, 1, 1, true);
	assert_int_equal(number(r, "SELECT push_claim_by IS NOT NULL AND "
	                           "push_due_at < push_claim_until FROM "
	                           "enrollment"),
	    1);
	/* Without it the next try would be 15 s later. */
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
	assert_int_equal(pushes(r), 2);
}

static void
waits_for_a_certificate(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_scheduler_stats st;

	(void)state;
	EXEC(r, "UPDATE push_certificate SET state = 'old'");
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, false);
	rig_start(r);
	apns_scheduler_stats(r->scheduler, &st);
	assert_int_equal(st.due, 1);
	assert_int_equal(st.cert_not_after, 0);
	save_cert(r);
	apns_scheduler_reload(r->scheduler);
	wait_number(r, "SELECT push_attempts FROM enrollment", 1);
}

static void
due_is_the_earliest(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	(void)state;
	enroll(r, 1, TOPIC);
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_push_due(tx, "1", 9000, &e), &e);
	must(apns_push_due(tx, "1", 5000, &e), &e);
	must(apns_push_due(tx, "1", 7000, &e), &e);
	must(apns_push_due(tx, "nobody", 7000, &e), &e);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(number(r, "SELECT push_due_at FROM enrollment"), 5000);
	EXEC(r, "UPDATE enrollment SET push_due_at = NULL, push_token = NULL");
	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_push_due(tx, "1", 5000, &e), &e);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(
	    number(r, "SELECT push_due_at IS NULL FROM enrollment"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_commands_one_push),
		cmocka_unit_test(lock_goes_at_once),
		cmocka_unit_test(freed_before_the_store),
		cmocka_unit_test(reads_the_certificate_again),
		cmocka_unit_test(reload_ends_a_stop),
		cmocka_unit_test(asked_again_meanwhile),
		cmocka_unit_test(waits_for_a_certificate),
		cmocka_unit_test(due_is_the_earliest),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
