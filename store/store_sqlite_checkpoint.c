/*
 * Checkpoints: a thread that moves the write-ahead log into the database, so
 * that no commit has to.
 *
 * When the log has grown long the thread first copies most of it beside the
 * writers (PASSIVE), then takes the writer's turn for the short rest and lets
 * the log start over (RESTART); without the second step a log under steady
 * load would never end.  If a long read holds the log, both are tried again
 * after as many pages more.
 *
 * struct sq_checkpoint belongs to the driver.  on_commit() runs with the
 * writer's turn, run() on the thread; they share asked and the semaphore.
 */
#include <assert.h>
#include <errno.h>

#include "core/log.h"
#include "store/store_sqlite_priv.h"

enum { CHECKPOINT_PAGES = 4000 };

static int
on_commit(void *arg, sqlite3 *db, const char *schema, int pages)
{
	struct sq_checkpoint *k = arg;

	(void)db, (void)schema;
	if (pages < CHECKPOINT_PAGES)
		k->due_pages = CHECKPOINT_PAGES;
	if (pages >= k->due_pages) {
		k->due_pages = pages + CHECKPOINT_PAGES;
		if (!atomic_exchange(&k->asked, true))
			sem_post(&k->wake);
	}
	return SQLITE_OK;
}

/* A checkpoint that readers cut short is no error. */
static void
checkpoint(struct sq_checkpoint *k, int mode)
{
	int rc = sqlite3_wal_checkpoint_v2(k->conn.db, NULL, mode, NULL, NULL);
	struct err e;

	if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
		return;
	store_sqlite_conn_err(&k->conn, rc, "checkpoint", &e);
	log_event(LOG_WARN, "store_checkpoint_failed", "error", e.text, NULL);
}

static void
restart_log(struct sq_checkpoint *k)
{
	struct store_waiter self;

	store_waiter_init(&self);
	store_writer_pause(k->writer, &self);
	checkpoint(k, SQLITE_CHECKPOINT_RESTART);
	store_writer_resume(k->writer);
	store_waiter_clear(&self);
}

static void *
run(void *arg)
{
	struct sq_checkpoint *k = arg;

	for (;;) {
		while (sem_wait(&k->wake) != 0)
			assert(errno == EINTR);
		if (atomic_load(&k->stop))
			return NULL;
		atomic_store(&k->asked, false);
		checkpoint(k, SQLITE_CHECKPOINT_PASSIVE);
		restart_log(k);
	}
}

bool
store_sqlite_checkpoint_start(struct sq_checkpoint *k, struct store_writer *w,
    const char *path, struct err *e)
{
	int rc;

	k->writer = w;
	k->writer_conn = w->conn;
	k->due_pages = CHECKPOINT_PAGES;
	if (!store_sqlite_conn_open(&k->conn, path, SQ_CHECKPOINT, e))
		return false;
	sem_init(&k->wake, 0, 0);
	rc = pthread_create(&k->thread, NULL, run, k);
	if (rc != 0) {
		sem_destroy(&k->wake);
		store_sqlite_conn_close(&k->conn);
		return err_set(
		    e, ERR_UNAVAILABLE, "thread for checkpoints: error %d", rc);
	}
	sqlite3_wal_hook(k->writer_conn->db, on_commit, k);
	return true;
}

void
store_sqlite_checkpoint_stop(struct sq_checkpoint *k)
{
	sqlite3_wal_hook(k->writer_conn->db, NULL, NULL);
	atomic_store(&k->stop, true);
	sem_post(&k->wake);
	pthread_join(k->thread, NULL);
	checkpoint(k, SQLITE_CHECKPOINT_TRUNCATE);
	sem_destroy(&k->wake);
	store_sqlite_conn_close(&k->conn);
}
