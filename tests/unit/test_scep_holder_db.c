/*
 * Whose a key is: one that a living certificate has is for nobody else (case 83
 * of the conformance list), and for the same one as often as he likes.
 */
#include <pthread.h>

#include "scep/scep_service_priv.h"
#include "tests/unit/scep_template_fixture.h"
#include "tests/unit/webhook_server.h"

/* A request of key by a new challenge for this common name. */
static struct answer
ask(struct world *w, EVP_PKEY *key, struct scep_grant g, const char *cn)
{
	const struct cert_subject subject = { .cn = cn, .o = "Test" };
	struct challenge c;

	g.subject = &subject;
	g.purpose = g.purpose ? g.purpose : "scep";
	g.template = g.template ? g.template : CERT_TEMPLATE_SCEP;
	c = world_grant(w, g);
	return visit(w, (struct visit){ .challenge = c.text, .key = key });
}

static void
taken(struct world *w, EVP_PKEY *key, struct scep_grant g, const char *cn)
{
	AUTO(answer_clear) struct answer a = ask(w, key, g, cn);

	assert_int_equal(a.status, SCEP_FAILURE);
	assert_int_equal(a.fail, SCEP_BAD_REQUEST);
	assert_string_equal(a.text, SCEP_TEXT_KEY_TAKEN);
}

static void
given(struct world *w, EVP_PKEY *key, struct scep_grant g, const char *cn)
{
	AUTO(answer_clear) struct answer a = ask(w, key, g, cn);

	if (a.status != SCEP_SUCCESS)
		fail_msg("%s: status %d: %s", cn, a.status, a.text);
}

#define NAME_ONLY ((struct scep_grant){ 0 })

static void
run(struct world *w, const char *sql, const char *arg)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	if (!store_begin(w->store, STORE_WRITE, &tx, &e) ||
	    !store_exec(tx, sql, S_ARGS(S_TEXT(arg)), NULL, &e) ||
	    !store_commit(&tx, &e))
		fail_msg("%s", e.text);
}

static void
spki_of(EVP_PKEY *key, char out[SHA256_HEX_SIZE])
{
	struct err e;

	assert_true(cert_spki(key, out, &e));
}

static void
case_83_key_of_another_name(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");

	given(w, key, NAME_ONLY, "gate-a");
	taken(w, key, NAME_ONLY, "gate-b");
	/* The same one again, whatever for. */
	given(w, key, NAME_ONLY, "gate-a");
	world_template(w, "vpn",
	    "{\"subject\":{\"cn\":\"$NAME\",\"ou\":"
	    "\"VPN\",\"uid\":\"$NAME\"}}");
	given(w, key,
	    (struct scep_grant){ .template = "vpn",
	        .variables = &(struct cert_variables){ .name = "gate-a" } },
	    "gate-a");
	given(w, key, NAME_ONLY, "gate-a");
	/* That is no Mac of ours. */
	taken(w, key, (struct scep_grant){ .device_id = "D-1" }, "mac");
	EVP_PKEY_free(key);
}

static void
names_that_look_alike(void **state)
{
	static const char *const others[] = { "gate", "gate,a,", "gate;a",
		"gate\\", "gate\\,a", "GATE,A", "gate,a,CN=gate", "a" };
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256"), *key2 = forge_ec("P-256");

	given(w, key, NAME_ONLY, "gate,a");
	for (size_t i = 0; i < COUNT(others); i++)
		taken(w, key, NAME_ONLY, others[i]);
	given(w, key, NAME_ONLY, "gate,a");
	given(w, key2, NAME_ONLY, "x\\,CN=gate-a,O=\\");
	taken(w, key2, NAME_ONLY, "gate-a");
	taken(w, key2, NAME_ONLY, "x");
	given(w, key2, NAME_ONLY, "x\\,CN=gate-a,O=\\");
	EVP_PKEY_free(key);
	EVP_PKEY_free(key2);
}

static void
what_ended_frees_its_key(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	char spki[SHA256_HEX_SIZE];

	spki_of(key, spki);
	given(w, key, NAME_ONLY, "gate-1");
	/* On hold: it may live again. */
	run(w,
	    "UPDATE certificate SET state = 'revoked', revoke_reason = 6"
	    " WHERE spki = $1",
	    spki);
	taken(w, key, NAME_ONLY, "gate-2");
	run(w, "UPDATE certificate SET revoke_reason = 5 WHERE spki = $1",
	    spki);
	given(w, key, NAME_ONLY, "gate-2");
	taken(w, key, NAME_ONLY, "gate-3");
	clock_set_offset_ms(2000 * MS_DAY);
	run(w, "UPDATE certificate SET not_after = 1 WHERE spki = $1", spki);
	given(w, key, NAME_ONLY, "gate-3");
	clock_set_offset_ms(0);
	EVP_PKEY_free(key);
}

static void
compromise(struct world *w, EVP_PKEY *key)
{
	char spki[SHA256_HEX_SIZE];

	spki_of(key, spki);
	run(w,
	    "UPDATE certificate SET state = 'revoked', revoke_reason = 1"
	    " WHERE spki = $1",
	    spki);
}

