/* The responder over a real authority and database, asked by OpenSSL. */
#include "cert_authority_fixture.h"

#include "certs/cert_ledger.h"
#include "certs/cert_ocsp_priv.h"
#include "core/der.h"
#include "core/limits.h"

struct site {
	struct place place;
	struct cert_live *live;
	struct cert_authority *a;
	struct cert_ocsp *o;
};

static struct cert_ocsp *
new_responder(struct site *s)
{
	return cert_ocsp_new(&(struct cert_ocsp_options){
	    s->place.st, s->live, place_vault(&s->place).seal });
}

static int
make(void **state)
{
	struct site *s = mem_zalloc(1, sizeof(*s));

	place_make(&s->place);
	s->live = open_live(&s->place);
	s->a = cert_live_get(s->live);
	s->o = new_responder(s);
	*state = s;
	return 0;
}

static int
drop(void **state)
{
	struct site *s = *state;

	cert_ocsp_free(&s->o);
	cert_authority_free(&s->a);
	cert_live_free(&s->live);
	place_remove(&s->place);
	free(s);
	return 0;
}

/* Certificate 41000<n> is in the ledger. */
static void
add(struct site *s, int n)
{
	AUTO(cert_issued_clear)
	struct cert_issued i = { .der = buf_new(64),
		.subject = "CN=x",
		.not_before = clock_now_ms(),
		.not_after = clock_now_ms() + MS_DAY };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	snprintf(i.fingerprint, sizeof(i.fingerprint), "%064x", (unsigned)n);
	snprintf(i.serial, sizeof(i.serial), "41%04x", (unsigned)n);
	must(store_begin(s->place.st, STORE_WRITE, &tx, &e), &e);
	must(cert_ledger_add(tx,
	         &(struct cert_record){ .issued = &i,
	             .authority_id = cert_authority_id(s->a),
	             .template = CERT_TEMPLATE_DEVICE,
	             .purpose = "enroll" },
	         &e),
	    &e);
	must(store_commit(&tx, &e), &e);
}

static void
end_it(struct site *s, int n, int reason)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };

	snprintf(name, sizeof(name), "%064x", (unsigned)n);
	must(store_begin(s->place.st, STORE_WRITE, &tx, &e), &e);
	must(cert_ledger_revoke(tx, name, reason, "test", &e), &e);
	must(store_commit(&tx, &e), &e);
}

static OCSP_CERTID *
id_for(X509 *issuer, const EVP_MD *md, int n)
{
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	OCSP_CERTID *id;

	assert_int_equal(ASN1_INTEGER_set_int64(serial, 0x410000 + n), 1);
	id = OCSP_cert_id_new(md, X509_get_subject_name(issuer),
	    X509_get0_pubkey_bitstr(issuer), serial);
	ASN1_INTEGER_free(serial);
	return id;
}

/* Asks for certificates 1 to count; nonce_len 0: none. */
static struct buf *
request(struct site *s, const EVP_MD *md, int count, int nonce_len)
{
	OCSP_REQUEST *rq = OCSP_REQUEST_new();
	struct buf *out = buf_new(64 << 10);
	unsigned char *der = NULL;
	int len;

	for (int n = 1; n <= count; n++)
		assert_non_null(OCSP_request_add0_id(
		    rq, id_for(cert_authority_issuing(s->a), md, n)));
	if (nonce_len > 0)
		assert_int_equal(
		    OCSP_request_add1_nonce(rq, NULL, nonce_len), 1);
	len = i2d_OCSP_REQUEST(rq, &der);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	OCSP_REQUEST_free(rq);
	return out;
}

static struct cert_ocsp_reply
ask(struct site *s, struct slice rq)
{
	struct cert_ocsp_reply r = { 0 };
	struct err e = { 0 };

	must(cert_ocsp_answer(s->o, rq, &r, &e), &e);
	return r;
}

/* Status of the response, which is signed by whom it should be if it is 0;
 * *basic is the caller's. */
static int
verdict(struct site *s, const struct buf *der, OCSP_BASICRESP **basic)
{
	const unsigned char *p = der->p;
	OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &p, (long)der->len);
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *others = sk_X509_new_null();
	int status;

	assert_non_null(r);
	status = OCSP_response_status(r);
	*basic = OCSP_response_get1_basic(r);
	assert_int_equal(*basic != NULL, status == 0);
	if (status == 0) {
		X509_STORE_add_cert(store, cert_authority_root(s->a));
		sk_X509_push(others, cert_authority_issuing(s->a));
		assert_int_equal(
		    OCSP_basic_verify(*basic, others, store, 0), 1);
	}
	sk_X509_free(others);
	X509_STORE_free(store);
	OCSP_RESPONSE_free(r);
	return status;
}

