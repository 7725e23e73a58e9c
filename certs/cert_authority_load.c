/*
 * Making a snapshot from the rows: finding the generations, checking that they
 * hold together, opening the keys that are needed.  One thread at a time for
 * keys in tokens, else any.
 */
#include "certs/cert_authority_priv.h"
#include "core/clock.h"
#include "core/log.h"

/* Clients that fetched the chain just before a renewal come within minutes;
 * what was queued for an RA comes within days. */
#define RA_OVERLAP_MS (30 * MS_DAY)

static struct cert_member *
last_of(const struct cert_authority *a, const char *role, const char *state)
{
	for (size_t i = a->count; i > 0; i--)
		if (str_eq(a->members[i - 1]->role, role) &&
		    str_eq(a->members[i - 1]->state, state))
			return a->members[i - 1];
	return NULL;
}

/* The RA in this state below an issuing CA. */
static struct cert_member *
ra_of(const struct cert_authority *a, const struct cert_member *issuing,
    const char *state)
{
	for (size_t i = a->count; i > 0; i--) {
		struct cert_member *m = a->members[i - 1];

		if (str_eq(m->role, CERT_ROLE_RA) && str_eq(m->state, state) &&
		    str_eq(m->parent_id, issuing->id))
			return m;
	}
	return NULL;
}

static struct cert_member *
top_of(const struct cert_authority *a, struct cert_member *m)
{
	for (size_t depth = 0; m->parent_id[0] != '\0'; depth++) {
		m = (struct cert_member *)cert_authority_find(a, m->parent_id);
		if (m == NULL || depth > a->count)
			return NULL;
	}
	return m;
}

/* Whose message ends are these?  Single: the CA itself is the RA. */
static struct cert_member *
ra_or_self(const struct cert_authority *a, struct cert_member *issuing,
    const char *state)
{
	struct cert_member *ra = ra_of(a, issuing, state);

	return ra == NULL && issuing->parent_id[0] == '\0' ? issuing : ra;
}

/* A CA that waits for its outside certificate takes no part.  There is one at
 * most. */
static void
set_requested_aside(struct cert_authority *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->count; i++) {
		if (a->members[i]->certificate != NULL) {
			a->members[n++] = a->members[i];
		} else {
			cert_member_free(&a->requested);
			a->requested = a->members[i];
		}
	}
	a->count = n;
}

static bool
find_generation(struct cert_authority *a, struct err *e)
{
	a->issuing = last_of(a, CERT_ROLE_ISSUING, CERT_STATE_ACTIVE);
	if (a->issuing != NULL) {
		a->root = top_of(a, a->issuing);
		a->ra = ra_or_self(a, a->issuing, CERT_STATE_ACTIVE);
	}
	if (a->root == NULL || a->ra == NULL)
		return err_set(e, ERR_INTERNAL,
		    "the authority is incomplete: there is no active issuing "
		    "CA, or its RA or what is above it is missing");
	a->next = last_of(a, CERT_ROLE_ISSUING, CERT_STATE_NEXT);
	return true;
}

/* Also makes OpenSSL fill what it caches in the certificates, before threads
 * share them. */
static bool
check_issued(
    const struct cert_authority *a, const struct cert_member *m, struct err *e)
{
	const struct cert_member *issuer =
	    m->parent_id[0] == '\0' ? m : cert_authority_find(a, m->parent_id);

	if (issuer == NULL)
		return err_set(e, ERR_INTERNAL,
		    "authority %s: its issuer is not there", m->id);
	if (X509_check_purpose(m->certificate, -1, 0) != 1 ||
	    X509_check_issued(issuer->certificate, m->certificate) !=
	        X509_V_OK ||
	    X509_verify(
	        m->certificate, X509_get0_pubkey(issuer->certificate)) != 1)
		return err_openssl(e, ERR_INTERNAL,
		    "authority %s: its issuer did not sign it", m->role);
	return true;
}

static bool
overlaps(const struct cert_member *m)
{
	return clock_now_ms() - m->changed_at < RA_OVERLAP_MS;
}

bool
cert_authority_overlap_ended(const struct cert_authority *a)
{
	for (size_t i = 0; a->recipients[i] != NULL; i++)
		if (str_eq(a->recipients[i]->state, CERT_STATE_OLD) &&
		    !overlaps(a->recipients[i]))
			return true;
	return false;
}

