/* Who is turned away, and what is written down about it. */
#include "mdm_fixture.h"

static bool
idle_as(struct world *w, char letter, const char *udid)
{
	AUTO(str_free)
	char *dict = str_printf("<dict><key>UDID</key><string>%s</string>"
	                        "<key>Status</key><string>Idle</string></dict>",
	    udid);

	return tell(w, letter, dict);
}

static struct mdm_who
good(void)
{
	struct mdm_who w = { .certificate = true,
		.purpose = "enroll",
		.template = CERT_TEMPLATE_DEVICE,
		.owner_id = "D1",
		.device_id = "D1",
		.not_before = 1000 * MS_DAY,
		.not_after = 2000 * MS_DAY,
		.enrollment = true,
		.state = "enrolled",
		.device_state = "enrolled" };

	return w;
}

static void
the_matrix(void **state)
{
	int64_t now = 1500 * MS_DAY;
	struct mdm_who w = good();

	(void)state;
	assert_int_equal(mdm_auth_bound(&w, now), MDM_ACCEPTED);
	w.certificate = false;
	assert_int_equal(mdm_auth_bound(&w, now), MDM_UNKNOWN_CERTIFICATE);
	w = good();
	w.revoked = true;
	assert_int_equal(mdm_auth_bound(&w, now), MDM_REVOKED);
	w = good();
	memcpy(w.purpose, "rollout", 8);
	assert_int_equal(mdm_auth_bound(&w, now), MDM_WRONG_PURPOSE);
	memcpy(w.purpose, "renew", 6);
	assert_int_equal(mdm_auth_bound(&w, now), MDM_ACCEPTED);
	memcpy(w.template, "scep", 5);
	assert_int_equal(mdm_auth_bound(&w, now), MDM_WRONG_PURPOSE);
	w = good();
	memcpy(w.device_id, "D2", 3);
	assert_int_equal(mdm_auth_bound(&w, now), MDM_OTHER_DEVICE);
	w.owner_id[0] = '\0';
	assert_int_equal(mdm_auth_bound(&w, now), MDM_OTHER_DEVICE);
	w.enrollment = false;
	assert_int_equal(mdm_auth_bound(&w, now), MDM_UNKNOWN_DEVICE);
	w = good();
	memcpy(w.state, "left", 5);
	assert_int_equal(mdm_auth_bound(&w, now), MDM_NOT_ENROLLED);
	memcpy(w.device_state, "wiped", 6);
	assert_int_equal(mdm_auth_bound(&w, now), MDM_ACCEPTED);
}

static void
clocks_may_differ_by_five_minutes(void **state)
{
	struct mdm_who w = good();

	(void)state;
	assert_int_equal(
	    mdm_auth_certificate(&w, w.not_after + 5 * MS_MIN), MDM_ACCEPTED);
	assert_int_equal(mdm_auth_certificate(&w, w.not_after + 5 * MS_MIN + 1),
	    MDM_EXPIRED);
	assert_int_equal(
	    mdm_auth_certificate(&w, w.not_before - 5 * MS_MIN), MDM_ACCEPTED);
	assert_int_equal(
	    mdm_auth_certificate(&w, w.not_before - 5 * MS_MIN - 1),
	    MDM_NOT_YET_VALID);
}

static void
strangers_leave_no_trace(void **state)
{
	struct world *w = *state;
	int64_t before;

	enroll(w, &mac_1);
	issue_enroll(w, 'b');
	before = count(w, "SELECT COUNT(*) FROM event");
	assert_false(idle_as(w, 'x', UDID_1));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_false(authenticate(
	    w, &(struct mac){ 'x', UDID_2, "S", "iMac14,2", "n", "12" }));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	/* Ours, but nobody's yet. */
	assert_false(idle_as(w, 'b', UDID_1));
	assert_false(idle_as(w, 'b', UDID_2));
	assert_int_equal(count(w, "SELECT COUNT(*) FROM event"), before);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 1);
}

