/*
 * Who gets a certificate: challenges (section 5.6 of the conformance list), and
 * what the template allows.
 */
#include "scep/scep_service_priv.h"
#include "tests/unit/scep_issue_fixture.h"
#include "tests/unit/scep_template_fixture.h"

static void
case_84_no_challenge(void **state)
{
	struct world *w = *state;
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){ .key = w->key });
	AUTO(answer_clear) struct answer a = answer_csr(w, buf_slice(csr));

	assert_int_equal(a.fail, SCEP_BAD_REQUEST);
	assert_string_equal(a.text, SCEP_TEXT_CHALLENGE);
}

static void
case_85_wrong_challenges(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	char other[40];

	refused(w, w->key, "");
	refused(w, w->key, "nobody-has-made-this-one");
	snprintf(other, sizeof(other), "%s ", c.text);
	refused(w, w->key, other);
	snprintf(other, sizeof(other), "%s\n", c.text);
	refused(w, w->key, other);
	snprintf(other, sizeof(other), "%s", c.text);
	for (char *p = other; *p != '\0'; p++)
		*p ^= (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z')
		          ? 0x20
		          : 0;
	refused(w, w->key, other);
	assert_false(world_spent(w, &c));
	EXPECT_S(enroll(w, w->key, c.text));
}

static void
case_86_expired_challenge(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);

	clock_set_offset_ms(MS_H + MS_S);
	refused(w, w->key, c.text);
	clock_set_offset_ms(0);
	assert_int_equal(world_issued_for(w, &c), 0);
}

static void
case_88_wrong_template(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e;

	assert_true(store_begin(w->store, STORE_WRITE, &tx, &e));
	assert_true(store_exec(tx,
	    "UPDATE challenge SET template = 'tls-server' WHERE id = $1",
	    S_ARGS(S_TEXT(c.id)), NULL, &e));
	assert_true(store_commit(&tx, &e));
	refused(w, w->key, c.text);
	assert_false(world_spent(w, &c));
}

static void
certificate_is_for_the_challenges_device(void **state)
{
	static const struct cert_subject subject = {
		.cn = "sato", .uid = "U-7", .o = "Bound"
	};
	struct world *w = *state;
	struct challenge c =
	    world_grant(w, (struct scep_grant){ .template = CERT_TEMPLATE_USER,
	                       .purpose = "rollout",
	                       .device_id = "D-7",
	                       .user_id = "U-7",
	                       .enrollment_ref = "R-7",
	                       .subject = &subject });
	EVP_PKEY *key = forge_rsa(2048);
	AUTO(answer_clear) struct answer a = enroll(w, key, c.text);
	char cn[64];

	assert_non_null(a.cert);
	cert_subject_value(a.cert, NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "sato");
	assert_int_equal(world_number(w,
	                     "SELECT count(*) FROM certificate WHERE"
	                     " challenge_id = $1 AND device_id = 'D-7'"
	                     " AND user_id = 'U-7' AND enrollment_ref = 'R-7'"
	                     " AND purpose = 'rollout'"
	                     " AND template = 'device-user'",
	                     c.id),
	    1);
	/* Case 83: the key of another device's certificate. */
	c = world_grant(w, (struct scep_grant){ .device_id = "D-8" });
	EXPECT_F(SCEP_BAD_REQUEST, enroll(w, key, c.text));
	assert_false(world_spent(w, &c));
	c = world_grant(w, (struct scep_grant){ .device_id = "D-7" });
	EXPECT_S(enroll(w, key, c.text));
	EVP_PKEY_free(key);
}

static void
case_83_key_of_the_ra(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);

	EXPECT_F(SCEP_BAD_REQUEST,
	    enroll(w, cert_authority_ra_key(w->authority), c.text));
	assert_false(world_spent(w, &c));
}

static bool
refuse_issue(
    struct store_tx *tx, const struct cert_record *r, void *arg, struct err *e)
{
	(void)tx, (void)r;
	return *(bool *)arg ||
	       err_set(e, ERR_INTERNAL, "the listener does not want it");
}

static void
case_91_failure_after_consumption(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	bool good = false;

	world_service(w, (struct scep_options){ .failures_per_min = 1000,
	                     .on_issued = refuse_issue,
	                     .on_issued_arg = &good });
	log_set_level(LOG_ERROR + 1);
	EXPECT_F(SCEP_BAD_REQUEST, enroll(w, w->key, c.text));
	log_set_level(LOG_ERROR);
	assert_false(world_spent(w, &c));
	assert_int_equal(world_issued_for(w, &c), 0);
	good = true;
	EXPECT_S(enroll(w, w->key, c.text));
	assert_int_equal(world_issued_for(w, &c), 1);
	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
}

