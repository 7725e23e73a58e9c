/*
 * The bodies of GetCACert and GetNextCACert.  No state.
 */
#include <openssl/pkcs7.h>

#include "certs/cert_authority_priv.h"

static void
pkcs7_free(PKCS7 **p)
{
	PKCS7_free(*p);
	*p = NULL;
}

static void
openssl_free(unsigned char **p)
{
	OPENSSL_free(*p);
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
	AUTO(openssl_free) unsigned char *der = NULL;
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
