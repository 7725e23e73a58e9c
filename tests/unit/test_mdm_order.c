/* Lock and wipe: PINs, refusals, idempotency, cancelling, expiry. */
#include "mdm_fixture.h"

struct made {
	char id[37];
	struct err refused, e;
	bool ok;
};

static struct made
order(struct world *w, const struct mdm_order *asked)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct made m = { 0 };
	struct mdm_order o = *asked;
	struct mdm_order_made made;
	struct mdm_device d;

	o.by = "token:test";
	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_device_find(tx, UDID_1, &d, e));
	m.ok = mdm_order_create(tx, w->seal, &d, &o, &made, &m.e);
	memcpy(m.id, made.id, sizeof(m.id));
	m.refused = made.refused;
	if (m.ok)
		OK(store_commit(&tx, e));
	return m;
}

static void
be(struct world *w, const char *sql)
{
	enroll_quietly(w, &mac_1);
	execute(w, sql);
}

static void
read_pin(struct world *w, const char *id, char pin[16])
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_order_pin(tx, w->seal, id, "token:chief", pin, e));
	OK(store_commit(&tx, e));
}

static bool
has(struct world *w, const char *part)
{
	return strstr(buf_str(w->answer), part) != NULL;
}

static void
a_lock_has_a_pin_from_the_start(void **state)
{
	struct world *w = *state;
	struct made m;
	char pin[16], wanted[40];

	enroll_quietly(w, &mac_1);
	m = order(w, &(struct mdm_order){ .kind = "lock",
	                 .message = "Call us & come",
	                 .phone = "+81 3" });
	assert_true(m.ok);
	assert_int_equal(m.refused.code, ERR_NONE);
	read_pin(w, m.id, pin);
	assert_int_equal(strlen(pin), 6);
	assert_int_equal(strspn(pin, "0123456789"), 6);
	assert_int_equal(events(w, "order.pin_read"), 1);
	assert_int_equal(events(w, "order.created"), 1);
	assert_int_equal(count(w, "SELECT length(pin) > 20 FROM orders"), 1);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "DeviceLock");
	snprintf(wanted, sizeof(wanted), "<string>%s</string>", pin);
	assert_true(has(w, wanted));
	assert_true(has(w, "Call us &amp; come"));
	answer(w, "Acknowledged");
	assert_text(w, "SELECT state FROM orders", "acknowledged");
	assert_int_equal(events(w, "order.acknowledged"), 1);
	assert_text(w, "SELECT state FROM device", "enrolled");
}

static void
a_t2_is_not_wiped(void **state)
{
	struct world *w = *state;
	struct made m;

	be(w, "UPDATE device SET chip = 't2'");
	m = order(w, &(struct mdm_order){ .kind = "wipe" });
	assert_true(m.ok);
	assert_int_equal(m.refused.code, ERR_REFUSED);
	assert_string_equal(m.refused.slug, "wipe_refused_t2");
	assert_text(w, "SELECT state FROM orders", "refused");
	assert_text(w, "SELECT reason_code FROM orders", "wipe_refused_t2");
	assert_int_equal(events(w, "order.refused"), 1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL"), 0);
	/* Locking it is fine. */
	assert_true(order(w, &(struct mdm_order){ .kind = "lock" }).ok);
}

static void
an_unknown_chip_is_asked_for(void **state)
{
	struct world *w = *state;
	struct made m;

	be(w, "UPDATE device SET chip = 'unknown', model_id = NULL");
	m = order(w, &(struct mdm_order){ .kind = "wipe" });
	assert_true(m.ok);
	assert_string_equal(m.refused.slug, "chip_unknown");
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL AND "
	             "request_type = 'DeviceInformation'"),
	    1);
}

