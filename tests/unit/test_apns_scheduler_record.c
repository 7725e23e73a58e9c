/*
 * What the answers do to the rows, and to pushing as a whole.
 */
#include "apns/apns_scheduler_priv.h"
#include "apns_scheduler_fixture.h"

#define OTHER "com.apple.mgmt.External.66666666-7777-4888-8999-aaaaaaaaaaaa"

static void
gone(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, TOPIC);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000001",
	                          .status = 410,
	                          .reason = "Unregistered",
	                          .timestamp_ms = 1000001 });
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000002",
	                          .status = 410,
	                          .reason = "Unregistered",
	                          .timestamp_ms = 999999 });
	queue(r, 1, 1, false);
	queue(r, 2, 1, false);
	rig_start(r);
	wait_number(r,
	    "SELECT COUNT(*) FROM enrollment WHERE push_last_status = 410", 2);
	assert_int_equal(number(r, "SELECT push_state = 'dead' AND push_due_at "
	                           "IS NULL FROM enrollment WHERE id = '1'"),
	    1);
	/* Older than the last TokenUpdate: the token is good. */
	assert_int_equal(number(r, "SELECT push_state = 'ok' AND push_due_at "
	                           "> 0 FROM enrollment WHERE id = '2'"),
	    1);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push.dead' AND subject_id = '1'"),
	    1);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM command WHERE state = 'queued'"),
	    2);
	/* Dead: another command makes nothing due. */
	queue(r, 1, 1, false);
	assert_int_equal(number(r, "SELECT push_due_at IS NULL FROM "
	                           "enrollment WHERE id = '1'"),
	    1);
}

static void
refused_and_busy(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_scheduler_stats st;

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, TOPIC);
	enroll(r, 3, TOPIC);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000001",
	                          .status = 400,
	                          .reason = "BadDeviceToken" });
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000002",
	                          .status = 429,
	                          .reason = "TooManyRequests",
	                          .retry_after_s = 300 });
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000003",
	                          .status = 503,
	                          .reason = "ServiceUnavailable" });
	for (uint32_t n = 1; n <= 3; n++)
		queue(r, n, 1, false);
	rig_start(r);
	wait_number(r,
	    "SELECT COUNT(*) FROM enrollment WHERE push_last_status >= 400", 3);
	assert_int_equal(number(r, "SELECT push_state = 'refused' AND "
	                           "push_due_at IS NULL AND push_last_reason = "
	                           "'BadDeviceToken' FROM enrollment WHERE "
	                           "id = '1'"),
	    1);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push.refused'"),
	    1);
	assert_int_equal(number(r, "SELECT push_due_at - push_last_at FROM "
	                           "enrollment WHERE id = '2'"),
	    300 * MS_S);
	assert_in_range(number(r, "SELECT push_due_at - push_last_at FROM "
	                          "enrollment WHERE id = '3'"),
	    9 * MS_S, 10 * MS_S);
	apns_scheduler_stats(r->scheduler, &st);
	assert_int_equal(st.pushes[APNS_REFUSED], 1);
	assert_int_equal(st.pushes[APNS_BACK_OFF], 2);
	assert_int_equal(st.due, 0);
	assert_int_equal(st.stopped, 0);
}

/* The scheduler's thread knows a little later than the database. */
static void
wait_stopped(struct rig *r, int64_t wanted)
{
	int64_t end_ms = clock_mono_ms() + WAIT_MS;
	struct apns_scheduler_stats st;

	for (;;) {
		apns_scheduler_stats(r->scheduler, &st);
		if (st.stopped == wanted)
			return;
		assert_true(clock_mono_ms() < end_ms);
		clock_sleep_ms(1);
	}
}

