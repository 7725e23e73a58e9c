/* The issuance ledger in a real database, with its events. */
#include "cert_fixture.h"

#include "certs/cert_ledger.h"
#include "core/json.h"

static int
make(void **state)
{
	struct place *p = mem_zalloc(1, sizeof(*p));

	place_make(p);
	*state = p;
	return 0;
}

static int
drop(void **state)
{
	struct place *p = *state;

	place_remove(p);
	free(p);
	return 0;
}

static struct store_tx *
begin(struct place *p, enum store_mode mode)
{
	struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(p->st, mode, &tx, &e), &e);
	return tx;
}

static void
commit(struct store_tx **tx)
{
	struct err e = { 0 };

	must(store_commit(tx, &e), &e);
}

/* A certificate by its number: fingerprint "00..0<n>". */
static void
name_of(int n, char out[SHA256_HEX_SIZE])
{
	snprintf(out, SHA256_HEX_SIZE, "%064x", (unsigned)n);
}

static bool
add(struct store_tx *tx, int n, const char *device, struct err *e)
{
	AUTO(cert_issued_clear)
	struct cert_issued i = { .der = buf_new(64),
		.subject = "CN=Mac,O=Example",
		.not_before = clock_now_ms() - MS_DAY,
		.not_after = clock_now_ms() + 365 * MS_DAY };
	struct cert_record r = { .issued = &i,
		.authority_id = "issuing-1",
		.template = CERT_TEMPLATE_DEVICE,
		.purpose = n % 2 == 0 ? "enroll" : "rollout",
		.device_id = device,
		.user_id = n % 2 == 0 ? NULL : "user-1" };

	buf_addf(i.der, "der %d", n);
	name_of(n, i.fingerprint);
	snprintf(i.serial, sizeof(i.serial), "%x", (unsigned)n);
	return cert_ledger_add(tx, &r, e);
}

static void
add_one(struct place *p, int n, const char *device)
{
	struct store_tx *tx = begin(p, STORE_WRITE);
	struct err e = { 0 };

	must(add(tx, n, device, &e), &e);
	commit(&tx);
}

static struct cert_entry
find(struct place *p, int n)
{
	AUTO(store_rollback) struct store_tx *tx = begin(p, STORE_READ);
	struct cert_entry entry = { 0 };
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };
	bool found;

	name_of(n, name);
	must(cert_ledger_find(tx, name, &entry, &found, &e), &e);
	assert_true(found);
	return entry;
}

static int64_t
events(struct place *p, const char *kind)
{
	AUTO(store_rollback) struct store_tx *tx = begin(p, STORE_READ);
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct err e = { 0 };
	bool more;

	must(store_query(tx, "SELECT COUNT(*) FROM event WHERE kind = $1",
	         S_ARGS(S_TEXT(kind)), &rows, &e),
	    &e);
	must(store_next(rows, &more, &e), &e);
	return store_int(rows, 0);
}

static void
what_is_added_is_found(void **state)
{
	struct place *p = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(buf_free) struct buf *der = NULL;
	struct cert_entry entry;
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };
	bool found = true;

	add_one(p, 1, NULL);
	entry = find(p, 1);
	name_of(1, name);
	assert_string_equal(entry.fingerprint, name);
	assert_string_equal(entry.serial, "1");
	assert_string_equal(entry.subject, "CN=Mac,O=Example");
	assert_string_equal(entry.template, CERT_TEMPLATE_DEVICE);
	assert_string_equal(entry.purpose, "rollout");
	assert_string_equal(entry.device_id, "");
	assert_string_equal(entry.user_id, "user-1");
	assert_false(entry.revoked);
	assert_true(entry.created_at > 0);
	assert_int_equal(events(p, "certificate.issued"), 1);

	tx = begin(p, STORE_READ);
	must(cert_ledger_der(tx, name, &der, &e), &e);
	assert_string_equal(buf_str(der), "der 1");
	name_of(2, name);
	must(cert_ledger_find(tx, name, &entry, &found, &e), &e);
	assert_false(found);
	buf_free(&der);
	must_fail(cert_ledger_der(tx, name, &der, &failure), ERR_NOT_FOUND);
}

