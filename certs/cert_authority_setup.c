/*
 * First start of the authority.  All rows come in one transaction: whatever
 * interrupts it, the next start finds either a whole authority or none.
 */
#include "certs/cert_authority_priv.h"

enum { RANKS = 3 };

struct generation {
	struct cert_member *m[RANKS];
	size_t count;
	bool added; /* to the database, by us */
};

static bool
make_members(
    struct generation *g, const struct cert_authority_options *o, struct err *e)
{
	static const enum cert_rank several[] = { CERT_RANK_ROOT,
		CERT_RANK_ISSUING, CERT_RANK_RA };
	size_t count = o->single ? 1 : RANKS;

	for (size_t i = 0; i < count; i++, g->count++)
		if (!cert_authority_make(
		        &(struct cert_make){ .options = o,
		            .rank = o->single ? CERT_RANK_SINGLE : several[i],
		            .generation = 1,
		            .issuer = i > 0 ? g->m[i - 1] : NULL,
		            .state = CERT_STATE_ACTIVE },
		        &g->m[i], e))
			return false;
	return true;
}

/* Nothing, if there is an authority already.  May be run again. */
static bool
add_members(struct store_tx *tx, void *arg, struct err *e)
{
	struct generation *g = arg;
	bool any;

	if (!cert_authority_db_any(tx, &any, e))
		return false;
	g->added = !any;
	for (size_t i = 0; i < g->count && g->added; i++)
		if (!cert_authority_add(tx, g->m[i], e))
			return false;
	return true;
}

bool
cert_authority_setup(
    struct store *st, const struct cert_authority_options *o, struct err *e)
{
	struct generation g = { 0 };
	bool good =
	    make_members(&g, o, e) && store_write(st, add_members, &g, e);

	for (size_t i = 0; i < g.count; i++) {
		if (good && !g.added)
			cert_vault_abandon(&o->vault, &g.m[i]->place);
		else if (!good)
			cert_authority_abandon(o, g.m[i], e);
		cert_member_free(&g.m[i]);
	}
	return good || err_wrap(e, "making the certificate authority");
}
