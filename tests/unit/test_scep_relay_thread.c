/* The threads that ask upstreams, and clients that get their answer at once. */
#include "tests/unit/scep_upstream_fixture.h"

static void
with_threads(struct front *f, int64_t wait_ms, int waiters)
{
	front_service(f, (struct scep_options){ .upstream_threads = 2,
	                     .upstream_wait_ms = wait_ms,
	                     .upstream_waiters = waiters });
}

/* Until the request has that state. */
static void
until_state(struct front *f, const char *state)
{
	for (int i = 0; i < 6000; i++) {
		AUTO(json_free) json_t *r = front_request(f);

		if (str_eq(
		        json_string_value(json_object_get(r, "state")), state))
			return;
		clock_sleep_ms(10);
	}
	fail_msg("it never became %s", state);
}

static void
a_quick_answer_is_given_at_once(void **state)
{
	struct front *f = *state;

	with_threads(f, MS_MIN, 1);
	AUTO(answer_clear) struct answer a = front_send(f, front_good);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(a.certs, 2);
}

static void
who_has_no_place_is_told_to_wait(void **state)
{
	struct front *f = *state;

	with_threads(f, MS_MIN, 0);
	EXPECT_P(front_send(f, front_good));
	until_state(f, "issued");
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
}

/* Nobody waits for what will take longer. */
static void
a_fault_ends_the_waiting(void **state)
{
	struct front *f = *state;

	f->out.does = 503;
	with_threads(f, MS_H, 1);
	EXPECT_P(front_send(f, front_good));
	f->out.does = 202;
	front_request_is(f, "reason", "503");
}

static void
a_refusal_is_told_at_once(void **state)
{
	struct front *f = *state;

	f->out.does = 403;
	with_threads(f, MS_H, 1);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_good));
}

/* The end does not wait for an upstream that hangs, and puts back what it
 * broke off. */
static void
the_end_breaks_off(void **state)
{
	struct front *f = *state;
	AUTO(json_free) json_t *r = NULL;

	assert_ok(front_upstream(f, true, "{\"timeout_s\":120}", e));
	f->out.does = OUTSIDE_HANGS;
	with_threads(f, 0, 1);
	EXPECT_P(front_send(f, front_good));
	while (f->out.hanging == 0)
		clock_sleep_ms(5);
	scep_service_free(&f->w->service);
	assert_int_equal(f->out.hanging, 1);
	r = front_request(f);
	assert_int_equal(json_integer_value(json_object_get(r, "tries")), 0);
	f->out.does = OUTSIDE_ISSUES;
	f->out.let_go = true;
	with_threads(f, 0, 1);
	until_state(f, "issued");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(a_quick_answer_is_given_at_once),
		T(who_has_no_place_is_told_to_wait),
		T(a_fault_ends_the_waiting),
		T(a_refusal_is_told_at_once),
		T(the_end_breaks_off),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
