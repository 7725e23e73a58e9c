/* SCEP requests that wait for approval: who may see and decide.  What is
 * decided is in test_scep_approval.c. */
#include "tests/unit/api_fixture.h"

#define LIST "GET /api/v1/scep-requests"
#define APPROVE "POST /api/v1/scep-requests/x/approve"
#define REJECT "POST /api/v1/scep-requests/x/reject"

static void
administrators_decide(void **state)
{
	struct admin *a = *state;

	REFUSED(NOBODY, LIST, NULL, 401, "unauthorized");
	REFUSED(NOBODY, APPROVE, NULL, 401, "unauthorized");
	REFUSED(VIEWER, APPROVE, NULL, 403, "forbidden");
	REFUSED(OPERATOR, APPROVE, NULL, 403, "forbidden");
	REFUSED(OPERATOR, REJECT, NULL, 403, "forbidden");
}

static void
listed(void **state)
{
	struct admin *a = *state;
	struct store_tx *tx = site_write(a->site);
	const json_t *one;

	OK(store_exec(tx,
	    "INSERT INTO scep_request (id, transaction_id, signer_spki, spki,"
	    " csr, subject, template, peer, state, created_at, expires_at)"
	    " VALUES ('r1', 't1', 's', 'k', $1, '{\"cn\":\"gate\"}', 'scep',"
	    " '192.0.2.1', 'pending', 1, 2)",
	    S_ARGS(S_BLOB(slice_str("x"))), NULL, &e));
	OK(store_commit(&tx, &e));
	CALL(VIEWER, LIST "?state=pending", NULL, 200);
	one = json_array_get(at(a, "scep_requests"), 0);
	assert_string_equal(json_string_value(json_object_get(
	                        json_object_get(one, "subject"), "cn")),
	    "gate");
	CALL(VIEWER, LIST "/r1", NULL, 200);
	assert_string_equal(json_string_value(at(a, "state")), "pending");
	assert_true(json_is_null(at(a, "upstream")));
	REFUSED(VIEWER, LIST "/r2", NULL, 404, "not_found");
	CALL(VIEWER, LIST "?state=queued", NULL, 200);
	assert_int_equal(json_array_size(at(a, "scep_requests")), 0);
	CALL(VIEWER, LIST "?state=issued", NULL, 200);
	assert_int_equal(json_array_size(at(a, "scep_requests")), 0);
	REFUSED(VIEWER, LIST "?state=maybe", NULL, 400, "invalid");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(administrators_decide),
		cmocka_unit_test(listed),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
