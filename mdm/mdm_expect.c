/*
 * Enrolments that will come soon.  An Idle of theirs goes straight to the
 * writer, without the look of a reader whether that is worth while: with
 * PostgreSQL it would be a round trip more.  Whoever is wrongly expected costs
 * a turn of the writer, whoever is forgotten a look; so a table in which later
 * ones take the place of earlier ones is enough.  Any thread.
 */
#include <stdatomic.h>

#include "mdm/mdm_priv.h"

/* FNV-1a; 0 stands for nobody. */
static uint64_t
key_of(const char *enrollment_id)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (const char *c = enrollment_id; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * UINT64_C(1099511628211);
	return h != 0 ? h : 1;
}

void
mdm_service_expect(struct mdm_service *s, const char *enrollment_id)
{
	uint64_t key = key_of(enrollment_id);

	atomic_store_explicit(
	    &s->expected[key % MDM_EXPECTED], key, memory_order_relaxed);
}

bool
mdm_expect_take(struct mdm_service *s, const char *enrollment_id)
{
	uint64_t key = key_of(enrollment_id), there = key;

	return atomic_compare_exchange_strong(
	    &s->expected[key % MDM_EXPECTED], &there, 0);
}
