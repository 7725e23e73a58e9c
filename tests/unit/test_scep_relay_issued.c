/*
 * Requests that two nodes ask an upstream for, and certificates that come when
 * their request is closed.
 */
#include "tests/unit/scep_upstream_fixture.h"

static void
change_in(struct front *f, const char *sql)
{
	front_change(f->w, sql);
}

static void
is_closed(void *arg)
{
	change_in(arg,
	    "UPDATE scep_request SET state = 'failed', next_at = NULL,"
	    " claim = NULL, reason = 'did not decide in time'");
}

/* Another node's claim, which it has just begun. */
static void
is_claimed(void *arg)
{
	change_in(arg, "UPDATE scep_request SET claim = 'another'");
}

/* This one stands still until its claim is over, and another asks. */
static void
is_asked_by_another(void *arg)
{
	clock_set_offset_ms(10 * MS_MIN);
	assert_true(front_step(arg, NULL));
}

static void
what_nobody_waits_for_is_revoked(void **state)
{
	struct front *f = *state;

	f->refuse = ERR_REFUSED;
	f->refusals = 1;
	ask_and_step(f);
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "nobody waits for it");
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
}

static void
what_comes_late_is_revoked_and_told(void **state)
{
	struct front *f = *state;

	f->out.meanwhile = is_closed;
	ask_and_step(f);
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "did not decide in time");
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	assert_int_equal(front_events(f, "scep.late"), 1);
	assert_int_equal(front_events(f, "certificate.revoked"), 1);
	assert_int_equal(front_events(f, "scep.issued"), 0);
	assert_int_equal(f->told, 0);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
}

/* Neither the rollout nor the key have a place for it any more. */
static void
what_comes_late_and_unwanted_is_revoked_too(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w,
	    (struct scep_grant){
	        .template = "corp", .purpose = "scep", .device_id = "d-1" });

	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	f->out.repeats = true;
	assert_true(front_step(f, NULL));
	assert_int_equal(front_certificates(f, "issued"), 1);
	/* The same key, meanwhile another device's. */
	change_in(f, "UPDATE scep_request SET state = 'queued', next_at = 1,"
	             " device_id = 'd-2', fingerprint = NULL");
	f->out.repeats = false;
	f->out.meanwhile = is_closed;
	clock_set_offset_ms(MS_MIN);
	assert_true(front_step(f, NULL));
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	assert_int_equal(front_events(f, "scep.late"), 1);
}

static void
a_certificate_is_not_given_after_it_was_shelved(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(
	    f->w, (struct scep_grant){ .template = "corp", .purpose = "scep" });

	f->out.repeats = true;
	f->out.meanwhile = is_closed;
	ask_and_step(f);
	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	clock_set_offset_ms(MS_MIN);
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "revoked here");
	assert_int_equal(front_certificates(f, "issued"), 0);
}

static void
only_who_has_the_claim_fails_a_request(void **state)
{
	struct front *f = *state;

	f->out.meanwhile = is_claimed;
	f->out.does = 403;
	ask_and_step(f);
	front_request_is(f, "state", "queued");
	assert_int_equal(front_events(f, "scep.failed"), 0);
}

/* And the other, which comes with nothing, changes nothing. */
static void
who_has_a_certificate_takes_the_request_back(void **state)
{
	struct front *f = *state;

	f->out.meanwhile = is_claimed;
	ask_and_step(f);
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_events(f, "scep.issued"), 1);
	assert_int_equal(front_events(f, "scep.late"), 0);
}

static void
of_two_certificates_the_second_is_revoked(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer a = { 0 };

	f->out.meanwhile = is_asked_by_another;
	ask_and_step(f);
	assert_int_equal(f->out.asked, 2);
	a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	assert_int_equal(front_events(f, "scep.issued"), 1);
	assert_int_equal(front_events(f, "scep.late"), 1);
}

static void
the_same_certificate_twice_is_no_matter(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer a = { 0 };

	f->out.repeats = true;
	f->out.meanwhile = is_asked_by_another;
	ask_and_step(f);
	assert_int_equal(f->out.asked, 2);
	a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_certificates(f, "revoked"), 0);
	assert_int_equal(front_events(f, "scep.late"), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(what_nobody_waits_for_is_revoked),
		T(what_comes_late_is_revoked_and_told),
		T(what_comes_late_and_unwanted_is_revoked_too),
		T(a_certificate_is_not_given_after_it_was_shelved),
		T(only_who_has_the_claim_fails_a_request),
		T(who_has_a_certificate_takes_the_request_back),
		T(of_two_certificates_the_second_is_revoked),
		T(the_same_certificate_twice_is_no_matter),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
