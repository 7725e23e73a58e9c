/*
 * Write transactions that say beforehand what they ask first.  With PostgreSQL
 * the questions of many travel together; with SQLite they cost no round trip
 * anyway.
 */
#pragma once

#include "store/store.h"

/*
 * What a write transaction asks first, and what that is about: one thing that
 * a column of the answer names (a TEXT, in one row), and perhaps another that
 * is known beforehand.
 */
struct store_question {
	const char *sql;
	const struct store_value *args;
	int scope_col;
	const char *also; /* or NULL */
};
/*
 * As store_write(), for what many threads do at once: with PostgreSQL the
 * question is asked along with those of others that wait for their turn.  fn
 * begins with store_query() of the same sql, a string literal of the same
 * address, and args.
 */
MUST_CHECK bool store_write_about(struct store *st,
    const struct store_question *q,
    bool (*fn)(struct store_tx *tx, void *arg, struct err *e), void *arg,
    struct err *e);
/*
 * Says that nothing this transaction wrote changes the answer to a question
 * that is about neither of the same things: said before fn returns true, by
 * those that can be sure.  Without it the others' questions are asked again.
 */
void store_confine(struct store_tx *tx);
