/*
 * Builds and signs X.509 certificates.  Written by hand, since one is made for
 * each device: making the objects that OpenSSL encodes takes longer than
 * encoding, and decoding the public key longer than to sign.  No state; safe
 * from any thread.
 */
#include <openssl/sha.h>

#include "certs/cert_build_priv.h"
#include "certs/cert_sign_priv.h"
#include "certs/cert_subject_priv.h"
#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/random.h"

/* Tags of TBSCertificate and AuthorityKeyIdentifier (RFC 5280 4.1, 4.2.1.1). */
enum { EXTENSIONS = 0xa3, KEY_IDENTIFIER = 0x80 };

enum { SERIAL_TIME_SIZE = 4 }; /* of CERT_SERIAL_SIZE octets */

void
cert_build_extensions_free(STACK_OF(X509_EXTENSION) * *s)
{
	sk_X509_EXTENSION_pop_free(*s, X509_EXTENSION_free);
	*s = NULL;
}

static bool
add_extension(
    STACK_OF(X509_EXTENSION) * s, int nid, const char *text, struct err *e)
{
	AUTO(cert_extension_free) X509_EXTENSION *x = NULL;
	X509V3_CTX ctx;

	if (text == NULL)
		return true;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	if (x == NULL || sk_X509_EXTENSION_push(s, x) == 0)
		return err_openssl(
		    e, ERR_INTERNAL, "extension %s", OBJ_nid2sn(nid));
	(void)TAKE(x);
	return true;
}

struct extension {
	int nid;
	const char *text; /* NULL: leave it out */
};

static bool
make_extensions(const struct extension *x, size_t count,
    STACK_OF(X509_EXTENSION) * *out, struct err *e)
{
	AUTO(cert_build_extensions_free)
	STACK_OF(X509_EXTENSION) *s = sk_X509_EXTENSION_new_null();

	if (s == NULL)
		return err_openssl(e, ERR_INTERNAL, "extensions");
	for (size_t i = 0; i < count; i++)
		if (!add_extension(s, x[i].nid, x[i].text, e))
			return false;
	*out = TAKE(s);
	return true;
}

bool
cert_build_extensions(const struct cert_build_usage *u,
    STACK_OF(X509_EXTENSION) * *out, struct err *e)
{
	const struct extension x[] = {
		{ NID_basic_constraints, u->basic },
		{ NID_key_usage, u->key_usage },
		{ NID_ext_key_usage, u->ext_key_usage },
		{ NID_id_pkix_OCSP_noCheck, u->no_check },
	};

	return make_extensions(x, COUNT(x), out, e);
}

static bool
encode(const STACK_OF(X509_EXTENSION) * s, struct buf **out, struct err *e)
{
	AUTO(buf_free) struct buf *all = buf_new(LIMIT_CERT);

	for (int i = 0; i < sk_X509_EXTENSION_num(s); i++) {
		uint8_t *der = NULL;
		int len =
		    i2d_X509_EXTENSION(sk_X509_EXTENSION_value(s, i), &der);

		if (len <= 0)
			return err_openssl(e, ERR_INTERNAL, "extensions");
		buf_add(all, der, (size_t)len);
		OPENSSL_free(der);
	}
	if (!buf_ok(all, e))
		return false;
	*out = TAKE(all);
	return true;
}

bool
cert_build_usages(
    const struct cert_build_usage *u, struct buf **out, struct err *e)
{
	AUTO(cert_build_extensions_free) STACK_OF(X509_EXTENSION) *s = NULL;

	return cert_build_extensions(u, &s, e) && encode(s, out, e);
}

bool
cert_build_status(
    const struct cert_build_status *w, struct buf **out, struct err *e)
{
	const struct extension x[] = {
		{ NID_crl_distribution_points, w->crl },
		{ NID_info_access, w->access },
	};
	AUTO(cert_build_extensions_free) STACK_OF(X509_EXTENSION) *s = NULL;

	return make_extensions(x, COUNT(x), &s, e) && encode(s, out, e);
}

