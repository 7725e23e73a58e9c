/* How a Mac's identity is renewed, and when the old one goes. */
#include "tests/unit/enroll_identity_fixture.h"

static void
begins_at_half_of_its_life_and_not_all_on_one_day(void **state)
{
	struct site *s = *state;
	struct enroll_renewal r;
	char old[65];

	paper(s, "enroll", old);
	days(LIFE_DAYS / 2 - 1);
	tick(s);
	expect_state(s, "");
	days(LIFE_DAYS / 2 + 1);
	tick(s);
	r = renewal(s);
	assert_string_equal(r.old_fingerprint, old);
	assert_true(str_eq(r.state, "queued") ||
	            (r.retry_at > clock_now_ms() &&
	                r.retry_at <= clock_now_ms() + LIFE_DAYS / 8 * MS_DAY));
	days(LIFE_DAYS / 2 + 1 + LIFE_DAYS / 8);
	tick(s);
	expect_state(s, "queued");
	assert_int_equal(renewal(s).attempts, 1);
	assert_int_equal(site_events(s, "identity.renewing"), 1);
	tick(s);
	assert_int_equal(site_events(s, "identity.renewing"), 1);
}

/* A new one of the same CA would end with it, too. */
static void
one_that_ends_with_its_ca_is_not_renewed(void **state)
{
	enum { CA_DAYS = 3650, HALF_LEFT = LIFE_DAYS / 2 - 20 };
	struct site *s = *state;
	char old[65];

	days(CA_DAYS - LIFE_DAYS);
	paper(s, "enroll", old);
	days(CA_DAYS - HALF_LEFT);
	tick(s);
	expect_state(s, "");
	days(CA_DAYS - LIFE_DAYS - 2);
	paper(s, "enroll", old);
	days(CA_DAYS - HALF_LEFT);
	s->enroll->identities_at = 0; /* it looks once an hour */
	tick(s);
	assert_string_equal(renewal(s).old_fingerprint, old);
}

static void
expect_profile(struct site *s, struct pl *command)
{
	AUTO(cert_stack_free) STACK_OF(X509) *anchors = NULL;
	AUTO(cert_x509_free) X509 *signer = NULL;
	AUTO(buf_free) struct buf *xml = NULL, *ca = buf_new(16 << 10);
	AUTO(pl_free) struct pl *profile = NULL;

	assert_string_equal(text_of(command, "RequestType"), "InstallProfile");
	OK(cert_pem(cert_authority_root(s->authority), ca, &e));
	OK(cert_parse_chain(buf_slice(ca), &anchors, &e));
	OK(cert_cms_open(
	    data_of(command, "Payload"), anchors, &xml, &signer, &e));
	OK(pl_parse(buf_slice(xml), &profile, &e));
	assert_string_equal(
	    text_of(profile, "PayloadIdentifier"), ENROLL_IDENTIFIER);
	assert_int_equal(strlen(text_of(scep_of(profile), "Challenge")), 32);
	assert_int_equal(
	    site_number(s,
	        "SELECT COUNT(*) FROM challenge WHERE purpose = 'renew' AND "
	        "template = 'device-identity' AND device_id = $1",
	        "D1"),
	    1);
}

static void
the_old_one_lives_until_the_new_one_was_used(void **state)
{
	struct site *s = *state;
	AUTO(pl_free) struct pl *command = NULL;
	struct err why = { 0 };
	char old[65], new[65];

	paper(s, "enroll", old);
	OK(renew(s, &why));
	expect_state(s, "queued");
	OK(renew(s, &why)); /* once is enough */
	assert_int_equal(renewal(s).attempts, 1);
	command = deliver(s);
	expect_profile(s, command);
	expect_state(s, "sent");
	paper(s, "renew", new);
	answer(s, "acknowledged", NULL);
	expect_state(s, "installed");
	days(2);
	tick(s);
	expect_state(s, "installed");
	assert_false(revoked(s, old));
	use(s, new);
	clock_set_offset_ms(3 * MS_DAY - MS_MIN);
	tick(s);
	expect_state(s, "installed");
	assert_false(revoked(s, old));
	days(4);
	tick(s);
	expect_state(s, "done");
	assert_true(revoked(s, old));
	assert_false(revoked(s, new));
	assert_int_equal(site_events(s, "identity.renewed"), 1);
	/* And that one is renewed in its turn. */
	days(LIFE_DAYS - 100);
	tick(s);
	assert_string_equal(renewal(s).old_fingerprint, new);
}