/* One event, one stop; what is due stays due, and goes on later. */
static void
stopped_by_certificate(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	struct apns_topic_stats topics[2];

	(void)state;
	r->options.stop_ms = 300;
	for (uint32_t n = 1; n <= 50; n++) {
		enroll(r, n, TOPIC);
		queue(r, n, 1, false);
	}
	sim_apns_rule(r->sim,
	    &(struct sim_apns_rule){
	        .token = "", .status = 403, .reason = "BadCertificate" });
	rig_start(r);
	wait_number(
	    r, "SELECT COUNT(*) FROM event WHERE kind = 'push.stopped'", 1);
	wait_number(r,
	    "SELECT COUNT(*) FROM enrollment WHERE push_claim_by IS NULL AND "
	    "push_due_at IS NOT NULL AND push_state = 'ok' AND "
	    "push_attempts = 0",
	    50);
	wait_stopped(r, 1);
	assert_int_equal(apns_scheduler_topics(r->scheduler, topics, 2), 1);
	assert_string_equal(topics[0].topic, TOPIC);
	assert_string_equal(topics[0].reason, "BadCertificate");
	/* The next try is one push, perhaps made already; no further event. */
	assert_in_range(pushes(r), 50, 99);
	while (pushes(r) < 51)
		clock_sleep_ms(2);
	sim_apns_clear_rules(r->sim);
	wait_number(
	    r, "SELECT COUNT(*) FROM enrollment WHERE push_attempts = 1", 50);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM event WHERE kind = 'push.stopped'"),
	    1);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM event WHERE kind = 'push.resumed'"),
	    1);
	wait_stopped(r, 0);
}

/* A second topic with a certificate of its own. */
static struct rig *
two_topics(int64_t not_after_ms)
{
	AUTO(sim_apns_certs_free) struct sim_apns_certs *other = NULL;
	AUTO(str_free) char *anchors = NULL;
	struct rig *r;
	struct err e = { 0 };

	must(sim_apns_certs_new(&(struct sim_apns_cert_options){ .topic = OTHER,
	                            .not_after_ms = not_after_ms },
	         &other, &e),
	    &e);
	anchors = str_printf("%s%s", certs->ca_pem, other->ca_pem);
	r = rig_with(anchors);
	save_this(r, other);
	return r;
}

/* While the certificate of one topic is refused the other one's pushes go,
 * and so it is after a new certificate for that one. */
static void
one_topic_stops_alone(void **state)
{
	AUTO(rig_free) struct rig *r = two_topics(0);
	struct apns_topic_stats topics[3];

	(void)state;
	enroll(r, 1, TOPIC);
	enroll(r, 2, OTHER);
	enroll(r, 3, TOPIC);
	sim_apns_rule(r->sim, &(struct sim_apns_rule){ .token = "00000001",
	                          .status = 403,
	                          .reason = "BadCertificate" });
	rig_start(r);
	queue(r, 1, 1, true);
	wait_number(
	    r, "SELECT COUNT(*) FROM event WHERE kind = 'push.stopped'", 1);
	wait_number(r,
	    "SELECT push_claim_by IS NULL FROM enrollment WHERE id = '1'", 1);
	queue(r, 2, 1, false);
	queue(r, 3, 1, true);
	wait_number(
	    r, "SELECT push_attempts FROM enrollment WHERE id = '2'", 1);
	wait_stopped(r, 1);
	assert_int_equal(apns_scheduler_topics(r->scheduler, topics, 3), 2);
	assert_string_equal(topics[0].topic, OTHER);
	assert_false(topics[0].stopped);
	assert_true(topics[1].stopped);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push.stopped' AND data LIKE '%" TOPIC
	                           "%' AND data LIKE '%BadCertificate%'"),
	    1);
	assert_int_equal(number(r, "SELECT push_due_at IS NOT NULL AND "
	                           "push_last_at IS NULL FROM enrollment "
	                           "WHERE id = '3'"),
	    1);
	sim_apns_clear_rules(r->sim);
	save_cert(r);
	apns_scheduler_reload(r->scheduler);
	wait_number(
	    r, "SELECT COUNT(*) FROM enrollment WHERE push_attempts = 1", 3);
	wait_stopped(r, 0);
}

/* A certificate that has ended stops its topic before APNs says so; the one
 * push that tries proves it wrong here, and that lasts. */
