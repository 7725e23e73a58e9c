/* The end of certificates, with its events, in a real database. */
#include "tests/unit/cert_ledger_fixture.h"

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
	must(cert_ledger_revoke(tx, name, CERT_REASON_CESSATION, "token:b", &e),
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

/* Of the user: any purpose but those of a Mac's identity. */
static void
revokes_the_live_ones_of_a_user(void **state)
{
	struct place *p = *state;
	struct store_tx *tx = begin(p, STORE_WRITE);
	struct err e = { 0 };

	for (int n = 1; n <= 6; n++)
		must(add(tx, n, n < 5 ? "device-1" : "device-2", &e), &e);
	run_sql(tx, "UPDATE certificate SET user_id = 'user-1', purpose ="
	            " CASE WHEN serial = '2' THEN 'scep' ELSE 'renew' END"
	            " WHERE serial IN ('2', '4')");
	must(add(tx, 7, NULL, &e), &e);
	must(cert_ledger_revoke_user(tx, "user-2", NULL,
	         CERT_REASON_AFFILIATION_CHANGED, "test", &e),
	    &e);
	must(cert_ledger_revoke_user(tx, "user-1", "device-1",
	         CERT_REASON_AFFILIATION_CHANGED, "test", &e),
	    &e);
	commit(&tx);
	for (int n = 1; n <= 7; n++)
		assert_int_equal(find(p, n).revoked, n <= 3);
	tx = begin(p, STORE_WRITE);
	must(cert_ledger_revoke_user(tx, "user-1", NULL,
	         CERT_REASON_AFFILIATION_CHANGED, "test", &e),
	    &e);
	commit(&tx);
	for (int n = 1; n <= 7; n++)
		assert_int_equal(find(p, n).revoked, n != 4 && n != 6);
	assert_int_equal(events(p, "certificate.revoked"), 5);
}

/* Each CRL is told of once, however many end. */
static void
very_many_end_in_good_time(void **state)
{
	enum { MANY = 20000 };
	struct place *p = *state;
	struct store_tx *tx;
	struct err e = { 0 };
	int64_t begun;

	add_one(p, 1, "device-1");
	tx = begin(p, STORE_WRITE);
	run_sql(tx,
	    "INSERT INTO certificate (fingerprint, serial, authority_id,"
	    " subject, spki, template, purpose, device_id, user_id, der,"
	    " not_before, not_after, state, created_at)"
	    " WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1"
	    " FROM n WHERE i < 20098) SELECT 'f' || CAST(i AS TEXT),"
	    " 's' || CAST(i AS TEXT), authority_id, subject, spki, template,"
	    " purpose, device_id, user_id, der, not_before, not_after, state,"
	    " created_at FROM certificate CROSS JOIN n");
	run_sql(tx, "INSERT INTO crl (authority_id, number, changes, made_of,"
	            " this_update, next_update, entries)"
	            " VALUES ('issuing-1', 0, 0, 0, 0, 0, 0)");
	commit(&tx);
	tx = begin(p, STORE_WRITE);
	begun = clock_now_ms();
	must(cert_ledger_revoke_device(
	         tx, "device-1", NULL, CERT_REASON_CESSATION, "system", &e),
	    &e);
	commit(&tx);
	assert_true(clock_now_ms() - begun < 30 * MS_S);
	assert_int_equal(events(p, "certificate.revoked"), MANY);
	assert_int_equal(number(p, "SELECT COUNT(*) FROM certificate"
	                           " WHERE revoke_reason = 5"),
	    MANY);
	assert_int_equal(number(p, "SELECT changes FROM crl"), 1);
}

static void
followed(struct store_tx *tx, int old, int new)
{
	char a[SHA256_HEX_SIZE], b[SHA256_HEX_SIZE];
	struct err e = { 0 };

	name_of(old, a);
	name_of(new, b);
	must(store_exec(tx,
	         "INSERT INTO renewal (old_fingerprint, transaction_id, spki,"
	         " fingerprint, created_at) VALUES ($1, $2, 'k', $2, 1)",
	         S_ARGS(S_TEXT(a), S_TEXT(b)), NULL, &e),
	    &e);
}

/* 1 became 2 and 3, 3 became 4 and 5; 6 is somebody else's; 8 has the key of 1,
 * and became 9. */
static void
family(struct place *p)
{
	static const int steps[][2] = { { 1, 2 }, { 1, 3 }, { 3, 4 }, { 3, 5 },
		{ 6, 7 }, { 8, 9 } };
	struct store_tx *tx = begin(p, STORE_WRITE);
	struct err e = { 0 };

	for (int n = 1; n <= 9; n++)
		must(add_with_key(tx, n, n == 8 ? 1 : n, NULL, &e), &e);
	for (size_t i = 0; i < COUNT(steps); i++)
		followed(tx, steps[i][0], steps[i][1]);
	commit(&tx);
}

static void
end(struct place *p, int n, int reason)
{
	struct store_tx *tx = begin(p, STORE_WRITE);
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };

	name_of(n, name);
	must(cert_ledger_revoke(tx, name, reason, "token:a", &e), &e);
	commit(&tx);
}

