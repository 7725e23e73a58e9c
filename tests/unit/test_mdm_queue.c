/* Adding, cancelling, expiring and showing commands. */
#include <pthread.h>

#include "mdm_fixture.h"

static void
only_the_enrolled_are_queued_for(void **state)
{
	struct world *w = *state;
	static const char xml[] = "<dict><key>RequestType</key>"
	                          "<string>ProfileList</string></dict>";
	char id[37];

	assert_false(try_queue(w, "ProfileList", xml, id));
	assert_string_equal(w->e.slug, "not_enrolled");
	issue_enroll(w, 'a');
	assert_true(authenticate(w, &mac_1));
	assert_false(try_queue(w, "ProfileList", xml, id));
	assert_true(update_token(w, &mac_1));
	assert_true(try_queue(w, "ProfileList", xml, id));
	assert_true(uuid_valid(id));
	assert_int_equal(
	    count(w, "SELECT push_due_at IS NOT NULL FROM enrollment"), 1);
}

static void
no_path_carries_a_wipe_to_a_t2(void **state)
{
	struct world *w = *state;
	static const char erase[] = "<dict><key>RequestType</key>"
	                            "<string>EraseDevice</string></dict>";
	char id[37];

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE device SET chip = 't2'");
	assert_false(try_queue(w, "EraseDevice", erase, id));
	assert_string_equal(w->e.slug, "wipe_refused_t2");
	execute(w, "UPDATE device SET chip = 'unknown'");
	assert_false(try_queue(w, "EraseDevice", erase, id));
	assert_string_equal(w->e.slug, "chip_unknown");
	/* Under another name neither. */
	assert_false(try_queue(w, "ProfileList", erase, id));
	assert_int_equal(w->e.code, ERR_INVALID);
	assert_false(try_queue(w, "ProfileList", "<dict></dict>", id));
	assert_false(try_queue(w, "ProfileList", "no xml", id));
	assert_false(try_queue(w, "ProfileList", "", id));
	assert_int_equal(
	    count(w, "SELECT COUNT(*) FROM command WHERE done_at IS NULL"), 0);
}

static void
bodies_are_sealed(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	assert_int_equal(
	    count(w, test_on_pgsql()
	                 ? "SELECT position('ProfileList'::bytea in body) "
	                   "FROM command ORDER BY sort_key DESC LIMIT 1"
	                 : "SELECT instr(body, 'ProfileList') FROM command "
	                   "ORDER BY sort_key DESC LIMIT 1"),
	    0);
}

static void
inventory_waits_only_once(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(str_free) char *device = NULL;

	enroll(w, &mac_1);
	device = text(w, "SELECT id FROM device");
	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	OK(mdm_inventory_ask(tx, w->seal, device, "token:test", e));
	OK(store_commit(&tx, e));
	assert_int_equal(count(w, "SELECT COUNT(*) FROM command"), 2);
}

static bool
cancel(struct world *w, const char *id)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	OK(store_begin(w->store, STORE_WRITE, &tx, e));
	w->e = (struct err){ 0 };
	if (!mdm_queue_cancel(tx, id, "token:test", &w->e))
		return false;
	OK(store_commit(&tx, e));
	return true;
}

static void
what_is_open_can_be_cancelled(void **state)
{
	struct world *w = *state;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ProfileList", id);
	assert_true(cancel(w, id));
	assert_int_equal(
	    count(w, "SELECT push_due_at IS NULL FROM enrollment"), 1);
	assert_false(cancel(w, id));
	assert_string_equal(w->e.slug, "already_done");
	assert_false(cancel(w, "nothing"));
	assert_int_equal(w->e.code, ERR_NOT_FOUND);
	idle(w, 'a', UDID_1);
	assert_string_equal(w->id, "");
}

static json_t *
show(struct world *w, const char *id)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	json_t *j = NULL;

	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_queue_json(tx, w->seal, id, &j, e));
	return j;
}

static const char *
member(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s != NULL ? s : "";
}

static void
a_command_shows_its_result(void **state)
{
	struct world *w = *state;
	AUTO(json_free) json_t *before = NULL;
	AUTO(json_free) json_t *after = NULL;
	const json_t *result;
	char id[37];

	enroll_quietly(w, &mac_1);
	queue(w, "ActivationLockBypassCode", id);
	before = show(w, id);
	assert_string_equal(member(before, "state"), "queued");
	assert_string_equal(
	    member(before, "why"), "there is no push certificate: import one");
	assert_true(json_is_null(json_object_get(before, "result")));
	assert_string_equal(member(before, "serial"), mac_1.serial);
	idle(w, 'a', UDID_1);
	assert_true(reply(w, 'a',
	    &(struct reply){ UDID_1, id, "Acknowledged",
	        "<key>ActivationLockBypassCode</key><string>3UM43</string>"
	        "<key>Other</key><integer>7</integer>" }));
	after = show(w, id);
	assert_string_equal(member(after, "state"), "acknowledged");
	assert_string_equal(member(after, "why"), "the Mac carried it out");
	result = json_object_get(after, "result");
	assert_int_equal(
	    json_integer_value(json_object_get(result, "Other")), 7);
	assert_null(json_object_get(result, "ActivationLockBypassCode"));
}

