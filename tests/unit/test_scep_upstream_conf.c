/* Upstreams as data: what may be said of one, and what is shown. */
#include <openssl/pem.h>

#include "scep/scep_client_priv.h"
#include "tests/unit/scep_upstream_fixture.h"

static void
refused(struct front *f, bool est, const char *more, const char *text)
{
	struct err why = { 0 };

	if (front_upstream(f, est, more, &why))
		fail_msg("%s was taken", more);
	assert_int_equal(why.code, ERR_INVALID);
	if (strstr(why.text, text) == NULL)
		fail_msg("%s: %s", more, why.text);
}

static void
what_is_wrong_is_named(void **state)
{
	struct front *f = *state;

	static const struct {
		bool est;
		const char *more, *text;
	} rows[] = {
		{ true, "{\"kind\":\"cmp\"}", "kind" },
		{ true, "{\"kind\":null}", "kind" },
		{ true, "{\"url\":\"http://x\"}", "EST needs https" },
		{ false, "{\"url\":\"ftp://x\"}", "url" },
		{ false, "{\"url\":null}", "url" },
		{ false, "{\"url\":\"http://u:p@x\"}", "url" },
		{ false, "{\"url\":\"http://x/?a=b\"}", "url" },
		{ true, "{\"ca\":null}", "ca" },
		{ true, "{\"ca\":\"no PEM\"}", "ca" },
		{ true, "{\"tls_ca\":\"no PEM\"}", "tls_ca" },
		{ true, "{\"ca_name\":\"x\"}", "for SCEP" },
		{ true, "{\"allow_des\":true}", "for SCEP" },
		{ false, "{\"user\":\"x\"}", "for EST" },
		{ true, "{\"password\":\"x\"}", "without user" },
		{ true, "{\"user\":\"a:b\"}", "colon" },
		{ true, "{\"client_key\":\"x\"}", "together" },
		{ true, "{\"rate_per_min\":0}", "rate_per_min" },
		{ true, "{\"timeout_s\":121}", "timeout_s" },
		{ true, "{\"tries\":0}", "tries" },
		{ true, "{\"days\":31}", "days" },
		{ true, "{\"colour\":1}", "colour" },
		{ true, "{\"renew\":1}", "renew" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		refused(f, rows[i].est, rows[i].more, rows[i].text);
	assert_int_equal(front_events(f, "upstream.changed"), 1);
}

static char *
pem_text(X509 *x, EVP_PKEY *k)
{
	AUTO(buf_wipe) struct buf *pem = buf_new(8192);
	AUTO(buf_wipe) struct buf *key = NULL;

	if (k == NULL) {
		assert_ok(cert_pem(x, pem, e));
		return str_dup(buf_str(pem));
	}
	assert_ok(cert_key_pem(k, &key, e));
	return str_dup(buf_str(key));
}

static void
no_end_entity_is_an_anchor(void **state)
{
	struct front *f = *state;
	AUTO(str_free) char *pem = pem_text(f->w->signer, NULL);
	AUTO(json_free) json_t *more = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(more, "ca", pem);
	text = json_text(more);
	refused(f, true, text, "no certificate of a CA");
}

/* Nobody is told to send his request to it. */
static void
the_ra_of_scep_may_be_the_first_anchor(void **state)
{
	struct front *f = *state;
	AUTO(str_free) char *ra = pem_text(f->out.w->ra, NULL);
	AUTO(str_free)
	char *both = str_printf("%s%s", ra, buf_str(f->out.root));
	AUTO(str_free)
	char *wrong = str_printf("%s%s", buf_str(f->out.root), ra);
	AUTO(json_free) json_t *more = json_object();
	AUTO(str_free) char *text = NULL, *bad = NULL;
	AUTO(buf_free) struct buf *body = buf_new(1 << 16);
	AUTO(buf_free) struct buf *der = NULL;
	bool known;

	json_put_str(more, "ca", both);
	text = json_text(more);
	assert_ok(front_upstream(f, false, text, e));
	assert_ok(scep_relay_ca_chain(
	    f->w->service, f->w->authority, "corp", body, &known, e));
	assert_true(known);
	assert_ok(cert_der(f->out.w->ra, &der, e));
	assert_null(memmem(body->p, body->len, der->p, der->len));
	refused(f, true, text, "no certificate of a CA");
	json_put_str(more, "ca", wrong);
	bad = json_text(more);
	refused(f, false, bad, "no certificate of a CA");
	json_put_str(more, "ca", ra);
	str_free(&bad);
	bad = json_text(more);
	refused(f, false, bad, "no certificate of a CA");
}

static json_t *
shown(struct front *f)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	json_t *one;

	assert_ok(store_begin(f->w->store, STORE_READ, &tx, e));
	assert_ok(scep_upstream_conf_json(tx, "corp", &one, e));
	return one;
}

static void
assert_shown(const json_t *one, const char *expected)
{
	AUTO(json_free) json_t *all = NULL;
	const char *key;
	json_t *value;

	assert_ok(json_parse(slice_str(expected), &all, e));
	json_object_foreach(all, key, value)
	{
		if (!json_equal(json_object_get(one, key), value))
			fail_msg("%s", key);
	}
}

static void
opened(struct front *f, struct scep_upstream_conf *out)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool found;

	assert_ok(store_begin(f->w->store, STORE_READ, &tx, e));
	assert_ok(
	    scep_upstream_conf_open(tx, f->w->seal, "corp", out, &found, e));
	assert_true(found);
}

