/*
 * What a SCEP server says of itself: GetCACaps, GetCACert, GetNextCACert, and
 * whether it is the one that was meant.  No state; any thread.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/limits.h"
#include "scep/scep_client_priv.h"

static const struct {
	const char *name;
	unsigned bit, brings;
} keywords[] = {
	{ "AES", SCEP_CAP_AES, 0 },
	{ "DES3", SCEP_CAP_DES3, 0 },
	{ "GetNextCACert", SCEP_CAP_NEXT_CA, 0 },
	{ "POSTPKIOperation", SCEP_CAP_POST, 0 },
	{ "Renewal", SCEP_CAP_RENEWAL, 0 },
	{ "SHA-1", SCEP_CAP_SHA1, 0 },
	{ "SHA-256", SCEP_CAP_SHA256, 0 },
	{ "SHA-384", SCEP_CAP_SHA384, 0 },
	{ "SHA-512", SCEP_CAP_SHA512, 0 },
	{ "SCEPStandard", SCEP_CAP_STANDARD,
	    SCEP_CAP_AES | SCEP_CAP_POST | SCEP_CAP_SHA256 },
};

const char *
scep_client_cap_name(unsigned bit)
{
	for (size_t i = 0; i < COUNT(keywords); i++)
		if (keywords[i].bit == bit)
			return keywords[i].name;
	return NULL;
}

/* RFC 8894 3.5.2: one keyword a line, case and CR do not count. */
unsigned
scep_client_caps(const char *text)
{
	unsigned caps = 0;

	for (const char *p = text; *p != '\0'; p += strspn(p, "\r\n")) {
		size_t len = strcspn(p, "\r\n");
		char line[32] = "";

		if (len < sizeof(line))
			memcpy(line, p, len);
		for (size_t i = 0; i < COUNT(keywords); i++)
			if (str_ieq(line, keywords[i].name))
				caps |= keywords[i].bit | keywords[i].brings;
		p += len;
	}
	return caps;
}

bool
scep_client_certificates(struct slice der, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *certs = NULL;
	const uint8_t *p = der.p;

	cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	if (cms == NULL || p != der.p + der.len)
		return err_openssl(e, ERR_INVALID, "certificates-only message");
	certs = CMS_get1_certs(cms);
	if (sk_X509_num(certs) < 1 || sk_X509_num(certs) > LIMIT_SCEP_CERTS)
		return err_set(
		    e, ERR_INVALID, "RFC 8894 3.4: number of certificates");
	*out = TAKE(certs);
	return true;
}

bool
scep_client_read_ca(
    struct slice body, bool one, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(cert_x509_free) X509 *x = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;

	if (!one)
		return scep_client_certificates(body, out, e);
	if (!cert_parse(body, &x, e))
		return false;
	chain = sk_X509_new_null();
	if (chain == NULL || sk_X509_push(chain, x) == 0)
		return err_openssl(e, ERR_INTERNAL, "chain");
	x = NULL;
	*out = TAKE(chain);
	return true;
}

bool
scep_client_leads_to(
    STACK_OF(X509) * anchors, STACK_OF(X509) * between, X509 *leaf)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = store != NULL && ctx != NULL;

	for (int i = 0; ok && i < sk_X509_num(anchors); i++)
		ok = X509_STORE_add_cert(store, sk_X509_value(anchors, i)) == 1;
	ok = ok &&
	     X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
	     X509_STORE_CTX_init(ctx, store, leaf, between) == 1;
	if (ok) {
		X509_STORE_CTX_set_time(
		    ctx, 0, (clock_now_ms() + SCEP_CLIENT_SKEW_MS) / MS_S);
		ok = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return ok;
}

static bool
is_of_ra(const ASN1_OBJECT *purpose)
{
	static const char request_agent[] = "1.3.6.1.4.1.311.20.2.1";
	int nid = OBJ_obj2nid(purpose);
	char oid[64] = "";

	if (nid == NID_cmcRA || nid == NID_anyExtendedKeyUsage)
		return true;
	OBJ_obj2txt(oid, sizeof(oid), purpose, 1);
	return str_eq(oid, request_agent);
}

/* One that cannot be read, or is there twice, says nothing good. */
static bool
has_purpose(X509 *x)
{
	EXTENDED_KEY_USAGE *all;
	bool good = false;
	int found = 0;

	all = X509_get_ext_d2i(x, NID_ext_key_usage, &found, NULL);
	ERR_clear_error();
	if (all == NULL)
		return found == -1;
	for (int i = 0; i < sk_ASN1_OBJECT_num(all) && !good; i++)
		good = is_of_ra(sk_ASN1_OBJECT_value(all, i));
	EXTENDED_KEY_USAGE_free(all);
	return good;
}

