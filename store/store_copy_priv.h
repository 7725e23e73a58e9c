/*
 * The parts of the copy, seen from each other:
 *
 *	store_copy_plan.c   tables and columns of a database, and their SQL
 *	store_copy_batch.c  reading a table batch by batch; its digest
 *	store_copy_state.c  the rows of progress in the target
 *	store_copy.c        the course of a copy
 */
#pragma once

#include <jansson.h>

#include "core/encode.h"
#include "store/store_copy.h"
#include "store/store_priv.h"

enum { COPY_KEYS_MAX = 8 }; /* columns of a primary key */

struct copy_column {
	char *name;
	enum store_type type; /* STORE_INT, STORE_TEXT or STORE_BLOB */
};

/*
 * Statements are found by their address, so a table lives until the stores
 * that run them are closed.  [0] begins at the first row, [1] behind a key.
 */
struct copy_table {
	char *name;
	struct copy_column *columns;
	size_t column_count;
	size_t keys[COPY_KEYS_MAX]; /* columns of the primary key, in order */
	size_t key_count;
	bool placed;        /* in the order of copying */
	char *count_sql;    /* rows, and those that have no number in BIGINT */
	char *sizes_sql[2]; /* of each row, up to $LAST rows */
	char *rows_sql[2];
	char *insert_sql, *delete_sql;
};

struct copy_plan {
	struct copy_table *tables; /* each behind those that it refers to */
	size_t count;
};

/* ERR_INTERNAL: a table that no copy can be made of; the unit tests try. */
MUST_CHECK bool copy_plan_new(
    struct store *st, struct copy_plan **out, struct err *e);
void copy_plan_free(struct copy_plan **p);
/* ERR_CONFLICT names the table that is not the same in both. */
MUST_CHECK bool copy_plan_same(
    const struct copy_plan *a, const struct copy_plan *b, struct err *e);

/* ---- reading a table ---- */

struct copy_cursor {
	struct store *st;
	const struct copy_table *table;
	const struct store_copy_options *o;
	int64_t rows; /* read up to now */
	json_t *last; /* key of the last row, or NULL */
};

/*
 * Calls fn with the values of the next rows, of which there are none at the
 * end.  The values are borrowed for the call.
 */
typedef bool copy_row_fn(
    const struct store_value *values, void *arg, struct err *e);
MUST_CHECK bool copy_batch(struct copy_cursor *c, copy_row_fn *fn, void *arg,
    int64_t *rows_out, struct err *e);
void copy_cursor_clear(struct copy_cursor *c);

struct copy_digest {
	uint64_t sum[SHA256_SIZE / sizeof(uint64_t)];
	struct buf *row;
};

/* Reads the whole table; ERR_INVALID: a value that not every driver holds. */
MUST_CHECK bool copy_digest_table(struct store *st, const struct copy_table *t,
    const char *what, const struct store_copy_options *o,
    struct store_copy_table *out, struct err *e);

/* ---- progress ---- */

/*
 * Finds where the target is or, when it is empty, makes its rows of progress
 * for these tables.
 */
MUST_CHECK bool copy_state_begin(struct store *to, const struct copy_plan *p,
    const struct store_copy_table *tables, bool restart, struct err *e);
/* Sets c->rows and c->last. */
MUST_CHECK bool copy_state_load(
    struct store *to, struct copy_cursor *c, struct err *e);
MUST_CHECK bool copy_state_save(
    struct store_tx *tx, const struct copy_cursor *c, struct err *e);
/* The target is a database like any other from here on. */
MUST_CHECK bool copy_state_end(struct store *to, struct err *e);
