/*
 * Helpers of the files with SQL.  No state; they run in the caller's
 * transaction, on its thread.
 */
#include "mdm/mdm_db_priv.h"

bool
mdm_db_one(struct store_tx *tx, const char *sql, const struct store_value *args,
    struct store_rows **out, bool *found_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_query(tx, sql, args, &r, e) || !store_next(r, found_out, e))
		return false;
	*out = TAKE(r);
	return true;
}

bool
mdm_db_exists(struct store_tx *tx, const char *sql,
    const struct store_value *args, bool *out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;

	return mdm_db_one(tx, sql, args, &r, out, e);
}
