/* Replies as they arrive: errors of each side, headers, bodies; and the
 * status table. */
#include "core/json.h"
#include "http_test.h"

static const char fixed[] = "static text";

static bool
act(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	const char *what = http_param(rq, "what");

	(void)service;
	if (str_eq(what, "refuse"))
		return err_slug(e, ERR_REFUSED, "wipe_refused_t2",
		    "a \"T2\" Mac of M\xc3\xbcller");
	if (str_eq(what, "break"))
		return err_set(e, ERR_INTERNAL, "disk /dev/sda is full");
	if (str_eq(what, "stranger"))
		return err_set(e, ERR_UNAUTHORIZED, "who are you");
	if (str_eq(what, "busy"))
		return err_set(e, ERR_UNAVAILABLE, "later");
	if (str_eq(what, "401"))
		http_set(rp, 401, NULL);
	if (str_eq(what, "static"))
		http_set_static(rp, slice_of(fixed, sizeof(fixed) - 1));
	if (str_eq(what, "big"))
		for (int i = 0; i < 1 << 16; i++)
			buf_adds(http_out(rp), "0123456789abcdef");
	if (str_eq(what, "endless"))
		for (int i = 0; i < 65; i++)
			buf_addf(http_out(rp), "%*s", 1 << 20, "");
	if (str_eq(what, "headers")) {
		http_set(rp, 201, "application/json");
		http_set_header(rp, "Location", "/old");
		http_set_header(rp, "Location", "/things/1");
		http_set_header(rp, "Cache-Control", "max-age=60");
		http_set_header(rp, "X-Bad", "a\r\nInjected: yes");
	}
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/{what}", HTTP_ANYONE, 0, act },
};

struct fixture {
	struct http_server *s;
	uint16_t port[2];
};

static int
set_up(void **state)
{
	static struct fixture f;

	f.s = server_new((struct http_options){ .workers = 2 });
	/* What is logged here as an error is provoked. */
	log_set_level(LOG_ERROR + 1);
	for (int side = 0; side < 2; side++)
		http_add(f.s, side, routes, COUNT(routes), NULL);
	for (int side = 0; side < 2; side++)
		f.port[side] = server_listen(f.s, side);
	*state = &f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	http_free(&f->s);
	return 0;
}

static void
get(struct fixture *f, enum http_side side, const char *what, struct answer *a)
{
	char request[128];

	snprintf(
	    request, sizeof(request), "GET /%s?t=1 HTTP/1.1\r\n\r\n", what);
	ask(f->port[side], request, a);
}

static void
expect_line(struct fixture *f, const char *what, int status, const char *line)
{
	struct answer a;

	get(f, HTTP_DEVICE_SIDE, what, &a);
	assert_int_equal(a.status, status);
	assert_string_equal(buf_str(a.body), line);
	answer_clear(&a);
}

static void
device_errors_are_one_line(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	expect_line(f, "refuse", 422, "a \"T2\" Mac of M\xc3\xbcller\n");
	expect_line(f, "break", 500, "internal error\n");
	expect_line(f, "stranger", 403, "who are you\n");
	expect_line(f, "401", 500, "internal error\n");
	expect_line(f, "endless", 500, "internal error\n");
	get(f, HTTP_DEVICE_SIDE, "busy", &a);
	assert_int_equal(a.status, 503);
	assert_string_equal(header_of(&a, "Retry-After"), "2");
	answer_clear(&a);
}

static void
expect_problem(struct fixture *f, const char *what, int status,
    const char *code, const char *detail)
{
	AUTO(json_free) json_t *j = NULL;
	struct answer a;
	struct err e;

	get(f, HTTP_ADMIN_SIDE, what, &a);
	assert_int_equal(a.status, status);
	assert_string_equal(
	    header_of(&a, "Content-Type"), "application/problem+json");
	assert_true(json_parse(buf_slice(a.body), &j, &e));
	assert_int_equal(
	    json_integer_value(json_object_get(j, "status")), status);
	assert_string_equal(
	    json_string_value(json_object_get(j, "code")), code);
	assert_string_equal(
	    json_string_value(json_object_get(j, "detail")), detail);
	assert_string_equal(json_string_value(json_object_get(j, "request_id")),
	    header_of(&a, "X-Request-Id"));
	assert_string_equal(header_of(&a, "X-Content-Type-Options"), "nosniff");
	answer_clear(&a);
}

static void
admin_errors_are_problems(void **state)
{
	struct fixture *f = *state;

	expect_problem(f, "refuse", 422, "wipe_refused_t2",
	    "a \"T2\" Mac of M\xc3\xbcller");
	expect_problem(f, "break", 500, "internal", "internal error");
	expect_problem(f, "stranger", 401, "unauthorized", "who are you");
	expect_problem(f, "busy", 503, "unavailable", "later");
	expect_problem(f, "a/b", 404, "not_found", "no such path");
}

static void
headers_and_bodies(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	get(f, HTTP_DEVICE_SIDE, "headers", &a);
	assert_int_equal(a.status, 201);
	assert_string_equal(header_of(&a, "Content-Type"), "application/json");
	assert_string_equal(header_of(&a, "Location"), "/things/1");
	assert_string_equal(header_of(&a, "Cache-Control"), "max-age=60");
	assert_null(header_of(&a, "Injected"));
	answer_clear(&a);
	get(f, HTTP_DEVICE_SIDE, "static", &a);
	assert_string_equal(buf_str(a.body), fixed);
	answer_clear(&a);
	get(f, HTTP_DEVICE_SIDE, "big", &a);
	assert_int_equal(a.body->len, 1 << 20);
	answer_clear(&a);
	get(f, HTTP_DEVICE_SIDE, "nothing", &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(header_of(&a, "Content-Length"), "0");
	assert_string_equal(header_of(&a, "Cache-Control"), "no-store");
	assert_null(header_of(&a, "Content-Type"));
	answer_clear(&a);
}

static void
every_code_has_a_status(void **state)
{
	(void)state;
	for (int code = ERR_NONE; code < ERR_CODES; code++) {
		assert_int_not_equal(
		    http_status_of(code, HTTP_DEVICE_SIDE), 401);
		assert_true(http_status_of(code, HTTP_ADMIN_SIDE) >= 200);
	}
	assert_int_equal(
	    http_status_of(ERR_UNAUTHORIZED, HTTP_ADMIN_SIDE), 401);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_errors_are_one_line),
		cmocka_unit_test(admin_errors_are_problems),
		cmocka_unit_test(headers_and_bodies),
		cmocka_unit_test(every_code_has_a_status),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
