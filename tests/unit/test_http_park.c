/*
 * Long polls: woken, timed out, left by their client, and never holding a
 * worker.
 */
#include <stdatomic.h>

#include "http_test.h"

struct feed {
	struct http_server *s;
	_Atomic int events, runs;
	_Atomic int64_t wait_ms;
	_Atomic bool wake_inside; /* something happens while we look */
};

/* Says how many events there are, or waits for the first. */
static bool
serve_feed(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct feed *f = service;
	int64_t since_ms = http_parked_since(rq);
	int n = atomic_load(&f->events);

	(void)e;
	atomic_fetch_add(&f->runs, 1);
	if (atomic_exchange(&f->wake_inside, false)) {
		atomic_fetch_add(&f->events, 1);
		http_wake(f->s);
	}
	if (n == 0 &&
	    (since_ms == 0 || clock_mono_ms() - since_ms < f->wait_ms)) {
		buf_adds(http_out(rp), "this is discarded");
		http_park(rp, clock_mono_ms() + f->wait_ms);
		return true;
	}
	buf_addf(http_out(rp), "%d", n);
	return true;
}

static bool
answer_now(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)rq;
	(void)service;
	(void)e;
	buf_adds(http_out(rp), "now");
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/feed", HTTP_ANYONE, 0, serve_feed },
	{ "GET", "/now", HTTP_ANYONE, 0, answer_now },
};

static const char ask_feed[] = "GET /feed HTTP/1.1\r\n\r\n";

static uint16_t
start(struct feed *f, int64_t wait_ms)
{
	*f = (struct feed){ .wait_ms = wait_ms };
	f->s = server_new(
	    (struct http_options){ .workers = 2, .request_ms = 2000 });
	http_add(f->s, HTTP_ADMIN_SIDE, routes, COUNT(routes), f);
	return server_listen(f->s, HTTP_ADMIN_SIDE);
}

static void
wakes_all_and_holds_no_worker(void **state)
{
	struct feed f;
	uint16_t port = start(&f, 60000);
	int fd[10];
	struct answer a;

	(void)state;
	for (size_t i = 0; i < COUNT(fd); i++) {
		fd[i] = dial(port);
		say(fd[i], ask_feed);
	}
	WAIT_FOR(stat_of(f.s, "mutsu_http_parked") == COUNT(fd));
	assert_int_equal(ask_status(port, "GET /now HTTP/1.1\r\n\r\n"), 200);
	f.events = 7;
	http_wake(f.s);
	for (size_t i = 0; i < COUNT(fd); i++) {
		hear(fd[i], &a, false);
		assert_int_equal(a.status, 200);
		assert_string_equal(buf_str(a.body), "7");
		answer_clear(&a);
		close(fd[i]);
	}
	http_free(&f.s);
}

static void
deadline_runs_it_again(void **state)
{
	struct feed f;
	uint16_t port = start(&f, 30);
	struct answer a;

	(void)state;
	ask(port, ask_feed, &a);
	assert_string_equal(buf_str(a.body), "0");
	assert_true(f.runs >= 2);
	answer_clear(&a);
	http_free(&f.s);
}

static void
wake_while_looking_is_not_lost(void **state)
{
	struct feed f;
	uint16_t port = start(&f, 60000);
	struct answer a;

	(void)state;
	f.wake_inside = true;
	ask(port, ask_feed, &a);
	assert_string_equal(buf_str(a.body), "1");
	assert_int_equal(f.runs, 2);
	answer_clear(&a);
	http_free(&f.s);
}

static void
client_that_leaves_is_dropped(void **state)
{
	struct feed f;
	uint16_t port = start(&f, 60000);
	int fd = dial(port);

	(void)state;
	say(fd, ask_feed);
	WAIT_FOR(stat_of(f.s, "mutsu_http_parked") == 1);
	close(fd);
	WAIT_FOR(stat_of(f.s, "mutsu_http_parked") == 0);
	assert_int_equal(f.runs, 1);
	http_free(&f.s);
}

static const struct http_route guarded[] = {
	{ "GET", "/secret", HTTP_VIEW, 0, serve_feed },
};

static _Atomic bool still_good;

static bool
authorize(const struct http_request *rq, unsigned rights,
    struct http_caller *out, void *arg, struct err *e)
{
	(void)rq, (void)rights, (void)out, (void)arg;
	return still_good || err_set(e, ERR_FORBIDDEN, "revoked");
}

/* Whoever lost his right while he waited hears nothing more. */
static void
it_is_authorized_again_before_it_runs_again(void **state)
{
	struct feed f = { .wait_ms = 60000 };
	struct http_listen l = { .side = HTTP_ADMIN_SIDE,
		.address = "127.0.0.1",
		.authorizer = authorize };
	struct err e = { 0 };
	struct answer a;
	uint16_t port;
	int fd;

	(void)state;
	still_good = true;
	f.s = server_new(
	    (struct http_options){ .workers = 2, .request_ms = 2000 });
	http_add(f.s, HTTP_ADMIN_SIDE, guarded, COUNT(guarded), &f);
	if (!http_listen(f.s, &l, &port, &e))
		fail_msg("%s", e.text);
	fd = dial(port);
	say(fd, "GET /secret HTTP/1.1\r\n\r\n");
	WAIT_FOR(stat_of(f.s, "mutsu_http_parked") == 1);
	still_good = false;
	f.events = 7;
	http_wake(f.s);
	hear(fd, &a, false);
	assert_int_equal(a.status, 403);
	assert_int_equal(f.runs, 1);
	answer_clear(&a);
	close(fd);
	http_free(&f.s);
}

static void
stopping_releases_it(void **state)
{
	struct feed f;
	uint16_t port = start(&f, 60000);
	int fd = dial(port);
	int64_t began_ms = clock_mono_ms();
	struct answer a;

	(void)state;
	say(fd, ask_feed);
	WAIT_FOR(stat_of(f.s, "mutsu_http_parked") == 1);
	http_free(&f.s);
	assert_true(clock_mono_ms() - began_ms < PATIENCE_MS / 2);
	hear(fd, &a, false);
	assert_int_equal(a.status, 503);
	answer_clear(&a);
	assert_true(hears_end(fd));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wakes_all_and_holds_no_worker),
		cmocka_unit_test(deadline_runs_it_again),
		cmocka_unit_test(wake_while_looking_is_not_lost),
		cmocka_unit_test(client_that_leaves_is_dropped),
		cmocka_unit_test(it_is_authorized_again_before_it_runs_again),
		cmocka_unit_test(stopping_releases_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
