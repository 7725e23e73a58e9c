/*
 * Requests that a person approves: PENDING and CertPoll (section 5.7 of the
 * conformance list), and what an administrator can do with them.
 */
#include "core/json.h"
#include "scep/scep_approval.h"
#include "tests/unit/scep_template_fixture.h"

struct ask {
	EVP_PKEY *key;   /* in the CSR; w->key */
	EVP_PKEY *signs; /* the message; w->key */
	X509 *signer;    /* of that key */
	const char *tid;
	const char *cn; /* in the CSR; NULL: as forge_csr_make() has it */
	bool poll, other_algorithms;
	struct slice names; /* of the poll; empty ones */
};

static struct answer
send(struct world *w, struct ask a)
{
	AUTO(buf_free)
	struct buf *csr = forge_csr_make(
	    (struct forge_csr){ .key = a.key ? a.key : w->key, .cn = a.cn });
	struct forge_env env = { .to = { w->ra },
		.cipher = a.other_algorithms ? "DES-EDE3-CBC" : NULL };
	AUTO(buf_free)
	struct buf *sealed = forge_envelope(
	    env, !a.poll             ? buf_slice(csr)
	         : a.names.p != NULL ? a.names
	                             : TEXT("\x30\x04\x30\x00\x30\x00"));
	struct forge_message m = forge_message(a.signs ? a.signs : w->key,
	    a.signer ? a.signer : w->signer, buf_slice(sealed));

	m.attrs[FORGE_TRANSACTION].value = slice_str(a.tid);
	if (a.poll)
		m.attrs[FORGE_MESSAGE_TYPE].value = slice_str("20");
	if (a.other_algorithms) {
		m.md = EVP_sha1();
		m.md_name = "sha1";
	}
	return answer_message(w, &m);
}

#define EXPECT_P(call)                                                         \
	do {                                                                   \
		AUTO(answer_clear) struct answer p_ = (call);                  \
		if (p_.http_400 || p_.status != SCEP_PENDING)                  \
			fail_msg("status %d, fail %d: %s", p_.status, p_.fail, \
			    p_.text);                                          \
	} while (0)

/* The request of this transaction, as the list has it. */
static void
id_of(struct world *w, const char *tid, char out[UUID_SIZE])
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct scep_request_page page = {
		.before_at = INT64_MAX, .before_id = "", .limit = 100
	};
	struct err e = { 0 };
	json_t *one;
	size_t i;

	assert_true(store_begin(w->store, STORE_READ, &tx, &e));
	assert_true(scep_approval_list(tx, &page, array, &next, &e));
	out[0] = '\0';
	json_array_foreach(array, i, one)
	{
		const char *t =
		    json_string_value(json_object_get(one, "transaction"));

		if (str_eq(t, tid))
			str_copy_cut(out, UUID_SIZE,
			    json_string_value(json_object_get(one, "id")));
	}
	assert_string_not_equal(out, "");
}

static int64_t
approvals(struct world *w, const char *id)
{
	return world_number(w,
	    "SELECT count(*) FROM event WHERE kind = 'scep.approved'"
	    " AND subject_id = $1",
	    id);
}

static int64_t
expiries(struct world *w, const char *id)
{
	return world_number(w,
	    "SELECT count(*) FROM event WHERE kind = 'scep.expired'"
	    " AND subject_id = $1",
	    id);
}