static void
case_92_failures_are_limited_by_address(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	struct forge_message m =
	    forge_message(w->key, w->signer, slice_of(NULL, 0));
	AUTO(buf_free) struct buf *good = world_request(w, c.text);
	AUTO(buf_free) struct buf *bad = world_request(w, "wrong");
	struct challenge other = world_challenge(w);

	world_service(w, (struct scep_options){ 0 });
	for (int i = 0; i < 10; i++) {
		AUTO(answer_clear)
		struct answer a =
		    answer_to(w, &m, buf_slice(bad), "192.0.2.66");

		assert_string_equal(a.text, SCEP_TEXT_CHALLENGE);
	}
	EXPECT_F(
	    SCEP_BAD_REQUEST, answer_to(w, &m, buf_slice(good), "192.0.2.66"));
	assert_false(world_spent(w, &c));
	/* The key is put off wherever it comes from, and nobody else. */
	EXPECT_F(
	    SCEP_BAD_REQUEST, answer_to(w, &m, buf_slice(good), "192.0.2.67"));
	assert_false(world_spent(w, &c));
	EXPECT_S(answer_challenge(w, w->key2, other.text));
	clock_set_offset_ms(MS_MIN + MS_S);
	EXPECT_S(answer_to(w, &m, buf_slice(good), "192.0.2.66"));
	clock_set_offset_ms(0);
	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
}

/* What the template does not allow, is not issued. */
static void
case_78_sha1_and_3des_switched_off(void **state)
{
	struct world *w = *state;
	AUTO(scep_csr_free) struct scep_csr *csr = NULL;
	AUTO(buf_free)
	struct buf *der = forge_csr_make((struct forge_csr){ .key = w->key });
	struct cert_template t = *cert_template_find(CERT_TEMPLATE_SCEP);
	struct scep_message m = { .digest_nid = NID_sha1,
		.cipher_nid = NID_aes_128_cbc };
	struct scep_request rq = { .message = &m };
	struct scep_verdict v = { -1, NULL };

	scep_csr_parse(buf_slice(der), true, NULL, &csr, &v);
	rq.csr = csr;
	assert_true(scep_template_permits(&t, &rq, &v));
	t.sha1 = false;
	assert_false(scep_template_permits(&t, &rq, &v));
	assert_int_equal(v.fail, SCEP_BAD_ALG);
	m.digest_nid = NID_sha256;
	v = (struct scep_verdict){ -1, NULL };
	assert_true(scep_template_permits(&t, &rq, &v));
	m.cipher_nid = NID_des_ede3_cbc;
	assert_true(scep_template_permits(&t, &rq, &v));
	t.des3 = false;
	assert_false(scep_template_permits(&t, &rq, &v));
	assert_int_equal(v.fail, SCEP_BAD_ALG);
}

/* The message is signed with SHA-256, and holds a CSR that is not. */
static void
case_82_csr_signed_with_sha1(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct visit v = { .template = "printers",
		.challenge = STATIC_SECRET,
		.key = key,
		.md = EVP_sha1(),
		.cn = "printer-1",
		.tid = "S-13" };
	struct challenge c;
	X509 *old;

	world_template(
	    w, "printers", "{\"challenge\":\"static\",\"sha1\":false}");
	visit_refused(w, v, "signature algorithm of the CSR");
	world_template(w, "listed",
	    "{\"challenge\":\"none\",\"approval\":true,\"sha1\":false}");
	v.template = "listed";
	visit_refused(w, v, "signature algorithm of the CSR");
	world_template(w, "single", "{\"sha1\":false,\"renew_days\":0}");
	c = world_grant(w, (struct scep_grant){ .template = "single" });
	v.template = "single";
	v.challenge = c.text;
	v.key = w->key;
	visit_refused(w, v, "signature algorithm of the CSR");
	assert_false(world_spent(w, &c));
	v.md = NULL;
	old = visit_named(w, v, "device-1");
	/* And to renew it. */
	v = (struct visit){ .template = "single",
		.signer = old,
		.key = key,
		.md = EVP_sha1(),
		.type = "17",
		.tid = "S-14" };
	visit_refused(w, v, "signature algorithm of the CSR");
	world_template(w, "single", "{\"renew_days\":0}");
	X509_free(visit_named(w, v, "device-1"));
	X509_free(old);
	EVP_PKEY_free(key);
}

static bool
superseded(
    struct store_tx *tx, const struct cert_record *r, void *arg, struct err *e)
{
	(void)tx, (void)r, (void)arg;
	return err_set(e, ERR_REFUSED, "the user has changed");
}

/* What a challenge was made for may end before it is used. */
static void
superseded_rollout_is_refused(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);

	world_service(w, (struct scep_options){ .failures_per_min = 1000,
	                     .on_issued = superseded });
	refused(w, w->key, c.text);
	assert_false(world_spent(w, &c));
	assert_int_equal(world_issued_for(w, &c), 0);
	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_84_no_challenge),
		cmocka_unit_test(case_85_wrong_challenges),
		cmocka_unit_test(case_86_expired_challenge),
		cmocka_unit_test(case_88_wrong_template),
		cmocka_unit_test(certificate_is_for_the_challenges_device),
		cmocka_unit_test(case_83_key_of_the_ra),
		cmocka_unit_test(case_91_failure_after_consumption),
		cmocka_unit_test(case_92_failures_are_limited_by_address),
		cmocka_unit_test(case_78_sha1_and_3des_switched_off),
		cmocka_unit_test(case_82_csr_signed_with_sha1),
		cmocka_unit_test(superseded_rollout_is_refused),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
