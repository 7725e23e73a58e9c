/*
 * Ids that are remembered for a while: a table in which later ones take the
 * place of earlier ones.  Only for what spares work and decides nothing: two
 * ids may be taken for each other, and each may be forgotten.  Any thread.
 */
#include <stdatomic.h>

#include "mdm/mdm_priv.h"

/* 0 stands for nobody. */
static uint64_t
key_of(const char *id)
{
	uint64_t key = slice_hash(slice_str(id));

	return key != 0 ? key : 1;
}

void
mdm_mark(struct mdm_marks *m, const char *id)
{
	uint64_t key = key_of(id);

	atomic_store_explicit(
	    &m->slot[key % MDM_MARKS], key, memory_order_relaxed);
}

bool
mdm_marked(const struct mdm_marks *m, const char *id)
{
	uint64_t key = key_of(id);

	return atomic_load_explicit(
	           &m->slot[key % MDM_MARKS], memory_order_relaxed) == key;
}

bool
mdm_unmark(struct mdm_marks *m, const char *id)
{
	uint64_t key = key_of(id), there = key;

	return atomic_compare_exchange_strong(
	    &m->slot[key % MDM_MARKS], &there, 0);
}