static void
case_101_102_103_108_approved(void **state)
{
	struct world *w = *state;
	struct ask ask = { .tid = "A-1" },
	           poll = { .tid = "A-1", .poll = true };
	AUTO(answer_clear) struct answer first = { 0 }, again = { 0 };
	char id[UUID_SIZE], cn[64];
	struct err e = { 0 };

	EXPECT_P(send(w, ask));
	EXPECT_P(send(w, poll));
	EXPECT_P(send(w, ask)); /* re-sent instead of polled */
	id_of(w, "A-1", id);
	if (!scep_approve(w->service, id, "test", &e))
		fail_msg("%s", e.text);
	first = send(w, poll);
	assert_int_equal(first.status, SCEP_SUCCESS);
	cert_subject_value(first.cert, NID_commonName, cn, sizeof(cn));
	assert_string_not_equal(cn, "");
	again = send(w, ask);
	assert_int_equal(again.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(first.cert, again.cert), 0);
	assert_int_equal(world_number(w,
	                     "SELECT count(*) FROM certificate"
	                     " WHERE transaction_id = $1",
	                     "A-1"),
	    1);
	assert_int_equal(approvals(w, id), 1);
	/* Once is enough. */
	assert_false(scep_approve(w->service, id, "test", &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_false(scep_reject(w->service, id, NULL, "test", &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	/* Apple's tool polls with 3DES and SHA-1: case 107. */
	poll.other_algorithms = true;
	EXPECT_S(send(w, poll));
}

static void
case_102_rejected(void **state)
{
	struct world *w = *state;
	char id[UUID_SIZE];
	struct err e = { 0 };

	EXPECT_P(send(w, (struct ask){ .tid = "A-2" }));
	id_of(w, "A-2", id);
	assert_true(scep_reject(w->service, id, "who is this?", "test", &e));
	EXPECT_F(2, send(w, (struct ask){ .tid = "A-2", .poll = true }));
	EXPECT_F(2, send(w, (struct ask){ .tid = "A-2" }));
	assert_false(scep_approve(w->service, id, "test", &e));
	assert_int_equal(e.code, ERR_CONFLICT);
}

/* The transaction is that of the key, for as long as the client has it.  Of
 * strangers nobody hears more than once an hour. */
static void
case_102_asked_anew(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct ask ask = { .key = key,
		.signs = key,
		.signer = forge_certificate((struct forge_cert){ .key = key }),
		.tid = "A-3" };
	char first[UUID_SIZE], id[UUID_SIZE];
	struct err e = { 0 };

	EXPECT_P(send(w, ask));
	id_of(w, "A-3", first);
	/* Other names are another request, which has to wait for this one. */
	ask.cn = "corrected";
	EXPECT_F(2, send(w, ask));
	assert_true(scep_reject(w->service, first, NULL, "test", &e));
	EXPECT_F(2, send(w, ask));
	clock_set_offset_ms(2 * MS_H);
	EXPECT_P(send(w, ask));
	id_of(w, "A-3", id);
	assert_string_not_equal(id, first);
	/* The same again is the same. */
	EXPECT_P(send(w, ask));
	id_of(w, "A-3", first);
	assert_string_equal(id, first);
	clock_set_offset_ms(4 * MS_H);
	ask.cn = "corrected again";
	EXPECT_P(send(w, ask));
	id_of(w, "A-3", first);
	assert_string_not_equal(id, first);
	assert_false(scep_approve(w->service, id, "test", &e));
	/* What was issued stays on record, whatever is asked for then. */
	if (!scep_approve(w->service, first, "test", &e))
		fail_msg("%s", e.text);
	ask.cn = "other";
	EXPECT_F(2, send(w, ask));
	id_of(w, "A-3", id);
	assert_string_equal(id, first);
	ask.cn = "corrected again";
	EXPECT_S(send(w, ask));
	clock_set_offset_ms(0);
	X509_free(ask.signer);
	EVP_PKEY_free(key);
}

/* The names in a poll decide nothing, nor does their absence. */
static void
case_106_names_of_a_poll(void **state)
{
	struct world *w = *state;
	X509 *issuers[] = { w->ra, cert_authority_issuing(w->authority),
		cert_authority_root(w->authority) };

	EXPECT_P(send(w, (struct ask){ .tid = "A-106" }));
	for (size_t i = 0; i < COUNT(issuers); i++) {
		AUTO(buf_free) struct buf *both = forge_buf();
		AUTO(buf_free) struct buf *der = forge_buf();
		uint8_t *name = NULL;
		int len =
		    i2d_X509_NAME(X509_get_subject_name(issuers[i]), &name);

		buf_add(both, name, (size_t)len);
		buf_add(both, "\x30\x00", 2);
		OPENSSL_free(name);
		forge_der(der, 0x30, buf_slice(both));
		EXPECT_P(send(w, (struct ask){ .tid = "A-106",
		                     .poll = true,
		                     .names = buf_slice(der) }));
	}
	EXPECT_P(send(
	    w, (struct ask){
	           .tid = "A-106", .poll = true, .names = TEXT("garbage") }));
}

/* What waits is in the database. */
static void
case_109_restart_between_request_and_poll(void **state)
{
	struct world *w = *state;
	char id[UUID_SIZE];
	struct err e = { 0 };
	struct scep_options o = { .failures_per_min = 1000,
		.approval_ms = MS_DAY };

	EXPECT_P(send(w, (struct ask){ .tid = "A-109" }));
	world_service(w, o);
	EXPECT_P(send(w, (struct ask){ .tid = "A-109", .poll = true }));
	id_of(w, "A-109", id);
	assert_true(scep_approve(w->service, id, "test", &e));
	world_service(w, o);
	EXPECT_S(send(w, (struct ask){ .tid = "A-109", .poll = true }));
}

static void
case_104_unknown_transaction(void **state)
{
	EXPECT_F(4, send(*state, (struct ask){ .tid = "A-3", .poll = true }));
}

static void
case_105_poll_by_another_key(void **state)
{
	struct world *w = *state;
	X509 *other = forge_certificate((struct forge_cert){ .key = w->key2 });

	EXPECT_P(send(w, (struct ask){ .tid = "A-4" }));
	EXPECT_F(4, send(w, (struct ask){ .tid = "A-4",
	                        .poll = true,
	                        .signs = w->key2,
	                        .signer = other }));
	X509_free(other);
}

static void
same_transaction_with_another_key(void **state)
{
	struct world *w = *state;

	EXPECT_P(send(w, (struct ask){ .tid = "A-5" }));
	EXPECT_F(2, send(w, (struct ask){ .tid = "A-5", .key = w->key2 }));
}

static void
requests_expire(void **state)
{
	struct world *w = *state;
	char id[UUID_SIZE];
	struct err e = { 0 };

	EXPECT_P(send(w, (struct ask){ .tid = "A-6" }));
	id_of(w, "A-6", id);
	clock_set_offset_ms(8 * MS_DAY);
	EXPECT_F(2, send(w, (struct ask){ .tid = "A-6", .poll = true }));
	assert_false(scep_approve(w->service, id, "test", &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_true(scep_service_purge(w->service, NULL, &e));
	assert_int_equal(expiries(w, id), 1);
	assert_true(scep_service_purge(w->service, NULL, &e));
	assert_int_equal(expiries(w, id), 1);
	/* Forgotten a month later: a new request is a new one. */
	clock_set_offset_ms(40 * MS_DAY);
	assert_true(scep_service_purge(w->service, NULL, &e));
	EXPECT_P(send(w, (struct ask){ .tid = "A-6" }));
	clock_set_offset_ms(0);
}

static void
nobody_decides_what_is_not_there(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	assert_false(scep_approve(w->service, "nothing", "test", &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_false(scep_reject(w->service, "nothing", NULL, "test", &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static int
setup(void **state)
{
	world_setup(state);
	world_service(*state, (struct scep_options){ .failures_per_min = 1000,
	                          .approval_ms = 7 * MS_DAY });
	return 0;
}

/* ---- templates that want a person, and a challenge as well ---- */

static void
one_time_challenge_and_a_person(void **state)
{
	struct world *w = *state;
	struct challenge c, d;
	EVP_PKEY *key = forge_rsa(2048);
	struct visit v = { .key = key, .tid = "B-1", .peer = "192.0.2.99" };
	char id[UUID_SIZE];
	struct err e = { 0 };

	world_template(w, "checked", "{\"approval\":true}");
	c = world_grant(w,
	    (struct scep_grant){ .template = "checked", .device_id = "d-9" });
	d = world_grant(w, (struct scep_grant){ .template = "checked" });
	v.challenge = c.text;
	visit_pending(w, v);
	assert_true(world_spent(w, &c));
	visit_pending(w, v);
	v.key = w->key2;
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.key = key;
	id_of(w, "B-1", id);
	assert_true(scep_reject(w->service, id, NULL, "test", &e));
	visit_refused(w, v, "rejected");
	/* The same key and transaction, asked for anew. */
	v.challenge = d.text;
	visit_pending(w, v);
	id_of(w, "B-1", id);
	if (!scep_approve(w->service, id, "test", &e))
		fail_msg("%s", e.text);
	X509_free(visit_named(w, v, "device-1"));
	assert_int_equal(world_issued_for(w, &c), 0);
	assert_int_equal(world_issued_for(w, &d), 1);
	EVP_PKEY_free(key);
}

/* What the challenge was bound to is what the certificate is of. */
static void
approved_for_the_challenges_device(void **state)
{
	struct world *w = *state;
	struct challenge c;
	EVP_PKEY *key = forge_rsa(2048);
	struct visit v = { .key = key, .tid = "B-2", .peer = "192.0.2.99" };
	char id[UUID_SIZE];
	struct err e = { 0 };

	world_template(w, "checked", "{\"approval\":true}");
	c = world_grant(w, (struct scep_grant){ .template = "checked",
	                       .purpose = "scep",
	                       .device_id = "d-10",
	                       .user_id = "u-10" });
	v.challenge = c.text;
	visit_pending(w, v);
	id_of(w, "B-2", id);
	if (!scep_approve(w->service, id, "test", &e))
		fail_msg("%s", e.text);
	assert_int_equal(world_number(w,
	                     "SELECT count(*) FROM certificate WHERE"
	                     " challenge_id = $1 AND device_id = 'd-10'"
	                     " AND user_id = 'u-10' AND purpose = 'scep'",
	                     c.id),
	    1);
	EVP_PKEY_free(key);
}

/* Nothing but his word. */
static void
no_challenge_and_a_person(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct visit v = { .template = "by-hand",
		.key = key,
		.cn = "shown to him",
		.tid = "B-3",
		.peer = "192.0.2.99" };
	char id[UUID_SIZE];
	struct err e = { 0 };

	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
	world_template(
	    w, "by-hand", "{\"challenge\":\"none\",\"approval\":true}");
	visit_pending(w, v);
	id_of(w, "B-3", id);
	if (!scep_approve(w->service, id, "test", &e))
		fail_msg("%s", e.text);
	X509_free(visit_named(w, v, "shown to him"));
	/* The list is not open to whoever comes without a template. */
	v.template = NULL;
	v.tid = "B-4";
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	EVP_PKEY_free(key);
}

/* Each begins with an empty list. */
static int
empty_list(void **state)
{
	struct world *w = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;

	assert_ok(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_ok(
	    store_exec(tx, "DELETE FROM scep_request", S_ARGS(), NULL, e));
	assert_ok(store_commit(&tx, e));
	return 0;
}

#define T(f) cmocka_unit_test_setup(f, empty_list)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(case_101_102_103_108_approved),
		T(case_102_rejected),
		T(case_102_asked_anew),
		T(case_106_names_of_a_poll),
		T(case_109_restart_between_request_and_poll),
		T(case_104_unknown_transaction),
		T(case_105_poll_by_another_key),
		T(same_transaction_with_another_key),
		T(requests_expire),
		T(nobody_decides_what_is_not_there),
		T(one_time_challenge_and_a_person),
		T(approved_for_the_challenges_device),
		T(no_challenge_and_a_person),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
