/* The ledger as the API lists it. */
#include "tests/unit/api_fixture.h"

static void
add(struct site *s, const char *fp, const char *device, int64_t not_after,
    const char *revoked)
{
	struct store_tx *tx = site_write(s);
	int64_t now = clock_now_ms();

	OK(store_exec(tx,
	    "INSERT INTO certificate (fingerprint, serial, authority_id, "
	    "subject, spki, template, purpose, device_id, der, not_before, "
	    "not_after, state, created_at) VALUES ($1, $1, 'ca', 'CN=x', 'k', "
	    "'device-user', 'rollout', $2, $3, $4, $5, $6, $7)",
	    S_ARGS(S_TEXT(fp), S_TEXT(device), S_BLOB(slice_str("der")),
	        S_INT(now), S_INT(now + not_after), S_TEXT(revoked),
	        S_INT(1000)),
	    NULL, &e));
	site_commit(tx);
}

static const char *
state_at(const struct admin *a, size_t i)
{
	return text_in(json_array_get(at(a, "certificates"), i), "state");
}

static void
states_filter_pages(void **state)
{
	struct admin *a = *state;
	char path[256];

	add(a->site, "fp1", "M-T2", 31 * MS_DAY, "issued");
	add(a->site, "fp2", "M-T2", 29 * MS_DAY, "issued");
	add(a->site, "fp3", "M-T2", -1, "issued");
	add(a->site, "fp4", "M-T2", MS_DAY, "revoked");
	add(a->site, "fp5", "M-INTEL", 31 * MS_DAY, "issued");

	CALL(
	    VIEWER, "GET /api/v1/certificates?device=C02T2&limit=3", NULL, 200);
	assert_int_equal(json_array_size(at(a, "certificates")), 3);
	assert_string_equal(state_at(a, 0), "revoked");
	assert_string_equal(state_at(a, 1), "expired");
	assert_string_equal(state_at(a, 2), "expiring");
	assert_string_equal(
	    text_in(json_array_get(at(a, "certificates"), 0), "device"),
	    "C02T2");
	snprintf(path, sizeof(path),
	    "GET /api/v1/certificates?device=C02T2&limit=3&after=%s",
	    text_at(a, "next"));
	CALL(VIEWER, path, NULL, 200);
	assert_int_equal(json_array_size(at(a, "certificates")), 1);
	assert_string_equal(state_at(a, 0), "valid");
	assert_true(json_is_null(at(a, "next")));
	REFUSED(
	    VIEWER, "GET /api/v1/certificates?after=x", NULL, 400, "invalid");
	REFUSED(
	    VIEWER, "GET /api/v1/certificates?after=:x", NULL, 400, "invalid");
	REFUSED(VIEWER, "GET /api/v1/certificates?device=none", NULL, 404,
	    "not_found");
	CALL(VIEWER, "GET /api/v1/certificates?limit=500", NULL, 200);
	assert_true(json_array_size(at(a, "certificates")) >= 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_filter_pages),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
