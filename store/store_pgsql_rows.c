/*
 * Values of a result.  The whole result is in memory when a query returns, or
 * is awaited by the first store_next(), so the connection is free for the next
 * statement while its rows are read.
 *
 * Belongs to the thread of the transaction.
 */
#include <endian.h>
#include <string.h>

#include "store/store_pgsql_priv.h"

/* Of pg_type.dat, which is for servers only. */
enum pg_oid {
	OID_BOOL = 16,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_NUMERIC = 1700
};

struct pg_rows {
	struct store_rows base; /* first */
	PGresult *res;          /* NULL: not there yet */
	struct pg_want want;
	int row;
};

struct store_rows *
store_pgsql_rows_new(struct store_tx *tx, PGresult *res)
{
	struct pg_rows *r = mem_alloc(sizeof(*r));

	*r = (struct pg_rows){ .base.tx = tx, .res = res, .row = -1 };
	if (res == NULL)
		store_pgsql_want(((struct pg_tx *)tx)->conn, &r->want, &r->res);
	return &r->base;
}

bool
store_pgsql_rows_next(struct store_rows *base, bool *more, struct err *e)
{
	struct pg_rows *r = (struct pg_rows *)base;

	if (r->res == NULL && !store_pgsql_await((struct pg_tx *)r->base.tx, e))
		return false;
	if (r->row < PQntuples(r->res))
		r->row++;
	*more = r->row < PQntuples(r->res);
	return true;
}

void
store_pgsql_rows_free(struct store_rows *base)
{
	struct pg_rows *r = (struct pg_rows *)base;

	store_pgsql_unwant(((struct pg_tx *)base->tx)->conn, &r->want);
	PQclear(r->res);
	mem_free(&r);
}

bool
store_pgsql_null(const struct store_rows *base, int col)
{
	const struct pg_rows *r = (const struct pg_rows *)base;

	return PQgetisnull(r->res, r->row, col) != 0;
}

static bool
is_text(Oid type)
{
	return type != OID_BOOL && type != OID_INT8 && type != OID_INT2 &&
	       type != OID_INT4 && type != OID_NUMERIC;
}

const char *
store_pgsql_text(const struct store_rows *base, int col)
{
	const struct pg_rows *r = (const struct pg_rows *)base;

	if (store_pgsql_null(base, col) || !is_text(PQftype(r->res, col)))
		return NULL;
	return PQgetvalue(r->res, r->row, col);
}

/*
 * A NUMERIC (the sum of BIGINTs) without its fraction: digits to the base
 * 10,000, the first of which counts 10,000 to the power of weight.
 */
static int64_t
numeric(const char *p)
{
	enum { BASE = 10000, SIGN_NEGATIVE = 0x4000, HEAD = 4 };
	uint16_t head[HEAD]; /* digits, weight, sign, scale */
	int64_t n = 0;

	memcpy(head, p, sizeof(head));
	for (int i = 0; i <= (int16_t)be16toh(head[1]); i++) {
		uint16_t digit = 0;

		if (i < be16toh(head[0]))
			memcpy(&digit, p + sizeof(head) + 2 * (size_t)i,
			    sizeof(digit));
		if (__builtin_mul_overflow(n, BASE, &n) ||
		    __builtin_add_overflow(n, be16toh(digit), &n))
			return INT64_MAX;
	}
	return be16toh(head[2]) == SIGN_NEGATIVE ? -n : n;
}

int64_t
store_pgsql_int(const struct store_rows *base, int col)
{
	const struct pg_rows *r = (const struct pg_rows *)base;
	const char *p = PQgetvalue(r->res, r->row, col);
	uint64_t eight;
	uint32_t four;
	uint16_t two;

	if (store_pgsql_null(base, col))
		return 0;
	switch (PQftype(r->res, col)) {
	case OID_INT8:
		memcpy(&eight, p, sizeof(eight));
		return (int64_t)be64toh(eight);
	case OID_INT4:
		memcpy(&four, p, sizeof(four));
		return (int32_t)be32toh(four);
	case OID_INT2:
		memcpy(&two, p, sizeof(two));
		return (int16_t)be16toh(two);
	case OID_BOOL:
		return *p != 0;
	case OID_NUMERIC:
		return numeric(p);
	default:
		return 0;
	}
}

struct slice
store_pgsql_blob(const struct store_rows *base, int col)
{
	const struct pg_rows *r = (const struct pg_rows *)base;

	if (store_pgsql_null(base, col))
		return slice_of(NULL, 0);
	return slice_of(PQgetvalue(r->res, r->row, col),
	    (size_t)PQgetlength(r->res, r->row, col));
}
