/* What is taken for a TLS certificate, and what is not. */
#include "cert_authority_fixture.h"

#include "certs/cert_tls.h"

struct pair {
	struct buf *cert, *key;
};

static void
pair_clear(struct pair *p)
{
	buf_free(&p->cert);
	buf_wipe(&p->key);
}

static struct pair
pair_for(const char *host)
{
	struct pair p = { 0 };
	struct err e = { 0 };
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(&shared);

	must(cert_authority_tls(a, host, &p.cert, &p.key, &e), &e);
	return p;
}

static struct cert_tls
as(const struct pair *cert, const struct pair *key, const char *host)
{
	return (struct cert_tls){ buf_slice(cert->cert), buf_slice(key->key),
		host };
}

static void
good_ones(void **state)
{
	AUTO(pair_clear) struct pair name = pair_for("mdm.example.com");
	AUTO(pair_clear) struct pair address = pair_for("192.0.2.7");
	struct cert_tls t = as(&name, &name, "mdm.example.com");
	struct err e = { 0 };

	(void)state;
	must(cert_tls_check(&t, &e), &e);
	assert_true(cert_tls_not_after(t.cert) > clock_now_ms() + MS_DAY);
	t = as(&address, &address, "192.0.2.7");
	must(cert_tls_check(&t, &e), &e);
}

static void
says(const struct cert_tls *t, const char *text)
{
	must_fail(cert_tls_check(t, &failure), ERR_INVALID);
	if (strstr(failure.text, text) == NULL)
		fail_msg("wanted \"%s\": %s", text, failure.text);
}

static void
bad_ones(void **state)
{
	AUTO(pair_clear) struct pair a = pair_for("mdm.example.com");
	AUTO(pair_clear) struct pair b = pair_for("mdm.example.com");
	struct cert_tls t = as(&a, &b, "mdm.example.com");

	(void)state;
	says(&t, "the key is not");
	t = as(&a, &a, "other.example.com");
	says(&t, "is not for other.example.com");
	t = as(&a, &a, "192.0.2.7");
	says(&t, "is not for 192.0.2.7");
	t = as(&a, &a, "mdm.example.com");
	t.cert = slice_str("-----BEGIN CERTIFICATE-----\nMII");
	says(&t, "");
	assert_int_equal(cert_tls_not_after(t.cert), 0);
	t = as(&a, &a, "mdm.example.com");
	t.key = slice_str("");
	says(&t, "");
	t = as(&a, &a, "mdm.example.com");
	clock_set_offset_ms(5000 * MS_DAY);
	says(&t, "has expired");
	clock_set_offset_ms(-30 * MS_DAY);
	says(&t, "not valid yet");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test_teardown(bad_ones, reset_clock),
	};

	return cmocka_run_group_tests(tests, make_shared, drop_shared);
}
