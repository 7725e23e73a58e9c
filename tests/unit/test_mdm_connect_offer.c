/* What is offered when something is wrong with what waits. */
#include "mdm_fixture.h"

/* However many cannot be read (another master.key): the report gets through,
 * and what can be read is delivered. */
static void
broken_commands_block_nothing(void **state)
{
	struct world *w = *state;
	char report[37], broken[37], good[37];

	enroll_quietly(w, &mac_1);
	queue(w, "CertificateList", report);
	for (int i = 0; i < 3; i++)
		queue(w, "ProfileList", broken);
	queue(w, "SecurityInfo", good);
	execute(w, "UPDATE command SET body = "
	           "(SELECT body FROM command WHERE request_type = "
	           "'CertificateList') WHERE request_type = 'ProfileList'");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, report);
	answer(w, "Acknowledged");
	assert_string_equal(w->id, good);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE state = 'error' AND "
	             "request_type = 'ProfileList'"),
	    3);
	assert_int_equal(events(w, "command.acknowledged"), 1);
	assert_int_equal(events(w, "command.error"), 3);
}

static void
very_many_broken_commands_end_in_turns(void **state)
{
	struct world *w = *state;
	char report[37], broken[37];
	int64_t due;

	enroll_quietly(w, &mac_1);
	queue(w, "CertificateList", report);
	idle(w, 'a', UDID_1);
	for (int i = 0; i < 30; i++)
		queue(w, "ProfileList", broken);
	execute(w, "UPDATE command SET body = "
	           "(SELECT body FROM command WHERE request_type = "
	           "'CertificateList') WHERE request_type = 'ProfileList'");
	answer(w, "Acknowledged");
	assert_string_equal(w->id, "");
	assert_int_equal(events(w, "command.acknowledged"), 1);
	due = count(w, "SELECT push_due_at FROM enrollment") - clock_now_ms();
	assert_in_range(due, 1, MS_MIN);
	idle(w, 'a', UDID_1);
	assert_int_equal(events(w, "command.error"), 30);
}

static void
make_order(struct world *w, const char *kind)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_order o = { .kind = kind, .by = "token:test" };
	struct mdm_order_made made;
	struct mdm_device d;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_device_find(tx, mac_1.serial, &d, e));
	OK(mdm_order_create(tx, w->seal, &d, &o, &made, e));
	OK(store_commit(&tx, e));
}

/* The Mac's answer NotNow to the lock, and how long until the next push. */
static int64_t
put_lock_off(struct world *w)
{
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceLock");
	answer(w, "NotNow");
	assert_string_equal(w->type, "");
	return count(w, "SELECT push_due_at FROM enrollment") - clock_now_ms();
}

/* Ten minutes are promised for the first day of a lock or wipe. */
static void
a_lock_that_is_put_off_is_pushed_soon(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	make_order(w, "lock");
	for (int64_t hours = 0; hours < 20; hours++) {
		clock_set_offset_ms(hours * MS_H);
		assert_in_range(put_lock_off(w), 1, 10 * MS_MIN);
	}
	clock_set_offset_ms(25 * MS_H);
	assert_in_range(put_lock_off(w), 5 * MS_H, 6 * MS_H);
}

/* Nor when it is the end of another command that decides. */
static void
a_lock_that_is_put_off_outlives_an_answer(void **state)
{
	struct world *w = *state;
	char other[37];
	int64_t due;

	enroll_quietly(w, &mac_1);
	make_order(w, "lock");
	queue(w, "CertificateList", other);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceLock");
	answer(w, "NotNow");
	assert_string_equal(w->id, other);
	answer(w, "Acknowledged");
	assert_string_equal(w->id, "");
	due = count(w, "SELECT push_due_at FROM enrollment") - clock_now_ms();
	assert_in_range(due, 1, 10 * MS_MIN);
}

/* What was known when it was ordered holds no more: it is asked at once. */
static void
a_wipe_refused_at_delivery_asks_the_mac(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *reason = NULL;
	char id[37];

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE device SET information = '{}', information_at = 1");
	make_order(w, "wipe");
	queue(w, "SecurityInfo", id);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "EraseDevice");
	answer(w, "NotNow");
	assert_string_equal(w->id, id);
	assert_true(reply(w, 'a',
	    &(struct reply){ UDID_1, id, "Acknowledged",
	        "<key>SecurityInfo</key><dict><key>SecureBoot</key><dict>"
	        "<key>SecureBootLevel</key><string>full</string></dict></"
	        "dict>" }));
	assert_text(w, "SELECT chip FROM device", "unknown");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceInformation");
	assert_text(w, "SELECT state FROM orders", "refused");
	assert_text(w, "SELECT reason_code FROM orders", "chip_unknown");
	reason = text(w, "SELECT reason FROM orders");
	assert_non_null(strstr(reason, "(iMac14,2) contradict each other"));
	assert_non_null(strstr(reason, "it was asked again"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(broken_commands_block_nothing),
		T(very_many_broken_commands_end_in_turns),
		T(a_lock_that_is_put_off_is_pushed_soon),
		T(a_lock_that_is_put_off_outlives_an_answer),
		T(a_wipe_refused_at_delivery_asks_the_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