static void
lists_go_on(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *first = json_array();
	AUTO(json_free) json_t *second = json_array();
	AUTO(json_free) json_t *of_one = json_array();
	AUTO(str_free) char *device = NULL;
	struct mdm_command_page page = { .state = "open", .limit = 2 };
	int64_t next = 0;
	char id[3][37];

	enroll_quietly(w, &mac_1);
	device = text(w, "SELECT id FROM device");
	for (int i = 0; i < 3; i++)
		queue(w, "ProfileList", id[i]);
	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_queue_list(tx, &page, first, &next, e));
	assert_int_equal(json_array_size(first), 2);
	assert_string_equal(member(json_array_get(first, 0), "id"), id[2]);
	assert_int_not_equal(next, 0);
	page.after = next;
	OK(mdm_queue_list(tx, &page, second, &next, e));
	assert_int_equal(json_array_size(second), 1);
	assert_string_equal(member(json_array_get(second, 0), "id"), id[0]);
	assert_int_equal(next, 0);
	page = (struct mdm_command_page){
		.device_id = device, .state = "cancelled", .limit = 10
	};
	OK(mdm_queue_list(tx, &page, of_one, &next, e));
	assert_int_equal(json_array_size(of_one), 2);
}

/* As the API queues it; id_out: its id. */
static bool
put(struct world *w, const char *any, json_t **shown, char id_out[37])
{
	AUTO(mdm_queued_free) struct mdm_queued *q = NULL;
	struct mdm_command c = { .request_type = "ProfileList",
		.dict_xml = "<dict><key>RequestType</key>"
		            "<string>ProfileList</string></dict>",
		.origin = "api",
		.by = "token:test",
		.expires_at = clock_now_ms() + MS_DAY };

	OK(mdm_queued_new(w->seal, &c, &q, e));
	w->e = (struct err){ 0 };
	if (!mdm_queue_put(w->store, q, any, &w->e))
		return false;
	*shown = mdm_queued_json(q);
	str_copy_cut(id_out, 37, mdm_queued_id(q));
	return true;
}

static void
expect_shown(struct world *w)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *told = NULL, *read = NULL;
	char id[37];

	assert_true(put(w, UDID_1, &told, id));
	OK(store_begin(w->store, STORE_READ, &tx, e));
	OK(mdm_queue_json(tx, w->seal, id, &read, e));
	assert_true(json_equal(told, read));
}

/* It is told from what was known before it was written. */
static void
what_is_shown_is_what_was_queued(void **state)
{
	struct world *w = *state;

	enroll_quietly(w, &mac_1);
	expect_shown(w);
	/* A push has just left: the next one waits. */
	execute(w, "UPDATE enrollment SET push_last_status = 200, "
	           "push_last_id = 'x', push_due_at = NULL");
	expect_shown(w);
	execute(w, "UPDATE enrollment SET push_last_at = 9000000000000, "
	           "push_due_at = 9000000000000");
	expect_shown(w);
	/* Another node's clock is ahead. */
	execute(w, "UPDATE enrollment SET push_accepted_at = 9000000000000");
	expect_shown(w);
	execute(w, "UPDATE enrollment SET push_state = 'dead', "
	           "push_last_reason = 'Unregistered', push_due_at = NULL");
	expect_shown(w);
	execute(w, "UPDATE enrollment SET push_token = NULL");
	expect_shown(w);
}

