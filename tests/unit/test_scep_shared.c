/*
 * First requests to templates with static challenges, webhooks or none (cases
 * 88, 93 and 94 of the conformance list), and what becomes of the same request
 * again.
 */
#include "tests/unit/scep_template_fixture.h"
#include "tests/unit/webhook_server.h"

#define NAMES "[\"printer-1\",\"プリンター\"]"

static void
static_template(struct world *w, const char *more)
{
	AUTO(str_free)
	char *text = str_printf("{\"challenge\":\"static\"%s}", more);

	world_template(w, "printers", text);
	world_secret(w, "printers", NAMES);
}

static void
case_93_static_challenge_and_its_list(void **state)
{
	struct world *w = *state;
	struct visit v = { .template = "printers",
		.challenge = STATIC_SECRET,
		.cn = "printer-1",
		.tid = "S-1" };
	EVP_PKEY *key = forge_ec("P-256");
	X509 *x;

	static_template(w, ",\"subject\":{\"cn\":\"$NAME\",\"o\":\"Acme\","
	                   "\"uri\":\"urn:printer:$NAME\"}");
	x = visit_named(w, v, "printer-1");
	assert_int_equal(
	    world_number(w,
	        "SELECT count(*) FROM certificate WHERE transaction_id = $1"
	        " AND challenge_id = 'static' AND template = 'printers'"
	        " AND purpose = 'scep' AND device_id IS NULL",
	        "S-1"),
	    1);
	X509_free(x);
	v = (struct visit){ .template = "printers",
		.challenge = STATIC_SECRET,
		.key = key,
		.cn = "プリンター",
		.tid = "S-2" };
	X509_free(visit_named(w, v, "プリンター"));
	v.tid = "S-3";
	v.cn = "printer-2";
	visit_refused(w, v, "list");
	v.cn = NULL;
	visit_refused(w, v, "list");
	assert_int_equal(
	    world_number(w,
	        "SELECT count(*) FROM certificate WHERE transaction_id = $1",
	        "S-3"),
	    0);
	EVP_PKEY_free(key);
}

static void
wrong_static_challenges(void **state)
{
	static const char *const wrong[] = { NULL, "", "correct-horse-batterY",
		"correct-horse-battery ", "correct-horse-batter" };
	struct world *w = *state;
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = CERT_TEMPLATE_SCEP });
	struct visit v = {
		.template = "printers", .cn = "printer-1", .tid = "S-4"
	};

	static_template(w, "");
	for (size_t i = 0; i < COUNT(wrong); i++) {
		v.challenge = wrong[i];
		visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	}
	/* Only at the template's own address, and no others there. */
	v.challenge = STATIC_SECRET;
	v.template = NULL;
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.template = "scep";
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.template = "printers";
	v.challenge = c.text;
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	assert_false(world_spent(w, &c));
	/* Without a secret there is nothing to show. */
	world_template(w, "bare", "{\"challenge\":\"static\"}");
	v.template = "bare";
	v.challenge = STATIC_SECRET;
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
}

static void
case_88_challenge_of_another_template(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = CERT_TEMPLATE_SCEP });
	struct visit v = { .template = CERT_TEMPLATE_DEVICE,
		.challenge = c.text,
		.key = key,
		.tid = "O-1" };

	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	assert_false(world_spent(w, &c));
	v.template = CERT_TEMPLATE_SCEP;
	X509_free(visit_named(w, v, "device-1"));
	EVP_PKEY_free(key);
}

/* A challenge made before its template got another kind. */
static void
kinds_that_change(void **state)
{
	struct world *w = *state;
	struct challenge c;
	struct visit v = { .cn = "printer-1", .tid = "K-1" };

	world_template(w, "turning", "{}");
	c = world_grant(w, (struct scep_grant){ .template = "turning" });
	v.challenge = c.text;
	world_template(w, "turning", "{\"challenge\":\"none\"}");
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.template = "turning";
	visit_refused(w, v, "only renews");
	assert_false(world_spent(w, &c));
}

/* One transaction and key: one certificate, until it may be renewed. */
static void
the_same_again(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct visit v = { .template = "printers",
		.challenge = STATIC_SECRET,
		.key = key,
		.cn = "printer-1",
		.tid = "S-5" };
	X509 *first, *again;

	static_template(w, ",\"life_days\":90,\"renew_days\":30");
	first = visit_named(w, v, "printer-1");
	again = visit_named(w, v, "printer-1");
	assert_int_equal(X509_cmp(first, again), 0);
	X509_free(again);
	clock_set_offset_ms(50 * MS_DAY);
	again = visit_named(w, v, "printer-1");
	assert_int_equal(X509_cmp(first, again), 0);
	X509_free(again);
	/* Another key in this transaction, whatever it shows. */
	v.key = w->key2;
	visit_refused(w, v, "another key");
	v.key = key;
	v.challenge = "of somebody who only saw it";
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.challenge = STATIC_SECRET;
	clock_set_offset_ms(61 * MS_DAY);
	again = visit_named(w, v, "printer-1");
	assert_int_not_equal(X509_cmp(first, again), 0);
	clock_set_offset_ms(0);
	X509_free(first);
	X509_free(again);
	EVP_PKEY_free(key);
}

