/* How a certificate reaches the Mac of its user, and what stops it. */
#include "tests/unit/enroll_rollout_fixture.h"

static void
expect_profile(struct site *s, struct pl *command)
{
	AUTO(pl_free) struct pl *profile = NULL;

	assert_string_equal(text_of(command, "RequestType"), "InstallProfile");
	OK(pl_parse(data_of(command, "Payload"), &profile, &e));
	assert_true(str_starts(
	    text_of(profile, "PayloadIdentifier"), ENROLL_USER_IDENTIFIER));
	assert_string_equal(text_of(profile, "PayloadScope"), "System");
	assert_int_equal(strlen(text_of(scep_of(profile), "Challenge")), 32);
	assert_int_equal(site_number(s,
	                     "SELECT COUNT(*) FROM challenge WHERE "
	                     "purpose = 'rollout' AND template = "
	                     "'device-user' AND device_id = $1 AND user_id "
	                     "IS NOT NULL AND subject LIKE '%sato%'",
	                     "D1"),
	    1);
}

static void
goes_from_issuing_to_installed(void **state)
{
	struct site *s = *state;
	AUTO(pl_free) struct pl *command = NULL;
	struct enroll_rollout r;
	char fp[65];

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	assert_string_equal(r.state, "issuing");
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM challenge", NULL), 0);
	command = deliver(s, &r);
	expect_profile(s, command);
	expect_state(s, "sent");
	OK(issue(s, &r, fp, &e));
	assert_string_equal(rollout(s, "D1").fingerprint, fp);
	expect_state(s, "sent");
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "installed");
	assert_false(revoked(s, fp));
	assert_int_equal(site_events(s, "device.assigned"), 1);
	assert_int_equal(site_events(s, "rollout.issuing"), 1);
	assert_int_equal(site_events(s, "rollout.sent"), 1);
	assert_int_equal(site_events(s, "rollout.installed"), 1);
}

static void
same_user_again_changes_nothing(void **state)
{
	struct site *s = *state;
	char fp[65];

	install(s, "sato", fp);
	assign(s, "D1", "sato");
	expect_state(s, "installed");
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM rollout", NULL), 1);
	assert_int_equal(site_events(s, "device.assigned"), 1);
}

static void
redelivery_makes_a_fresh_challenge(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	char one[65], two[65];

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	OK(issue(s, &r, one, &e));
	deliver_quietly(s, &r); /* after NotNow */
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM challenge", NULL), 2);
	assert_int_equal(site_events(s, "rollout.sent"), 1);
	OK(issue(s, &r, two, &e));
	assert_false(revoked(s, one));
	answer(s, &r, "acknowledged", NULL);
	assert_true(revoked(s, one));
	assert_false(revoked(s, two));
}

/* The challenge of the profile that was delivered last. */
static void
present_challenge(struct site *s, char id[UUID_SIZE])
{
	str_copy_cut(id, UUID_SIZE, rollout(s, "D1").challenge_id);
	assert_string_not_equal(id, "");
}

/* An authority behind this server answers when the Mac has given up. */
static void
what_an_earlier_try_was_issued_displaces_nothing(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	struct err why = { 0 };
	char first[UUID_SIZE], late[65], good[65];

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	present_challenge(s, first);
	answer(s, &r, "error", "the server is busy");
	clock_set_offset_ms(MS_H);
	OK(enroll_service_tick(s->enroll, NULL, &e));
	r = rollout(s, "D1");
	/* Neither before the second profile is out, nor after. */
	assert_false(issue_for(s, &r, first, late, &why));
	assert_int_equal(why.code, ERR_REFUSED);
	deliver_quietly(s, &r);
	assert_false(issue_for(s, &r, first, late, &why));
	assert_int_equal(why.code, ERR_REFUSED);
	OK(issue(s, &r, good, &e));
	assert_false(issue_for(s, &r, first, late, &why));
	assert_string_equal(rollout(s, "D1").fingerprint, good);
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "installed");
	assert_string_equal(rollout(s, "D1").fingerprint, good);
	assert_false(revoked(s, good));
}

/* By an older program, which did not write down which challenge it was. */
static void
a_profile_of_an_older_program_counts(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	struct store_tx *tx;
	char id[UUID_SIZE], fp[65];

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	present_challenge(s, id);
	tx = site_write(s);
	OK(store_exec(
	    tx, "UPDATE rollout SET challenge_id = NULL", S_ARGS(), NULL, &e));
	site_commit(tx);
	OK(issue_for(s, &r, id, fp, &e));
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "installed");
}

static void
acknowledged_without_certificate_fails(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	answer(s, &r, "acknowledged", NULL);
	r = rollout(s, "D1");
	assert_string_equal(r.state, "failed");
	assert_non_null(strstr(r.reason, "no certificate"));
	assert_true(r.retry_at > clock_now_ms());
}