static void
any_name_is_queued_for(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *device = NULL;
	const char *names[] = { UDID_1, NULL, "c02xk1abjg5h", "Test's Mac" };
	char id[37];

	enroll_quietly(w, &mac_1);
	execute(w, "UPDATE device SET serial = 'C02XK1ABJG5H', "
	           "name = 'Test''s Mac'");
	device = text(w, "SELECT id FROM device");
	names[1] = device;
	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(json_free) json_t *shown = NULL;

		assert_true(put(w, names[i], &shown, id));
		assert_string_equal(member(shown, "device"), device);
	}
	assert_false(put(w, "nobody", NULL, id));
	assert_int_equal(w->e.code, ERR_NOT_FOUND);
	assert_false(put(w, "", NULL, id));
	assert_int_equal(w->e.code, ERR_NOT_FOUND);
	/* Another Mac takes its name, and one that is deleted counts not. */
	execute(w, "INSERT INTO device (id, udid, name, state, created_at, "
	           "updated_at) VALUES ('other', 'U', 'Test''s Mac', "
	           "'enrolled', 1, 1)");
	assert_false(put(w, "Test's Mac", NULL, id));
	assert_string_equal(w->e.slug, "ambiguous_device");
	execute(w, "UPDATE device SET state = 'deleted' WHERE id = 'other'");
	execute(w, "UPDATE device SET name = 'Other' WHERE id <> 'other'");
	assert_false(put(w, "Test's Mac", NULL, id));
	assert_int_equal(w->e.code, ERR_NOT_FOUND);
	execute(w, "UPDATE enrollment SET state = 'left'");
	assert_false(put(w, "C02XK1ABJG5H", NULL, id));
	assert_string_equal(w->e.slug, "not_enrolled");
}

static int64_t
trips(struct world *w)
{
	struct store_stats s;

	store_stats(w->store, &s);
	return s.round_trips;
}

/* Nothing else uses the database here; the first rounds prepare. */
static void
a_remote_database_is_waited_for_twice(void **state)
{
	struct world *w = *state;
	int64_t before, queued = 0, looked = 0, answered = 0;

	enroll_quietly(w, &mac_1);
	for (int i = 0; i < 3; i++) {
		AUTO(json_free) json_t *a = NULL, *b = NULL;
		char id[37];

		assert_true(put(w, UDID_1, &a, id));
		before = trips(w);
		assert_true(put(w, UDID_1, &b, id));
		queued = trips(w) - before;
		idle(w, 'a', UDID_1);
		before = trips(w);
		answer(w, "Acknowledged");
		answered = trips(w) - before;
		assert_string_equal(w->id, id);
		answer(w, "Acknowledged");
		before = trips(w);
		idle(w, 'a', UDID_1);
		looked = trips(w) - before;
	}
	assert_int_equal(queued, test_on_pgsql() ? 2 : 0);
	assert_int_equal(answered, test_on_pgsql() ? 2 : 0);
	assert_int_equal(looked, test_on_pgsql() ? 1 : 0);
}

struct putting {
	struct world *w;
	const char *any;
	struct err e;
	bool ok;
};

/* With an id that the caller chose. */
static void *
put_chosen(void *arg)
{
	struct putting *p = arg;
	AUTO(mdm_queued_free) struct mdm_queued *q = NULL;
	struct mdm_command c = { .id = "0E2F1B1C-6C0F-4F4C-9A43-0D3F0F0A1B2C",
		.request_type = "ProfileList",
		.dict_xml = "<dict><key>RequestType</key>"
		            "<string>ProfileList</string></dict>",
		.origin = "api",
		.by = "token:test" };

	p->ok = mdm_queued_new(p->w->seal, &c, &q, &p->e) &&
	        mdm_queue_put(p->w->store, q, p->any, &p->e);
	return NULL;
}

/* Two Macs and one id, in line behind one another: only one gets it, and
 * nobody's work is run again for that. */
static void
a_chosen_id_is_one_macs(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *gate = NULL;
	struct putting p[2] = { { .w = w, .any = UDID_1 },
		{ .w = w, .any = "OTHER" } };
	pthread_t threads[2];
	struct store_stats before, now;

	enroll_quietly(w, &mac_1);
	execute(w, "INSERT INTO device (id, udid, state, created_at, "
	           "updated_at) VALUES ('other', 'OTHER', 'enrolled', 1, 1)");
	execute(w, "INSERT INTO enrollment (id, device_id, channel, state) "
	           "VALUES ('OTHER', 'other', 'device', 'enrolled')");
	store_stats(w->store, &before);
	OK(store_begin(w->store, STORE_WRITE, &gate, e));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    pthread_create(&threads[i], NULL, put_chosen, &p[i]), 0);
		do
			store_stats(w->store, &now);
		while (now.waiting <= i && (clock_sleep_ms(1), true));
	}
	store_rollback(&gate);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_true(p[0].ok);
	assert_false(p[1].ok);
	assert_string_equal(p[1].e.slug, "command_exists");
	store_stats(w->store, &now);
	assert_int_equal(now.retries, before.retries);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_make, world_drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_the_enrolled_are_queued_for),
		T(no_path_carries_a_wipe_to_a_t2),
		T(bodies_are_sealed),
		T(inventory_waits_only_once),
		T(what_is_open_can_be_cancelled),
		T(a_command_shows_its_result),
		T(lists_go_on),
		T(what_is_shown_is_what_was_queued),
		T(any_name_is_queued_for),
		T(a_remote_database_is_waited_for_twice),
		T(a_chosen_id_is_one_macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
