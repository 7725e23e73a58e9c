/* Detached signatures, each by both paths. */
#include "cert_authority_fixture.h"
#include "cert_verifier_fixture.h"

#include <pthread.h>

#include "certs/cert_plain_priv.h"

static void
good_by_both_paths(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;
	struct cert_signer out = { 0 };

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", body_text);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    check(&p, buf_slice(s.der), slice_str(body_text), &out),
		    ERR_NONE);
		assert_string_equal(out.fingerprint, s.fingerprint);
		assert_int_equal(out.not_before, cert_not_before(s.cert));
		assert_int_equal(out.not_after, cert_not_after(s.cert));
		out = (struct cert_signer){ 0 };
	}
}

static void
other_body_fails(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", body_text);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), "<plist>Body</plist>"),
		    ERR_FORBIDDEN);
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), ""), ERR_FORBIDDEN);
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
	}
}

static void
empty_body_verifies(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", "");
	for (int i = 0; i < 2; i++) {
		struct cert_signer out = { 0 };

		assert_int_equal(
		    check(&p, buf_slice(s.der), (struct slice){ 0 }, &out),
		    ERR_NONE);
	}
}

/* No bit of the message may change and still verify as somebody else. */
static void
every_flipped_byte_is_seen(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;
	struct strip_range {
		size_t from, to;
	} cert;
	struct cert_plain found;

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", body_text);
	assert_int_equal(check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
	assert_true(cert_plain_find(buf_slice(s.der), &found));
	cert.from = (size_t)(found.certificate.p - s.der->p);
	cert.to = cert.from + found.certificate.len;

	for (size_t i = 0; i < s.der->len; i++) {
		struct cert_signer out = { 0 };
		enum err_code code;

		s.der->p[i] ^= 0x01;
		code = check(&p, buf_slice(s.der), slice_str(body_text), &out);
		s.der->p[i] ^= 0x01;
		/*
		 * What no signature covers: a self-signed certificate's own
		 * signature and names, and NULL parameters.  The signer is
		 * another one then, whom the ledger does not know.
		 */
		if (code == ERR_NONE && i >= cert.from && i < cert.to)
			assert_string_not_equal(out.fingerprint, s.fingerprint);
	}
	assert_int_equal(check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
}

static void
flipped_signature_fails(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", body_text);
	/* The signature ends the message. */
	for (int i = 0; i < 2; i++) {
		s.der->p[s.der->len - 100] ^= 0x10;
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), body_text), ERR_FORBIDDEN);
		s.der->p[s.der->len - 100] ^= 0x10;
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
	}
}

static void
truncated_anywhere_is_invalid(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", body_text);
	assert_int_equal(check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
	for (size_t len = 0; len < s.der->len; len++) {
		/* Its own allocation, so that a sanitizer sees its end. */
		uint8_t *copy = mem_alloc(len + 1);

		memcpy(copy, s.der->p, len);
		assert_int_equal(check_text(&p, slice_of(copy, len), body_text),
		    ERR_INVALID);
		free(copy);
	}
}

static void
trailing_bytes_are_invalid(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;
	AUTO(buf_free) struct buf *longer = buf_new(8 << 10);

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", body_text);
	buf_add(longer, s.der->p, s.der->len);
	buf_addc(longer, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    check_text(&p, buf_slice(longer), body_text), ERR_INVALID);
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
	}
}

static void
put_length(struct buf *b, size_t len)
{
	buf_addc(b, (char)0x82);
	buf_addc(b, (char)(len >> 8));
	buf_addc(b, (char)len);
}