/* To order again when the Mac has answered helps only one that has not. */
static void
what_is_not_known_of_the_chip_is_said(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *sql, *part;
	} rows[] = {
		{ "UPDATE device SET chip = 'unknown'",
		    "it was asked for its model, order again when" },
		{ "UPDATE device SET information_at = 1",
		    "(iMac14,2) contradict each other" },
		{ "UPDATE device SET model_id = 'MacBookPro99,9'",
		    "the model MacBookPro99,9 is not known to this version" },
		{ "UPDATE device SET chip_heard = 2",
		    "(MacBookPro99,9) contradict each other" },
		{ "UPDATE device SET model_id = ''",
		    "answered without telling its model" },
	};

	enroll_quietly(w, &mac_1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mdm_order wipe = { .kind = "wipe",
			.idempotency_key = rows[i].part };
		struct made m;

		execute(w, rows[i].sql);
		m = order(w, &wipe);
		assert_string_equal(m.refused.slug, "chip_unknown");
		assert_non_null(strstr(m.refused.text, rows[i].part));
		/* It is asked, and while it owes the answer that is said. */
		m = order(w, &(struct mdm_order){ .kind = "wipe" });
		assert_non_null(strstr(m.refused.text, rows[0].part));
		execute(w, "UPDATE command SET done_at = 1");
		/* The same order again was refused for the same reason. */
		m = order(w, &wipe);
		assert_string_equal(m.refused.slug, "chip_unknown");
		assert_non_null(strstr(m.refused.text, rows[i].part));
	}
}

static void
pins_and_behaviour_by_chip_and_system(void **state)
{
	struct world *w = *state;
	struct made m;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char pin[16];

	be(w, "UPDATE device SET chip = 'apple-silicon', os_version = "
	      "'14.1'");
	m = order(w, &(struct mdm_order){ .kind = "wipe" });
	assert_true(m.ok);
	assert_int_equal(count(w, "SELECT pin IS NULL FROM orders"), 1);
	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_false(
	    mdm_order_pin(tx, w->seal, m.id, "token:chief", pin, &m.e));
	assert_string_equal(m.e.slug, "no_pin");
	store_rollback(&tx);
	idle(w, 'a', UDID_1);
	assert_true(has(w, "DoNotObliterate"));
	assert_false(has(w, "<key>PIN</key>"));
	execute(w, "DELETE FROM orders");
	execute(w, "DELETE FROM command");
	execute(w, "UPDATE device SET chip = 't1', os_version = '11.7'");
	m = order(w, &(struct mdm_order){ .kind = "wipe" });
	assert_true(m.ok);
	idle(w, 'a', UDID_1);
	assert_false(has(w, "ObliterationBehavior"));
	assert_true(has(w, "<key>PIN</key>"));
	execute(w, "DELETE FROM orders");
	execute(w, "DELETE FROM command");
	execute(w, "UPDATE device SET os_version = '12.0'");
	assert_true(order(
	    w, &(struct mdm_order){ .kind = "wipe", .obliteration = "Always" })
	                .ok);
	idle(w, 'a', UDID_1);
	assert_true(has(w, "Always"));
}

static void
old_apple_silicon_is_not_locked(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *sql;
		bool refused;
	} rows[] = {
		{ "UPDATE device SET os_version = '11.4'", true },
		{ "UPDATE device SET os_version = NULL", true },
		{ "UPDATE device SET os_version = '11.5.1'", false },
	};

	be(w, "UPDATE device SET chip = 'apple-silicon'");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct made m;

		execute(w, rows[i].sql);
		m = order(w, &(struct mdm_order){ .kind = "lock" });
		assert_true(m.ok);
		assert_int_equal(m.refused.code != ERR_NONE, rows[i].refused);
		if (rows[i].refused)
			assert_string_equal(m.refused.slug, "lock_unsafe");
	}
}

static void
what_is_asked_is_checked(void **state)
{
	struct world *w = *state;
	char long_one[300];
	const struct mdm_order bad[] = { { .kind = "unlock" },
		{ .kind = "wipe", .message = "x" },
		{ .kind = "lock", .obliteration = "Always" },
		{ .kind = "lock", .message = long_one },
		{ .kind = "lock", .phone = long_one },
		{ .kind = "lock", .message = "\xff" },
		{ .kind = "wipe", .obliteration = "Often" } };

	memset(long_one, 'x', sizeof(long_one));
	long_one[299] = '\0';
	be(w, "UPDATE device SET os_version = '14.0'");
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct made m = order(w, &bad[i]);

		assert_false(m.ok);
		assert_int_equal(m.e.code, ERR_INVALID);
	}
	assert_int_equal(count(w, "SELECT COUNT(*) FROM orders"), 0);
}

