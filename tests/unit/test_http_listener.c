/* What listeners hold: connections, their memory, and heads of requests. */
#include <sys/resource.h>

#include "core/limits.h"
#include "http/http_priv.h"
#include "http_test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEASURABLE = 0 };
#else
enum { MEASURABLE = 1 };
#endif
enum { KEPT = 200, KEPT_KB_MAX = 44 };

static bool
length_of_query(const struct http_request *rq, struct http_reply *rp,
    void *service, struct err *e)
{
	const char *raw = http_raw_query(rq);

	(void)service;
	(void)e;
	buf_addf(http_out(rp), "%zu", raw != NULL ? strlen(raw) : 0);
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/", HTTP_ANYONE, 0, length_of_query },
};

static int64_t
resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &all, &resident), 2);
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Thousands of Macs may keep a connection open between two requests. */
static void
kept_connections_are_cheap(void **state)
{
	struct http_server *s = server_new((struct http_options){ 0 });
	int64_t before_kb;
	int fds[KEPT];
	uint16_t port;

	(void)state;
	http_add(s, HTTP_DEVICE_SIDE, routes, COUNT(routes), NULL);
	port = server_listen(s, HTTP_DEVICE_SIDE);
	before_kb = resident_kb();
	for (size_t i = 0; i < KEPT; i++) {
		struct answer a;

		fds[i] = dial(port);
		say(fds[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		hear(fds[i], &a, false);
		assert_int_equal(a.status, 200);
		answer_clear(&a);
	}
	if (MEASURABLE)
		assert_in_range(
		    (resident_kb() - before_kb) / KEPT, 0, KEPT_KB_MAX);
	for (size_t i = 0; i < KEPT; i++)
		close(fds[i]);
	http_free(&s);
}

static int
ask_with_query(uint16_t port, size_t len)
{
	AUTO(buf_free) struct buf *b = buf_new(len + 100);

	buf_adds(b, "GET /?");
	for (size_t i = 0; i < len; i++)
		buf_adds(b, "a");
	buf_adds(b, " HTTP/1.1\r\nHost: a\r\n\r\n");
	return ask_status(port, buf_str(b));
}

/* SCEP's GET carries a message in the query, and a proxy a certificate in a
 * header: both fit, what is beyond the limit does not. */
static void
heads_are_bounded(void **state)
{
	struct http_server *s = server_new((struct http_options){ 0 });
	uint16_t port;

	(void)state;
	http_add(s, HTTP_DEVICE_SIDE, routes, COUNT(routes), NULL);
	port = server_listen(s, HTTP_DEVICE_SIDE);
	assert_int_equal(ask_with_query(port, LIMIT_HEADERS * 3 / 4), 200);
	assert_int_not_equal(ask_with_query(port, LIMIT_HEADERS), 200);
	assert_int_equal(ask_with_query(port, 1), 200);
	http_free(&s);
}

/* Idle connections never take the descriptors that the database and pushes
 * need. */
static void
leaves_descriptors(void **state)
{
	struct rlimit before, few;
	struct http_server *s;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	s = server_new((struct http_options){ 0 });
	assert_in_range(s->o.connections_max, 100, (1000 - 200) / HTTP_SIDES);
	http_free(&s);
	s = server_new((struct http_options){ .connections_max = 20 });
	assert_int_equal(s->o.connections_max, 20);
	http_free(&s);
	few.rlim_cur = 128;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	s = server_new((struct http_options){ .connections_max = 5000 });
	assert_in_range(s->o.connections_max, 8, 128 / HTTP_SIDES);
	http_free(&s);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_connections_are_cheap),
		cmocka_unit_test(heads_are_bounded),
		cmocka_unit_test(leaves_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
