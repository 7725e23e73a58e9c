/*
 * A server that is too old, played by a thread: it takes anybody in and tells
 * its version (PostgreSQL's protocol 3.0, "Start-up").
 */
#include "tests/store/fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

struct old_server {
	int socket;
	uint16_t port;
};

/* AuthenticationOk, ParameterStatus, ReadyForQuery. */
static const char greeting[] = "R\0\0\0\10\0\0\0\0"
                               "S\0\0\0\30server_version\0"
                               "14.9\0"
                               "Z\0\0\0\5I";

static void *
greet(void *arg)
{
	struct old_server *s = arg;
	int peer = accept(s->socket, NULL, NULL);
	char packet[1024];

	assert_true(peer >= 0);
	assert_true(read(peer, packet, sizeof(packet)) > 8);
	assert_int_equal(write(peer, greeting, sizeof(greeting) - 1),
	    (ssize_t)sizeof(greeting) - 1);
	(void)!read(peer, packet, sizeof(packet)); /* it says goodbye */
	close(peer);
	return NULL;
}

static void
old_server_is_refused(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct old_server s = { .socket = socket(AF_INET, SOCK_STREAM, 0) };
	AUTO(str_free) char *address = NULL;
	struct store *st = NULL;
	struct err e = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(bind(s.socket, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(s.socket, 1), 0);
	assert_int_equal(getsockname(s.socket, (struct sockaddr *)&a, &len), 0);
	pthread_create(&thread, NULL, greet, &s);
	address = str_printf("postgresql://x@127.0.0.1:%d/x?sslmode=disable&"
	                     "gssencmode=disable",
	    (int)ntohs(a.sin_port));
	assert_false(
	    store_open(&(struct store_options){ .path = address }, &st, &e));
	pthread_join(thread, NULL);
	close(s.socket);
	assert_int_equal(e.code, ERR_INVALID);
	assert_string_equal(
	    e.text, "PostgreSQL 15 or newer is needed; the server is 14");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_server_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
