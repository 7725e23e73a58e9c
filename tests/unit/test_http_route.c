/* Matching of routes, without a server. */
#include "http/http_priv.h"
#include "http_test.h"

static bool
unused(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq;
	(void)rp;
	(void)service;
	(void)e;
	return true;
}

static const struct http_route table[] = {
	{ "GET", "/console/{rest...}", HTTP_ANYONE, 0, unused },
	{ "GET", "/things", HTTP_ANYONE, 0, unused },
	{ "POST", "/things", HTTP_ANYONE, 0, unused },
	{ "GET", "/things/{id}", HTTP_ANYONE, 0, unused },
	{ "DELETE", "/things/{id}", HTTP_VIEW, 0, unused },
	{ "GET", "/things/export", HTTP_ANYONE, 0, unused },
	{ "GET", "/things/{id}/parts/{part}", HTTP_ANYONE, 0, unused },
	{ "GET", "/{a}/parts/all", HTTP_ANYONE, 0, unused },
};

struct expectation {
	const char *method, *target;
	int row;                    /* -1: no such path, -2: no such method */
	const char *first, *second; /* parameters */
};

static const struct expectation expectations[] = {
	{ "GET", "/things", 1, NULL, NULL },
	{ "GET", "/%74hings", 1, NULL, NULL },
	{ "POST", "/things?x=/y", 2, NULL, NULL },
	{ "HEAD", "/things", 1, NULL, NULL },
	{ "PUT", "/things", -2, NULL, NULL },
	{ "get", "/things", -2, NULL, NULL },
	{ "GET", "/things/", -1, NULL, NULL },
	{ "GET", "//things", -1, NULL, NULL },
	{ "GET", "/things/7", 3, "7", NULL },
	{ "HEAD", "/things/7", 3, "7", NULL },
	{ "DELETE", "/things/7", 4, "7", NULL },
	{ "GET", "/things/export", 5, NULL, NULL },
	{ "DELETE", "/things/export", 4, "export", NULL },
	{ "GET", "/things/a%2Fb", 3, "a/b", NULL },
	{ "GET", "/things%2Fexport", -1, NULL, NULL },
	{ "GET", "/things/%E6%97%A5/parts/%20", 6, "\xe6\x97\xa5", " " },
	{ "GET", "/things/parts/all", 7, "things", NULL },
	{ "GET", "/x/parts/all", 7, "x", NULL },
	{ "GET", "/console/js/app.js", 0, "js/app.js", NULL },
	{ "GET", "/console/", -1, NULL, NULL },
	{ "GET", "/console", -1, NULL, NULL },
	{ "GET", "/", -1, NULL, NULL },
};

static void
check(const struct http_routes *r, const struct expectation *x)
{
	struct http_target t = { 0 };
	struct http_match m;
	const char *want[] = { x->first, x->second };

	http_target_parse(&t, x->target);
	assert_false(t.bad);
	http_routes_match(r, x->method, &t, &m);
	if ((x->row >= 0) != (m.rule != NULL) ||
	    (x->row >= 0 && m.rule->route != &table[x->row]) ||
	    (x->row == -2) != (m.rule == NULL && m.path_known))
		fail_msg("%s %s", x->method, x->target);
	for (size_t i = 0; x->row >= 0 && i < COUNT(want); i++) {
		assert_int_equal(want[i] != NULL, i < m.param_count);
		if (want[i] != NULL)
			assert_string_equal(m.params[i].value, want[i]);
	}
	http_target_free(&t);
}

static void
matches(void **state)
{
	struct http_routes r = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		http_routes_add(&r, &table[i], NULL);
	for (size_t i = 0; i < COUNT(expectations); i++)
		check(&r, &expectations[i]);
	assert_false(http_routes_public(&r));
	http_routes_clear(&r);
	assert_true(http_routes_public(&r));
}

static void
bad_targets(void **state)
{
	static const char *const bad[] = { "", "*", "things", "/%", "/%4",
		"/%4g", "/%00", "/%ff", "/a%80b" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct http_target t = { 0 };

		http_target_parse(&t, bad[i]);
		if (!t.bad)
			fail_msg("%s", bad[i]);
		http_target_free(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(bad_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
