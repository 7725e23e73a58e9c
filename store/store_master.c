/* The mark of the master key.  No state; any thread. */
#include "store/store_master.h"
#include "core/clock.h"

#define MARK "mutsu"
#define CONTEXT "master-key"
enum { SEALED_MAX = 256 };

struct look {
	const struct seal *seal;
	struct buf *mark; /* that of the database */
};

static bool
read_mark(struct store_tx *tx, struct buf **out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct slice mark;
	bool found;

	buf_free(out);
	if (!store_query(tx, "SELECT mark FROM master_key WHERE id = 1",
	        S_ARGS(), &rows, e) ||
	    !store_next(rows, &found, e))
		return err_wrap(e, "mark of the master key");
	if (!found)
		return true;
	mark = store_blob(rows, 0);
	*out = buf_new(mark.len + 1);
	buf_add(*out, mark.p, mark.len);
	return true;
}

/* May be run again. */
static bool
find_or_add(struct store_tx *tx, void *arg, struct err *e)
{
	AUTO(buf_free) struct buf *sealed = buf_new(SEALED_MAX);
	struct look *l = arg;

	if (!read_mark(tx, &l->mark, e))
		return false;
	if (l->mark != NULL)
		return true;
	return seal_put(l->seal, CONTEXT, slice_str(MARK), sealed, e) &&
	       store_exec(tx,
	           "INSERT INTO master_key (id, mark, created_at)"
	           " VALUES (1, $1, $2)",
	           S_ARGS(S_BLOB(buf_slice(sealed)), S_INT(clock_now_ms())),
	           NULL, e);
}

static bool
look(struct store *st, struct look *l, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_READ, &tx, e) &&
	       read_mark(tx, &l->mark, e);
}

bool
store_master_check(
    struct store *st, const struct seal *seal, bool begin, struct err *e)
{
	AUTO(buf_free) struct buf *plain = buf_new(SEALED_MAX);
	struct look l = { .seal = seal };
	struct err why = { 0 };
	bool good = look(st, &l, e) && (l.mark != NULL || !begin ||
	                                   store_write(st, find_or_add, &l, e));

	if (good && l.mark != NULL &&
	    !(seal_get(seal, CONTEXT, buf_slice(l.mark), plain, &why) &&
	        slice_eq(buf_slice(plain), slice_str(MARK))))
		good = err_set(e, ERR_FORBIDDEN,
		    "this master.key is not the one that the database was "
		    "begun with; copy that of the node that began");
	buf_free(&l.mark);
	return good;
}