static void
same_certificate_twice_conflicts(void **state)
{
	struct place *p = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;

	add_one(p, 1, NULL);
	tx = begin(p, STORE_WRITE);
	must_fail(add(tx, 1, NULL, &failure), ERR_CONFLICT);
}

static void
binds_once_to_one_device(void **state)
{
	struct place *p = *state;
	char name[SHA256_HEX_SIZE], unknown[SHA256_HEX_SIZE];
	struct store_tx *tx;
	struct err e = { 0 };

	add_one(p, 1, NULL);
	name_of(1, name);
	name_of(2, unknown);
	tx = begin(p, STORE_WRITE);
	must(cert_ledger_bind(tx, name, "device-1", &e), &e);
	must(cert_ledger_bind(tx, name, "device-1", &e), &e);
	must_fail(
	    cert_ledger_bind(tx, name, "device-2", &failure), ERR_FORBIDDEN);
	must_fail(
	    cert_ledger_bind(tx, unknown, "device-1", &failure), ERR_NOT_FOUND);
	commit(&tx);
	assert_string_equal(find(p, 1).device_id, "device-1");
	assert_int_equal(events(p, "certificate.bound"), 1);
}

static void
revoking_twice_keeps_the_first(void **state)
{
	struct place *p = *state;
	char name[SHA256_HEX_SIZE], unknown[SHA256_HEX_SIZE];
	struct store_tx *tx;
	struct cert_entry entry;
	struct err e = { 0 };

	add_one(p, 1, "device-1");
	name_of(1, name);
	name_of(2, unknown);
	tx = begin(p, STORE_WRITE);
	must(
	    cert_ledger_revoke(tx, name, CERT_REASON_SUPERSEDED, "token:a", &e),
	    &e);
	must(cert_ledger_revoke(
	         tx, name, CERT_REASON_KEY_COMPROMISE, "token:b", &e),
	    &e);
	must_fail(cert_ledger_revoke(tx, unknown, 0, "system", &failure),
	    ERR_NOT_FOUND);
	commit(&tx);
	entry = find(p, 1);
	assert_true(entry.revoked);
	assert_true(entry.revoked_at > 0);
	assert_int_equal(entry.revoke_reason, CERT_REASON_SUPERSEDED);
	assert_int_equal(events(p, "certificate.revoked"), 1);
}

static void
revokes_the_live_ones_of_a_device(void **state)
{
	struct place *p = *state;
	struct store_tx *tx;
	struct err e = { 0 };

	clock_set_offset_ms(-366 * MS_DAY);
	add_one(p, 1, "device-1"); /* expired by now */
	clock_set_offset_ms(0);
	for (int n = 2; n <= 6; n++)
		add_one(p, n, "device-1");
	add_one(p, 7, "device-2");

	tx = begin(p, STORE_WRITE);
	must(cert_ledger_revoke_device(tx, "device-1", "rollout",
	         CERT_REASON_CESSATION, "system", &e),
	    &e);
	commit(&tx);
	for (int n = 1; n <= 7; n++)
		assert_int_equal(find(p, n).revoked, n == 3 || n == 5);

	tx = begin(p, STORE_WRITE);
	must(cert_ledger_revoke_device(
	         tx, "device-1", NULL, CERT_REASON_CESSATION, "system", &e),
	    &e);
	commit(&tx);
	for (int n = 1; n <= 7; n++)
		assert_int_equal(find(p, n).revoked, n >= 2 && n <= 6);
	assert_int_equal(events(p, "certificate.revoked"), 5);
}