static void
one_open_order_of_a_kind(void **state)
{
	struct world *w = *state;
	struct made m;

	enroll_quietly(w, &mac_1);
	assert_true(order(w, &(struct mdm_order){ .kind = "lock" }).ok);
	m = order(w, &(struct mdm_order){ .kind = "lock" });
	assert_false(m.ok);
	assert_string_equal(m.e.slug, "order_open");
	assert_true(order(w, &(struct mdm_order){ .kind = "wipe" }).ok);
	execute(w, "UPDATE device SET state = 'left'");
	m = order(w, &(struct mdm_order){ .kind = "lock" });
	assert_false(m.ok);
	assert_string_equal(m.e.slug, "not_enrolled");
}

static void
the_same_key_is_the_same_order(void **state)
{
	struct world *w = *state;
	struct mdm_order o = {
		.kind = "lock", .idempotency_key = "K1", .message = "m"
	};
	struct made first, again;

	enroll_quietly(w, &mac_1);
	first = order(w, &o);
	again = order(w, &o);
	assert_true(first.ok && again.ok);
	assert_string_equal(first.id, again.id);
	o.message = "other";
	again = order(w, &o);
	assert_false(again.ok);
	assert_string_equal(again.e.slug, "idempotency_mismatch");
	execute(w, "UPDATE device SET chip = 't2'");
	o = (struct mdm_order){ .kind = "wipe", .idempotency_key = "K2" };
	first = order(w, &o);
	again = order(w, &o);
	assert_string_equal(first.id, again.id);
	assert_string_equal(again.refused.slug, "wipe_refused_t2");
	o.obliteration = "Always";
	again = order(w, &o);
	assert_false(again.ok);
	assert_string_equal(again.e.slug, "idempotency_mismatch");
	assert_int_equal(count(w, "SELECT COUNT(*) FROM orders"), 2);
}

static bool
cancel(struct world *w, const char *id, struct err *why)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	if (!mdm_order_cancel(tx, id, "token:chief", why))
		return false;
	OK(store_commit(&tx, e));
	return true;
}

/* 255 characters are up to 1020 bytes: none may be lost in the comparison. */
static void
long_texts_are_the_same_order_too(void **state)
{
	struct world *w = *state;
	char text[3 * 255 + 1];
	struct mdm_order o = { .kind = "lock",
		.idempotency_key = "K1",
		.message = text,
		.note = text };
	struct made first, again;

	for (size_t i = 0; i < 255; i++)
		memcpy(text + 3 * i, "\xe6\x9c\xac", 4);
	enroll_quietly(w, &mac_1);
	first = order(w, &o);
	assert_true(first.ok);
	again = order(w, &o);
	assert_true(again.ok);
	assert_string_equal(first.id, again.id);
	text[3 * 254 + 2] = '\xad';
	assert_string_equal(order(w, &o).e.slug, "idempotency_mismatch");
}

static void
what_was_not_delivered_can_be_cancelled(void **state)
{
	struct world *w = *state;
	struct made m;
	struct err why;

	enroll_quietly(w, &mac_1);
	m = order(w, &(struct mdm_order){ .kind = "lock" });
	assert_true(cancel(w, m.id, &why));
	assert_text(w, "SELECT ended_by FROM orders", "token:chief");
	assert_false(cancel(w, m.id, &why));
	assert_string_equal(why.slug, "already_done");
	idle(w, 'a', UDID_1);
	assert_string_equal(w->type, "");
	execute(w, "DELETE FROM orders");
	m = order(w, &(struct mdm_order){ .kind = "lock" });
	idle(w, 'a', UDID_1);
	assert_false(cancel(w, m.id, &why));
	assert_string_equal(why.slug, "order_delivered");
	answer(w, "NotNow");
	assert_text(w, "SELECT state FROM orders", "queued");
	assert_true(cancel(w, m.id, &why));
	assert_false(cancel(w, "nothing", &why));
	assert_int_equal(why.code, ERR_NOT_FOUND);
}

static void
time_runs_out(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	assert_true(order(w, &(struct mdm_order){ .kind = "lock" }).ok);
	idle(w, 'a', UDID_1);
	assert_true(order(w, &(struct mdm_order){ .kind = "wipe" }).ok);
	clock_set_offset_ms(31 * MS_DAY);
	OK(mdm_service_tick(w->mdm, NULL, e));
	assert_text(
	    w, "SELECT state FROM orders WHERE kind = 'lock'", "unconfirmed");
	assert_text(
	    w, "SELECT state FROM orders WHERE kind = 'wipe'", "expired");
	assert_int_equal(events(w, "order.expired"), 1);
	assert_int_equal(events(w, "order.unconfirmed"), 1);
}

