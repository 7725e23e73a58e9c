/*
 * Renewal by signature (section 5.8 of the conformance list), and the closed
 * list of message types.
 */
#include <time.h>

#include "tests/unit/scep_answer.h"

enum { LIFE_DAYS = 365 };

/* A certificate of w->key issued for this grant; the caller's. */
static X509 *
enrolled(struct world *w, struct scep_grant g)
{
	struct challenge c = world_grant(w, g);
	struct answer a = answer_challenge(w, w->key, c.text);

	assert_int_equal(a.status, SCEP_SUCCESS);
	return a.cert;
}

/* How a renewal differs from the good one: key2, by w->key's certificate. */
struct renewal {
	const char *type, *tid, *challenge;
	EVP_PKEY *key;
	X509 *signer;
};

static struct answer
renew(struct world *w, X509 *old, struct renewal r)
{
	AUTO(buf_free)
	struct buf *csr =
	    forge_csr_make((struct forge_csr){ .key = r.key ? r.key : w->key2,
	        .challenge =
	            r.challenge ? slice_str(r.challenge) : slice_of(NULL, 0) });
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { w->ra } }, buf_slice(csr));
	struct forge_message m =
	    forge_message(w->key, r.signer ? r.signer : old, buf_slice(env));

	m.attrs[FORGE_MESSAGE_TYPE].value = slice_str(r.type ? r.type : "17");
	if (r.tid != NULL)
		m.attrs[FORGE_TRANSACTION].value = slice_str(r.tid);
	return answer_message(w, &m);
}

static void
late(void)
{
	clock_set_offset_ms((LIFE_DAYS - 20) * MS_DAY);
}

static void
on_time(void)
{
	clock_set_offset_ms(0);
}

static int64_t
renewed_as(struct world *w, X509 *x, const char *sql)
{
	char fingerprint[SHA256_HEX_SIZE];

	cert_fingerprint(x, fingerprint);
	return world_number(w, sql, fingerprint);
}

static void
case_111_new_certificate_says_the_same(void **state)
{
	struct world *w = *state;
	static const struct cert_subject subject = { .cn = "mac",
		.o = "Acme",
		.email = "a@example.com",
		.dns = "mac.example.com" };
	X509 *old = enrolled(w, (struct scep_grant){ .device_id = "d-111",
	                            .user_id = "u",
	                            .enrollment_ref = "ref",
	                            .subject = &subject });
	AUTO(answer_clear) struct answer a = { 0 };

	late();
	a = renew(w, old, (struct renewal){ 0 });
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a.cert), w->key2), 1);
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(a.cert),
	                     X509_get_subject_name(old)),
	    0);
	assert_int_equal(
	    X509_check_host(a.cert, "mac.example.com", 0, 0, NULL), 1);
	assert_int_equal(X509_check_email(a.cert, "a@example.com", 0, 0), 1);
	assert_int_equal(
	    renewed_as(w, a.cert,
	        "SELECT count(*) FROM certificate WHERE fingerprint = $1"
	        " AND purpose = 'renew' AND device_id = 'd-111'"
	        " AND user_id = 'u' AND enrollment_ref = 'ref'"
	        " AND template = 'device-identity'"),
	    1);
	assert_int_equal(
	    renewed_as(w, old,
	        "SELECT count(*) FROM renewal WHERE old_fingerprint = $1"),
	    1);
	X509_free(old);
	on_time();
}

/* MDM takes "enroll" and "renew" for identities of Macs. */
static void
other_certificates_do_not_become_identities(void **state)
{
	static const char *const templates[] = { CERT_TEMPLATE_SCEP,
		CERT_TEMPLATE_DEVICE };
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(templates); i++) {
		X509 *old =
		    enrolled(w, (struct scep_grant){ .template = templates[i],
		                    .purpose = "scep" });
		AUTO(answer_clear) struct answer a = { 0 };

		late();
		a = renew(w, old, (struct renewal){ 0 });
		assert_int_equal(a.status, SCEP_SUCCESS);
		assert_int_equal(
		    renewed_as(w, a.cert,
		        "SELECT count(*) FROM certificate"
		        " WHERE fingerprint = $1 AND purpose = 'scep'"),
		    1);
		X509_free(old);
		on_time();
	}
}

