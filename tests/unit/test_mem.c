/* Memory: freeing, wiping, comparing, and running out of it. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core_test.h"

static void
free_leaves_null(void **state)
{
	int *p = mem_zalloc(3, sizeof(*p));

	(void)state;
	assert_int_equal(p[2], 0);
	p = mem_realloc(p, 100 * sizeof(*p));
	p[99] = 1;
	mem_free(&p);
	assert_null(p);
	mem_free(&p);
	p = mem_alloc(0);
	assert_non_null(p);
	mem_free(&p);
}

static void
compare_and_wipe(void **state)
{
	char a[] = "secret";

	(void)state;
	assert_true(mem_eq_const_time("abc", "abd", 2));
	assert_false(mem_eq_const_time("abc", "abd", 3));
	mem_wipe(a, sizeof(a));
	assert_memory_equal(a, "\0\0\0\0\0\0", sizeof(a));
	mem_wipe(NULL, 0);
}

static void
no_memory_ends_the_process(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		static const struct rlimit none = { 0, 0 };
		void *volatile p;

		setrlimit(RLIMIT_CORE, &none);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		p = mem_alloc(SIZE_MAX / 4);
		_exit(p == NULL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	/* Under a sanitizer it is that which ends the process. */
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
memory_is_kept_private(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit now = { 1, 1 };
		struct err e;

		if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 ||
		    !mem_keep_private(&e) || getrlimit(RLIMIT_CORE, &now) != 0)
			_exit(1);
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
		      now.rlim_cur != 0 || now.rlim_max != 0 ||
		      access("/proc/self/statm", R_OK) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_leaves_null),
		cmocka_unit_test(compare_and_wipe),
		cmocka_unit_test(no_memory_ends_the_process),
		cmocka_unit_test(memory_is_kept_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
