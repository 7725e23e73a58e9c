/* Builds and signs CRLs.  No state; any thread. */
#include "certs/cert_crl_priv.h"
#include "certs/cert_ledger.h"

enum { SERIAL_MAX = 32 };

/* 100,000 entries are 5 MB. */
enum { CRL_MAX = 256 << 20 };

static void
revoked_free(X509_REVOKED **r)
{
	X509_REVOKED_free(*r);
	*r = NULL;
}

static void
time_free(ASN1_TIME **t)
{
	ASN1_TIME_free(*t);
	*t = NULL;
}

static void
integer_free(ASN1_INTEGER **n)
{
	ASN1_INTEGER_free(*n);
	*n = NULL;
}

static void
enumerated_free(ASN1_ENUMERATED **n)
{
	ASN1_ENUMERATED_free(*n);
	*n = NULL;
}

static void
key_id_free(AUTHORITY_KEYID **id)
{
	AUTHORITY_KEYID_free(*id);
	*id = NULL;
}

static void
openssl_free(unsigned char **p)
{
	OPENSSL_free(*p);
	*p = NULL;
}

void
cert_crl_draft_clear(struct cert_crl_draft *d)
{
	X509_CRL_free(d->crl);
	d->crl = NULL;
}

static bool
set_times(struct cert_crl_draft *d)
{
	AUTO(time_free)
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(d->this_update / MS_S));
	AUTO(time_free)
	ASN1_TIME *to = ASN1_TIME_set(NULL, (time_t)(d->next_update / MS_S));

	return from != NULL && to != NULL &&
	       X509_CRL_set1_lastUpdate(d->crl, from) == 1 &&
	       X509_CRL_set1_nextUpdate(d->crl, to) == 1;
}

static bool
add_number(struct cert_crl_draft *d)
{
	AUTO(integer_free) ASN1_INTEGER *n = ASN1_INTEGER_new();

	return n != NULL && ASN1_INTEGER_set_int64(n, d->number) == 1 &&
	       X509_CRL_add1_ext_i2d(
	           d->crl, NID_crl_number, n, 0, X509V3_ADD_APPEND) == 1;
}

/* RFC 5280 5.2.1. */
static bool
add_issuer_key(struct cert_crl_draft *d)
{
	AUTO(key_id_free) AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
	const ASN1_OCTET_STRING *key =
	    X509_get0_subject_key_id(d->issuer->certificate);

	if (id == NULL || key == NULL)
		return false;
	id->keyid = ASN1_OCTET_STRING_dup(key);
	return id->keyid != NULL &&
	       X509_CRL_add1_ext_i2d(d->crl, NID_authority_key_identifier, id,
	           0, X509V3_ADD_APPEND) == 1;
}

bool
cert_crl_begin(struct cert_crl_draft *d, struct err *e)
{
	d->crl = X509_CRL_new();
	if (d->crl == NULL || X509_CRL_set_version(d->crl, 1) != 1 ||
	    X509_CRL_set_issuer_name(
	        d->crl, X509_get_subject_name(d->issuer->certificate)) != 1 ||
	    !set_times(d) || !add_issuer_key(d) || !add_number(d))
		return err_openssl(e, ERR_INTERNAL, "building a CRL");
	return true;
}

static bool
set_serial(X509_REVOKED *r, const char *hex, struct err *e)
{
	AUTO(integer_free) ASN1_INTEGER *n = ASN1_INTEGER_new();
	AUTO(buf_free) struct buf *bytes = buf_new(SERIAL_MAX);

	if (!hex_decode(bytes, slice_str(hex), e) || !buf_ok(bytes, e))
		return err_wrap(e, "serial number %s", hex);
	if (n == NULL || ASN1_STRING_set(n, bytes->p, (int)bytes->len) != 1 ||
	    X509_REVOKED_set_serialNumber(r, n) != 1)
		return err_openssl(e, ERR_INTERNAL, "building a CRL");
	return true;
}

/* RFC 5280 5.3.1: unspecified is said by saying nothing. */
static bool
set_reason(X509_REVOKED *r, int reason)
{
	AUTO(enumerated_free) ASN1_ENUMERATED *n = NULL;

	if (reason == CERT_REASON_UNSPECIFIED)
		return true;
	n = ASN1_ENUMERATED_new();
	return n != NULL && ASN1_ENUMERATED_set(n, reason) == 1 &&
	       X509_REVOKED_add1_ext_i2d(
	           r, NID_crl_reason, n, 0, X509V3_ADD_APPEND) == 1;
}

bool
cert_crl_add(
    struct cert_crl_draft *d, const struct cert_crl_entry *entry, struct err *e)
{
	AUTO(revoked_free) X509_REVOKED *r = X509_REVOKED_new();
	AUTO(time_free)
	ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)(entry->revoked_at / MS_S));

	if (r == NULL || at == NULL ||
	    X509_REVOKED_set_revocationDate(r, at) != 1 ||
	    !set_reason(r, entry->reason))
		return err_openssl(e, ERR_INTERNAL, "building a CRL");
	if (!set_serial(r, entry->serial, e))
		return false;
	if (X509_CRL_add0_revoked(d->crl, r) != 1)
		return err_openssl(e, ERR_INTERNAL, "building a CRL");
	(void)TAKE(r);
	d->entries++;
	return true;
}

bool
cert_crl_finish(struct cert_crl_draft *d, struct buf **der_out, struct err *e)
{
	AUTO(openssl_free) unsigned char *der = NULL;
	AUTO(buf_free) struct buf *out = buf_new(CRL_MAX);
	int len;

	if (X509_CRL_sort(d->crl) != 1 ||
	    X509_CRL_sign(d->crl, d->issuer->key, EVP_sha256()) <= 0)
		return err_openssl(e, ERR_INTERNAL, "signing a CRL");
	len = i2d_X509_CRL(d->crl, &der);
	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "writing a CRL");
	buf_add(out, der, (size_t)len);
	if (!buf_ok(out, e))
		return false;
	*der_out = TAKE(out);
	return true;
}
