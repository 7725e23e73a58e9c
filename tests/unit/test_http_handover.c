/*
 * Taking requests: framing, limits, routes, parameters; each refusal is seen
 * from the wire, with the body unread where it has to be.
 */
#include "http_test.h"

static bool
echo(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct slice body = http_body(rq);

	(void)service;
	(void)e;
	http_set(rp, 200, "text/plain");
	buf_addf(http_out(rp), "%s %s|", http_method(rq), http_path(rq));
	buf_add(http_out(rp), body.p, body.len);
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	const char *q = http_query(rq, "q"), *raw = http_raw_query(rq);

	(void)service;
	(void)e;
	buf_addf(http_out(rp), "id=%s q=%s raw=%s", http_param(rq, "id"),
	    q != NULL ? q : "-", raw != NULL ? raw : "-");
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/echo", HTTP_ANYONE, 0, echo },
	{ "POST", "/echo", HTTP_ANYONE, 10, echo },
	{ "PUT", "/big", HTTP_ANYONE, 4 << 20, echo },
	{ "GET", "/things/{id}", HTTP_ANYONE, 0, show },
};

struct fixture {
	struct http_server *s;
	uint16_t port;
};

static int
set_up(void **state)
{
	static struct fixture f;

	f.s = server_new((struct http_options){ .workers = 4 });
	http_add(f.s, HTTP_DEVICE_SIDE, routes, COUNT(routes), NULL);
	http_add(f.s, HTTP_ADMIN_SIDE, routes, COUNT(routes), NULL);
	f.port = server_listen(f.s, HTTP_DEVICE_SIDE);
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
expect_body(uint16_t port, const char *request, const char *body)
{
	struct answer a;

	ask(port, request, &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(buf_str(a.body), body);
	answer_clear(&a);
}

static void
serves_get_post_head(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	expect_body(
	    f->port, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "GET /echo|");
	expect_body(f->port,
	    "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
	    "POST /echo|hello");
	expect_body(f->port,
	    "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
	    "POST /echo|hello");
	expect_body(f->port,
	    "GET http://example.org/echo?x HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET /echo|");
	ask(f->port, "HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n", &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(header_of(&a, "Content-Length"), "11");
	assert_string_equal(header_of(&a, "Cache-Control"), "no-store");
	answer_clear(&a);
}

static void
unknown_path_and_method(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	assert_int_equal(
	    ask_status(f->port, "GET /nothing HTTP/1.1\r\n\r\n"), 404);
	assert_int_equal(
	    ask_status(f->port, "GET /things/ HTTP/1.1\r\n\r\n"), 404);
	assert_int_equal(
	    ask_status(f->port, "GET /ech%zz HTTP/1.1\r\n\r\n"), 400);
	assert_int_equal(
	    ask_status(f->port, "GET /echo%00 HTTP/1.1\r\n\r\n"), 400);
	ask(f->port, "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n", &a);
	assert_int_equal(a.status, 405);
	assert_string_equal(header_of(&a, "Allow"), "GET, HEAD, POST");
	answer_clear(&a);
}

/* None of these sends the body it announces: the answer must not wait. */
static void
refuses_before_the_body(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	int fd = dial(f->port);

	say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 11\r\n\r\n");
	hear(fd, &a, false);
	assert_int_equal(a.status, 413);
	assert_string_equal(header_of(&a, "Connection"), "close");
	assert_true(hears_end(fd));
	close(fd);
	answer_clear(&a);
	assert_int_equal(ask_status(f->port,
	                     "POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n"),
	    404);
	assert_int_equal(ask_status(f->port,
	                     "PUT /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\n"),
	    405);
	assert_int_equal(ask_status(f->port,
	                     "GET /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n"),
	    413);
	assert_int_equal(ask_status(f->port,
	                     "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\n"
	                     "Content-Length: 99999999999\r\n\r\n"),
	    413);
}

/* The answer survives although the client goes on sending. */
static void
answer_outlives_an_oversize_body(void **state)
{
	struct fixture *f = *state;
	static char megabyte[1 << 20];
	struct answer a;
	int fd = dial(f->port);

	say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n");
	say_bytes(fd, megabyte, sizeof(megabyte));
	hear(fd, &a, false);
	assert_int_equal(a.status, 413);
	answer_clear(&a);
	close(fd);
}

static void
chunked_oversize(void **state)
{
	struct fixture *f = *state;
	static char chunk[64 << 10];
	struct answer a;
	int fd = dial(f->port);

	assert_int_equal(
	    ask_status(f->port,
	        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "6\r\n123456\r\n5\r\n78901\r\n0\r\n\r\n"),
	    413);
	/* One that never ends is cut off. */
	say(fd, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 64; i++) {
		say(fd, "10000\r\n");
		say_bytes(fd, chunk, sizeof(chunk));
		say(fd, "\r\n");
	}
	hear(fd, &a, false);
	assert_int_equal(a.status, 0);
	close(fd);
}

static void
refuses_ambiguous_framing(void **state)
{
	static const char *const headers[] = {
		"Content-Length: 5\r\nContent-Length: 5\r\n",
		"Content-Length: 5\r\ncontent-length: 6\r\n",
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: gzip\r\n",
		"Content-Length : 5\r\n",
		"Host: a\r\nHost: b\r\n",
		/* Folded lines, which the library joins to names. */
		"Content: 5\r\n -Length\r\n",
		"Content-Length: 5\r\n 0\r\n",
		"Transfer-Encoding:\r\n chunked\r\n",
		"Client: :MAMCAQc=:\r\n\t-Cert\r\n",
		"Host: a\r\n b\r\n c\r\nContent-Length: 5\r\n",
		"X: a\rContent-Length: 5\r\nContent-Length: 0\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(headers); i++) {
		char request[256];
		struct answer a;
		int fd = dial(f->port);

		snprintf(request, sizeof(request),
		    "POST /echo HTTP/1.1\r\n%s\r\n", headers[i]);
		say(fd, request);
		hear(fd, &a, false);
		if (a.status != 400)
			fail_msg("%d for %s", a.status, headers[i]);
		assert_true(hears_end(fd));
		answer_clear(&a);
		close(fd);
	}
}

static void
chunks_are_for_http_1_1(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    ask_status(f->port, "POST /echo HTTP/1.0\r\nConnection: keep-alive"
	                        "\r\nTransfer-Encoding: chunked\r\n\r\n"
	                        "2\r\nhi\r\n0\r\n\r\n"),
	    400);
	expect_body(f->port,
	    "POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
	    "POST /echo|hi");
}

/* Unusual, and right. */
static void
takes_any_spaces_around_values(void **state)
{
	struct fixture *f = *state;

	expect_body(f->port,
	    "POST /echo HTTP/1.1\r\nHost:a\r\nEmpty:\r\nBlank:  \t \r\n"
	    "X:\t y z  \r\nContent-Length:     2\r\nCookie: a=b; c=d\r\n"
	    "Last:x\r\n\r\nhi",
	    "POST /echo|hi");
}

static void
headers_have_a_limit(void **state)
{
	struct fixture *f = *state;
	static char value[80 << 10];
	struct answer a;
	int fd = dial(f->port);

	memset(value, 'x', sizeof(value));
	say(fd, "GET /echo HTTP/1.1\r\nX: ");
	say_bytes(fd, value, sizeof(value));
	say(fd, "\r\n\r\n");
	hear(fd, &a, false);
	assert_true(a.status == 0 || a.status == 413 || a.status == 431);
	answer_clear(&a);
	close(fd);
}

static void
decodes_parameters(void **state)
{
	struct fixture *f = *state;

	expect_body(f->port,
	    "GET /things/a%2Fb+c%20d?q=x+y%2Bz&q=2 HTTP/1.1\r\n\r\n",
	    "id=a/b+c d q=x y+z raw=q=x+y%2Bz&q=2");
	expect_body(
	    f->port, "GET /things/1?q HTTP/1.1\r\n\r\n", "id=1 q= raw=q");
	expect_body(f->port, "GET /things/1?message=%00&q=%ff HTTP/1.1\r\n\r\n",
	    "id=1 q=- raw=message=%00&q=%ff");
}

/* A filter that is left out would show everything. */
static void
the_admin_side_refuses_what_is_no_text(void **state)
{
	static const char *const bad[] = { "%ff", "%00", "%zz", "%", "a&%ff=b",
		"a&r=%c3" };
	struct fixture *f = *state;
	uint16_t port = server_listen(f->s, HTTP_ADMIN_SIDE);
	struct answer a;

	for (size_t i = 0; i < COUNT(bad); i++) {
		AUTO(str_free)
		char *request =
		    str_printf("GET /things/1?q=%s HTTP/1.1\r\n\r\n", bad[i]);

		ask(port, request, &a);
		assert_int_equal(a.status, 400);
		assert_string_equal(
		    header_of(&a, "Content-Type"), "application/problem+json");
		assert_non_null(strstr(buf_str(a.body), "\"invalid\""));
		answer_clear(&a);
	}
	expect_body(port, "GET /things/1?q=%c3%a9&&r HTTP/1.1\r\n\r\n",
	    "id=1 q=\xc3\xa9 raw=q=%c3%a9&&r");
}

static void
keeps_the_connection(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	int fd = dial(f->port);

	for (int i = 0; i < 500; i++) {
		say(fd, i % 3 == 0   ? "GET /nothing HTTP/1.1\r\n\r\n"
		        : i % 3 == 1 ? "GET /echo HTTP/1.1\r\n\r\n"
		                     : "POST /echo HTTP/1.1\r\n"
		                       "Content-Length: 2\r\n\r\nhi");
		hear(fd, &a, false);
		assert_int_equal(a.status, i % 3 == 0 ? 404 : 200);
		answer_clear(&a);
	}
	close(fd);
}

static void
answers_pipelined_requests_in_order(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	int fd = dial(f->port);

	for (int i = 0; i < 50; i++) {
		char request[64];

		snprintf(request, sizeof(request),
		    "GET /things/%d HTTP/1.1\r\n\r\n", i);
		say(fd, request);
	}
	for (int i = 0; i < 50; i++) {
		char body[64];

		snprintf(body, sizeof(body), "id=%d q=- raw=-", i);
		hear(fd, &a, false);
		assert_string_equal(buf_str(a.body), body);
		answer_clear(&a);
	}
	close(fd);
}

static void
large_bodies_both_ways(void **state)
{
	struct fixture *f = *state;
	static char body[3 << 20];
	struct answer a;
	int fd = dial(f->port);

	memset(body, 'b', sizeof(body));
	say(fd, "PUT /big HTTP/1.1\r\nContent-Length: 3145728\r\n\r\n");
	say_bytes(fd, body, sizeof(body));
	hear(fd, &a, false);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body->len, sizeof(body) + strlen("PUT /big|"));
	assert_memory_equal(a.body->p + 9, body, sizeof(body));
	answer_clear(&a);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_get_post_head),
		cmocka_unit_test(unknown_path_and_method),
		cmocka_unit_test(refuses_before_the_body),
		cmocka_unit_test(answer_outlives_an_oversize_body),
		cmocka_unit_test(chunked_oversize),
		cmocka_unit_test(refuses_ambiguous_framing),
		cmocka_unit_test(chunks_are_for_http_1_1),
		cmocka_unit_test(takes_any_spaces_around_values),
		cmocka_unit_test(headers_have_a_limit),
		cmocka_unit_test(decodes_parameters),
		cmocka_unit_test(the_admin_side_refuses_what_is_no_text),
		cmocka_unit_test(keeps_the_connection),
		cmocka_unit_test(answers_pipelined_requests_in_order),
		cmocka_unit_test(large_bodies_both_ways),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
