/*
 * The addresses in issued certificates: where the issuer's CRL is (RFC 5280
 * 4.2.1.13), its OCSP responder and its own certificate (4.2.2.1).  They are
 * the same for all certificates of an issuer and made once.  Read-only
 * afterwards; any thread.
 */
#include <ctype.h>
#include <string.h>

#include "certs/cert_authority_priv.h"

enum { URL_MAX = 512 };

/* Also keeps what OpenSSL's text form would take for more than one name. */
static bool
check_url(const char *url, struct err *e)
{
	size_t len = strlen(url);

	for (size_t i = 0; i < len; i++)
		if (!isascii((unsigned char)url[i]) ||
		    (!isalnum((unsigned char)url[i]) &&
		        strchr("-._~:/[]%", url[i]) == NULL))
			return err_set(e, ERR_INVALID,
			    "addresses in certificates: \"%s\" has characters "
			    "that are not for them",
			    url);
	if (len > URL_MAX || url[len - 1] == '/' ||
	    (!str_starts(url, "http://") && !str_starts(url, "https://")))
		return err_set(e, ERR_INVALID,
		    "addresses in certificates: \"%s\" is no http URL without "
		    "a slash at its end",
		    url);
	return true;
}

static bool
make(const char *url, const char *id, struct buf **out, struct err *e)
{
	AUTO(str_free)
	char *crl = str_printf("URI:%s/crl/%s.crl", url, id);
	AUTO(str_free)
	char *access = str_printf(
	    "OCSP;URI:%s/ocsp,caIssuers;URI:%s/ca/%s.cer", url, url, id);

	return cert_build_status(
	    &(struct cert_build_status){ crl, access }, out, e);
}

bool
cert_authority_status(struct cert_authority *a, const char *url, struct err *e)
{
	a->status = mem_zalloc(a->count, sizeof(a->status[0]));
	if (str_empty(url))
		return true;
	if (!check_url(url, e))
		return false;
	a->status_https = str_starts(url, "https:");
	for (size_t i = 0; i < a->count; i++)
		if (str_eq(a->members[i]->role, CERT_ROLE_ISSUING) &&
		    !make(url, a->members[i]->id, &a->status[i], e))
			return false;
	return true;
}

void
cert_authority_status_free(struct cert_authority *a)
{
	for (size_t i = 0; a->status != NULL && i < a->count; i++)
		buf_free(&a->status[i]);
	mem_free(&a->status);
}

struct slice
cert_authority_status_of(const struct cert_authority *a,
    const struct cert_member *issuer, const struct cert_template *t)
{
	/* Who checks our TLS certificate cannot ask us by it. */
	if (a->status_https && str_eq(t->name, CERT_TEMPLATE_TLS))
		return slice_str("");
	for (size_t i = 0; i < a->count; i++)
		if (a->members[i] == issuer && a->status[i] != NULL)
			return buf_slice(a->status[i]);
	return slice_str("");
}
