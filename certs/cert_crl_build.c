/*
 * Builds and signs CRLs.  What goes into each once is encoded by OpenSSL; the
 * entries, which may be hundreds of thousands, are written by hand, since an
 * object for each takes twenty times as long.  No state; any thread.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "certs/cert_crl_priv.h"
#include "certs/cert_ledger.h"
#include "certs/cert_sign_priv.h"
#include "core/encode.h"

enum { SERIAL_MAX = 1 + 32, ENTRY_MAX = 127 };

/* 100,000 entries are 5 MB. */
enum { CRL_MAX = 256 << 20, AROUND = 16 << 10 };

static void
integer_free(ASN1_INTEGER **n)
{
	ASN1_INTEGER_free(*n);
	*n = NULL;
}

static void
key_id_free(AUTHORITY_KEYID **id)
{
	AUTHORITY_KEYID_free(*id);
	*id = NULL;
}

void
cert_crl_draft_clear(struct cert_crl_draft *d)
{
	X509_CRL_free(d->crl);
	d->crl = NULL;
	buf_free(&d->list);
	buf_free(&d->serial);
}

static bool
set_times(struct cert_crl_draft *d)
{
	AUTO(cert_time_free)
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(d->this_update / MS_S));
	AUTO(cert_time_free)
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
	d->list = buf_new(CRL_MAX);
	d->serial = buf_new(SERIAL_MAX);
	d->crl = X509_CRL_new();
	if (d->crl == NULL || X509_CRL_set_version(d->crl, 1) != 1 ||
	    X509_CRL_set_issuer_name(
	        d->crl, X509_get_subject_name(d->issuer->certificate)) != 1 ||
	    !set_times(d) || !add_issuer_key(d) || !add_number(d))
		return err_openssl(e, ERR_INTERNAL, "building a CRL");
	return true;
}

/* An entry on its way; what it consists of is short enough for one octet of
 * length each. */
struct entry {
	uint8_t der[ENTRY_MAX];
	size_t len;
};

static void
put(struct entry *t, uint8_t tag, const void *body, size_t len)
{
	assert(t->len + 2 + len <= sizeof(t->der));
	t->der[t->len++] = tag;
	t->der[t->len++] = (uint8_t)len;
	memcpy(t->der + t->len, body, len);
	t->len += len;
}

/* Positive, and in as few octets as that takes. */
static bool
put_serial(struct entry *t, const char *hex, struct buf *scratch, struct err *e)
{
	const uint8_t *p;
	size_t len;

	buf_reset(scratch);
	buf_addc(scratch, '\0');
	if (!hex_decode(scratch, slice_str(hex), e))
		return err_wrap(e, "serial number %s", hex);
	p = scratch->p;
	for (len = scratch->len; len > 1 && p[0] == 0 && p[1] < 0x80; len--)
		p++;
	put(t, DER_INTEGER, p, len);
	return true;
}

/* RFC 5280 5.1.2.6. */
static void
put_time(struct entry *t, int64_t at_ms)
{
	char text[DER_TIME_SIZE];
	size_t len;
	uint8_t tag = der_time(at_ms, text, &len);

	put(t, tag, text, len);
}

/* RFC 5280 5.3.1: unspecified is said by saying nothing. */
static void
put_reason(struct entry *t, int reason)
{
	/* Extension, id-ce-cRLReasons, OCTET STRING, ENUMERATED */
	uint8_t extension[] = { DER_SEQUENCE, 10, DER_OID, 3, 0x55, 0x1d, 0x15,
		DER_OCTETS, 3, DER_ENUMERATED, 1, (uint8_t)reason };

	if (reason != CERT_REASON_UNSPECIFIED)
		put(t, DER_SEQUENCE, extension, sizeof(extension));
}

bool
cert_crl_add(
    struct cert_crl_draft *d, const struct cert_crl_entry *entry, struct err *e)
{
	struct entry t = { .len = 0 };

	if (!put_serial(&t, entry->serial, d->serial, e))
		return false;
	put_time(&t, entry->revoked_at);
	put_reason(&t, entry->reason);
	der_put(d->list, DER_SEQUENCE, slice_of(t.der, t.len));
	d->entries++;
	return buf_ok(d->list, e);
}

