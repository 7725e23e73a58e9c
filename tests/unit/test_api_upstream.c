/* Upstreams over the API: who may make them, what is shown, and templates that
 * name them.  What they may say is in test_scep_upstream_conf.c. */
#include "tests/unit/api_fixture.h"

#define LIST "GET /api/v1/upstreams"
#define SHOW "GET /api/v1/upstreams/corp"
#define PUT "PUT /api/v1/upstreams/corp"
#define DROP "DELETE /api/v1/upstreams/corp"
#define TEST "POST /api/v1/upstreams/corp/test"
#define TEMPLATE "PUT /api/v1/templates/corp"
#define NAMES_IT "{\"upstream\":\"corp\"}"

/* Body of a good one; the caller's. */
static char *
good(struct admin *a)
{
	AUTO(cert_authority_free)
	struct cert_authority *ca = cert_live_get(a->site->live);
	AUTO(buf_free) struct buf *pem = buf_new(8192);
	AUTO(json_free) json_t *o = json_object();

	OK(cert_pem(cert_authority_root(ca), pem, &e));
	json_put_str(o, "kind", "est");
	json_put_str(o, "url", "https://ca.example.com/.well-known/est");
	json_put_str(o, "ca", buf_str(pem));
	json_put_str(o, "user", "ra");
	json_put_str(o, "password", "open sesame");
	return json_text(o);
}

static void
administrators_make_them(void **state)
{
	struct admin *a = *state;
	AUTO(str_free) char *body = good(a);

	REFUSED(NOBODY, LIST, NULL, 401, "unauthorized");
	REFUSED(OPERATOR, PUT, body, 403, "forbidden");
	REFUSED(OPERATOR, DROP, NULL, 403, "forbidden");
	REFUSED(OPERATOR, TEST, "{}", 403, "forbidden");
	REFUSED(VIEWER, SHOW, NULL, 404, "not_found");
	REFUSED(ADMIN, DROP, NULL, 404, "not_found");
	REFUSED(ADMIN, PUT, "{\"kind\":\"est\"}", 400, "invalid");
	REFUSED(ADMIN, PUT, "{\"colour\":1}", 400, "invalid");
}

static void
made_named_and_removed(void **state)
{
	struct admin *a = *state;
	AUTO(str_free) char *body = good(a);
	AUTO(str_free) char *text = NULL;

	REFUSED(ADMIN, TEMPLATE, NAMES_IT, 400, "invalid");
	CALL(ADMIN, PUT, body, 200);
	CALL(VIEWER, SHOW, NULL, 200);
	text = json_text(a->body);
	assert_null(strstr(text, "sesame"));
	assert_true(json_is_true(at(a, "secret")));
	CALL(VIEWER, LIST, NULL, 200);
	assert_int_equal(json_array_size(at(a, "upstreams")), 1);
	CALL(ADMIN, TEMPLATE, NAMES_IT, 200);
	assert_string_equal(json_string_value(at(a, "upstream")), "corp");
	REFUSED(ADMIN, DROP, NULL, 409, "conflict");
	/* Macs prove themselves by certificates of ours. */
	REFUSED(ADMIN, "PUT /api/v1/templates/device-identity", NAMES_IT, 400,
	    "invalid");
	REFUSED(ADMIN, "PUT /api/v1/templates/tls-server", NAMES_IT, 400,
	    "invalid");
	CALL(ADMIN, "DELETE /api/v1/templates/corp", NULL, 204);
	CALL(ADMIN, DROP, NULL, 204);
	CALL(VIEWER, LIST, NULL, 200);
	assert_int_equal(json_array_size(at(a, "upstreams")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(administrators_make_them),
		cmocka_unit_test(made_named_and_removed),
	};

	return cmocka_run_group_tests(tests, admin_setup, admin_teardown);
}