static void
an_expired_topic_stops_alone(void **state)
{
	AUTO(rig_free) struct rig *r = two_topics(0);
	struct apns_scheduler_stats st;

	(void)state;
	r->options.stop_ms = 100;
	enroll(r, 1, TOPIC);
	enroll(r, 2, OTHER);
	EXEC(r, "UPDATE push_certificate SET not_after = $1 WHERE topic = $2",
	    S_INT(clock_now_ms() - 1000), S_TEXT(OTHER));
	queue(r, 1, 1, false);
	rig_start(r);
	wait_number(
	    r, "SELECT push_attempts FROM enrollment WHERE id = '1'", 1);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind = "
	                           "'push.stopped' AND data LIKE "
	                           "'%certificate expired%'"),
	    1);
	wait_stopped(r, 1);
	apns_scheduler_stats(r->scheduler, &st);
	assert_true(st.cert_not_after < clock_now_ms());
	queue(r, 2, 1, false);
	wait_number(
	    r, "SELECT push_attempts FROM enrollment WHERE id = '2'", 1);
	assert_int_equal(number(r, "SELECT COUNT(*) FROM event WHERE kind IN "
	                           "('push.stopped', 'push.resumed')"),
	    2);
	wait_stopped(r, 0);
}

static void
not_reachable(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	sim_apns_free(&r->sim);
	enroll(r, 1, TOPIC);
	queue(r, 1, 1, false);
	rig_start(r);
	wait_number(r,
	    "SELECT push_last_at IS NOT NULL AND push_attempts = 0 AND "
	    "push_last_status IS NULL AND push_state = 'ok' AND "
	    "push_due_at > push_last_at FROM enrollment",
	    1);
}

/* What is due, as this node; only the test's thread works. */
static void
claim_by_hand(struct rig *r, int64_t most, struct apns_claim **out)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t now = clock_now_ms(), count = 0;
	struct err e = { 0 };

	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_db_claim(tx,
	         &(struct apns_claim_options){ .by = "me",
	             .now = now,
	             .until = now + MS_MIN,
	             .limit = most,
	             .except = "" },
	         out, &count, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
	assert_int_equal(count, most);
}

static void
record_by_hand(struct rig *r, const struct apns_claim *list, int64_t now)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(r->st, STORE_WRITE, &tx, &e), &e);
	must(apns_db_record(tx, "me", list, now, &e), &e);
	must(store_commit(&tx, &e), &e);
}

/* While a push is under way its Mac checks in with a topic that has no
 * certificate.  The answer does not hide that, so that a certificate that
 * comes later finds the Mac. */
static void
answer_after_a_mismatch(void **state)
{
	static const struct apns_answer answers[] = {
		{ .outcome = APNS_ACCEPTED, .status = 200 },
		{ .outcome = APNS_DEAD,
		    .status = 410,
		    .reason = "Unregistered",
		    .timestamp_ms = 2000000 },
	};
	AUTO(rig_free) struct rig *r = rig_new();

	(void)state;
	enroll(r, 1, TOPIC);
	for (size_t i = 0; i < COUNT(answers); i++) {
		AUTO(apns_claim_free) struct apns_claim *c = NULL;

		EXEC(r, "UPDATE enrollment SET push_last_at = NULL");
		queue(r, 1, 1, false);
		claim_by_hand(r, 1, &c);
		EXEC(r, "UPDATE enrollment SET push_state = 'refused', "
		        "push_last_reason = 'topic_mismatch'");
		c->answer = answers[i];
		record_by_hand(r, c, clock_now_ms());
		assert_int_equal(
		    number(r, "SELECT push_last_reason = 'topic_mismatch' AND "
		              "push_state = 'refused' AND push_due_at IS NULL "
		              "AND push_claim_by IS NULL FROM enrollment"),
		    1);
		save_cert(r);
		assert_int_equal(
		    number(r, "SELECT push_state = 'ok' AND push_due_at > 0 "
		              "FROM enrollment"),
		    1);
	}
}

enum { TWINS = 20, OTHER_HALF = 100 };

