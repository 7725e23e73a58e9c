/* Finding, listing and showing devices; the rule of 15 characters. */
#include "mdm_fixture.h"

static bool
find(struct world *w, const char *any, struct mdm_device *d)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	OK(store_begin(w->store, STORE_READ, &tx, e));
	w->e = (struct err){ 0 };
	return mdm_device_find(tx, any, d, &w->e);
}

static void
enroll_three(struct world *w)
{
	static const struct mac macs[] = {
		{ 'a', UDID_1, "C02A", "iMac14,2", "Fruit", "12" },
		{ 'b', UDID_2, "C02B", "Mac14,2", "Twin", "13" },
		{ 'c', "33333333", "C02C", "MacPro7,1", "Twin", "14" },
	};

	for (size_t i = 0; i < COUNT(macs); i++)
		enroll(w, &macs[i]);
}

static void
any_name_finds_it(void **state)
{
	struct world *w = *state;
	struct mdm_device d;
	char id[37];

	enroll_three(w);
	assert_true(find(w, "c02b", &d));
	assert_string_equal(d.udid, UDID_2);
	assert_int_equal(d.chip, MDM_CHIP_APPLE_SILICON);
	memcpy(id, d.id, sizeof(id));
	assert_true(find(w, id, &d));
	assert_string_equal(d.serial, "C02B");
	assert_true(find(w, "33333333", &d));
	assert_int_equal(d.chip, MDM_CHIP_T2);
	assert_true(find(w, "Fruit", &d));
	assert_string_equal(d.serial, "C02A");
	assert_false(find(w, "Twin", &d));
	assert_string_equal(w->e.slug, "ambiguous_device");
	assert_false(find(w, "nobody", &d));
	assert_int_equal(w->e.code, ERR_NOT_FOUND);
	assert_false(find(w, "", &d));
	assert_false(find(w, "' OR 1=1 --", &d));
}

/* Whoever may enrol chooses what his Mac says. */
static void
nobody_steals_what_is_meant_for_another(void **state)
{
	struct world *w = *state;
	struct mdm_device d;
	struct mac thief = { 'x', "99999999", "C02X", "Mac14,2", "C02A", "14" };
	char id[37];

	enroll_three(w);
	assert_true(find(w, UDID_1, &d));
	memcpy(id, d.id, sizeof(id));
	/* Its name is the serial number of the first. */
	enroll(w, &thief);
	assert_false(find(w, "C02A", &d));
	assert_int_equal(w->e.code, ERR_CONFLICT);
	assert_string_equal(w->e.slug, "ambiguous_device");
	assert_non_null(strstr(w->e.text, id));
	assert_true(find(w, UDID_1, &d));
	assert_true(find(w, id, &d));
	assert_string_equal(d.id, id);
	/* Its UDID is our id of the first, or its serial a name. */
	thief.letter = 'y';
	thief.udid = id;
	thief.serial = "FRUIT";
	enroll(w, &thief);
	assert_true(find(w, id, &d));
	assert_string_equal(d.udid, UDID_1);
	assert_true(find(w, "fruit", &d));
	assert_false(find(w, "Fruit", &d));
	assert_string_equal(w->e.slug, "ambiguous_device");
}

static void
serial_numbers_have_a_form(void **state)
{
	static const struct {
		const char *serial;
		bool ok;
	} rows[] = { { "", true }, { "C02MT66KFLHH", true },
		{ "F4K2X0Q9P1", true }, { "ZRX3K9W0VQ", true },
		{ "VMsA3x/+HlQz", true }, { "SIM000001", true },
		{ UDID_1, false }, { "00008103-001C2D3E", false },
		{ "System Serial#", false }, { "0", false },
		{ "C02\xc3\xa4", false }, { "12345678901234567", false } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(
		    mdm_device_serial_ok(rows[i].serial), rows[i].ok);
}

static void delete (struct world *w, const char *any)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_device d;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_device_find(tx, any, &d, e));
	OK(mdm_device_delete(tx, &d, "token:test", e));
	OK(store_commit(&tx, e));
}

static void
a_deleted_device_leaves_its_history(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct mdm_order o = { .kind = "lock", .by = "token:test" };
	struct mdm_order_made made;
	struct mdm_device d;
	struct mac again = mac_1;
	AUTO(str_free) char *id = NULL;

	enroll(w, &mac_1);
	assert_true(find(w, UDID_1, &d));
	id = str_dup(d.id);
	issue(w, &(struct paper){ 's', "scep", id });
	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_order_create(tx, w->seal, &d, &o, &made, e));
	OK(store_commit(&tx, e));
	delete (w, mac_1.serial);
	delete (w, id); /* once more */
	assert_int_equal(events(w, "device.deleted"), 1);
	assert_text(w, "SELECT state FROM orders", "cancelled");
	assert_int_equal(count(w, "SELECT pin IS NOT NULL FROM orders"), 1);
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL"), 0);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM certificate WHERE "
	                          "state = 'revoked' AND revoke_reason = 5"),
	    2);
	assert_false(find(w, mac_1.serial, &d));
	assert_false(find(w, UDID_1, &d));
	assert_false(find(w, mac_1.name, &d));
	assert_true(find(w, id, &d));
	assert_string_equal(d.state, "deleted");
	assert_false(tell(w, 'a',
	    "<dict><key>UDID</key><string>" UDID_1 "</string>"
	    "<key>Status</key><string>Idle</string></dict>"));
	assert_int_equal(w->e.code, ERR_FORBIDDEN);
	/* The Mac may enrol again, as one that was never seen. */
	again.letter = 'b';
	enroll(w, &again);
	assert_true(find(w, mac_1.serial, &d));
	assert_string_not_equal(d.id, id);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM device"), 2);
	delete (w, mac_1.serial);
	assert_int_equal(events(w, "device.deleted"), 2);
}

