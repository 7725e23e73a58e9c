/*
 * Leases; see store_lease.h.  No state.
 *
 * The time is read before the statement that it decides about: a statement
 * that had to wait thinks it earlier than it is, and so never ends a lease
 * too soon.
 */
#include <string.h>

#include "core/clock.h"
#include "store/store_lease.h"
#include "store/store_priv.h"

/* The database's clock, so that all nodes mean the same. */
static bool
now_of(struct store_tx *tx, int64_t *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	const char *sql = tx->st->driver->clock_sql;
	bool more;

	if (sql == NULL) {
		*out = clock_now_ms();
		return true;
	}
	if (!store_query(tx, sql, S_ARGS(), &r, e) || !store_next(r, &more, e))
		return err_wrap(e, "clock of the database");
	*out = store_int(r, 0);
	return true;
}

bool
store_lease_take(struct store_tx *tx, const struct store_lease *l,
    bool *mine_out, struct err *e)
{
	int64_t now, changed;

	if (!now_of(tx, &now, e) ||
	    !store_exec(tx,
	        "INSERT INTO lease (name, holder, until) VALUES ($1, $2, $3) "
	        "ON CONFLICT (name) DO UPDATE SET holder = $2, until = $3 "
	        "WHERE lease.holder = $2 OR lease.until <= $4",
	        S_ARGS(S_TEXT(l->name), S_TEXT(l->holder),
	            S_INT(now + l->ttl_ms), S_INT(now)),
	        &changed, e))
		return err_wrap(e, "lease %s", l->name);
	*mine_out = changed == 1;
	return true;
}

bool
store_lease_keep(
    struct store_tx *tx, const struct store_lease *l, struct err *e)
{
	int64_t now, changed;

	if (l == NULL)
		return true;
	if (!now_of(tx, &now, e) ||
	    !store_exec(tx,
	        "UPDATE lease SET until = $3 WHERE name = $1 AND holder = $2 "
	        "AND until > $4",
	        S_ARGS(S_TEXT(l->name), S_TEXT(l->holder),
	            S_INT(now + l->ttl_ms), S_INT(now)),
	        &changed, e))
		return err_wrap(e, "lease %s", l->name);
	return changed == 1 ||
	       err_slug(e, ERR_CONFLICT, "lease_lost",
	           "the lease %s has ended while this node held it", l->name);
}

bool
store_lease_release(struct store_tx *tx, const char *holder, struct err *e)
{
	return store_exec(tx,
	    "DELETE FROM lease WHERE CAST($1 AS TEXT) IS NULL OR holder = $1",
	    S_ARGS(S_TEXT(holder)), NULL, e);
}

bool
store_lease_ended(struct store_tx *tx, const char *prefix,
    char out[STORE_NODE_SIZE], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	int64_t now;
	bool more;

	if (!now_of(tx, &now, e) ||
	    !store_query(tx,
	        "SELECT holder FROM lease WHERE until <= $2 AND "
	        "SUBSTR(name, 1, CAST($3 AS INTEGER)) = $1 "
	        "ORDER BY until LIMIT 1",
	        S_ARGS(
	            S_TEXT(prefix), S_INT(now), S_INT((int64_t)strlen(prefix))),
	        &r, e) ||
	    !store_next(r, &more, e))
		return err_wrap(e, "leases");
	str_copy_cut(out, STORE_NODE_SIZE, more ? store_text(r, 0) : "");
	return true;
}
