/* TokenUpdate, CheckOut, and messages that are not offered. */
#include "mdm_fixture.h"

#define CHECK_OUT                                                              \
	"<dict><key>MessageType</key><string>CheckOut</string>"                \
	"<key>Topic</key><string>" TOPIC "</string>"                           \
	"<key>UDID</key><string>" UDID_1 "</string></dict>"
#define USER_TOKEN                                                             \
	"<dict><key>MessageType</key><string>TokenUpdate</string>"             \
	"<key>Topic</key><string>" TOPIC "</string>"                           \
	"<key>UDID</key><string>" UDID_1 "</string>"                           \
	"<key>UserID</key><string>22222222-5FDF-5EC4-8429-15640684C489"        \
	"</string><key>UserShortName</key><string>sato</string>"               \
	"<key>PushMagic</key><string>M</string>"                               \
	"<key>Token</key><data>QUJD</data></dict>"

static void
the_first_token_ends_the_enrolment(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	assert_text(w, "SELECT state FROM device", "enrolled");
	assert_text(w, "SELECT state FROM enrollment", "enrolled");
	assert_text(w, "SELECT topic FROM enrollment", TOPIC);
	assert_text(w, "SELECT push_magic FROM enrollment",
	    "888CEB39-BFFA-40F6-89FA-B60752EB63C2");
	assert_text(w,
	    test_on_pgsql()
	        ? "SELECT UPPER(ENCODE(push_token, 'hex')) FROM enrollment"
	        : "SELECT HEX(push_token) FROM enrollment",
	    "1BA7C90066C50F77689A24F3A425CAF68A300F729E88E"
	    "460A9416022D5D642CC");
	assert_int_equal(w->enrolled, 1);
	assert_int_equal(events(w, "device.enrolled"), 1);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM command"), 2);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM enrollment WHERE push_due_at IS "
	             "NOT NULL"),
	    1);
}

static void
later_tokens_only_update(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE enrollment SET push_state = 'dead', push_token = "
	           "NULL");
	assert_true(update_token(w, &mac_1));
	assert_int_equal(w->enrolled, 1);
	assert_int_equal(events(w, "device.enrolled"), 1);
	assert_int_equal(count(w, "SELECT token_updates FROM enrollment"), 2);
	assert_text(w, "SELECT push_state FROM enrollment", "ok");
	assert_int_equal(
	    count(w, "SELECT length(push_token) FROM enrollment"), 32);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM command WHERE "
	                          "done_at IS NULL"),
	    0);
}

static void
a_token_of_another_topic_is_kept_but_not_pushed(void **state)
{
	struct world *w = *state;
	const char *const other[] = { "com.apple.mgmt.External.other", NULL };
	const char *const both[] = { "com.apple.mgmt.External.other", TOPIC,
		NULL };
	const char *const none[] = { NULL };

	mdm_service_set_topics(w->mdm, other);
	enroll(w, &mac_1);
	assert_text(w, "SELECT push_state FROM enrollment", "refused");
	assert_text(w, "SELECT topic FROM enrollment", TOPIC);
	/* Any of several that have a certificate will do. */
	mdm_service_set_topics(w->mdm, both);
	assert_true(update_token(w, &mac_1));
	assert_text(w, "SELECT push_state FROM enrollment", "ok");
	mdm_service_set_topics(w->mdm, other);
	assert_true(update_token(w, &mac_1));
	assert_text(w, "SELECT push_state FROM enrollment", "refused");
	assert_text(
	    w, "SELECT push_last_reason FROM enrollment", "topic_mismatch");
	mdm_service_set_topics(w->mdm, none);
	assert_true(update_token(w, &mac_1));
	assert_text(w, "SELECT push_state FROM enrollment", "ok");
	assert_int_equal(count(w, "SELECT COUNT(*) FROM enrollment WHERE "
	                          "push_last_reason IS NULL"),
	    1);
}

