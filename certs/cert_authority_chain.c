/*
 * The bodies of GetCACert and GetNextCACert, and what a Mac has to trust.  No
 * state.
 */
#include <openssl/pkcs7.h>

#include "certs/cert_authority_priv.h"
#include "core/clock.h"

static void
pkcs7_free(PKCS7 **p)
{
	PKCS7_free(*p);
	*p = NULL;
}

static bool
add_upwards(
    const struct cert_authority *a, const struct cert_member *m, PKCS7 *p)
{
	for (size_t depth = 0; m != NULL && depth < a->count; depth++) {
		if (!PKCS7_add_certificate(p, m->certificate))
			return false;
		m = cert_authority_find(a, m->parent_id);
	}
	return true;
}

/*
 * PKCS7_ and not CMS_, which would sort the certificates: clients take the
 * first for the RA.  Only written here, never read.
 */
bool
cert_authority_chain(const struct cert_authority *a,
    const struct cert_member *ra, struct buf **out, struct err *e)
{
	AUTO(pkcs7_free) PKCS7 *p = PKCS7_new();
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len;

	if (p == NULL || !PKCS7_set_type(p, NID_pkcs7_signed))
		return err_openssl(e, ERR_INTERNAL, "chain");
	p->d.sign->contents->type = OBJ_nid2obj(NID_pkcs7_data);
	if (!add_upwards(a, ra, p))
		return err_openssl(e, ERR_INTERNAL, "chain");
	len = i2d_PKCS7(p, &der);
	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "chain");
	*out = buf_new((size_t)len);
	buf_add(*out, der, (size_t)len);
	return true;
}

static bool
add_anchor(struct cert_authority *a, X509 *x)
{
	for (int i = 0; i < sk_X509_num(a->anchors); i++)
		if (X509_cmp(sk_X509_value(a->anchors, i), x) == 0)
			return true;
	return sk_X509_push(a->anchors, x) > 0;
}

/* From the root down: macOS installs them in this order. */
static bool
add_downwards(struct cert_authority *a, const struct cert_member *issuing)
{
	const struct cert_member *way[CERT_MEMBERS_MAX];
	size_t n = 0;

	for (const struct cert_member *m = issuing; m != NULL && n < a->count;
	     m = cert_authority_find(a, m->parent_id))
		way[n++] = m;
	while (n > 0)
		if (!add_anchor(a, way[--n]->certificate))
			return false;
	return true;
}

bool
cert_authority_find_anchors(struct cert_authority *a, struct err *e)
{
	bool good;

	a->anchors = sk_X509_new_null();
	good = a->anchors != NULL && add_downwards(a, a->issuing) &&
	       (a->next == NULL || add_downwards(a, a->next));
	for (size_t i = 0; i < a->count && good; i++) {
		const struct cert_member *m = a->members[i];

		if (m->parent_id[0] == '\0' &&
		    !str_eq(m->state, CERT_STATE_RETIRED) &&
		    cert_not_after(m->certificate) > clock_now_ms())
			good = add_anchor(a, m->certificate);
	}
	return good || err_openssl(e, ERR_INTERNAL, "anchors");
}