static json_t *
list(struct world *w, const struct mdm_device_page *page, char **next)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	json_t *array = json_array();

	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_device_list(tx, page, array, next, e));
	return array;
}

static void
lists_go_on(void **state)
{
	struct world *w = *state;
	AUTO(json_free) json_t *first = NULL;
	AUTO(json_free) json_t *second = NULL;
	AUTO(str_free) char *next = NULL;
	AUTO(str_free) char *last = NULL;

	enroll_three(w);
	first = list(w, &(struct mdm_device_page){ .limit = 2 }, &next);
	assert_int_equal(json_array_size(first), 2);
	assert_non_null(next);
	second = list(
	    w, &(struct mdm_device_page){ .after = next, .limit = 2 }, &last);
	assert_int_equal(json_array_size(second), 1);
	assert_null(last);
	assert_string_equal(json_string_value(json_object_get(
	                        json_array_get(second, 0), "serial")),
	    "C02C");
	assert_int_equal(json_integer_value(json_object_get(
	                     json_array_get(second, 0), "open_commands")),
	    2);
}

static void
parts_of_names_are_searched(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *like;
		size_t hits;
	} rows[] = { { "tWIN", 2 }, { "02a", 1 }, { "%", 0 }, { "_", 0 },
		{ "sato", 1 }, { "", 3 } };

	enroll_three(w);
	execute(w, "INSERT INTO users (id, name, created_at) VALUES ('U', "
	           "'sato', 1)");
	execute(w, "UPDATE device SET user_id = 'U' WHERE serial = 'C02C'");
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(str_free) char *next = NULL;
		AUTO(json_free)
		json_t *found = list(w,
		    &(struct mdm_device_page){
		        .like = rows[i].like, .limit = 10 },
		    &next);

		assert_int_equal(json_array_size(found), rows[i].hits);
	}
}

static void
the_whole_device(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *o = NULL;
	struct mdm_device d;
	const json_t *first;

	enroll(w, &mac_1);
	execute(w, "UPDATE device SET information = '{\"a\":1}', security = "
	           "'broken'");
	assert_true(find(w, UDID_1, &d));
	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_device_json(tx, &d, true, &o, e));
	assert_string_equal(
	    json_string_value(json_object_get(o, "chip")), "none");
	assert_true(json_is_null(json_object_get(o, "user")));
	assert_true(json_is_null(json_object_get(o, "rollout")));
	assert_true(json_is_null(json_object_get(o, "security")));
	assert_int_equal(json_integer_value(json_object_get(
	                     json_object_get(o, "information"), "a")),
	    1);
	first = json_array_get(json_object_get(o, "enrollments"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(first, "id")), UDID_1);
	assert_null(json_object_get(first, "push_magic"));
	assert_int_equal(json_array_size(json_object_get(o, "orders")), 0);
}

static void
names_are_counted_in_characters(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_true(mdm_device_name_ok("0123456789abcde", &e));
	assert_true(mdm_device_name_ok("経理部の経理部の経理部のマック", &e));
	assert_false(mdm_device_name_ok("0123456789abcdef", &e));
	assert_string_equal(e.slug, "name_too_long");
	assert_false(mdm_device_name_ok("\xff", &e));
}

static void
models_of_another_form_are_not_taken(void **state)
{
	struct mdm_device d = { 0 };
	struct mdm_told t = { .product_name = "macOS", .model = "MK1A3LL/A" };
	bool named;

	(void)state;
	mdm_device_take(&d, &t, &named);
	assert_string_equal(d.model_id, "");
	t.model = "Mac14,2";
	mdm_device_take(&d, &t, &named);
	assert_string_equal(d.model_id, "Mac14,2");
	t.product_name = "MacPro7,1";
	mdm_device_take(&d, &t, &named);
	assert_string_equal(d.model_id, "MacPro7,1");
	assert_false(named);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_name_finds_it),
		T(nobody_steals_what_is_meant_for_another),
		cmocka_unit_test(serial_numbers_have_a_form),
		T(a_deleted_device_leaves_its_history),
		T(lists_go_on),
		T(parts_of_names_are_searched),
		T(the_whole_device),
		cmocka_unit_test(names_are_counted_in_characters),
		cmocka_unit_test(models_of_another_form_are_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
