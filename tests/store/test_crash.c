/*
 * A child writes with many threads and tells each acknowledged transaction
 * through a pipe; it is killed at a random moment, and everything it told has
 * to be there, with an event feed that has no gaps.
 */
#include "tests/store/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "core/random.h"
#include "store/store_event.h"

/* Sanitizers, or a server, make each round several times as long. */
#ifdef __SANITIZE_ADDRESS__
enum { ROUNDS = 5, ROUNDS_PGSQL = 5 };
#else
enum { ROUNDS = 20, ROUNDS_PGSQL = 8 };
#endif
enum { WRITERS = 24, IDS_MAX = 1 << 20 };

struct child {
	struct store *st;
	int64_t first; /* ids of this round start here */
	int fd;
};

struct writer {
	const struct child *child;
	int64_t id;
};

static bool
add(struct store_tx *tx, void *arg, struct err *e)
{
	const int64_t *id = arg;

	return store_exec(tx, "INSERT INTO t (id) VALUES ($1)",
	           S_ARGS(S_INT(*id)), NULL, e) &&
	       store_event_add(tx,
	           &(struct store_event){
	               .kind = "command.queued", .actor = "system" },
	           e);
}

/* Some as a function, which another thread may run. */
static bool
write_one(struct store *st, int64_t id, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	if (id % 3 != 0)
		return store_write(st, add, &id, e);
	return store_begin(st, STORE_WRITE, &tx, e) && add(tx, &id, e) &&
	       store_commit(&tx, e);
}

static void *
write_for_ever(void *arg)
{
	struct writer *w = arg;
	struct err e = { 0 };

	for (;; w->id += WRITERS) {
		if (!write_one(w->child->st, w->id, &e))
			_exit(1);
		/* Atomic: far below PIPE_BUF. */
		if (write(w->child->fd, &w->id, sizeof(w->id)) != sizeof(w->id))
			_exit(2);
	}
	return NULL;
}

static void
child_main(const char *path, int64_t first, int fd)
{
	struct child child = { .first = first, .fd = fd };
	static struct writer writers[WRITERS];
	pthread_t thread;

	child.st = open_db(path);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ &child, first + i };
		pthread_create(&thread, NULL, write_for_ever, &writers[i]);
	}
	pthread_join(thread, NULL);
	_exit(3);
}

/* Reads acknowledged ids; kills the child after so many of them. */
static size_t
collect(int fd, pid_t child, int64_t *ids, uint32_t kill_after)
{
	size_t n = 0;

	while (n < IDS_MAX &&
	       read(fd, &ids[n], sizeof(ids[n])) == sizeof(ids[n])) {
		if (++n == kill_after)
			kill(child, SIGKILL);
	}
	return n;
}

static void
check(struct store *st, const int64_t *ids, size_t n)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(st, STORE_READ, &tx, &e), &e);
	for (size_t i = 0; i < n; i++) {
		AUTO(store_rows_free) struct store_rows *r = NULL;
		bool more;

		must(store_query(tx, "SELECT 1 FROM t WHERE id = $1",
		         S_ARGS(S_INT(ids[i])), &r, &e),
		    &e);
		must(store_next(r, &more, &e), &e);
		assert_true(more);
	}
	assert_int_equal(number_in(tx, "SELECT COUNT(*) FROM event"),
	    number_in(tx, "SELECT COUNT(*) FROM t"));
	assert_int_equal(number_in(tx, "SELECT COUNT(*) FROM event"),
	    number_in(tx, "SELECT MAX(seq) FROM event"));
}

static void
killed_child_loses_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t *ids = calloc(IDS_MAX, sizeof(*ids));
	int rounds = test_on_pgsql() ? ROUNDS_PGSQL : ROUNDS;
	size_t n = 0;

	store_close(&f->st);
	for (int round = 0; round < rounds; round++) {
		int fds[2], status;
		pid_t child;

		assert_int_equal(pipe(fds), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			child_main(f->path, (int64_t)round << 32, fds[1]);
		close(fds[1]);
		n += collect(fds[0], child, ids + n, 1 + random_below(1000));
		close(fds[0]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		f->st = open_db(f->path);
		check(f->st, ids, n);
		if (!test_on_pgsql())
			assert_int_equal(
			    number(f->st,
			        "SELECT COUNT(*) FROM pragma_integrity_check "
			        "WHERE integrity_check <> 'ok'"),
			    0);
		store_close(&f->st);
	}
	assert_true(n > ROUNDS);
	free(ids);
	f->st = open_db(f->path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    killed_child_loses_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