static bool
is_recipient(const struct cert_authority *a, const struct cert_member *m)
{
	if (m == a->ra || (m == a->next && m->parent_id[0] == '\0'))
		return true;
	if (str_eq(m->role, CERT_ROLE_RA) && str_eq(m->state, CERT_STATE_NEXT))
		return true;
	/* A single CA that was replaced is an RA as well. */
	return str_eq(m->state, CERT_STATE_OLD) &&
	       !str_eq(m->role, CERT_ROLE_ROOT) &&
	       (X509_get_key_usage(m->certificate) & KU_KEY_ENCIPHERMENT) !=
	           0 &&
	       overlaps(m);
}

static void
warn_of_key(const struct cert_member *m, const struct err *why)
{
	if (cert_not_after(m->certificate) > clock_now_ms())
		log_event(LOG_WARN, "authority_key_missing", "authority", m->id,
		    "state", m->state, "why", why->text, NULL);
}

/* Keys of the active generation have to be there; others serve while they
 * are. */
static bool
open_keys(struct cert_authority *a, const struct cert_vault *v, struct err *e)
{
	size_t n = 0;

	a->recipients[n++] = a->ra;
	for (size_t i = 0; i < a->count; i++) {
		struct cert_member *m = a->members[i];
		bool recipient = is_recipient(a, m);
		struct err why = { 0 };

		if (!recipient && !str_eq(m->role, CERT_ROLE_ISSUING))
			continue;
		if (m == a->ra || m == a->issuing) {
			if (!cert_authority_open_key(v, m, e))
				return false;
		} else if (!cert_authority_open_key(v, m, &why)) {
			warn_of_key(m, &why);
			continue;
		}
		if (recipient && m != a->ra)
			a->recipients[n++] = m;
	}
	return true;
}

static bool
make_chains(struct cert_authority *a, struct err *e)
{
	const struct cert_member *ra;

	if (!(cert_authority_single(a)
	            ? cert_der(a->ra->certificate, &a->chain, e)
	            : cert_authority_chain(a, a->ra, &a->chain, e)))
		return false;
	if (a->next == NULL)
		return true;
	ra = ra_or_self(a, a->next, CERT_STATE_NEXT);
	if (ra == NULL)
		return err_set(e, ERR_INTERNAL, "the next authority has no RA");
	return cert_authority_chain(a, ra, &a->next_chain, e);
}

static bool
prepare(struct cert_authority *a, const struct cert_authority_options *o,
    struct err *e)
{
	if (!find_generation(a, e))
		return false;
	a->spki = mem_zalloc(a->count, sizeof(*a->spki));
	for (size_t i = 0; i < a->count; i++)
		if (!check_issued(a, a->members[i], e) ||
		    !cert_spki_pub(
		        X509_get_X509_PUBKEY(a->members[i]->certificate),
		        a->spki[i], e))
			return false;
	return open_keys(a, &o->vault, e) && make_chains(a, e) &&
	       cert_authority_find_anchors(a, e) &&
	       cert_authority_status(a, o->status_url, e) &&
	       cert_authority_usages(a, e);
}

/* count 0: an empty database. */
static bool
read_rows(struct store *st, struct cert_authority *a, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_READ, &tx, e) &&
	       cert_authority_db_version(tx, &a->version, e) &&
	       cert_template_set_load(tx, &a->set, e) &&
	       cert_authority_db_dropped(tx, &a->dropped, e) &&
	       cert_authority_db_load(tx, a, e);
}

void
cert_authority_found_clear(struct cert_authority_found *f)
{
	cert_authority_free(&f->authority);
	cert_member_free(&f->requested);
}

/* Takes *ap, whose rows and templates are there. */
static bool
complete(struct cert_authority **ap, const struct cert_authority_options *o,
    struct cert_authority_found *out, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = TAKE(*ap);

	set_requested_aside(a);
	a->templates = cert_template_set_all(a->set);
	if (a->count > 0 && !prepare(a, o, e))
		return false;
	*out = (struct cert_authority_found){ .version = a->version };
	out->requested = TAKE(a->requested);
	if (a->count > 0)
		out->authority = TAKE(a);
	return true;
}

static bool
read_all(struct store *st, struct cert_authority **out, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = mem_zalloc(1, sizeof(*a));

	atomic_init(&a->references, 1);
	if (!read_rows(st, a, e))
		return false;
	*out = TAKE(a);
	return true;
}

