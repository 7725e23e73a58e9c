/*
 * Giving up a next authority that nobody needs: another key was meant, or
 * another name.  No state; one thread.
 *
 * Running servers answer requests for its RA until they notice.  What they
 * sign in those moments does not get into the ledger, which refuses the
 * certificates of a CA that was given up, and so does not leave them.
 */
#include "certs/cert_authority_priv.h"
#include "certs/cert_ledger.h"
#include "certs/cert_roll.h"

static bool
is_next(const struct cert_member *m)
{
	return str_eq(m->state, CERT_STATE_NEXT);
}

/* Who has one would find neither a CRL nor an issuer any more. */
static bool
issued_none(struct store_tx *tx, const struct cert_member *next, struct err *e)
{
	int64_t count;

	if (!cert_authority_db_issued(tx, next->id, &count, e))
		return false;
	return count == 0 ||
	       err_set(e, ERR_CONFLICT,
	           "%s has issued %lld certificates; mutsu ca switch goes over "
	           "to it, and mutsu ca rollover on from there",
	           next->id, (long long)count);
}

static bool
drop_one(struct store_tx *tx, const struct cert_member *m, struct err *e)
{
	const struct cert_ra_order end = { CERT_REASON_CESSATION,
		"command-line" };
	bool dropped;

	if (str_eq(m->role, CERT_ROLE_RA) &&
	    !cert_authority_revoke_ra(tx, m, &end, e))
		return false;
	if (!cert_authority_db_drop(tx, m->id, CERT_STATE_NEXT, &dropped, e))
		return false;
	return dropped ||
	       err_set(e, ERR_CONFLICT, "the authority changed meanwhile");
}

/* May be run again. */
static bool
drop_once(struct store_tx *tx, void *arg, struct err *e)
{
	const struct cert_authority *a = arg;

	if (!issued_none(tx, a->next, e))
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (is_next(a->members[i]) && !drop_one(tx, a->members[i], e))
			return false;
	return cert_authority_tell(tx, "authority.next_dropped", a->next, e);
}

bool
cert_roll_drop_next(
    struct store *st, const struct cert_authority_options *o, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	if (!cert_authority_load(st, o, &a, e))
		return false;
	if (a == NULL || a->next == NULL)
		return err_set(
		    e, ERR_NOT_FOUND, "no next authority is prepared");
	if (!store_write(st, drop_once, a, e))
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (is_next(a->members[i]))
			cert_vault_abandon(&o->vault, &a->members[i]->place);
	return true;
}
