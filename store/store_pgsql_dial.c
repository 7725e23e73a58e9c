/*
 * Making connections: the settings of each, checks of the server, and the
 * back-off while it is away, shared by all who connect.
 *
 * struct pg_dial belongs to the driver and is used by any thread.
 */
#include <string.h>

#include "core/clock.h"
#include "store/store_pgsql_priv.h"

enum {
	VERSION_MIN = 150000, /* as PQserverVersion() tells it */
	VERSION_MAJOR = 10000,
	DELAY_FIRST_MS = 100,
	DELAY_MAX_MS = 2000
};

/*
 * A node that stands still in a transaction loses its connection, so that
 * the others do not wait for ever for its lock.  Durability is not for the
 * server's configuration to switch off.
 *
 * A plan is kept as long as its connection, or until the server counts the
 * table's rows again.  One that was made while the table was empty would read
 * all of it for every row that is looked for, so that where there is an index
 * it is used.  Compiling plans takes longer than running any of ours.
 */
static const char settings[] =
    "SET client_min_messages = warning; "
    "SET standard_conforming_strings = on; "
    "SET idle_in_transaction_session_timeout = 10000; "
    "SET lock_timeout = 20000; "
    "SET statement_timeout = 60000; "
    "SET enable_seqscan = off; "
    "SET jit = off; "
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'";

void
store_pgsql_dial_init(
    struct pg_dial *d, const char *address, struct store_counters *counters)
{
	*d = (struct pg_dial){ .address = str_dup(address),
		.counters = counters };
	pthread_mutex_init(&d->mutex, NULL);
}

void
store_pgsql_dial_clear(struct pg_dial *d)
{
	/* There may be a password in it. */
	str_wipe(&d->address);
	pthread_mutex_destroy(&d->mutex);
}

/* A password with an unescaped '/' or '@' ends in host and port, which libpq
 * quotes. */
static bool
is_plausible(const PQconninfoOption *o)
{
	if (o->val == NULL)
		return true;
	if (str_eq(o->keyword, "port"))
		return o->val[strspn(o->val, "0123456789,")] == '\0';
	return !str_eq(o->keyword, "host") || strchr(o->val, '@') == NULL;
}

/* What libpq says of a bad address may quote a password in it. */
static bool
check_address(const char *address, struct err *e)
{
	PQconninfoOption *options = PQconninfoParse(address, NULL);
	bool ok = options != NULL;

	for (const PQconninfoOption *o = options;
	     ok && o != NULL && o->keyword != NULL; o++)
		ok = is_plausible(o);
	PQconninfoFree(options);
	return ok || err_set(e, ERR_INVALID,
	                 "database: this is not a valid postgresql:// address "
	                 "(in a password, %% : / ? # @ are written %%25 and so "
	                 "on)");
}

static void
quiet(void *arg, const PGresult *res)
{
	(void)arg, (void)res;
}

static bool
check_server(PGconn *h, struct err *e)
{
	int version = PQserverVersion(h);
	const char *encoding = PQparameterStatus(h, "server_encoding");

	if (version < VERSION_MIN)
		return err_set(e, ERR_INVALID,
		    "PostgreSQL %d or newer is needed; the server is %d",
		    VERSION_MIN / VERSION_MAJOR, version / VERSION_MAJOR);
	if (!str_eq(encoding, "UTF8"))
		return err_set(e, ERR_INVALID,
		    "the database has encoding %s; it must have UTF8",
		    encoding != NULL ? encoding : "unknown");
	return true;
}

static bool
prepare_session(PGconn *h, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *res = NULL;

	if (PQstatus(h) != CONNECTION_OK)
		return store_pgsql_err(h, NULL, e);
	PQsetNoticeReceiver(h, quiet, NULL);
	if (!check_server(h, e))
		return false;
	res = PQexec(h, settings);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		return store_pgsql_err(h, res, e);
	return true;
}

/* Later rows win: defaults, the address, and what it cannot change. */
static PGconn *
connect_to(const char *address)
{
	static const char *const names[] = { "fallback_application_name",
		"connect_timeout", "tcp_user_timeout", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "dbname",
		"client_encoding", NULL };
	const char *values[] = { "mutsu", "5", "15000", "10", "5", "3", address,
		"UTF8", NULL };

	return PQconnectdbParams(names, values, 1);
}

static bool
early(struct pg_dial *d, struct err *e)
{
	bool is;

	pthread_mutex_lock(&d->mutex);
	is = clock_mono_ms() < d->next_try;
	if (is)
		*e = d->last;
	pthread_mutex_unlock(&d->mutex);
	return is;
}

static void
remember(struct pg_dial *d, bool ok, const struct err *e)
{
	pthread_mutex_lock(&d->mutex);
	if (ok) {
		d->delay_ms = d->next_try = 0;
	} else {
		d->delay_ms =
		    d->delay_ms == 0 ? DELAY_FIRST_MS : d->delay_ms * 2;
		if (d->delay_ms > DELAY_MAX_MS)
			d->delay_ms = DELAY_MAX_MS;
		d->next_try = clock_mono_ms() + d->delay_ms;
		d->last = *e;
	}
	pthread_mutex_unlock(&d->mutex);
}

bool
store_pgsql_dial(struct pg_dial *d, PGconn **out, struct err *e)
{
	PGconn *h;
	bool ok;

	if (early(d, e))
		return false;
	if (!check_address(d->address, e))
		return false;
	h = connect_to(d->address);
	ok = prepare_session(h, e);
	remember(d, ok, e);
	if (!ok) {
		PQfinish(h);
		return false;
	}
	*out = h;
	return true;
}
