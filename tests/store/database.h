/*
 * Where a test's database is: the file it names, or, when the environment
 * has the socket directory of a PostgreSQL server in MUTSU_TEST_DATABASE
 * (see with-pgsql.sh), a database of that server, made when first asked for.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/str.h"

/* Not SQLite. */
static inline bool
test_on_pgsql(void)
{
	return getenv("MUTSU_TEST_DATABASE") != NULL;
}

static inline void
test_run_program(const char *const argv[])
{
	extern char **environ;
	pid_t child;
	int status;

	if (posix_spawnp(&child, argv[0], NULL, NULL, (char *const *)argv,
	        environ) != 0 ||
	    waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "%s failed\n", argv[0]);
		abort();
	}
}

/* What to open for this path; the caller frees it. */
static inline char *
test_database(const char *path)
{
	const char *host = getenv("MUTSU_TEST_DATABASE");
	const char *prefix = getenv("MUTSU_TEST_PREFIX");
	AUTO(str_free) char *name = NULL;
	int marker;

	if (host == NULL)
		return str_dup(path);
	name = str_printf("%s_%s", prefix != NULL ? prefix : "t", path);
	for (char *p = name; *p != '\0'; p++) {
		if (*p == '/' || *p == '.')
			*p = '_';
	}
	/* The file says that the database was made. */
	marker = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (marker >= 0) {
		const char *const argv[] = { "createdb", "-h", host, "-U",
			"mutsu", name, NULL };

		close(marker);
		test_run_program(argv);
	}
	return str_printf("postgresql://mutsu@/%s?host=%s", name, host);
}
