/*
 * Requests that an upstream answers: what clients are told meanwhile, what is
 * done with each answer, and what a crash leaves.
 */
#include "tests/unit/scep_upstream_fixture.h"

static void
after(int64_t ms)
{
	static int64_t offset;

	offset = ms == 0 ? 0 : offset + ms;
	clock_set_offset_ms(offset);
}

static void
est_issues(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer a = { 0 }, b = { 0 };

	EXPECT_P(front_send(f, front_good));
	EXPECT_P(front_send(f, front_poll));
	EXPECT_P(front_send(f, front_good));
	assert_true(world_spent(f->w, &f->c));
	assert_int_equal(front_events(f, "scep.queued"), 1);
	assert_true(front_step(f, NULL));
	assert_int_equal(f->out.asked, 1);
	a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a.cert), f->w->key), 1);
	assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(a.cert),
	                     X509_get_subject_name(
	                         cert_authority_issuing(f->out.w->authority))),
	    0);
	/* With the CA between it and its root. */
	assert_int_equal(a.certs, 2);
	assert_int_equal(world_issued_for(f->w, &f->c), 1);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_events(f, "scep.issued"), 1);
	assert_int_equal(front_events(f, "certificate.issued"), 1);
	/* Asked again instead of polled; another key may not. */
	b = front_send(f, (struct front_ask){ .tid = "T-2" });
	assert_int_equal(b.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(a.cert, b.cert), 0);
	EXPECT_F(SCEP_BAD_REQUEST,
	    front_send(
	        f, (struct front_ask){ .tid = "T-3", .key = f->w->key2 }));
	assert_int_equal(f->out.asked, 1);
	assert_false(front_step(f, NULL));
}

static void
another_transaction_is_polled_for(void **state)
{
	struct front *f = *state;
	struct front_ask poll = { .type = "20", .tid = "T-2" };

	EXPECT_P(front_send(f, front_good));
	EXPECT_P(front_send(f, (struct front_ask){ .tid = "T-2" }));
	EXPECT_P(front_send(f, poll));
	assert_true(front_step(f, NULL));
	f->w->outside = true;
	AUTO(answer_clear) struct answer a = front_send(f, poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(f->out.asked, 1);
}

static void
upstream_says_wait(void **state)
{
	struct front *f = *state;
	int64_t next_at = 0;

	f->out.does = 202;
	ask_and_step(f);
	EXPECT_P(front_send(f, front_poll));
	assert_false(front_step(f, &next_at));
	assert_in_range(next_at - clock_now_ms(), 85 * MS_S, 101 * MS_S);
	after(102 * MS_S);
	f->out.does = OUTSIDE_ISSUES;
	assert_true(front_step(f, NULL));
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	after(0);
}

static void
faults_rest_and_are_told(void **state)
{
	struct front *f = *state;
	AUTO(json_free) json_t *r = NULL;
	int64_t next_at;

	f->out.does = 503;
	EXPECT_P(front_send(f, front_good));
	for (int i = 0; i < 3; i++) {
		assert_true(front_step(f, NULL));
		assert_false(front_step(f, &next_at));
		after(next_at - clock_now_ms() + 1);
	}
	assert_int_equal(front_events(f, "upstream.unreachable"), 1);
	r = front_request(f);
	assert_int_equal(json_integer_value(json_object_get(r, "tries")), 3);
	front_request_is(f, "reason", "EST simpleenroll: HTTP status 503");
	f->out.does = OUTSIDE_ISSUES;
	assert_true(front_step(f, NULL));
	assert_int_equal(front_events(f, "upstream.recovered"), 1);
	front_request_is(f, "state", "issued");
	after(0);
}

/* It does not take our password: no request fails for that, however few tries
 * it has. */
static void
waits_while_we_are_not_let_in(void **state)
{
	struct front *f = *state;
	AUTO(json_free) json_t *r = NULL;
	AUTO(str_free)
	char *more = str_printf("{\"tries\":1,\"url\":\"%s\"}", f->out.locked);
	int64_t next_at;

	assert_ok(front_upstream(f, true, more, e));
	f->out.does = 401;
	EXPECT_P(front_send(f, front_good));
	for (int i = 0; i < 8; i++) {
		assert_true(front_step(f, NULL));
		assert_false(front_step(f, &next_at));
		assert_in_range(
		    next_at - clock_now_ms(), MS_S, 10 * MS_MIN + MS_S);
		after(next_at - clock_now_ms() + 1);
	}
	assert_int_equal(front_events(f, "upstream.unreachable"), 1);
	assert_int_equal(world_number(f->w,
	                     "SELECT count(*) FROM event WHERE kind = $1"
	                     " AND data LIKE '%HTTP status 401%'",
	                     "upstream.unreachable"),
	    1);
	r = front_request(f);
	assert_int_equal(json_integer_value(json_object_get(r, "tries")), 0);
	front_request_is(f, "state", "queued");
	front_request_is(f, "reason", "configured here");
	f->out.does = OUTSIDE_ISSUES;
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "issued");
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	after(0);
}

