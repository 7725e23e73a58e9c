/* The TLS certificate that a server makes for itself; see cert_tls_own.h. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "certs/cert_ledger.h"
#include "certs/cert_tls.h"
#include "certs/cert_tls_own.h"
#include "core/clock.h"

#define RENEW_BEFORE_MS (30 * MS_DAY)
/* Less is not worth another one. */
#define GAIN_MIN_MS MS_H

struct noting {
	const struct cert_issued *issued;
	struct cert_entry entry; /* as the ledger has it */
};

/* Unless it is there.  May be run again. */
static bool
note_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct noting *n = arg;
	const struct cert_record record = { .issued = n->issued,
		.authority_id = n->issued->authority_id,
		.template = CERT_TEMPLATE_TLS,
		.purpose = "service" };
	const char *fingerprint = n->issued->fingerprint;
	bool found;

	if (!cert_ledger_find(tx, fingerprint, &n->entry, &found, e))
		return false;
	return found ||
	       (cert_ledger_add(tx, &record, e) &&
	           cert_ledger_find(tx, fingerprint, &n->entry, &found, e));
}

static bool
signed_by(X509 *x, X509 *ca)
{
	bool good = X509_check_issued(ca, x) == X509_V_OK &&
	            X509_verify(x, X509_get0_pubkey(ca)) == 1;

	ERR_clear_error();
	return good;
}

/* Which of our issuing CAs signed it; NULL: none. */
static const struct cert_member *
issuer_of(const struct cert_authority *a, X509 *x)
{
	const struct cert_member *const *m;
	size_t count = cert_authority_members(a, &m);

	for (size_t i = 0; i < count; i++)
		if (str_eq(m[i]->role, CERT_ROLE_ISSUING) &&
		    signed_by(x, m[i]->certificate))
			return m[i];
	return NULL;
}

/* What the first certificate says; *by_out NULL: no CA of ours signed it. */
static bool
read_first(const struct cert_authority *a, struct slice pem,
    struct cert_issued *out, const struct cert_member **by_out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	const struct cert_member *by;

	if (!cert_parse_chain(pem, &chain, e))
		return false;
	*by_out = by = issuer_of(a, sk_X509_value(chain, 0));
	if (!cert_ledger_read(sk_X509_value(chain, 0), out, e))
		return false;
	if (by != NULL)
		str_copy_cut(
		    out->authority_id, sizeof(out->authority_id), by->id);
	return true;
}

static bool
find(struct store *st, const char *fingerprint, struct cert_entry *out,
    bool *found, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(st, STORE_READ, &tx, e) &&
	       cert_ledger_find(tx, fingerprint, out, found, e);
}

bool
cert_tls_own_note(struct store *st, const struct cert_authority *a,
    struct slice cert, const char **ended, struct err *e)
{
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	struct noting n = { .issued = &issued };
	const struct cert_member *by;
	bool found;

	*ended = NULL;
	if (!read_first(a, cert, &issued, &by, e))
		return false;
	if (by == NULL)
		return true;
	if (str_eq(by->state, CERT_STATE_RETIRED))
		*ended = "retired";
	if (!find(st, issued.fingerprint, &n.entry, &found, e) ||
	    (!found && !store_write(st, note_once, &n, e)))
		return false;
	if (n.entry.revoked)
		*ended = "revoked";
	return true;
}

bool
cert_tls_own_due(const struct cert_authority *a, struct slice cert)
{
	const struct cert_template *t =
	    cert_authority_template(a, CERT_TEMPLATE_TLS);
	int64_t now = clock_now_ms(), end = cert_tls_not_after(cert);
	int64_t next = cert_not_after(cert_authority_issuing(a));

	if (t != NULL && now + t->life_days * MS_DAY < next)
		next = now + t->life_days * MS_DAY;
	return end - now <= RENEW_BEFORE_MS && next - end > GAIN_MIN_MS;
}
