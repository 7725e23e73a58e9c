/* The issuance ledger in a real database, with its events. */
#include "tests/unit/cert_ledger_fixture.h"

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
		cmocka_unit_test(reasons_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
