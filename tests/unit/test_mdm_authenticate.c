/* Authenticate: new lives, renewals, clones, and who may have a serial. */
#include "mdm_fixture.h"

static void
a_mac_begins_to_enrol(void **state)
{
	struct world *w = *state;

	issue_enroll(w, 'a');
	assert_true(authenticate(w, &mac_1));
	assert_int_equal(w->status, 200);
	assert_text(w, "SELECT state FROM device", "enrolling");
	assert_text(w, "SELECT serial FROM device", "C02MT66KFLHH");
	assert_text(w, "SELECT name FROM device", "Fruit");
	assert_text(w, "SELECT model_id FROM device", "iMac14,2");
	assert_text(w, "SELECT chip FROM device", "none");
	assert_text(w, "SELECT os_version FROM device", "10.12.6");
	assert_text(w, "SELECT state FROM enrollment", "authenticated");
	assert_int_equal(count(w, "SELECT COUNT(*) FROM certificate c JOIN "
	                          "device d ON d.id = c.device_id"),
	    1);
	assert_int_equal(events(w, "device.enrolling"), 1);
	assert_int_equal(events(w, "device.enrolled"), 0);
}

static void
the_chip_is_known_at_once(void **state)
{
	struct world *w = *state;
	struct mac m = mac_1;

	m.model = "MacBookPro16,1";
	m.name = "0123456789abcdef";
	issue_enroll(w, 'a');
	assert_true(authenticate(w, &m));
	assert_text(w, "SELECT chip FROM device", "t2");
	assert_int_equal(count(w, "SELECT name_too_long FROM device"), 1);
	assert_int_equal(events(w, "device.name_too_long"), 1);
}

/* A new life is one of the same machine. */
static void
what_was_said_in_another_life_counts(void **state)
{
	struct world *w = *state;
	struct mac again = mac_1;

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE device SET information = "
	           "'{\"EACSPreflight\":\"success\"}'");
	again.letter = 'b';
	enroll(w, &again);
	assert_text(w, "SELECT chip FROM device", "unknown");
	/* It was read from the document then, and is remembered now. */
	execute(w, "UPDATE device SET information = NULL");
	again.letter = 'c';
	enroll(w, &again);
	assert_text(w, "SELECT chip FROM device", "unknown");
	again.model = "MacPro7,1";
	again.letter = 'd';
	enroll(w, &again);
	assert_text(w, "SELECT chip FROM device", "t2");
	again.model = "Mac14,2";
	again.letter = 'e';
	enroll(w, &again);
	assert_text(w, "SELECT chip FROM device", "unknown");
}

static void
a_renewal_decides_the_chip_again(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *device_id = NULL;
	struct mac renewed = mac_1;

	enroll(w, &mac_1);
	device_id = text(w, "SELECT id FROM device");
	renewed.letter = 'r';
	renewed.model = "MacPro7,1";
	issue(w, &(struct paper){ 'r', "renew", device_id });
	assert_true(authenticate(w, &renewed));
	assert_text(w, "SELECT chip FROM device", "t2");
	renewed.model = "iMac14,2";
	assert_true(authenticate(w, &renewed));
	assert_text(w, "SELECT chip FROM device", "unknown");
}

static void
what_is_missing_is_refused(void **state)
{
	struct world *w = *state;

	issue_enroll(w, 'a');
	assert_false(check_in(w, 'a',
	    "<dict><key>MessageType</key><string>Authenticate</string>"
	    "<key>UDID</key><string>" UDID_1 "</string></dict>"));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_false(check_in(w, 'a',
	    "<dict><key>MessageType</key><string>Authenticate</string>"
	    "<key>Topic</key><string>t</string><key>SerialNumber</key>"
	    "<integer>7</integer>"
	    "<key>UDID</key><string>" UDID_1 "</string></dict>"));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 0);
}

static void
what_is_no_serial_number_is_refused(void **state)
{
	struct world *w = *state;
	struct mac other = { 'b', UDID_2, UDID_1, "iMac14,2", "B", "12.0" };

	enroll(w, &mac_1);
	issue_enroll(w, 'b');
	assert_false(authenticate(w, &other));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_string_equal(w->e.slug, "serial_malformed");
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 1);
}

