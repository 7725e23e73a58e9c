/* A copy that is killed goes on where it was. */
#include "tests/store/copy_fixture.h"

#include <signal.h>
#include <sys/wait.h>

struct death {
	int calls; /* at which of them */
};

static void
die(const char *what, const char *table, int64_t rows, void *arg)
{
	struct death *d = arg;

	(void)what, (void)table, (void)rows;
	if (--d->calls == 0)
		(void)raise(SIGKILL);
}

/* Kills a copy at its n-th call; false: it came to its end before. */
static bool
killed_at(struct store_copy_options o, int n)
{
	struct death d = { n };
	struct store_copy_result *r = NULL;
	struct err e = { 0 };
	pid_t child = fork();
	int status;

	o.progress = die;
	o.arg = &d;
	if (child == 0) {
		/* The server needs a moment to see that a client has died. */
		while (
		    !store_copy(&o, &r, &e) && strstr(e.text, "in use") != NULL)
			clock_sleep_ms(5);
		_exit(r != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(status, 0);
	return false;
}

static struct store_copy_result *
copy_soon(const struct store_copy_options *o)
{
	struct store_copy_result *r = NULL;
	struct err e = { 0 };

	while (!store_copy(o, &r, &e)) {
		if (strstr(e.text, "in use") == NULL)
			fail_msg("%s", e.text);
		clock_sleep_ms(5);
	}
	return r;
}

/* Batches of the source: 6 each of 3 tables, and 3 of the large one. */
enum { READS = 21 };

static void
killed_again_and_again_it_ends_right(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	struct store_copy_options home = options(p->other, p->back);
	AUTO(store_copy_result_free) struct store_copy_result *a = NULL;
	AUTO(store_copy_result_free) struct store_copy_result *b = NULL;
	struct store *st = NULL;
	struct err e = { 0 };

	assert_true(killed_at(o, READS / 2));
	/* Each goes on for 4 batches, then for what is left, then compares. */
	for (int i = 0; i < 6; i++) {
		assert_true(killed_at(o, READS + 4));
		while (!store_open(&(struct store_options){ .path = p->other },
		           &st, &e) &&
		       strstr(e.text, "in use") != NULL)
			clock_sleep_ms(5);
		assert_null(st);
		assert_int_equal(e.code, ERR_CONFLICT);
		assert_non_null(strstr(e.text, "not finished"));
	}
	a = copy_soon(&o);
	assert_int_equal(a->copied, 0); /* was all copied before */
	b = copy_soon(&home);
	assert_same(a, b);
}

static void
the_middle_is_where_it_goes_on(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	AUTO(store_copy_result_free) struct store_copy_result *r = NULL;

	assert_true(killed_at(o, READS + 5));
	r = copy_soon(&o);
	assert_int_equal(r->copied, r->rows - 5 * BATCH);
}

static void
a_source_that_changed_needs_a_restart(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	AUTO(store_copy_result_free) struct store_copy_result *r = NULL;
	struct err e = { 0 };

	assert_true(killed_at(o, READS + 10));
	on(p->file, STORE_WORK, "DELETE FROM event WHERE seq = 1");
	while (!store_copy(&o, &r, &e) && strstr(e.text, "in use") != NULL)
		clock_sleep_ms(5);
	assert_null(r);
	assert_non_null(strstr(e.text, "--restart"));
	o.restart = true;
	r = copy_soon(&o);
	assert_int_equal(r->copied, r->rows);
}

static void
a_difference_is_found(void **state)
{
	struct places *p = places(state);
	struct store_copy_options o = options(p->file, p->other);
	struct store *st = NULL;
	struct err e = { 0 };

	assert_true(killed_at(o, 2 * READS + 1)); /* while it compares */
	while (!store_open(
	    &(struct store_options){ .path = p->other, .use = STORE_COPY_TO },
	    &st, &e)) {
		assert_non_null(strstr(e.text, "in use"));
		clock_sleep_ms(5);
	}
	write_sql(st,
	    "UPDATE device SET name = NULL WHERE name = '' AND "
	    "id = 'a-1'",
	    S_ARGS());
	store_close(&st);
	refused(&o, ERR_INTERNAL, "table device");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(killed_again_and_again_it_ends_right),
		T(the_middle_is_where_it_goes_on),
		T(a_source_that_changed_needs_a_restart),
		T(a_difference_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