/* V_OCSP_CERTSTATUS_* of certificate n; *reason as in the answer. */
static int
status_of(struct site *s, const EVP_MD *md, int n, int *reason)
{
	AUTO(buf_free) struct buf *rq = request(s, md, n, 0);
	AUTO(cert_ocsp_reply_clear)
	struct cert_ocsp_reply r = ask(s, buf_slice(rq));
	OCSP_CERTID *id = id_for(cert_authority_issuing(s->a), md, n);
	OCSP_BASICRESP *b;
	int status = -1;

	assert_int_equal(verdict(s, r.der, &b), 0);
	assert_int_equal(OCSP_resp_count(b), n);
	assert_int_equal(
	    OCSP_resp_find_status(b, id, &status, reason, NULL, NULL, NULL), 1);
	OCSP_BASICRESP_free(b);
	OCSP_CERTID_free(id);
	return status;
}

static void
tells_good_revoked_unknown(void **state)
{
	struct site *s = *state;
	const EVP_MD *const digests[] = { EVP_sha1(), EVP_sha224(),
		EVP_sha256(), EVP_sha384(), EVP_sha512() };
	int reason = 0;

	for (int n = 1; n <= 2; n++)
		add(s, n);
	end_it(s, 2, CERT_REASON_SUPERSEDED);
	for (size_t i = 0; i < COUNT(digests); i++) {
		assert_int_equal(status_of(s, digests[i], 1, &reason),
		    V_OCSP_CERTSTATUS_GOOD);
		assert_int_equal(status_of(s, digests[i], 2, &reason),
		    V_OCSP_CERTSTATUS_REVOKED);
		assert_int_equal(reason, CERT_REASON_SUPERSEDED);
		assert_int_equal(status_of(s, digests[i], 3, &reason),
		    V_OCSP_CERTSTATUS_UNKNOWN);
	}
	end_it(s, 1, CERT_REASON_UNSPECIFIED);
	assert_int_equal(
	    status_of(s, EVP_sha1(), 1, &reason), V_OCSP_CERTSTATUS_REVOKED);
	assert_int_equal(reason, -1);
}

/* The same bytes until the ledger says something else, at any node. */
static void
answers_are_kept_while_true(void **state)
{
	struct site *s = *state;
	AUTO(buf_free) struct buf *rq = request(s, EVP_sha1(), 1, 0);
	struct cert_ocsp_reply one, two;
	struct cert_ocsp_stats stats;
	struct cert_ocsp *first = s->o;
	OCSP_BASICRESP *b;

	add(s, 1);
	one = ask(s, buf_slice(rq));
	two = ask(s, buf_slice(rq));
	assert_true(slice_eq(buf_slice(one.der), buf_slice(two.der)));
	assert_int_equal(two.next_update - two.this_update, MS_H);
	cert_ocsp_stats(s->o, &stats);
	assert_int_equal(stats.cached, 1);
	cert_ocsp_reply_clear(&two);

	clock_set_offset_ms(40 * MS_MIN); /* past the half */
	two = ask(s, buf_slice(rq));
	assert_true(two.this_update > one.this_update);
	cert_ocsp_reply_clear(&two);
	cert_ocsp_reply_clear(&one);
	clock_set_offset_ms(0);

	end_it(s, 1, CERT_REASON_HOLD);
	one = ask(s, buf_slice(rq));
	assert_int_equal(verdict(s, one.der, &b), 0);
	assert_int_equal(OCSP_single_get0_status(
	                     OCSP_resp_get0(b, 0), NULL, NULL, NULL, NULL),
	    V_OCSP_CERTSTATUS_REVOKED);
	OCSP_BASICRESP_free(b);
	cert_ocsp_reply_clear(&one);

	/* Another node has the same delegate. */
	s->o = new_responder(s);
	one = ask(s, buf_slice(rq));
	assert_int_equal(verdict(s, one.der, &b), 0);
	assert_string_equal(first->responders[0].id, s->o->responders[0].id);
	assert_int_equal(X509_cmp(first->responders[0].certificate,
	                     s->o->responders[0].certificate),
	    0);
	OCSP_BASICRESP_free(b);
	cert_ocsp_reply_clear(&one);
	cert_ocsp_free(&first);
}

