/* Templates of the database: rules, changes, and certificates by them. */
#include "cert_authority_fixture.h"

#include "certs/cert_template_set.h"
#include "core/json.h"

static bool
put(struct place *p, const char *name, const char *text, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *fields = NULL;

	must(json_parse(slice_str(text), &fields, e), e);
	must(store_begin(p->st, STORE_WRITE, &tx, e), e);
	return cert_template_put(tx, name, fields, "token:x", e) &&
	       store_commit(&tx, e);
}

static bool
take_away(struct place *p, const char *name, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	must(store_begin(p->st, STORE_WRITE, &tx, e), e);
	return cert_template_remove(tx, name, "token:x", e) &&
	       store_commit(&tx, e);
}

static struct cert_template_set *
load(struct place *p)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct cert_template_set *s = NULL;
	struct err e = { 0 };

	must(store_begin(p->st, STORE_READ, &tx, &e), &e);
	must(cert_template_set_load(tx, &s, &e), &e);
	return s;
}

static size_t
count(const struct cert_template_set *s)
{
	size_t n = 0;

	while (cert_template_set_all(s)[n].name != NULL)
		n++;
	return n;
}

static void
bad_templates_are_refused(void **state)
{
	static const struct {
		const char *name, *fields, *word;
	} bad[] = {
		{ "vpn", "{\"ext_key_usage\":[\"codeSigning\"]}", "ext_key" },
		{ "vpn", "{\"ext_key_usage\":[]}", "ext_key_usage" },
		{ "vpn", "{\"ext_key_usage\":\"clientAuth\"}", "ext_key" },
		{ "vpn", "{\"ext_key_usage\":[\"clientAuth\",\"clientAuth\"]}",
		    "once" },
		{ "vpn", "{\"key_usage\":[\"keyCertSign\"]}", "key_usage" },
		{ "vpn", "{\"key_usage\":[\"keyEncipherment\"]}",
		    "digitalSignature" },
		{ "vpn", "{\"key_usage\":[1]}", "key_usage" },
		{ "vpn", "{\"rsa_min\":1024}", "rsa_min" },
		{ "vpn", "{\"rsa_min\":4096,\"rsa_max\":2048}", "rsa_min" },
		{ "vpn", "{\"life_days\":0}", "life_days" },
		{ "vpn", "{\"life_days\":3651}", "life_days" },
		{ "vpn", "{\"life_days\":30,\"renew_days\":31}", "renew_days" },
		{ "vpn", "{\"san\":1}", "san" },
		{ "vpn", "{\"ca\":true}", "ca" },
		{ "vpn", "{\"challenge\":\"often\"}", "one-time" },
		{ "vpn", "{\"beyond\":true}", "beyond" },
		{ "vpn", "{\"beyond\":\"allow\"}", "beyond" },
		{ "vpn", "{\"subject\":\"$NAME\"}", "subject" },
		{ "vpn", "{\"subject\":{\"o\":\"$NAME\"}}", "cn" },
		{ "vpn", "{\"subject\":{\"cn\":\"$HOST\"}}", "variable" },
		{ "vpn", "{\"subject\":{\"cn\":\"x\",\"dn\":\"y\"}}", "dn" },
		{ "vpn", "{\"subject\":{\"cn\":\"x\",\"more\":[]}}", "more" },
		{ "vpn",
		    "{\"challenge\":\"static\","
		    "\"subject\":{\"cn\":\"$USER\"}}",
		    "$USER" },
		{ "vpn",
		    "{\"challenge\":\"none\","
		    "\"subject\":{\"cn\":\"$NAME\"}}",
		    "$NAME" },
		{ "vpn", "{\"challenge\":\"webhook\"}", "URL" },
		{ "vpn", "{\"webhook\":\"https://a.example/\"}", "webhook" },
		{ "vpn",
		    "{\"challenge\":\"webhook\","
		    "\"webhook\":\"http://a.example/\"}",
		    "https" },
		{ "vpn",
		    "{\"challenge\":\"webhook\","
		    "\"webhook\":\"http://127.0.0.1@a.example/\"}",
		    "https" },
		{ "vpn", "{\"webhook_seconds\":21}", "webhook_seconds" },
		{ "vpn", "{\"rsa\":false,\"ec\":false}", "rsa" },
		{ "vpn", "{\"ec_min\":521}", "ec_min" },
		{ "", "{}", "name" },
		{ "Vpn", "{}", "name" },
		{ "1", "{}", "name" },
		{ "../x", "{}", "name" },
		{ "a-name-that-is-one-longer-than-it", "{}", "name" },
		/* The built-in ones stay what they are for. */
		{ CERT_TEMPLATE_DEVICE, "{\"ec\":false}", "ec" },
		{ CERT_TEMPLATE_DEVICE, "{\"life_days\":29,\"renew_days\":1}",
		    "life_days" },
		{ CERT_TEMPLATE_DEVICE, "{\"challenge\":\"none\"}",
		    "challenge" },
		{ CERT_TEMPLATE_DEVICE, "{\"approval\":true}", "approval" },
		{ CERT_TEMPLATE_USER, "{\"approval\":true}", "approval" },
		{ CERT_TEMPLATE_USER, "{\"sha1\":false}", "sha1" },
		{ CERT_TEMPLATE_TLS, "{\"life_days\":826}", "life_days" },
		{ CERT_TEMPLATE_TLS, "{\"ext_key_usage\":[\"clientAuth\"]}",
		    "ext_key_usage" },
		{ CERT_TEMPLATE_SCEP, "{\"ext_key_usage\":[\"serverAuth\"]}",
		    "ext_key_usage" },
		{ "vpn", "{\"upstream\":\"No Name\"}", "upstream" },
		/* Macs prove themselves by certificates of ours. */
		{ CERT_TEMPLATE_DEVICE, "{\"upstream\":\"corp\"}",
		    "of this authority" },
		{ CERT_TEMPLATE_TLS, "{\"upstream\":\"corp\"}",
		    "of this authority" },
	};
	struct place *p = *state;
	AUTO(cert_template_set_free) struct cert_template_set *s = NULL;

	for (size_t i = 0; i < COUNT(bad); i++) {
		must_fail(
		    put(p, bad[i].name, bad[i].fields, &failure), ERR_INVALID);
		assert_non_null(strstr(failure.text, bad[i].word));
	}
	s = load(p);
	assert_int_equal(count(s), 4);
}