/* Not to anybody, nor when the certificate would have ended anyway. */
static void
a_key_that_got_about_is_never_certified(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	char spki[SHA256_HEX_SIZE];

	given(w, key, NAME_ONLY, "gate-k");
	given(w, key, NAME_ONLY, "gate-k");
	spki_of(key, spki);
	run(w,
	    "UPDATE certificate SET state = 'revoked', revoke_reason = 1"
	    " WHERE fingerprint = (SELECT MIN(fingerprint) FROM certificate"
	    " WHERE spki = $1)",
	    spki);
	taken(w, key, NAME_ONLY, "gate-k");
	compromise(w, key);
	taken(w, key, NAME_ONLY, "gate-k");
	taken(w, key, NAME_ONLY, "gate-l");
	taken(w, key, (struct scep_grant){ .device_id = "D-9" }, "gate-k");
	run(w, "UPDATE certificate SET not_after = 1 WHERE spki = $1", spki);
	taken(w, key, NAME_ONLY, "gate-k");
	EVP_PKEY_free(key);
}

/* The very same message gets its certificate again, but not a new one. */
static void
nor_by_a_static_challenge(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct visit v = { .template = "stolen",
		.challenge = STATIC_SECRET,
		.key = key,
		.cn = "gate-a",
		.tid = "K-1" };

	world_template(w, "stolen", "{\"challenge\":\"static\"}");
	world_secret(w, "stolen", "[\"gate-a\"]");
	X509_free(visit_named(w, v, "gate-a"));
	X509_free(visit_named(w, v, "gate-a"));
	compromise(w, key);
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	v.tid = "K-2";
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	EVP_PKEY_free(key);
}

/* A Mac's certificates are named by downloads, and its device shows later. */
static void
a_mac_keeps_its_key(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	char spki[SHA256_HEX_SIZE];
	struct scep_grant first = { .purpose = "enroll",
		.enrollment_ref = "R-1" };
	struct scep_grant second = { .purpose = "enroll",
		.enrollment_ref = "R-2" };
	struct scep_grant known = {
		.purpose = "renew", .enrollment_ref = "R-3", .device_id = "D-1"
	};
	struct scep_grant other = { .device_id = "D-2" };

	spki_of(key, spki);
	given(w, key, first, "R-1");
	given(w, key, second, "R-2");
	given(w, key, known, "R-3");
	taken(w, key, other, "R-3");
	run(w, "UPDATE certificate SET device_id = 'D-1' WHERE spki = $1",
	    spki);
	given(w, key, known, "R-4");
	taken(w, key, other, "R-1");
	taken(w, key, NAME_ONLY, "R-1");
	/* Its next enrolment, after this one ended. */
	run(w,
	    "UPDATE certificate SET state = 'revoked', revoke_reason = 5"
	    " WHERE spki = $1",
	    spki);
	given(w, key, (struct scep_grant){ .enrollment_ref = "R-5" }, "R-5");
	taken(w, key, NAME_ONLY, "gate");
	EVP_PKEY_free(key);
}

static void
renewals_with_a_key(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = "soon",
	           .subject = &(struct cert_subject){ .cn = "gate-r" } });
	struct visit v = { .challenge = c.text, .tid = "H-1" };
	X509 *old, *next;

	v.signer = old = visit_named(w, v, "gate-r");
	v.type = "17";
	v.challenge = NULL;
	v.tid = "H-2";
	next = visit_named(w, v, "gate-r");
	v.tid = "H-3";
	X509_free(visit_named(w, v, "gate-r"));
	given(w, key, NAME_ONLY, "gate-s");
	v.tid = "H-4";
	v.key = key;
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	compromise(w, key);
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	X509_free(old);
	X509_free(next);
	EVP_PKEY_free(key);
}

static void
templates_of_other_kinds(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct webhook_server s = { .key = STATIC_SECRET,
		.answer = "{\"allow\":true,\"variables\":"
		          "{\"NAME\":\"gate-x\"}}" };
	struct visit v = { .template = "listed",
		.challenge = STATIC_SECRET,
		.key = key,
		.cn = "gate-a",
		.tid = "H-5" };
	AUTO(str_free) char *text = NULL;

	world_template(w, "listed", "{\"challenge\":\"static\"}");
	world_secret(w, "listed", "[\"gate-a\",\"gate-b\"]");
	X509_free(visit_named(w, v, "gate-a"));
	/* The same again is nothing new, however an upstream named it. */
	run(w,
	    "UPDATE certificate SET subject = 'CN=gate-a.example'"
	    " WHERE transaction_id = $1",
	    v.tid);
	X509_free(visit_named(w, v, "gate-a"));
	v.cn = "gate-b";
	v.tid = "H-6";
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	webhook_start(&s);
	text = str_printf("{\"challenge\":\"webhook\",\"webhook\":"
	                  "\"http://127.0.0.1:%d/ask\"}",
	    s.port);
	world_template(w, "asked", text);
	world_secret(w, "asked", NULL);
	v.template = "asked";
	v.tid = "H-7";
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	webhook_stop(&s);
	world_template(
	    w, "waits", "{\"challenge\":\"none\",\"approval\":true}");
	v.template = "waits";
	v.challenge = NULL;
	v.tid = "H-8";
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	EVP_PKEY_free(key);
}

