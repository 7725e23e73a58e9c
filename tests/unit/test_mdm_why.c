/* One sentence for each thing that can have happened to a command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "mdm/mdm_why.h"

#define NOW INT64_C(1800000000000) /* 2027-01-15T08:00:00Z */
#define ID "7f0c3f3e-52a8-4c7d-9a0e-0d1b6f9b2a11"

/* Queued a minute ago, in good order; rows change what they name. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define GOOD                                                                   \
	.state = "pushed", .queued_at = NOW - MS_MIN,                          \
	.enrollment_state = "enrolled", .push_state = "ok", .has_token = true, \
	.push_cert_not_after = NOW + MS_DAY, .seen_at = NOW - MS_H
#define PUSHED                                                                 \
	.push_last_at = NOW - 30 * MS_S, .push_last_status = 200,              \
	.push_last_id = ID, .push_due_at = NOW + 2 * MS_MIN

static const struct {
	struct mdm_why why;
	const char *sentence;
} waits[] = {
	{ { GOOD, .push_due_at = NOW - 1 },
	    "queued, no push has left for it yet; the next push is due now" },
	{ { GOOD, .push_due_at = NOW, .push_claim_until = NOW + 1 },
	    "queued, no push has left for it yet; a push is on its way" },
	{ { GOOD, .push_last_at = NOW - MS_H, .push_last_status = 200,
	      .push_due_at = NOW + 1000 },
	    "queued, no push has left for it yet; next push "
	    "2027-01-15T08:00:01Z" },
	{ { GOOD, PUSHED },
	    "APNs accepted a push 2027-01-15T07:59:30Z (apns-id " ID "), no "
	    "contact since 2027-01-15T07:00:00Z; next push "
	    "2027-01-15T08:02:00Z" },
	{ { GOOD, PUSHED, .seen_at = 0 },
	    "APNs accepted a push 2027-01-15T07:59:30Z (apns-id " ID "), the "
	    "Mac was never in contact; next push 2027-01-15T08:02:00Z" },
	{ { GOOD, PUSHED, .seen_at = NOW - 10 * MS_S },
	    "APNs accepted a push 2027-01-15T07:59:30Z (apns-id " ID "), the "
	    "Mac connected 2027-01-15T07:59:50Z and has not fetched it yet; "
	    "next push 2027-01-15T08:02:00Z" },
	{ { GOOD, PUSHED, .push_last_status = 0,
	      .push_last_reason = "timeout" },
	    "APNs could not be reached 2027-01-15T07:59:30Z (timeout), no "
	    "contact since 2027-01-15T07:00:00Z; next push "
	    "2027-01-15T08:02:00Z" },
	{ { GOOD, PUSHED, .push_last_status = 429,
	      .push_last_reason = "TooManyRequests", .push_due_at = 0 },
	    "APNs refused a push 2027-01-15T07:59:30Z (429 TooManyRequests), "
	    "no contact since 2027-01-15T07:00:00Z; no further push is "
	    "planned" },
	{ { GOOD, PUSHED, .state = "delivered", .delivered_at = NOW - MS_S },
	    "the Mac fetched it 2027-01-15T07:59:59Z and has not answered yet; "
	    "next push 2027-01-15T08:02:00Z" },
	{ { GOOD, PUSHED, .state = "not-now", .not_now = 3 },
	    "the Mac answered NotNow 3 times (busy, asleep or locked); next "
	    "push 2027-01-15T08:02:00Z" },
	{ { GOOD, PUSHED, .identity = NOW + 1 },
	    "APNs accepted a push 2027-01-15T07:59:30Z (apns-id " ID "), no "
	    "contact since 2027-01-15T07:00:00Z; next push "
	    "2027-01-15T08:02:00Z" },
	{ { GOOD, PUSHED, .identity = MDM_WHY_REVOKED },
	    "the Mac's identity certificate is revoked: when it comes it is "
	    "refused; it has to enrol again, which cancels what waits" },
	{ { GOOD, PUSHED, .identity = MDM_WHY_HELD },
	    "the Mac's identity certificate is on hold: when it comes it is "
	    "refused, until that is released" },
	{ { GOOD, PUSHED, .identity = NOW - MS_MIN },
	    "the Mac's identity certificate expired 2027-01-15T07:59:00Z: when "
	    "it comes it is refused; it has to enrol again, which cancels what "
	    "waits" },
	{ { GOOD, PUSHED, .enrollment_state = "left" },
	    "the Mac is not enrolled any more" },
	{ { GOOD, .has_token = false },
	    "the Mac has not told its push token yet" },
	{ { GOOD, PUSHED, .push_state = "dead",
	      .push_last_reason = "Unregistered" },
	    "token dead: APNs said at 2027-01-15T07:59:30Z that the Mac cannot "
	    "be reached (Unregistered); it gets this when it tells a new "
	    "token" },
	{ { GOOD, PUSHED, .push_state = "refused",
	      .push_last_reason = "BadDeviceToken" },
	    "APNs refused the Mac's token at 2027-01-15T07:59:30Z "
	    "(BadDeviceToken); it gets this when it connects by itself" },
	{ { GOOD, .push_last_reason = "topic_mismatch" },
	    "topic mismatch: the Mac enrolled under a push topic that no push "
	    "certificate here has; it gets this when it connects by itself, or "
	    "must enrol again" },
	{ { GOOD, .push_cert_not_after = 0 },
	    "there is no push certificate: import one" },
	{ { GOOD, .push_cert_not_after = NOW },
	    "the push certificate expired 2027-01-15T08:00:00Z: renew it" },
};

#define DONE .done_at = NOW - 1

static const struct {
	struct mdm_why why;
	const char *sentence;
} ends[] = {
	{ { DONE, .state = "acknowledged" }, "the Mac carried it out" },
	{ { DONE, .state = "acknowledged", .error = "kept its user" },
	    "the Mac carried it out, but kept its user" },
	{ { DONE, .state = "error", .error = "no such profile" },
	    "the Mac reports: no such profile" },
	{ { DONE, .state = "error" },
	    "the Mac reports: an error without a text" },
	{ { DONE, .state = "expired" },
	    "its time ran out before the Mac answered" },
	{ { DONE, .state = "cancelled" }, "withdrawn" },
	{ { DONE, .state = "cancelled", .error = "re-enrolled" },
	    "withdrawn: re-enrolled" },
	{ { DONE, .state = "refused", .error = "T2" }, "refused: T2" },
};

static void
each_wait_has_its_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(waits); i++) {
		AUTO(str_free)
		char *s = mdm_why_sentence(&waits[i].why, NOW);

		assert_string_equal(s, waits[i].sentence);
	}
}

static void
each_end_has_its_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		AUTO(str_free)
		char *s = mdm_why_sentence(&ends[i].why, NOW);

		assert_string_equal(s, ends[i].sentence);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wait_has_its_sentence),
		cmocka_unit_test(each_end_has_its_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
