/* Apple's table of statuses and reasons, and reading an answer's body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apns/apns_client_priv.h"

/* Every row of "Handling notification responses from APNs". */
static void
table(void **state)
{
	static const struct {
		int status;
		const char *reason;
		enum apns_outcome outcome;
	} rows[] = {
		{ 200, "", APNS_ACCEPTED },
		{ 400, "BadCollapseId", APNS_BUG },
		{ 400, "BadDeviceToken", APNS_REFUSED },
		{ 400, "BadExpirationDate", APNS_BUG },
		{ 400, "BadMessageId", APNS_BUG },
		{ 400, "BadPriority", APNS_BUG },
		{ 400, "BadTopic", APNS_OUR_FAULT },
		{ 400, "DeviceTokenNotForTopic", APNS_REFUSED },
		{ 400, "DuplicateHeaders", APNS_BUG },
		{ 400, "IdleTimeout", APNS_BACK_OFF },
		{ 400, "InvalidPushType", APNS_OUR_FAULT },
		{ 400, "MissingDeviceToken", APNS_BUG },
		{ 400, "MissingTopic", APNS_OUR_FAULT },
		{ 400, "PayloadEmpty", APNS_BUG },
		{ 400, "TopicDisallowed", APNS_OUR_FAULT },
		{ 403, "BadCertificate", APNS_OUR_FAULT },
		{ 403, "BadCertificateEnvironment", APNS_OUR_FAULT },
		{ 403, "ExpiredProviderToken", APNS_OUR_FAULT },
		{ 403, "Forbidden", APNS_OUR_FAULT },
		{ 403, "InvalidProviderToken", APNS_OUR_FAULT },
		{ 403, "MissingProviderToken", APNS_OUR_FAULT },
		{ 404, "BadPath", APNS_BUG },
		{ 405, "MethodNotAllowed", APNS_BUG },
		{ 410, "ExpiredToken", APNS_DEAD },
		{ 410, "Unregistered", APNS_DEAD },
		{ 413, "PayloadTooLarge", APNS_BUG },
		{ 429, "TooManyProviderTokenUpdates", APNS_BACK_OFF },
		{ 429, "TooManyRequests", APNS_BACK_OFF },
		{ 500, "InternalServerError", APNS_BACK_OFF },
		{ 503, "ServiceUnavailable", APNS_BACK_OFF },
		{ 503, "Shutdown", APNS_BACK_OFF },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(apns_classify(rows[i].status, rows[i].reason),
		    rows[i].outcome);
}

/* Only 410 retires a token; a reason nobody has heard of acts by class. */
static void
unknown_reasons(void **state)
{
	(void)state;
	assert_int_equal(apns_classify(0, ""), APNS_UNREACHABLE);
	assert_int_equal(apns_classify(0, "Unregistered"), APNS_UNREACHABLE);
	assert_int_equal(apns_classify(400, "New"), APNS_BUG);
	assert_int_equal(apns_classify(400, "Unregistered"), APNS_BUG);
	assert_int_equal(apns_classify(403, "New"), APNS_OUR_FAULT);
	assert_int_equal(apns_classify(410, "New"), APNS_DEAD);
	assert_int_equal(apns_classify(418, "New"), APNS_BUG);
	assert_int_equal(apns_classify(429, "New"), APNS_BACK_OFF);
	assert_int_equal(apns_classify(502, "New"), APNS_BACK_OFF);
	assert_int_equal(apns_classify(301, "New"), APNS_BACK_OFF);
	assert_int_equal(apns_classify(503, "BadDeviceToken"), APNS_BACK_OFF);
}

static void
reasons_of_goaway(void **state)
{
	(void)state;
	assert_true(apns_answer_our_fault("BadCertificate"));
	assert_true(apns_answer_our_fault("BadTopic"));
	assert_false(apns_answer_our_fault("Shutdown"));
	assert_false(apns_answer_our_fault(""));
}

static void
bodies(void **state)
{
	static const struct {
		const char *body, *reason;
		int64_t timestamp;
	} rows[] = {
		{ "{\"reason\":\"Unregistered\",\"timestamp\":1700000000123}",
		    "Unregistered", 1700000000123 },
		{ "{\"reason\":\"BadTopic\"}", "BadTopic", 0 },
		{ "{\"reason\":\"BadTopic\",\"timestamp\":\"1\"}", "BadTopic",
		    0 },
		{ "{\"reason\":null}", "", 0 },
		{ "{\"reason\":1}", "", 0 },
		{ "{}", "", 0 },
		{ "[\"BadTopic\"]", "", 0 },
		{ "BadTopic", "", 0 },
		{ "", "", 0 },
	};
	char long_body[200] = "{\"reason\":\"";
	char reason[64];
	int64_t timestamp;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		apns_answer_reason(slice_str(rows[i].body), reason,
		    sizeof(reason), &timestamp);
		assert_string_equal(reason, rows[i].reason);
		assert_int_equal(timestamp, rows[i].timestamp);
	}
	for (size_t i = 11; i < 150; i++)
		long_body[i] = 'x';
	long_body[150] = '"';
	long_body[151] = '}';
	apns_answer_reason(
	    slice_str(long_body), reason, sizeof(reason), &timestamp);
	assert_string_equal(reason, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(unknown_reasons),
		cmocka_unit_test(reasons_of_goaway),
		cmocka_unit_test(bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
