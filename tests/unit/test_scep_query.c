/*
 * CertPoll, GetCert and GetCRL (section 5.9 of the conformance list), and what
 * becomes of certificates, old and new, when the authority rolls over.
 */
#include "certs/cert_roll.h"
#include "tests/unit/scep_answer.h"

/* A certificate of w->key; the caller's. */
static X509 *
enrolled(struct world *w, const char *device_id)
{
	struct challenge c =
	    world_grant(w, (struct scep_grant){ .device_id = device_id });
	struct answer a = answer_challenge(w, w->key, c.text);

	assert_int_equal(a.status, SCEP_SUCCESS);
	return a.cert;
}

/* IssuerAndSerialNumber. */
struct names {
	const X509_NAME *issuer;
	const ASN1_INTEGER *serial;
};

static struct names
names_of(X509 *x)
{
	return (
	    struct names){ X509_get_issuer_name(x), X509_get0_serialNumber(x) };
}

static struct buf *
names_der(struct names n)
{
	AUTO(buf_free) struct buf *body = forge_buf();
	struct buf *out = forge_buf();
	uint8_t *der = NULL;
	int len = i2d_X509_NAME(n.issuer, &der);

	buf_add(body, der, (size_t)len);
	OPENSSL_free(der);
	der = NULL;
	len = i2d_ASN1_INTEGER(n.serial, &der);
	buf_add(body, der, (size_t)len);
	OPENSSL_free(der);
	forge_der(out, 0x30, buf_slice(body));
	return out;
}

/* type "21" or "22", from the holder of signer, whose key is w->key. */
static struct answer
ask(struct world *w, const char *type, X509 *signer, struct slice data)
{
	AUTO(buf_free)
	struct buf *env =
	    forge_envelope((struct forge_env){ .to = { w->ra } }, data);
	struct forge_message m = forge_message(w->key, signer, buf_slice(env));

	m.attrs[FORGE_MESSAGE_TYPE].value = slice_str(type);
	/* What sscep says each time: nobody checks it. */
	m.attrs[FORGE_TRANSACTION].value = TEXT("SSCEP transactionId");
	return answer_message(w, &m);
}

static struct answer
get(struct world *w, const char *type, X509 *signer, struct names n)
{
	AUTO(buf_free) struct buf *der = names_der(n);

	return ask(w, type, signer, buf_slice(der));
}

static struct answer
get_cert(struct world *w, X509 *signer, X509 *issuer_of, X509 *serial_of)
{
	struct names n = { X509_get_issuer_name(issuer_of),
		X509_get0_serialNumber(serial_of) };

	return get(w, "21", signer, n);
}

static void
end_of(struct world *w, X509 *x)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char fingerprint[SHA256_HEX_SIZE];
	struct err e = { 0 };

	cert_fingerprint(x, fingerprint);
	assert_true(store_begin(w->store, STORE_WRITE, &tx, &e) &&
	            cert_ledger_revoke(
	                tx, fingerprint, CERT_REASON_CESSATION, "test", &e) &&
	            store_commit(&tx, &e));
}

static void
case_125_126_get_cert(void **state)
{
	struct world *w = *state;
	struct challenge c =
	    world_grant(w, (struct scep_grant){ .device_id = "d-b" });
	struct answer other = answer_challenge(w, w->key2, c.text);
	X509 *own = enrolled(w, "d-a");
	AUTO(answer_clear) struct answer a = get_cert(w, own, own, own);

	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(a.cert, own), 0);
	EXPECT_F(4, get_cert(w, own, own, other.cert));
	EXPECT_F(4, get_cert(w, own, own, w->signer));
	EXPECT_F(4, get_cert(w, own, w->signer, own));
	/* A stranger learns nothing. */
	EXPECT_F(4, get_cert(w, w->signer, own, own));
	end_of(w, own);
	EXPECT_F(4, get_cert(w, own, own, own));
	answer_clear(&other);
	X509_free(own);
}

