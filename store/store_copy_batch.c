/*
 * Reading a table batch by batch, each behind the key of the one before, and
 * the digest of a whole table.
 *
 * A cursor belongs to the thread that copies.
 */
#include <endian.h>
#include <string.h>

#include "core/json.h"
#include "store/store_copy_priv.h"

enum { BATCH_ROWS = 500, BATCH_BYTES = 4 << 20, ROW_MAX = 1 << 30 };

void
copy_cursor_clear(struct copy_cursor *c)
{
	json_free(&c->last);
}

/* The key to go on behind, if any, and the number of rows. */
static void
page_args(const struct copy_cursor *c, int64_t n,
    struct store_value args[COPY_KEYS_MAX + 2])
{
	size_t keys = c->last != NULL ? c->table->key_count : 0;

	for (size_t i = 0; i < keys; i++) {
		const json_t *k = json_array_get(c->last, i);

		args[i] = json_is_integer(k) ? S_INT(json_integer_value(k))
		                             : S_TEXT(json_string_value(k));
	}
	args[keys] = S_INT(n);
	args[keys + 1] = (struct store_value){ .type = STORE_END };
}

/* Rows of the next batch, so many that it stays small. */
static bool
measure(const struct copy_cursor *c, struct store_tx *tx, int64_t *rows_out,
    struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct store_value args[COPY_KEYS_MAX + 2];
	int64_t most = c->o->batch_bytes > 0 ? c->o->batch_bytes : BATCH_BYTES;
	int64_t n = 0, bytes = 0;
	bool more = true;

	page_args(
	    c, c->o->batch_rows > 0 ? c->o->batch_rows : BATCH_ROWS, args);
	if (!store_query(tx, c->table->sizes_sql[c->last != NULL], args, &r, e))
		return false;
	while (bytes < most) {
		if (!store_next(r, &more, e))
			return false;
		if (!more)
			break;
		bytes += store_int(r, 0);
		if (n > 0 && bytes > most)
			break;
		n++;
	}
	*rows_out = n;
	return true;
}

static void
read_row(const struct store_rows *r, const struct copy_table *t,
    struct store_value values[STORE_ARGS_MAX + 1])
{
	for (size_t i = 0; i < t->column_count; i++) {
		struct store_value *v = &values[i];

		*v = (struct store_value){ .type = t->columns[i].type };
		if (store_null(r, (int)i))
			v->type = STORE_NULL;
		else if (v->type == STORE_INT)
			v->n = store_int(r, (int)i);
		else
			v->s = store_blob(r, (int)i);
	}
	values[t->column_count] = (struct store_value){ .type = STORE_END };
}

/* What only one of the drivers takes would stop the copy half way. */
static bool
check_row(
    const struct copy_table *t, const struct store_value *values, struct err *e)
{
	for (size_t i = 0; i < t->column_count; i++) {
		struct slice s = values[i].s;

		if (values[i].type != STORE_TEXT || s.len == 0)
			continue;
		if (!slice_utf8_valid(s) || memchr(s.p, 0, s.len) != NULL)
			return err_set(e, ERR_INVALID,
			    "%s.%s has a text that is not UTF-8, or has a NUL",
			    t->name, t->columns[i].name);
	}
	for (size_t i = 0; i < t->key_count; i++) {
		if (values[t->keys[i]].type == STORE_NULL)
			return err_set(e, ERR_INVALID,
			    "table %s has a row without a key", t->name);
	}
	return true;
}

/* check_row() was satisfied. */
static void
remember_key(struct copy_cursor *c, const struct store_value *values)
{
	json_free(&c->last);
	c->last = json_array();
	for (size_t i = 0; i < c->table->key_count; i++) {
		const struct store_value *v = &values[c->table->keys[i]];

		json_array_append_new(c->last,
		    v->type == STORE_INT
		        ? json_integer(v->n)
		        : json_stringn(v->s.len > 0 ? (const char *)v->s.p : "",
		              v->s.len));
	}
}