struct racer {
	struct world *w;
	EVP_PKEY *key;
	X509 *got;
};

static void *
race(void *arg)
{
	struct racer *r = arg;
	struct answer a = visit(r->w, (struct visit){ .template = "printers",
	                                  .challenge = STATIC_SECRET,
	                                  .key = r->key,
	                                  .cn = "printer-1",
	                                  .tid = "S-6" });

	r->got = a.cert;
	return NULL;
}

static void
identical_requests_at_once(void **state)
{
	enum { RACERS = 8 };
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct racer r[RACERS];
	pthread_t t[RACERS];

	static_template(w, "");
	for (int i = 0; i < RACERS; i++) {
		r[i] = (struct racer){ .w = w, .key = key };
		assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(t[i], NULL);
		assert_non_null(r[i].got);
		assert_int_equal(X509_cmp(r[0].got, r[i].got), 0);
	}
	for (int i = 0; i < RACERS; i++)
		X509_free(r[i].got);
	EVP_PKEY_free(key);
}

static void
renewals_show_the_old_certificate_only(void **state)
{
	struct world *w = *state;
	struct visit v = { .template = "printers",
		.challenge = STATIC_SECRET,
		.cn = "printer-1",
		.tid = "S-7" };
	X509 *old;

	static_template(w, ",\"renew_days\":0");
	old = visit_named(w, v, "printer-1");
	world_template(
	    w, "printers", "{\"challenge\":\"none\",\"renew_days\":0}");
	v = (struct visit){ .template = "printers",
		.key = w->key2,
		.signer = old,
		.tid = "S-8",
		.type = "17" };
	X509_free(visit_named(w, v, "printer-1"));
	/* PKCSReq renews as well (RFC 8894 2.3). */
	v.type = NULL;
	v.tid = "S-9";
	X509_free(visit_named(w, v, "printer-1"));
	v.template = CERT_TEMPLATE_SCEP;
	v.type = "17";
	v.tid = "S-10";
	visit_refused(w, v, "another template");
	v = (struct visit){ .template = "printers", .tid = "S-11" };
	visit_refused(w, v, "only renews");
	X509_free(old);
}

static void
keys_and_algorithms_of_the_template(void **state)
{
	struct world *w = *state;
	struct visit v = { .template = "printers",
		.challenge = STATIC_SECRET,
		.cn = "printer-1",
		.tid = "S-12" };

	static_template(w, ",\"rsa_min\":3072");
	visit_refused(w, v, "key type or size");
}

/* ---- webhooks ---- */

struct hooked {
	struct world *w;
	struct webhook_server s;
};

static void
webhook_template(struct hooked *h, const char *more)
{
	AUTO(str_free)
	char *text = str_printf("{\"challenge\":\"webhook\",\"webhook\":"
	                        "\"http://127.0.0.1:%d/ask\"%s}",
	    h->s.port, more);

	world_template(h->w, "asked", text);
	world_secret(h->w, "asked", NULL);
}

static struct hooked
hooked(struct world *w)
{
	return (struct hooked){ .w = w,
		.s = { .key = STATIC_SECRET,
		    .answer = "{\"allow\":true,\"variables\":"
		              "{\"NAME\":\"gate\",\"USER\":\"sato\"}}" } };
}

static bool
nothing(struct store_tx *tx, void *arg, struct err *e)
{
	return store_exec(tx, "DELETE FROM token WHERE id = $1",
	    S_ARGS(S_TEXT(arg)), NULL, e);
}

/* Others write while the other side thinks. */
static void
write_meanwhile(void *arg)
{
	struct world *w = arg;
	char id[] = "none";
	struct err e = { 0 };

	if (!store_write(w->store, nothing, id, &e))
		fail_msg("%s", e.text);
}

static void
case_94_webhook_allows(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct hooked h = hooked(w);
	struct visit v = { .template = "asked",
		.challenge = "whatever they agreed",
		.key = key,
		.cn = "I am root",
		.tid = "W-1" };
	X509 *first, *again;

	h.s.hook = write_meanwhile;
	h.s.hook_arg = w;
	webhook_start(&h.s);
	webhook_template(
	    &h, ",\"subject\":{\"cn\":\"$NAME\",\"uid\":\"$USER\"}");
	first = visit_named(w, v, "gate");
	assert_true(h.s.signature_good);
	assert_non_null(
	    strstr(h.s.seen.text, "\"challenge\":\"whatever they agreed\""));
	assert_non_null(strstr(h.s.seen.text, "\"cn\":\"I am root\""));
	assert_non_null(strstr(h.s.seen.text, "\"template\":\"asked\""));
	assert_non_null(strstr(h.s.seen.text, "\"bits\":2048"));
	/* A lost answer is given again without another question: the
	 * challenge may be spent there. */
	again = visit_named(w, v, "gate");
	assert_int_equal(X509_cmp(first, again), 0);
	assert_int_equal(h.s.questions, 1);
	webhook_stop(&h.s);
	X509_free(first);
	X509_free(again);
	EVP_PKEY_free(key);
}

