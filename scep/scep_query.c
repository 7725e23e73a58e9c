/*
 * GetCert (RFC 8894 section 3.3.4): a certificate by issuer and serial number.
 * Who asks gets what is his own: certificates of the same device, or the very
 * one he signs with.  No state of its own; any thread.
 */
#include "scep/scep_service_priv.h"

enum { INTEGER = 0x02, SEQUENCE = 0x30 };

static void
name_free(X509_NAME **n)
{
	X509_NAME_free(*n);
	*n = NULL;
}

static void
integer_free(ASN1_INTEGER **i)
{
	ASN1_INTEGER_free(*i);
	*i = NULL;
}

/* IssuerAndSerialNumber (RFC 5652 10.2.4) of the issuing CA; serial as the
 * ledger writes it. */
static bool
of_ours(
    const struct cert_authority *a, struct slice der, char *serial, size_t size)
{
	AUTO(name_free) X509_NAME *issuer = NULL;
	AUTO(integer_free) ASN1_INTEGER *number = NULL;
	AUTO(cert_x509_free) X509 *holder = NULL;
	struct slice body;
	const uint8_t *p;
	int tag, xclass;

	if (der.len == 0 || der.p[0] != SEQUENCE ||
	    !scep_der_next(&der, &tag, &xclass, &body) || der.len != 0)
		return false;
	p = body.p;
	issuer = d2i_X509_NAME(NULL, &p, (long)body.len);
	if (issuer == NULL)
		return false;
	number =
	    d2i_ASN1_INTEGER(NULL, &p, (long)(body.len - (size_t)(p - body.p)));
	if (number == NULL || p != body.p + body.len ||
	    X509_NAME_cmp(
	        issuer, X509_get_subject_name(cert_authority_issuing(a))) != 0)
		return false;
	holder = X509_new();
	if (holder == NULL || X509_set_serialNumber(holder, number) != 1)
		return false;
	cert_serial(holder, serial, size);
	return true;
}

static bool
may_see(const struct scep_predecessor *who, const struct cert_entry *what)
{
	if (!who->found || who->revoked)
		return false;
	return str_eq(who->fingerprint, what->fingerprint) ||
	       (who->device_id[0] != '\0' &&
	           str_eq(who->device_id, what->device_id));
}

static bool
find(struct scep_service *s, const struct cert_authority *a, const char *serial,
    const char *signer, struct scep_outcome *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct scep_predecessor who;
	struct cert_entry what;
	char fingerprint[SHA256_HEX_SIZE];
	bool found;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_predecessor(tx, signer, &who, e) ||
	    !scep_db_by_serial(
	        tx, cert_authority_id(a), serial, fingerprint, &found, e) ||
	    (found && !cert_ledger_find(tx, fingerprint, &what, &found, e)))
		return false;
	if (!found || !may_see(&who, &what))
		return true;
	str_copy_cut(out->fingerprint, sizeof(out->fingerprint), fingerprint);
	out->again = true;
	return cert_ledger_der(tx, fingerprint, &out->cert_der, e);
}

bool
scep_get_cert(struct scep_service *s, const struct scep_request *rq,
    struct slice plain, struct scep_outcome *out, struct err *e)
{
	char signer[SHA256_HEX_SIZE], serial[64];

	cert_fingerprint(rq->message->signer, signer);
	if (of_ours(rq->authority, plain, serial, sizeof(serial)) &&
	    !find(s, rq->authority, serial, signer, out, e))
		return false;
	if (out->cert_der == NULL)
		scep_refuse(&out->verdict, SCEP_BAD_CERT_ID,
		    "GetCert: no certificate of yours");
	return true;
}
