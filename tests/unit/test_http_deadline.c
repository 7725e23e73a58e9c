/* Slow senders are cut off, wherever in a request they are. */
#include "http_test.h"

static bool
answer(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq;
	(void)rp;
	(void)service;
	(void)e;
	return true;
}

static const struct http_route routes[] = {
	{ "POST", "/", HTTP_ANYONE, 1000, answer },
};

static struct http_server *
start(int64_t request_ms, uint16_t *port)
{
	struct http_server *s =
	    server_new((struct http_options){ .request_ms = request_ms });

	http_add(s, HTTP_DEVICE_SIDE, routes, COUNT(routes), NULL);
	*port = server_listen(s, HTTP_DEVICE_SIDE);
	return s;
}

/* Sends text and then drips one byte at a time until it is cut off. */
static void
expect_cut(uint16_t port, const char *text)
{
	int64_t began_ms = clock_mono_ms();
	struct pollfd p = { .events = POLLIN };
	char c;
	ssize_t n = 1;

	p.fd = dial(port);
	say(p.fd, text);
	while (n > 0 && clock_mono_ms() - began_ms < PATIENCE_MS) {
		say(p.fd, "x");
		if (poll(&p, 1, 5) == 1)
			n = recv(p.fd, &c, 1, 0);
	}
	assert_true(n <= 0);
	assert_true(clock_mono_ms() - began_ms >= 150);
	close(p.fd);
}

static void
slow_senders_are_cut(void **state)
{
	uint16_t port;
	struct http_server *s = start(200, &port);

	(void)state;
	expect_cut(port, "");
	expect_cut(port, "POST / HTTP/1.1\r\nX: ");
	expect_cut(port, "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
	WAIT_FOR(stat_of(s, "mutsu_http_timeouts_total") == 3);
	http_free(&s);
}

static void
silent_body_is_cut_on_a_kept_connection(void **state)
{
	uint16_t port;
	struct http_server *s = start(200, &port);
	struct answer a;
	int fd = dial(port);

	(void)state;
	say(fd, "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
	hear(fd, &a, false);
	assert_int_equal(a.status, 200);
	answer_clear(&a);
	say(fd, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx");
	assert_true(hears_end(fd));
	close(fd);
	http_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_senders_are_cut),
		cmocka_unit_test(silent_body_is_cut_on_a_kept_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
