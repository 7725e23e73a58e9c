/*
 * The rollout's states, driven by its hooks as mdm/ and scep/ call them, over
 * a real database and a real queue.
 */
#include "tests/unit/enroll_payload.h"

/* A site with one Mac and one user. */
static int
setup(void **state)
{
	struct site *s = site_open();
	struct store_tx *tx = site_write(s);
	char id[UUID_SIZE];

	OK(enroll_user_put(tx,
	    &(struct enroll_user){ "sato", "佐藤", "sato@example.com" }, "test",
	    id, &e));
	OK(enroll_user_put(
	    tx, &(struct enroll_user){ "ito", NULL, NULL }, "test", id, &e));
	site_commit(tx);
	site_mac(s, (struct mac){ .id = "D1", .serial = "C02A" });
	*state = s;
	return 0;
}

static void
assign(struct site *s, const char *device, const char *user)
{
	struct store_tx *tx = site_write(s);
	struct mdm_device d = site_find(tx, device);

	OK(enroll_user_assign(tx, s->seal, &d, user, "test", &e));
	site_commit(tx);
}

static void
unassign(struct site *s, const char *device)
{
	struct store_tx *tx = site_write(s);
	struct mdm_device d = site_find(tx, device);

	OK(enroll_user_unassign(tx, s->seal, &d, "test", &e));
	site_commit(tx);
}

#define NEWEST(place)                                                          \
	"SELECT id FROM rollout WHERE device_id = $1 "                         \
	"ORDER BY created_at DESC, " place " DESC LIMIT 1"

/* The device's newest rollout. */
static struct enroll_rollout
rollout(struct site *s, const char *device)
{
	struct enroll_rollout r = { 0 };
	char id[UUID_SIZE];
	struct store_tx *tx;
	bool found;

	str_copy_cut(id, sizeof(id),
	    site_text(
	        s, test_on_pgsql() ? NEWEST("ctid") : NEWEST("rowid"), device));
	tx = site_write(s);
	OK(enroll_db_rollout(tx, id, &r, &found, &e));
	store_rollback(&tx);
	return r;
}

static void
expect_state(struct site *s, const char *state)
{
	assert_string_equal(rollout(s, "D1").state, state);
}

/* Delivers the rollout's command: the Command dictionary it says. */
static struct pl *
deliver(struct site *s, const struct enroll_rollout *r)
{
	struct mdm_renderer m = enroll_rollout_renderer(s->enroll);
	AUTO(buf_free) struct buf *dict = buf_new(1 << 20);
	AUTO(buf_free) struct buf *doc = buf_new(1 << 20);
	struct store_tx *tx = site_write(s);
	struct pl *p = NULL;

	OK(m.render(tx, r->id, r->command_id, dict, m.arg, &e));
	site_commit(tx);
	pl_begin(doc);
	buf_adds(doc, buf_str(dict));
	pl_end(doc);
	OK(pl_parse(buf_slice(doc), &p, &e));
	return p;
}

static void
deliver_quietly(struct site *s, const struct enroll_rollout *r)
{
	struct pl *p = deliver(s, r);

	pl_free(&p);
}

/* The Mac's answer; also ends the command's row, as mdm/ does. */
static void
answer(struct site *s, const struct enroll_rollout *r, const char *state,
    const char *text)
{
	struct mdm_renderer m = enroll_rollout_renderer(s->enroll);
	struct store_tx *tx = site_write(s);

	OK(store_exec(tx,
	    "UPDATE command SET state = $1, done_at = $2 WHERE id = $3",
	    S_ARGS(S_TEXT(state), S_INT(clock_now_ms()), S_TEXT(r->command_id)),
	    NULL, &e));
	OK(m.done(tx, r->id, r->command_id, state, text, m.arg, &e));
	site_commit(tx);
}