static void
case_112_pkcs_req_signed_with_the_old_certificate(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	struct answer first = answer_challenge(w, w->key, c.text);

	late();
	EXPECT_S(renew(w, first.cert, (struct renewal){ .type = "19" }));
	EXPECT_S(renew(w, first.cert,
	    (struct renewal){
	        .type = "19", .tid = "again", .challenge = c.text }));
	answer_clear(&first);
	on_time();
}

/* A fresh challenge decides, whoever signed: so a profile renews. */
static void
a_fresh_challenge_goes_before_renewal(void **state)
{
	struct world *w = *state;
	X509 *old = enrolled(w, (struct scep_grant){ .device_id = "d-f" });
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .device_id = "d-f", .purpose = "renew" });

	EXPECT_S(renew(
	    w, old, (struct renewal){ .type = "19", .challenge = c.text }));
	assert_true(world_spent(w, &c));
	X509_free(old);
}

static void
case_114_self_signed_renewal(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);

	EXPECT_F(2,
	    renew(w, NULL,
	        (struct renewal){ .signer = w->signer, .challenge = c.text }));
	assert_false(world_spent(w, &c));
}

/* "... not before 2026-11-29T08:00:00Z" */
static int64_t
told_from(const char *text)
{
	static const char before[] =
	    "renewal: too early for this template, not before ";
	struct tm tm = { 0 };

	assert_memory_equal(text, before, sizeof(before) - 1);
	text = strptime(text + sizeof(before) - 1, "%Y-%m-%dT%H:%M:%SZ", &tm);
	assert_non_null(text);
	assert_string_equal(text, "");
	return timegm(&tm) * MS_S;
}

static void
case_115_too_early(void **state)
{
	X509 *old = enrolled(*state, (struct scep_grant){ 0 });
	AUTO(answer_clear)
	struct answer a = renew(*state, old, (struct renewal){ 0 });
	int64_t ahead;

	assert_int_equal(a.fail, SCEP_BAD_REQUEST);
	ahead = told_from(a.text) - clock_now_ms();
	clock_set_offset_ms(ahead - 20 * MS_S);
	EXPECT_F(2, renew(*state, old, (struct renewal){ 0 }));
	clock_set_offset_ms(ahead);
	EXPECT_S(renew(*state, old, (struct renewal){ 0 }));
	X509_free(old);
	on_time();
}

static void
case_116_expired(void **state)
{
	X509 *old = enrolled(*state, (struct scep_grant){ 0 });

	clock_set_offset_ms((LIFE_DAYS + 1) * MS_DAY);
	EXPECT_F(2, renew(*state, old, (struct renewal){ 0 }));
	X509_free(old);
	on_time();
}

static void
put_an_end_to(struct world *w, X509 *x)
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
case_117_revoked(void **state)
{
	struct world *w = *state;
	X509 *old = enrolled(w, (struct scep_grant){ 0 });

	late();
	EXPECT_S(renew(w, old, (struct renewal){ 0 }));
	put_an_end_to(w, old);
	EXPECT_F(2, renew(w, old, (struct renewal){ 0 }));
	EXPECT_F(2, renew(w, old, (struct renewal){ .tid = "other" }));
	EXPECT_F(2, renew(w, old, (struct renewal){ .type = "19" }));
	X509_free(old);
	on_time();
}

