/*
 * The end of an old issuing CA before its time: new Macs do not get it as
 * something to trust any more, and nothing is issued by it.  What it issued
 * stays what the ledger says, and its CRL goes on.  No state; one thread.
 */
#include "certs/cert_authority_priv.h"
#include "certs/cert_ledger.h"
#include "certs/cert_roll.h"

struct retiring {
	const struct cert_authority *a;
	const struct cert_member *issuing;
};

static bool
is_old(const struct cert_member *m)
{
	return str_eq(m->state, CERT_STATE_OLD);
}

static bool
move_one(struct store_tx *tx, const struct cert_member *m, struct err *e)
{
	const struct cert_authority_move move = { m->id, CERT_STATE_OLD,
		CERT_STATE_RETIRED };
	bool moved;

	if (!cert_authority_db_move(tx, &move, &moved, e))
		return false;
	return moved ||
	       err_set(e, ERR_CONFLICT, "the authority changed meanwhile");
}

/* Its RAs of before open no messages from now on. */
static bool
retire_ras(struct store_tx *tx, const struct retiring *r, struct err *e)
{
	const struct cert_ra_order end = { CERT_REASON_CESSATION,
		"command-line" };

	for (size_t i = 0; i < r->a->count; i++) {
		const struct cert_member *m = r->a->members[i];

		if (str_eq(m->role, CERT_ROLE_RA) && is_old(m) &&
		    str_eq(m->parent_id, r->issuing->id) &&
		    (!move_one(tx, m, e) ||
		        !cert_authority_revoke_ra(tx, m, &end, e)))
			return false;
	}
	return true;
}

/* Does another than this one, which is retired, need it? */
static bool
is_needed(const struct cert_authority *a, const struct cert_member *m,
    const struct cert_member *but)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->members[i] != but &&
		    str_eq(a->members[i]->parent_id, m->id) &&
		    !str_eq(a->members[i]->state, CERT_STATE_RETIRED))
			return true;
	return false;
}

/* What is above it and above nothing else. */
static bool
retire_above(struct store_tx *tx, const struct retiring *r, struct err *e)
{
	const struct cert_member *below = r->issuing;
	const struct cert_member *m;

	while ((m = cert_authority_find(r->a, below->parent_id)) != NULL &&
	       is_old(m) && !is_needed(r->a, m, below)) {
		if (!move_one(tx, m, e))
			return false;
		below = m;
	}
	return true;
}

/* May be run again. */
static bool
retire_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct retiring *r = arg;

	return move_one(tx, r->issuing, e) && retire_ras(tx, r, e) &&
	       retire_above(tx, r, e) &&
	       cert_authority_tell(tx, "authority.retired", r->issuing, e);
}

bool
cert_roll_retire(struct store *st, const struct cert_authority_options *o,
    const char *id, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	struct retiring r;

	if (!cert_authority_load(st, o, &a, e))
		return false;
	r.a = a;
	r.issuing = a != NULL ? cert_authority_find(a, id) : NULL;
	if (r.issuing == NULL || !str_eq(r.issuing->role, CERT_ROLE_ISSUING))
		return err_set(e, ERR_NOT_FOUND, "no issuing CA %s", id);
	if (!is_old(r.issuing))
		return err_set(e, ERR_CONFLICT,
		    "%s is %s; one that mutsu ca switch made old can be "
		    "retired",
		    id, r.issuing->state);
	return store_write(st, retire_once, &r, e);
}
