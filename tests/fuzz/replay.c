/*
 * Stands in for libFuzzer: runs a fuzz target over every file of the corpus
 * directories given, so that all builds, the sanitizers' above all, replay
 * what was ever found.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	if (f == NULL) {
		perror(path);
		return -1;
	}
	data = malloc(INPUT_MAX);
	size = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	/* No slack behind the input: the address sanitizer watches its end. */
	data = realloc(data, size > 0 ? size : 1);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int
run_directory(const char *path, int *count)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	char file[4096];
	int failed = 0;

	if (d == NULL) {
		perror(path);
		return -1;
	}
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		failed |= run_file(file);
		++*count;
	}
	closedir(d);
	return failed;
}

int
main(int argc, char **argv)
{
	int count = 0, failed = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		failed |= run_directory(argv[i], &count);
	printf("%d inputs\n", count);
	/* A corpus that is not there would pass for ever. */
	return failed != 0 || count == 0;
}