/* Of a printer, say; renewed, even. */
static void
a_certificate_of_another_template_enrols_nobody(void **state)
{
	static const char *const purposes[] = { "scep", "renew", "enroll" };
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(purposes); i++) {
		issue(w, &(struct paper){ .letter = (char)('b' + i),
		             .purpose = purposes[i] });
		execute(w, "UPDATE certificate SET template = 'scep'");
		assert_false(
		    authenticate(w, &(struct mac){ (char)('b' + i), UDID_1, "S",
		                        "iMac14,2", "n", "12" }));
		assert_int_equal(w->e.code, ERR_FORBIDDEN);
	}
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 0);
}

static void
refusals_are_told_once_an_hour(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	execute(w, "UPDATE certificate SET state = 'revoked'");
	for (int i = 0; i < 5; i++)
		assert_false(idle_as(w, 'a', UDID_1));
	assert_int_equal(events(w, "device.rejected"), 1);
	execute(w, "UPDATE certificate SET state = 'issued', purpose = "
	           "'rollout'");
	assert_false(idle_as(w, 'a', UDID_1));
	assert_int_equal(events(w, "device.rejected"), 2);
	clock_set_offset_ms(MS_H + MS_MIN);
	assert_false(idle_as(w, 'a', UDID_1));
	assert_false(idle_as(w, 'a', UDID_1));
	assert_int_equal(events(w, "device.rejected"), 3);
}

static void
another_devices_certificate_is_an_alarm(void **state)
{
	struct world *w = *state;
	struct mac other = { 'b', UDID_2, "OTHER1", "iMac14,2", "B", "12.0" };
	struct mdm_stats stats;

	enroll(w, &mac_1);
	enroll(w, &other);
	assert_false(idle_as(w, 'a', UDID_2));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_int_equal(events(w, "device.identity_conflict"), 1);
	assert_int_equal(events(w, "device.rejected"), 0);
	mdm_service_stats(w->mdm, &stats);
	assert_int_equal(stats.rejected, 1);
	assert_int_equal(stats.authenticate, 2);
}

/* Having been accepted spares a device the read before its report, and
 * nothing else. */
static void
who_was_here_is_still_looked_up(void **state)
{
	struct world *w = *state;
	struct store_stats before, after;
	char id[37];
	struct reply r = { UDID_1, id, "Acknowledged", NULL };

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	idle(w, 'a', UDID_1);
	store_stats(w->store, &before);
	answer(w, "Acknowledged");
	store_stats(w->store, &after);
	assert_int_equal(after.reads, before.reads);

	queue(w, "ProfileList", id);
	idle(w, 'a', UDID_1);
	execute(w, "UPDATE certificate SET state = 'revoked'");
	assert_false(reply(w, 'a', &r));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_text(
	    w, "SELECT state FROM command WHERE done_at IS NULL", "delivered");
	assert_int_equal(events(w, "device.rejected"), 1);
	/* From now on it does not get so far. */
	store_stats(w->store, &before);
	assert_false(reply(w, 'a', &r));
	store_stats(w->store, &after);
	assert_int_equal(after.reads, before.reads + 1);
	assert_int_equal(after.statements, before.statements + 1);
}

/* So it is known that the Mac has taken a renewed identity. */
static void
the_first_use_of_an_identity_is_noted(void **state)
{
	static const char used[] = "SELECT COUNT(*) FROM certificate "
	                           "WHERE first_seen_at IS NOT NULL";
	struct world *w = *state;
	int64_t end = clock_mono_ms() + 100 * MS_S;

	enroll(w, &mac_1);
	issue(w, &(struct paper){ 'b', "renew", "none" });
	issue(w, &(struct paper){ 'c', "renew", NULL });
	execute(w, "UPDATE certificate SET device_id = (SELECT id FROM device) "
	           "WHERE serial = '62'");
	execute(w, "UPDATE certificate SET first_seen_at = NULL");
	assert_false(idle_as(w, 'c', UDID_1));
	assert_true(idle_as(w, 'b', UDID_1));
	while (count(w, used) == 0 && clock_mono_ms() < end)
		usleep(10 * 1000);
	assert_text(w,
	    "SELECT serial FROM certificate WHERE first_seen_at IS NOT NULL "
	    "ORDER BY serial DESC",
	    "62");
}

static int64_t
outgoing_seen(struct world *w)
{
	return count(
	    w, "SELECT COALESCE(old_seen_at, 0) FROM identity_renewal");
}

