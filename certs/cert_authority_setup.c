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
		if (!cert_authority_db_add(tx, g->m[i], e))
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
		if (!good || !g.added)
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

struct renewal {
	const struct cert_member *m;
	const char *old_id;
	bool added; /* by us, and not by another node before */
};

/* May be run again. */
static bool
replace_ra(struct store_tx *tx, void *arg, struct err *e)
{
	struct renewal *r = arg;
	const struct cert_authority_move move = { r->old_id, CERT_STATE_ACTIVE,
		CERT_STATE_OLD };

	return cert_authority_db_move(tx, &move, &r->added, e) &&
	       (!r->added || cert_authority_db_add(tx, r->m, e));
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
	struct renewal r = { .old_id = a->ra->id };
	bool good = cert_authority_make(&in, &m, e);

	r.m = m;
	good = good && store_write(st, replace_ra, &r, e);
	if (m != NULL && (!good || !r.added))
		cert_vault_abandon(&o->vault, &m->place);
	return good || err_wrap(e, "renewing the RA certificate");
}
