/*
 * How long a server takes from exec to its first good answer.  One thread.
 *
 *	bench_start TIMES PORT PROGRAM [ARGUMENT...]
 *
 * Runs the program so often, asks 127.0.0.1:PORT for /healthz until it says
 * 200, ends it, and prints the median in ms.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"

enum { TIMES_MAX = 99, PAUSE_US = 200, PATIENCE_MS = 20000 };

extern char **environ;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static pid_t
start(char **argv)
{
	posix_spawn_file_actions_t quiet;
	pid_t pid;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(
	    &quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&quiet, STDOUT_FILENO, STDERR_FILENO);
	if (posix_spawn(&pid, argv[0], &quiet, NULL, argv, environ) != 0)
		die(argv[0]);
	posix_spawn_file_actions_destroy(&quiet);
	return pid;
}

static bool
healthy(uint16_t port)
{
	static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
	                          "Connection: close\r\n\r\n";
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char answer[64] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	            send(fd, ask, strlen(ask), MSG_NOSIGNAL) > 0 &&
	            recv(fd, answer, sizeof(answer) - 1, 0) > 0 &&
	            str_starts(answer, "HTTP/1.1 200");

	close(fd);
	return good;
}

static int64_t
once(char **argv, uint16_t port)
{
	int64_t from = clock_mono_us(), took;
	pid_t pid = start(argv);

	while (!healthy(port)) {
		if (waitpid(pid, NULL, WNOHANG) != 0 ||
		    clock_mono_us() - from > PATIENCE_MS * 1000) {
			kill(pid, SIGKILL);
			fprintf(stderr, "bench_start: no answer\n");
			exit(1);
		}
		usleep(PAUSE_US);
	}
	took = clock_mono_us() - from;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return took;
}

static int
by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
main(int argc, char **argv)
{
	int64_t took[TIMES_MAX], times, port;

	if (argc < 4 || !str_to_i64(argv[1], 1, TIMES_MAX, &times) ||
	    !str_to_i64(argv[2], 1, 65535, &port)) {
		fprintf(stderr,
		    "usage: bench_start TIMES PORT PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	for (int64_t i = 0; i < times; i++)
		took[i] = once(argv + 3, (uint16_t)port);
	qsort(took, (size_t)times, sizeof(took[0]), by_size);
	printf("%.1f\n", (double)took[times / 2] / 1e3);
	return 0;
}