/* Reads all pages of two; how many entries, numbers descending. */
static int
list_all(struct place *p, const char *device)
{
	AUTO(store_rollback) struct store_tx *tx = begin(p, STORE_READ);
	AUTO(str_free) char *after = NULL;
	char last[SHA256_HEX_SIZE] = "x";
	struct err e = { 0 };
	int n = 0;

	do {
		AUTO(json_free) json_t *array = json_array();
		struct cert_ledger_page page = { device, after, 2 };
		char *next = NULL;
		json_t *o;
		size_t i;

		must(cert_ledger_list(tx, &page, array, &next, &e), &e);
		assert_true(json_array_size(array) <= 2);
		json_array_foreach(array, i, o)
		{
			const char *name = json_string_value(
			    json_object_get(o, "fingerprint"));

			assert_true(memcmp(name, last, 64) < 0);
			memcpy(last, name, sizeof(last));
			n++;
		}
		str_free(&after);
		after = next;
	} while (after != NULL);
	return n;
}

static void
lists_newest_first_in_pages(void **state)
{
	struct place *p = *state;

	assert_int_equal(list_all(p, NULL), 0);
	/* Several in one millisecond: the fingerprint decides then. */
	for (int n = 1; n <= 6; n++) {
		struct store_tx *tx = begin(p, STORE_WRITE);
		struct err e = { 0 };

		clock_set_offset_ms(n / 3 * MS_H);
		must(add(tx, n, n % 2 == 0 ? "device-2" : "device-1", &e), &e);
		commit(&tx);
	}
	assert_int_equal(list_all(p, NULL), 6);
	assert_int_equal(list_all(p, "device-1"), 3);
	assert_int_equal(list_all(p, "nobody"), 0);
}

static const char *
state_in(struct place *p, char out[16])
{
	AUTO(store_rollback) struct store_tx *tx = begin(p, STORE_READ);
	AUTO(json_free) json_t *array = json_array();
	struct cert_ledger_page page = { .limit = 10 };
	struct err e = { 0 };
	char *next = NULL;
	json_t *o;

	must(cert_ledger_list(tx, &page, array, &next, &e), &e);
	assert_null(next);
	o = json_array_get(array, 0);
	assert_int_equal(json_object_size(o), 13);
	str_copy_cut(out, 16, json_string_value(json_object_get(o, "state")));
	return out;
}

static void
states_are_told(void **state)
{
	struct place *p = *state;
	char text[16], name[SHA256_HEX_SIZE];
	struct store_tx *tx;
	struct err e = { 0 };

	add_one(p, 1, NULL);
	assert_string_equal(state_in(p, text), "issued");
	clock_set_offset_ms(366 * MS_DAY);
	assert_string_equal(state_in(p, text), "expired");
	clock_set_offset_ms(0);
	name_of(1, name);
	tx = begin(p, STORE_WRITE);
	must(cert_ledger_revoke(tx, name, 0, "system", &e), &e);
	commit(&tx);
	assert_string_equal(state_in(p, text), "revoked");
}

static void
bad_page_keys_are_refused(void **state)
{
	static const char *const bad[] = { "", "-", "x", "1-", "1-ab", "-1-ab",
		"1x-"
		"00000000000000000000000000000000000000000000000000000000000000"
		"00",
		"99999999999999999999999999-"
		"00000000000000000000000000000000000000000000000000000000000000"
		"00" };
	AUTO(store_rollback) struct store_tx *tx = begin(*state, STORE_READ);
	AUTO(json_free) json_t *array = json_array();
	char *next = NULL;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct cert_ledger_page page = { .after = bad[i] };

		must_fail(cert_ledger_list(tx, &page, array, &next, &failure),
		    ERR_INVALID);
	}
	assert_null(next);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_added_is_found),
		T(same_certificate_twice_conflicts),
		T(binds_once_to_one_device),
		T(revoking_twice_keeps_the_first),
		T(revokes_the_live_ones_of_a_device),
		T(lists_newest_first_in_pages),
		T(states_are_told),
		T(bad_page_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
