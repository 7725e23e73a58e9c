/* Connections for read transactions, see store_pool_priv.h. */
#include "store/store_pgsql_priv.h"

void
store_pgsql_pool_init(struct pg_pool *p, struct pg_dial *dial, int max)
{
	p->dial = dial;
	store_pool_init(&p->pool, max);
}

void
store_pgsql_pool_close(struct pg_pool *p)
{
	struct pg_reader *r;

	while ((r = (struct pg_reader *)store_pool_drain(&p->pool)) != NULL) {
		store_pgsql_conn_close(&r->conn);
		mem_free(&r);
	}
	store_pool_destroy(&p->pool);
}

bool
store_pgsql_pool_take(struct pg_pool *p, struct pg_reader **out, struct err *e)
{
	struct pg_reader *r = (struct pg_reader *)store_pool_take(&p->pool);

	if (r == NULL) {
		r = mem_zalloc(1, sizeof(*r));
		r->conn.dial = p->dial;
	}
	if (!store_pgsql_conn_ready(&r->conn, e)) {
		store_pgsql_pool_give(p, r);
		return false;
	}
	*out = r;
	return true;
}

void
store_pgsql_pool_give(struct pg_pool *p, struct pg_reader *r)
{
	store_pool_give(&p->pool, &r->pooled);
}
