/*
 * Moves an installation from one database to another, of either driver, in
 * either direction: mutsu store copy.
 *
 * The tables and columns are read from the catalogues of the two databases,
 * which must say the same.  Rows travel in the order of their primary key, a
 * batch in a transaction, together with a row of the table store_copy that
 * says how far the table has come; so a copy that was killed at any moment is
 * taken up where it was.  At the end the target is read again and compared
 * with the source.  Until then store_open() refuses to work with it.
 *
 * One thread; memory is bounded by a batch (some 4 MiB, or one larger row).
 */
#pragma once

#include "store/store.h"

enum { STORE_DIGEST_SIZE = 65 }; /* hexadecimal digits and NUL */

/* A table, and where its copy is. */
struct store_copy_table {
	char *name;
	int64_t rows;
	/*
	 * Sum of the SHA-256 of its rows, so that their order, which differs
	 * between drivers, does not count.  Finds mistakes, not adversaries.
	 */
	char digest[STORE_DIGEST_SIZE];
};

struct store_copy_options {
	const char *from, *to; /* as struct store_options.path */
	bool restart;   /* empties a target that another copy began to fill */
	int batch_rows; /* most rows of a transaction; 0: 500 */
	/* In which no other row is taken, text counted in characters; 0: 4 MiB.
	 */
	int64_t batch_bytes;
	/*
	 * After each batch, may be NULL: what is being done ("read", "copy",
	 * "compare"), to which table, how many rows of it are done.
	 */
	void (*progress)(
	    const char *what, const char *table, int64_t rows, void *arg);
	void *arg;
};

struct store_copy_result {
	struct store_copy_table *tables; /* in the order of copying */
	size_t count;
	int64_t rows;   /* of all tables */
	int64_t copied; /* of them now, the others by an earlier run */
	int64_t copy_ms;
};

/*
 * ERR_NOT_FOUND: there is nothing to copy.  ERR_CONFLICT: one of them is in
 * use by a server, has another schema version, or the target holds an
 * installation, or a copy that was begun from another source or before the
 * source changed.  ERR_INVALID: a row of the source cannot be held by every
 * driver; the text names table and column.  ERR_INTERNAL: the comparison
 * failed.  ERR_UNAVAILABLE: as everywhere.
 */
MUST_CHECK bool store_copy(const struct store_copy_options *o,
    struct store_copy_result **out, struct err *e);
void store_copy_result_free(struct store_copy_result **r);