static void
error_is_tried_again_three_times(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	int64_t moved = 0;

	assign(s, "D1", "sato");
	for (int try = 1; try <= 4; try++) {
		r = rollout(s, "D1");
		assert_string_equal(r.state, "issuing");
		assert_int_equal(r.attempts, try);
		deliver_quietly(s, &r);
		answer(s, &r, "error", "<no> keychain");
		r = rollout(s, "D1");
		assert_string_equal(r.state, "failed");
		assert_string_equal(r.reason, "<no> keychain");
		assert_int_equal(r.retry_at != 0, try < 4);
		/* Not before its time. */
		OK(enroll_service_tick(s->enroll, NULL, &e));
		expect_state(s, "failed");
		moved += MS_H;
		clock_set_offset_ms(moved);
		OK(enroll_service_tick(s->enroll, NULL, &e));
	}
	expect_state(s, "failed");
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM challenge", NULL), 4);
	/* Asked for again, it starts anew. */
	assign(s, "D1", "sato");
	expect_state(s, "issuing");
	assert_int_equal(rollout(s, "D1").attempts, 1);
	clock_set_offset_ms(0);
}

static void
another_user_takes_over(void **state)
{
	struct site *s = *state;
	struct mdm_renderer m = enroll_rollout_renderer(s->enroll);
	struct enroll_rollout old, new;
	char one[65], two[65];

	install(s, "sato", one);
	old = rollout(s, "D1");
	install(s, "ito", two);
	assert_true(revoked(s, one));
	assert_false(revoked(s, two));
	new = rollout(s, "D1");
	assert_string_not_equal(old.profile_identifier, new.profile_identifier);
	assert_string_equal(
	    site_text(s, "SELECT state FROM rollout WHERE id = $1", old.id),
	    "removing");
	/* A late answer about the old one does not touch the new one. */
	struct store_tx *tx = site_write(s);
	OK(m.done(tx,
	    &(struct mdm_done){ .ref = old.id,
	        .command_id = old.command_id,
	        .state = "error",
	        .text = "late" },
	    m.arg, &e));
	site_commit(tx);
	expect_state(s, "installed");
}

static void
not_enrolled_waits_for_enrolment(void **state)
{
	struct site *s = *state;
	struct store_tx *tx;

	site_mac(s, (struct mac){ .id = "D2", .serial = "C02B", .left = true });
	assign(s, "D2", "sato");
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM rollout", NULL), 0);
	tx = site_write(s);
	OK(store_exec(tx,
	    "UPDATE enrollment SET state = 'enrolled' WHERE id = 'D2'",
	    S_ARGS(), NULL, &e));
	OK(enroll_rollout_enrolled(tx, "D2", s->enroll, &e));
	site_commit(tx);
	assert_string_equal(rollout(s, "D2").state, "issuing");
}

static void
nobody_assigned_nothing_starts(void **state)
{
	struct site *s = *state;

	enrolled(s);
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM rollout", NULL), 0);
}

static void
cancelled_command_is_noticed(void **state)
{
	struct site *s = *state;
	struct enroll_rollout r;
	struct store_tx *tx;

	assign(s, "D1", "sato");
	r = rollout(s, "D1");
	tx = site_write(s);
	OK(mdm_queue_cancel(tx, r.command_id, "admin", &e));
	site_commit(tx);
	OK(enroll_service_tick(s->enroll, NULL, &e));
	r = rollout(s, "D1");
	assert_string_equal(r.state, "failed");
	assert_non_null(strstr(r.reason, "cancelled"));
	assert_int_equal(r.retry_at, 0);
}

static void
stale_commands_render_nothing(void **state)
{
	struct site *s = *state;
	struct mdm_renderer m = enroll_rollout_renderer(s->enroll);
	AUTO(buf_free) struct buf *out = buf_new(1 << 20);
	struct enroll_rollout r;
	struct store_tx *tx;
	struct err why = { 0 };
	char fp[65];

	install(s, "sato", fp);
	r = rollout(s, "D1");
	tx = site_write(s);
	assert_false(m.render(tx, r.id, "other", out, m.arg, &why));
	assert_int_equal(why.code, ERR_CONFLICT);
	assert_false(m.render(tx, "none", "other", out, m.arg, &why));
	assert_int_equal(why.code, ERR_NOT_FOUND);
	store_rollback(&tx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(goes_from_issuing_to_installed),
		TEST(same_user_again_changes_nothing),
		TEST(redelivery_makes_a_fresh_challenge),
		TEST(what_an_earlier_try_was_issued_displaces_nothing),
		TEST(a_profile_of_an_older_program_counts),
		TEST(acknowledged_without_certificate_fails),
		TEST(error_is_tried_again_three_times),
		TEST(another_user_takes_over),
		TEST(not_enrolled_waits_for_enrolment),
		TEST(nobody_assigned_nothing_starts),
		TEST(cancelled_command_is_noticed),
		TEST(stale_commands_render_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
