/* What the simulated APNs refuses, each with Apple's status and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/sim_apns_priv.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-4333-8444-555555555555"
#define GOOD "{\"mdm\":\"magic\"}"

struct change {
	const char *name, *value; /* instead of the good one; NULL: left out */
	const char *payload;
	int status;
	const char *reason;
};

static const struct {
	const char *name, *value;
} good[] = {
	{ ":method", "POST" },
	{ ":path", "/3/device/00aaBB" },
	{ "apns-topic", TOPIC },
	{ "apns-push-type", "mdm" },
	{ "apns-id", "123e4567-e89b-42d3-a456-426614174000" },
	{ "apns-expiration", "2000000000" },
	{ "apns-priority", "10" },
	{ "content-type", "application/json" },
};

static void
check(const struct change *c)
{
	struct sim_apns sim = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sim_apns_connection k = { .sim = &sim, .topic = TOPIC };
	struct sim_apns_request *r = mem_zalloc(1, sizeof(*r));
	const char *payload = c->payload != NULL ? c->payload : GOOD;

	r->connection = &k;
	for (size_t i = 0; i < COUNT(good); i++) {
		const char *value = good[i].value;

		if (str_eq(good[i].name, c->name))
			value = c->value;
		if (value != NULL)
			sim_apns_check_field(
			    r, slice_str(good[i].name), slice_str(value));
	}
	r->payload_len = strlen(payload);
	memcpy(r->payload, payload, r->payload_len + 1);
	r->too_large = c->status == 413;
	sim_apns_decide(r);
	assert_int_equal(r->status, c->status);
	if (c->reason != NULL) {
		AUTO(str_free)
		char *body = str_printf("{\"reason\":\"%s\"}", c->reason);

		assert_true(
		    slice_eq_str(slice_of(r->answer, r->answer_len), body));
		assert_int_equal(sim_apns_refused(&sim, c->reason), 1);
	} else {
		assert_int_equal(r->answer_len, 0);
		assert_string_equal(r->token, "00aabb");
	}
	mem_free(&r);
}

static void
headers(void **state)
{
	static const struct change rows[] = {
		{ "x", NULL, NULL, 200, NULL },
		{ "apns-id", NULL, NULL, 200, NULL },
		{ "apns-expiration", NULL, NULL, 200, NULL },
		{ "apns-priority", NULL, NULL, 200, NULL },
		{ ":method", "GET", NULL, 405, "MethodNotAllowed" },
		{ ":path", "/", NULL, 404, "BadPath" },
		{ ":path", "/3/devices/00", NULL, 404, "BadPath" },
		{ ":path", "/3/device/", NULL, 400, "MissingDeviceToken" },
		{ ":path", "/3/device/0", NULL, 400, "BadDeviceToken" },
		{ ":path", "/3/device/0x", NULL, 400, "BadDeviceToken" },
		{ ":path", "/3/device/00/", NULL, 400, "BadDeviceToken" },
		{ "apns-topic", NULL, NULL, 400, "MissingTopic" },
		{ "apns-topic", "com.apple.mgmt.External.2", NULL, 400,
		    "TopicDisallowed" },
		{ "apns-push-type", NULL, NULL, 400, "InvalidPushType" },
		{ "apns-push-type", "alert", NULL, 400, "InvalidPushType" },
		{ "apns-id", "1", NULL, 400, "BadMessageId" },
		{ "apns-expiration", "soon", NULL, 400, "BadExpirationDate" },
		{ "apns-expiration", "-1", NULL, 400, "BadExpirationDate" },
		{ "apns-priority", "11", NULL, 400, "BadPriority" },
		{ "x", NULL, GOOD, 413, "PayloadTooLarge" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i]);
}

static void
payloads(void **state)
{
	static const char *const fine[] = { GOOD, " { \"mdm\" :\t\"a\"\r\n} ",
		"{\"mdm\":\"\\u00e9\\\"\\\\\"}" };
	static const char *const bad[] = { "{}", "{\"mdm\":\"\"}",
		"{\"mdm\":1}", "{\"mdm\":\"a\"", "{\"mdm\":\"a}",
		"{\"mdm\":\"a\",\"aps\":{}}", "{\"mdm\":\"a\"}x",
		"{\"mdm\":\"a\nb\"}", "{\"mdm\":\"\\x\"}",
		"{\"mdm\":\"\\u00g0\"}", "{\"mdm\":\"\\u00\"}", "{\"mdm\":\"\\",
		"{\"mdm\":\"\\u", "[\"mdm\"]", "{\"MDM\":\"a\"}", "mdm", " " };
	const struct change empty = { "x", NULL, "", 400, "PayloadEmpty" };

	(void)state;
	for (size_t i = 0; i < COUNT(fine); i++)
		check(&(struct change){ "x", NULL, fine[i], 200, NULL });
	for (size_t i = 0; i < COUNT(bad); i++)
		check(&(struct change){ "x", NULL, bad[i], 400, "BadPayload" });
	check(&empty);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(payloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