static void
built_in_ones_come_back(void **state)
{
	struct place *p = *state;
	AUTO(cert_template_set_free) struct cert_template_set *s = NULL;
	AUTO(cert_template_set_free) struct cert_template_set *after = NULL;
	const struct cert_template *t;
	struct err e = { 0 };

	must(put(p, CERT_TEMPLATE_DEVICE, "{\"life_days\":180}", &e), &e);
	s = load(p);
	t = &cert_template_set_all(s)[0];
	assert_string_equal(t->name, CERT_TEMPLATE_DEVICE);
	assert_int_equal(t->life_days, 180);
	assert_int_equal(t->renew_days, 120);
	assert_string_equal(t->key_usage, cert_templates()[0].key_usage);
	assert_int_equal(count(s), 4);
	must(take_away(p, CERT_TEMPLATE_DEVICE, &e), &e);
	must_fail(take_away(p, CERT_TEMPLATE_DEVICE, &failure), ERR_NOT_FOUND);
	must_fail(take_away(p, "vpn", &failure), ERR_NOT_FOUND);
	after = load(p);
	assert_int_equal(cert_template_set_all(after)[0].life_days, 365);
}

/* A row that a newer version wrote, or somebody by hand. */
static void
rows_that_cannot_be_read_break_nothing(void **state)
{
	struct place *p = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(cert_template_set_free) struct cert_template_set *s = NULL;
	struct err e = { 0 };

	must(store_begin(p->st, STORE_WRITE, &tx, &e), &e);
	must(store_exec(tx,
	         "INSERT INTO template VALUES ('scep', '{', 1, 0, 'x'),"
	         " ('new', '{\"from\":\"later\"}', 1, 0, 'x'),"
	         " ('tls-server', '{\"life_days\":1}', 1, 0, 'x')",
	         S_ARGS(), NULL, &e),
	    &e);
	must(store_commit(&tx, &e), &e);
	s = load(p);
	assert_int_equal(count(s), 4);
	assert_int_equal(cert_template_set_all(s)[3].life_days, 397);
}