static void
nonces_come_back(void **state)
{
	static const int lens[] = { 1, 16, 32, 128 };
	struct site *s = *state;

	add(s, 1);
	for (size_t i = 0; i < COUNT(lens); i++) {
		AUTO(buf_free)
		struct buf *der = request(s, EVP_sha1(), 1, lens[i]);
		AUTO(cert_ocsp_reply_clear)
		struct cert_ocsp_reply r = ask(s, buf_slice(der));
		const unsigned char *p = der->p;
		OCSP_REQUEST *rq = d2i_OCSP_REQUEST(NULL, &p, (long)der->len);
		OCSP_BASICRESP *b;

		assert_int_equal(verdict(s, r.der, &b), 0);
		assert_int_equal(OCSP_check_nonce(rq, b), 1);
		assert_int_equal(r.next_update, 0); /* nobody else's */
		OCSP_BASICRESP_free(b);
		OCSP_REQUEST_free(rq);
	}
}

static void
expect(struct site *s, struct slice rq, enum cert_ocsp_status want)
{
	AUTO(cert_ocsp_reply_clear) struct cert_ocsp_reply r = ask(s, rq);
	OCSP_BASICRESP *b;

	assert_int_equal(r.status, want);
	assert_int_equal(verdict(s, r.der, &b), want);
	OCSP_BASICRESP_free(b);
}

static void
bad_requests_get_their_status(void **state)
{
	struct site *s = *state;
	AUTO(buf_free) struct buf *good = request(s, EVP_sha1(), 1, 16);
	AUTO(buf_free) struct buf *many = request(s, EVP_sha1(), 17, 0);
	AUTO(buf_free) struct buf *most = request(s, EVP_sha1(), 16, 0);
	AUTO(buf_free) struct buf *nonce = request(s, EVP_sha1(), 1, 129);
	AUTO(buf_free) struct buf *md5 = request(s, EVP_md5(), 1, 0);
	AUTO(buf_free) struct buf *long_one = buf_new(1 << 20);
	struct slice g = buf_slice(good);

	expect(s, slice_of("", 0), CERT_OCSP_MALFORMED);
	for (size_t n = 1; n < g.len; n++)
		expect(s, slice_of(g.p, n), CERT_OCSP_MALFORMED);
	buf_add(long_one, g.p, g.len);
	buf_addc(long_one, '\0');
	expect(s, buf_slice(long_one), CERT_OCSP_MALFORMED);
	memset(buf_grow(long_one, LIMIT_BODY_OCSP), 0, LIMIT_BODY_OCSP);
	expect(s, buf_slice(long_one), CERT_OCSP_MALFORMED);
	expect(s, buf_slice(many), CERT_OCSP_MALFORMED);
	expect(s, buf_slice(nonce), CERT_OCSP_MALFORMED);
	expect(s, buf_slice(md5), CERT_OCSP_UNAUTHORIZED);
	expect(s, buf_slice(most), CERT_OCSP_SUCCESSFUL);
	/* Whatever bit is turned, there is an answer. */
	for (size_t bit = 0; bit < 8 * g.len; bit++) {
		AUTO(buf_free) struct buf *flipped = buf_new(g.len);
		AUTO(cert_ocsp_reply_clear) struct cert_ocsp_reply r = { 0 };

		buf_add(flipped, g.p, g.len);
		flipped->p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = ask(s, buf_slice(flipped));
		assert_true(r.der->len >= 5);
	}
}

/* A request about certificate 1 whose digest has these parameters, DER. */
static struct buf *
with_parameters(struct site *s, struct slice parameters)
{
	OCSP_CERTID *id = id_for(cert_authority_issuing(s->a), EVP_sha1(), 1);
	struct buf *out = buf_new(32 << 10);
	ASN1_OCTET_STRING *name, *key;
	ASN1_INTEGER *serial;

	OCSP_id_get0_info(&name, NULL, &key, &serial, id);
	der_put_oid(out, NID_sha1);
	buf_add(out, parameters.p, parameters.len);
	der_wrap(out, 0, DER_SEQUENCE);
	der_put(out, DER_OCTETS, slice_of(name->data, (size_t)name->length));
	der_put(out, DER_OCTETS, slice_of(key->data, (size_t)key->length));
	der_put(
	    out, DER_INTEGER, slice_of(serial->data, (size_t)serial->length));
	for (int i = 0; i < 5; i++) /* CertID to OCSPRequest */
		der_wrap(out, 0, DER_SEQUENCE);
	OCSP_CERTID_free(id);
	return out;
}

