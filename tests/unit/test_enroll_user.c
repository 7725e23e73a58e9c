/* Users: names and addresses that are taken, lists, deletion. */
#include "core/json.h"
#include "tests/unit/enroll_fixture.h"

static bool
put(struct site *s, struct enroll_user u, struct err *why)
{
	AUTO(store_rollback) struct store_tx *tx = site_write(s);
	char id[UUID_SIZE];

	return enroll_user_put(tx, &u, "test", id, why) &&
	       store_commit(&tx, why);
}

static void
make(struct site *s, const char *name)
{
	OK(put(s, (struct enroll_user){ .name = name }, &e));
}

static void
names_and_addresses(void **state)
{
	static const struct {
		struct enroll_user u;
		const char *slug; /* NULL: good */
	} rows[] = {
		{ { "sato", NULL, NULL }, NULL },
		{ { "佐藤 花子", "佐藤", "s@example.com" }, NULL },
		{ { "a", "", "" }, NULL },
		{ { "", NULL, NULL }, "user_name_invalid" },
		{ { " a", NULL, NULL }, "user_name_invalid" },
		{ { "a ", NULL, NULL }, "user_name_invalid" },
		{ { "a/b", NULL, NULL }, "user_name_invalid" },
		{ { "..", NULL, NULL }, "user_name_invalid" },
		{ { "a\nb", NULL, NULL }, "user_name_invalid" },
		{ { "\xff\xfe", NULL, NULL }, "user_name_invalid" },
		{ { "0123456789012345678901234567890123456789"
		    "0123456789012345678901234",
		      NULL, NULL },
		    "user_name_invalid" },
		{ { "6ba7b810-9dad-41d1-80b4-00c04fd430c8", NULL, NULL },
		    "user_name_invalid" },
		{ { "b", "x\x01", NULL }, "invalid" },
		{ { "b", NULL, "nobody" }, "email_invalid" },
		{ { "b", NULL, "@x" }, "email_invalid" },
		{ { "b", NULL, "x@" }, "email_invalid" },
		{ { "b", NULL, "a@b@c" }, "email_invalid" },
		{ { "b", NULL, "a b@c" }, "email_invalid" },
		{ { "b", NULL, "佐藤@c" }, "email_invalid" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err why = { 0 };
		bool ok = put(*state, rows[i].u, &why);

		if (ok != (rows[i].slug == NULL))
			fail_msg("row %zu: %s", i, why.text);
		if (!ok)
			assert_string_equal(err_name(&why), rows[i].slug);
	}
}

static json_t *
show(struct site *s, const char *name)
{
	AUTO(store_rollback) struct store_tx *tx = site_write(s);
	json_t *j = NULL;

	OK(enroll_user_json(tx, name, &j, &e));
	return j;
}

static const char *
member(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void
update_keeps_what_is_not_given(void **state)
{
	struct site *s = *state;
	AUTO(json_free) json_t *j = NULL;

	OK(put(s, (struct enroll_user){ "u1", "One", "one@example.com" }, &e));
	OK(put(s, (struct enroll_user){ "u1", NULL, "two@example.com" }, &e));
	OK(put(s, (struct enroll_user){ "u1", NULL, NULL }, &e));
	j = show(s, "u1");
	assert_string_equal(member(j, "full_name"), "One");
	assert_string_equal(member(j, "email"), "two@example.com");
	assert_int_equal(site_events(s, "user.updated"), 1);
}

static void
list_is_paged_by_name(void **state)
{
	struct site *s = *state;
	AUTO(str_free) char *after = str_dup("p");
	char name[8];
	int seen = 0;

	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		make(s, name);
	}
	while (after != NULL) {
		AUTO(store_rollback) struct store_tx *tx = site_write(s);
		AUTO(json_free) json_t *page = json_array();
		char *next = NULL;

		OK(enroll_user_list(tx, after, 3, page, &next, &e));
		assert_true(json_array_size(page) <= 3);
		for (size_t i = 0; i < json_array_size(page); i++) {
			const char *n = member(json_array_get(page, i), "name");

			seen += n[0] == 'p';
		}
		str_free(&after);
		after = next;
	}
	assert_int_equal(seen, 7);
}

static void
deletion_unassigns_all_devices(void **state)
{
	struct site *s = *state;
	AUTO(json_free) json_t *j = NULL;
	struct store_tx *tx;
	struct err why = { 0 };

	make(s, "gone");
	site_mac(s, (struct mac){ .id = "U1", .serial = "S1" });
	site_mac(s, (struct mac){ .id = "U2", .serial = "S2" });
	tx = site_write(s);
	for (int i = 1; i <= 2; i++) {
		struct mdm_device d = site_find(tx, i == 1 ? "S1" : "S2");

		OK(enroll_user_assign(tx, s->seal, &d, "gone", "test", &e));
	}
	site_commit(tx);
	j = show(s, "gone");
	assert_int_equal(json_array_size(json_object_get(j, "devices")), 2);

	tx = site_write(s);
	OK(enroll_user_delete(tx, s->seal, "gone", "test", &e));
	site_commit(tx);
	assert_int_equal(
	    site_number(s,
	        "SELECT COUNT(*) FROM device WHERE user_id IS NOT NULL", NULL),
	    0);
	assert_int_equal(site_number(s,
	                     "SELECT COUNT(*) FROM rollout "
	                     "WHERE state <> 'removed'",
	                     NULL),
	    0);
	assert_int_equal(site_events(s, "user.deleted"), 1);
	tx = site_write(s);
	assert_false(enroll_user_delete(tx, s->seal, "gone", "test", &why));
	assert_string_equal(err_name(&why), "no_such_user");
	store_rollback(&tx);
}

/* One certificate in her name for each purpose, and one of no device. */
static void
issue_to(struct store_tx *tx, const char *user)
{
	OK(store_exec(tx,
	    "INSERT INTO certificate (fingerprint, serial, authority_id,"
	    " subject, spki, template, purpose, device_id, user_id, der,"
	    " not_before, not_after, state, created_at)"
	    " WITH n (p, d) AS (SELECT 'scep', 'V1' UNION ALL"
	    " SELECT 'rollout', 'V1' UNION ALL SELECT 'enroll', 'V1'"
	    " UNION ALL SELECT 'alone', NULL) SELECT p, p, 'a', 'CN=x', p,"
	    " 't', p, d, (SELECT id FROM users WHERE name = $1), $2, 0, $3,"
	    " 'issued', 1 FROM n",
	    S_ARGS(S_TEXT(user), S_BLOB(slice_str("x")),
	        S_INT(clock_now_ms() + MS_DAY)),
	    NULL, &e));
}

static int64_t
revoked(struct site *s)
{
	return site_number(s,
	    "SELECT COUNT(*) FROM certificate WHERE revoke_reason = 3"
	    " AND revoked_by = 'test'",
	    NULL);
}

static void
certificates_in_her_name_end(void **state)
{
	struct site *s = *state;
	struct store_tx *tx;
	struct mdm_device d;

	make(s, "alice");
	site_mac(s, (struct mac){ .id = "V1", .serial = "V1SERIAL" });
	tx = site_write(s);
	d = site_find(tx, "V1SERIAL");
	OK(enroll_user_assign(tx, s->seal, &d, "alice", "test", &e));
	issue_to(tx, "alice");
	site_commit(tx);
	tx = site_write(s);
	d = site_find(tx, "V1SERIAL");
	OK(enroll_user_unassign(tx, s->seal, &d, "test", &e));
	site_commit(tx);
	assert_int_equal(revoked(s), 2);
	tx = site_write(s);
	OK(enroll_user_delete(tx, s->seal, "alice", "test", &e));
	site_commit(tx);
	assert_int_equal(revoked(s), 3);
	assert_int_equal(site_number(s,
	                     "SELECT COUNT(*) FROM certificate WHERE "
	                     "state = 'issued' AND purpose = 'enroll'",
	                     NULL),
	    1);
}

static void
many_devices_are_counted_and_not_all_listed(void **state)
{
	struct site *s = *state;
	AUTO(json_free) json_t *j = NULL;
	struct store_tx *tx;

	make(s, "kiosk");
	tx = site_write(s);
	OK(store_exec(tx,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i <= $1) INSERT INTO device (id, udid, serial, state, "
	    "user_id, created_at, updated_at) SELECT 'K' || i, 'K' || i, "
	    "'K' || i, 'left', (SELECT id FROM users WHERE name = 'kiosk'), "
	    "0, 0 FROM n",
	    S_ARGS(S_INT(LIMIT_PAGE)), NULL, &e));
	site_commit(tx);
	j = show(s, "kiosk");
	assert_int_equal(
	    json_array_size(json_object_get(j, "devices")), LIMIT_PAGE);
	assert_int_equal(json_integer_value(json_object_get(j, "device_count")),
	    LIMIT_PAGE + 1);
	tx = site_write(s);
	OK(enroll_user_delete(tx, s->seal, "kiosk", "test", &e));
	site_commit(tx);
	assert_int_equal(
	    site_number(s,
	        "SELECT COUNT(*) FROM device WHERE user_id IS NOT NULL", NULL),
	    0);
}

static void
assigning_nobody(void **state)
{
	struct site *s = *state;
	struct err why = { 0 };
	struct store_tx *tx;
	struct mdm_device d;

	site_mac(s, (struct mac){ .id = "U3", .serial = "S3" });
	tx = site_write(s);
	d = site_find(tx, "S3");
	assert_false(
	    enroll_user_assign(tx, s->seal, &d, "nobody", "test", &why));
	assert_int_equal(why.code, ERR_NOT_FOUND);
	store_rollback(&tx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_addresses),
		cmocka_unit_test(update_keeps_what_is_not_given),
		cmocka_unit_test(list_is_paged_by_name),
		cmocka_unit_test(deletion_unassigns_all_devices),
		cmocka_unit_test(certificates_in_her_name_end),
		cmocka_unit_test(many_devices_are_counted_and_not_all_listed),
		cmocka_unit_test(assigning_nobody),
	};

	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
