/*
 * The RA's certificate: signed by an issuing CA like all others, so it is in
 * the ledger, and CRL and OCSP know it.  Replaced when half of its life is
 * over, or when its administrator says so.  No state; any thread.
 */
#include "certs/cert_authority_priv.h"
#include "certs/cert_ledger.h"
#include "core/clock.h"
#include "core/log.h"

static bool
note(struct store_tx *tx, const struct cert_member *ra, struct err *e)
{
	AUTO(cert_issued_clear) struct cert_issued i = { 0 };

	return cert_ledger_read(ra->certificate, &i, e) &&
	       cert_ledger_add(tx,
	           &(struct cert_record){ .issued = &i,
	               .authority_id = ra->parent_id,
	               .template = CERT_TEMPLATE_RA,
	               .purpose = "service" },
	           e);
}

bool
cert_authority_add(
    struct store_tx *tx, const struct cert_member *m, struct err *e)
{
	char fingerprint[SHA256_HEX_SIZE];

	if (!cert_authority_db_add(tx, m, e))
		return false;
	if (!str_eq(m->role, CERT_ROLE_RA))
		return true;
	if (!note(tx, m, e))
		return false;
	if (!str_eq(m->state, CERT_STATE_REVOKED) &&
	    !str_eq(m->state, CERT_STATE_RETIRED))
		return true;
	/* Of a backup, which does not tell why. */
	cert_fingerprint(m->certificate, fingerprint);
	return cert_ledger_revoke(
	    tx, fingerprint, CERT_REASON_UNSPECIFIED, "command-line", e);
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
	const struct cert_authority *a;
	const struct cert_member *m, *old;
	const struct cert_ra_order *order;
	bool added; /* by us, and not by another node before */
};

/* An RA of before the ledger knew them is noted first. */
bool
cert_authority_revoke_ra(struct store_tx *tx, const struct cert_member *m,
    const struct cert_ra_order *order, struct err *e)
{
	char fingerprint[SHA256_HEX_SIZE];
	struct cert_entry entry;
	bool found;

	cert_fingerprint(m->certificate, fingerprint);
	return cert_ledger_find(tx, fingerprint, &entry, &found, e) &&
	       (found || note(tx, m, e)) &&
	       cert_ledger_revoke(
	           tx, fingerprint, order->reason, order->actor, e);
}

/* RAs before it may have the same key of a token. */
static bool
end_same_key(struct store_tx *tx, const struct renewal *r, struct err *e)
{
	const EVP_PKEY *key = X509_get0_pubkey(r->old->certificate);

	for (size_t i = 0; i < r->a->count; i++) {
		const struct cert_member *m = r->a->members[i];
		const struct cert_authority_move move = { m->id, m->state,
			CERT_STATE_REVOKED };
		bool moved;

		if (m != r->old && str_eq(m->role, CERT_ROLE_RA) &&
		    !str_eq(m->state, CERT_STATE_REVOKED) &&
		    EVP_PKEY_eq(X509_get0_pubkey(m->certificate), key) == 1 &&
		    (!cert_authority_db_move(tx, &move, &moved, e) ||
		        !cert_authority_revoke_ra(tx, m, r->order, e)))
			return false;
	}
	return cert_authority_revoke_ra(tx, r->old, r->order, e);
}

/* May be run again. */
static bool
replace_ra(struct store_tx *tx, void *arg, struct err *e)
{
	struct renewal *r = arg;
	const struct cert_authority_move move = { r->old->id, CERT_STATE_ACTIVE,
		r->order->reason >= 0 ? CERT_STATE_REVOKED : CERT_STATE_OLD };
	const struct cert_authority_news news = { "authority.ra_renewed",
		r->order->actor, r->m };

	if (!cert_authority_db_move(tx, &move, &r->added, e))
		return false;
	return !r->added ||
	       (cert_authority_add(tx, r->m, e) &&
	           cert_authority_tell_of(tx, &news, e) &&
	           (r->order->reason < 0 || end_same_key(tx, r, e)));
}

/* Without its RA the next authority would be half of one. */
static bool
next_has_another(const struct cert_authority *a, struct err *e)
{
	const EVP_PKEY *key = X509_get0_pubkey(a->ra->certificate);

	for (size_t i = 0; i < a->count; i++) {
		const struct cert_member *m = a->members[i];

		if (str_eq(m->role, CERT_ROLE_RA) &&
		    str_eq(m->state, CERT_STATE_NEXT) &&
		    EVP_PKEY_eq(X509_get0_pubkey(m->certificate), key) == 1)
			return err_set(e, ERR_CONFLICT,
			    "the next authority's RA has the same key: mutsu "
			    "ca drop-next first");
	}
	return true;
}

static void
log_renewal(const struct cert_member *m)
{
	char end[CLOCK_TEXT_SIZE];

	clock_format_s(end, cert_not_after(m->certificate));
	log_event(LOG_INFO, "ra_renewed", "id", m->id, "not_after", end, NULL);
}

bool
cert_authority_renew_ra(struct store *st, const struct cert_authority *a,
    const struct cert_authority_options *o, const struct cert_ra_order *order,
    struct err *e)
{
	AUTO(cert_member_free) struct cert_member *m = NULL;
	bool revoke = order->reason >= 0;
	/* The key of a token serves again, unless it got about. */
	const struct cert_make in = { .options = o,
		.rank = CERT_RANK_RA,
		.issuer = a->issuing,
		.old = revoke ? NULL : a->ra,
		.model = a->ra,
		.state = CERT_STATE_ACTIVE };
	struct renewal r = { .a = a, .old = a->ra, .order = order };
	bool good = (!revoke || next_has_another(a, e)) &&
	            cert_authority_make(&in, &m, e) &&
	            (!revoke || cert_authority_key_is_new(a, m, e));

	r.m = m;
	good = good && store_write(st, replace_ra, &r, e);
	if (!good)
		cert_authority_abandon(o, m, e);
	else if (r.added)
		log_renewal(m);
	else
		cert_vault_abandon(&o->vault, &m->place);
	return good || err_wrap(e, "renewing the RA certificate");
}