static void
the_old_one_is_not_ended_while_it_speaks(void **state)
{
	struct site *s = *state;
	char old[65], new[65];

	change(s, old, new);
	clock_set_offset_ms(20 * MS_H);
	speak_with_the_old_one(s);
	clock_set_offset_ms(MS_DAY + MS_MIN);
	tick(s);
	assert_false(revoked(s, old));
	clock_set_offset_ms(20 * MS_H + MS_DAY - MS_MIN);
	tick(s);
	assert_false(revoked(s, old));
	expect_state(s, "installed");
	clock_set_offset_ms(20 * MS_H + MS_DAY + MS_MIN);
	tick(s);
	assert_true(revoked(s, old));
	expect_state(s, "done");
}

/* It was put back to an earlier state: the new one is lost. */
static void
a_mac_that_goes_back_to_the_old_one_is_renewed_again(void **state)
{
	struct site *s = *state;
	char old[65], new[65], newer[65];

	change(s, old, new);
	for (int day = 0; day < 3; day++) {
		clock_set_offset_ms(day * MS_DAY + 20 * MS_H);
		speak_with_the_old_one(s);
		tick(s);
		expect_state(s, "installed");
	}
	clock_set_offset_ms(3 * MS_DAY + MS_H);
	speak_with_the_old_one(s);
	tick(s);
	expect_state(s, "queued");
	assert_int_equal(renewal(s).attempts, 2);
	assert_false(revoked(s, old));
	deliver_quietly(s);
	paper(s, "renew", newer);
	answer(s, "acknowledged", NULL);
	use(s, newer);
	days(5);
	tick(s);
	expect_state(s, "done");
	assert_true(revoked(s, old));
	assert_true(revoked(s, new));
	assert_false(revoked(s, newer));
}

static void
what_failed_is_tried_again_for_ever(void **state)
{
	static const int64_t gaps[] = { MS_H, 6 * MS_H, MS_DAY, 2 * MS_DAY,
		2 * MS_DAY };
	struct site *s = *state;
	struct err why = { 0 };
	char old[65], lost[65];
	int64_t offset = 0;

	paper(s, "enroll", old);
	OK(renew(s, &why));
	for (size_t i = 0; i < COUNT(gaps); i++) {
		expect_state(s, "queued");
		deliver_quietly(s);
		paper(s, "renew", lost);
		answer(s, "error", "busy");
		expect_state(s, "failed");
		assert_string_equal(renewal(s).reason, "busy");
		clock_set_offset_ms(offset + gaps[i] - MS_MIN);
		tick(s);
		expect_state(s, "failed");
		offset += gaps[i] + MS_MIN;
		clock_set_offset_ms(offset);
		tick(s);
	}
	expect_state(s, "queued");
	assert_int_equal(renewal(s).attempts, 6);
	assert_int_equal(site_events(s, "identity.renewal_failed"), 5);
	assert_false(revoked(s, old));
	assert_false(revoked(s, lost));
}

/* It spoke with the new one, and then said that it has gone back. */
static void
one_use_of_what_failed_does_not_end_the_old_one(void **state)
{
	struct site *s = *state;
	struct err why = { 0 };
	char old[65], lost[65], new[65];

	paper(s, "enroll", old);
	OK(renew(s, &why));
	deliver_quietly(s);
	paper(s, "renew", lost);
	use(s, lost);
	answer(s, "error", "rolled back");
	clock_set_offset_ms(MS_DAY + MS_MIN);
	tick(s);
	assert_false(revoked(s, old));
	expect_state(s, "queued");
	days(3);
	tick(s);
	assert_false(revoked(s, old));
	deliver_quietly(s);
	paper(s, "renew", new);
	answer(s, "acknowledged", NULL);
	use(s, new);
	days(5);
	tick(s);
	expect_state(s, "done");
	assert_true(revoked(s, old));
	assert_true(revoked(s, lost));
	assert_false(revoked(s, new));
}

static void
a_revoked_new_one_does_not_end_the_old_one(void **state)
{
	struct site *s = *state;
	struct store_tx *tx;
	char old[65], new[65];

	change(s, old, new);
	tx = site_write(s);
	OK(cert_ledger_revoke(tx, new, CERT_REASON_SUPERSEDED, "admin", &e));
	site_commit(tx);
	days(4);
	tick(s);
	assert_false(revoked(s, old));
	expect_state(s, "queued");
}