/* Why the second one is not asked for yet. */
static void
the_rate_is_a_reason(void **state)
{
	struct front *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;

	EXPECT_P(front_send(f, front_good));
	assert_ok(front_upstream(f, true, "{\"rate_per_min\":2}", e));
	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_ok(
	    scep_db_upstream_slot(tx, "corp", clock_now_ms() + 20 * MS_S, e));
	assert_ok(store_commit(&tx, e));
	front_request_is(f, "reason",
	    "waits for its turn: the upstream is asked at most 2 times a "
	    "minute");
	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_ok(scep_db_upstream_fault(
	    tx, "corp", "gone", clock_now_ms() + 20 * MS_S, e));
	assert_ok(store_commit(&tx, e));
	front_request_is(f, "reason", "the upstream failed last");
	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_ok(scep_db_upstream_slot(tx, "corp", 0, e));
	assert_ok(scep_db_upstream_good(tx, "corp", e));
	assert_ok(store_commit(&tx, e));
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "issued");
}

static void
gives_up_after_its_tries(void **state)
{
	struct front *f = *state;

	assert_ok(front_upstream(f, true, "{\"tries\":2}", e));
	f->out.does = 503;
	ask_and_step(f);
	after(2 * MS_MIN);
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "2 tries: EST simpleenroll");
	front_request_is(f, "decided_by", "upstream:corp");
	assert_int_equal(front_events(f, "scep.failed"), 1);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_good));
	assert_false(front_step(f, NULL));
	after(0);
}

static void
a_failed_request_may_come_again(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(
	    f->w, (struct scep_grant){ .template = "corp", .purpose = "scep" });

	f->out.does = 403;
	ask_and_step(f);
	front_request_is(f, "reason", "HTTP status 403");
	f->out.does = OUTSIDE_ISSUES;
	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	assert_true(front_step(f, NULL));
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
}

static void
does_not_wait_for_ever(void **state)
{
	struct front *f = *state;

	f->out.does = 202;
	ask_and_step(f);
	after(3 * MS_DAY);
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "did not decide in time");
	after(0);
}

static void
a_slow_upstream_is_a_fault(void **state)
{
	struct front *f = *state;

	assert_ok(front_upstream(f, true, "{\"timeout_s\":1}", e));
	f->out.does = OUTSIDE_HANGS;
	ask_and_step(f);
	front_request_is(f, "state", "queued");
	front_request_is(f, "reason", "EST simpleenroll");
	f->out.let_go = true;
}

struct wrong {
	int does;
	bool other_key, other_ca;
	const char *reason;
};