static struct answer
poll(struct world *w, const char *transaction)
{
	AUTO(buf_free)
	struct buf *env =
	    forge_envelope((struct forge_env){ .to = { w->ra } }, TEXT("x"));
	struct forge_message m =
	    forge_message(w->key, w->signer, buf_slice(env));

	m.attrs[FORGE_MESSAGE_TYPE].value = TEXT("20");
	m.attrs[FORGE_TRANSACTION].value = slice_str(transaction);
	return answer_message(w, &m);
}

/* Section 1.12, rule 5. */
static void
a_poll_gives_what_got_lost(void **state)
{
	struct world *w = *state;
	AUTO(cert_x509_free) X509 *own = enrolled(w, "d-a");
	AUTO(answer_clear) struct answer a = poll(w, "T-1");

	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(a.cert, own), 0);
	/* Another transaction, and later. */
	EXPECT_F(4, poll(w, "T-2"));
	clock_set_offset_ms(2 * MS_H);
	EXPECT_F(4, poll(w, "T-1"));
	clock_set_offset_ms(0);
	end_of(w, own);
	EXPECT_F(4, poll(w, "T-1"));
}

static void
with_crl(struct world *w)
{
	struct cert_crl_options o = {
		.store = w->store, .live = w->live, .node = "test"
	};
	struct err e = { 0 };

	if (!cert_crl_new(&o, &w->crl, &e))
		fail_msg("%s", e.text);
	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
}

/* Verified with OpenSSL's own functions. */
static void
check_crl(struct answer a, X509 *issuer, X509 *revoked)
{
	X509_REVOKED *entry = NULL;

	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_non_null(a.crl);
	assert_null(a.cert);
	assert_int_equal(X509_CRL_verify(a.crl, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_NAME_cmp(X509_CRL_get_issuer(a.crl),
	                     X509_get_subject_name(issuer)),
	    0);
	if (revoked != NULL)
		assert_int_equal(
		    X509_CRL_get0_by_cert(a.crl, &entry, revoked), 1);
	answer_clear(&a);
}

static void
case_127_get_crl(void **state)
{
	struct world *w = *state;
	X509 *ca = cert_authority_issuing(w->authority);
	X509 *own = enrolled(w, "d-crl");
	struct err e = { 0 };

	with_crl(w);
	check_crl(get(w, "22", own, names_of(own)), ca, NULL);
	end_of(w, own);
	if (!cert_crl_make(w->crl, &e))
		fail_msg("%s", e.text);
	/* Public: also for whoever was revoked, and for strangers. */
	check_crl(get(w, "22", own, names_of(own)), ca, own);
	check_crl(get(w, "22", w->signer, names_of(own)), ca, own);
	/* The CA itself, as the drafts had it. */
	check_crl(get(w, "22", own, names_of(ca)), ca, own);
	X509_free(own);
}

static void
case_128_get_crl_of_another_issuer(void **state)
{
	struct world *w = *state;
	X509 *own = enrolled(w, "d-crl");
	AUTO(buf_free) struct buf *good = names_der(names_of(own));

	/* Nobody makes CRLs. */
	EXPECT_F(4, get(w, "22", own, names_of(own)));
	with_crl(w);
	EXPECT_F(4, get(w, "22", own, names_of(w->signer)));
	/* Issued by the root, but no issuing CA. */
	EXPECT_F(
	    4, get(w, "22", own, names_of(cert_authority_root(w->authority))));
	EXPECT_F(4, ask(w, "22", own, TEXT("garbage")));
	EXPECT_F(4, ask(w, "22", own, slice_of(good->p, good->len - 1)));
	buf_addc(good, '\0');
	EXPECT_F(4, ask(w, "22", own, buf_slice(good)));
	X509_free(own);
}

/* ---- across a rollover ---- */

static struct cert_authority_options
authority_options(const struct world *w)
{
	return (struct cert_authority_options){ .vault = { .seal = w->seal },
		.organization = "Test" };
}

/* The world's authority becomes what the database says. */
static void
refresh(struct world *w)
{
	struct err e = { 0 };
	bool changed;

	if (!cert_live_refresh(w->live, &changed, &e))
		fail_msg("%s", e.text);
	assert_true(changed);
	cert_authority_free(&w->authority);
	w->authority = cert_live_get(w->live);
	w->ra = cert_authority_ra(w->authority);
}

static void
prepare(struct world *w)
{
	struct cert_authority_options o = authority_options(w);
	struct err e = { 0 };

	if (!cert_roll_prepare(w->store, &o, NULL, &e))
		fail_msg("%s", e.text);
	refresh(w);
}

static void
roll_over(struct world *w)
{
	struct cert_authority_options o = authority_options(w);
	struct err e = { 0 };

	prepare(w);
	if (!cert_roll_switch(w->store, &o, &e))
		fail_msg("%s", e.text);
	refresh(w);
}

/* Renewed by RenewalReq, for key2. */
static struct answer
renew(struct world *w, X509 *old)
{
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){ .key = w->key2 });
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { w->ra } }, buf_slice(csr));
	struct forge_message m = forge_message(w->key, old, buf_slice(env));

	m.attrs[FORGE_MESSAGE_TYPE].value = TEXT("17");
	return answer_message(w, &m);
}

