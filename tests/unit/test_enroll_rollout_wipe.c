/* The user's certificate after wipes that did not end as they should. */
#include "tests/unit/enroll_payload.h"

static void
execute(struct site *s, const char *sql)
{
	struct store_tx *tx = site_write(s);

	OK(store_exec(tx, sql, S_ARGS(), NULL, &e));
	site_commit(tx);
}

/* A Mac whose user's certificate is installed. */
static int
setup(void **state)
{
	struct site *s = site_open();
	struct mdm_device d;
	struct store_tx *tx;
	char id[UUID_SIZE];

	site_mac(s, (struct mac){ .id = "D1", .serial = "C02A" });
	tx = site_write(s);
	d = site_find(tx, "D1");
	OK(enroll_user_put(
	    tx, &(struct enroll_user){ "sato", NULL, NULL }, "test", id, &e));
	OK(enroll_user_assign(tx, s->seal, &d, "sato", "test", &e));
	OK(mdm_queue_clear(tx, "D1", "acknowledged", &e));
	site_commit(tx);
	execute(s, "UPDATE rollout SET state = 'installed', command_id = NULL, "
	           "fingerprint = 'f1'");
	execute(s, "INSERT INTO certificate (fingerprint, serial, "
	           "authority_id, subject, spki, template, purpose, device_id, "
	           "der, not_before, not_after, state, created_at) VALUES "
	           "('f1', '1', 'issuing-1', 'CN=sato', 's', 'device-user', "
	           "'rollout', 'D1', '', 1, 9999999999999, 'issued', 1)");
	*state = s;
	return 0;
}

static void
expect(struct site *s, const char *sql, int64_t n)
{
	assert_int_equal(site_number(s, sql, NULL), n);
}

#define REVOKED "SELECT COUNT(*) FROM certificate WHERE state = 'revoked'"
#define STATE(state) "SELECT COUNT(*) FROM rollout WHERE state = '" state "'"
#define REMOVALS                                                               \
	"SELECT COUNT(*) FROM command WHERE done_at IS NULL AND "              \
	"request_type = 'RemoveProfile'"

static void
a_mac_that_was_not_erased_loses_the_profile(void **state)
{
	struct site *s = *state;
	struct store_tx *tx = site_write(s);

	OK(enroll_rollout_left(tx, "D1", "wiped", s->enroll, &e));
	site_commit(tx);
	expect(s, REVOKED, 1);
	expect(s, STATE("removed"), 1);
	tx = site_write(s);
	OK(enroll_rollout_returned(tx, "D1", s->enroll, &e));
	site_commit(tx);
	expect(s, STATE("removing"), 1);
	expect(s, REMOVALS, 1);
	/* Told again, there is no more to be done. */
	tx = site_write(s);
	OK(enroll_rollout_returned(tx, "D1", s->enroll, &e));
	site_commit(tx);
	expect(s, REMOVALS, 1);
}

/* What went with an earlier life is not there. */
static void
earlier_lives_left_nothing(void **state)
{
	struct site *s = *state;
	struct store_tx *tx = site_write(s);

	OK(enroll_rollout_left(tx, "D1", "wiped", s->enroll, &e));
	site_commit(tx);
	execute(s, "UPDATE device SET enrolled_at = 9999999999999");
	tx = site_write(s);
	OK(enroll_rollout_returned(tx, "D1", s->enroll, &e));
	site_commit(tx);
	expect(s, STATE("removed"), 1);
	expect(s, REMOVALS, 0);
}

static void
an_unconfirmed_wipe_revokes(void **state)
{
	struct site *s = *state;
	struct store_tx *tx = site_write(s);

	OK(enroll_rollout_wipe_unconfirmed(tx, "D1", s->enroll, &e));
	OK(enroll_rollout_wipe_unconfirmed(tx, "D1", s->enroll, &e));
	site_commit(tx);
	expect(s, REVOKED, 1);
	expect(s, STATE("removing"), 1);
	expect(s, REMOVALS, 1);
	assert_int_equal(site_events(s, "certificate.revoked"), 1);
	expect(s, "SELECT COUNT(*) FROM device WHERE user_id IS NOT NULL", 1);
}

static void
add_scep(struct site *s, const char *fingerprint, const char *device_id)
{
	struct store_tx *tx = site_write(s);

	OK(store_exec(tx,
	    "INSERT INTO certificate (fingerprint, serial, authority_id, "
	    "subject, spki, template, purpose, device_id, der, not_before, "
	    "not_after, state, created_at) VALUES ($1, $1, 'issuing-1', "
	    "'CN=vpn', 's', 'scep-client', 'scep', $2, '', 1, 9999999999999, "
	    "'issued', 1)",
	    S_ARGS(S_TEXT(fingerprint), S_TEXT(device_id)), NULL, &e));
	site_commit(tx);
}

#define SCEP_REVOKED                                                           \
	"SELECT COUNT(*) FROM certificate WHERE purpose = 'scep' AND "         \
	"state = 'revoked' AND revoke_reason = 5 AND device_id = 'D1'"

/* What a SCEP client was given in the name of a Mac ends with it. */
static void
certificates_of_its_scep_clients_end_too(void **state)
{
	static const char *const whys[] = { "checked out", "wiped",
		"re-enrolled", "deleted" };
	struct site *s = *state;
	struct store_tx *tx;
	char fingerprint[8];

	add_scep(s, "other", "D2");
	add_scep(s, "nobody", NULL);
	for (size_t i = 0; i < COUNT(whys); i++) {
		snprintf(fingerprint, sizeof(fingerprint), "vpn%zu", i);
		add_scep(s, fingerprint, "D1");
		tx = site_write(s);
		OK(enroll_rollout_left(tx, "D1", whys[i], s->enroll, &e));
		site_commit(tx);
		expect(s, SCEP_REVOKED, (int64_t)i + 1);
	}
	add_scep(s, "vpn", "D1");
	tx = site_write(s);
	OK(enroll_rollout_wipe_unconfirmed(tx, "D1", s->enroll, &e));
	site_commit(tx);
	expect(s, SCEP_REVOKED, COUNT(whys) + 1);
	/* And the user's. */
	expect(s, REVOKED, COUNT(whys) + 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, site_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mac_that_was_not_erased_loses_the_profile),
		TEST(earlier_lives_left_nothing),
		TEST(an_unconfirmed_wipe_revokes),
		TEST(certificates_of_its_scep_clients_end_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
