/*
 * Connections for read transactions, see store_pool_priv.h.  With the WAL a
 * reader sees one snapshot and waits for nobody, so a read transaction costs a
 * BEGIN, its statements and an END on a connection that is already open.
 */
#include "store/store_sqlite_priv.h"

void
store_sqlite_readers_init(struct sq_readers *p, const char *path, int max)
{
	p->path = path;
	store_pool_init(&p->pool, max);
}

void
store_sqlite_readers_close(struct sq_readers *p)
{
	struct sq_reader *r;

	while ((r = (struct sq_reader *)store_pool_drain(&p->pool)) != NULL) {
		store_sqlite_conn_close(&r->conn);
		mem_free(&r);
	}
	store_pool_destroy(&p->pool);
}

bool
store_sqlite_readers_take(
    struct sq_readers *p, struct sq_reader **out, struct err *e)
{
	struct sq_reader *r = (struct sq_reader *)store_pool_take(&p->pool);

	if (r == NULL) {
		r = mem_zalloc(1, sizeof(*r));
		if (!store_sqlite_conn_open(&r->conn, p->path, SQ_READER, e)) {
			mem_free(&r);
			store_pool_not_made(&p->pool);
			return false;
		}
	}
	*out = r;
	return true;
}

void
store_sqlite_readers_give(struct sq_readers *p, struct sq_reader *r)
{
	store_pool_give(&p->pool, &r->pooled);
}