static bool
read_rows(struct copy_cursor *c, struct store_tx *tx, int64_t n,
    copy_row_fn *fn, void *arg, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	struct store_value args[COPY_KEYS_MAX + 2];
	struct store_value values[STORE_ARGS_MAX + 1];
	bool more;

	page_args(c, n, args);
	if (!store_query(tx, c->table->rows_sql[c->last != NULL], args, &r, e))
		return false;
	for (int64_t i = 0; i < n; i++) {
		if (!store_next(r, &more, e))
			return false;
		if (!more)
			return err_set(e, ERR_CONFLICT,
			    "table %s changes while it is read",
			    c->table->name);
		read_row(r, c->table, values);
		if (!check_row(c->table, values, e) || !fn(values, arg, e))
			return false;
		if (i == n - 1)
			remember_key(c, values);
	}
	c->rows += n;
	return true;
}

bool
copy_batch(struct copy_cursor *c, copy_row_fn *fn, void *arg, int64_t *rows_out,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	int64_t n;

	if (!store_begin(c->st, STORE_READ, &tx, e) || !measure(c, tx, &n, e) ||
	    (n > 0 && !read_rows(c, tx, n, fn, arg, e)))
		return false;
	*rows_out = n;
	return true;
}

/* ---- digests ---- */

static void
add_number(struct buf *b, uint64_t n)
{
	n = htobe64(n);
	buf_add(b, &n, sizeof(n));
}

/* Kind, length and bytes of each value: NULL is not "", 1 is not "1". */
static bool
add_row(const struct store_value *values, void *arg, struct err *e)
{
	struct copy_digest *d = arg;
	uint64_t hash[COUNT(d->sum)];

	buf_reset(d->row);
	for (; values->type != STORE_END; values++) {
		buf_addc(d->row, "-nitb"[values->type]);
		if (values->type == STORE_INT)
			add_number(d->row, (uint64_t)values->n);
		if (values->type != STORE_TEXT && values->type != STORE_BLOB)
			continue;
		add_number(d->row, values->s.len);
		if (values->s.len > 0)
			buf_add(d->row, values->s.p, values->s.len);
	}
	if (!buf_ok(d->row, e))
		return false;
	sha256((uint8_t *)hash, buf_slice(d->row));
	for (size_t i = 0; i < COUNT(hash); i++)
		d->sum[i] += be64toh(hash[i]);
	return true;
}

/* All rows were found by their key, and numbers are numbers. */
static bool
check_count(
    struct store *st, const struct copy_table *t, int64_t rows, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	bool more;

	if (!store_begin(st, STORE_READ, &tx, e) ||
	    !store_query(tx, t->count_sql, S_ARGS(), &r, e) ||
	    !store_next(r, &more, e))
		return false;
	if (store_int(r, 0) != rows)
		return err_set(e, ERR_INTERNAL,
		    "table %s has %lld rows, but %lld were read", t->name,
		    (long long)store_int(r, 0), (long long)rows);
	if (store_int(r, 1) != 0)
		return err_set(e, ERR_INVALID,
		    "table %s has %lld rows with something that is no number "
		    "in a column of numbers",
		    t->name, (long long)store_int(r, 1));
	return true;
}

bool
copy_digest_table(struct store *st, const struct copy_table *t,
    const char *what, const struct store_copy_options *o,
    struct store_copy_table *out, struct err *e)
{
	AUTO(buf_free) struct buf *row = buf_new(ROW_MAX);
	AUTO(copy_cursor_clear)
	struct copy_cursor c = { st, t, o, 0, NULL };
	struct copy_digest d = { .row = row };
	int64_t n;

	do {
		if (!copy_batch(&c, add_row, &d, &n, e))
			return false;
		if (o->progress != NULL && n > 0)
			o->progress(what, t->name, c.rows, o->arg);
	} while (n > 0);
	if (!check_count(st, t, c.rows, e))
		return false;
	for (size_t i = 0; i < COUNT(d.sum); i++)
		d.sum[i] = htobe64(d.sum[i]);
	hex_to(out->digest, d.sum, sizeof(d.sum));
	out->name = str_dup(t->name);
	out->rows = c.rows;
	return true;
}