static int64_t
whole_seconds(int64_t ms)
{
	return ms / MS_S * MS_S;
}

bool
cert_build_validity(const struct cert_build_term *term, const X509 *issuer,
    struct cert_build_validity *out, struct err *e)
{
	struct cert_build_validity v = {
		whole_seconds(term->now_ms - term->backdate_ms),
		whole_seconds(term->now_ms + term->life_days * MS_DAY),
	};

	if (issuer != NULL) {
		int64_t first = cert_not_before(issuer);
		int64_t last = cert_not_after(issuer);

		if (last <= term->now_ms)
			return err_set(e, ERR_INTERNAL,
			    "the issuing authority has expired; mutsu doctor "
			    "says what to do");
		v.not_before = v.not_before < first ? first : v.not_before;
		v.not_after = v.not_after > last ? last : v.not_after;
	}
	*out = v;
	return true;
}

void
cert_built_clear(struct cert_built *b)
{
	buf_free(&b->der);
}

/*
 * The time in units of two seconds, so that new entries of the ledger's index
 * stand beside each other, then 128 random bits (RFC 5280 4.1.2.2).  Positive,
 * and no shorter than it looks, whatever the clock says.
 */
static void
make_serial(uint8_t serial[CERT_SERIAL_SIZE])
{
	uint32_t when = (uint32_t)(clock_now_ms() / (2 * MS_S)) & 0x7fffffff;

	if (when < 0x01000000)
		when = 0x01000000;
	for (int i = 0; i < SERIAL_TIME_SIZE; i++)
		serial[i] = (uint8_t)(when >> (8 * (SERIAL_TIME_SIZE - 1 - i)));
	random_bytes(
	    serial + SERIAL_TIME_SIZE, CERT_SERIAL_SIZE - SERIAL_TIME_SIZE);
}

static void
put_time(struct buf *out, int64_t at_ms)
{
	char text[DER_TIME_SIZE];
	size_t len;
	uint8_t tag = der_time(at_ms, text, &len);

	der_put(out, tag, slice_of(text, len));
}

/* ---- the key ---- */

/* SubjectPublicKeyInfo, not decoded.  RSA has NULL for parameters, EC the name
 * of its curve (RFC 5480 2.1.1). */
static bool
put_key(struct buf *out, const X509_PUBKEY *pub)
{
	X509_ALGOR *algorithm;
	uint8_t *der = NULL;
	int type, len;

	if (!X509_PUBKEY_get0_param(
	        NULL, NULL, NULL, &algorithm, (X509_PUBKEY *)pub))
		return false;
	X509_ALGOR_get0(NULL, &type, NULL, algorithm);
	if (type != V_ASN1_OBJECT && type != V_ASN1_NULL)
		return false;
	len = i2d_X509_PUBKEY(pub, &der);
	if (len > 0)
		buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	return len > 0;
}

/* SHA-1 of the key bits (RFC 5280 4.2.1.2), which is no question of security
 * here. */
static bool
key_id(const X509_PUBKEY *pub, uint8_t out[SHA_DIGEST_LENGTH])
{
	const uint8_t *bits;
	int len;

	if (!X509_PUBKEY_get0_param(
	        NULL, &bits, &len, NULL, (X509_PUBKEY *)pub))
		return false;
	SHA1(bits, (size_t)len, out);
	return true;
}

/* ---- extensions (RFC 5280 4.1.2.9), none of them critical ---- */

struct place {
	size_t all, value;
};

static struct place
begin_extension(struct buf *out, int nid)
{
	struct place at = { .all = out->len };

	der_put_oid(out, nid);
	at.value = out->len;
	return at;
}

static void
end_extension(struct buf *out, struct place at)
{
	der_wrap(out, at.value, DER_OCTETS);
	der_wrap(out, at.all, DER_SEQUENCE);
}

