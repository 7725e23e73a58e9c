/* Tokens and roles: who may call what. */
#include "tests/unit/api_fixture.h"

static void
no_token_or_a_bad_one(void **state)
{
	static const char *const headers[] = {
		"",
		"Authorization: \r\n",
		"Authorization: Bearer\r\n",
		"Authorization: Bearer \r\n",
		"Authorization: Bearer mutsu_short\r\n",
		"Authorization: Basic bXV0c3U6eA==\r\n",
		"Authorization: Bearer "
		"mutsu_0123456789012345678901234567890123456789\r\n",
		"Authorization: Bearer "
		"other_0123456789012345678901234567890123456789\r\n",
	};
	struct admin *a = *state;

	for (size_t i = 0; i < COUNT(headers); i++) {
		a->more = headers[i];
		REFUSED(
		    NOBODY, "GET /api/v1/devices", NULL, 401, "unauthorized");
		assert_non_null(
		    strcasestr(a->head, "WWW-Authenticate: Bearer"));
	}
}

static void
scheme_has_no_case(void **state)
{
	struct admin *a = *state;
	char line[128];

	snprintf(line, sizeof(line), "Authorization: bEARER  %s\r\n",
	    a->tokens[VIEWER]);
	a->more = line;
	CALL(NOBODY, "GET /api/v1/devices", NULL, 200);
}

/* What each role may do: the rights column of docs/api.md. */
static const struct {
	const char *line;
	enum who least;
} routes[] = {
	{ "GET /api/v1/devices", VIEWER },
	{ "GET /api/v1/devices/none", VIEWER },
	{ "POST /api/v1/devices/none/refresh", OPERATOR },
	{ "POST /api/v1/devices/none/push", OPERATOR },
	{ "PUT /api/v1/devices/none/user", OPERATOR },
	{ "DELETE /api/v1/devices/none/user", OPERATOR },
	{ "GET /api/v1/devices/none/commands", VIEWER },
	{ "POST /api/v1/devices/none/commands", OPERATOR },
	{ "GET /api/v1/commands", VIEWER },
	{ "GET /api/v1/commands/none", VIEWER },
	{ "POST /api/v1/commands/none/cancel", OPERATOR },
	{ "POST /api/v1/orders", OPERATOR },
	{ "POST /api/v1/orders/bulk", OPERATOR },
	{ "GET /api/v1/orders", VIEWER },
	{ "GET /api/v1/orders/none", VIEWER },
	{ "GET /api/v1/orders/none/pin", OPERATOR },
	{ "POST /api/v1/orders/none/cancel", OPERATOR },
	{ "GET /api/v1/users", VIEWER },
	{ "POST /api/v1/users", OPERATOR },
	{ "GET /api/v1/users/none", VIEWER },
	{ "DELETE /api/v1/users/none", OPERATOR },
	{ "GET /api/v1/certificates", VIEWER },
	{ "GET /api/v1/events", VIEWER },
	{ "GET /api/v1/push-certificate", VIEWER },
	{ "PUT /api/v1/push-certificate", ADMIN },
	{ "GET /api/v1/tokens", ADMIN },
	{ "POST /api/v1/tokens", ADMIN },
	{ "DELETE /api/v1/tokens/none", ADMIN },
};

static void
roles_matrix(void **state)
{
	struct admin *a = *state;

	for (size_t i = 0; i < COUNT(routes); i++)
		for (int who = NOBODY; who <= ADMIN; who++) {
			bool sends = routes[i].line[0] == 'P'; /* POST, PUT */
			const char *token =
			    who == NOBODY ? NULL : a->tokens[who];
			int status = admin_send(
			    a, token, routes[i].line, sends ? "{}" : NULL);

			if (who == NOBODY)
				assert_int_equal(status, 401);
			else if ((enum who)who < routes[i].least)
				assert_int_equal(status, 403);
			else if (status == 401 || status == 403)
				fail_msg("%s: %d for role %d", routes[i].line,
				    status, who);
		}
}

static void
revoked_works_no_more(void **state)
{
	struct admin *a = *state;
	char token[API_TOKEN_SIZE];
	struct store_tx *tx = site_write(a->site);
	int64_t end = clock_mono_ms() + PATIENCE_MS;
	int status;

	OK(api_token_new(tx, a->site->seal,
	    &(struct api_token_wish){ "brief", "viewer", "test" }, token, &e));
	site_commit(tx);
	assert_int_equal(
	    admin_send(a, token, "GET /api/v1/devices", NULL), 200);
	CALL(ADMIN, "DELETE /api/v1/tokens/brief", NULL, 204);
	assert_int_equal(
	    admin_send(a, token, "GET /api/v1/devices", NULL), 401);

	/* Revoked behind its back, as another node would: within a second. */
	tx = site_write(a->site);
	OK(api_token_new(tx, a->site->seal,
	    &(struct api_token_wish){ "brief2", "viewer", "test" }, token, &e));
	site_commit(tx);
	assert_int_equal(
	    admin_send(a, token, "GET /api/v1/devices", NULL), 200);
	tx = site_write(a->site);
	OK(api_db_token_revoke(tx, "brief2", &e));
	site_commit(tx);
	do
		status = admin_send(a, token, "GET /api/v1/devices", NULL);
	while (status == 200 && clock_mono_ms() < end);
	assert_int_equal(status, 401);
	assert_true(end - clock_mono_ms() > PATIENCE_MS - 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_token_or_a_bad_one),
		cmocka_unit_test(scheme_has_no_case),
		cmocka_unit_test(roles_matrix),
		cmocka_unit_test(revoked_works_no_more),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