/* The names of ours, a key and signature of somebody else's. */
static void
case_118_certificates_of_others(void **state)
{
	struct world *w = *state;
	X509 *old = enrolled(w, (struct scep_grant){ 0 });
	X509 *forged = X509_dup(old);

	late();
	assert_int_equal(X509_set_pubkey(forged, w->key), 1);
	assert_true(X509_sign(forged, w->key2, EVP_sha256()) > 0);
	EXPECT_F(2, renew(w, NULL, (struct renewal){ .signer = forged }));
	EXPECT_F(2,
	    renew(w, NULL, (struct renewal){ .signer = forged, .type = "19" }));
	X509_free(forged);
	X509_free(old);
	on_time();
}

static void
case_119_certificates_of_the_authority(void **state)
{
	struct world *w = *state;
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){ .key = w->key2 });
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { w->ra } }, buf_slice(csr));
	struct forge_message m = forge_message(
	    cert_authority_ra_key(w->authority), w->ra, buf_slice(env));

	m.attrs[FORGE_MESSAGE_TYPE].value = slice_str("17");
	EXPECT_F(2, answer_message(w, &m));
	m.attrs[FORGE_MESSAGE_TYPE].value = slice_str("19");
	EXPECT_F(2, answer_message(w, &m));
}

/* CSR names are not even read: the old ones count. */
static void
case_120_other_names_are_ignored(void **state)
{
	struct world *w = *state;
	X509 *old = enrolled(w, (struct scep_grant){ 0 });
	AUTO(answer_clear) struct answer a = { 0 };
	char cn[64];

	late();
	a = renew(w, old, (struct renewal){ 0 });
	assert_int_equal(a.status, SCEP_SUCCESS);
	cert_subject_value(a.cert, NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "device-1");
	X509_free(old);
	on_time();
}

static void
case_121_same_key_and_transaction_as_at_first(void **state)
{
	struct world *w = *state;
	X509 *old = enrolled(w, (struct scep_grant){ 0 });
	AUTO(answer_clear) struct answer a = { 0 };

	late();
	a = renew(w, old, (struct renewal){ .key = w->key });
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_not_equal(X509_cmp(a.cert, old), 0);
	X509_free(old);
	on_time();
}

static void
case_122_repeated_renewal(void **state)
{
	struct world *w = *state;
	X509 *old = enrolled(w, (struct scep_grant){ 0 });
	AUTO(answer_clear) struct answer a = { 0 }, b = { 0 };
	EVP_PKEY *other = forge_rsa(2048);

	late();
	a = renew(w, old, (struct renewal){ 0 });
	b = renew(w, old, (struct renewal){ 0 });
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(b.status, SCEP_SUCCESS);
	assert_int_equal(X509_cmp(a.cert, b.cert), 0);
	assert_int_equal(
	    renewed_as(w, old,
	        "SELECT count(*) FROM renewal WHERE old_fingerprint = $1"),
	    1);
	/* The transaction belongs to the first key. */
	EXPECT_F(2, renew(w, old, (struct renewal){ .key = other }));
	EVP_PKEY_free(other);
	X509_free(old);
	on_time();
}

static void
renewals_of_one_certificate_have_an_end(void **state)
{
	struct world *w = *state;
	X509 *old = enrolled(w, (struct scep_grant){ 0 });
	char tid[16];

	late();
	for (int i = 0; i < 8; i++) {
		snprintf(tid, sizeof(tid), "R-%d", i);
		EXPECT_S(renew(w, old, (struct renewal){ .tid = tid }));
	}
	EXPECT_F(2, renew(w, old, (struct renewal){ .tid = "R-8" }));
	X509_free(old);
	on_time();
}

