/*
 * The course of a copy: read the source for its digests, fill the target,
 * read the target and compare.
 *
 * One thread, which has both databases for itself.
 */
#include "core/clock.h"
#include "store/store_copy_priv.h"

/* Both stores and what was read from them. */
struct copy {
	const struct store_copy_options *o;
	struct store *from, *to;
	struct copy_plan *plan;
	struct store_copy_result *result;
};

void
store_copy_result_free(struct store_copy_result **rp)
{
	struct store_copy_result *r = TAKE(*rp);

	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++)
		str_free(&r->tables[i].name);
	mem_free(&r->tables);
	mem_free(&r);
}

/* The plan's statements are known to the stores: it goes last. */
static void
copy_clear(struct copy *c)
{
	store_close(&c->from);
	store_close(&c->to);
	copy_plan_free(&c->plan);
	store_copy_result_free(&c->result);
}

static bool
open_both(struct copy *c, struct err *e)
{
	AUTO(copy_plan_free) struct copy_plan *target = NULL;
	struct store_options from = {
		.path = c->o->from, .readers = 1, .use = STORE_COPY_FROM
	};
	struct store_options to = {
		.path = c->o->to, .readers = 1, .use = STORE_COPY_TO
	};

	if (!store_open(&from, &c->from, e))
		return err_wrap(e, "source");
	if (!store_open(&to, &c->to, e))
		return err_wrap(e, "target");
	return copy_plan_new(c->from, &c->plan, e) &&
	       copy_plan_new(c->to, &target, e) &&
	       copy_plan_same(c->plan, target, e);
}

static bool
read_source(struct copy *c, struct err *e)
{
	struct store_copy_result *r = c->result;

	r->tables = mem_zalloc(c->plan->count, sizeof(*r->tables));
	r->count = c->plan->count;
	for (size_t i = 0; i < r->count; i++) {
		if (!copy_digest_table(c->from, &c->plan->tables[i], "read",
		        c->o, &r->tables[i], e))
			return err_wrap(e, "source");
		r->rows += r->tables[i].rows;
	}
	return true;
}

/* ---- filling ---- */

struct insert {
	struct store_tx *tx;
	const char *sql;
};

static bool
insert_row(const struct store_value *values, void *arg, struct err *e)
{
	const struct insert *in = arg;

	return store_exec(in->tx, in->sql, values, NULL, e);
}

/* One transaction of the target: rows, and how far they reach. */
static bool
fill_batch(
    struct copy *c, struct copy_cursor *cursor, int64_t *rows, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct insert in = { .sql = cursor->table->insert_sql };

	if (!store_begin(c->to, STORE_WRITE, &tx, e))
		return false;
	in.tx = tx;
	if (!copy_batch(cursor, insert_row, &in, rows, e))
		return false;
	if (*rows == 0)
		return true;
	return copy_state_save(tx, cursor, e) && store_commit(&tx, e);
}

static bool
fill_table(struct copy *c, const struct copy_table *t, struct err *e)
{
	AUTO(copy_cursor_clear)
	struct copy_cursor cursor = { c->from, t, c->o, 0, NULL };
	int64_t n;

	if (!copy_state_load(c->to, &cursor, e))
		return false;
	do {
		if (!fill_batch(c, &cursor, &n, e))
			return err_wrap(e, "table %s", t->name);
		c->result->copied += n;
		if (c->o->progress != NULL && n > 0)
			c->o->progress("copy", t->name, cursor.rows, c->o->arg);
	} while (n > 0);
	return true;
}

static bool
fill(struct copy *c, struct err *e)
{
	int64_t began = clock_mono_ms();

	if (!copy_state_begin(
	        c->to, c->plan, c->result->tables, c->o->restart, e))
		return false;
	for (size_t i = 0; i < c->plan->count; i++) {
		if (!fill_table(c, &c->plan->tables[i], e))
			return false;
	}
	c->result->copy_ms = clock_mono_ms() - began;
	return true;
}

/* ---- comparing ---- */

static bool
compare_table(struct copy *c, size_t i, struct err *e)
{
	const struct store_copy_table *want = &c->result->tables[i];
	struct store_copy_table is = { 0 };
	bool same;

	if (!copy_digest_table(
	        c->to, &c->plan->tables[i], "compare", c->o, &is, e))
		return err_wrap(e, "target");
	same = is.rows == want->rows && str_eq(is.digest, want->digest);
	str_free(&is.name);
	if (!same)
		return err_set(e, ERR_INTERNAL,
		    "table %s of the target is not what the source has; "
		    "--restart empties the target and begins again",
		    want->name);
	return true;
}

static bool
compare(struct copy *c, struct err *e)
{
	for (size_t i = 0; i < c->plan->count; i++) {
		if (!compare_table(c, i, e))
			return false;
	}
	return true;
}

bool
store_copy(const struct store_copy_options *o, struct store_copy_result **out,
    struct err *e)
{
	AUTO(copy_clear) struct copy c = { .o = o };

	c.result = mem_zalloc(1, sizeof(*c.result));
	if (!open_both(&c, e) || !read_source(&c, e) || !fill(&c, e) ||
	    !compare(&c, e) || !copy_state_end(c.to, e))
		return false;
	*out = TAKE(c.result);
	return true;
}