static void
a_key_that_got_about_ends_what_followed(void **state)
{
	struct place *p = *state;

	family(p);
	end(p, 3, CERT_REASON_SUPERSEDED);
	assert_false(find(p, 4).revoked);
	end(p, 5, CERT_REASON_HOLD);
	end(p, 1, CERT_REASON_KEY_COMPROMISE);
	for (int n = 1; n <= 9; n++) {
		assert_int_equal(find(p, n).revoked, n != 6 && n != 7);
		if (n != 6 && n != 7)
			assert_int_equal(find(p, n).revoke_reason,
			    n == 3 ? CERT_REASON_SUPERSEDED
			           : CERT_REASON_KEY_COMPROMISE);
	}
	/* 3 and the hold; then 2, 4, 5, 8, 9, and 1 which tells of them. */
	assert_int_equal(events(p, "certificate.revoked"), 8);
	assert_int_equal(number(p, "SELECT COUNT(*) FROM event WHERE data LIKE"
	                           " '%\"ended_with\":\"000%1\"%'"),
	    5);
	assert_int_equal(number(p, "SELECT COUNT(*) FROM event WHERE"
	                           " data LIKE '%\"also_ended\":5%'"),
	    1);
}

/* It may turn out when the certificate is revoked already. */
static void
that_a_key_got_about_is_told_later(void **state)
{
	struct place *p = *state;
	int64_t at;

	family(p);
	end(p, 1, CERT_REASON_SUPERSEDED);
	at = find(p, 1).revoked_at;
	assert_false(find(p, 2).revoked);
	clock_set_offset_ms(MS_H);
	end(p, 1, CERT_REASON_KEY_COMPROMISE);
	assert_int_equal(find(p, 1).revoke_reason, CERT_REASON_KEY_COMPROMISE);
	assert_int_equal(find(p, 1).revoked_at, at);
	for (int n = 2; n <= 9; n++)
		assert_int_equal(find(p, n).revoked, n != 6 && n != 7);
	assert_int_equal(events(p, "certificate.revoked"), 8);
	/* And that is for good. */
	end(p, 1, CERT_REASON_CESSATION);
	end(p, 1, CERT_REASON_KEY_COMPROMISE);
	assert_int_equal(find(p, 1).revoke_reason, CERT_REASON_KEY_COMPROMISE);
	assert_int_equal(events(p, "certificate.revoked"), 8);
	clock_set_offset_ms(0);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(revoking_twice_keeps_the_first),
		PLACE_TEST(revokes_the_live_ones_of_a_device),
		PLACE_TEST(revokes_the_live_ones_of_a_user),
		PLACE_TEST(very_many_end_in_good_time),
		PLACE_TEST(a_key_that_got_about_ends_what_followed),
		PLACE_TEST(that_a_key_got_about_is_told_later),
		PLACE_TEST(holds_end_either_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
