/* The issuance ledger in a real database, with its events. */
#include "cert_fixture.h"

#include "certs/cert_ledger.h"

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

/* Its key is number n too, or that of another. */
static bool
add_with_key(
    struct store_tx *tx, int n, int key, const char *device, struct err *e)
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
	name_of(key, i.spki);
	snprintf(i.serial, sizeof(i.serial), "%x", (unsigned)n);
	return cert_ledger_add(tx, &r, e);
}

static bool
add(struct store_tx *tx, int n, const char *device, struct err *e)
{
	return add_with_key(tx, n, n, device, e);
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

/* Two Macs that enrol at once may have asked for the same key: the first to
 * speak has it. */
static void
one_key_is_bound_to_one_device(void **state)
{
	struct place *p = *state;
	char first[SHA256_HEX_SIZE], second[SHA256_HEX_SIZE];
	struct store_tx *tx = begin(p, STORE_WRITE);
	struct err e = { 0 };

	must(add_with_key(tx, 1, 7, NULL, &e), &e);
	must(add_with_key(tx, 2, 7, NULL, &e), &e);
	name_of(1, first);
	name_of(2, second);
	must(cert_ledger_bind(tx, first, "device-1", &e), &e);
	must_fail(
	    cert_ledger_bind(tx, second, "device-2", &failure), ERR_FORBIDDEN);
	must(cert_ledger_bind(tx, second, "device-1", &e), &e);
	/* A revoked certificate holds nothing. */
	must(add_with_key(tx, 3, 7, NULL, &e), &e);
	must(cert_ledger_revoke(tx, first, CERT_REASON_SUPERSEDED, "test", &e),
	    &e);
	must(cert_ledger_revoke(tx, second, CERT_REASON_SUPERSEDED, "test", &e),
	    &e);
	name_of(3, first);
	must(cert_ledger_bind(tx, first, "device-2", &e), &e);
	commit(&tx);
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

/* A hold ends, or becomes a revocation that keeps its time. */
static void
holds_end_either_way(void **state)
{
	struct place *p = *state;
	char one[SHA256_HEX_SIZE], two[SHA256_HEX_SIZE];
	struct store_tx *tx;
	struct cert_entry entry;
	struct err e = { 0 };
	int64_t held_at;

	add_one(p, 1, "device-1");
	add_one(p, 2, "device-1");
	name_of(1, one);
	name_of(2, two);
	tx = begin(p, STORE_WRITE);
	must_fail(
	    cert_ledger_release(tx, one, "token:a", &failure), ERR_CONFLICT);
	must(cert_ledger_revoke(tx, one, CERT_REASON_HOLD, "token:a", &e), &e);
	must(cert_ledger_revoke(tx, two, CERT_REASON_HOLD, "token:a", &e), &e);
	must(cert_ledger_release(tx, two, "token:a", &e), &e);
	must_fail(
	    cert_ledger_release(tx, two, "token:a", &failure), ERR_CONFLICT);
	commit(&tx);
	held_at = find(p, 1).revoked_at;
	assert_false(find(p, 2).revoked);
	assert_int_equal(find(p, 2).revoked_at, 0);
	assert_int_equal(events(p, "certificate.released"), 1);

	clock_set_offset_ms(MS_H);
	tx = begin(p, STORE_WRITE);
	must(cert_ledger_revoke_device(
	         tx, "device-1", NULL, CERT_REASON_CESSATION, "system", &e),
	    &e);
	must_fail(
	    cert_ledger_release(tx, one, "token:a", &failure), ERR_CONFLICT);
	must(cert_ledger_revoke(tx, one, CERT_REASON_HOLD, "token:a", &e), &e);
	commit(&tx);
	entry = find(p, 1);
	assert_int_equal(entry.revoke_reason, CERT_REASON_CESSATION);
	assert_int_equal(entry.revoked_at, held_at);
	assert_true(find(p, 2).revoked);
}

static void
reasons_have_names(void **state)
{
	int reason = -1;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i <= 10; i++) {
		const char *name = cert_reason_name(i);

		if (i == 2 || i == 7 || i == 8 || i == 10) {
			assert_string_equal(name, "unspecified");
			continue;
		}
		must(cert_reason_parse(name, &reason, &e), &e);
		assert_int_equal(reason, i);
	}
	must_fail(
	    cert_reason_parse("ca_compromise", &reason, &failure), ERR_INVALID);
	must_fail(cert_reason_parse("remove_from_crl", &reason, &failure),
	    ERR_INVALID);
	must_fail(cert_reason_parse("", &reason, &failure), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(what_is_added_is_found),
		PLACE_TEST(same_certificate_twice_conflicts),
		PLACE_TEST(binds_once_to_one_device),
		PLACE_TEST(one_key_is_bound_to_one_device),
		PLACE_TEST(revoking_twice_keeps_the_first),
		PLACE_TEST(revokes_the_live_ones_of_a_device),
		PLACE_TEST(holds_end_either_way),
		cmocka_unit_test(reasons_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
