/*
 * First start of the authority, and new RA certificates.  All rows come in one
 * transaction: whatever interrupts it, the next start finds either a whole
 * authority or none.
 */
#include "certs/cert_authority_priv.h"
#include "core/clock.h"

enum { RANKS = 3 };

struct generation {
	struct cert_member *m[RANKS];
	size_t count;
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

/* *added false: there is an authority already. */
static bool
add_members(
    struct store *st, const struct generation *g, bool *added, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool any;

	if (!store_begin(st, STORE_WRITE, &tx, e) ||
	    !cert_authority_db_any(tx, &any, e))
		return false;
	*added = !any;
	if (any)
		return true;
	for (size_t i = 0; i < g->count; i++)
		if (!cert_authority_db_add(tx, g->m[i], e))
			return false;
	return store_commit(&tx, e);
}

bool
cert_authority_setup(
    struct store *st, const struct cert_authority_options *o, struct err *e)
{
	struct generation g = { 0 };
	bool added = false;
	bool good = make_members(&g, o, e) && add_members(st, &g, &added, e);

	for (size_t i = 0; i < g.count; i++) {
		if (!good || !added)
			cert_vault_abandon(&o->vault, &g.m[i]->place);
		cert_member_free(&g.m[i]);
	}
	return good || err_wrap(e, "making the certificate authority");
}

bool
cert_authority_ra_due(const struct cert_authority *a)
{
	int64_t first = cert_not_before(a->ra->certificate);
	int64_t last = cert_not_after(a->ra->certificate);

	return a->ra != a->issuing &&
	       last - clock_now_ms() < (last - first) / 2 &&
	       cert_not_after(a->issuing->certificate) > last;
}

static bool
replace_ra(struct store *st, const struct cert_member *m, const char *old_id,
    bool *added, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	const struct cert_authority_move move = { old_id, CERT_STATE_ACTIVE,
		CERT_STATE_OLD };

	if (!store_begin(st, STORE_WRITE, &tx, e) ||
	    !cert_authority_db_move(tx, &move, added, e))
		return false;
	if (!*added)
		return true;
	return cert_authority_db_add(tx, m, e) && store_commit(&tx, e);
}

bool
cert_authority_renew_ra(struct store *st, const struct cert_authority *a,
    const struct cert_authority_options *o, struct err *e)
{
	AUTO(cert_member_free) struct cert_member *m = NULL;
	const struct cert_make in = { .options = o,
		.rank = CERT_RANK_RA,
		.issuer = a->issuing,
		.old = a->ra,
		.state = CERT_STATE_ACTIVE };
	bool added = false;
	bool good = cert_authority_make(&in, &m, e) &&
	            replace_ra(st, m, a->ra->id, &added, e);

	if (m != NULL && (!good || !added))
		cert_vault_abandon(&o->vault, &m->place);
	return good || err_wrap(e, "renewing the RA certificate");
}
