/* How it is taken away again. */
#include "tests/unit/enroll_rollout_fixture.h"

static void
left(struct site *s, const char *why)
{
	struct store_tx *tx = site_write(s);

	OK(mdm_queue_clear(tx, "D1", "cancelled", &e));
	OK(enroll_rollout_left(tx, "D1", why, s->enroll, &e));
	site_commit(tx);
}

static void
unassigned_before_delivery_leaves_nothing(void **state)
{
	struct site *s = *state;

	assign(s, "D1", "sato");
	unassign(s, "D1");
	expect_state(s, "removed");
	assert_int_equal(
	    site_number(
	        s, "SELECT COUNT(*) FROM command WHERE done_at IS NULL", NULL),
	    0);
	assert_string_equal(
	    site_text(s, "SELECT user_id FROM device WHERE id = $1", "D1"), "");
	assert_int_equal(site_events(s, "device.unassigned"), 1);
	unassign(s, "D1");
	assert_int_equal(site_events(s, "device.unassigned"), 1);
}

static void
unassigning_revokes_at_once_and_removes(void **state)
{
	struct site *s = *state;
	AUTO(pl_free) struct pl *command = NULL;
	struct enroll_rollout r;
	char fp[65];

	install(s, "sato", fp);
	unassign(s, "D1");
	assert_true(revoked(s, fp));
	assert_int_equal(site_number(s,
	                     "SELECT revoke_reason FROM certificate "
	                     "WHERE fingerprint = $1",
	                     fp),
	    CERT_REASON_AFFILIATION_CHANGED);
	r = rollout(s, "D1");
	assert_string_equal(r.state, "removing");
	command = deliver(s, &r);
	assert_string_equal(text_of(command, "RequestType"), "RemoveProfile");
	assert_string_equal(
	    text_of(command, "Identifier"), r.profile_identifier);
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "removed");
}

static void
removal_of_what_is_not_there(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	char fp[65];

	install(s, "sato", fp);
	unassign(s, "D1");
	r = rollout(s, "D1");
	answer(s, &r, "error", "The profile is not installed.");
	expect_state(s, "removed");
}

/* A Mac that answers in its own language. */
static void
removal_of_what_is_not_there_by_code(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	char fp[65];

	install(s, "sato", fp);
	unassign(s, "D1");
	r = rollout(s, "D1");
	answer_with(s, &r, "error", "ありません", "OtherDomain");
	expect_state(s, "removing");
	clock_set_offset_ms(MS_H);
	OK(enroll_service_tick(s->enroll, NULL, &e));
	r = rollout(s, "D1");
	answer_with(s, &r, "error", "ありません", "MDMClientError");
	expect_state(s, "removed");
	clock_set_offset_ms(0);
}

static void
a_cancelled_removal_says_so(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	struct store_tx *tx;
	char fp[65];

	install(s, "sato", fp);
	unassign(s, "D1");
	r = rollout(s, "D1");
	tx = site_write(s);
	OK(mdm_queue_cancel(tx, r.command_id, "admin", &e));
	site_commit(tx);
	OK(enroll_service_tick(s->enroll, NULL, &e));
	r = rollout(s, "D1");
	assert_string_equal(r.state, "removal-failed");
	assert_non_null(strstr(r.reason, "cancelled"));
	/* The next assignment starts anew; the enrolment's end ends both. */
	assign(s, "D1", "sato");
	expect_state(s, "issuing");
	left(s, "checked out");
	assert_int_equal(
	    site_number(s,
	        "SELECT COUNT(*) FROM rollout WHERE state <> 'removed'", NULL),
	    0);
}

static void
removal_is_tried_again(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	char fp[65];

	install(s, "sato", fp);
	unassign(s, "D1");
	for (int try = 1; try <= 4; try++) {
		r = rollout(s, "D1");
		assert_string_equal(r.state, "removing");
		assert_int_equal(r.attempts, try);
		answer(s, &r, "error", "busy");
		clock_set_offset_ms(try * MS_H);
		OK(enroll_service_tick(s->enroll, NULL, &e));
	}
	r = rollout(s, "D1");
	assert_string_equal(r.state, "removal-failed");
	assert_int_equal(site_events(s, "rollout.removal_failed"), 1);
	assert_string_equal(r.reason, "busy");
	assert_int_equal(r.retry_at, 0);
	assert_string_equal(r.command_id, "");
	clock_set_offset_ms(0);
}