/* Its holder asks by the name that was allowed. */
static void
an_upstream_may_rename(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct visit v = { .template = "renamed",
		.challenge = STATIC_SECRET,
		.key = key,
		.cn = "gate-a",
		.tid = "H-9" };

	world_template(w, "renamed", "{\"challenge\":\"static\"}");
	world_secret(w, "renamed", "[\"gate-a\"]");
	X509_free(visit_named(w, v, "gate-a"));
	run(w,
	    "UPDATE certificate SET subject = 'CN=gate-a.example'"
	    " WHERE transaction_id = $1",
	    v.tid);
	v.tid = "H-10";
	visit_refused(w, v, SCEP_TEXT_KEY_TAKEN);
	run(w,
	    "INSERT INTO outside_authority (id, upstream, chain, created_at)"
	    " SELECT authority_id, $1, der, 0 FROM certificate"
	    " WHERE transaction_id = 'H-9'",
	    "corp");
	X509_free(visit_named(w, v, "gate-a"));
	run(w, "DELETE FROM outside_authority WHERE upstream = $1", "corp");
	EVP_PKEY_free(key);
}

static void
got_about(struct store_tx *tx, const char *spki, bool so)
{
	struct err e = { 0 };

	assert_true(store_exec(tx,
	    "UPDATE certificate SET revoke_reason = CASE WHEN $2 = 1"
	    " THEN 1 END WHERE spki = $1",
	    S_ARGS(S_TEXT(spki), S_INT(so)), NULL, &e));
}

/* Two that passed the first look: the second finds it when it is to be
 * spent. */
static void
challenge_is_spent_for_a_free_key_only(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct challenge made = world_grant(
	    w, (struct scep_grant){ .template = CERT_TEMPLATE_SCEP });
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(scep_challenge_clear) struct scep_challenge c = { 0 };
	char mac[SHA256_HEX_SIZE];
	struct err e = { 0 };
	bool found, won;

	given(w, key, NAME_ONLY, "gate-first");
	scep_challenge_mac(w->seal, made.text, mac);
	assert_true(store_begin(w->store, STORE_WRITE, &tx, &e));
	assert_true(scep_db_challenge_find(tx, mac, &c, &found, &e));
	assert_true(found);
	c.used_at = clock_now_ms();
	spki_of(key, c.used_spki);
	assert_true(scep_holder_name_json(c.subject, &c.name, &e));
	assert_string_equal(c.name.text, "CN=device-1");
	assert_true(scep_db_challenge_spend(tx, &c, &won, &e));
	assert_false(won);
	scep_holder_name("gate-first", &c.name);
	got_about(tx, c.used_spki, true);
	assert_true(scep_db_challenge_spend(tx, &c, &won, &e));
	assert_false(won);
	got_about(tx, c.used_spki, false);
	assert_true(scep_db_challenge_spend(tx, &c, &won, &e));
	assert_true(won);
	EVP_PKEY_free(key);
}

struct job {
	struct world *w;
	EVP_PKEY *key;
	char cn[16];
	struct answer answer;
	pthread_t thread;
};

static void *
ask_job(void *arg)
{
	struct job *j = arg;

	j->answer = ask(j->w, j->key, NAME_ONLY, j->cn);
	return NULL;
}

static void
names_at_once(void **state)
{
	enum { JOBS = 8 };
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct job jobs[JOBS] = { 0 };
	int good = 0;

	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct job){ .w = w, .key = key };
		snprintf(jobs[i].cn, sizeof(jobs[i].cn), "gate-%d", i);
		pthread_create(&jobs[i].thread, NULL, ask_job, &jobs[i]);
	}
	for (int i = 0; i < JOBS; i++) {
		pthread_join(jobs[i].thread, NULL);
		good += jobs[i].answer.status == SCEP_SUCCESS;
		answer_clear(&jobs[i].answer);
	}
	assert_int_equal(good, 1);
	EVP_PKEY_free(key);
}

static int
setup(void **state)
{
	world_setup(state);
	world_template(*state, "soon", "{\"renew_days\":0}");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_83_key_of_another_name),
		cmocka_unit_test(names_that_look_alike),
		cmocka_unit_test(what_ended_frees_its_key),
		cmocka_unit_test(a_key_that_got_about_is_never_certified),
		cmocka_unit_test(nor_by_a_static_challenge),
		cmocka_unit_test(a_mac_keeps_its_key),
		cmocka_unit_test(renewals_with_a_key),
		cmocka_unit_test(templates_of_other_kinds),
		cmocka_unit_test(an_upstream_may_rename),
		cmocka_unit_test(challenge_is_spent_for_a_free_key_only),
		cmocka_unit_test(names_at_once),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}
