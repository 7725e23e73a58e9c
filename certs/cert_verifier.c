/*
 * Checks detached signatures.  The state is the table of known signers, which
 * has its own locks; safe from any thread.
 *
 * OpenSSL decodes the public key of each certificate in a message, which takes
 * several times as long as the check, and reading the rest of it takes as long
 * as the check again.  So, when the message has the plain form and encloses a
 * certificate that is known byte for byte, or that one of our CAs signed, its
 * bytes are read here and checked with that key.  That path only ever says yes:
 * whatever it does not accept takes the general path, so both give the same
 * answers.
 */
#include <stdatomic.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "certs/cert_ours_priv.h"
#include "certs/cert_plain_priv.h"
#include "certs/cert_signed_priv.h"
#include "certs/cert_signers_priv.h"
#include "certs/cert_verifier.h"

struct cert_verifier {
	struct cert_signers *signers;
	struct cert_live *issuers;           /* NULL: remember any signer */
	EVP_MD *digests[CERT_PLAIN_DIGESTS]; /* NULL: not to be had */
	atomic_llong known, unknown;
};

struct cert_verifier *
cert_verifier_new(size_t remembered)
{
	static const char *const names[CERT_PLAIN_DIGESTS] = {
		[CERT_PLAIN_SHA1] = "SHA1",
		[CERT_PLAIN_SHA256] = "SHA256",
		[CERT_PLAIN_SHA384] = "SHA384",
		[CERT_PLAIN_SHA512] = "SHA512",
	};
	struct cert_verifier *v = mem_zalloc(1, sizeof(*v));

	v->signers = cert_signers_new(remembered);
	for (size_t i = 0; i < COUNT(names); i++)
		v->digests[i] = EVP_MD_fetch(NULL, names[i], NULL);
	ERR_clear_error();
	return v;
}

void
cert_verifier_free(struct cert_verifier **v)
{
	if (*v == NULL)
		return;
	cert_signers_free(&(*v)->signers);
	for (size_t i = 0; i < COUNT((*v)->digests); i++)
		EVP_MD_free((*v)->digests[i]);
	mem_free(v);
}

void
cert_verifier_prefer(struct cert_verifier *v, struct cert_live *issuers)
{
	v->issuers = issuers;
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

/* Whether the message digest is the body's, and the attributes that say so
 * are signed with this key. */
static bool
signed_by(const struct cert_plain_signer *s, EVP_PKEY *key, const EVP_MD *md,
    struct slice body)
{
	static const uint8_t set = 0x31;
	AUTO(cert_digest_free) EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return c != NULL && md != NULL &&
	       EVP_Digest(body.p, body.len, digest, &len, md, NULL) == 1 &&
	       slice_eq(slice_of(digest, len), s->message_digest) &&
	       EVP_DigestVerifyInit(c, NULL, md, NULL, key) == 1 &&
	       EVP_DigestVerifyUpdate(c, &set, 1) == 1 &&
	       EVP_DigestVerifyUpdate(c, s->attributes.p, s->attributes.len) ==
	           1 &&
	       EVP_DigestVerifyFinal(c, s->signature.p, s->signature.len) == 1;
}

/* Only RSA: the plain form has nothing else.  With issuers those of devices are
 * read from their bytes, and strangers are not remembered. */
static void
remember(struct cert_verifier *v, const struct cert_known *k)
{
	if (v->issuers == NULL && EVP_PKEY_get_base_id(k->key) == EVP_PKEY_RSA)
		cert_signers_add(v->signers, k);
}

/* By anybody. */
static bool
check_any(struct cert_verifier *v, struct slice der, struct slice body,
    struct cert_signer *out, struct err *e)
{
	AUTO(cert_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(cert_x509_free) X509 *signer = NULL;
	AUTO(cert_bio_free) BIO *bio = NULL;
	AUTO(buf_free) struct buf *own = NULL;
	struct cert_known k = { 0 };
	CMS_SignerInfo *si;

	if (!cert_signed_bio(body, &bio, e) ||
	    !cert_signed_parse(der, &cms, &si, e) || !check_detached(cms, e) ||
	    !cert_signed_signer(cms, si, &chain, &signer, e) ||
	    !cert_signed_verify(cms, si, signer, bio, NULL, e) ||
	    !cert_der(signer, &own, e))
		return false;
	sha256(k.digest, buf_slice(own));
	k.key = X509_get0_pubkey(signer);
	k.not_before = cert_not_before(signer);
	k.not_after = cert_not_after(signer);
	remember(v, &k);
	answer(&k, out);
	return true;
}

/*
 * In the plain form, and by a signer that is known already or whose certificate
 * is ours; *known_out: it was known.
 */
static bool
check_plain(struct cert_verifier *v, struct slice der, struct slice body,
    struct cert_signer *out, bool *known_out)
{
	AUTO(cert_known_clear) struct cert_known k = { 0 };
	struct cert_plain_signer s;
	struct cert_plain found;
	uint8_t digest[SHA256_SIZE];

	*known_out = false;
	if (!cert_plain_find(der, &found) || !cert_plain_signer(&found, &s))
		return false;
	sha256(digest, found.certificate);
	*known_out = cert_signers_find(v->signers, digest, &k);
	if ((!*known_out &&
	        (v->issuers == NULL || !cert_ours_read(v->issuers,
	                                   found.certificate, digest, &k))) ||
	    !signed_by(&s, k.key, v->digests[s.digest], body)) {
		*known_out = false;
		return false;
	}
	if (!*known_out)
		cert_signers_add(v->signers, &k);
	answer(&k, out);
	return true;
}

bool
cert_verifier_check(struct cert_verifier *v, struct slice der,
    struct slice body, struct cert_signer *out, struct err *e)
{
	bool known;
	bool good = check_plain(v, der, body, out, &known) ||
	            check_any(v, der, body, out, e);

	count(known ? &v->known : &v->unknown);
	/* OpenSSL leaves errors behind even where it recovered from them. */
	ERR_clear_error();
	return good;
}