static void
challenge_of_the_past_gets_nothing(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	struct err why = { 0 };
	char fp[65];

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	unassign(s, "D1");
	assert_false(issue(s, &r, fp, &why));
	assert_int_equal(why.code, ERR_REFUSED);
	assert_string_equal(
	    site_text(
	        s, "SELECT state FROM certificate WHERE fingerprint = $1", fp),
	    "");
}

static void
leaving_revokes_and_coming_back_waits_for_a_word(void **state)
{
	struct site *s = *state;
	char fp[65], held[UUID_SIZE];

	install(s, "sato", fp);
	left(s, "checked out");
	assert_true(revoked(s, fp));
	expect_state(s, "removed");
	assert_string_equal(rollout(s, "D1").reason, "checked out");
	enrolled(s);
	expect_state(s, "failed");
	assert_int_equal(site_events(s, "rollout.failed"), 1);
	assert_int_equal(site_number(s,
	                     "SELECT COUNT(*) FROM command WHERE done_at IS "
	                     "NULL AND request_type = 'InstallProfile'",
	                     NULL),
	    0);
	assert_non_null(strstr(rollout(s, "D1").reason, "enrolled anew"));
	/* A second TokenUpdate is no second rollout. */
	enrolled(s);
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM rollout", NULL), 2);
	str_copy_cut(held, sizeof(held), rollout(s, "D1").id);
	assign(s, "D1", "sato");
	expect_state(s, "issuing");
	/* What was never sent is not removed either. */
	assert_string_equal(
	    site_text(s, "SELECT state FROM rollout WHERE id = $1", held),
	    "removed");
	assert_string_equal(
	    site_text(s, "SELECT reason FROM rollout WHERE id = $1", held),
	    "the certificate is sent anew");
	assert_int_equal(site_number(s,
	                     "SELECT COUNT(*) FROM command WHERE "
	                     "request_type = 'RemoveProfile'",
	                     NULL),
	    0);
}

/* A new certificate comes by assigning again, not to whoever enrols the Mac
 * next. */
static void
a_wiped_mac_belongs_to_nobody(void **state)
{
	struct site *s = *state;
	char fp[65];

	install(s, "sato", fp);
	left(s, "wiped");
	assert_true(revoked(s, fp));
	expect_state(s, "removed");
	assert_int_equal(
	    site_number(s,
	        "SELECT COUNT(*) FROM device WHERE user_id IS NOT NULL", NULL),
	    0);
	assert_int_equal(site_events(s, "device.unassigned"), 1);
	enrolled(s);
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM rollout", NULL), 1);
	/* Nobody was assigned: nothing to tell. */
	left(s, "wiped");
	assert_int_equal(site_events(s, "device.unassigned"), 1);
	assign(s, "D1", "sato");
	expect_state(s, "issuing");
}

/* An administrator revokes what was rolled out: the profile goes, the user
 * stays, and assigning again sends another. */
static void
revoked_by_hand_is_taken_away(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	struct cert_entry c = { .device_id = "D1", .purpose = "rollout" };
	struct store_tx *tx;

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	OK(issue(s, &r, c.fingerprint, &e));
	r = rollout(s, "D1");
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "installed");

	tx = site_write(s);
	OK(cert_ledger_revoke(
	    tx, c.fingerprint, CERT_REASON_KEY_COMPROMISE, "test", &e));
	OK(enroll_rollout_revoked(tx, s->seal, &c, "test", &e));
	OK(enroll_rollout_revoked(tx, s->seal, &c, "test", &e)); /* again */
	site_commit(tx);
	r = rollout(s, "D1");
	assert_string_equal(r.state, "removing");
	assert_string_equal(r.reason, "its certificate was revoked");
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "removed");
	assign(s, "D1", "sato");
	expect_state(s, "issuing");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unassigned_before_delivery_leaves_nothing),
		TEST(unassigning_revokes_at_once_and_removes),
		TEST(removal_of_what_is_not_there),
		TEST(removal_of_what_is_not_there_by_code),
		TEST(a_cancelled_removal_says_so),
		TEST(removal_is_tried_again),
		TEST(challenge_of_the_past_gets_nothing),
		TEST(leaving_revokes_and_coming_back_waits_for_a_word),
		TEST(a_wiped_mac_belongs_to_nobody),
		TEST(revoked_by_hand_is_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
