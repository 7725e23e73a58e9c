/*
 * Measures the store: synced appends per second of the disk alone, write
 * transactions with several numbers of threads, and read transactions, beside
 * an idle and a busy writer.
 *
 *	bench_store [directory] [seconds per row] [postgresql:// address]
 *
 * The SQLite database is made in a new directory below the given one (default:
 * the current directory, so that it is on a real disk), and removed.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "store/store_event.h"

enum {
	DEVICES = 10000,
	THREADS_MAX = 256,
	SAMPLES = 1 << 16,
	PAGE_SIZE = 8192
};

struct run {
	struct store *st;
	atomic_bool stop;
	_Atomic int64_t done;
	_Atomic int64_t worst_us;
};

struct worker {
	struct run *run;
	int number;
	uint32_t us[SAMPLES]; /* the first latencies */
	int samples;
	pthread_t thread;
};

static void
must(bool ok, const struct err *e)
{
	if (ok)
		return;
	fprintf(stderr, "bench_store: %s\n", e->text);
	exit(1);
}

static void
insert_device(struct store *st, int from, int to)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e;

	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	for (int i = from; i < to; i++) {
		char id[32];

		snprintf(id, sizeof(id), "device-%06d", i);
		must(store_exec(tx,
		         "INSERT INTO device (id, udid, serial, state, name, "
		         "created_at, updated_at) "
		         "VALUES ($1, $1, $1, 'enrolled', $1, $2, $2)",
		         S_ARGS(S_TEXT(id), S_INT(i)), NULL, &e),
		    &e);
		must(store_exec(tx,
		         "INSERT INTO enrollment (id, device_id, channel, "
		         "state) VALUES ($1, $1, 'device', 'enrolled')",
		         S_ARGS(S_TEXT(id)), NULL, &e),
		    &e);
	}
	must(store_commit(&tx, &e), &e);
}

/* What queueing a command costs: a command, a push that is due, an event. */
static void
write_one(struct store *st, int thread, int64_t n)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char device[32], id[64];
	struct err e;

	snprintf(device, sizeof(device), "device-%06d",
	    (int)((thread * 7919 + n * 31) % DEVICES));
	snprintf(id, sizeof(id), "command-%d-%lld-%lld", thread, (long long)n,
	    (long long)clock_mono_us());
	must(store_begin(st, STORE_WRITE, &tx, &e), &e);
	must(store_exec(tx,
	         "INSERT INTO command (id, enrollment_id, request_type, body, "
	         "state, sort_key, origin, queued_at, queued_by) VALUES "
	         "($1, $2, 'DeviceInformation', $3, 'queued', $4, 'api', $4, "
	         "'bench')",
	         S_ARGS(S_TEXT(id), S_TEXT(device),
	             S_BLOB(slice_of(id, sizeof(id))), S_INT(n)),
	         NULL, &e),
	    &e);
	must(store_exec(tx,
	         "UPDATE enrollment SET push_due_at = $1 WHERE id = $2",
	         S_ARGS(S_INT(n), S_TEXT(device)), NULL, &e),
	    &e);
	must(store_event_add(tx,
	         &(struct store_event){ .kind = "command.queued",
	             .device_id = device,
	             .subject_id = id,
	             .actor = "bench" },
	         &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

static void
read_one(struct store *st, int64_t n)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	char id[32];
	bool more;
	struct err e;

	snprintf(id, sizeof(id), "device-%06d", (int)(n * 7919 % DEVICES));
	must(store_begin(st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, "SELECT state, serial FROM device WHERE id = $1",
	         S_ARGS(S_TEXT(id)), &r, &e),
	    &e);
	must(store_next(r, &more, &e), &e);
	assert(more && str_eq(store_text(r, 1), id));
	store_rows_free(&r);
	must(store_commit(&tx, &e), &e);
}

static void
sample(struct worker *w, int64_t us)
{
	if (w->samples < SAMPLES)
		w->us[w->samples++] = (uint32_t)us;
	if (us > atomic_load(&w->run->worst_us))
		atomic_store(&w->run->worst_us, us);
	atomic_fetch_add(&w->run->done, 1);
}

static void *
writer(void *arg)
{
	struct worker *w = arg;

	for (int64_t n = 0; !atomic_load(&w->run->stop); n++) {
		int64_t from = clock_mono_us();

		write_one(w->run->st, w->number, n);
		sample(w, clock_mono_us() - from);
	}
	return NULL;
}

static void *
reader(void *arg)
{
	struct worker *w = arg;

	for (int64_t n = w->number; !atomic_load(&w->run->stop); n++) {
		int64_t from = clock_mono_us();

		read_one(w->run->st, n);
		sample(w, clock_mono_us() - from);
	}
	return NULL;
}

static int
by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
report(const char *name, const struct run *run, struct worker **w, int threads,
    double seconds)
{
	static uint32_t all[SAMPLES * 4];
	size_t n = 0;

	for (int i = 0; i < threads; i++) {
		for (int j = 0; j < w[i]->samples && n < COUNT(all); j++)
			all[n++] = w[i]->us[j];
	}
	qsort(all, n, sizeof(all[0]), by_size);
	printf("%-24s %10.0f /s   p50 %6u us   p99 %6u us   worst %7lld us\n",
	    name, (double)run->done / seconds, n > 0 ? all[n / 2] : 0,
	    n > 0 ? all[n * 99 / 100] : 0, (long long)run->worst_us);
	fflush(stdout);
}

static void
measure(struct store *st, const char *name, void *(*fn)(void *arg), int threads,
    double seconds)
{
	struct worker *w[THREADS_MAX];
	struct run run = { .st = st };
	int64_t from = clock_mono_us();

	for (int i = 0; i < threads; i++) {
		w[i] = mem_zalloc(1, sizeof(*w[i]));
		w[i]->run = &run;
		w[i]->number = i;
		pthread_create(&w[i]->thread, NULL, fn, w[i]);
	}
	clock_sleep_ms((int64_t)(seconds * 1000));
	atomic_store(&run.stop, true);
	for (int i = 0; i < threads; i++)
		pthread_join(w[i]->thread, NULL);
	report(name, &run, w, threads, (double)(clock_mono_us() - from) / 1e6);
	for (int i = 0; i < threads; i++)
		mem_free(&w[i]);
}

static void
measure_writes(struct store *st, int threads, double seconds)
{
	struct store_stats a, b;
	char name[64];

	snprintf(name, sizeof(name), "write, %d threads", threads);
	store_stats(st, &a);
	measure(st, name, writer, threads, seconds);
	store_stats(st, &b);
	printf("%24s %10.0f syncs/s, %.1f transactions each\n", "",
	    (double)(b.commits - a.commits) / seconds,
	    (double)(b.writes - a.writes) /
	        (double)(b.commits > a.commits ? b.commits - a.commits : 1));
	if (b.round_trips > a.round_trips)
		printf("%24s %10.1f round trips per transaction\n", "",
		    (double)(b.round_trips - a.round_trips) /
		        (double)(b.writes - a.writes));
}

static void
put_page(int fd, off_t at)
{
	static const char page[PAGE_SIZE];

	if (pwrite(fd, page, sizeof(page), at) != (ssize_t)sizeof(page)) {
		perror("bench_store: write");
		exit(1);
	}
}

/* The bound: appends of two pages, each synced, to a file of its own. */
static void
measure_disk(const char *path, double seconds)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int64_t n = 0, from = clock_mono_us(), now;

	/* Space that is already there, as in a log that is written again. */
	for (int i = 0; i < 2000; i++)
		put_page(fd, (off_t)i * PAGE_SIZE);
	fsync(fd);
	from = clock_mono_us();
	do {
		put_page(fd, (off_t)(n % 2000) * PAGE_SIZE);
		fdatasync(fd);
		n++;
		now = clock_mono_us();
	} while ((double)(now - from) < seconds * 1e6);
	close(fd);
	unlink(path);
	printf("%-24s %10.0f /s\n", "fdatasync of the disk",
	    (double)n / ((double)(now - from) / 1e6));
}