bool
cert_authority_find_all(struct store *st,
    const struct cert_authority_options *o, struct cert_authority_found *out,
    struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	return read_all(st, &a, e) && complete(&a, o, out, e);
}

bool
cert_authority_find_new(struct store *st,
    const struct cert_authority_options *o, struct cert_authority_rows *rows,
    struct cert_authority_found *out, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	if (!read_all(st, &a, e))
		return false;
	if (a->count > 0)
		return err_set(
		    e, ERR_CONFLICT, "there is an authority already");
	for (; a->count < rows->count; a->count++)
		a->members[a->count] = TAKE(rows->m[a->count]);
	rows->count = 0;
	return complete(&a, o, out, e);
}

bool
cert_authority_load(struct store *st, const struct cert_authority_options *o,
    struct cert_authority **out, struct err *e)
{
	AUTO(cert_authority_found_clear)
	struct cert_authority_found f = { 0 };

	if (!cert_authority_find_all(st, o, &f, e))
		return false;
	if (f.authority == NULL && f.requested != NULL)
		return err_set(e, ERR_CONFLICT,
		    "the issuing CA waits for its certificate from outside: "
		    "mutsu ca import brings it, mutsu ca drop-request gives "
		    "up");
	if (f.authority != NULL)
		f.authority->requested = TAKE(f.requested);
	*out = TAKE(f.authority);
	return true;
}

bool
cert_authority_look(
    struct store *st, struct cert_authority **out, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = mem_zalloc(1, sizeof(*a));

	atomic_init(&a->references, 1);
	if (!read_rows(st, a, e))
		return false;
	set_requested_aside(a);
	if (a->count > 0 && !find_generation(a, e))
		return false;
	*out = a->count > 0 ? TAKE(a) : NULL;
	return true;
}

bool
cert_authority_exists(struct store *st, bool *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_READ, &tx, e) &&
	       cert_authority_db_any(tx, out, e);
}

int
cert_authority_generation(const struct cert_authority *a)
{
	int n = 1 + (a != NULL ? (int)a->dropped : 0);

	for (size_t i = 0; a != NULL && i < a->count; i++)
		n += str_eq(a->members[i]->role, CERT_ROLE_ISSUING);
	return n;
}

bool
cert_authority_key_is_new(
    const struct cert_authority *a, const struct cert_member *m, struct err *e)
{
	for (size_t i = 0; a != NULL && i < a->count; i++)
		if (EVP_PKEY_eq(X509_get0_pubkey(a->members[i]->certificate),
		        m->key) == 1)
			return err_set(e, ERR_CONFLICT,
			    "it would have the key of %s; name another by "
			    "issuing-key or ra-key",
			    a->members[i]->id);
	return true;
}

bool
cert_authority_check_options(
    const struct cert_authority_options *o, struct err *e)
{
	if (o->organization == NULL ||
	    (o->organization[0] != '\0' &&
	        str_utf8_len(o->organization) <= CERT_ORGANIZATION_CHARS_MAX))
		return true;
	return err_set(e, ERR_INVALID,
	    "the organization's name has 1 to %d characters",
	    CERT_ORGANIZATION_CHARS_MAX);
}

/* When it is due.  One that cannot be renewed serves until its end. */
static bool
renewed_ra(struct store *st, const struct cert_authority *a,
    const struct cert_authority_options *o)
{
	const struct cert_ra_order order = { -1, "system" };
	struct err why = { 0 };

	if (!cert_authority_ra_due(a))
		return false;
	if (cert_authority_renew_ra(st, a, o, &order, &why))
		return true;
	log_event(LOG_ERROR, "ra_not_renewed", "why", why.text, NULL);
	return false;
}

bool
cert_authority_open(struct store *st, const struct cert_authority_options *o,
    struct cert_authority **out, struct err *e)
{
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	if (!cert_authority_check_options(o, e) ||
	    !cert_authority_load(st, o, &a, e))
		return false;
	if (a == NULL && (!cert_authority_setup(st, o, e) ||
	                     !cert_authority_load(st, o, &a, e)))
		return false;
	if (a == NULL)
		return err_set(e, ERR_INTERNAL, "there is no authority");
	if (renewed_ra(st, a, o)) {
		cert_authority_free(&a);
		if (!cert_authority_load(st, o, &a, e))
			return false;
	}
	*out = TAKE(a);
	return true;
}