/* Else a printer's certificate became the identity of a Mac. */
static void
what_is_no_identity_does_not_become_one(void **state)
{
	static const char sql[] =
	    "SELECT count(*) FROM certificate WHERE fingerprint = $1"
	    " AND purpose = 'scep' AND template = 'scep'";
	struct world *w = *state;
	X509 *old =
	    enrolled(w, (struct scep_grant){ .template = CERT_TEMPLATE_SCEP,
	                    .purpose = "scep" });
	AUTO(answer_clear) struct answer a = { 0 }, b = { 0 };
	EVP_PKEY *other = forge_rsa(2048);

	late();
	a = renew(w, old, (struct renewal){ 0 });
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(renewed_as(w, a.cert, sql), 1);
	b = renew(w, old, (struct renewal){ .key = other, .tid = "next" });
	assert_int_equal(b.status, SCEP_SUCCESS);
	assert_int_equal(renewed_as(w, b.cert, sql), 1);
	EVP_PKEY_free(other);
	X509_free(old);
	on_time();
}

/* The user's certificate ends with the assignment, never by its holder. */
static void
rolled_out_certificates_are_renewed_by_the_server(void **state)
{
	struct world *w = *state;
	X509 *old =
	    enrolled(w, (struct scep_grant){ .template = CERT_TEMPLATE_USER,
	                    .purpose = "rollout",
	                    .device_id = "d-user" });

	clock_set_offset_ms(1100 * MS_DAY);
	EXPECT_F(2, renew(w, old, (struct renewal){ 0 }));
	X509_free(old);
	on_time();
}

/* Case 83, for the renewal: the key of another device. */
static void
key_of_another_device(void **state)
{
	struct world *w = *state;
	struct challenge c =
	    world_grant(w, (struct scep_grant){ .device_id = "d-other" });
	EVP_PKEY *key = forge_rsa(2048);
	X509 *old = enrolled(w, (struct scep_grant){ 0 });

	EXPECT_S(answer_challenge(w, key, c.text));
	late();
	EXPECT_F(2, renew(w, old, (struct renewal){ .key = key }));
	X509_free(old);
	EVP_PKEY_free(key);
	on_time();
}

/* ---- message types ---- */

static void
case_62_message_types_are_a_closed_list(void **state)
{
	static const int listed[] = { 17, 19, 20, 21, 22 };
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = w->key, .challenge = slice_str(c.text) });
	AUTO(buf_free)
	struct buf *env = forge_envelope(
	    (struct forge_env){ .to = { w->ra } }, buf_slice(csr));
	struct forge_message m =
	    forge_message(w->key, w->signer, buf_slice(env));
	char number[8];

	for (int type = 0; type <= 255; type++) {
		bool served = false;

		for (size_t i = 0; i < COUNT(listed); i++)
			served |= listed[i] == type;
		if (served)
			continue;
		snprintf(number, sizeof(number), "%d", type);
		m.attrs[FORGE_MESSAGE_TYPE].value = slice_str(number);
		EXPECT_F(2, answer_message(w, &m));
	}
	assert_false(world_spent(w, &c));
	/* And the same bytes under the right type are good. */
	m.attrs[FORGE_MESSAGE_TYPE].value = slice_str("19");
	EXPECT_S(answer_message(w, &m));
}

/* A database each: a key belongs to one device in each. */
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(case_111_new_certificate_says_the_same),
		TEST(other_certificates_do_not_become_identities),
		TEST(case_112_pkcs_req_signed_with_the_old_certificate),
		TEST(a_fresh_challenge_goes_before_renewal),
		TEST(case_114_self_signed_renewal),
		TEST(case_115_too_early),
		TEST(case_116_expired),
		TEST(case_117_revoked),
		TEST(case_118_certificates_of_others),
		TEST(case_119_certificates_of_the_authority),
		TEST(case_120_other_names_are_ignored),
		TEST(case_121_same_key_and_transaction_as_at_first),
		TEST(case_122_repeated_renewal),
		TEST(renewals_of_one_certificate_have_an_end),
		TEST(what_is_no_identity_does_not_become_one),
		TEST(rolled_out_certificates_are_renewed_by_the_server),
		TEST(key_of_another_device),
		TEST(case_62_message_types_are_a_closed_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