static void
there_is_an_end_to_them(void **state)
{
	struct place *p = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *fields = json_object();
	AUTO(cert_template_set_free) struct cert_template_set *s = NULL;
	char name[CERT_TEMPLATE_NAME_SIZE];
	struct err e = { 0 };

	must(store_begin(p->st, STORE_WRITE, &tx, &e), &e);
	for (int i = 0; i < CERT_TEMPLATES_MAX - 4; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		must(cert_template_put(tx, name, fields, "x", &e), &e);
	}
	must(cert_template_put(tx, "t0", fields, "x", &e), &e);
	must_fail(
	    cert_template_put(tx, "more", fields, "x", &failure), ERR_CONFLICT);
	must(store_commit(&tx, &e), &e);
	s = load(p);
	assert_int_equal(count(s), CERT_TEMPLATES_MAX);
}

static bool
issue(struct cert_live *l, const char *template, enum cert_key_kind kind,
    X509 **out, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(l);
	AUTO(cert_issued_clear) struct cert_issued i = { 0 };
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	const struct cert_subject subject = { .cn = "x", .dns = "a.example" };
	struct cert_issue in = { cert_authority_template(a, template), &subject,
		NULL, clock_now_ms(), NULL };
	bool good;

	assert_non_null(in.template);
	must(cert_key_new(kind, &key, e), e);
	assert_int_equal(X509_PUBKEY_set(&in.pub, key), 1);
	good = cert_authority_issue(a, &in, &i, e) &&
	       cert_parse(buf_slice(i.der), out, e);
	X509_PUBKEY_free(in.pub);
	return good;
}

/* Every change is seen by whoever keeps a snapshot, a removal too. */
static void
certificates_follow_their_template(void **state)
{
	struct place *p = *state;
	AUTO(cert_live_free) struct cert_live *l = open_live(p);
	AUTO(cert_x509_free) X509 *x = NULL;
	AUTO(cert_authority_free) struct cert_authority *last = NULL;
	struct err e = { 0 };
	bool changed;

	must(put(p, "vpn",
	         "{\"ext_key_usage\":[\"ipsecIKE\",\"serverAuth\"],"
	         "\"key_usage\":[\"keyEncipherment\",\"digitalSignature\"],"
	         "\"life_days\":30,\"renew_days\":10,\"san\":false}",
	         &e),
	    &e);
	must(cert_live_refresh(l, &changed, &e), &e);
	assert_true(changed);
	must(issue(l, "vpn", CERT_P256, &x, &e), &e);
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(x) & XKU_SSL_CLIENT, 0);
	assert_true(X509_get_extended_key_usage(x) & XKU_SSL_SERVER);
	assert_int_equal(X509_get_ext_by_NID(x, NID_subject_alt_name, -1), -1);
	check_life(x, 30);
	cert_x509_free(&x);

	must(put(p, "vpn", "{\"ec\":false}", &e), &e);
	must(cert_live_refresh(l, &changed, &e), &e);
	assert_true(changed);
	must_fail(issue(l, "vpn", CERT_P256, &x, &failure), ERR_FORBIDDEN);
	must(take_away(p, "vpn", &e), &e);
	must(cert_live_refresh(l, &changed, &e), &e);
	assert_true(changed);
	last = cert_live_get(l);
	assert_null(cert_authority_template(last, "vpn"));
	must(cert_live_refresh(l, &changed, &e), &e);
	assert_false(changed);
}

static void
challenges_ask_the_database(void **state)
{
	struct place *p = *state;
	AUTO(store_rollback) struct store_tx *tx = NULL;
	static const struct {
		const char *name;
		bool good;
	} rows[] = { { "vpn", true }, { "gone", false }, { "", false },
		{ CERT_TEMPLATE_TLS, false }, { CERT_TEMPLATE_SCEP, true },
		{ CERT_TEMPLATE_DEVICE, true } };
	struct err e = { 0 };
	bool good;

	must(put(p, "vpn", "{\"life_days\":30}", &e), &e);
	must(put(p, "gone", "{}", &e), &e);
	must(take_away(p, "gone", &e), &e);
	must(store_begin(p->st, STORE_READ, &tx, &e), &e);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(cert_template_free) struct cert_template *t = NULL;

		must(
		    cert_template_for_challenges(tx, rows[i].name, &t, &e), &e);
		assert_int_equal(t != NULL, rows[i].good);
		if (t != NULL)
			assert_string_equal(t->name, rows[i].name);
	}
	/* What was there may still be asked for. */
	must(cert_template_known(tx, "gone", &good, &e), &e);
	assert_true(good);
	must(cert_template_known(tx, "never", &good, &e), &e);
	assert_false(good);
}