/* The message with other certificates; their lengths have four octets. */
static struct buf *
with_certificates(struct slice der, struct slice certificates)
{
	struct buf *out = buf_new(16 << 10);
	struct cert_plain s;
	size_t body;

	assert_true(cert_plain_find(der, &s));
	body = s.head.len + 4 + certificates.len + s.tail.len;
	buf_addc(out, 0x30);
	put_length(out, 11 + 4 + 4 + body);
	buf_add(out, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", 11);
	buf_addc(out, (char)0xa0);
	put_length(out, 4 + body);
	buf_addc(out, 0x30);
	put_length(out, body);
	buf_add(out, s.head.p, s.head.len);
	buf_addc(out, (char)0xa0);
	put_length(out, certificates.len);
	buf_add(out, certificates.p, certificates.len);
	buf_add(out, s.tail.p, s.tail.len);
	return out;
}

/*
 * A thief signs with his own key and encloses the certificate of a Mac that is
 * remembered: with its issuer and serial number, and with his own.
 */
static void
enclosed_certificate_of_another_fails(void **state)
{
	AUTO(signed_clear) struct signed_body mac = { 0 }, thief = { 0 };
	AUTO(pair_free) struct pair p;
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_free) struct buf *swapped = NULL;
	AUTO(buf_free) struct buf *forged = NULL;
	AUTO(buf_free) struct buf *both = NULL;
	struct err e = { 0 };

	(void)state;
	pair_make(&p);
	sign_as(&mac, "mac", body_text);
	sign_as(&thief, "thief", body_text);
	assert_int_equal(
	    check_text(&p, buf_slice(mac.der), body_text), ERR_NONE);
	must(cert_der(mac.cert, &cert, &e), &e);

	swapped = with_certificates(buf_slice(thief.der), buf_slice(cert));
	assert_int_equal(
	    check_text(&p, buf_slice(swapped), body_text), ERR_INVALID);

	/* The signer's name in the message is the Mac's, the key is not. */
	cert_x509_free(&thief.cert);
	buf_free(&thief.der);
	thief.cert = self_signed("mac", thief.key);
	assert_true(
	    X509_set_serialNumber(thief.cert, X509_get_serialNumber(mac.cert)));
	must(cert_cms_sign_detached(
	         slice_str(body_text), thief.cert, thief.key, &thief.der, &e),
	    &e);
	forged = with_certificates(buf_slice(thief.der), buf_slice(cert));
	assert_int_equal(
	    check_text(&p, buf_slice(forged), body_text), ERR_FORBIDDEN);

	/* And his own certificate beside it: the Mac is not the signer. */
	both = buf_new(16 << 10);
	buf_add(both, cert->p, cert->len);
	buf_free(&cert);
	must(cert_der(thief.cert, &cert, &e), &e);
	buf_add(both, cert->p, cert->len);
	buf_free(&forged);
	forged = with_certificates(buf_slice(thief.der), buf_slice(both));
	for (int i = 0; i < 2; i++) {
		struct cert_signer out = { 0 };

		if (check(&p, buf_slice(forged), slice_str(body_text), &out) ==
		    ERR_NONE)
			assert_string_not_equal(
			    out.fingerprint, mac.fingerprint);
	}
}

/* Indefinite lengths around everything, as Apple's encoder writes. */
static void
ber_verifies(void **state)
{
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;
	AUTO(buf_free) struct buf *ber = buf_new(8 << 10);
	struct cert_plain found;

	(void)state;
	pair_make(&p);
	sign_as(&s, "mac", body_text);
	assert_true(cert_plain_find(buf_slice(s.der), &found));
	buf_add(
	    ber, "\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", 13);
	buf_add(ber, "\xa0\x80\x30\x80", 4);
	buf_add(ber, found.head.p, found.head.len);
	buf_add(ber, "\xa0\x80", 2);
	buf_add(ber, found.certificate.p, found.certificate.len);
	buf_add(ber, "\0\0", 2);
	buf_add(ber, found.tail.p, found.tail.len);
	buf_add(ber, "\0\0\0\0\0\0", 6);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    check_text(&p, buf_slice(ber), body_text), ERR_NONE);
	for (size_t len = 0; len < ber->len; len++)
		assert_int_equal(
		    check_text(&p, slice_of(ber->p, len), body_text),
		    ERR_INVALID);
}

