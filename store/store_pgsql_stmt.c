/*
 * Prepared statements of one connection, found by the address of their SQL:
 * the SQL is a literal, so the same place in the code is the same statement
 * and nothing is compared.  The server says what types the parameters have;
 * values go out in its binary form of them.
 *
 * Used by the thread that uses the connection.
 */
#include <endian.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "store/store_pgsql_priv.h"

enum { SLOTS_MIN = 64, INT_TEXT = 24 };

/* Of pg_type.dat, which is for servers only. */
enum pg_oid { OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23 };

static size_t
slot_of(const struct pg_conn *c, const char *sql)
{
	uint64_t h = (uint64_t)(uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15);

	return (size_t)(h >> 32) & (c->cap - 1);
}

/* The slot that holds sql, or the free one where it belongs. */
static struct pg_stmt **
find(const struct pg_conn *c, const char *sql)
{
	size_t i = slot_of(c, sql);

	while (c->slots[i] != NULL && c->slots[i]->sql != sql)
		i = (i + 1) & (c->cap - 1);
	return &c->slots[i];
}

/* Keeps at least a third of the slots free. */
static void
grow(struct pg_conn *c)
{
	struct pg_stmt **old = c->slots;
	size_t n = old != NULL ? c->cap : 0;

	if (old != NULL && c->used * 3 < n * 2)
		return;
	c->cap = n == 0 ? SLOTS_MIN : n * 2;
	c->slots = mem_zalloc(c->cap, sizeof(struct pg_stmt *));
	for (size_t i = 0; i < n; i++) {
		if (old[i] != NULL)
			*find(c, old[i]->sql) = old[i];
	}
	mem_free(&old);
}

struct pg_stmt *
store_pgsql_stmt_find(struct pg_conn *c, const char *sql)
{
	return c->slots != NULL ? *find(c, sql) : NULL;
}

void
store_pgsql_stmt_clear(struct pg_conn *c)
{
	for (size_t i = 0; i < c->cap; i++)
		mem_free(&c->slots[i]);
	mem_free(&c->slots);
	c->cap = c->used = 0;
}

/* ---- preparing ---- */

/*
 * "$1 = 1" makes a parameter an INT4, but ours are all 64 bits wide.
 */
static bool
take_types(struct pg_stmt *s, const PGresult *described, struct err *e)
{
	s->params = PQnparams(described);
	if (s->params > STORE_ARGS_MAX)
		return err_set(
		    e, ERR_INTERNAL, "%d parameters: %s", s->params, s->sql);
	for (int i = 0; i < s->params; i++) {
		Oid type = PQparamtype(described, i);

		s->types[i] =
		    type == OID_INT4 || type == OID_INT2 ? OID_INT8 : type;
	}
	return true;
}

/* Asks what the parameters are; what is queued is sent with it. */
static bool
describe(struct pg_conn *c, struct pg_stmt *s, bool *mine, struct err *e)
{
	AUTO(store_pgsql_result_free) PGresult *res = NULL;

	*mine = false;
	if (store_pgsql_lost(c) || !PQsendPrepare(c->h, "", s->sql, 0, NULL) ||
	    !PQsendDescribePrepared(c->h, ""))
		return store_pgsql_drop(c, e);
	c->queued += 2;
	if (!store_pgsql_trip(c, 2, &res, mine, e))
		return false;
	*mine = true;
	return take_types(s, res, e);
}

/* Goes out with what is sent next, and cannot fail: describe() did not. */
static bool
queue_prepare(struct pg_conn *c, struct pg_stmt *s, struct err *e)
{
	snprintf(s->name, sizeof(s->name), "s%lld", (long long)++c->names);
	if (!PQsendPrepare(c->h, s->name, s->sql, s->params, s->types))
		return store_pgsql_drop(c, e);
	c->queued++;
	return true;
}

bool
store_pgsql_stmt_prepare(struct pg_conn *c, const char *sql,
    struct pg_stmt **out, bool *mine, struct err *e)
{
	struct pg_stmt new = { .sql = sql };

	*mine = true;
	if (sql[0] == '\0')
		return err_set(e, ERR_INTERNAL, "an empty statement");
	if (!describe(c, &new, mine, e))
		return false;
	*mine = false;
	if (!queue_prepare(c, &new, e))
		return false;
	new.reads = strncasecmp(sql, "SELECT", strlen("SELECT")) == 0;
	grow(c);
	c->used++;
	*out = mem_alloc(sizeof(**out));
	**out = new;
	*find(c, sql) = *out;
	return true;
}

/* ---- values ---- */

/* The parameters of one execution, as libpq wants them. */
struct pg_params {
	const char *values[STORE_ARGS_MAX];
	int lengths[STORE_ARGS_MAX];
	int formats[STORE_ARGS_MAX]; /* 1: binary */
	union {
		uint64_t big_endian;
		char text[INT_TEXT];
	} ints[STORE_ARGS_MAX];
};

static void
put_int(struct pg_params *p, int i, Oid type, int64_t n)
{
	if (type == OID_INT8) {
		p->ints[i].big_endian = htobe64((uint64_t)n);
		p->values[i] = (const char *)&p->ints[i].big_endian;
		p->lengths[i] = (int)sizeof(uint64_t);
		p->formats[i] = 1;
		return;
	}
	snprintf(p->ints[i].text, INT_TEXT, "%lld", (long long)n);
	p->values[i] = p->ints[i].text;
}

static void
put(struct pg_params *p, int i, Oid type, const struct store_value *v)
{
	p->values[i] = NULL;
	p->lengths[i] = p->formats[i] = 0;
	switch (v->type) {
	case STORE_INT:
		put_int(p, i, type, v->n);
		break;
	case STORE_TEXT:
	case STORE_BLOB:
		/* Text in binary form is its bytes. */
		p->values[i] = v->s.p != NULL ? (const char *)v->s.p : "";
		p->lengths[i] = (int)v->s.len;
		p->formats[i] = 1;
		break;
	case STORE_NULL:
	case STORE_END:
		break;
	}
}

/* What the server would refuse, and outsiders can send, must not get there: a
 * statement that fails may cost others their work. */
static bool
text_ok(const struct store_value *v)
{
	return v->type != STORE_TEXT ||
	       (slice_utf8_valid(v->s) &&
	           (v->s.len == 0 || memchr(v->s.p, 0, v->s.len) == NULL));
}

bool
store_pgsql_stmt_check(
    const struct pg_stmt *s, const struct store_value *args, struct err *e)
{
	int n = 0;

	while (n < s->params && args[n].type != STORE_END) {
		if (args[n].s.len > INT_MAX)
			return err_set(e, ERR_TOO_LARGE, "a value of %zu bytes",
			    args[n].s.len);
		if (!text_ok(&args[n]))
			return err_set(
			    e, ERR_INVALID, "a text that is not UTF-8");
		n++;
	}
	if (n != s->params || args[n].type != STORE_END)
		return err_set(e, ERR_INTERNAL,
		    "%d parameters wanted, other number given: %s", s->params,
		    s->sql);
	return true;
}

bool
store_pgsql_stmt_queue(struct pg_conn *c, const struct pg_stmt *s,
    const struct store_value *args, struct err *e)
{
	struct pg_params p;

	for (int i = 0; i < s->params; i++)
		put(&p, i, s->types[i], &args[i]);
	if (store_pgsql_lost(c) ||
	    !PQsendQueryPrepared(
	        c->h, s->name, s->params, p.values, p.lengths, p.formats, 1))
		return store_pgsql_drop(c, e);
	c->queued++;
	return true;
}
