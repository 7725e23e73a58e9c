/*
 * Prepared statements of one connection, found by the address of their SQL:
 * the SQL is a literal, so the same place in the code is the same statement
 * and nothing is compared.
 *
 * Used by the thread that uses the connection.
 */
#include <assert.h>

#include "store/store_sqlite_priv.h"

enum { SLOTS_MIN = 64 };

static size_t
slot_of(const struct sq_conn *c, const char *sql)
{
	uint64_t h = (uint64_t)(uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15);

	return (size_t)(h >> 32) & (c->cap - 1);
}

/* The slot that holds sql, or the free one where it belongs. */
static struct sq_stmt **
find(const struct sq_conn *c, const char *sql)
{
	size_t i = slot_of(c, sql);

	while (c->slots[i] != NULL && c->slots[i]->sql != sql)
		i = (i + 1) & (c->cap - 1);
	return &c->slots[i];
}

/* Keeps at least a third of the slots free. */
static void
grow(struct sq_conn *c)
{
	struct sq_stmt **old = c->slots;
	size_t n = old != NULL ? c->cap : 0;

	if (old != NULL && c->used * 3 < n * 2)
		return;
	c->cap = n == 0 ? SLOTS_MIN : n * 2;
	c->slots = mem_zalloc(c->cap, sizeof(c->slots[0]));
	for (size_t i = 0; i < n; i++) {
		if (old[i] != NULL)
			*find(c, old[i]->sql) = old[i];
	}
	mem_free(&old);
}

static void
stmt_free(struct sq_stmt **s)
{
	if (*s != NULL)
		sqlite3_finalize((*s)->h);
	mem_free(s);
}

/*
 * To SQLite "$2" is a name, numbered by where it first stands; remember which
 * number each of ours got.
 */
static bool
map_params(struct sq_stmt *s, struct err *e)
{
	int n = sqlite3_bind_parameter_count(s->h);

	if (n > STORE_ARGS_MAX)
		return err_set(e, ERR_INTERNAL, "%d parameters: %s", n, s->sql);
	for (int i = 1; i <= n; i++) {
		const char *name = sqlite3_bind_parameter_name(s->h, i);
		int64_t number;

		if (name == NULL || name[0] != '$' ||
		    !str_to_i64(name + 1, 1, n, &number) ||
		    s->index[number - 1] != 0)
			return err_set(e, ERR_INTERNAL,
			    "parameters are not $1 to $%d: %s", n, s->sql);
		s->index[number - 1] = (uint8_t)i;
	}
	s->params = (uint8_t)n;
	return true;
}

static bool
prepare(struct sq_conn *c, const char *sql, struct sq_stmt **out, struct err *e)
{
	AUTO(stmt_free) struct sq_stmt *s = mem_zalloc(1, sizeof(*s));
	const char *tail = "";
	int rc;

	s->sql = sql;
	rc = sqlite3_prepare_v3(
	    c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->h, &tail);
	if (rc != SQLITE_OK) {
		store_sqlite_conn_err(c, rc, sql, e);
		return false;
	}
	if (s->h == NULL || *tail != '\0')
		return err_set(e, ERR_INTERNAL, "not one statement: %s", sql);
	if (!map_params(s, e))
		return false;
	*out = TAKE(s);
	return true;
}

static int
bind_one(const struct sq_stmt *s, int i, const struct store_value *v, bool copy)
{
	sqlite3_destructor_type keep = copy ? SQLITE_TRANSIENT : SQLITE_STATIC;
	const char *p = v->s.p != NULL ? (const char *)v->s.p : "";

	switch (v->type) {
	case STORE_INT:
		return sqlite3_bind_int64(s->h, i, v->n);
	case STORE_TEXT:
		return sqlite3_bind_text64(
		    s->h, i, p, v->s.len, keep, SQLITE_UTF8);
	case STORE_BLOB:
		return sqlite3_bind_blob64(s->h, i, p, v->s.len, keep);
	case STORE_NULL:
	case STORE_END:
		break;
	}
	return sqlite3_bind_null(s->h, i);
}

static bool
bind_all(struct sq_conn *c, struct sq_stmt *s, const struct store_value *args,
    bool copy, struct err *e)
{
	int n = 0;

	for (; n < s->params && args[n].type != STORE_END; n++) {
		int rc = bind_one(s, s->index[n], &args[n], copy);

		if (rc != SQLITE_OK)
			return store_sqlite_conn_err(c, rc, s->sql, e);
	}
	if (n != s->params || args[n].type != STORE_END)
		return err_set(e, ERR_INTERNAL,
		    "%d parameters wanted, other number given: %s", s->params,
		    s->sql);
	return true;
}

/* The cached statement, or when it is busy (a query within its own loop) one
 * for this use alone. */
static bool
lookup(struct sq_conn *c, const char *sql, struct sq_stmt **out, struct err *e)
{
	struct sq_stmt **slot;

	grow(c);
	slot = find(c, sql);
	if (*slot != NULL && !(*slot)->busy) {
#ifdef MUTSU_CHECKS
		assert(str_eq(sqlite3_sql((*slot)->h), sql));
#endif
		*out = *slot;
		return true;
	}
	if (!prepare(c, sql, out, e))
		return false;
	if (*slot == NULL) {
		(*out)->cached = true;
		*slot = *out;
		c->used++;
	}
	return true;
}

bool
store_sqlite_stmt_get(struct sq_conn *c, const char *sql,
    const struct store_value *args, bool copy, struct sq_stmt **out,
    struct err *e)
{
	struct sq_stmt *s = NULL;

	if (!lookup(c, sql, &s, e))
		return false;
	s->busy = true;
	if (!bind_all(c, s, args, copy, e)) {
		store_sqlite_stmt_release(s);
		return false;
	}
	*out = s;
	return true;
}

void
store_sqlite_stmt_release(struct sq_stmt *s)
{
	sqlite3_reset(s->h);
	if (s->params > 0)
		sqlite3_clear_bindings(s->h);
	s->busy = false;
	if (!s->cached)
		stmt_free(&s);
}

void
store_sqlite_stmt_clear(struct sq_conn *c)
{
	for (size_t i = 0; i < c->cap; i++) {
		assert(c->slots[i] == NULL || !c->slots[i]->busy);
		stmt_free(&c->slots[i]);
	}
	mem_free(&c->slots);
	c->cap = c->used = 0;
}