static void
case_123_signer_of_the_generation_before(void **state)
{
	struct world *w = *state;
	X509 *first = X509_dup(cert_authority_issuing(w->authority));
	X509 *old = enrolled(w, "d-roll"), *now;
	AUTO(answer_clear) struct answer a = { 0 }, b = { 0 }, c = { 0 };

	roll_over(w);
	now = cert_authority_issuing(w->authority);
	assert_int_not_equal(X509_cmp(first, now), 0);
	clock_set_offset_ms(300 * MS_DAY);
	a = renew(w, old);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(X509_check_issued(now, a.cert), X509_V_OK);
	assert_int_not_equal(X509_check_issued(first, a.cert), X509_V_OK);

	/* Both are found, each below its own issuer. */
	b = get_cert(w, old, old, old);
	assert_int_equal(b.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(b.cert, old), 0);
	c = get_cert(w, old, a.cert, a.cert);
	assert_int_equal(c.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(c.cert, a.cert), 0);
	EXPECT_F(4, get_cert(w, old, a.cert, old));
	X509_free(old);
	X509_free(first);
}

static void
each_generation_has_its_crl(void **state)
{
	struct world *w = *state;
	X509 *first = X509_dup(cert_authority_issuing(w->authority));
	X509 *old = enrolled(w, "d-roll");

	roll_over(w);
	with_crl(w);
	check_crl(get(w, "22", old, names_of(old)), first, NULL);
	check_crl(get(w, "22", old,
	              (struct names){ X509_get_subject_name(
	                                  cert_authority_issuing(w->authority)),
	                  X509_get0_serialNumber(old) }),
	    cert_authority_issuing(w->authority), NULL);
	X509_free(old);
	X509_free(first);
}

/* Signed by the present RA; inside, without signers, the next chain. */
static void
case_8_next_ca_certificate(void **state)
{
	struct world *w = *state;
	AUTO(buf_free) struct buf *caps = buf_new(1024);
	AUTO(buf_free) struct buf *body = buf_new(64 << 10);
	BIO *plain = BIO_new(BIO_s_mem());
	CMS_ContentInfo *outer, *inner;
	STACK_OF(X509) * certs;
	const uint8_t *p;
	struct err e = { 0 };

	prepare(w);
	scep_capabilities(w->service, NULL, caps);
	assert_non_null(strstr(buf_str(caps), "\nGetNextCACert"));
	if (!scep_next_ca(w->service, body, &e))
		fail_msg("%s", e.text);
	p = body->p;
	outer = d2i_CMS_ContentInfo(NULL, &p, (long)body->len);
	assert_non_null(outer);
	assert_int_equal(CMS_verify(outer, NULL, NULL, NULL, plain,
	                     CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY),
	    1);
	certs = CMS_get0_signers(outer);
	assert_int_equal(X509_cmp(sk_X509_value(certs, 0), w->ra), 0);
	sk_X509_free(certs);
	inner = d2i_CMS_bio(plain, NULL);
	assert_non_null(inner);
	assert_int_equal(sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(inner)), 0);
	certs = CMS_get1_certs(inner);
	assert_true(sk_X509_num(certs) >= 2);
	for (int i = 0; i < sk_X509_num(certs); i++)
		assert_int_not_equal(
		    X509_cmp(sk_X509_value(certs, i), w->ra), 0);
	sk_X509_pop_free(certs, X509_free);
	CMS_ContentInfo_free(inner);
	CMS_ContentInfo_free(outer);
	BIO_free(plain);
}