static void
two_identities_do_not_displace_each_other(void **state)
{
	struct site *s = *state;
	char first[65], second[65];

	paper(s, "enroll", first);
	days(1);
	paper(s, "enroll", second);
	days(LIFE_DAYS / 2 + 2);
	tick(s);
	assert_string_equal(renewal(s).old_fingerprint, first);
	for (int i = 3; i < 6; i++) {
		days(LIFE_DAYS / 2 + i);
		tick(s);
		assert_string_equal(renewal(s).old_fingerprint, first);
	}
	days(LIFE_DAYS / 2 + 60);
	tick(s);
	expect_state(s, "queued");
	days(LIFE_DAYS / 2 + 61);
	tick(s);
	expect_state(s, "queued");
	assert_int_equal(renewal(s).attempts, 1);
	assert_string_equal(renewal(s).old_fingerprint, first);
}

static void
what_an_earlier_try_was_issued_is_not_taken_for_this_one(void **state)
{
	struct site *s = *state;
	struct err why = { 0 };
	char old[65], lost[65];

	paper(s, "enroll", old);
	OK(renew(s, &why));
	deliver_quietly(s);
	paper(s, "renew", lost);
	answer(s, "error", "busy");
	days(1);
	tick(s);
	expect_state(s, "queued");
	deliver_quietly(s);
	answer(s, "acknowledged", NULL);
	expect_state(s, "failed");
	assert_non_null(strstr(renewal(s).reason, "no certificate"));
	assert_true(renewal(s).retry_at > clock_now_ms());
}

static void
what_is_not_used_is_tried_again(void **state)
{
	struct site *s = *state;
	struct err why = { 0 };
	char old[65], idle[65];

	paper(s, "enroll", old);
	OK(renew(s, &why));
	deliver_quietly(s);
	paper(s, "renew", idle);
	answer(s, "acknowledged", NULL);
	expect_state(s, "installed");
	days(2);
	tick(s);
	expect_state(s, "installed");
	days(4);
	tick(s);
	expect_state(s, "queued");
	assert_int_equal(renewal(s).attempts, 2);
	assert_false(revoked(s, old));
}

/* The Mac took what it said to have failed, and the old one has ended. */
static void
one_of_a_failed_try_counts_when_the_old_one_has_ended(void **state)
{
	struct site *s = *state;
	struct err why = { 0 };
	char old[65], kept[65];

	paper(s, "enroll", old);
	days(LIFE_DAYS - 1);
	OK(renew(s, &why));
	deliver_quietly(s);
	paper(s, "renew", kept);
	clock_set_offset_ms(LIFE_DAYS * MS_DAY - 30 * MS_MIN);
	answer(s, "error", "busy");
	use(s, kept);
	days(LIFE_DAYS + 1);
	tick(s);
	expect_state(s, "done");
	assert_string_equal(renewal(s).fingerprint, kept);
	assert_false(revoked(s, kept));
}

static void
neither_a_cancelled_command_nor_an_empty_answer_is_the_end(void **state)
{
	struct site *s = *state;
	struct enroll_renewal r;
	struct err why = { 0 };
	struct store_tx *tx;
	char old[65];

	paper(s, "enroll", old);
	OK(renew(s, &why));
	r = renewal(s);
	tx = site_write(s);
	OK(mdm_queue_cancel(tx, r.command_id, "admin", &e));
	site_commit(tx);
	tick(s);
	expect_state(s, "failed");
	assert_non_null(strstr(renewal(s).reason, "cancelled"));
	OK(renew(s, &why)); /* asked for again, it does not wait */
	expect_state(s, "queued");
	deliver_quietly(s);
	answer(s, "acknowledged", NULL);
	expect_state(s, "failed");
	assert_non_null(strstr(renewal(s).reason, "no certificate"));
}