static void
a_token_before_authenticate_is_refused(void **state)
{
	struct world *w = *state;

	issue_enroll(w, 'a');
	assert_false(update_token(w, &mac_1));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM enrollment"), 0);
}

static void
incomplete_tokens_are_refused(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	assert_false(check_in(w, 'a',
	    "<dict><key>MessageType</key><string>TokenUpdate</string>"
	    "<key>UDID</key><string>" UDID_1 "</string>"
	    "<key>Topic</key><string>t</string>"
	    "<key>PushMagic</key><string>m</string></dict>"));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_false(check_in(w, 'a',
	    "<dict><key>MessageType</key><string>TokenUpdate</string>"
	    "<key>UDID</key><string>" UDID_1 "</string>"
	    "<key>Topic</key><string>t</string>"
	    "<key>Token</key><data>QUJD</data></dict>"));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_int_equal(count(w, "SELECT token_updates FROM enrollment"), 1);
}

static void
a_user_has_a_channel_of_its_own(void **state)
{
	struct world *w = *state;

	issue_enroll(w, 'a');
	assert_true(authenticate(w, &mac_1));
	assert_false(check_in(w, 'a', USER_TOKEN));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_true(update_token(w, &mac_1));
	assert_true(check_in(w, 'a', USER_TOKEN));
	assert_int_equal(count(w, "SELECT COUNT(*) FROM enrollment WHERE "
	                          "channel = 'user' AND id = '" UDID_1
	                          ":22222222-5FDF-5EC4-8429-15640684C489'"),
	    1);
	assert_int_equal(w->enrolled, 1);
	assert_true(tell(w, 'a',
	    "<dict><key>UDID</key><string>" UDID_1 "</string>"
	    "<key>UserID</key><string>22222222-5FDF-5EC4-8429-15640684C489"
	    "</string><key>Status</key><string>Idle</string></dict>"));
	assert_string_equal(w->type, "");
	/* Another user has not said its token yet. */
	assert_false(tell(w, 'a',
	    "<dict><key>UDID</key><string>" UDID_1 "</string>"
	    "<key>UserID</key><string>33333333</string>"
	    "<key>Status</key><string>Idle</string></dict>"));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_int_equal(events(w, "device.identity_conflict"), 0);
}

static bool
update_user(struct world *w, int user)
{
	AUTO(str_free)
	char *dict = str_printf(
	    "<dict><key>MessageType</key><string>TokenUpdate</string>"
	    "<key>Topic</key><string>" TOPIC "</string>"
	    "<key>UDID</key><string>" UDID_1 "</string>"
	    "<key>UserID</key><string>USER-%d</string>"
	    "<key>PushMagic</key><string>M</string>"
	    "<key>Token</key><data>QUJD</data></dict>",
	    user);

	return check_in(w, 'a', dict);
}

static void
a_device_has_not_any_number_of_users(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	for (int i = 0; i < LIMIT_USER_CHANNELS; i++)
		assert_true(update_user(w, i));
	assert_false(update_user(w, LIMIT_USER_CHANNELS));
	assert_int_equal(w->e.code, ERR_REFUSED);
	assert_string_equal(w->e.slug, "too_many_users");
	/* Those that are there go on. */
	assert_true(update_user(w, 5));
	assert_true(update_token(w, &mac_1));
	assert_int_equal(count(w, "SELECT COUNT(*) FROM enrollment"),
	    LIMIT_USER_CHANNELS + 1);
}

