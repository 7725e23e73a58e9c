/* Who is put off after how many wrong challenges (case 92). */
#include "tests/unit/scep_template_fixture.h"

static void
put_off(struct world *w, struct visit v)
{
	visit_refused(w, v, "too many");
}

/* Many addresses and keys that share the guessing of one static challenge. */
static void
case_92_a_template_is_put_off(void **state)
{
	enum { LIMIT = 10 * 2 };
	struct world *w = *state;
	struct visit v = {
		.template = "printers", .cn = "printer-1", .tid = "G-1"
	};
	struct visit other = {
		.template = CERT_TEMPLATE_SCEP, .key = w->key2, .tid = "G-2"
	};
	EVP_PKEY *keys[LIMIT], *mine = forge_ec("P-256");
	char peer[32];
	X509 *old;
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = CERT_TEMPLATE_SCEP });

	world_service(w, (struct scep_options){ .failures_per_min = 2 });
	world_template(
	    w, "printers", "{\"challenge\":\"static\",\"renew_days\":0}");
	world_secret(w, "printers", "[\"printer-1\",\"printer-2\"]");
	v.challenge = STATIC_SECRET;
	v.cn = "printer-2";
	v.tid = "G-0";
	old = visit_named(w, v, "printer-2");
	v.cn = "printer-1";
	v.tid = "G-1";
	for (int i = 0; i < LIMIT; i++) {
		keys[i] = forge_ec("P-256");
		v.key = keys[i];
		v.challenge = "a guess";
		v.peer = peer;
		snprintf(peer, sizeof(peer), "198.51.100.%d", i);
		visit_refused(w, v, SCEP_TEXT_CHALLENGE);
		EVP_PKEY_free(keys[i]);
	}
	v.key = mine;
	v.peer = NULL;
	v.challenge = STATIC_SECRET;
	put_off(w, v);
	/* That concerns nobody else, and no renewals. */
	X509_free(visit_named(w,
	    (struct visit){ .template = "printers",
	        .signer = old,
	        .type = "17",
	        .tid = "G-6" },
	    "printer-2"));
	X509_free(old);
	other.challenge = c.text;
	X509_free(visit_named(w, other, "device-1"));
	clock_set_offset_ms(MS_MIN + MS_S);
	X509_free(visit_named(w, v, "printer-1"));
	clock_set_offset_ms(0);
	EVP_PKEY_free(mine);
}

static void
case_92_a_key_is_put_off(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct challenge c = world_challenge(w), d = world_challenge(w);
	struct visit v = { .key = key, .challenge = "no", .tid = "G-3" };

	world_service(w, (struct scep_options){ .failures_per_min = 2 });
	v.peer = "198.51.100.1";
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.peer = "198.51.100.2";
	visit_refused(w, v, SCEP_TEXT_CHALLENGE);
	v.peer = "198.51.100.3";
	v.challenge = c.text;
	put_off(w, v);
	assert_false(world_spent(w, &c));
	v.key = w->key2;
	v.challenge = d.text;
	v.tid = "G-4";
	X509_free(visit_named(w, v, "device-1"));
	EVP_PKEY_free(key);
}

/* Events of one challenge, however many addresses and keys bring it. */
static void
reuse_makes_few_events(void **state)
{
	enum { LIMIT = 3, TIMES = 8 };
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	EVP_PKEY *first = forge_ec("P-256");
	struct visit v = { .challenge = c.text, .key = first, .tid = "G-5" };
	char peer[32];

	world_service(w, (struct scep_options){ .failures_per_min = LIMIT });
	X509_free(visit_named(w, v, "device-1"));
	for (int i = 0; i < TIMES; i++) {
		EVP_PKEY *key = forge_ec("P-256");

		snprintf(peer, sizeof(peer), "203.0.113.%d", i);
		v.peer = peer;
		v.key = key;
		visit_refused(w, v, SCEP_TEXT_CHALLENGE);
		EVP_PKEY_free(key);
	}
	assert_int_equal(
	    world_number(w,
	        "SELECT count(*) FROM event WHERE kind = 'challenge.reused'"
	        " AND subject_id = $1",
	        c.id),
	    LIMIT);
	EVP_PKEY_free(first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_92_a_template_is_put_off),
		cmocka_unit_test(case_92_a_key_is_put_off),
		cmocka_unit_test(reuse_makes_few_events),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
