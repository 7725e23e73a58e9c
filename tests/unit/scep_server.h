/* micromdm's scepserver as a process of a test, on a loopback port. */
#pragma once

#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/fetch.h"
#include "core/file.h"
#include "tests/unit/core_test.h"

struct scep_server {
	char depot[96], port[8], url[64];
	pid_t child;
	X509 *ca;
};

/* A port that was free a moment ago: the program takes no socket. */
static inline void
scep_server_port(struct scep_server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	snprintf(s->port, sizeof(s->port), "%u", ntohs(at.sin_port));
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%s/scep", s->port);
}

static inline pid_t
scep_server_spawn(const char *const argv[])
{
	posix_spawn_file_actions_t quiet;
	pid_t child = 0;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&child, argv[0], &quiet, NULL, (char *const *)argv,
	        environ) != 0)
		fail_msg("%s is not installed", argv[0]);
	posix_spawn_file_actions_destroy(&quiet);
	return child;
}

static inline void
scep_server_launch(struct scep_server *s, const char *challenge)
{
	scep_server_port(s);
	const char *const argv[] = { "scepserver", "-depot", s->depot, "-port",
		s->port, "-challenge", challenge, "-allowrenew", "0", NULL };
	s->child = scep_server_spawn(argv);
}

static inline bool
scep_server_answers(struct scep_server *s, struct fetch *f)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(str_free)
	char *url = str_printf("%s?operation=GetCACaps", s->url);
	struct fetch_request rq = { .method = "GET", .url = url };
	struct err e = { 0 };

	return fetch_do(f, &rq, &a, &e) && a.status == 200;
}

/* Makes a CA in dir, and serves it. */
static inline void
scep_server_start(struct scep_server *s, const char *dir, const char *challenge,
    struct fetch *f)
{
	AUTO(str_free) char *path = str_printf("%s/depot/ca.pem", dir);
	AUTO(buf_free) struct buf *pem = NULL;
	int status = -1;

	snprintf(s->depot, sizeof(s->depot), "%s/depot", dir);
	const char *const init[] = { "scepserver", "ca", "-init", "-keySize",
		"2048", "-depot", s->depot, NULL };
	waitpid(scep_server_spawn(init), &status, 0);
	assert_int_equal(status, 0);
	assert_ok(file_read(path, 1 << 16, &pem, e));
	assert_ok(cert_parse_pem(buf_slice(pem), &s->ca, e));
	scep_server_launch(s, challenge);
	for (int i = 0; i < 3000; i++) {
		/* Somebody else was quicker to take the port. */
		if (waitpid(s->child, NULL, WNOHANG) == s->child)
			scep_server_launch(s, challenge);
		else if (scep_server_answers(s, f))
			return;
		clock_sleep_ms(10);
	}
	fail_msg("scepserver does not answer");
}

/* Also of one that was not started. */
static inline void
scep_server_stop(struct scep_server *s)
{
	if (s->child > 0) {
		kill(s->child, SIGKILL);
		waitpid(s->child, NULL, 0);
	}
	X509_free(s->ca);
}
