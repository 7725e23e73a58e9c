/* Birth and death of servers: what cannot start says why, what runs ends
 * whatever its connections are doing. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "http_test.h"

struct gate {
	sem_t entered, leave;
};

static bool
block(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct gate *g = service;

	(void)rq;
	(void)e;
	sem_post(&g->entered);
	sem_wait(&g->leave);
	buf_adds(http_out(rp), "done");
	return true;
}

static bool
hello(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)service;
	(void)e;
	assert_string_equal(http_peer(rq), "127.0.0.1");
	assert_true(http_type_is(rq, "text/xml"));
	assert_false(http_type_is(rq, "text/x"));
	buf_adds(http_out(rp), "hello");
	return true;
}

static const struct http_route blocking[] = {
	{ "GET", "/block", HTTP_ANYONE, 0, block },
};
static const struct http_route greeting[] = {
	{ "GET", "/hello", HTTP_ANYONE, 0, hello },
};

static void
listeners_have_their_sides(void **state)
{
	struct http_server *s = server_new((struct http_options){ 0 });
	static const char ask_hello[] = "GET /hello HTTP/1.1\r\n"
	                                "Content-Type: Text/XML; q=1\r\n\r\n";
	uint16_t device, admin;

	(void)state;
	http_add(s, HTTP_DEVICE_SIDE, greeting, 1, NULL);
	device = server_listen(s, HTTP_DEVICE_SIDE);
	admin = server_listen(s, HTTP_ADMIN_SIDE);
	assert_int_equal(ask_status(device, ask_hello), 200);
	assert_int_equal(ask_status(admin, ask_hello), 404);
	http_free(&s);
	assert_null(s);
}

static void
several_io_threads(void **state)
{
	struct http_server *s =
	    server_new((struct http_options){ .io_threads = 3 });
	uint16_t port;

	(void)state;
	http_add(s, HTTP_DEVICE_SIDE, greeting, 1, NULL);
	port = server_listen(s, HTTP_DEVICE_SIDE);
	for (int i = 0; i < 30; i++)
		assert_int_equal(
		    ask_status(port, "GET /hello HTTP/1.1\r\n"
		                     "Content-Type: text/xml\r\n\r\n"),
		    200);
	http_free(&s);
}

static void
expect_no_start(struct http_server *s, struct http_listen l, const char *why)
{
	uint16_t port = 0;
	struct err e;

	assert_false(http_listen(s, &l, &port, &e));
	if (strstr(e.text, why) == NULL)
		fail_msg("%s", e.text);
}

static void
says_why_it_cannot_start(void **state)
{
	struct http_server *s = server_new((struct http_options){ 0 });
	uint16_t port = server_listen(s, HTTP_DEVICE_SIDE);

	(void)state;
	expect_no_start(s,
	    (struct http_listen){ .address = "127.0.0.1", .port = port },
	    "in use");
	expect_no_start(s, (struct http_listen){ .address = "localhost" },
	    "not an IP address");
	expect_no_start(s,
	    (struct http_listen){ .address = "127.0.0.1",
	        .cert_pem = "no certificate",
	        .key_pem = "no key" },
	    "listener");
	http_free(&s);
}

static void *
free_server(void *arg)
{
	struct http_server *s = arg;

	http_free(&s);
	return NULL;
}

static void
finishes_what_is_under_way(void **state)
{
	struct http_server *s = server_new((struct http_options){ 0 });
	struct gate g;
	struct answer a;
	pthread_t stopper;
	int fd, idle;
	uint16_t port;

	(void)state;
	sem_init(&g.entered, 0, 0);
	sem_init(&g.leave, 0, 0);
	http_add(s, HTTP_DEVICE_SIDE, blocking, 1, &g);
	port = server_listen(s, HTTP_DEVICE_SIDE);
	idle = dial(port);
	fd = dial(port);
	say(fd, "GET /block HTTP/1.1\r\n\r\n");
	sem_wait(&g.entered);
	assert_int_equal(pthread_create(&stopper, NULL, free_server, s), 0);
	/* Once nobody can connect, it is stopping. */
	for (int64_t end = clock_mono_ms() + PATIENCE_MS;;) {
		struct sockaddr_in to = { .sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int probe = socket(AF_INET, SOCK_STREAM, 0);
		int rc = connect(probe, (struct sockaddr *)&to, sizeof(to));

		close(probe);
		if (rc != 0)
			break;
		assert_true(clock_mono_ms() < end);
	}
	sem_post(&g.leave);
	hear(fd, &a, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(buf_str(a.body), "done");
	assert_string_equal(header_of(&a, "Connection"), "close");
	answer_clear(&a);
	assert_true(hears_end(fd));
	assert_true(hears_end(idle));
	pthread_join(stopper, NULL);
	close(fd);
	close(idle);
}

static void
counts_requests(void **state)
{
	struct http_server *s = server_new((struct http_options){ 0 });
	struct buf *b = buf_new(1 << 16);
	uint16_t port;

	(void)state;
	http_add(s, HTTP_DEVICE_SIDE, greeting, 1, NULL);
	port = server_listen(s, HTTP_DEVICE_SIDE);
	for (int i = 0; i < 3; i++)
		ask_status(port, "GET /none HTTP/1.1\r\n\r\n");
	http_stats_write(s, b);
	assert_non_null(strstr(buf_str(b),
	    "\nmutsu_http_requests_total{side=\"device\",status=\"4xx\"} 3\n"));
	assert_non_null(strstr(
	    buf_str(b), "# TYPE mutsu_http_request_seconds_total counter\n"));
	buf_free(&b);
	http_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_have_their_sides),
		cmocka_unit_test(several_io_threads),
		cmocka_unit_test(says_why_it_cannot_start),
		cmocka_unit_test(finishes_what_is_under_way),
		cmocka_unit_test(counts_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
