/*
 * Nodes: what a dead one had is freed when its lease has ended, once; what a
 * leaving one had, at once.
 */
#include "tests/store/fixture.h"

#include <stdatomic.h>

#include "store/store_node.h"

enum { LEASE_MS = 500, WAIT_MS = 90000 };

struct peer {
	struct store *st; /* its own on PostgreSQL */
	struct store_node *node;
	_Atomic int gone, freed;
	char who[STORE_NODE_SIZE];
};

static bool
gone(struct store_tx *tx, const char *node, void *arg, struct err *e)
{
	struct peer *p = arg;

	p->gone++;
	str_copy_cut(p->who, sizeof(p->who), node != NULL ? node : "all");
	return store_exec(tx, "UPDATE t SET n = n + 1", S_ARGS(), NULL, e);
}

static void
freed(void *arg)
{
	((struct peer *)arg)->freed++;
}

static void
join(struct fixture *f, struct peer *p, bool alone)
{
	struct err e = { 0 };

	p->st = test_on_pgsql() ? open_db(f->path) : f->st;
	must(store_node_new(&(struct store_node_options){ .store = p->st,
	                        .alone = alone,
	                        .lease_ms = LEASE_MS,
	                        .on_gone = gone,
	                        .on_freed = freed,
	                        .arg = p },
	         &p->node, &e),
	    &e);
}

static void
leave(struct peer *p)
{
	store_node_free(&p->node);
	if (test_on_pgsql())
		store_close(&p->st);
}

/* A node that died long ago, and had a job. */
static void
add_dead(struct fixture *f)
{
	write_sql(f->st,
	    "INSERT INTO lease (name, holder, until) VALUES "
	    "('node:dead', 'dead', 1), ('job:x', 'dead', 9999999999999)",
	    S_ARGS());
}

static int64_t
dead_leases(struct fixture *f)
{
	return number(
	    f->st, "SELECT COUNT(*) FROM lease WHERE holder = 'dead'");
}

static void
the_dead_are_freed_once(void **state)
{
	struct fixture *f = *state;
	struct peer peers[2] = { 0 };
	int64_t start_ms, end_ms = clock_mono_ms() + WAIT_MS;

	write_sql(f->st, "INSERT INTO t (id) VALUES (1)", S_ARGS());
	add_dead(f);
	start_ms = clock_mono_ms();
	for (int i = 0; i < 2; i++)
		join(f, &peers[i], false);
	while (peers[0].freed + peers[1].freed == 0) {
		assert_true(clock_mono_ms() < end_ms);
		clock_sleep_ms(2);
	}
	/* The others get the time of a lease, after we came. */
	assert_true(clock_mono_ms() - start_ms >= LEASE_MS);
	assert_int_equal(dead_leases(f), 0);
	assert_int_equal(peers[0].gone + peers[1].gone, 1);
	assert_string_equal(peers[peers[0].gone == 1 ? 0 : 1].who, "dead");
	assert_int_equal(number(f->st, "SELECT n FROM t"), 1);
	for (int i = 0; i < 2; i++)
		leave(&peers[i]);
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM lease"), 0);
}

/* Its lease was taken for dead; it comes back under its old name. */
static void
one_that_stood_still_comes_back(void **state)
{
	struct fixture *f = *state;
	struct peer p = { 0 };
	int64_t end_ms = clock_mono_ms() + WAIT_MS;

	join(f, &p, false);
	write_sql(f->st, "DELETE FROM lease", S_ARGS());
	while (number(f->st, "SELECT COUNT(*) FROM lease") == 0) {
		assert_true(clock_mono_ms() < end_ms);
		clock_sleep_ms(2);
	}
	leave(&p);
	assert_string_not_equal(p.who, "");
}

static void
alone_everything_is_freed_at_the_start(void **state)
{
	struct fixture *f = *state;
	struct peer p = { 0 };

	if (test_on_pgsql())
		skip();
	add_dead(f);
	join(f, &p, true);
	assert_string_equal(p.who, "all");
	assert_int_equal(number(f->st, "SELECT COUNT(*) FROM lease"), 0);
	leave(&p);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_dead_are_freed_once),
		TEST(one_that_stood_still_comes_back),
		TEST(alone_everything_is_freed_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