static void
enrolling_again_is_a_new_life(void **state)
{
	struct world *w = *state;
	struct mac again = mac_1;
	char id[37];

	enroll(w, &mac_1);
	queue(w, "ProfileList", id);
	again.letter = 'b';
	issue_enroll(w, 'b');
	assert_true(authenticate(w, &again));
	assert_int_equal(w->left, 1);
	assert_string_equal(w->left_why, "re-enrolled");
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL"), 0);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 1);
	assert_int_equal(count(w, "SELECT token_updates FROM enrollment"), 0);
	assert_int_equal(
	    count(w, "SELECT push_token IS NULL FROM enrollment"), 1);
	/* The old identity lives until the new one has proved itself. */
	assert_text(
	    w, "SELECT state FROM certificate WHERE serial = '61'", "issued");
	assert_true(update_token(w, &again));
	assert_text(
	    w, "SELECT state FROM certificate WHERE serial = '61'", "revoked");
	assert_int_equal(
	    count(w, "SELECT revoke_reason FROM certificate WHERE serial = "
	             "'61'"),
	    CERT_REASON_SUPERSEDED);
	assert_text(
	    w, "SELECT state FROM certificate WHERE serial = '62'", "issued");
	assert_int_equal(events(w, "device.enrolled"), 2);
	assert_false(update_token(w, &mac_1));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
}

static void
renewing_destroys_nothing(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *device_id = NULL;
	struct mac renewed = mac_1;
	char id[37];

	enroll(w, &mac_1);
	queue(w, "ProfileList", id);
	device_id = text(w, "SELECT id FROM device");
	renewed.letter = 'r';
	issue(w, &(struct paper){ 'r', "renew", device_id });
	assert_true(authenticate(w, &renewed));
	assert_true(update_token(w, &renewed));
	assert_int_equal(w->left, 0);
	assert_int_equal(w->enrolled, 1);
	assert_text(w, "SELECT state FROM device", "enrolled");
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL"), 3);
	/* Both work until the old one expires. */
	idle(w, 'a', UDID_1);
	idle(w, 'r', UDID_1);
	assert_string_equal(w->type, "DeviceInformation");
}

static void
a_renewal_of_another_device_is_refused(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *device_id = NULL;
	struct mac other = { 'r', UDID_2, "OTHER1", "iMac14,2", "B", "12.0" };

	enroll(w, &mac_1);
	device_id = text(w, "SELECT id FROM device");
	issue(w, &(struct paper){ 'r', "renew", device_id });
	assert_false(authenticate(w, &other));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
}

static void
a_copied_identity_is_refused(void **state)
{
	struct world *w = *state;
	struct mac clone = mac_1;

	enroll(w, &mac_1);
	clone.udid = UDID_2;
	clone.serial = "C02OTHER";
	assert_false(authenticate(w, &clone));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_int_equal(events(w, "device.identity_conflict"), 1);
	/* The same UDID on another board is a copy too. */
	clone.udid = UDID_1;
	assert_false(authenticate(w, &clone));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_text(w, "SELECT state FROM device", "enrolled");
	assert_text(w, "SELECT serial FROM device", "C02MT66KFLHH");
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 1);
}

static void
a_serial_in_use_is_refused(void **state)
{
	struct world *w = *state;
	struct mac other = mac_1;

	enroll(w, &mac_1);
	other.letter = 'b';
	other.udid = UDID_2;
	other.serial = "c02mt66kflhh"; /* any case */
	issue_enroll(w, 'b');
	assert_false(authenticate(w, &other));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_string_equal(w->e.slug, "serial_conflict");
	assert_int_equal(events(w, "device.serial_conflict"), 1);
	/* Whoever has to find the second Mac is told which it is. */
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM event WHERE kind = "
	             "'device.serial_conflict' AND data LIKE "
	             "'%\"code\":\"serial_conflict\"%' AND data LIKE "
	             "'%\"udid\":\"" UDID_2 "\"%'"),
	    1);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 1);
	assert_text(w, "SELECT udid FROM device", UDID_1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM certificate WHERE serial = '62' "
	             "AND device_id IS NOT NULL"),
	    0);
}

