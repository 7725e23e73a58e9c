/* Certificates of ours, read from their bytes. */
#include "cert_authority_fixture.h"
#include "cert_verifier_fixture.h"

#include "certs/cert_ours_priv.h"

struct ours {
	struct place at;
	struct cert_live *live;
	struct cert_authority *authority;
	struct signed_body mac;
	struct buf *der; /* its certificate */
};

static void
make(struct ours *o, enum cert_key_kind issuing, enum cert_key_kind key)
{
	struct err e = { 0 };
	const struct cert_member *issuer;

	*o = (struct ours){ 0 };
	place_make(&o->at);
	must(cert_live_open(o->at.st,
	         &(struct cert_authority_options){ .vault = place_vault(&o->at),
	             .organization = "Example",
	             .issuing_key = { .kind = issuing } },
	         &o->live, &e),
	    &e);
	o->authority = cert_live_get(o->live);
	issuer =
	    cert_authority_find(o->authority, cert_authority_id(o->authority));
	o->mac.key = new_key(key);
	o->mac.cert = new_cert(&(struct leaf){ .cn = "mac",
	    .key = o->mac.key,
	    .issuer = cert_authority_issuing(o->authority),
	    .issuer_key = (EVP_PKEY *)issuer->key });
	cert_fingerprint(o->mac.cert, o->mac.fingerprint);
	must(cert_der(o->mac.cert, &o->der, &e), &e);
	must(cert_cms_sign_detached(slice_str(body_text), o->mac.cert,
	         o->mac.key, &o->mac.der, &e),
	    &e);
}

static void
unmake(struct ours *o)
{
	buf_free(&o->der);
	signed_clear(&o->mac);
	cert_authority_free(&o->authority);
	cert_live_free(&o->live);
	place_remove(&o->at);
}

static bool
reads(struct ours *o, struct slice der)
{
	AUTO(cert_known_clear) struct cert_known k = { 0 };
	uint8_t digest[SHA256_SIZE];
	bool read;

	sha256(digest, der);
	read = cert_ours_read(o->live, der, digest, &k);
	if (read) {
		assert_int_equal(
		    EVP_PKEY_eq(k.key, X509_get0_pubkey(o->mac.cert)), 1);
		assert_int_equal(k.not_before, cert_not_before(o->mac.cert));
		assert_int_equal(k.not_after, cert_not_after(o->mac.cert));
		assert_memory_equal(k.digest, digest, sizeof(digest));
	}
	assert_int_equal(ERR_peek_error(), 0);
	return read;
}

static void
what_we_issued_is_read(void **state)
{
	static const enum cert_key_kind issuing[] = { CERT_RSA_2048,
		CERT_RSA_3072, CERT_P256 };

	(void)state;
	for (size_t i = 0; i < COUNT(issuing); i++) {
		AUTO(unmake) struct ours o;

		make(&o, issuing[i], CERT_RSA_2048);
		assert_true(reads(&o, buf_slice(o.der)));
	}
}

/* An EC key is OpenSSL's to read. */
static void
other_keys_are_not(void **state)
{
	AUTO(unmake) struct ours o;

	(void)state;
	make(&o, CERT_RSA_2048, CERT_P256);
	assert_false(reads(&o, buf_slice(o.der)));
}

static void
strangers_are_not(void **state)
{
	AUTO(unmake) struct ours o, other;

	(void)state;
	make(&o, CERT_RSA_2048, CERT_RSA_2048);
	make(&other, CERT_RSA_2048, CERT_RSA_2048);
	/* Of the same names, but by another CA. */
	assert_false(reads(&o, buf_slice(other.der)));
}

static void
no_byte_may_change(void **state)
{
	AUTO(unmake) struct ours o;

	(void)state;
	make(&o, CERT_RSA_2048, CERT_RSA_2048);
	for (size_t i = 0; i < o.der->len; i++) {
		o.der->p[i] ^= 0x01;
		assert_false(reads(&o, buf_slice(o.der)));
		o.der->p[i] ^= 0x01;
	}
	for (size_t len = 0; len < o.der->len; len++)
		assert_false(reads(&o, slice_of(o.der->p, len)));
	assert_true(reads(&o, buf_slice(o.der)));
}

/* What a device that is not remembered gets is what OpenSSL would say. */
static void
verdicts_are_those_of_openssl(void **state)
{
	AUTO(unmake) struct ours o;
	AUTO(pair_free)
	struct pair p = { cert_verifier_new(0), cert_verifier_new(1) };

	(void)state;
	make(&o, CERT_RSA_2048, CERT_RSA_2048);
	cert_verifier_prefer(p.knows, o.live);
	for (size_t i = 0; i < o.mac.der->len; i++) {
		o.mac.der->p[i] ^= 0x01;
		(void)check_text(&p, buf_slice(o.mac.der), body_text);
		o.mac.der->p[i] ^= 0x01;
	}
	assert_int_equal(
	    check_text(&p, buf_slice(o.mac.der), "other"), ERR_FORBIDDEN);
	assert_int_equal(
	    check_text(&p, buf_slice(o.mac.der), body_text), ERR_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_issued_is_read),
		cmocka_unit_test(other_keys_are_not),
		cmocka_unit_test(strangers_are_not),
		cmocka_unit_test(no_byte_may_change),
		cmocka_unit_test(verdicts_are_those_of_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
