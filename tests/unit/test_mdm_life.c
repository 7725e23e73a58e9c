/* How lives end, and do not: wipes that did not happen or were not told. */
#include "mdm_fixture.h"

#define USER "22222222-5FDF-5EC4-8429-15640684C489"
#define OF_USER                                                                \
	"<key>UDID</key><string>" UDID_1 "</string>"                           \
	"<key>UserID</key><string>" USER "</string>"

static void
order(struct world *w, const char *kind)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_order o = { .kind = kind, .by = "token:test" };
	struct mdm_order_made made;
	struct mdm_device d;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_device_find(tx, mac_1.serial, &d, e));
	OK(mdm_order_create(tx, w->seal, &d, &o, &made, e));
	assert_int_equal(made.refused.code, ERR_NONE);
	OK(store_commit(&tx, e));
}

static void
enroll_with_user(struct world *w)
{
	enroll_quietly(w, &mac_1);
	assert_true(check_in(w, 'a',
	    "<dict><key>MessageType</key><string>TokenUpdate</string>"
	    "<key>Topic</key><string>" TOPIC "</string>" OF_USER
	    "<key>PushMagic</key><string>M</string>"
	    "<key>Token</key><data>QUJD</data></dict>"));
}

static void
acknowledge_wipe(struct world *w)
{
	order(w, "wipe");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "EraseDevice");
	answer(w, "Acknowledged");
	assert_text(w, "SELECT state FROM device", "wiped");
	clock_set_offset_ms(MS_H);
}

/* Whichever channel comes first, both go on. */
static void
a_wipe_that_did_not_happen(void **state)
{
	struct world *w = *state;

	enroll_with_user(w);
	acknowledge_wipe(w);
	assert_true(tell(w, 'a',
	    "<dict>" OF_USER "<key>Status</key><string>Idle</string></dict>"));
	assert_text(w, "SELECT state FROM device", "enrolled");
	assert_int_equal(w->returned, 1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM enrollment WHERE state = "
	             "'enrolled'"),
	    2);
	/* What it reports of itself may have changed. */
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceInformation");
	assert_int_equal(w->returned, 1);
}

static void
a_device_that_returns_is_asked_about_itself(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	acknowledge_wipe(w);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceInformation");
	assert_int_equal(w->returned, 1);
	assert_int_equal(events(w, "device.enrolled"), 2);
}

static void
a_wipe_that_nobody_answered(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	order(w, "lock");
	order(w, "wipe");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceLock");
	clock_set_offset_ms(31 * MS_DAY);
	OK(mdm_service_tick(w->mdm, NULL, e));
	/* The wipe was not delivered, the lock is no wipe. */
	assert_int_equal(w->unconfirmed, 0);
	order(w, "wipe");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "EraseDevice");
	clock_set_offset_ms(62 * MS_DAY);
	OK(mdm_service_tick(w->mdm, NULL, e));
	assert_int_equal(w->unconfirmed, 1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM event WHERE kind = "
	             "'order.unconfirmed' AND data LIKE '%is revoked%'"),
	    1);
}

/* A serial number that an enrolling Mac holds is told by an enrolled one. */
static void
who_loses_a_serial_loses_its_life(void **state)
{
	struct world *w = *state;
	struct mac heir = { 'b', UDID_2, "", "iMac14,2", "B", "12.0" };
	AUTO(str_free) char *id = NULL;

	issue_enroll(w, 'a');
	assert_true(authenticate(w, &mac_1));
	enroll(w, &heir);
	idle(w, 'b', UDID_2);
	assert_string_equal(w->type, "DeviceInformation");
	id = str_dup(w->id);
	assert_true(reply(w, 'b',
	    &(struct reply){ UDID_2, id, "Acknowledged",
	        "<key>QueryResponses</key><dict><key>SerialNumber</key>"
	        "<string>C02MT66KFLHH</string></dict>" }));
	assert_text(w, "SELECT udid FROM device", UDID_2);
	assert_text(w, "SELECT serial FROM device", mac_1.serial);
	assert_text(
	    w, "SELECT state FROM certificate WHERE serial = '61'", "revoked");
	assert_false(update_token(w, &mac_1));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	assert_text(
	    w, "SELECT state FROM certificate WHERE serial = '62'", "issued");
	idle(w, 'b', UDID_2);
	assert_text(w, "SELECT state FROM device", "enrolled");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_wipe_that_did_not_happen),
		T(a_device_that_returns_is_asked_about_itself),
		T(a_wipe_that_nobody_answered),
		T(who_loses_a_serial_loses_its_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