/* So it is known that the Mac still needs the identity that it is to change. */
static void
an_identity_that_still_speaks_is_noted(void **state)
{
	struct world *w = *state;
	struct store_stats before, after;
	int64_t first, second;
	char id[37];

	enroll_quietly(w, &mac_1);
	execute(w, "INSERT INTO identity_renewal (device_id, old_fingerprint, "
	           "state, attempts, created_at, updated_at) SELECT id, 'a', "
	           "'queued', 1, 1, 1 FROM device");
	idle(w, 'a', UDID_1);
	assert_int_equal(outgoing_seen(w), 0);
	execute(w, "UPDATE identity_renewal SET state = 'sent'");
	idle(w, 'a', UDID_1);
	first = outgoing_seen(w);
	assert_int_not_equal(first, 0);
	/* Once a minute is enough. */
	store_stats(w->store, &before);
	idle(w, 'a', UDID_1);
	store_stats(w->store, &after);
	assert_int_equal(outgoing_seen(w), first);
	assert_int_equal(after.statements - before.statements, 1);
	/* With a report it is part of the visit. */
	queue(w, "ProfileList", id);
	idle(w, 'a', UDID_1);
	clock_set_offset_ms(2 * MS_MIN);
	store_stats(w->store, &before);
	answer(w, "Acknowledged");
	store_stats(w->store, &after);
	assert_int_equal(after.reads, before.reads);
	second = outgoing_seen(w);
	assert_true(second > first);
	/* And where the look is left out. */
	clock_set_offset_ms(4 * MS_MIN);
	mdm_service_expect(w->mdm, UDID_1);
	idle(w, 'a', UDID_1);
	assert_true(outgoing_seen(w) > second);
}

/* The new one is no news, and who is refused neither. */
static void
only_an_old_identity_is_noted(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	issue(w, &(struct paper){ 'b', "renew", NULL });
	issue(w, &(struct paper){ 'c', "renew", NULL });
	execute(
	    w, "UPDATE certificate SET device_id = (SELECT id FROM device)");
	execute(w, "UPDATE certificate SET state = 'revoked' "
	           "WHERE serial = '63'");
	execute(w, "INSERT INTO identity_renewal (device_id, old_fingerprint, "
	           "state, attempts, created_at, updated_at, fingerprint) "
	           "SELECT device_id, 'a', 'installed', 1, 1, 1, fingerprint "
	           "FROM certificate WHERE serial = '62'");
	idle(w, 'b', UDID_1);
	assert_false(idle_as(w, 'c', UDID_1));
	assert_int_equal(outgoing_seen(w), 0);
	idle(w, 'a', UDID_1);
	assert_int_not_equal(outgoing_seen(w), 0);
}

static void
a_signature_is_checked_first(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *long_one = NULL;
	struct mdm_proof none = { .body = slice_str("x") };
	struct mdm_proof bad = { .body = slice_str("x"),
		.signature = "not base64!" };
	struct err why;

	assert_int_equal(mdm_auth_prove(w->mdm, &none, &why), MDM_NO_PROOF);
	assert_int_equal(mdm_auth_prove(w->mdm, &bad, &why), MDM_BAD_SIGNATURE);
	bad.signature = "QUJD";
	assert_int_equal(mdm_auth_prove(w->mdm, &bad, &why), MDM_BAD_SIGNATURE);
	bad.signature = "";
	assert_int_equal(mdm_auth_prove(w->mdm, &bad, &why), MDM_BAD_SIGNATURE);
	long_one = mem_zalloc(1, LIMIT_SIGNATURE + 5);
	memset(long_one, 'A', LIMIT_SIGNATURE + 4);
	bad.signature = long_one;
	assert_int_equal(mdm_auth_prove(w->mdm, &bad, &why), MDM_BAD_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_matrix),
		cmocka_unit_test(clocks_may_differ_by_five_minutes),
		cmocka_unit_test_setup_teardown(
		    strangers_leave_no_trace, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_certificate_of_another_template_enrols_nobody, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    who_was_here_is_still_looked_up, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    refusals_are_told_once_an_hour, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    another_devices_certificate_is_an_alarm, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    the_first_use_of_an_identity_is_noted, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    an_identity_that_still_speaks_is_noted, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    only_an_old_identity_is_noted, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_signature_is_checked_first, world_make, world_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