static bool
put_key_ids(struct buf *out, const struct cert_build *b)
{
	uint8_t own[SHA_DIGEST_LENGTH];
	struct slice issuer;
	struct place at;

	if (!key_id(b->pub, own))
		return false;
	issuer = slice_of(own, sizeof(own));
	if (b->issuer != NULL) {
		const ASN1_OCTET_STRING *id =
		    X509_get0_subject_key_id(b->issuer);

		if (id == NULL)
			return false;
		issuer = slice_of(
		    ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id));
	}
	at = begin_extension(out, NID_subject_key_identifier);
	der_put(out, DER_OCTETS, slice_of(own, sizeof(own)));
	end_extension(out, at);
	at = begin_extension(out, NID_authority_key_identifier);
	der_put(out, KEY_IDENTIFIER, issuer);
	der_wrap(out, at.value, DER_SEQUENCE);
	end_extension(out, at);
	return true;
}

static bool
put_san(struct buf *out, const struct cert_build *b, struct err *e)
{
	size_t before = out->len;
	struct place at = begin_extension(out, NID_subject_alt_name);

	if (!cert_subject_san(b->subject, out, e))
		return false;
	if (out->len > at.value)
		end_extension(out, at);
	else
		buf_cut(out, before);
	return true;
}

static bool
put_extensions(struct buf *out, const struct cert_build *b, struct err *e)
{
	size_t at = out->len;

	buf_add(out, b->extensions.p, b->extensions.len);
	buf_add(out, b->status.p, b->status.len);
	if (!put_key_ids(out, b))
		return err_openssl(e, ERR_INTERNAL, "key identifiers");
	if (b->san && !put_san(out, b, e))
		return false;
	der_wrap(out, at, DER_SEQUENCE);
	der_wrap(out, at, EXTENSIONS);
	return true;
}

/* ---- the whole ---- */

/* TBSCertificate (RFC 5280 4.1.2). */
static bool
put_tbs(struct buf *out, const struct cert_build *b,
    const uint8_t serial[CERT_SERIAL_SIZE], struct err *e)
{
	static const uint8_t version_3[] = { DER_0, 3, DER_INTEGER, 1, 2 };
	AUTO(buf_free) struct buf *subject = buf_new(LIMIT_CERT);
	struct slice issuer;
	size_t at;

	if (!cert_subject_name(b->subject, subject, e))
		return false;
	issuer = buf_slice(subject);
	if (b->issuer != NULL &&
	    !X509_NAME_get0_der(
	        X509_get_subject_name(b->issuer), &issuer.p, &issuer.len))
		return err_openssl(e, ERR_INTERNAL, "name of the issuer");
	buf_add(out, version_3, sizeof(version_3));
	der_put(out, DER_INTEGER, slice_of(serial, CERT_SERIAL_SIZE));
	if (!cert_sign_algorithm(out, b->signer))
		return err_set(e, ERR_INTERNAL, "a key of an unknown kind");
	buf_add(out, issuer.p, issuer.len);
	at = out->len;
	put_time(out, b->validity.not_before);
	put_time(out, b->validity.not_after);
	der_wrap(out, at, DER_SEQUENCE);
	buf_add(out, subject->p, subject->len);
	if (!put_key(out, b->pub))
		return err_openssl(e, ERR_INTERNAL, "the key of a certificate");
	if (!put_extensions(out, b, e))
		return false;
	der_wrap(out, 0, DER_SEQUENCE);
	return buf_ok(out, e);
}

bool
cert_build(const struct cert_build *b, struct cert_built *out, struct err *e)
{
	AUTO(cert_built_clear)
	struct cert_built made = { .der = buf_new(LIMIT_CERT) };
	size_t tbs_len;

	make_serial(made.serial);
	if (!put_tbs(made.der, b, made.serial, e))
		return false;
	tbs_len = made.der->len;
	if (!cert_sign_algorithm(made.der, b->signer) ||
	    !cert_sign(b->signer, slice_of(made.der->p, tbs_len), made.der))
		return err_openssl(e, ERR_INTERNAL, "signing a certificate");
	der_wrap(made.der, 0, DER_SEQUENCE);
	if (!buf_ok(made.der, e))
		return false;
	*out = made;
	made.der = NULL;
	return true;
}
