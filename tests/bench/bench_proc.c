/* What the kernel says about a process.  See bench_proc.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_proc.h"
#include "core/file.h"

enum { STAT_MAX = 4096, UTIME = 14 };

int64_t
proc_cpu_ms(int64_t pid)
{
	AUTO(str_free)
	char *path = str_printf("/proc/%lld/stat", (long long)pid);
	char text[STAT_MAX];
	FILE *f = pid != 0 ? fopen(path, "re") : NULL;
	const char *p;
	size_t n;
	long long user, system;

	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	/* The name, in parentheses, may hold blanks: field 3 is behind it. */
	p = strrchr(text, ')');
	for (int field = 2; p != NULL && field < UTIME; field++)
		p = strchr(p + 1, ' ');
	if (p == NULL || sscanf(p, "%lld %lld", &user, &system) != 2)
		return 0;
	return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}
