/*
 * Questions asked ahead.  A write transaction may say before it begins what it
 * will ask first (struct store_question).  Whoever has the turn sends the
 * questions of those in line behind it along with its own, in one round trip,
 * and each finds its answer there when its turn comes.
 *
 * The writers' lock is held by then, so that the answer can only be outdated
 * by those of the same shared transaction that end in between.  Each leaves
 * behind what it wrote about: what its own question was about
 * (store_confine()), or anything.  An answer is used when none of them wrote
 * about anything, nor about the same; else the question is asked again.
 *
 * By the thread that has the writer's turn; what is asked for others is handed
 * to them with the turn.
 */
#include "store/store_pgsql_priv.h"

static const uint64_t ANYTHING = 0, NOTHING = 1;

/* Two things that share a number are taken for the same. */
static uint64_t
about(const char *text)
{
	uint64_t h = slice_hash(slice_str(text));

	if (str_empty(text))
		return ANYTHING;
	return h <= NOTHING ? h + 2 : h;
}

/* What the answer is about; it may have no rows, or several. */
static uint64_t
about_answer(const struct pg_tx *tx, const PGresult *res)
{
	int col = tx->question->scope_col;

	if (PQntuples(res) != 1 || PQgetisnull(res, 0, col))
		return ANYTHING;
	return about(PQgetvalue(res, 0, col));
}

void
store_pgsql_ahead_begin(struct pg_ahead *a)
{
	a->generation++;
	a->count = 0;
}

/* What it is about besides, or NOTHING. */
static uint64_t
about_also(const struct pg_tx *tx)
{
	const char *also = tx->question != NULL ? tx->question->also : NULL;

	return str_empty(also) ? NOTHING : about(also);
}

void
store_pgsql_ahead_end(struct pg_tx *tx, bool kept)
{
	struct pg_ahead *a = &tx->conn->ahead;

	if (!kept && !tx->wrote)
		return;
	/* There is no room: what was asked before is void. */
	if (a->count == PG_AHEAD_WRITTEN) {
		store_pgsql_ahead_begin(a);
		return;
	}
	a->written[a->count++] =
	    kept && tx->base.confined
	        ? (struct pg_written){ tx->about, tx->also }
	        : (struct pg_written){ ANYTHING, NOTHING };
}

static bool
meets(const struct pg_written *w, uint64_t mine, uint64_t also)
{
	return w->about == ANYTHING || mine == ANYTHING || w->about == mine ||
	       (also != NOTHING && w->also == also);
}

/* The answer that it has is what it would get now. */
static bool
still_good(const struct pg_tx *tx)
{
	const struct pg_ahead *a = &tx->conn->ahead;
	uint64_t mine = about_answer(tx, tx->answer);

	if (tx->generation != a->generation)
		return false;
	for (int i = tx->asked_at; i < a->count; i++)
		if (meets(&a->written[i], mine, about_also(tx)))
			return false;
	return true;
}

/* ---- asking ---- */

/* False: no use in asking for those behind it. */
static bool
ask_for(struct store_tx *base, void *arg)
{
	struct pg_round *r = arg;
	struct pg_conn *c = r->conn;
	struct pg_tx *tx = (struct pg_tx *)base;
	struct pg_stmt *s;
	struct err ignored;

	if (tx == NULL || tx->question == NULL)
		return false;
	if (tx->answer != NULL && still_good(tx))
		return true;
	s = store_pgsql_stmt_find(c, tx->question->sql);
	if (s == NULL || !s->reads ||
	    !store_pgsql_stmt_check(s, tx->question->args, &ignored))
		return true;
	store_pgsql_result_free(&tx->answer);
	/* That the connection is lost is noticed by whoever sends next. */
	if (!store_pgsql_stmt_queue(c, s, tx->question->args, &ignored))
		return false;
	store_pgsql_want(c, &r->wants[r->count++], &tx->answer);
	tx->generation = c->ahead.generation;
	tx->asked_at = c->ahead.count;
	return r->count < PG_AHEAD_MAX;
}

void
store_pgsql_ahead_ask(struct pg_tx *tx, struct pg_round *r)
{
	struct pgsql *q = (struct pgsql *)tx->base.st;

	r->conn = tx->conn;
	r->count = 0;
	/* What it wrote itself might still be undone. */
	if (tx->base.mode == STORE_WRITE && !tx->wrote && !tx->queued &&
	    tx->held.first == NULL)
		store_writer_in_line(&q->writer, ask_for, r);
}

static bool
forget(struct store_tx *base, void *arg)
{
	struct pg_tx *tx = (struct pg_tx *)base;

	(void)arg;
	if (tx != NULL)
		tx->question = NULL;
	return true;
}

void
store_pgsql_ahead_forget(struct pg_tx *tx, const struct pg_round *r)
{
	struct pgsql *q = (struct pgsql *)tx->base.st;

	if (r->count > 0)
		store_writer_in_line(&q->writer, forget, NULL);
}

/* ---- being answered ---- */

static bool
same(const struct store_value *a, const struct store_value *b)
{
	while (a->type == b->type && a->n == b->n && slice_eq(a->s, b->s)) {
		if (a->type == STORE_END)
			return true;
		a++;
		b++;
	}
	return false;
}

static bool
is_question(const struct pg_tx *tx, const char *sql)
{
	return tx->question != NULL && tx->base.statements == 1 &&
	       sql == tx->question->sql;
}

bool
store_pgsql_ahead_take(struct pg_tx *tx, const char *sql,
    const struct store_value *args, PGresult **out)
{
	if (tx->answer == NULL || !is_question(tx, sql) ||
	    !same(tx->question->args, args) || !still_good(tx)) {
		store_pgsql_result_free(&tx->answer);
		return false;
	}
	*out = TAKE(tx->answer);
	return true;
}

void
store_pgsql_ahead_learn(
    struct pg_tx *tx, const char *sql, const PGresult *answer)
{
	if (!is_question(tx, sql))
		return;
	tx->about = about_answer(tx, answer);
	tx->also = about_also(tx);
}
