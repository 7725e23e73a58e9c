/*
 * Who gets a certificate: challenges (section 5.6 of the conformance list),
 * retries, replays and races (section 5.7).
 */
#include <pthread.h>

#include "core/json.h"
#include "scep/scep_priv.h"
#include "scep/scep_service_priv.h"
#include "tests/unit/scep_answer.h"

static struct answer
enroll(struct world *w, EVP_PKEY *key, const char *challenge)
{
	return answer_challenge(w, key, challenge);
}

/* F2 with the one text that every challenge problem has. */
static void
refused(struct world *w, EVP_PKEY *key, const char *challenge)
{
	AUTO(answer_clear) struct answer a = enroll(w, key, challenge);

	assert_false(a.http_400);
	assert_int_equal(a.status, SCEP_FAILURE);
	assert_int_equal(a.fail, SCEP_BAD_REQUEST);
	assert_string_equal(a.text, SCEP_TEXT_CHALLENGE);
}

static int64_t
reuse_events(struct world *w, const struct challenge *c)
{
	return world_number(w,
	    "SELECT count(*) FROM event WHERE kind = 'challenge.reused'"
	    " AND subject_id = $1",
	    c->id);
}

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
case_87_used_challenge_with_another_key(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);

	EXPECT_S(enroll(w, w->key, c.text));
	assert_int_equal(reuse_events(w, &c), 0);
	refused(w, w->key2, c.text);
	assert_int_equal(reuse_events(w, &c), 1);
	assert_int_equal(world_issued_for(w, &c), 1);
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

struct job {
	struct world *w;
	struct buf *bytes;
	const struct forge_message *echo;
	struct answer answer;
	pthread_t thread;
};

static void *
send_job(void *arg)
{
	struct job *j = arg;

	j->answer = answer_to(j->w, j->echo, buf_slice(j->bytes), "192.0.2.1");
	return NULL;
}

static int
run_jobs(struct job *jobs, size_t count)
{
	int good = 0;

	for (size_t i = 0; i < count; i++)
		pthread_create(&jobs[i].thread, NULL, send_job, &jobs[i]);
	for (size_t i = 0; i < count; i++) {
		pthread_join(jobs[i].thread, NULL);
		good += jobs[i].answer.status == SCEP_SUCCESS;
		assert_int_equal(jobs[i].answer.status == SCEP_SUCCESS,
		    jobs[i].answer.cert != NULL);
	}
	return good;
}

static void
case_90_one_challenge_many_keys(void **state)
{
	enum { KEYS = 12 };
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	struct forge_message m =
	    forge_message(w->key, w->signer, slice_of(NULL, 0));
	struct job jobs[KEYS] = { 0 };
	EVP_PKEY *ec[KEYS];

	/* EC keys are quick to make; the template has to allow them. */
	c = world_grant(
	    w, (struct scep_grant){ .template = CERT_TEMPLATE_SCEP });
	for (size_t i = 0; i < KEYS; i++) {
		AUTO(buf_free) struct buf *csr = NULL;
		AUTO(buf_free) struct buf *env = NULL;

		ec[i] = cert_template_find(CERT_TEMPLATE_SCEP)->ec
		            ? forge_ec("P-256")
		            : forge_rsa(2048);
		csr = forge_csr_make((struct forge_csr){
		    .key = ec[i], .challenge = slice_str(c.text) });
		env = forge_envelope(
		    (struct forge_env){ .to = { w->ra } }, buf_slice(csr));
		m.content = buf_slice(env);
		jobs[i] = (struct job){
			.w = w, .bytes = forge_signed(&m), .echo = &m
		};
	}
	assert_int_equal(run_jobs(jobs, KEYS), 1);
	assert_int_equal(world_issued_for(w, &c), 1);
	for (size_t i = 0; i < KEYS; i++) {
		answer_clear(&jobs[i].answer);
		buf_free(&jobs[i].bytes);
		EVP_PKEY_free(ec[i]);
	}
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

static void
same_certificate(const struct answer *a, const struct answer *b)
{
	assert_non_null(a->cert);
	assert_non_null(b->cert);
	assert_int_equal(X509_cmp(a->cert, b->cert), 0);
}

static void
case_95_replay_of_the_same_bytes(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	struct forge_message m =
	    forge_message(w->key, w->signer, slice_of(NULL, 0));
	AUTO(buf_free) struct buf *bytes = world_request(w, c.text);
	AUTO(answer_clear)
	struct answer a = answer_to(w, &m, buf_slice(bytes), "192.0.2.1");
	AUTO(answer_clear)
	struct answer b = answer_to(w, &m, buf_slice(bytes), "192.0.2.1");

	same_certificate(&a, &b);
	assert_int_equal(world_issued_for(w, &c), 1);
}

/* 96: the same CSR in a new message; and a new CSR of the same key. */
static void
case_96_retry_within_the_window(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	AUTO(answer_clear) struct answer a = enroll(w, w->key, c.text);
	AUTO(answer_clear) struct answer b = { 0 };
	AUTO(answer_clear) struct answer d = { 0 };
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){ .key = w->key,
	    .cn = "another name",
	    .challenge = slice_str(c.text) });

	clock_set_offset_ms(50 * MS_MIN);
	b = enroll(w, w->key, c.text);
	d = answer_csr(w, buf_slice(csr));
	clock_set_offset_ms(0);
	same_certificate(&a, &b);
	same_certificate(&a, &d);
	assert_int_equal(world_issued_for(w, &c), 1);
	assert_int_equal(reuse_events(w, &c), 0);
}