static void
vectors_of_openssl(void **state)
{
	static const struct {
		const char *file;
		enum err_code code;
	} cases[] = {
		{ "rsa-sha256.der", ERR_NONE },
		{ "rsa-sha1.der", ERR_NONE },
		{ "rsa-sha512.der", ERR_NONE },
		{ "rsa-noattr.der", ERR_NONE },
		{ "rsa-keyid.der", ERR_NONE },
		{ "ec-sha256.der", ERR_NONE },
		{ "two-certificates.der", ERR_NONE },
		{ "rsa-md5.der", ERR_FORBIDDEN },
		{ "rsa-pss.der", ERR_FORBIDDEN },
		{ "weak-rsa1024.der", ERR_FORBIDDEN },
		{ "attached.der", ERR_INVALID },
		{ "attached-indefinite.der", ERR_INVALID },
		{ "no-certificate.der", ERR_INVALID },
		{ "two-signers.der", ERR_INVALID },
		{ "rsa-empty-body.der", ERR_FORBIDDEN },
	};
	AUTO(buf_free) struct buf *body = vector("body.plist");
	AUTO(pair_free) struct pair p;

	(void)state;
	pair_make(&p);
	/* The second round meets signers that are remembered. */
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		const char *file = cases[i % COUNT(cases)].file;
		AUTO(buf_free) struct buf *der = vector(file);
		struct cert_signer out = { 0 };
		enum err_code code =
		    check(&p, buf_slice(der), buf_slice(body), &out);

		if (code != cases[i % COUNT(cases)].code)
			fail_msg("%s: code %d", file, (int)code);
	}
}

static void
only_our_own_are_remembered(void **state)
{
	struct place at;
	AUTO(cert_live_free) struct cert_live *live = NULL;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(signed_clear) struct signed_body s = { 0 };
	AUTO(pair_free) struct pair p;
	struct cert_verifier_stats stats;
	struct err e = { 0 };

	(void)state;
	pair_make(&p);
	place_make(&at);
	live = open_live(&at);
	a = cert_live_get(live);
	cert_verifier_prefer(p.knows, live);
	sign_as(&s, "stranger", body_text);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
	cert_verifier_stats(p.knows, &stats);
	assert_int_equal(stats.known, 0);
	assert_int_equal(stats.unknown, 2);
	cert_x509_free(&s.cert);
	buf_free(&s.der);
	s.cert = new_cert(&(struct leaf){ .cn = "mac",
	    .key = s.key,
	    .issuer = cert_authority_issuing(a),
	    .issuer_key =
	        (EVP_PKEY *)cert_authority_find(a, cert_authority_id(a))
	            ->key });
	must(cert_cms_sign_detached(
	         slice_str(body_text), s.cert, s.key, &s.der, &e),
	    &e);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    check_text(&p, buf_slice(s.der), body_text), ERR_NONE);
	cert_verifier_stats(p.knows, &stats);
	assert_int_equal(stats.known, 1);
	assert_int_equal(stats.unknown, 3);
	place_remove(&at);
}

/* Threads that share signers, and push each other's out of a small table. */
enum { THREADS = 4, SIGNERS = 12, ROUNDS = 200 };

struct crowd {
	struct cert_verifier *v;
	struct signed_body signer[SIGNERS];
};

static void *
work(void *arg)
{
	struct crowd *c = arg;
	intptr_t wrong = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct signed_body *s = &c->signer[i * 7 % SIGNERS];
		struct cert_signer out = { 0 };
		struct err e = { 0 };
		const char *body = i % 5 == 0 ? "forged" : body_text;

		if (cert_verifier_check(c->v, buf_slice(s->der),
		        slice_str(body), &out, &e) != (i % 5 != 0))
			wrong++;
		if (i % 5 != 0 && !str_eq(out.fingerprint, s->fingerprint))
			wrong++;
	}
	return (void *)wrong;
}

static void
threads_share_a_verifier(void **state)
{
	struct crowd c = { .v = cert_verifier_new(8) };
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < SIGNERS; i++) {
		c.signer[i].key = new_key(CERT_P256);
		sign_as(&c.signer[i], "mac", body_text);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, work, &c), 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	for (int i = 0; i < SIGNERS; i++)
		signed_clear(&c.signer[i]);
	cert_verifier_free(&c.v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_by_both_paths),
		cmocka_unit_test(other_body_fails),
		cmocka_unit_test(empty_body_verifies),
		cmocka_unit_test(every_flipped_byte_is_seen),
		cmocka_unit_test(flipped_signature_fails),
		cmocka_unit_test(truncated_anywhere_is_invalid),
		cmocka_unit_test(trailing_bytes_are_invalid),
		cmocka_unit_test(enclosed_certificate_of_another_fails),
		cmocka_unit_test(ber_verifies),
		cmocka_unit_test(vectors_of_openssl),
		cmocka_unit_test(only_our_own_are_remembered),
		cmocka_unit_test(threads_share_a_verifier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
