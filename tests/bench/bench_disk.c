/*
 * The bound of durable work: how often in a second the disk says that what was
 * appended is there.  One thread.
 *
 *	bench_disk DIR SECONDS
 *
 * Prints one number.  The appends are of two database pages, into space that a
 * file has already, as those of a write-ahead log.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"

enum { CHUNK = 8192, CHUNKS = 1024 };

static void
put(int fd, int64_t n)
{
	static const char chunk[CHUNK];

	if (pwrite(fd, chunk, sizeof(chunk), n % CHUNKS * CHUNK) ==
	        (ssize_t)sizeof(chunk) &&
	    (n < CHUNKS || fdatasync(fd) == 0))
		return;
	perror("bench_disk");
	exit(1);
}

int
main(int argc, char **argv)
{
	AUTO(str_free) char *path = NULL;
	int64_t from, until, n = 0, now;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_disk DIR SECONDS\n");
		return 2;
	}
	path = str_printf("%s/bench-disk", argv[1]);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	unlink(path);
	while (n < CHUNKS)
		put(fd, n++);
	fsync(fd);
	from = clock_mono_us();
	until = from + (int64_t)(strtod(argv[2], NULL) * 1e6);
	do
		put(fd, n++);
	while ((now = clock_mono_us()) < until);
	close(fd);
	printf("%.0f\n", (double)(n - CHUNKS) / ((double)(now - from) / 1e6));
	return 0;
}