static void
case_97_retry_after_the_window(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);

	EXPECT_S(enroll(w, w->key, c.text));
	clock_set_offset_ms(MS_H + MS_MIN);
	refused(w, w->key, c.text);
	clock_set_offset_ms(0);
	assert_int_equal(world_issued_for(w, &c), 1);
}

static void
revoked_certificate_is_not_given_again(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	AUTO(answer_clear) struct answer a = enroll(w, w->key, c.text);
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char fingerprint[SHA256_HEX_SIZE];
	struct err e;

	cert_fingerprint(a.cert, fingerprint);
	assert_true(store_begin(w->store, STORE_WRITE, &tx, &e));
	assert_true(cert_ledger_revoke(
	    tx, fingerprint, CERT_REASON_CESSATION, "test", &e));
	assert_true(store_commit(&tx, &e));
	refused(w, w->key, c.text);
}

static void
case_98_same_transaction_new_challenge(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w), d = world_challenge(w);
	AUTO(answer_clear) struct answer a = enroll(w, w->key, c.text);
	AUTO(answer_clear) struct answer b = enroll(w, w->key, d.text);

	assert_non_null(a.cert);
	assert_non_null(b.cert);
	assert_int_not_equal(X509_cmp(a.cert, b.cert), 0);
	assert_int_equal(world_issued_for(w, &c), 1);
	assert_int_equal(world_issued_for(w, &d), 1);
}

static void
case_99_same_transaction_used_challenge(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);

	EXPECT_S(enroll(w, w->key, c.text));
	/* Another CSR under the same transactionID, of another key. */
	refused(w, w->key2, c.text);
}

static void
case_100_identical_requests_at_once(void **state)
{
	enum { COPIES = 10 };
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	struct forge_message m =
	    forge_message(w->key, w->signer, slice_of(NULL, 0));
	AUTO(buf_free) struct buf *bytes = world_request(w, c.text);
	struct job jobs[COPIES];

	for (size_t i = 0; i < COPIES; i++)
		jobs[i] = (struct job){ .w = w, .bytes = bytes, .echo = &m };
	assert_int_equal(run_jobs(jobs, COPIES), COPIES);
	for (size_t i = 1; i < COPIES; i++)
		same_certificate(&jobs[0].answer, &jobs[i].answer);
	assert_int_equal(world_issued_for(w, &c), 1);
	for (size_t i = 0; i < COPIES; i++)
		answer_clear(&jobs[i].answer);
}

static void
purge_forgets_what_is_old(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	struct err e;

	EXPECT_S(enroll(w, w->key, c.text));
	clock_set_offset_ms(29 * MS_DAY);
	assert_true(scep_service_purge(w->service, NULL, &e));
	assert_true(world_spent(w, &c));
	clock_set_offset_ms(31 * MS_DAY);
	assert_true(scep_service_purge(w->service, NULL, &e));
	assert_false(world_spent(w, &c));
	clock_set_offset_ms(0);
}

/* Nobody used them: a day after their end nobody misses them. */
static void
unused_challenges_go_after_a_day(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	const char *sql = "SELECT count(*) FROM challenge WHERE id = $1";
	struct err e;

	clock_set_offset_ms(MS_H + 23 * MS_H);
	assert_true(scep_service_purge(w->service, NULL, &e));
	assert_int_equal(world_number(w, sql, c.id), 1);
	clock_set_offset_ms(MS_H + 25 * MS_H);
	assert_true(scep_service_purge(w->service, NULL, &e));
	assert_int_equal(world_number(w, sql, c.id), 0);
	clock_set_offset_ms(0);
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
		cmocka_unit_test(case_87_used_challenge_with_another_key),
		cmocka_unit_test(case_88_wrong_template),
		cmocka_unit_test(certificate_is_for_the_challenges_device),
		cmocka_unit_test(case_83_key_of_the_ra),
		cmocka_unit_test(case_90_one_challenge_many_keys),
		cmocka_unit_test(case_91_failure_after_consumption),
		cmocka_unit_test(case_92_failures_are_limited_by_address),
		cmocka_unit_test(case_95_replay_of_the_same_bytes),
		cmocka_unit_test(case_96_retry_within_the_window),
		cmocka_unit_test(case_97_retry_after_the_window),
		cmocka_unit_test(revoked_certificate_is_not_given_again),
		cmocka_unit_test(case_98_same_transaction_new_challenge),
		cmocka_unit_test(case_99_same_transaction_used_challenge),
		cmocka_unit_test(case_100_identical_requests_at_once),
		cmocka_unit_test(purge_forgets_what_is_old),
		cmocka_unit_test(unused_challenges_go_after_a_day),
		cmocka_unit_test(case_78_sha1_and_3des_switched_off),
		cmocka_unit_test(superseded_rollout_is_refused),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
