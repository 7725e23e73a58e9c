/* Renewals that wait for an upstream while the old certificate ends. */
#include "tests/unit/scep_upstream_fixture.h"

static void
old_is_revoked(void *arg)
{
	struct front *f = arg;

	front_change(f->w, "UPDATE certificate SET state = 'revoked'");
}

/* Its first certificate, and a renewal of that in the queue. */
static struct answer
queue_renewal(struct front *f)
{
	struct answer first;

	ask_and_step(f);
	first = front_send(f, front_poll);
	assert_int_equal(first.status, SCEP_SUCCESS);
	EXPECT_P(front_send(f, (struct front_ask){ .type = "17",
	                           .tid = "N-1",
	                           .signer = first.cert,
	                           .no_challenge = true }));
	return first;
}

static int64_t
failed_for(struct front *f, const char *reason)
{
	return world_number(f->w,
	    "SELECT count(*) FROM scep_request WHERE state = 'failed'"
	    " AND old_fingerprint IS NOT NULL AND reason LIKE $1",
	    reason);
}

static void
a_revoked_one_is_not_asked_for(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer first = queue_renewal(f);

	old_is_revoked(f);
	assert_true(front_step(f, NULL));
	assert_int_equal(f->out.asked, 1);
	assert_int_equal(failed_for(f, "%old certificate is revoked"), 1);
	assert_int_equal(front_events(f, "scep.failed"), 1);
	EXPECT_F(SCEP_BAD_REQUEST,
	    front_send(
	        f, (struct front_ask){
	               .type = "20", .tid = "N-1", .signer = first.cert }));
}

static void
one_revoked_meanwhile_is_not_followed(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer first = queue_renewal(f);

	f->out.meanwhile = old_is_revoked;
	assert_true(front_step(f, NULL));
	assert_int_equal(f->out.asked, 2);
	assert_int_equal(failed_for(f, "%old certificate is revoked"), 1);
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(front_certificates(f, "revoked"), 2);
}

/* As older programs queued them: by what the certificate said. */
static void
names_that_were_not_granted_are_not_asked_for(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer first = queue_renewal(f);

	front_change(f->w,
	    "UPDATE scep_request SET subject = '{\"cn\":\"president\"}'"
	    " WHERE old_fingerprint IS NOT NULL");
	assert_true(front_step(f, NULL));
	assert_int_equal(f->out.asked, 1);
	assert_int_equal(failed_for(f, "%not on record%"), 1);
}

static void
a_living_one_is_followed(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer first = queue_renewal(f);

	assert_true(front_step(f, NULL));
	assert_int_equal(f->out.asked, 2);
	assert_int_equal(front_certificates(f, "issued"), 2);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(a_revoked_one_is_not_asked_for),
		T(one_revoked_meanwhile_is_not_followed),
		T(names_that_were_not_granted_are_not_asked_for),
		T(a_living_one_is_followed),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