static void
remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
	(void)rmdir(dir);
}

static void *
write_beside(void *arg)
{
	struct run *run = arg;

	for (int64_t n = 0; !atomic_load(&run->stop); n++)
		write_one(run->st, 1000, n);
	return NULL;
}

static void
measure_reads(struct store *st, double seconds)
{
	struct run beside = { .st = st };
	pthread_t thread;

	measure(st, "read, 1 thread", reader, 1, seconds);
	measure(st, "read, 2 threads", reader, 2, seconds);
	measure(st, "read, 8 threads", reader, 8, seconds);
	pthread_create(&thread, NULL, write_beside, &beside);
	measure(st, "read, 2, one writer", reader, 2, seconds);
	atomic_store(&beside.stop, true);
	pthread_join(thread, NULL);
}

int
main(int argc, char **argv)
{
	static const int threads[] = { 1, 2, 8, 32, 64, 128 };
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
	char *dir = str_printf("%s/bench-XXXXXX", argc > 1 ? argv[1] : ".");
	char *path;
	struct store *st;
	struct err e;
	int64_t from;

	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	path = str_printf("%s/db", dir);
	measure_disk(path, seconds);
	if (argc > 3) {
		str_free(&path);
		path = str_dup(argv[3]);
	}
	from = clock_mono_us();
	must(store_open(&(struct store_options){ .path = path }, &st, &e), &e);
	printf("%-24s %10.1f ms\n", "open, new",
	    (double)(clock_mono_us() - from) / 1e3);
	for (int i = 0; i < DEVICES; i += 500)
		insert_device(st, i, i + 500);
	store_close(&st);
	from = clock_mono_us();
	must(store_open(&(struct store_options){ .path = path }, &st, &e), &e);
	printf("%-24s %10.1f ms\n", "open, existing",
	    (double)(clock_mono_us() - from) / 1e3);
	measure_reads(st, seconds);
	for (size_t i = 0; i < COUNT(threads); i++)
		measure_writes(st, threads[i], seconds);
	from = clock_mono_us();
	store_close(&st);
	printf("%-24s %10.1f ms\n", "close",
	    (double)(clock_mono_us() - from) / 1e3);
	remove_all(dir);
	str_free(&path);
	str_free(&dir);
	return 0;
}