static void
case_94_webhook_fails_closed(void **state)
{
	static const struct {
		const char *answer, *key, *other_id, *text;
		int status;
	} bad[] = {
		{ "{\"allow\":false,\"reason\":\"no\"}", STATIC_SECRET, NULL,
		    SCEP_TEXT_CHALLENGE, 200 },
		{ "{\"allow\":true}", STATIC_SECRET, NULL, "value", 200 },
		{ "{\"allow\":true}", NULL, NULL, "later", 200 },
		{ "{\"allow\":true}", "another-key-than-ours", NULL, "later",
		    200 },
		{ "{\"allow\":true}", STATIC_SECRET, "an-earlier-question",
		    "later", 200 },
		{ "{\"allow\":true}", STATIC_SECRET, NULL, "later", 500 },
		{ "{\"allow\":true}", STATIC_SECRET, NULL, "later", 302 },
		{ "{\"allow\":\"true\"}", STATIC_SECRET, NULL, "later", 200 },
		{ "{\"allow\":1}", STATIC_SECRET, NULL, "later", 200 },
		{ "{}", STATIC_SECRET, NULL, "later", 200 },
		{ "true", STATIC_SECRET, NULL, "later", 200 },
		{ "{\"allow\":true,\"variables\":{\"CN\":\"x\"}}",
		    STATIC_SECRET, NULL, "later", 200 },
		{ "{\"allow\":true,\"variables\":{\"NAME\":\"a\\nb\"}}",
		    STATIC_SECRET, NULL, "value", 200 },
		{ NULL, STATIC_SECRET, NULL, "later", 200 },
	};
	struct world *w = *state;
	struct hooked h = hooked(w);
	struct visit v = { .template = "asked",
		.challenge = "x",
		.tid = "W-2",
		.cn = "gate" };

	webhook_start(&h.s);
	webhook_template(&h, ",\"webhook_seconds\":1");
	for (size_t i = 0; i < COUNT(bad); i++) {
		h.s.answer = bad[i].answer;
		h.s.key = bad[i].key;
		h.s.other_id = bad[i].other_id;
		h.s.status = bad[i].status;
		visit_refused(w, v, bad[i].text);
	}
	assert_int_equal(h.s.questions, COUNT(bad));
	/* Nobody is asked about nothing. */
	v.challenge = NULL;
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	assert_int_equal(h.s.questions, COUNT(bad));
	webhook_stop(&h.s);
	v.challenge = "x";
	visit_refused(w, v, "later"); /* nobody listens */
	assert_int_equal(
	    world_number(w,
	        "SELECT count(*) FROM certificate WHERE transaction_id = $1",
	        "W-2"),
	    0);
}

static void
webhook_without_a_key_is_not_asked(void **state)
{
	struct world *w = *state;

	world_template(w, "keyless",
	    "{\"challenge\":\"webhook\",\"webhook\":\"http://127.0.0.1:1/\"}");
	visit_refused(w,
	    (struct visit){
	        .template = "keyless", .challenge = "x", .tid = "W-3" },
	    "later");
}

/* ---- and a person ---- */

static void
approval_after_the_challenge(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_rsa(2048);
	struct visit v = { .template = "printers",
		.challenge = "wrong",
		.key = key,
		.cn = "printer-1",
		.tid = "P-1" };

	static_template(w, ",\"approval\":true");
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.challenge = STATIC_SECRET;
	visit_pending(w, v);
	visit_pending(w, v);
	assert_int_equal(
	    world_number(w,
	        "SELECT count(*) FROM scep_request WHERE transaction_id = $1"
	        " AND template = 'printers'"
	        " AND subject = '{\"cn\":\"printer-1\"}'",
	        "P-1"),
	    1);
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_93_static_challenge_and_its_list),
		cmocka_unit_test(wrong_static_challenges),
		cmocka_unit_test(case_88_challenge_of_another_template),
		cmocka_unit_test(kinds_that_change),
		cmocka_unit_test(the_same_again),
		cmocka_unit_test(identical_requests_at_once),
		cmocka_unit_test(renewals_show_the_old_certificate_only),
		cmocka_unit_test(keys_and_algorithms_of_the_template),
		cmocka_unit_test(case_94_webhook_allows),
		cmocka_unit_test(case_94_webhook_fails_closed),
		cmocka_unit_test(webhook_without_a_key_is_not_asked),
		cmocka_unit_test(approval_after_the_challenge),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