/* Whatever may have happened to one since it was claimed, and to its twin. */
static void
happen(struct rig *r)
{
	static const char *const what[] = {
		"UPDATE enrollment SET push_state = 'refused', "
		"push_last_reason = 'topic_mismatch' WHERE id IN ('1', '101')",
		"UPDATE enrollment SET state = 'left' WHERE id IN ('2', '102')",
		"UPDATE enrollment SET push_due_at = NULL WHERE id IN ('3', "
		"'103')",
		"UPDATE enrollment SET push_claim_by = 'other' WHERE id IN "
		"('4', '104')",
		"UPDATE enrollment SET push_claim_until = 5 WHERE id IN ('5', "
		"'105')",
		"UPDATE enrollment SET push_due_at = 7 WHERE id IN ('6', "
		"'106', '7', '107')",
		"UPDATE command SET urgent = 1 WHERE enrollment_id IN ('7', "
		"'107')",
		"UPDATE enrollment SET push_due_at = 9000000000000 WHERE id "
		"IN ('8', '108')",
		"UPDATE enrollment SET push_last_reason = 'old', "
		"push_last_status = 503, push_attempts = 3 WHERE id IN ('9', "
		"'109')",
		NULL,
	};

	exec_all(r, what, S_ARGS());
}

/* By twos: answers that are recorded together do the same as alone. */
static void
recorded_together_as_alone(void **state)
{
	AUTO(rig_free) struct rig *r = rig_new();
	AUTO(apns_claim_list_free) struct apns_claim *all = NULL;
	AUTO(apns_claim_list_free) struct apns_claim *together = NULL;
	int64_t now;

	(void)state;
	for (uint32_t n = 1; n <= TWINS; n++) {
		enroll(r, n, TOPIC);
		enroll(r, n + OTHER_HALF, TOPIC);
		queue(r, n, 2, false);
		queue(r, n + OTHER_HALF, 2, false);
	}
	claim_by_hand(r, 2 * TWINS, &all);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM enrollment WHERE push_claim_by = "
	              "'me' AND push_claim_until = push_due_at"),
	    2 * TWINS);
	happen(r);
	now = clock_now_ms();
	while (all != NULL) {
		AUTO(apns_claim_list_free) struct apns_claim *c = all;
		uint32_t n = (uint32_t)strtoul(c->enrollment_id, NULL, 10);

		all = c->next;
		c->next = NULL;
		c->answer = (struct apns_answer){ .status = 200 };
		(void)snprintf(c->answer.id, sizeof(c->answer.id), "id-%u",
		    n % OTHER_HALF);
		c->newest_at = n % OTHER_HALF == 10 ? 0 : c->newest_at;
		if (n < OTHER_HALF) {
			record_by_hand(r, c, now);
			continue;
		}
		c->next = together;
		together = TAKE(c);
	}
	record_by_hand(r, together, now);
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM enrollment a JOIN enrollment b ON "
	              "b.id = CAST(CAST(a.id AS INTEGER) + 100 AS TEXT) WHERE "
	              "COALESCE(a.push_due_at, 0) = COALESCE(b.push_due_at, 0) "
	              "AND COALESCE(a.push_claim_by, '') = "
	              "COALESCE(b.push_claim_by, '') AND a.push_attempts = "
	              "b.push_attempts AND COALESCE(a.push_last_id, '') = "
	              "COALESCE(b.push_last_id, '') AND "
	              "COALESCE(a.push_last_at, 0) = COALESCE(b.push_last_at, "
	              "0) AND COALESCE(a.push_last_status, 0) = "
	              "COALESCE(b.push_last_status, 0) AND "
	              "COALESCE(a.push_last_reason, '') = "
	              "COALESCE(b.push_last_reason, '') AND "
	              "COALESCE(a.push_accepted_at, 0) = "
	              "COALESCE(b.push_accepted_at, 0)"),
	    TWINS);
	/* All but the two whose claim was not ours any more. */
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM enrollment WHERE push_accepted_at "
	              "= push_last_at AND push_claim_by IS NULL AND "
	              "push_last_status = 200"),
	    2 * (TWINS - 2));
	assert_int_equal(
	    number(r, "SELECT COUNT(*) FROM enrollment WHERE push_due_at IS "
	              "NULL AND id IN ('101', '102', '103', '110')"),
	    4);
	assert_int_equal(number(r, "SELECT push_due_at FROM enrollment WHERE "
	                           "id = '107'"),
	    7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_after_a_mismatch),
		cmocka_unit_test(recorded_together_as_alone),
		cmocka_unit_test(gone),
		cmocka_unit_test(refused_and_busy),
		cmocka_unit_test(stopped_by_certificate),
		cmocka_unit_test(one_topic_stops_alone),
		cmocka_unit_test(an_expired_topic_stops_alone),
		cmocka_unit_test(not_reachable),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
