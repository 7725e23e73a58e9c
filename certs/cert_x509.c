/*
 * X.509 certificates: reading, writing and naming them.  No state; safe from
 * any thread.
 */
#include <limits.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/limits.h"

/* DER as PEM grows by a third, and by its two lines. */
enum { PEM_MAX = LIMIT_CERT_CHAIN * (LIMIT_CERT * 4 / 3 + 256) };

bool
cert_parse(struct slice der, X509 **out, struct err *e)
{
	AUTO(cert_x509_free) X509 *x = NULL;
	const unsigned char *p = der.p;

	if (der.len == 0 || der.len > LIMIT_CERT)
		return err_set(
		    e, ERR_INVALID, "a certificate of %zu bytes", der.len);
	x = d2i_X509(NULL, &p, (long)der.len);
	if (x == NULL)
		return err_openssl(e, ERR_INVALID, "not a certificate");
	if (p != der.p + der.len)
		return err_set(e, ERR_INVALID, "bytes behind a certificate");
	*out = TAKE(x);
	return true;
}

/* Reads the next certificate; *out NULL behind the last one. */
static bool
next_pem(BIO *bio, X509 **out, struct err *e)
{
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	if (x == NULL &&
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return err_openssl(e, ERR_INVALID, "not a PEM certificate");
	ERR_clear_error();
	*out = x;
	return true;
}

bool
cert_parse_chain(struct slice pem, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = sk_X509_new_null();
	AUTO(cert_bio_free) BIO *bio = NULL;

	if (pem.len == 0 || pem.len > PEM_MAX)
		return err_set(
		    e, ERR_INVALID, "a PEM text of %zu bytes", pem.len);
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (bio == NULL || chain == NULL)
		return err_openssl(e, ERR_INTERNAL, "reading certificates");
	for (;;) {
		X509 *x = NULL;

		if (!next_pem(bio, &x, e))
			return false;
		if (x == NULL)
			break;
		if (sk_X509_num(chain) >= LIMIT_CERT_CHAIN ||
		    sk_X509_push(chain, x) == 0) {
			X509_free(x);
			return err_set(e, ERR_INVALID,
			    "more than %d certificates", LIMIT_CERT_CHAIN);
		}
	}
	if (sk_X509_num(chain) == 0)
		return err_set(e, ERR_INVALID, "no PEM certificate");
	*out = TAKE(chain);
	return true;
}

bool
cert_parse_pem(struct slice pem, X509 **out, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;

	if (!cert_parse_chain(pem, &chain, e))
		return false;
	if (sk_X509_num(chain) != 1)
		return err_set(e, ERR_INVALID,
		    "%d certificates where one is wanted", sk_X509_num(chain));
	*out = sk_X509_pop(chain);
	return true;
}

bool
cert_der(const X509 *x, struct buf **out, struct err *e)
{
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "writing a certificate");
	*out = buf_new((size_t)len);
	buf_add(*out, der, (size_t)len);
	return true;
}

bool
cert_pem(const X509 *x, struct buf *out, struct err *e)
{
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (bio == NULL || !PEM_write_bio_X509(bio, (X509 *)x))
		return err_openssl(e, ERR_INTERNAL, "writing a certificate");
	len = BIO_get_mem_data(bio, &text);
	buf_add(out, text, (size_t)len);
	return buf_ok(out, e);
}

void
cert_fingerprint(const X509 *x, char out[SHA256_HEX_SIZE])
{
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	/* A certificate that was parsed or signed can be written. */
	sha256_hex(out, slice_of(der, len > 0 ? (size_t)len : 0));
}

bool
cert_spki(EVP_PKEY *k, char out[SHA256_HEX_SIZE], struct err *e)
{
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len = i2d_PUBKEY(k, &der);

	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "writing a public key");
	sha256_hex(out, slice_of(der, (size_t)len));
	return true;
}

bool
cert_spki_pub(const X509_PUBKEY *pub, char out[SHA256_HEX_SIZE], struct err *e)
{
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(pub, &der);

	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "writing a public key");
	sha256_hex(out, slice_of(der, (size_t)len));
	return true;
}

int64_t
cert_time_ms(const ASN1_TIME *t)
{
	struct tm tm;

	/* Of NULL it would tell the present time. */
	if (t == NULL || !ASN1_TIME_to_tm(t, &tm)) {
		ERR_clear_error();
		return 0;
	}
	return (int64_t)timegm(&tm) * MS_S;
}

int64_t
cert_not_before(const X509 *x)
{
	return cert_time_ms(X509_get0_notBefore(x));
}

int64_t
cert_not_after(const X509 *x)
{
	return cert_time_ms(X509_get0_notAfter(x));
}

void
cert_name_text(const X509_NAME *name, char *out, size_t size)
{
	/* RFC 4514 escapes, but other scripts stay readable. */
	static const unsigned long flags =
	    XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	out[0] = '\0';
	if (bio == NULL || X509_NAME_print_ex(bio, name, 0, flags) < 0 ||
	    BIO_write(bio, "", 1) != 1) {
		ERR_clear_error();
		return;
	}
	BIO_get_mem_data(bio, &text);
	str_copy_cut(out, size, text);
}

void
cert_subject(const X509 *x, char *out, size_t size)
{
	cert_name_text(X509_get_subject_name(x), out, size);
}

void
cert_serial(const X509 *x, char *out, size_t size)
{
	const ASN1_INTEGER *n = X509_get0_serialNumber(x);
	size_t len = (size_t)ASN1_STRING_length(n);

	if (ASN1_STRING_type(n) == V_ASN1_NEG_INTEGER && size > 1) {
		*out++ = '-';
		size--;
	}
	if (len > (size - 1) / 2)
		len = (size - 1) / 2;
	hex_to(out, ASN1_STRING_get0_data(n), len);
}

void
cert_name_value(const X509_NAME *name, int nid, char *out, size_t size)
{
	AUTO(cert_openssl_free) unsigned char *text = NULL;
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	const X509_NAME_ENTRY *entry;
	int len;

	out[0] = '\0';
	if (at < 0)
		return;
	entry = X509_NAME_get_entry(name, at);
	len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
	if (len < 0)
		ERR_clear_error();
	else if (memchr(text, '\0', (size_t)len) == NULL)
		str_copy_cut(out, size, (const char *)text);
}

void
cert_subject_value(const X509 *x, int nid, char *out, size_t size)
{
	cert_name_value(X509_get_subject_name(x), nid, out, size);
}