/* The authority as a server finds it at its start. */
static void
reopen(struct world *w)
{
	struct cert_authority_options o = authority_options(w);
	struct err e = { 0 };

	scep_service_free(&w->service);
	cert_authority_free(&w->authority);
	cert_live_free(&w->live);
	if (!cert_live_open(w->store, &o, &w->live, &e))
		fail_msg("%s", e.text);
	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
	w->authority = cert_live_get(w->live);
	w->ra = cert_authority_ra(w->authority);
}

static struct answer
request_for(struct world *w, X509 *ra)
{
	struct challenge c = world_challenge(w);
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = w->key, .challenge = slice_str(c.text) });
	AUTO(buf_free)
	struct buf *env =
	    forge_envelope((struct forge_env){ .to = { ra } }, buf_slice(csr));
	struct forge_message m =
	    forge_message(w->key, w->signer, buf_slice(env));

	return answer_message(w, &m);
}

/* The RA before still answers, for its own CA and under its own name; after a
 * month it is forgotten. */
static void
case_136_request_for_the_ra_before(void **state)
{
	struct world *w = *state;
	X509 *first = X509_dup(w->ra);
	X509 *ca = X509_dup(cert_authority_issuing(w->authority));
	struct challenge c = world_challenge(w);
	AUTO(answer_clear) struct answer a = { 0 }, b = { 0 };

	roll_over(w);
	w->ra = first;
	a = answer_challenge(w, w->key, c.text);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(X509_check_issued(ca, a.cert), X509_V_OK);
	clock_set_offset_ms(40 * MS_DAY);
	reopen(w);
	b = request_for(w, first);
	assert_int_equal(b.fail, SCEP_BAD_REQUEST);
	assert_non_null(strstr(b.text, "encrypted for another certificate"));
	X509_free(first);
	X509_free(ca);
}

/* One certificate that is all three: no list, and it opens and answers. */
static void
case_4_single_mode(void **state)
{
	struct world *w = world_make(true);
	AUTO(buf_free) struct buf *body = buf_new(64 << 10);
	AUTO(cert_x509_free) X509 *x = NULL;
	struct challenge c = world_challenge(w);
	const char *type = NULL;
	struct err e;

	(void)state;
	assert_true(scep_ca_chain(w->service, NULL, body, &type, &e));
	assert_string_equal(type, "application/x-x509-ca-cert");
	assert_true(cert_parse(buf_slice(body), &x, &e));
	assert_int_equal(X509_cmp(x, w->ra), 0);
	EXPECT_S(answer_challenge(w, w->key, c.text));
	world_close(w);
}

/* A database each: the authority changes. */
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_poll_gives_what_got_lost),
		TEST(case_125_126_get_cert),
		TEST(case_127_get_crl),
		TEST(case_128_get_crl_of_another_issuer),
		TEST(case_123_signer_of_the_generation_before),
		TEST(each_generation_has_its_crl),
		TEST(case_8_next_ca_certificate),
		TEST(case_136_request_for_the_ra_before),
		cmocka_unit_test(case_4_single_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
