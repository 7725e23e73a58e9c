/*
 * What other nodes committed: a thread with a connection of its own listens
 * (LISTEN) for what their transactions notify (NOTIFY), and calls whoever
 * listens here.  Our own notifications come back too and are skipped: their
 * listeners were called by the thread that committed.
 *
 * struct pg_listen belongs to the driver.  After a lost connection everybody
 * is called, for what was missed; but a copy, which others may have used the
 * loss to get around, is over.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "core/random.h"
#include "store/store_pgsql_priv.h"

enum { RETRY_MS = 250 };

bool
store_pgsql_notify_queue(
    struct pg_conn *c, const char *node, const char *channel, struct err *e)
{
	AUTO(str_free) char *payload = NULL;
	const char *values[1];
	size_t i = 0;

	while (c->notified[i] != NULL && !str_eq(c->notified[i], channel))
		i++;
	if (c->notified[i] != NULL || i == STORE_CHANNELS_MAX)
		return true;
	payload = str_printf("%s %s", node, channel);
	values[0] = payload;
	if (store_pgsql_lost(c) ||
	    !PQsendQueryPrepared(c->h, PG_NOTIFY, 1, values, NULL, NULL, 1))
		return store_pgsql_drop(c, e);
	c->queued++;
	c->notified[i] = channel;
	c->notified[i + 1] = NULL;
	return true;
}

/*
 * Ends with the connection: shared by nodes, not by a copy.  A node that lost
 * only this connection still has its writer's: a copy of what it writes keeps
 * that out by the writers' own lock.
 */
static bool
keep_writers_out(const struct pg_listen *l, PGconn *h, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *res = NULL;

	if (!l->still)
		return true;
	res = PQexec(h, "SELECT pg_advisory_lock(1836414067, 1)");
	return PQresultStatus(res) == PGRES_TUPLES_OK ||
	       store_pgsql_err(h, res, e);
}

static bool
lock_out(const struct pg_listen *l, PGconn *h, struct err *e)
{
	AUTO(store_pgsql_result_free)
	PGresult *res = PQexec(
	    h, l->alone ? "SELECT pg_try_advisory_lock(1836414067, 3)"
	                : "SELECT pg_try_advisory_lock_shared(1836414067, 3)");

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		return store_pgsql_err(h, res, e);
	if (str_eq(PQgetvalue(res, 0, 0), "t"))
		return keep_writers_out(l, h, e);
	return err_set(e, ERR_CONFLICT, "the database is in use by %s",
	    l->alone ? "a server or another copy"
	             : "\"mutsu store copy\" at the moment");
}

static bool
listen_to(PGconn *h, struct err *e)
{
	AUTO(store_pgsql_result_free)
	PGresult *res = PQexec(h, "LISTEN " PG_CHANNEL);

	return PQresultStatus(res) == PGRES_COMMAND_OK ||
	       store_pgsql_err(h, res, e);
}

static bool
listen_on(struct pg_listen *l, PGconn **out, struct err *e)
{
	PGconn *h;

	if (!store_pgsql_dial(l->dial, &h, e))
		return false;
	if (!lock_out(l, h, e) || !listen_to(h, e)) {
		PQfinish(h);
		return false;
	}
	*out = h;
	return true;
}

/* "<node> <channel>" */
static void
hear(struct pg_listen *l, const char *payload)
{
	const char *space = strchr(payload, ' ');

	if (space == NULL || (str_starts(payload, l->node) &&
	                         payload + strlen(l->node) == space))
		return;
	store_heard(l->st, space + 1);
}

static void
hear_all(struct pg_listen *l)
{
	PGnotify *n;

	while ((n = PQnotifies(l->h)) != NULL) {
		hear(l, n->extra);
		PQfreemem(n);
	}
}

/* Until there is something to read; false when it is time to stop. */
static bool
wait_for(struct pg_listen *l, int timeout_ms)
{
	struct pollfd p[] = { { .fd = l->stop_fd, .events = POLLIN },
		{ .fd = l->h != NULL ? PQsocket(l->h) : -1,
		    .events = POLLIN } };

	while (poll(p, COUNT(p), timeout_ms) < 0 && errno == EINTR)
		;
	return p[0].revents == 0;
}

static void
reconnect(struct pg_listen *l, bool *told)
{
	struct err e = { 0 };

	if (!listen_on(l, &l->h, &e)) {
		if (!*told)
			log_event(
			    LOG_ERROR, "database_away", "why", e.text, NULL);
		*told = true;
		return;
	}
	log_event(LOG_INFO, "database_back", NULL);
	*told = false;
	store_heard(l->st, NULL);
}

static void *
run(void *arg)
{
	struct pg_listen *l = arg;
	bool told = false;

	for (;;) {
		if (!wait_for(l, l->h != NULL ? -1 : RETRY_MS))
			return NULL;
		if (l->h == NULL) {
			reconnect(l, &told);
		} else if (PQconsumeInput(l->h)) {
			hear_all(l);
		} else {
			PQfinish(l->h);
			l->h = NULL;
			atomic_store(&l->lost, l->alone);
		}
		if (atomic_load(&l->lost))
			return NULL;
	}
}

static void
new_node(char out[PG_NODE_SIZE])
{
	uint8_t bytes[PG_NODE_SIZE / 2];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static bool
start(struct pg_listen *l, struct err *e)
{
	int rc;

	if (!listen_on(l, &l->h, e))
		return false;
	rc = pthread_create(&l->thread, NULL, run, l);
	if (rc != 0)
		return err_set(e, ERR_UNAVAILABLE,
		    "thread for notifications: error %d", rc);
	l->running = true;
	return true;
}

bool
store_pgsql_listen_start(struct pg_listen *l, struct pgsql *q, struct err *e)
{
	*l = (struct pg_listen){ .st = &q->base,
		.dial = &q->dial,
		.alone = q->use == STORE_COPY_FROM || q->use == STORE_COPY_TO,
		.still = q->use == STORE_COPY_FROM };
	l->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->stop_fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, "eventfd");
	new_node(l->node);
	if (!start(l, e)) {
		store_pgsql_listen_stop(l);
		return false;
	}
	return true;
}

void
store_pgsql_listen_stop(struct pg_listen *l)
{
	if (l->st == NULL)
		return;
	if (l->running) {
		(void)eventfd_write(l->stop_fd, 1);
		pthread_join(l->thread, NULL);
	}
	PQfinish(l->h);
	if (l->stop_fd >= 0)
		close(l->stop_fd);
	*l = (struct pg_listen){ 0 };
}
