/* Signed profiles: signing, opening, and what must not open. */
#include "cert_fixture.h"

#include <openssl/err.h>

#include "certs/cert_cms.h"

static const char profile[] = "<plist>profile</plist>";

/* A small authority with two levels, and somebody else's. */
struct world {
	EVP_PKEY *root_key, *ca_key, *key;
	X509 *root, *ca, *leaf, *other;
	STACK_OF(X509) * anchors, *chain;
};

static void
world_make(struct world *w)
{
	w->root_key = new_key(CERT_P256);
	w->ca_key = new_key(CERT_P256);
	w->key = new_key(CERT_RSA_2048);
	w->root = new_cert(
	    &(struct leaf){ .cn = "root", .key = w->root_key, .ca = true });
	w->ca = new_cert(&(struct leaf){ .cn = "ca",
	    .key = w->ca_key,
	    .issuer = w->root,
	    .issuer_key = w->root_key,
	    .ca = true });
	w->leaf = new_cert(&(struct leaf){ .cn = "mdm",
	    .key = w->key,
	    .issuer = w->ca,
	    .issuer_key = w->ca_key });
	w->other = new_cert(
	    &(struct leaf){ .cn = "root", .key = w->ca_key, .ca = true });
	w->anchors = sk_X509_new_null();
	w->chain = sk_X509_new_null();
	sk_X509_push(w->anchors, w->root);
	sk_X509_push(w->chain, w->ca);
}

static void
world_free(struct world *w)
{
	cert_key_free(&w->root_key);
	cert_key_free(&w->ca_key);
	cert_key_free(&w->key);
	cert_x509_free(&w->root);
	cert_x509_free(&w->ca);
	cert_x509_free(&w->leaf);
	cert_x509_free(&w->other);
	sk_X509_free(w->anchors);
	sk_X509_free(w->chain);
	clock_set_offset_ms(0);
}

static struct buf *
sign_profile(const struct world *w, STACK_OF(X509) * chain)
{
	struct buf *der = NULL;
	struct err e = { 0 };

	must(
	    cert_cms_sign(slice_str(profile), w->leaf, w->key, chain, &der, &e),
	    &e);
	return der;
}

/* ERR_NONE, or why it does not open. */
static enum err_code
open_profile(struct slice der, STACK_OF(X509) * anchors, const X509 *signer)
{
	AUTO(buf_free) struct buf *content = NULL;
	AUTO(cert_x509_free) X509 *x = NULL;
	struct err e = { 0 };

	if (!cert_cms_open(der, anchors, &content, &x, &e)) {
		assert_null(content);
		assert_null(x);
		return e.code;
	}
	assert_true(slice_eq_str(buf_slice(content), profile));
	assert_int_equal(X509_cmp(x, signer), 0);
	assert_int_equal(ERR_peek_error(), 0);
	return ERR_NONE;
}

static void
opens_what_we_sign(void **state)
{
	AUTO(world_free) struct world w;
	AUTO(buf_free) struct buf *der = NULL;

	(void)state;
	world_make(&w);
	der = sign_profile(&w, w.chain);
	assert_int_equal(
	    open_profile(buf_slice(der), w.anchors, w.leaf), ERR_NONE);
}

static void
chain_must_end_at_an_anchor(void **state)
{
	AUTO(world_free) struct world w;
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(buf_free) struct buf *alone = NULL;
	STACK_OF(X509) *others = sk_X509_new_null();

	(void)state;
	world_make(&w);
	sk_X509_push(others, w.other);
	der = sign_profile(&w, w.chain);
	alone = sign_profile(&w, NULL);
	assert_int_equal(
	    open_profile(buf_slice(der), others, w.leaf), ERR_FORBIDDEN);
	assert_int_equal(
	    open_profile(buf_slice(der), NULL, w.leaf), ERR_FORBIDDEN);
	assert_int_equal(
	    open_profile(buf_slice(alone), w.anchors, w.leaf), ERR_FORBIDDEN);
	sk_X509_free(others);
}

static void
chain_must_be_valid_now(void **state)
{
	AUTO(world_free) struct world w;
	AUTO(buf_free) struct buf *der = NULL;

	(void)state;
	world_make(&w);
	der = sign_profile(&w, w.chain);
	clock_set_offset_ms(301 * MS_DAY);
	assert_int_equal(
	    open_profile(buf_slice(der), w.anchors, w.leaf), ERR_FORBIDDEN);
	clock_set_offset_ms(-2 * MS_DAY);
	assert_int_equal(
	    open_profile(buf_slice(der), w.anchors, w.leaf), ERR_FORBIDDEN);
}

static void
changed_content_fails(void **state)
{
	AUTO(world_free) struct world w;
	AUTO(buf_free) struct buf *der = NULL;
	uint8_t *at;

	(void)state;
	world_make(&w);
	der = sign_profile(&w, w.chain);
	at = memmem(der->p, der->len, profile, strlen(profile));
	assert_non_null(at);
	at[8] ^= 1;
	assert_int_equal(
	    open_profile(buf_slice(der), w.anchors, w.leaf), ERR_FORBIDDEN);
	at[8] ^= 1;
	for (size_t len = 0; len < der->len; len += 13)
		assert_int_equal(
		    open_profile(slice_of(der->p, len), w.anchors, w.leaf),
		    ERR_INVALID);
}

static void
detached_does_not_open(void **state)
{
	AUTO(world_free) struct world w;
	AUTO(buf_free) struct buf *der = NULL;
	struct err e = { 0 };

	(void)state;
	world_make(&w);
	must(
	    cert_cms_sign_detached(slice_str(profile), w.leaf, w.key, &der, &e),
	    &e);
	assert_int_equal(
	    open_profile(buf_slice(der), w.anchors, w.leaf), ERR_INVALID);
}

static void
opens_what_openssl_signed(void **state)
{
	static const char *const files[] = { "attached.der",
		"attached-indefinite.der" };
	AUTO(buf_free) struct buf *pem = vector("rsa.crt");
	AUTO(buf_free) struct buf *body = vector("body.plist");
	AUTO(cert_stack_free) STACK_OF(X509) *anchors = NULL;
	struct err e = { 0 };

	(void)state;
	must(cert_parse_chain(buf_slice(pem), &anchors, &e), &e);
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO(buf_free) struct buf *der = vector(files[i]);
		AUTO(buf_free) struct buf *content = NULL;
		AUTO(cert_x509_free) X509 *signer = NULL;

		must(cert_cms_open(
		         buf_slice(der), anchors, &content, &signer, &e),
		    &e);
		assert_true(slice_eq(buf_slice(content), buf_slice(body)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_we_sign),
		cmocka_unit_test(chain_must_end_at_an_anchor),
		cmocka_unit_test(chain_must_be_valid_now),
		cmocka_unit_test(changed_content_fails),
		cmocka_unit_test(detached_does_not_open),
		cmocka_unit_test(opens_what_openssl_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
