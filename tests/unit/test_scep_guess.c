/* Who is put off after how many wrong challenges (case 92) or messages that
 * cannot be read, and that decryption does not show (case 69). */
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

/* A message of this type, with this in such an envelope. */
static struct answer
ask_in(
    struct world *w, const char *type, struct forge_env how, struct slice data)
{
	AUTO(buf_free) struct buf *env = NULL;
	struct forge_message m;

	how.to[0] = w->ra;
	env = forge_envelope(how, data);
	m = forge_message(w->key, w->signer, buf_slice(env));
	m.attrs[FORGE_MESSAGE_TYPE].value = slice_str(type);
	return answer_message(w, &m);
}

/* Or anybody could have a captured envelope decrypted, byte by byte. */
static void
case_69_decryption_does_not_show(void **state)
{
	static const char *const types[] = { "20", "21", "22" };
	static const struct forge_env how[] = { { .bad_key = true },
		{ .bad_rsa = true }, { .bad_padding = true },
		{ .bad_key = false } };
	struct world *w = *state;

	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
	for (size_t t = 0; t < COUNT(types); t++) {
		char text[256] = "";

		for (size_t i = 0; i < COUNT(how); i++) {
			AUTO(answer_clear)
			struct answer a = ask_in(w, types[t], how[i],
			    TEXT("garbage that is longer than one block"));

			assert_int_equal(a.status, SCEP_FAILURE);
			assert_int_equal(a.fail, SCEP_BAD_CERT_ID);
			if (i > 0)
				assert_string_equal(a.text, text);
			memcpy(text, a.text, sizeof(text));
		}
	}
}

/* As many as wrong challenges, and then the address has to wait. */
static void
what_cannot_be_read_counts(void **state)
{
	static const char *const types[] = { "19", "17", "21", "22" };
	struct world *w = *state;

	for (size_t t = 0; t < COUNT(types); t++) {
		world_service(
		    w, (struct scep_options){ .failures_per_min = 2 });
		for (int i = 0; i < 3; i++) {
			AUTO(answer_clear)
			struct answer a = ask_in(w, types[t],
			    (struct forge_env){ .bad_padding = i == 0 },
			    TEXT("garbage that is longer than one block"));

			assert_int_equal(a.status, SCEP_FAILURE);
			assert_int_equal(
			    strstr(a.text, "too many") != NULL, i == 2);
		}
	}
}

/* A good signature costs as much to check as one by a key that is taken. */
static void
a_key_that_is_refused_counts(void **state)
{
	struct world *w = *state;
	EVP_PKEY *keys[] = { forge_ec("sect571r1"), forge_ec("P-521") };
	static const char *const texts[] = { SCEP_TEXT_UNREADABLE,
		"key type or size" };

	for (size_t i = 0; i < COUNT(keys); i++) {
		struct visit v = { .key = keys[i], .challenge = "no" };

		world_service(
		    w, (struct scep_options){ .failures_per_min = 2 });
		visit_refused(w, v, texts[i]);
		visit_refused(w, v, texts[i]);
		put_off(w, v);
		EVP_PKEY_free(keys[i]);
	}
}

static int64_t
reused(struct world *w, const struct challenge *c)
{
	return world_number(w,
	    "SELECT count(*) FROM event WHERE kind = 'challenge.reused'"
	    " AND subject_id = $1",
	    c->id);
}

static void
put_an_end_to(struct world *w, X509 *x)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char fingerprint[SHA256_HEX_SIZE];

	cert_fingerprint(x, fingerprint);
	assert_ok(store_begin(w->store, STORE_WRITE, &tx, e));
	assert_ok(cert_ledger_revoke(tx, fingerprint, 4, "test", e));
	assert_ok(store_commit(&tx, e));
}

/* A certificate of the ledger that renews nothing is no way round. */
static void
a_certificate_of_ours_guesses_no_better(void **state)
{
	struct world *w = *state;
	struct challenge mine = world_challenge(w), spent = world_challenge(w);
	struct visit v = { .challenge = mine.text, .tid = "G-7" };
	X509 *old;

	world_service(w, (struct scep_options){ .failures_per_min = 2 });
	old = visit_named(w, v, "device-1");
	v = (struct visit){
		.challenge = spent.text, .key = w->key2, .tid = "G-8"
	};
	X509_free(visit_named(w, v, "device-1"));
	put_an_end_to(w, old);
	v = (struct visit){ .type = "19", .signer = old, .tid = "G-9" };
	v.challenge = spent.text;
	visit_refused(w, v, "revoked");
	assert_int_equal(reused(w, &spent), 1);
	v.challenge = "a guess";
	visit_refused(w, v, "revoked");
	put_off(w, v);
	v.peer = "198.51.100.7";
	put_off(w, v); /* by its key */
	X509_free(old);
}

/* Clients send their first challenge along when they renew. */
static void
ones_own_challenge_is_no_guess(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = forge_ec("P-256");
	struct challenge c = world_grant(
	    w, (struct scep_grant){ .template = "late", .purpose = "scep" });
	struct visit v = { .challenge = c.text, .tid = "G-10" };
	X509 *old, *next;

	world_service(w, (struct scep_options){ .failures_per_min = 1 });
	old = visit_named(w, v, "device-1");
	v = (struct visit){ .type = "19",
		.challenge = c.text,
		.signer = old,
		.key = key,
		.tid = "G-11" };
	visit_refused(w, v, "too early");
	visit_refused(w, v, "too early");
	clock_set_offset_ms(360 * MS_DAY);
	v.key = NULL;
	next = visit_named(w, v, "device-1");
	v.signer = next;
	v.key = key;
	v.tid = "G-12";
	visit_refused(w, v, "too early");
	visit_refused(w, v, "too early");
	assert_int_equal(reused(w, &c), 0);
	clock_set_offset_ms(0);
	X509_free(old);
	X509_free(next);
	EVP_PKEY_free(key);
}

static int
setup(void **state)
{
	world_setup(state);
	world_template(*state, "late", "{\"life_days\":365,\"renew_days\":30}");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_92_a_template_is_put_off),
		cmocka_unit_test(case_92_a_key_is_put_off),
		cmocka_unit_test(reuse_makes_few_events),
		cmocka_unit_test_setup_teardown(
		    a_certificate_of_ours_guesses_no_better, setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    ones_own_challenge_is_no_guess, setup, world_teardown),
		cmocka_unit_test(case_69_decryption_does_not_show),
		cmocka_unit_test(what_cannot_be_read_counts),
		cmocka_unit_test(a_key_that_is_refused_counts),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