/* What scep/ does when the Mac spends the challenge. */
static bool
issue(struct site *s, const struct enroll_rollout *r, char fingerprint[65],
    struct err *why)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct cert_issued issued = { 0 };
	X509_PUBKEY *pub = NULL;
	struct cert_subject subject = { .cn = "sato", .o = "Acme" };
	struct cert_record record = { .issued = &issued,
		.authority_id = cert_authority_id(s->authority),
		.template = CERT_TEMPLATE_USER,
		.purpose = "rollout",
		.enrollment_ref = r->id,
		.device_id = r->device_id,
		.user_id = r->user_id };
	bool good;

	OK(cert_key_new(CERT_P256, &key, &e));
	assert_int_equal(X509_PUBKEY_set(&pub, key), 1);
	assert_true(cert_authority_issue(s->authority,
	    &(struct cert_issue){ cert_template_find(CERT_TEMPLATE_USER),
	        &subject, pub, clock_now_ms(), NULL },
	    &issued, why));
	X509_PUBKEY_free(pub);
	str_copy_cut(fingerprint, 65, issued.fingerprint);
	tx = site_write(s);
	good = cert_ledger_add(tx, &record, why) &&
	       enroll_rollout_issued(tx, &record, s->enroll, why) &&
	       store_commit(&tx, why);
	cert_issued_clear(&issued);
	return good;
}

static bool
revoked(struct site *s, const char *fingerprint)
{
	return str_eq(site_text(s,
	                  "SELECT state FROM certificate "
	                  "WHERE fingerprint = $1",
	                  fingerprint),
	    "revoked");
}

/* From nothing to installed; the fingerprint of the certificate. */
static void
install(struct site *s, const char *user, char fingerprint[65])
{
	struct enroll_rollout r;

	assign(s, "D1", user);
	r = rollout(s, "D1");
	deliver_quietly(s, &r);
	OK(issue(s, &r, fingerprint, &e));
	answer(s, &r, "acknowledged", NULL);
	expect_state(s, "installed");
}

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
	assert_string_equal(r.state, "removing");
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
	OK(m.done(tx, old.id, old.command_id, "error", "late", m.arg, &e));
	site_commit(tx);
	expect_state(s, "installed");
}

static void
left(struct site *s, const char *why)
{
	struct store_tx *tx = site_write(s);

	OK(mdm_queue_clear(tx, "D1", "cancelled", &e));
	OK(enroll_rollout_left(tx, "D1", why, s->enroll, &e));
	site_commit(tx);
}

static void
enrolled(struct site *s)
{
	struct store_tx *tx = site_write(s);

	OK(enroll_rollout_enrolled(tx, "D1", s->enroll, &e));
	site_commit(tx);
}

static void
leaving_revokes_and_coming_back_waits_for_a_word(void **state)
{
	struct site *s = *state;
	char fp[65];

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
	/* A second TokenUpdate is no second rollout. */
	enrolled(s);
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM rollout", NULL), 2);
	assign(s, "D1", "sato");
	expect_state(s, "issuing");
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, site_teardown)

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
		TEST(goes_from_issuing_to_installed),
		TEST(revoked_by_hand_is_taken_away),
		TEST(same_user_again_changes_nothing),
		TEST(redelivery_makes_a_fresh_challenge),
		TEST(acknowledged_without_certificate_fails),
		TEST(error_is_tried_again_three_times),
		TEST(unassigned_before_delivery_leaves_nothing),
		TEST(unassigning_revokes_at_once_and_removes),
		TEST(removal_of_what_is_not_there),
		TEST(removal_is_tried_again),
		TEST(challenge_of_the_past_gets_nothing),
		TEST(another_user_takes_over),
		TEST(leaving_revokes_and_coming_back_waits_for_a_word),
		TEST(a_wiped_mac_belongs_to_nobody),
		TEST(not_enrolled_waits_for_enrolment),
		TEST(nobody_assigned_nothing_starts),
		TEST(cancelled_command_is_noticed),
		TEST(stale_commands_render_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