/* 1: basicConstraints say that it is a CA's. */
bool
scep_client_serves(X509 *x, const char *pin)
{
	char have[SHA256_HEX_SIZE];

	cert_fingerprint(x, have);
	return str_ieq(have, pin) || X509_check_ca(x) == 1 || has_purpose(x);
}

static bool
leads_to(X509 *anchor, STACK_OF(X509) * chain, X509 *leaf)
{
	STACK_OF(X509) *one = sk_X509_new_null();
	bool ok = one != NULL && sk_X509_push(one, anchor) > 0 &&
	          scep_client_leads_to(one, chain, leaf);

	sk_X509_free(one);
	return ok;
}

bool
scep_client_pinned(
    STACK_OF(X509) * chain, const char *fingerprint, X509 *leaf, struct err *e)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);
		char have[SHA256_HEX_SIZE];

		cert_fingerprint(x, have);
		if (!str_ieq(have, fingerprint))
			continue;
		if (leaf != NULL && !leads_to(x, chain, leaf))
			return err_set(e, ERR_FORBIDDEN,
			    "GetCACert: who takes requests has no valid chain "
			    "to the certificate with that fingerprint");
		return true;
	}
	return err_set(e, ERR_FORBIDDEN,
	    "GetCACert: no certificate has that fingerprint: this is another "
	    "server, or its CA has changed");
}

/* RFC 8894 3: the signer is a certificate of GetCACert that may sign.  A
 * server may have one for signing and another for decrypting. */
bool
scep_client_signer(const struct scep_client_options *o,
    const struct scep_client_ca *ca, X509 *signer, struct err *e)
{
	for (int i = 0; i < sk_X509_num(ca->chain); i++) {
		X509 *x = sk_X509_value(ca->chain, i);
		uint32_t usage = X509_get_key_usage(x);

		if (X509_cmp(x, signer) != 0)
			continue;
		if (sk_X509_num(ca->chain) > 1 && usage != UINT32_MAX &&
		    (usage & KU_DIGITAL_SIGNATURE) == 0)
			break;
		if (!scep_client_serves(x, o->ca_fingerprint))
			return err_set(e, ERR_INVALID,
			    "signed by an ordinary certificate: its "
			    "extendedKeyUsage is none of an RA");
		return o->ca_fingerprint == NULL ||
		       scep_client_pinned(ca->chain, o->ca_fingerprint, x, e);
	}
	return err_set(
	    e, ERR_INVALID, "not signed by the RA or CA of GetCACert");
}

static bool
all_signers(const struct scep_client_options *o,
    const struct scep_client_ca *ca, CMS_ContentInfo *cms, struct err *e)
{
	STACK_OF(X509) *all = CMS_get0_signers(cms);
	bool good = all != NULL && sk_X509_num(all) > 0;

	if (!good)
		err_openssl(e, ERR_INVALID, "nobody signed");
	for (int i = 0; good && i < sk_X509_num(all); i++)
		good = scep_client_signer(o, ca, sk_X509_value(all, i), e);
	sk_X509_free(all);
	return good;
}

/* RFC 8894 4.7.1: a chain within a message that the present CA signed. */
bool
scep_client_read_next(struct slice body, const struct scep_client_options *o,
    const struct scep_client_ca *ca, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_bio_free) BIO *content = BIO_new(BIO_s_mem());
	const uint8_t *p = body.p;
	char *inner = NULL;
	long len;

	cms = d2i_CMS_ContentInfo(NULL, &p, (long)body.len);
	if (content == NULL || cms == NULL || p != body.p + body.len ||
	    OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
		return err_openssl(e, ERR_INVALID, "not a signed message");
	/* NOINTERN: a signer that only the message brings is nobody. */
	if (CMS_verify(cms, ca->chain, NULL, NULL, content,
	        CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1)
		return err_openssl(
		    e, ERR_INVALID, "not signed by a certificate of GetCACert");
	if (!all_signers(o, ca, cms, e))
		return false;
	len = BIO_get_mem_data(content, &inner);
	return scep_client_certificates(
	    slice_of(inner, len > 0 ? (size_t)len : 0), out, e);
}