/* Anybody can download an identity, and try again for ever. */
static void
a_serial_in_use_is_told_once_an_hour(void **state)
{
	struct world *w = *state;
	struct mac other = mac_1;

	enroll(w, &mac_1);
	other.letter = 'b';
	other.udid = UDID_2;
	issue_enroll(w, 'b');
	for (int i = 0; i < 3; i++) {
		assert_false(authenticate(w, &other));
		assert_string_equal(w->e.slug, "serial_conflict");
	}
	assert_int_equal(events(w, "device.serial_conflict"), 1);
	clock_set_offset_ms(MS_H);
	assert_false(authenticate(w, &other));
	assert_int_equal(events(w, "device.serial_conflict"), 2);
}

static void
a_serial_that_left_is_taken_over(void **state)
{
	struct world *w = *state;
	struct mac other = mac_1;
	AUTO(str_free) char *id = NULL;

	enroll(w, &mac_1);
	id = text(w, "SELECT id FROM device");
	assert_true(check_in(w, 'a',
	    "<dict><key>MessageType</key><string>CheckOut</string>"
	    "<key>Topic</key><string>" TOPIC "</string>"
	    "<key>UDID</key><string>" UDID_1 "</string></dict>"));
	other.letter = 'b';
	other.udid = UDID_2;
	enroll(w, &other);
	assert_text(w, "SELECT id FROM device", id);
	assert_text(w, "SELECT udid FROM device", UDID_2);
	assert_text(w, "SELECT state FROM device", "enrolled");
	assert_int_equal(count(w, "SELECT COUNT(*) FROM enrollment"), 2);
	assert_int_equal(w->left, 1);
}

static void
two_rows_of_one_machine_become_one(void **state)
{
	struct world *w = *state;
	struct mac nameless = mac_1;

	enroll(w, &mac_1);
	execute(w, "UPDATE device SET state = 'left', user_id = 'U1'");
	nameless.letter = 'b';
	nameless.udid = UDID_2;
	nameless.serial = "";
	enroll(w, &nameless);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 2);
	execute(w,
	    "INSERT INTO scep_request (id, transaction_id, signer_spki, spki,"
	    " csr, subject, template, peer, state, created_at, expires_at,"
	    " device_id) SELECT id, 't', 's', 's', '', '', 't', '',"
	    " 'pending', 0, 0, id FROM device WHERE user_id = 'U1'");
	execute(w,
	    "INSERT INTO identity_renewal (device_id, old_fingerprint, state,"
	    " attempts, created_at, updated_at) SELECT id, 'f', 'waiting', 0,"
	    " 0, 0 FROM device");
	nameless.letter = 'c';
	nameless.serial = mac_1.serial;
	enroll(w, &nameless);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 1);
	/* What is to be issued for the row that is gone, is for this one. */
	assert_int_equal(count(w, "SELECT COUNT(*) FROM scep_request WHERE "
	                          "device_id = (SELECT id FROM device)"),
	    1);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM identity_renewal WHERE "
	                          "device_id NOT IN (SELECT id FROM device)"),
	    0);
	assert_text(w, "SELECT udid FROM device", UDID_2);
	assert_text(w, "SELECT user_id FROM device", "U1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_mac_begins_to_enrol, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    the_chip_is_known_at_once, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    what_was_said_in_another_life_counts, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    a_renewal_decides_the_chip_again, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    what_is_missing_is_refused, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    what_is_no_serial_number_is_refused, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    enrolling_again_is_a_new_life, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    renewing_destroys_nothing, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_renewal_of_another_device_is_refused, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    a_copied_identity_is_refused, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_serial_in_use_is_refused, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_serial_in_use_is_told_once_an_hour, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    a_serial_that_left_is_taken_over, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    two_rows_of_one_machine_become_one, world_make, world_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
