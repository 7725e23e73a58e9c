/*
 * What is remembered of a challenge, and how long: its use with another key,
 * races for it, retries and replays (section 5.7 of the conformance list).
 */
#include <pthread.h>

#include "tests/unit/scep_issue_fixture.h"

static int64_t
reuse_events(struct world *w, const struct challenge *c)
{
	return world_number(w,
	    "SELECT count(*) FROM event WHERE kind = 'challenge.reused'"
	    " AND subject_id = $1",
	    c->id);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_87_used_challenge_with_another_key),
		cmocka_unit_test(case_90_one_challenge_many_keys),
		cmocka_unit_test(case_95_replay_of_the_same_bytes),
		cmocka_unit_test(case_96_retry_within_the_window),
		cmocka_unit_test(case_97_retry_after_the_window),
		cmocka_unit_test(revoked_certificate_is_not_given_again),
		cmocka_unit_test(case_98_same_transaction_new_challenge),
		cmocka_unit_test(case_99_same_transaction_used_challenge),
		cmocka_unit_test(case_100_identical_requests_at_once),
		cmocka_unit_test(purge_forgets_what_is_old),
		cmocka_unit_test(unused_challenges_go_after_a_day),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
