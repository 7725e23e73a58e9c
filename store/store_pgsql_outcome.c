/*
 * Whether a commit took place whose answer was lost with the connection: the
 * server remembers by the number of the transaction.
 *
 * No state; called by the thread that has the writer's turn.
 */
#include "core/clock.h"
#include "store/store_pgsql_priv.h"

enum { ASK_MS = 5000, PAUSE_MS = 20 };

/*
 * Numbers are given anew by a server that was restored, or promoted before it
 * had heard of all commits: it tells by its identity and timeline.  So they
 * are by one that crashed, where nothing that bore them had reached its disk:
 * it tells by its statistics, which no crash survives.
 */
#define LINEAGE                                                                \
	"CASE WHEN pg_is_in_recovery() THEN '' ELSE (SELECT "                  \
	"CAST(system_identifier AS TEXT) FROM pg_control_system()) || '/' || " \
	"SUBSTR(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) || '/' "   \
	"|| (SELECT CAST(EXTRACT(EPOCH FROM stats_reset) AS TEXT) FROM "       \
	"pg_stat_wal) END"

void
store_pgsql_lineage(PGconn *h, char out[PG_LINEAGE_SIZE])
{
	AUTO(store_pgsql_result_free)
	PGresult *res = PQexec(h, "SELECT " LINEAGE);

	out[0] = '\0';
	if (PQresultStatus(res) == PGRES_TUPLES_OK)
		str_copy_cut(out, PG_LINEAGE_SIZE, PQgetvalue(res, 0, 0));
}

/* What the server said of a transaction. */
enum verdict { UNKNOWN, COMMITTED, ABORTED, NOT_YET };

static enum verdict
verdict_of(const PGresult *res, const struct pg_number *n)
{
	static const struct {
		const char *name;
		enum verdict verdict;
	} words[] = {
		{ "committed", COMMITTED },
		{ "aborted", ABORTED },
		{ "in progress", NOT_YET },
	};

	if (PQresultStatus(res) != PGRES_TUPLES_OK ||
	    !str_eq(PQgetvalue(res, 0, 1), n->lineage))
		return UNKNOWN;
	for (size_t i = 0; i < COUNT(words); i++) {
		if (str_eq(PQgetvalue(res, 0, 0), words[i].name))
			return words[i].verdict;
	}
	return UNKNOWN; /* NULL: too long ago */
}

static enum verdict
ask(PGconn *h, const struct pg_number *n)
{
	const char *values[] = { n->xid };
	AUTO(store_pgsql_result_free)
	PGresult *res = PQexecParams(h,
	    "SELECT pg_xact_status(CAST(CAST($1 AS TEXT) AS xid8)), " LINEAGE,
	    1, NULL, values, NULL, NULL, 0);

	/* Lost once more: another connection may tell. */
	if (PQstatus(h) != CONNECTION_OK)
		return NOT_YET;
	return verdict_of(res, n);
}

/*
 * Its commit may still wait for a standby.  A commit behind it that waited is
 * a proof; this one writes nothing but itself.
 */
static bool
is_durable(PGconn *h)
{
	AUTO(store_pgsql_result_free) PGresult *res = NULL;
	bool warned;

	store_pgsql_watch_warnings(h, &warned);
	res = PQexec(h, "SELECT pg_logical_emit_message(true, 'mutsu', '')");
	return PQresultStatus(res) == PGRES_TUPLES_OK && !warned;
}

static enum verdict
ask_once(struct pg_dial *d, const struct pg_number *n)
{
	enum verdict verdict;
	struct err ignored;
	PGconn *h;

	if (!store_pgsql_dial(d, &h, &ignored))
		return NOT_YET;
	verdict = ask(h, n);
	if (verdict == COMMITTED && !is_durable(h))
		verdict = UNKNOWN;
	PQfinish(h);
	return verdict;
}

bool
store_pgsql_outcome(struct pg_dial *d, const struct pg_number *n, struct err *e)
{
	int64_t until = clock_mono_ms() + ASK_MS;
	enum verdict verdict = UNKNOWN;

	if (n->xid[0] != '\0' && n->lineage[0] != '\0')
		verdict = ask_once(d, n);
	while (verdict == NOT_YET && clock_mono_ms() < until) {
		clock_sleep_ms(PAUSE_MS);
		verdict = ask_once(d, n);
	}
	if (verdict == COMMITTED)
		return true;
	if (verdict == ABORTED)
		return err_slug(e, ERR_UNAVAILABLE, STORE_AGAIN,
		    "the connection was lost, and the commit with it");
	return err_set(e, ERR_UNAVAILABLE,
	    "the connection was lost in a commit, and it is not known whether "
	    "that took place");
}
