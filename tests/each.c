/*
 * Many tests in one program, since linking one for each took longer than
 * running it: the first argument says which, "scep_issue" of
 * unit/test_scep_issue.c.  EACH is a header with a line EACH_TEST(scep_issue)
 * for every one; CMakeLists.txt makes it, and together.awk renames the main()
 * of each.
 */
#include <stdio.h>

#include "core/auto.h"
#include "core/str.h"

#define EACH_TEST(name) int test_##name(void);
#include EACH
#undef EACH_TEST

static const struct {
	const char *name;
	int (*run)(void);
} all[] = {
#define EACH_TEST(name) { #name, test_##name },
#include EACH
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < COUNT(all); i++) {
		if (str_eq(argv[1], all[i].name))
			return all[i].run();
	}
	fprintf(stderr, "%s NAME, one of", argv[0]);
	for (size_t i = 0; i < COUNT(all); i++)
		fprintf(stderr, " %s", all[i].name);
	fprintf(stderr, "\n");
	return 2;
}