/* Or one could make any number of answers of any length, all kept. */
static void
a_digest_has_no_parameters(void **state)
{
	static const uint8_t null[] = { 0x05, 0x00 };
	struct site *s = *state;
	AUTO(buf_free) struct buf *octets = buf_new(16 << 10);
	AUTO(buf_free) struct buf *bad = NULL;
	AUTO(buf_free) struct buf *absent = NULL;
	AUTO(buf_free) struct buf *with_null = NULL;
	AUTO(buf_free) struct buf *usual = request(s, EVP_sha1(), 1, 0);
	struct cert_ocsp_stats stats;

	add(s, 1);
	memset(buf_grow(octets, 15 << 10), 'x', 15 << 10);
	der_wrap(octets, 0, DER_OCTETS);
	bad = with_parameters(s, buf_slice(octets));
	absent = with_parameters(s, slice_str(""));
	with_null = with_parameters(s, slice_of(null, sizeof(null)));
	assert_true(slice_eq(buf_slice(usual), buf_slice(with_null)));
	expect(s, buf_slice(bad), CERT_OCSP_MALFORMED);
	expect(s, buf_slice(absent), CERT_OCSP_SUCCESSFUL);
	expect(s, buf_slice(with_null), CERT_OCSP_SUCCESSFUL);
	cert_ocsp_stats(s->o, &stats);
	assert_int_equal(stats.cached, 0); /* the answers repeat the form */
	expect(s, buf_slice(absent), CERT_OCSP_SUCCESSFUL);
	expect(s, buf_slice(with_null), CERT_OCSP_SUCCESSFUL);
	cert_ocsp_stats(s->o, &stats);
	assert_int_equal(stats.cached, 2);
}

static void
other_issuers_are_not_answered_for(void **state)
{
	struct site *s = *state;
	X509 *const issuers[] = { cert_authority_root(s->a),
		cert_authority_ra(s->a) };

	for (size_t i = 0; i < COUNT(issuers); i++) {
		OCSP_REQUEST *rq = OCSP_REQUEST_new();
		unsigned char *der = NULL;
		int len;

		OCSP_request_add0_id(
		    rq, id_for(cert_authority_issuing(s->a), EVP_sha1(), 1));
		OCSP_request_add0_id(rq, id_for(issuers[i], EVP_sha1(), 1));
		len = i2d_OCSP_REQUEST(rq, &der);
		expect(s, slice_of(der, (size_t)len), CERT_OCSP_UNAUTHORIZED);
		OPENSSL_free(der);
		OCSP_REQUEST_free(rq);
	}
}

/* At half of its life there is another, for the same key's authority. */
static void
the_delegate_is_right_and_renewed(void **state)
{
	struct site *s = *state;
	AUTO(buf_free) struct buf *rq = request(s, EVP_sha1(), 1, 8);
	AUTO(cert_ocsp_reply_clear)
	struct cert_ocsp_reply r = ask(s, buf_slice(rq));
	X509 *x = s->o->responders[0].certificate;
	char serial[64], again[64];

	assert_int_equal(chain_error(s->a, x, X509_PURPOSE_OCSP_HELPER), 0);
	assert_true(X509_get_ext_by_NID(x, NID_id_pkix_OCSP_noCheck, -1) >= 0);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_OCSP_SIGN);
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
	assert_true(cert_not_after(x) - cert_not_before(x) <= 31 * MS_DAY);
	cert_serial(x, serial, sizeof(serial));

	clock_set_offset_ms(16 * MS_DAY);
	cert_ocsp_reply_clear(&r);
	r = ask(s, buf_slice(rq));
	cert_serial(s->o->responders[0].certificate, again, sizeof(again));
	assert_string_not_equal(serial, again);
}

/* One that ends with its issuer is not made again and again before that. */
static void
the_last_delegate_ends_with_its_issuer(void **state)
{
	struct site *s = *state;
	AUTO(buf_free) struct buf *rq = request(s, EVP_sha1(), 1, 8);
	int64_t end = cert_not_after(cert_authority_issuing(s->a));
	int64_t left = end - clock_now_ms();
	char serial[64] = "", now[64];

	for (int hours = 10 * 24; hours > 0; hours -= 17) {
		AUTO(cert_ocsp_reply_clear) struct cert_ocsp_reply r = { 0 };

		clock_set_offset_ms(left - hours * MS_H);
		r = ask(s, buf_slice(rq));
		cert_serial(s->o->responders[0].certificate, now, sizeof(now));
		if (serial[0] != '\0')
			assert_string_equal(serial, now);
		str_copy_cut(serial, sizeof(serial), now);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(tells_good_revoked_unknown),
		T(answers_are_kept_while_true),
		T(nonces_come_back),
		T(bad_requests_get_their_status),
		T(a_digest_has_no_parameters),
		T(other_issuers_are_not_answered_for),
		T(the_delegate_is_right_and_renewed),
		T(the_last_delegate_ends_with_its_issuer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
