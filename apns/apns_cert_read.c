/*
 * The forms in which push certificates are given: PEM in one text or two, the
 * key encrypted or not, PKCS #12.  From an administrator, but checked.
 */
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "apns/apns_cert.h"

enum { INPUT_MAX = 64 << 10 };

static void
pkcs12_free(PKCS12 **p)
{
	PKCS12_free(*p);
	*p = NULL;
}

static bool
write_all(X509 *leaf, STACK_OF(X509) * rest, struct buf *out, struct err *e)
{
	if (!cert_pem(leaf, out, e))
		return false;
	for (int i = 0; i < sk_X509_num(rest); i++)
		if (!cert_pem(sk_X509_value(rest, i), out, e))
			return false;
	return buf_ok(out, e);
}

static bool
read_pkcs12(const struct apns_cert_input *in, struct buf *cert,
    struct buf **key_out, struct err *e)
{
	const uint8_t *p = in->pkcs12.p;
	AUTO(pkcs12_free)
	PKCS12 *box = d2i_PKCS12(NULL, &p, (long)in->pkcs12.len);
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_x509_free) X509 *leaf = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *rest = NULL;

	if (box == NULL || p != in->pkcs12.p + in->pkcs12.len)
		return err_openssl(e, ERR_INVALID, "not a PKCS #12 file");
	if (PKCS12_parse(box, in->passphrase != NULL ? in->passphrase : "",
	        &key, &leaf, &rest) != 1)
		return err_openssl(e, ERR_INVALID,
		    "the PKCS #12 file does not open: wrong passphrase?");
	if (leaf == NULL || key == NULL)
		return err_set(e, ERR_INVALID,
		    "the PKCS #12 file lacks the certificate or its key");
	return write_all(leaf, rest, cert, e) && cert_key_pem(key, key_out, e);
}

/* Blocks that were put together without a line end between them. */
static void
mend_lines(struct slice in, struct buf *out)
{
	static const char seam[] = "----------BEGIN";
	const size_t half = 5;

	while (in.len > 0) {
		const uint8_t *at =
		    memmem(in.p, in.len, seam, sizeof(seam) - 1);
		size_t n = at != NULL ? (size_t)(at - in.p) + half : in.len;

		buf_add(out, in.p, n);
		if (at != NULL)
			buf_addc(out, '\n');
		in = slice_of(in.p + n, in.len - n);
	}
	buf_addc(out, '\n');
}

/* The first key in the text, in the clear. */
static bool
read_key(const struct apns_cert_input *in, struct slice text,
    struct buf **key_out, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;

	return cert_key_unlock(text, in->passphrase, &key, e) &&
	       cert_key_pem(key, key_out, e);
}

bool
apns_cert_read(const struct apns_cert_input *in, struct buf **cert_out,
    struct buf **key_out, struct err *e)
{
	AUTO(buf_wipe) struct buf *text = buf_new(2 * INPUT_MAX);
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *cert = buf_new(2 * INPUT_MAX);

	*key_out = NULL;
	if (in->cert.len > INPUT_MAX || in->key.len > INPUT_MAX ||
	    in->pkcs12.len > INPUT_MAX)
		return err_set(e, ERR_TOO_LARGE, "the push certificate");
	if (in->pkcs12.len > 0) {
		if (!read_pkcs12(in, cert, &key, e))
			return false;
	} else {
		AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
		AUTO(cert_stack_free) STACK_OF(X509) *none = NULL;

		mend_lines(in->cert, text);
		if (!cert_parse_chain(buf_slice(text), &chain, e))
			return err_wrap(e, "push certificate");
		for (int i = 0; i < sk_X509_num(chain); i++)
			if (!write_all(sk_X509_value(chain, i), none, cert, e))
				return false;
		mend_lines(in->key, text);
		if (memmem(text->p, text->len, "PRIVATE KEY",
		        strlen("PRIVATE KEY")) != NULL &&
		    !read_key(in, buf_slice(text), &key, e))
			return false;
	}
	*cert_out = TAKE(cert);
	*key_out = TAKE(key);
	return true;
}
