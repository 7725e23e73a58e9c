/* The pool: overflow, blocked handlers, authorizers, clients that vanish. */
#include <semaphore.h>
#include <stdatomic.h>

#include "http_test.h"

struct gate {
	sem_t entered, leave;
	_Atomic int authorized, handled;
};

static bool
block(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct gate *g = service;

	(void)e;
	sem_post(&g->entered);
	sem_wait(&g->leave);
	atomic_fetch_add(&g->handled, 1);
	buf_addf(http_out(rp), "%s", http_caller(rq)->name);
	return true;
}

static bool
allow_good_token(const struct http_request *rq, unsigned rights,
    struct http_caller *out, void *arg, struct err *e)
{
	struct gate *g = arg;

	atomic_fetch_add(&g->authorized, 1);
	if (!str_eq(http_header(rq, "Authorization"), "Bearer good"))
		return err_set(e, ERR_UNAUTHORIZED, "no such token");
	if (rights & HTTP_ADMIN)
		return err_set(e, ERR_FORBIDDEN, "not yours");
	assert_int_equal(http_body(rq).len, 0);
	assert_true(str_copy(out->name, sizeof(out->name), "token:t"));
	out->rights = HTTP_VIEW;
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/", HTTP_ANYONE, 0, block },
	{ "POST", "/view", HTTP_VIEW, 100, block },
	{ "POST", "/admin", HTTP_ADMIN, 100, block },
};

static struct http_server *
start(struct gate *g, struct http_options o, uint16_t *port)
{
	struct http_server *s = server_new(o);
	struct http_listen l = { .side = HTTP_ADMIN_SIDE,
		.address = "127.0.0.1",
		.authorizer = allow_good_token,
		.authorizer_arg = g };
	struct err e;

	sem_init(&g->entered, 0, 0);
	sem_init(&g->leave, 0, 0);
	g->authorized = g->handled = 0;
	http_add(s, HTTP_ADMIN_SIDE, routes, COUNT(routes), g);
	assert_true(http_listen(s, &l, port, &e));
	return s;
}

static void
overflow_is_503(void **state)
{
	struct gate g;
	uint16_t port;
	struct http_server *s = start(
	    &g, (struct http_options){ .workers = 2, .queue_max = 3 }, &port);
	struct answer a;
	int fd[5];

	(void)state;
	for (int i = 0; i < 5; i++) {
		fd[i] = dial(port);
		say(fd[i], "GET / HTTP/1.1\r\n\r\n");
		if (i < 2)
			sem_wait(&g.entered);
	}
	WAIT_FOR(stat_of(s, "mutsu_http_queue") == 3);
	ask(port, "GET / HTTP/1.1\r\n\r\n", &a);
	assert_int_equal(a.status, 503);
	assert_string_equal(header_of(&a, "Retry-After"), "2");
	answer_clear(&a);
	assert_int_equal(stat_of(s, "mutsu_http_rejected_total"), 1);
	for (int i = 0; i < 5; i++)
		sem_post(&g.leave);
	for (int i = 0; i < 5; i++) {
		hear(fd[i], &a, false);
		assert_int_equal(a.status, 200);
		answer_clear(&a);
		close(fd[i]);
	}
	http_free(&s);
}

static void
authorizes_before_the_body(void **state)
{
	struct gate g;
	uint16_t port;
	struct http_server *s =
	    start(&g, (struct http_options){ .workers = 2 }, &port);
	struct answer a;

	(void)state;
	sem_post(&g.leave);
	ask(port, "POST /view HTTP/1.1\r\nContent-Length: 5\r\n\r\n", &a);
	assert_int_equal(a.status, 401);
	assert_string_equal(header_of(&a, "WWW-Authenticate"), "Bearer");
	assert_string_equal(
	    header_of(&a, "Content-Type"), "application/problem+json");
	assert_non_null(strstr(buf_str(a.body), "\"unauthorized\""));
	answer_clear(&a);
	assert_int_equal(
	    ask_status(port, "POST /admin HTTP/1.1\r\nContent-Length: 5\r\n"
	                     "Authorization: Bearer good\r\n\r\n"),
	    403);
	assert_int_equal(g.handled, 0);
	ask(port,
	    "POST /view HTTP/1.1\r\nContent-Length: 5\r\n"
	    "Authorization: Bearer good\r\n\r\nhello",
	    &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(buf_str(a.body), "token:t");
	answer_clear(&a);
	assert_int_equal(g.authorized, 3);
	http_free(&s);
}

static void
client_may_vanish_while_handled(void **state)
{
	struct gate g;
	uint16_t port;
	struct http_server *s =
	    start(&g, (struct http_options){ .workers = 2 }, &port);

	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = dial(port);
		struct linger reset = { 1, 0 };

		say(fd, "GET / HTTP/1.1\r\n\r\n");
		sem_wait(&g.entered);
		if (i % 2 == 0)
			setsockopt(
			    fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		sem_post(&g.leave);
		WAIT_FOR(g.handled == i + 1);
	}
	http_free(&s);
}

static void
a_blocked_worker_does_not_stop_others(void **state)
{
	struct gate g;
	uint16_t port;
	struct http_server *s =
	    start(&g, (struct http_options){ .workers = 8 }, &port);
	int fd[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		fd[i] = dial(port);
		say(fd[i], "GET / HTTP/1.1\r\n\r\n");
	}
	/* All eight are inside at once, though none has left. */
	for (int i = 0; i < 8; i++)
		sem_wait(&g.entered);
	for (int i = 0; i < 8; i++)
		sem_post(&g.leave);
	for (int i = 0; i < 8; i++) {
		struct answer a;

		hear(fd[i], &a, false);
		assert_int_equal(a.status, 200);
		answer_clear(&a);
		close(fd[i]);
	}
	http_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overflow_is_503),
		cmocka_unit_test(authorizes_before_the_body),
		cmocka_unit_test(client_may_vanish_while_handled),
		cmocka_unit_test(a_blocked_worker_does_not_stop_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
