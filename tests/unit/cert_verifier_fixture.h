/*
 * Signed bodies, and two verifiers that have to agree: one that remembers
 * nobody always takes the general path, a primed one the quick path.
 */
#pragma once

#include "cert_fixture.h"

#include <openssl/err.h>

#include "certs/cert_cms.h"

static const char body_text[] = "<plist>body</plist>";

struct signed_body {
	EVP_PKEY *key;
	X509 *cert;
	struct buf *der;
	char fingerprint[SHA256_HEX_SIZE];
};

static inline void
sign_as(struct signed_body *s, const char *cn, const char *body)
{
	struct err e = { 0 };

	if (s->key == NULL)
		s->key = new_key(CERT_RSA_2048);
	s->cert = self_signed(cn, s->key);
	cert_fingerprint(s->cert, s->fingerprint);
	must(cert_cms_sign_detached(
	         slice_str(body), s->cert, s->key, &s->der, &e),
	    &e);
}

static inline void
signed_clear(struct signed_body *s)
{
	cert_key_free(&s->key);
	cert_x509_free(&s->cert);
	buf_free(&s->der);
}

/* Both verifiers of a test. */
struct pair {
	struct cert_verifier *forgets, *knows;
};

static inline void
pair_make(struct pair *p)
{
	p->forgets = cert_verifier_new(0);
	p->knows = cert_verifier_new(64);
}

static inline void
pair_free(struct pair *p)
{
	cert_verifier_free(&p->forgets);
	cert_verifier_free(&p->knows);
}

/* ERR_NONE, or the code both gave; neither leaves OpenSSL errors behind. */
static inline enum err_code
check(struct pair *p, struct slice der, struct slice body,
    struct cert_signer *out)
{
	struct cert_signer other = { 0 };
	struct err a = { 0 }, b = { 0 };
	bool good = cert_verifier_check(p->forgets, der, body, &other, &a);

	assert_int_equal(
	    cert_verifier_check(p->knows, der, body, out, &b), good);
	assert_int_equal(a.code, b.code);
	assert_int_equal(ERR_peek_error(), 0);
	if (good) {
		assert_string_equal(out->fingerprint, other.fingerprint);
		assert_int_equal(out->not_before, other.not_before);
		assert_int_equal(out->not_after, other.not_after);
	} else {
		assert_string_equal(out->fingerprint, "");
	}
	return a.code;
}

static inline enum err_code
check_text(struct pair *p, struct slice der, const char *body)
{
	struct cert_signer out = { 0 };

	return check(p, der, slice_str(body), &out);
}
