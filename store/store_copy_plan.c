/*
 * What a copy has to carry: the tables of a database and their columns, read
 * from its catalogue so that no list can go stale, in an order in which
 * nothing refers to what is not there yet; and the SQL for each.
 *
 * A plan belongs to the thread that copies.
 */
#include <string.h>

#include "store/store_copy_priv.h"

enum { SQL_MAX = 16 << 10, TABLES_MAX = 256 };

static void
table_clear(struct copy_table *t)
{
	for (size_t i = 0; i < t->column_count; i++)
		str_free(&t->columns[i].name);
	mem_free(&t->columns);
	for (size_t i = 0; i < COUNT(t->rows_sql); i++) {
		str_free(&t->sizes_sql[i]);
		str_free(&t->rows_sql[i]);
	}
	str_free(&t->count_sql);
	str_free(&t->insert_sql);
	str_free(&t->delete_sql);
	str_free(&t->name);
}

void
copy_plan_free(struct copy_plan **pp)
{
	struct copy_plan *p = TAKE(*pp);

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		table_clear(&p->tables[i]);
	mem_free(&p->tables);
	mem_free(&p);
}

/* ---- the catalogue ---- */

/* What is made by opening the database, or tells of the copy itself. */
static bool
is_ours(const char *table)
{
	return str_eq(table, "schema_version") || str_eq(table, "store_copy");
}

static struct copy_table *
find(const struct copy_plan *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++) {
		if (str_eq(p->tables[i].name, name))
			return &p->tables[i];
	}
	return NULL;
}

static bool
column_type(const char *name, enum store_type *out)
{
	static const struct {
		const char *name;
		enum store_type type;
	} types[] = { { "BIGINT", STORE_INT }, { "TEXT", STORE_TEXT },
		{ "BLOB", STORE_BLOB } };

	for (size_t i = 0; i < COUNT(types); i++) {
		if (str_eq(types[i].name, name)) {
			*out = types[i].type;
			return true;
		}
	}
	return false;
}

/* A row of the catalogue: table, column, type, place in the primary key. */
static bool
add_column(struct copy_table *t, const struct store_rows *r, struct err *e)
{
	const char *name = store_text(r, 1), *type_name = store_text(r, 2);
	int64_t place = store_int(r, 3);
	enum store_type type;

	if (!column_type(type_name, &type))
		return err_set(e, ERR_INTERNAL, "%s.%s has the type %s",
		    t->name, name, type_name);
	if (place > COPY_KEYS_MAX || t->column_count == STORE_ARGS_MAX ||
	    (place > 0 && type == STORE_BLOB))
		return err_set(e, ERR_INTERNAL,
		    "%s.%s: too many columns, or a key of bytes", t->name,
		    name);
	if (place > 0) {
		t->keys[place - 1] = t->column_count;
		t->key_count++;
	}
	t->columns = mem_realloc(
	    t->columns, (t->column_count + 1) * sizeof(*t->columns));
	t->columns[t->column_count++] =
	    (struct copy_column){ str_dup(name), type };
	return true;
}

static bool
read_columns(struct store_tx *tx, struct copy_plan *p, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx, tx->st->driver->columns_sql, S_ARGS(), &r, e))
		return false;
	while (store_next(r, &more, e)) {
		const char *name = more ? store_text(r, 0) : NULL;

		if (!more)
			return true;
		if (is_ours(name))
			continue;
		if (p->count == 0 ||
		    !str_eq(p->tables[p->count - 1].name, name)) {
			if (p->count == TABLES_MAX)
				return err_set(
				    e, ERR_INTERNAL, "too many tables");
			p->tables[p->count++].name = str_dup(name);
		}
		if (!add_column(&p->tables[p->count - 1], r, e))
			return false;
	}
	return false;
}

/* ---- the order ---- */

/* Marks tables that refer to one that has no place yet. */
static bool
mark_waiting(struct store_tx *tx, const struct copy_plan *p,
    bool waiting[TABLES_MAX], struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_query(tx, tx->st->driver->references_sql, S_ARGS(), &r, e))
		return false;
	while (store_next(r, &more, e)) {
		const struct copy_table *from, *to;

		if (!more)
			return true;
		from = find(p, store_text(r, 0));
		to = find(p, store_text(r, 1));
		if (from != NULL && to != NULL && !to->placed)
			waiting[from - p->tables] = true;
	}
	return false;
}

/* Takes, again and again, what refers only to what was taken. */
static bool
put_in_order(struct store_tx *tx, struct copy_plan *p, struct err *e)
{
	struct copy_table *ordered = mem_zalloc(TABLES_MAX, sizeof(*ordered));
	size_t n = 0, before = SIZE_MAX;
	bool ok = true;

	while (ok && n < p->count && n != before) {
		bool waiting[TABLES_MAX] = { false };

		before = n;
		ok = mark_waiting(tx, p, waiting, e);
		for (size_t i = 0; ok && i < p->count; i++) {
			if (waiting[i] || p->tables[i].placed)
				continue;
			p->tables[i].placed = true;
			ordered[n++] = p->tables[i];
		}
	}
	if (ok && n == p->count) {
		mem_free(&p->tables);
		p->tables = ordered;
		return true;
	}
	mem_free(&ordered);
	return ok ? err_set(e, ERR_INTERNAL,
	                "tables refer to each other in a "
	                "circle")
	          : false;
}

/* ---- the statements ---- */

static void
add_names(struct buf *b, const struct copy_table *t, bool keys)
{
	size_t n = keys ? t->key_count : t->column_count;

	for (size_t i = 0; i < n; i++)
		buf_addf(b, "%s\"%s\"", i > 0 ? ", " : "",
		    t->columns[keys ? t->keys[i] : i].name);
}