static void
wrong_answers_fail(void **state)
{
	struct front *f = *state;
	static const struct wrong rows[] = {
		{ OUTSIDE_GARBAGE, false, false, "certificates-only" },
		{ OUTSIDE_HUGE, false, false, "answer longer than" },
		{ OUTSIDE_ISSUES, true, false, "of another key" },
		{ OUTSIDE_ISSUES, false, true, "does not lead to" },
		{ 404, false, false, "HTTP status 404" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(cert_x509_free)
		X509 *other =
		    forge_certificate((struct forge_cert){ .key = f->w->key });
		struct challenge c =
		    world_grant(f->w, (struct scep_grant){ .template = "corp",
		                          .purpose = "scep" });

		f->out.does = rows[i].does;
		f->out.gives = rows[i].other_key  ? f->out.w->ra
		               : rows[i].other_ca ? other
		                                  : NULL;
		EXPECT_P(
		    front_send(f, (struct front_ask){ .challenge = c.text }));
		assert_true(front_step(f, NULL));
		front_request_is(f, "state", "failed");
		front_request_is(f, "reason", rows[i].reason);
		EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
	}
	f->out.gives = NULL;
	assert_int_equal(front_certificates(f, "issued"), 0);
}

static void
the_rate_is_kept(void **state)
{
	struct front *f = *state;
	int64_t next_at;

	assert_ok(front_upstream(f, true, "{\"rate_per_min\":6}", e));
	EXPECT_P(front_send(f, front_good));
	for (int i = 0; i < 3; i++) {
		struct challenge c =
		    world_grant(f->w, (struct scep_grant){ .template = "corp",
		                          .purpose = "scep" });
		EVP_PKEY *key = forge_ec("P-256");
		char tid[8];

		snprintf(tid, sizeof(tid), "R-%d", i);
		EXPECT_P(front_send(
		    f, (struct front_ask){
		           .tid = tid, .key = key, .challenge = c.text }));
		EVP_PKEY_free(key);
	}
	for (int i = 0; i < 4; i++) {
		assert_true(front_step(f, NULL));
		assert_false(front_step(f, &next_at));
		if (i < 3)
			assert_in_range(
			    next_at - clock_now_ms(), 4 * MS_S, 15 * MS_S + 1);
		after(15 * MS_S + 1);
	}
	assert_int_equal(f->out.asked, 4);
	after(0);
}

static void
http_credentials_are_sent(void **state)
{
	struct front *f = *state;

	assert_ok(front_upstream(
	    f, true, "{\"user\":\"ra\",\"password\":\"open sesame\"}", e));
	ask_and_step(f);
	front_request_is(f, "state", "issued");
	assert_string_equal(f->out.authorization, "Basic cmE6b3BlbiBzZXNhbWU=");
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM upstream WHERE fields LIKE $1",
	        "%sesame%"),
	    0);
	assert_int_equal(
	    world_number(f->w, "SELECT count(*) FROM event WHERE data LIKE $1",
	        "%sesame%"),
	    0);
}

/* By which an EST server knows a registration authority. */
static void
our_certificate_is_shown(void **state)
{
	struct front *f = *state;
	AUTO(buf_free) struct buf *pem = buf_new(8192);
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(json_free) json_t *more = json_object();
	AUTO(str_wipe) char *text = NULL;
	char fingerprint[SHA256_HEX_SIZE];

	assert_ok(cert_pem(f->w->signer, pem, e));
	assert_ok(cert_key_pem(f->w->key, &key, e));
	json_put_str(more, "client_certificate", buf_str(pem));
	json_put_str(more, "client_key", buf_str(key));
	text = json_text(more);
	assert_ok(front_upstream(f, true, text, e));
	ask_and_step(f);
	front_request_is(f, "state", "issued");
	cert_fingerprint(f->w->signer, fingerprint);
	assert_string_equal(f->out.client, fingerprint);
}

static void
scep_issues(void **state)
{
	struct front *f = *state;

	assert_ok(front_upstream(f, false, "{}", e));
	outside_grant(&f->out, f->c.text);
	ask_and_step(f);
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(a.certs, 2);
}

/* It has issued, and we could not write that down. */
static void
a_crash_loses_nothing(void **state)
{
	struct front *f = *state;
	bool did;
	int64_t next_at;
	struct err why = { 0 };

	assert_ok(front_upstream(f, false, "{}", e));
	outside_grant(&f->out, f->c.text);
	f->refuse = ERR_UNAVAILABLE;
	f->refusals = 1;
	EXPECT_P(front_send(f, front_good));
	assert_false(
	    scep_relay_step(f->w->service, NULL, &did, &next_at, &why));
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(front_events(f, "certificate.issued"), 0);
	front_request_is(f, "state", "queued");
	/* Nobody else asks while it may still be under way. */
	assert_false(front_step(f, NULL));
	after(10 * MS_MIN);
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "issued");
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(
	    world_number(f->out.w,
	        "SELECT count(*) FROM certificate WHERE purpose = $1", "scep"),
	    1);
	after(0);
}