static void
checking_out_ends_the_life(void **state)
{
	struct world *w = *state;

	enroll(w, &mac_1);
	assert_true(check_in(w, 'a', CHECK_OUT));
	assert_int_equal(w->status, 200);
	assert_text(w, "SELECT state FROM device", "left");
	assert_text(w, "SELECT state FROM enrollment", "left");
	assert_text(w, "SELECT state FROM certificate", "revoked");
	assert_int_equal(count(w, "SELECT revoke_reason FROM certificate"),
	    CERT_REASON_CESSATION);
	assert_int_equal(w->left, 1);
	assert_string_equal(w->left_why, "checked out");
	assert_int_equal(events(w, "device.left"), 1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL"), 0);
	/* Said twice: our answer may have been lost. */
	assert_true(check_in(w, 'a', CHECK_OUT));
	assert_int_equal(w->left, 1);
	assert_int_equal(events(w, "device.left"), 1);
	assert_false(update_token(w, &mac_1));
}

/* Of the profile that another one is about to replace. */
static void
a_late_farewell_ends_no_new_life(void **state)
{
	struct world *w = *state;
	struct mac again = mac_1;

	again.letter = 'b';
	enroll(w, &mac_1);
	issue_enroll(w, 'b');
	assert_true(authenticate(w, &again));
	assert_true(check_in(w, 'a', CHECK_OUT));
	assert_int_equal(w->status, 200);
	assert_text(w, "SELECT state FROM device", "enrolling");
	assert_text(w, "SELECT state FROM enrollment", "authenticated");
	assert_int_equal(events(w, "device.left"), 0);
	assert_int_equal(events(w, "certificate.revoked"), 0);
	assert_true(update_token(w, &again));
	assert_text(w, "SELECT state FROM device", "enrolled");
	assert_true(check_in(w, 'b', CHECK_OUT));
	assert_text(w, "SELECT state FROM device", "left");
}

/* A token of the old identity that comes late takes nothing from the new. */
static void
a_late_token_revokes_no_new_identity(void **state)
{
	struct world *w = *state;
	struct mac again = mac_1;

	again.letter = 'b';
	enroll(w, &mac_1);
	issue_enroll(w, 'b');
	assert_true(authenticate(w, &again));
	assert_true(update_token(w, &mac_1));
	assert_true(update_token(w, &again));
	idle(w, 'b', UDID_1);
	assert_string_equal(w->type, "DeviceInformation");
}

static void
checking_out_unknown_is_fine(void **state)
{
	struct world *w = *state;

	issue_enroll(w, 'a');
	assert_true(check_in(w, 'a', CHECK_OUT));
	assert_int_equal(w->status, 200);
	assert_false(check_in(w, 'x', CHECK_OUT));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
}

static void
other_messages_get_clear_answers(void **state)
{
	struct world *w = *state;
	static const char *const refused[] = { "SetBootstrapToken",
		"GetBootstrapToken", "DeclarativeManagement", "GetToken",
		"Nonsense" };

	enroll(w, &mac_1);
	for (size_t i = 0; i < COUNT(refused); i++) {
		AUTO(str_free)
		char *dict = str_printf(
		    "<dict><key>MessageType</key><string>%s</string>"
		    "<key>UDID</key><string>" UDID_1 "</string></dict>",
		    refused[i]);

		assert_false(check_in(w, 'a', dict));
		assert_int_equal(w->e.code, ERR_INVALID);
	}
	assert_true(check_in(w, 'a',
	    "<dict><key>MessageType</key><string>UserAuthenticate</string>"
	    "<key>UDID</key><string>" UDID_1 "</string>"
	    "<key>UserID</key><string>22222222</string></dict>"));
	assert_int_equal(w->status, 410);
	assert_false(check_in(
	    w, 'a', "<dict><key>UDID</key><string>" UDID_1 "</string></dict>"));
	assert_int_equal(w->e.code, ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_first_token_ends_the_enrolment, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    later_tokens_only_update, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_token_of_another_topic_is_kept_but_not_pushed, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    a_token_before_authenticate_is_refused, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    incomplete_tokens_are_refused, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_user_has_a_channel_of_its_own, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_device_has_not_any_number_of_users, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    checking_out_ends_the_life, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_late_farewell_ends_no_new_life, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    a_late_token_revokes_no_new_identity, world_make,
		    world_drop),
		cmocka_unit_test_setup_teardown(
		    checking_out_unknown_is_fine, world_make, world_drop),
		cmocka_unit_test_setup_teardown(
		    other_messages_get_clear_answers, world_make, world_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