static void
what_left_is_not_renewed(void **state)
{
	struct site *s = *state;
	struct cert_issued issued = { .fingerprint = "f" };
	struct cert_record record = {
		.issued = &issued, .purpose = "renew", .device_id = "D1"
	};
	struct err why = { 0 };
	struct store_tx *tx;
	char old[65];

	assert_false(renew(s, &why));
	assert_string_equal(why.slug, "no_identity");
	paper(s, "enroll", old);
	OK(renew(s, &why));
	deliver_quietly(s);
	tx = site_write(s);
	OK(enroll_identity_left(tx, "D1", &e));
	/* Its challenge outlived its reason. */
	assert_false(enroll_identity_issued(tx, &record, s->enroll, &why));
	assert_int_equal(why.code, ERR_REFUSED);
	OK(store_exec(
	    tx, "UPDATE device SET state = 'left'", S_ARGS(), NULL, &e));
	site_commit(tx);
	assert_false(renew(s, &why));
	assert_string_equal(why.slug, "not_enrolled");
	days(LIFE_DAYS - 1);
	tick(s);
	expect_state(s, "");
}

static void
a_device_shows_when_its_identity_ends(void **state)
{
	struct site *s = *state;
	AUTO(json_free) json_t *array = json_array();
	AUTO(store_rollback) struct store_tx *tx = NULL;
	json_t *identity, *o;
	char old[65];

	paper(s, "enroll", old);
	for (int i = 0; i < 20; i++) {
		o = json_object();
		json_put_str(o, "id", i == 18 ? "D1" : "other");
		json_array_append_new(array, o);
	}
	clock_set_offset_ms((LIFE_DAYS - 10) * MS_DAY + MS_MIN);
	tx = site_write(s);
	OK(enroll_identity_json(tx, array, &e));
	identity = json_object_get(json_array_get(array, 0), "identity");
	assert_string_equal(
	    json_string_value(json_object_get(identity, "state")), "missing");
	identity = json_object_get(json_array_get(array, 18), "identity");
	assert_string_equal(
	    json_string_value(json_object_get(identity, "state")), "valid");
	assert_int_equal(
	    json_integer_value(json_object_get(identity, "days")), 9);
	assert_true(json_is_null(json_object_get(identity, "renewal")));
}

static void
revoke_paper(struct site *s, const char *fingerprint, int reason)
{
	struct store_tx *tx = site_write(s);

	OK(cert_ledger_revoke(tx, fingerprint, reason, "test", &e));
	site_commit(tx);
}

/* How the identity of D1 is shown. */
static void
expect_shown(struct site *s, const char *wanted)
{
	AUTO(json_free) json_t *array = json_array();
	AUTO(store_rollback) struct store_tx *tx = site_write(s);
	json_t *o = json_object();

	json_put_str(o, "id", "D1");
	json_array_append_new(array, o);
	OK(enroll_identity_json(tx, array, &e));
	o = json_object_get(o, "identity");
	assert_string_equal(
	    json_string_value(json_object_get(o, "state")), wanted);
}

/* A Mac that is refused for its identity is not one without. */
static void
a_device_shows_that_its_identity_is_refused(void **state)
{
	struct site *s = *state;
	char old[65], newer[65];

	paper(s, "enroll", old);
	revoke_paper(s, old, CERT_REASON_HOLD);
	expect_shown(s, "held");
	paper(s, "enroll", newer);
	expect_shown(s, "valid");
	revoke_paper(s, newer, CERT_REASON_KEY_COMPROMISE);
	expect_shown(s, "held");
	revoke_paper(s, old, CERT_REASON_KEY_COMPROMISE);
	expect_shown(s, "revoked");
	paper(s, "enroll", newer);
	days(LIFE_DAYS + 1);
	expect_shown(s, "expired");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, site_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_at_half_of_its_life_and_not_all_on_one_day),
		TEST(one_that_ends_with_its_ca_is_not_renewed),
		TEST(the_old_one_lives_until_the_new_one_was_used),
		TEST(the_old_one_is_not_ended_while_it_speaks),
		TEST(a_mac_that_goes_back_to_the_old_one_is_renewed_again),
		TEST(what_failed_is_tried_again_for_ever),
		TEST(one_use_of_what_failed_does_not_end_the_old_one),
		TEST(a_revoked_new_one_does_not_end_the_old_one),
		TEST(two_identities_do_not_displace_each_other),
		TEST(what_an_earlier_try_was_issued_is_not_taken_for_this_one),
		TEST(what_is_not_used_is_tried_again),
		TEST(one_of_a_failed_try_counts_when_the_old_one_has_ended),
		TEST(
		    neither_a_cancelled_command_nor_an_empty_answer_is_the_end),
		TEST(what_left_is_not_renewed),
		TEST(a_device_shows_when_its_identity_ends),
		TEST(a_device_shows_that_its_identity_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