/* Who gets certificates of it, and what these say of whom. */
static void
says_who(void **state)
{
	struct place *p = *state;
	AUTO(cert_template_set_free) struct cert_template_set *s = NULL;
	AUTO(json_free) json_t *shown = NULL;
	const struct cert_template *t;
	struct err e = { 0 };

	must(put(p, "printers",
	         "{\"challenge\":\"static\",\"approval\":true,"
	         "\"beyond\":\"refuse\",\"rsa\":false,\"ec_min\":384}",
	         &e),
	    &e);
	must(put(p, "vpn",
	         "{\"challenge\":\"webhook\",\"webhook\":"
	         "\"http://127.0.0.1:1/x\",\"webhook_seconds\":2,"
	         "\"subject\":{\"cn\":\"$USER\",\"o\":\"Acme\","
	         "\"uri\":\"urn:x:$SERIAL\"}}",
	         &e),
	    &e);
	must(put(p, CERT_TEMPLATE_USER,
	         "{\"subject\":{\"cn\":\"$USER\",\"uid\":\"$SERIAL\"}}", &e),
	    &e);
	s = load(p);
	t = cert_template_set_all(s);
	assert_int_equal(t[0].challenge, CERT_CHALLENGE_ONE_TIME);
	assert_null(t[0].subject.cn);
	assert_string_equal(t[1].subject.uid, "$SERIAL");
	assert_string_equal(t[4].name, "printers");
	assert_int_equal(t[4].challenge, CERT_CHALLENGE_STATIC);
	assert_string_equal(t[4].subject.cn, "$NAME");
	assert_true(t[4].approval && t[4].strict && !t[4].rsa);
	assert_int_equal(t[4].ec_min, 384);
	assert_string_equal(t[5].name, "vpn");
	assert_string_equal(t[5].subject.cn, "$USER");
	assert_string_equal(t[5].subject.o, "Acme");
	assert_string_equal(t[5].subject.uri, "urn:x:$SERIAL");
	assert_null(t[5].subject.ou);
	assert_string_equal(t[5].webhook, "http://127.0.0.1:1/x");
	assert_int_equal(t[5].webhook_seconds, 2);
	shown = cert_template_set_json(s, 5);
	assert_string_equal(
	    json_string_value(json_object_get(shown, "challenge")), "webhook");
	assert_string_equal(json_string_value(json_object_get(
	                        json_object_get(shown, "subject"), "uri")),
	    "urn:x:$SERIAL");
}

static void
keys_of_one_kind(void **state)
{
	struct place *p = *state;
	AUTO(cert_template_set_free) struct cert_template_set *s = NULL;
	AUTO(cert_key_free) EVP_PKEY *p256 = NULL, *rsa = NULL;
	const struct cert_template *t;
	struct err e = { 0 };

	must(put(p, "ec", "{\"rsa\":false}", &e), &e);
	must(put(p, "p384", "{\"ec_min\":384}", &e), &e);
	must(cert_key_new(CERT_P256, &p256, &e), &e);
	must(cert_key_new(CERT_RSA_2048, &rsa, &e), &e);
	s = load(p);
	t = cert_template_set_all(s);
	must(cert_template_key(&t[4], p256, &e), &e);
	must_fail(cert_template_key(&t[4], rsa, &failure), ERR_INVALID);
	must(cert_template_key(&t[5], rsa, &e), &e);
	must_fail(cert_template_key(&t[5], p256, &failure), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(bad_templates_are_refused),
		PLACE_TEST(built_in_ones_come_back),
		PLACE_TEST(rows_that_cannot_be_read_break_nothing),
		PLACE_TEST(there_is_an_end_to_them),
		PLACE_TEST(certificates_follow_their_template),
		PLACE_TEST(challenges_ask_the_database),
		PLACE_TEST(says_who),
		PLACE_TEST(keys_of_one_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