static void
add_params(struct buf *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "%s$%zu", i > 0 ? ", " : "", i + 1);
}

static char *
finish(struct buf *b)
{
	return str_dup(buf_str(b));
}

/* "<select> FROM t WHERE (key) > ($1) ORDER BY key LIMIT $2" */
static char *
paged(const struct copy_table *t, const char *select, bool behind)
{
	AUTO(buf_free) struct buf *b = buf_new(SQL_MAX);

	buf_addf(b, "SELECT %s FROM \"%s\"", select, t->name);
	if (behind) {
		buf_adds(b, " WHERE (");
		add_names(b, t, true);
		buf_adds(b, ") > (");
		add_params(b, t->key_count);
		buf_adds(b, ")");
	}
	buf_adds(b, " ORDER BY ");
	add_names(b, t, true);
	buf_addf(b, " LIMIT $%zu", behind ? t->key_count + 1 : 1);
	return finish(b);
}

/* Characters, of up to 4 bytes, or bytes. */
static char *
sizes(const struct copy_table *t)
{
	AUTO(buf_free) struct buf *b = buf_new(SQL_MAX);

	buf_adds(b, "CAST(0 AS BIGINT)");
	for (size_t i = 0; i < t->column_count; i++) {
		if (t->columns[i].type != STORE_INT)
			buf_addf(b, " + COALESCE(LENGTH(\"%s\"), 0)",
			    t->columns[i].name);
	}
	return finish(b);
}

/* SQLite keeps what it is given in a column of numbers. */
static char *
counts(const struct copy_table *t)
{
	AUTO(buf_free) struct buf *b = buf_new(SQL_MAX);

	buf_adds(b, "SELECT COUNT(*), COALESCE(SUM(CASE WHEN 1 = 0");
	for (size_t i = 0; i < t->column_count; i++) {
		const char *name = t->columns[i].name;

		if (t->columns[i].type == STORE_INT)
			buf_addf(b, " OR CAST(\"%s\" AS BIGINT) <> \"%s\"",
			    name, name);
	}
	buf_addf(b, " THEN 1 ELSE 0 END), 0) FROM \"%s\"", t->name);
	return finish(b);
}

static char *
insert(const struct copy_table *t)
{
	AUTO(buf_free) struct buf *b = buf_new(SQL_MAX);

	buf_addf(b, "INSERT INTO \"%s\" (", t->name);
	add_names(b, t, false);
	buf_adds(b, ") VALUES (");
	add_params(b, t->column_count);
	buf_adds(b, ")");
	return finish(b);
}

/* So many rows, whichever. */
static char *
remove_some(const struct copy_table *t)
{
	AUTO(buf_free) struct buf *b = buf_new(SQL_MAX);

	buf_addf(b, "DELETE FROM \"%s\" WHERE (", t->name);
	add_names(b, t, true);
	buf_adds(b, ") IN (SELECT ");
	add_names(b, t, true);
	buf_addf(b, " FROM \"%s\" LIMIT $1)", t->name);
	return finish(b);
}

static bool
write_sql(struct copy_table *t, struct err *e)
{
	AUTO(buf_free) struct buf *names = buf_new(SQL_MAX);
	AUTO(str_free) char *lengths = NULL;

	if (t->key_count == 0)
		return err_set(
		    e, ERR_INTERNAL, "table %s has no primary key", t->name);
	add_names(names, t, false);
	lengths = sizes(t);
	for (size_t i = 0; i < COUNT(t->rows_sql); i++) {
		t->sizes_sql[i] = paged(t, lengths, i == 1);
		t->rows_sql[i] = paged(t, buf_str(names), i == 1);
	}
	t->count_sql = counts(t);
	t->insert_sql = insert(t);
	t->delete_sql = remove_some(t);
	return true;
}

bool
copy_plan_new(struct store *st, struct copy_plan **out, struct err *e)
{
	AUTO(copy_plan_free) struct copy_plan *p = mem_zalloc(1, sizeof(*p));
	AUTO(store_rollback) struct store_tx *tx = NULL;

	p->tables = mem_zalloc(TABLES_MAX, sizeof(*p->tables));
	if (!store_begin(st, STORE_READ, &tx, e) || !read_columns(tx, p, e) ||
	    !put_in_order(tx, p, e))
		return false;
	for (size_t i = 0; i < p->count; i++) {
		if (!write_sql(&p->tables[i], e))
			return false;
	}
	*out = TAKE(p);
	return true;
}

/* ---- comparing ---- */

static bool
same_table(const struct copy_table *a, const struct copy_table *b)
{
	if (!str_eq(a->name, b->name) || a->column_count != b->column_count ||
	    a->key_count != b->key_count ||
	    memcmp(a->keys, b->keys, sizeof(a->keys)) != 0)
		return false;
	for (size_t i = 0; i < a->column_count; i++) {
		if (!str_eq(a->columns[i].name, b->columns[i].name) ||
		    a->columns[i].type != b->columns[i].type)
			return false;
	}
	return true;
}

bool
copy_plan_same(
    const struct copy_plan *a, const struct copy_plan *b, struct err *e)
{
	for (size_t i = 0; i < a->count || i < b->count; i++) {
		if (i >= a->count || i >= b->count ||
		    !same_table(&a->tables[i], &b->tables[i]))
			return err_set(e, ERR_CONFLICT,
			    "table %s is not the same in both databases",
			    i < a->count ? a->tables[i].name
			                 : b->tables[i].name);
	}
	return true;
}
