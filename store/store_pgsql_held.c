/*
 * Statements of which nobody needs the answer, kept until their transaction
 * commits.  One that is given up before has then sent nothing, and needs no
 * savepoint of its own in the shared transaction.
 *
 * A list belongs to its transaction's thread.
 */
#include "store/store_pgsql_priv.h"

void
store_pgsql_hold(struct pg_held_list *l, const struct pg_stmt *s,
    const struct store_value *args)
{
	struct pg_held *h = mem_alloc(sizeof(*h));

	*h = (struct pg_held){ .stmt = s, .args = store_values_copy(args) };
	*(l->end != NULL ? l->end : &l->first) = h;
	l->end = &h->next;
}

static void
drop_first(struct pg_held_list *l)
{
	struct pg_held *h = l->first;

	l->first = h->next;
	mem_free(&h->args);
	mem_free(&h);
	if (l->first == NULL)
		l->end = NULL;
}

bool
store_pgsql_held_queue(struct pg_held_list *l, struct pg_conn *c, struct err *e)
{
	for (; l->first != NULL; drop_first(l)) {
		if (!store_pgsql_stmt_queue(
		        c, l->first->stmt, l->first->args, e))
			return false;
	}
	return true;
}

void
store_pgsql_held_clear(struct pg_held_list *l)
{
	while (l->first != NULL)
		drop_first(l);
}
