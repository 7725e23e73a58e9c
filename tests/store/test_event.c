/*
 * The event feed: numbers without gaps in the order of commits, also when
 * transactions are rolled back between them; unknown kinds.
 */
#include "tests/store/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/store_event.h"

static bool
add(struct store *st, const char *kind, bool keep, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct store_event ev = { .kind = kind,
		.device_id = "D1",
		.subject_id = "S1",
		.actor = "system",
		.data = "{\"a\":1}" };

	return store_begin(st, STORE_WRITE, &tx, e) &&
	       store_event_add(tx, &ev, e) && (!keep || store_commit(&tx, e));
}

static void *
add_many(void *arg)
{
	struct err e = { 0 };

	for (int i = 0; i < 50; i++)
		must(add(arg, "command.queued", i % 4 != 0, &e), &e);
	return NULL;
}

static void
numbers_have_no_gaps(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[16];

	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, add_many, f->st);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM event"), 16 * 37);
	assert_int_equal(number(f->st, "SELECT MIN(seq) FROM event"), 1);
	assert_int_equal(number(f->st, "SELECT MAX(seq) FROM event"), 16 * 37);
}

static void
columns_are_stored(void **state)
{
	struct fixture *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct err e = { 0 };
	int64_t before = clock_now_ms();
	bool more;

	must(add(f->st, "order.refused", true, &e), &e);
	must(store_begin(f->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx,
	         "SELECT at, kind, device_id, subject_id, actor, data FROM "
	         "event",
	         S_ARGS(), &r, &e),
	    &e);
	must(store_next(r, &more, &e), &e);
	assert_true(more);
	assert_true(store_int(r, 0) >= before);
	assert_string_equal(store_text(r, 1), "order.refused");
	assert_string_equal(store_text(r, 2), "D1");
	assert_string_equal(store_text(r, 3), "S1");
	assert_string_equal(store_text(r, 4), "system");
	assert_string_equal(store_text(r, 5), "{\"a\":1}");
}

static void
heard(void *arg)
{
	++*(int *)arg;
}

static void
feed_is_notified(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	int calls = 0;

	store_listen(f->st, STORE_CHANNEL_EVENT, heard, &calls);
	must(add(f->st, "user.created", false, &e), &e);
	assert_int_equal(calls, 0);
	must(add(f->st, "user.created", true, &e), &e);
	assert_int_equal(calls, 1);
}

static void
kinds_are_distinct_and_explained(void **state)
{
	const struct store_event_kind *kinds = store_event_kinds();

	(void)state;
	for (const struct store_event_kind *k = kinds; k->name != NULL; k++) {
		assert_non_null(strchr(k->name, '.'));
		assert_false(str_empty(k->help));
		for (const struct store_event_kind *o = kinds; o != k; o++)
			assert_string_not_equal(o->name, k->name);
	}
}

/* In a child, since a build with checks stops there. */
static void
unknown_kind_is_a_bug(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	store_close(&f->st);
	child = fork();
	if (child == 0) {
		struct rlimit none = { 0, 0 };
		struct err e = { 0 };

		setrlimit(RLIMIT_CORE, &none);
		(void)!freopen("/dev/null", "w", stderr);
		signal(SIGABRT, SIG_DFL);
		f->st = open_db(f->path);
		if (add(f->st, "device.nonsense", true, &e))
			_exit(1);
		_exit(e.code == ERR_INTERNAL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
#ifdef MUTSU_CHECKS
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#else
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
	f->st = open_db(f->path);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM event"), 0);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(numbers_have_no_gaps),
		TEST(columns_are_stored),
		TEST(feed_is_notified),
		TEST(kinds_are_distinct_and_explained),
		TEST(unknown_kind_is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
