/*
 * What clients are told of the CAs behind this server: in GetCACert, asked by
 * the upstream's name, and behind the certificate in a CertRep.  No state; any
 * thread.
 */
#include "core/limits.h"
#include "scep/scep_relay_priv.h"

enum { CHAIN_MAX = 256 << 10 };

static bool
add_certificate(X509 *x, struct buf *out, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;

	if (!cert_der(x, &der, e))
		return false;
	buf_add(out, der->p, der->len);
	return true;
}

/* Ours, in the order of GetCACert: clients take the first for the RA. */
static bool
add_own(const struct cert_authority *a, struct buf *out, struct err *e)
{
	const struct cert_member *m = cert_authority_recipient(a, 0);

	for (int i = 0; m != NULL && i < LIMIT_CERT_CHAIN; i++) {
		if (!add_certificate(m->certificate, out, e))
			return false;
		m = cert_authority_find(a, m->parent_id);
	}
	return true;
}

/* CAs that are configured, and those that issued: nobody is to send his request
 * to the upstream's RA. */
static bool
add_outside(struct store_tx *tx, const struct scep_upstream_conf *c,
    struct buf *out, struct err *e)
{
	for (int i = 0; i < sk_X509_num(c->anchors); i++) {
		X509 *x = sk_X509_value(c->anchors, i);

		if (X509_check_ca(x) > 0 && !add_certificate(x, out, e))
			return false;
	}
	return scep_db_outside_chains(tx, c->name, out, e);
}

bool
scep_upstream_named(
    const struct scep_service *s, const char *name, bool *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	*out = false;
	if (!cert_template_name_good(name))
		return true;
	return store_begin(s->o.store, STORE_READ, &tx, e) &&
	       scep_upstream_conf_known(tx, name, out, e);
}

bool
scep_relay_ca_chain(const struct scep_service *s,
    const struct cert_authority *a, const char *name, struct buf *out,
    bool *known, struct err *e)
{
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };
	AUTO(buf_free) struct buf *all = buf_new(CHAIN_MAX);
	AUTO(store_rollback) struct store_tx *tx = NULL;

	*known = false;
	if (name == NULL || !cert_template_name_good(name))
		return true;
	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_upstream_conf_open(tx, s->o.seal, name, &c, known, e))
		return false;
	if (!*known)
		return true;
	if (!add_own(a, all, e) || !add_outside(tx, &c, all, e) ||
	    !buf_ok(all, e))
		return false;
	scep_degenerate(buf_slice(all), slice_str(""), out);
	return true;
}

bool
scep_relay_add_chain(
    struct scep_service *s, struct scep_outcome *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(buf_free) struct buf *all = buf_new(CHAIN_MAX);
	size_t own;

	if (out->cert_der == NULL || out->fingerprint[0] == '\0')
		return true;
	buf_add(all, out->cert_der->p, out->cert_der->len);
	own = all->len;
	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_outside_chain(tx, out->fingerprint, all, e) ||
	    !buf_ok(all, e))
		return false;
	if (all->len > own) {
		buf_free(&out->cert_der);
		out->cert_der = TAKE(all);
	}
	return true;
}
