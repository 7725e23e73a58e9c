/* The mark of the master key: whose it is, and who comes second. */
#include "tests/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/store_master.h"

enum { NODES = 6 };

static struct seal *
new_seal(const struct fixture *f, int n)
{
	AUTO(str_free) char *path = str_printf("%s/master-%d.key", f->dir, n);
	struct seal *s = NULL;
	struct err e = { 0 };

	must(seal_open(path, &s, &e), &e);
	return s;
}

static void
first_key_stays(void **state)
{
	struct fixture *f = *state;
	AUTO(seal_free) struct seal *one = new_seal(f, 1);
	AUTO(seal_free) struct seal *two = new_seal(f, 2);
	struct err e = { 0 };

	/* Who only looks decides nothing. */
	must(store_master_check(f->st, two, false, &e), &e);
	must(store_master_check(f->st, one, true, &e), &e);
	must(store_master_check(f->st, one, true, &e), &e);
	assert_false(store_master_check(f->st, two, true, &e));
	assert_int_equal(e.code, ERR_FORBIDDEN);
	assert_false(store_master_check(f->st, two, false, &e));
	assert_int_equal(e.code, ERR_FORBIDDEN);
	must(store_master_check(f->st, one, true, &e), &e);
}

struct node {
	struct fixture *f;
	struct seal *seal;
	atomic_int *good;
	pthread_t thread;
};

static void *
start(void *arg)
{
	struct node *n = arg;
	struct err e = { 0 };

	if (store_master_check(n->f->st, n->seal, true, &e))
		atomic_fetch_add(n->good, 1);
	else if (e.code != ERR_FORBIDDEN)
		atomic_fetch_add(n->good, 100);
	return NULL;
}

static void
one_of_many_wins(void **state)
{
	struct fixture *f = *state;
	struct node nodes[NODES];
	atomic_int good = 0;

	for (int i = 0; i < NODES; i++) {
		nodes[i] = (struct node){ f, new_seal(f, i), &good, 0 };
		assert_int_equal(
		    pthread_create(&nodes[i].thread, NULL, start, &nodes[i]),
		    0);
	}
	for (int i = 0; i < NODES; i++) {
		pthread_join(nodes[i].thread, NULL);
		seal_free(&nodes[i].seal);
	}
	assert_int_equal(good, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    first_key_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_of_many_wins, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