static void
secrets_are_never_shown(void **state)
{
	struct front *f = *state;
	AUTO(str_free) char *cert = pem_text(f->w->signer, NULL);
	AUTO(str_wipe) char *key = pem_text(NULL, f->w->key);
	AUTO(str_wipe) char *other = pem_text(NULL, f->w->key2);
	AUTO(json_free) json_t *more = json_object();
	AUTO(str_free) char *text = NULL, *wrong = NULL, *all = NULL;
	AUTO(json_free) json_t *one = NULL;
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };

	json_put_str(more, "client_certificate", cert);
	json_put_str(more, "client_key", other);
	json_put_str(more, "user", "ra");
	json_put_str(more, "password", "open sesame");
	wrong = json_text(more);
	refused(f, true, wrong, "client_key is not that of");
	json_put_str(more, "client_key", key);
	text = json_text(more);
	assert_ok(front_upstream(f, true, text, e));
	one = shown(f);
	all = json_text(one);
	assert_null(strstr(all, "sesame"));
	assert_null(strstr(all, "PRIVATE"));
	assert_true(json_is_true(json_object_get(one, "secret")));
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM upstream WHERE fields LIKE $1",
	        "%PRIVATE%"),
	    0);
	opened(f, &c);
	assert_string_equal(c.password, "open sesame");
	assert_string_equal(c.client_key, key);
	assert_non_null(c.client_private);
	/* Absent: it is gone. */
	assert_ok(front_upstream(f, true, "{}", e));
	scep_upstream_conf_clear(&c);
	opened(f, &c);
	assert_null(c.password);
}

static void
what_is_absent_has_a_default(void **state)
{
	struct front *f = *state;
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };

	assert_ok(front_upstream(f, false, "{}", e));
	opened(f, &c);
	assert_false(c.est || c.renew || c.allow_des);
	assert_int_equal(c.rate_per_min, 6000);
	assert_int_equal(c.timeout_s, 20);
	assert_int_equal(c.tries, 10);
	assert_int_equal(c.days, 3);
}

static void
what_is_in_force_is_shown(void **state)
{
	struct front *f = *state;
	AUTO(json_free) json_t *one = NULL;
	AUTO(json_free) json_t *two = NULL;

	assert_ok(front_upstream(f, false, "{\"rate_per_min\":null}", e));
	one = shown(f);
	assert_shown(one, "{\"rate_per_min\":60,\"timeout_s\":20,\"tries\":10,"
	                  "\"days\":3,\"renew\":false,\"allow_des\":false}");
	assert_ok(front_upstream(
	    f, true, "{\"timeout_s\":9,\"days\":null,\"renew\":true}", e));
	two = shown(f);
	assert_shown(two, "{\"rate_per_min\":6000,\"timeout_s\":9,"
	                  "\"tries\":10,\"days\":3,\"renew\":true}");
}

static void
asked_who_it_is(void **state)
{
	struct front *f = *state;

	for (int est = 0; est < 2; est++) {
		AUTO(json_free) json_t *answer = NULL;
		const json_t *certs, *caps;

		assert_ok(front_upstream(f, est, "{}", e));
		assert_ok(
		    scep_upstream_conf_test(f->w->service, "corp", &answer, e));
		certs = json_object_get(answer, "certificates");
		caps = json_object_get(answer, "capabilities");
		assert_int_equal(json_array_size(certs), est ? 1 : 3);
		assert_int_equal(json_array_size(caps) > 0, !est);
	}
}

static void
another_server_is_noticed(void **state)
{
	struct front *f = *state;
	AUTO(buf_free) struct buf *pem = buf_new(8192);
	AUTO(json_free) json_t *more = json_object(), *answer = NULL;
	AUTO(str_free) char *text = NULL;
	struct err why = { 0 };

	/* Our own root instead of theirs. */
	assert_ok(cert_pem(cert_authority_root(f->w->authority), pem, e));
	json_put_str(more, "ca", buf_str(pem));
	text = json_text(more);
	for (int est = 0; est < 2; est++) {
		assert_ok(front_upstream(f, est, text, e));
		assert_false(scep_upstream_conf_test(
		    f->w->service, "corp", &answer, &why));
		assert_int_equal(why.code, ERR_REFUSED);
	}
	assert_false(
	    scep_upstream_conf_test(f->w->service, "none", &answer, &why));
	assert_int_equal(why.code, ERR_NOT_FOUND);
}

static size_t
certificates_of(struct front *f, const char *name)
{
	AUTO(buf_free) struct buf *body = buf_new(1 << 17);
	AUTO(cert_stack_free) STACK_OF(X509) *all = NULL;
	const char *type;

	assert_ok(scep_ca_chain(f->w->service, name, body, &type, e));
	assert_string_equal(type, "application/x-x509-ca-ra-cert");
	assert_ok(scep_client_certificates(buf_slice(body), &all, e));
	assert_int_equal(X509_cmp(sk_X509_value(all, 0), f->w->ra), 0);
	return (size_t)sk_X509_num(all);
}

static void
get_ca_cert_by_its_name(void **state)
{
	struct front *f = *state;

	assert_int_equal(certificates_of(f, NULL), 3);
	assert_int_equal(certificates_of(f, "CAIdentifier"), 3);
	assert_int_equal(certificates_of(f, "none"), 3);
	assert_int_equal(certificates_of(f, "corp"), 4);
	EXPECT_P(front_send(f, front_good));
	assert_true(front_step(f, NULL));
	/* With the CA that has issued. */
	assert_int_equal(certificates_of(f, "corp"), 5);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_wrong_is_named),
		T(no_end_entity_is_an_anchor),
		T(the_ra_of_scep_may_be_the_first_anchor),
		T(secrets_are_never_shown),
		T(what_is_absent_has_a_default),
		T(what_is_in_force_is_shown),
		T(asked_who_it_is),
		T(another_server_is_noticed),
		T(get_ca_cert_by_its_name),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