/* By number: what follows the header of both is an INTEGER, and the length of
 * either fits in one octet. */
static int
by_serial(const void *a, const void *b)
{
	const uint8_t *x = *(const uint8_t *const *)a + 2;
	const uint8_t *y = *(const uint8_t *const *)b + 2;

	return x[1] != y[1] ? x[1] - y[1] : memcmp(x + 2, y + 2, x[1]);
}

static void
put_sorted(const struct cert_crl_draft *d, struct buf *out)
{
	size_t count = (size_t)d->entries;
	const uint8_t **sorted = mem_alloc(count * sizeof(*sorted));
	const uint8_t *p = d->list->p;

	for (size_t i = 0; i < count; i++, p += 2 + p[1])
		sorted[i] = p;
	qsort(sorted, count, sizeof(*sorted), by_serial);
	for (size_t i = 0; i < count; i++)
		buf_add(out, sorted[i], 2 + (size_t)sorted[i][1]);
	mem_free(&sorted);
}

/* An element that OpenSSL encodes. */
#define PUT(out, type, object)                                                 \
	({                                                                     \
		AUTO(cert_openssl_free) unsigned char *der_ = NULL;            \
		int len_ = i2d_##type(object, &der_);                          \
		if (len_ > 0)                                                  \
			buf_add(out, der_, (size_t)len_);                      \
		len_ > 0;                                                      \
	})

/* What stands before the list of entries (RFC 5280 5.1.2), and the header of
 * that; an empty list is left out. */
static bool
put_front(const struct cert_crl_draft *d, struct buf *out)
{
	static const uint8_t v2[] = { DER_INTEGER, 1, 1 };

	buf_add(out, v2, sizeof(v2));
	if (!cert_sign_algorithm(out, d->issuer->key) ||
	    !PUT(out, X509_NAME, X509_CRL_get_issuer(d->crl)) ||
	    !PUT(out, ASN1_TIME, X509_CRL_get0_lastUpdate(d->crl)) ||
	    !PUT(out, ASN1_TIME, X509_CRL_get0_nextUpdate(d->crl)))
		return false;
	if (d->entries > 0)
		der_head(out, DER_SEQUENCE, d->list->len);
	return true;
}

/* A whole TBSCertList. */
static bool
put_signed(const struct cert_crl_draft *d, struct buf *out)
{
	AUTO(buf_free) struct buf *front = buf_new(AROUND);
	AUTO(buf_free) struct buf *inner = buf_new(AROUND);
	AUTO(buf_free) struct buf *end = buf_new(AROUND);

	if (!put_front(d, front) ||
	    !PUT(inner, X509_EXTENSIONS, X509_CRL_get0_extensions(d->crl)))
		return false;
	der_put(end, DER_0, buf_slice(inner));
	der_head(out, DER_SEQUENCE, front->len + d->list->len + end->len);
	buf_add(out, front->p, front->len);
	if (d->entries > 0)
		put_sorted(d, out);
	buf_add(out, end->p, end->len);
	return !front->overflow && !end->overflow;
}

bool
cert_crl_finish(struct cert_crl_draft *d, struct buf **der_out, struct err *e)
{
	AUTO(buf_free) struct buf *body = buf_new(CRL_MAX);
	AUTO(buf_free) struct buf *out = buf_new(CRL_MAX);
	size_t signed_len;

	if (!put_signed(d, body))
		return err_openssl(e, ERR_INTERNAL, "writing a CRL");
	if (!buf_ok(body, e))
		return false;
	signed_len = body->len;
	if (!cert_sign_algorithm(body, d->issuer->key) ||
	    !cert_sign(d->issuer->key, slice_of(body->p, signed_len), body))
		return err_openssl(e, ERR_INTERNAL, "signing a CRL");
	der_put(out, DER_SEQUENCE, buf_slice(body));
	if (!buf_ok(out, e))
		return false;
	*der_out = TAKE(out);
	return true;
}