static void
errors_are_told(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	assert_true(order(w, &(struct mdm_order){ .kind = "wipe" }).ok);
	idle(w, 'a', UDID_1);
	answer(w, "Error");
	assert_text(w, "SELECT state FROM orders", "error");
	assert_text(w, "SELECT reason_code FROM orders", "device_error");
	assert_text(w, "SELECT state FROM device", "enrolled");
}

static void
lists_go_on(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *first = json_array();
	AUTO(json_free) json_t *second = json_array();
	AUTO(json_free) json_t *one = NULL;
	AUTO(str_free) char *next = NULL;
	AUTO(str_free) char *last = NULL;
	struct mdm_order_page page = { .limit = 1 };
	struct made m;

	enroll_quietly(w, &mac_1);
	assert_true(order(w, &(struct mdm_order){ .kind = "lock" }).ok);
	m = order(w, &(struct mdm_order){ .kind = "wipe" });
	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_order_list(tx, &page, first, &next, e));
	assert_int_equal(json_array_size(first), 1);
	assert_non_null(next);
	page.after = next;
	OK(mdm_order_list(tx, &page, second, &last, e));
	assert_int_equal(json_array_size(second), 1);
	assert_null(last);
	page.after = "garbage";
	assert_false(mdm_order_list(tx, &page, second, &last, &m.e));
	OK(mdm_order_json(tx, m.id, &one, e));
	assert_string_equal(
	    json_string_value(json_object_get(one, "device")), mac_1.serial);
	assert_true(json_is_true(json_object_get(one, "has_pin")));
	assert_null(json_object_get(one, "pin"));
}

static char *
shown(struct world *w, const char *id, const char *key, bool as_command)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *o = NULL;
	AUTO(str_free) char *command = NULL;

	command = text(w, "SELECT id FROM command WHERE order_id IS NOT NULL");
	OK(store_begin(w->store, STORE_READ, &tx, e));
	if (as_command)
		OK(mdm_queue_json(tx, w->seal, command, &o, e));
	else
		OK(mdm_order_json(tx, id, &o, e));
	return str_dup(json_string_value(json_object_get(o, key)));
}

/* The stolen Mac: revoked first, then locked.  Its lock never arrives. */
static void
an_order_for_a_refused_mac_says_so(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *none = NULL;
	AUTO(str_free) char *warning = NULL;
	AUTO(str_free) char *next = NULL;
	AUTO(str_free) char *why = NULL;
	struct made m;

	enroll_quietly(w, &mac_1);
	m = order(w, &(struct mdm_order){ .kind = "lock" });
	none = shown(w, m.id, "warning", false);
	assert_null(none);
	execute(w, "UPDATE certificate SET state = 'revoked'");
	warning = shown(w, m.id, "warning", false);
	assert_non_null(warning);
	assert_non_null(strstr(warning, "is revoked"));
	why = shown(w, m.id, "why", true);
	assert_string_equal(why, warning);
	next = shown(w, m.id, "next", false);
	assert_null(strstr(next, "pushed"));
	/* As it says. */
	issue_enroll(w, 'b');
	assert_true(authenticate(w, &(struct mac){ 'b', UDID_1, mac_1.serial,
	                                mac_1.model, mac_1.name, mac_1.os }));
	assert_text(w, "SELECT state FROM orders", "cancelled");
	str_free(&warning);
	warning = shown(w, m.id, "warning", false);
	assert_null(warning);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lock_has_a_pin_from_the_start),
		T(a_t2_is_not_wiped),
		T(an_unknown_chip_is_asked_for),
		T(what_is_not_known_of_the_chip_is_said),
		T(pins_and_behaviour_by_chip_and_system),
		T(old_apple_silicon_is_not_locked),
		T(what_is_asked_is_checked),
		T(one_open_order_of_a_kind),
		T(the_same_key_is_the_same_order),
		T(long_texts_are_the_same_order_too),
		T(what_was_not_delivered_can_be_cancelled),
		T(time_runs_out),
		T(errors_are_told),
		T(lists_go_on),
		T(an_order_for_a_refused_mac_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
