/*
 * The client against an independent HTTP/2 server: nghttpd of Debian's
 * nghttp2-server, asking for our certificate.  Skipped where it is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apns/apns_client.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/file.h"
#include "sim/sim_apns_cert.h"

#define NGHTTPD "/usr/sbin/nghttpd"
enum { COUNT_OF_PUSHES = 3000, WAIT_MS = 90000 };

struct rig {
	char dir[64];
	int port;
	pid_t server;
	atomic_int answered, ok, not_found, other;
	atomic_int count[COUNT_OF_PUSHES];
};

static void
must(bool ok, const struct err *e)
{
	if (!ok)
		fail_msg("%s", e->text);
}

static void
take(const struct apns_answer *a, void *arg)
{
	struct rig *r = arg;

	atomic_fetch_add(&r->count[a->ref], 1);
	if (a->outcome == APNS_ACCEPTED)
		atomic_fetch_add(&r->ok, 1);
	else if (a->status == 404 && a->outcome == APNS_BUG)
		atomic_fetch_add(&r->not_found, 1);
	else
		atomic_fetch_add(&r->other, 1);
	atomic_fetch_add(&r->answered, 1);
}

static int
connect_to(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int rv = connect(fd, (struct sockaddr *)&a, sizeof(a));

	close(fd);
	return rv;
}

static int
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void
write_text(const char *dir, const char *name, const char *text)
{
	AUTO(str_free) char *path = str_printf("%s/%s", dir, name);
	struct err e = { 0 };

	must(file_write(path, slice_str(text), 0600, &e), &e);
}

static void
start_server(struct rig *r, const struct sim_apns_certs *c)
{
	AUTO(str_free) char *htdocs = str_printf("%s/htdocs", r->dir);
	AUTO(str_free) char *devices = str_printf("%s/3/device", htdocs);
	AUTO(str_free) char *key = str_printf("%s/key", r->dir);
	AUTO(str_free) char *cert = str_printf("%s/cert", r->dir);
	char port[16];
	struct err e = { 0 };

	must(file_mkdir(devices, &e), &e);
	/* The token of ref 0 exists there, all others do not. */
	write_text(devices, "00000000", "");
	write_text(r->dir, "key", c->server_key_pem);
	write_text(r->dir, "cert", c->server_cert_pem);
	r->port = free_port();
	(void)snprintf(port, sizeof(port), "%d", r->port);
	r->server = fork();
	assert_true(r->server >= 0);
	if (r->server == 0) {
		(void)execl(NGHTTPD, NGHTTPD, "--verify-client", "-d", htdocs,
		    "-a", "127.0.0.1", port, key, cert, (char *)NULL);
		_exit(127);
	}
	for (int64_t end_ms = clock_mono_ms() + WAIT_MS;
	     connect_to(r->port) != 0;) {
		if (clock_mono_ms() > end_ms)
			fail_msg("nghttpd does not start");
		clock_sleep_ms(5);
	}
}

static void
stop_server(struct rig *r)
{
	static const char *const names[] = { "htdocs/3/device/00000000",
		"htdocs/3/device", "htdocs/3", "htdocs", "key", "cert", "" };

	if (r->server > 0) {
		(void)kill(r->server, SIGKILL);
		(void)waitpid(r->server, NULL, 0);
	}
	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(str_free)
		char *path = str_printf("%s/%s", r->dir, names[i]);

		(void)remove(path);
	}
}

static void
push_all(struct apns_client *c)
{
	for (uint32_t i = 0; i < COUNT_OF_PUSHES; i++) {
		uint8_t token[4] = { 0, 0, (uint8_t)(i >> 8), (uint8_t)i };
		struct apns_push p = { .token = slice_of(token, 4),
			.magic = "magic",
			.topic = "com.apple.mgmt.External.x",
			.expiration_s = 2000000000,
			.ref = i };

		uuid_new_lower(p.id);
		apns_client_push(c, &p, 1);
	}
}

static void
nghttpd(void **state)
{
	AUTO(sim_apns_certs_free) struct sim_apns_certs *certs = NULL;
	AUTO(apns_client_free) struct apns_client *c = NULL;
	struct rig *r = mem_zalloc(1, sizeof(*r));
	char host[32];
	const char *hosts[] = { host, NULL };
	struct err e = { 0 };
	int64_t end_ms = clock_mono_ms() + WAIT_MS;

	(void)state;
	if (access(NGHTTPD, X_OK) != 0) {
		mem_free(&r);
		skip();
	}
	must(sim_apns_certs_new(
	         &(struct sim_apns_cert_options){
	             .topic = "com.apple.mgmt.External.x" },
	         &certs, &e),
	    &e);
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/apns-nghttpd-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	start_server(r, certs);
	(void)snprintf(host, sizeof(host), "127.0.0.1:%d", r->port);
	must(apns_client_new(&(struct apns_client_options){ .hosts = hosts,
	                         .ca_pem = certs->ca_pem,
	                         .cert_pem = certs->push_cert_pem,
	                         .key_pem = certs->push_key_pem },
	         take, r, &c, &e),
	    &e);
	push_all(c);
	while (atomic_load(&r->answered) < COUNT_OF_PUSHES &&
	       clock_mono_ms() < end_ms)
		clock_sleep_ms(2);
	apns_client_free(&c);
	stop_server(r);
	assert_int_equal(atomic_load(&r->ok), 1);
	assert_int_equal(atomic_load(&r->not_found), COUNT_OF_PUSHES - 1);
	assert_int_equal(atomic_load(&r->other), 0);
	for (size_t i = 0; i < COUNT_OF_PUSHES; i++)
		assert_int_equal(atomic_load(&r->count[i]), 1);
	mem_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nghttpd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
