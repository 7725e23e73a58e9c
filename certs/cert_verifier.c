/*
 * Checks detached signatures.  The state is the table of known signers, which
 * has its own locks; safe from any thread.
 *
 * OpenSSL decodes the public key of each certificate in a message, which takes
 * several times as long as the check.  So, when the message is plain DER with
 * one certificate that is known byte for byte, the message without it is what
 * OpenSSL reads, and the known certificate checks the signature.  Everything
 * else takes the general path, and both give the same answers.
 */
#include <stdatomic.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "certs/cert_signed_priv.h"
#include "certs/cert_signers_priv.h"
#include "certs/cert_strip_priv.h"
#include "certs/cert_verifier.h"

struct cert_verifier {
	struct cert_signers *signers;
	X509 *issuer; /* NULL: remember any signer */
	atomic_llong known, unknown;
};

struct cert_verifier *
cert_verifier_new(size_t remembered)
{
	struct cert_verifier *v = mem_zalloc(1, sizeof(*v));

	v->signers = cert_signers_new(remembered);
	return v;
}

void
cert_verifier_free(struct cert_verifier **v)
{
	if (*v == NULL)
		return;
	cert_signers_free(&(*v)->signers);
	cert_x509_free(&(*v)->issuer);
	mem_free(v);
}

void
cert_verifier_prefer(struct cert_verifier *v, X509 *issuer)
{
	X509_up_ref(issuer);
	cert_x509_free(&v->issuer);
	v->issuer = issuer;
}

void
cert_verifier_stats(
    const struct cert_verifier *v, struct cert_verifier_stats *out)
{
	out->known = atomic_load_explicit(&v->known, memory_order_relaxed);
	out->unknown = atomic_load_explicit(&v->unknown, memory_order_relaxed);
}

static void
count(atomic_llong *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void
answer(const struct cert_known *k, struct cert_signer *out)
{
	hex_to(out->fingerprint, k->digest, sizeof(k->digest));
	out->not_before = k->not_before;
	out->not_after = k->not_after;
}

static bool
check_detached(CMS_ContentInfo *cms, struct err *e)
{
	if (CMS_is_detached(cms) != 1)
		return err_set(e, ERR_INVALID,
		    "a signature that brings content of its own");
	return true;
}

/*
 * By a signer that is known already.  *applies_out false: the message names
 * its signer in another way, so the general path has to look.
 */
static bool
check_known(const struct cert_strip *found, const struct cert_known *known,
    BIO *body, bool *applies_out, struct err *e)
{
	AUTO(cert_signed_free) CMS_ContentInfo *cms = NULL;
	AUTO(buf_free) struct buf *stripped = cert_strip_build(found);
	CMS_SignerInfo *si;

	*applies_out = true;
	if (!cert_signed_parse(buf_slice(stripped), &cms, &si, e) ||
	    !check_detached(cms, e))
		return false;
	*applies_out = CMS_SignerInfo_cert_cmp(si, known->certificate) == 0;
	return !*applies_out ||
	       cert_signed_verify(cms, si, known->certificate, body, NULL, e);
}

static bool
worth_remembering(const struct cert_verifier *v, X509 *x)
{
	return v->issuer == NULL ||
	       (X509_NAME_cmp(X509_get_issuer_name(x),
	            X509_get_subject_name(v->issuer)) == 0 &&
	           X509_verify(x, X509_get0_pubkey(v->issuer)) == 1);
}

/*
 * What a check needs of a certificate: how messages name it, and its key.  The
 * rest would take as much memory again.
 */
static X509 *
slim(const X509 *whole)
{
	AUTO(cert_x509_free) X509 *x = X509_new();

	if (x == NULL ||
	    !X509_set_issuer_name(x, X509_get_issuer_name(whole)) ||
	    !X509_set_serialNumber(
	        x, (ASN1_INTEGER *)X509_get0_serialNumber(whole)) ||
	    !X509_set_pubkey(x, X509_get0_pubkey(whole)))
		return NULL;
	/* Fills what OpenSSL caches in it, before threads share it. */
	X509_check_purpose(x, -1, 0);
	return TAKE(x);
}

static void
remember(struct cert_verifier *v, const struct cert_known *k)
{
	AUTO(cert_known_clear) struct cert_known kept = *k;

	kept.certificate =
	    worth_remembering(v, k->certificate) ? slim(k->certificate) : NULL;
	if (kept.certificate != NULL)
		cert_signers_add(v->signers, &kept);
}

/* By anybody. */
static bool
check_any(struct cert_verifier *v, struct slice der, BIO *body,
    struct cert_signer *out, struct err *e)
{
	AUTO(cert_signed_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(cert_known_clear) struct cert_known k = { 0 };
	AUTO(buf_free) struct buf *own = NULL;
	CMS_SignerInfo *si;

	count(&v->unknown);
	if (!cert_signed_parse(der, &cms, &si, e) || !check_detached(cms, e) ||
	    !cert_signed_signer(cms, si, &chain, &k.certificate, e) ||
	    !cert_signed_verify(cms, si, k.certificate, body, NULL, e) ||
	    !cert_der(k.certificate, &own, e))
		return false;
	sha256(k.digest, buf_slice(own));
	k.not_before = cert_not_before(k.certificate);
	k.not_after = cert_not_after(k.certificate);
	remember(v, &k);
	answer(&k, out);
	return true;
}

/* *applies_out false: the signer is not known. */
static bool
check_quickly(struct cert_verifier *v, struct slice der, BIO *body,
    struct cert_signer *out, bool *applies_out, struct err *e)
{
	AUTO(cert_known_clear) struct cert_known known = { 0 };
	struct cert_strip found;
	uint8_t digest[SHA256_SIZE];

	*applies_out = false;
	if (!cert_strip_find(der, &found))
		return true;
	sha256(digest, found.certificate);
	if (!cert_signers_find(v->signers, digest, &known))
		return true;
	if (!check_known(&found, &known, body, applies_out, e))
		return false;
	if (*applies_out)
		answer(&known, out);
	return true;
}

static bool
check(struct cert_verifier *v, struct slice der, struct slice body,
    struct cert_signer *out, struct err *e)
{
	AUTO(cert_bio_free) BIO *bio = NULL;
	bool good, known;

	if (!cert_signed_bio(body, &bio, e))
		return false;
	good = check_quickly(v, der, bio, out, &known, e);
	if (good && !known)
		return check_any(v, der, bio, out, e);
	count(&v->known);
	return good;
}

bool
cert_verifier_check(struct cert_verifier *v, struct slice der,
    struct slice body, struct cert_signer *out, struct err *e)
{
	bool good = check(v, der, body, out, e);

	/* OpenSSL leaves errors behind even where it recovered from them. */
	ERR_clear_error();
	return good;
}