/* The list's only open request is approved, with either. */
static void
approve(struct scep_service *s, struct store *store)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct scep_request_page page = { .state = "pending",
		.before_at = INT64_MAX,
		.before_id = "",
		.limit = 2 };

	assert_ok(store_begin(store, STORE_READ, &tx, e));
	assert_ok(scep_approval_list(tx, &page, array, &next, e));
	store_rollback(&tx);
	assert_int_equal(json_array_size(array), 1);
	assert_ok(scep_approve(s,
	    json_string_value(json_object_get(json_array_get(array, 0), "id")),
	    "test", e));
}

/* A person here, then a person there. */
static void
approved_twice(void **state)
{
	struct front *f = *state;
	struct front_ask ask = { .no_challenge = true };

	assert_ok(front_upstream(f, false, "{}", e));
	front_template(f, CERT_TEMPLATE_SCEP, "{\"upstream\":\"corp\"}");
	EXPECT_P(front_send(f, ask));
	assert_false(front_step(f, NULL));
	approve(f->w->service, f->w->store);
	assert_true(front_step(f, NULL));
	EXPECT_P(front_send(f, front_poll));
	front_request_is(f, "state", "queued");
	approve(f->out.w->service, f->out.w->store);
	after(MS_MIN);
	assert_true(front_step(f, NULL));
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	front_request_is(f, "decided_by", "test");
	after(0);
}

/* The certificate of a Mac's user may come from there. */
static void
rollouts_come_too(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(
	    f->w, (struct scep_grant){ .template = CERT_TEMPLATE_USER,
	              .purpose = "rollout",
	              .enrollment_ref = "rollout-1",
	              .device_id = "d-1",
	              .user_id = "u-1" });

	front_template(f, CERT_TEMPLATE_USER, "{\"upstream\":\"corp\"}");
	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	assert_true(front_step(f, NULL));
	assert_int_equal(f->told, 1);
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM certificate WHERE device_id = $1"
	        " AND user_id = 'u-1' AND purpose = 'rollout'"
	        " AND template = 'device-user'"
	        " AND enrollment_ref = 'rollout-1'",
	        "d-1"),
	    1);
	front_template(f, CERT_TEMPLATE_USER, "{}");
}

/* However long the queue of one upstream is, the others are served. */
static void
a_resting_upstream_keeps_nobody_back(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w,
	    (struct scep_grant){ .template = "other", .purpose = "scep" });

	f->out.does = 503;
	ask_and_step(f);
	assert_false(front_step(f, NULL));
	f->out.does = OUTSIDE_ISSUES;
	EXPECT_P(front_send(
	    f, (struct front_ask){ .tid = "O-1", .challenge = c.text }));
	assert_true(front_step(f, NULL));
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM certificate WHERE authority_id LIKE $1",
	        "upstream:other:%"),
	    1);
}

static void
names_are_the_challenges(void **state)
{
	struct front *f = *state;

	EXPECT_F(SCEP_BAD_REQUEST,
	    front_send(f, (struct front_ask){ .cn = "president" }));
	assert_false(world_spent(f->w, &f->c));
	EXPECT_P(front_send(f, front_good));
}

static void
what_is_in_use_stays(void **state)
{
	struct front *f = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct scep_upstream_change c = { .name = "corp", .by = "test" };
	struct err why = { 0 };

	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_false(scep_upstream_conf_remove(tx, &c, &why));
	assert_int_equal(why.code, ERR_CONFLICT);
	assert_string_equal(why.text, "template corp names it");
	store_rollback(&tx);
	EXPECT_P(front_send(f, front_good));
	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_false(scep_upstream_conf_remove(tx, &c, &why));
	assert_string_equal(why.text, "1 requests wait for it");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(est_issues),
		T(another_transaction_is_polled_for),
		T(upstream_says_wait),
		T(faults_rest_and_are_told),
		T(waits_while_we_are_not_let_in),
		T(the_rate_is_a_reason),
		T(gives_up_after_its_tries),
		T(a_failed_request_may_come_again),
		T(does_not_wait_for_ever),
		T(a_slow_upstream_is_a_fault),
		T(wrong_answers_fail),
		T(the_rate_is_kept),
		T(http_credentials_are_sent),
		T(our_certificate_is_shown),
		T(scep_issues),
		T(a_crash_loses_nothing),
		T(approved_twice),
		T(rollouts_come_too),
		T(a_resting_upstream_keeps_nobody_back),
		T(names_are_the_challenges),
		T(what_is_in_use_stays),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
