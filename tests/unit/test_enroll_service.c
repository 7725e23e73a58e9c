/* The service: what it refuses to start with, and its periodic work. */
#include "tests/unit/enroll_payload.h"

static void
signer_must_fit(void **state)
{
	struct site *s = *state;
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	struct enroll_service *out = NULL;
	struct enroll_options o = { .store = s->store,
		.seal = s->seal,
		.live = s->live,
		.organization = "Acme",
		.public_url = "https://x",
		.topic = "" };
	struct err why = { 0 };

	OK(cert_authority_tls(s->authority, "other", &cert, &key, &e));
	o.signer_cert_pem = buf_str(s->tls_cert);
	o.signer_key_pem = buf_str(key);
	assert_false(enroll_service_new(&o, &out, &why));
	assert_non_null(strstr(why.text, "signer"));
	o.signer_cert_pem = "rubbish";
	assert_false(enroll_service_new(&o, &out, &why));
	o.signer_cert_pem = buf_str(s->tls_cert);
	o.signer_key_pem = "rubbish";
	assert_false(enroll_service_new(&o, &out, &why));
	assert_null(out);
}

/* While profiles are made by others; a bad one changes nothing. */
static void
signer_can_change(void **state)
{
	struct site *s = *state;
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(buf_free) struct buf *profile = NULL;
	AUTO(cert_x509_free)
	X509 *one = X509_dup(s->enroll->signer.certificate);
	struct err why = { 0 };

	OK(cert_authority_tls(s->authority, "other", &cert, &key, &e));
	assert_false(enroll_service_set_signer(
	    s->enroll, buf_str(cert), buf_str(s->tls_key), &why));
	assert_int_equal(why.code, ERR_INVALID);
	assert_int_equal(X509_cmp(s->enroll->signer.certificate, one), 0);
	OK(enroll_service_set_signer(
	    s->enroll, buf_str(cert), buf_str(key), &e));
	assert_int_not_equal(X509_cmp(s->enroll->signer.certificate, one), 0);
	OK(enroll_service_profile(s->enroll, TEST_TOPIC, &profile, &e));
}

static void
slash_behind_the_url_is_dropped(void **state)
{
	struct site *s = *state;
	AUTO(enroll_service_free) struct enroll_service *out = NULL;
	struct enroll_options o = { .store = s->store,
		.seal = s->seal,
		.live = s->live,
		.organization = "Acme",
		.public_url = "https://x/",
		.signer_cert_pem = buf_str(s->tls_cert),
		.signer_key_pem = buf_str(s->tls_key),
		.topic = "" };

	OK(enroll_service_new(&o, &out, &e));
	assert_string_equal(out->public_url, "https://x");
}

static void
old_challenges_are_purged(void **state)
{
	struct site *s = *state;
	struct buf *profile = NULL;

	OK(enroll_service_profile(s->enroll, TEST_TOPIC, &profile, &e));
	buf_free(&profile);
	clock_set_offset_ms(30 * MS_DAY);
	OK(enroll_service_tick(s->enroll, NULL, &e));
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM challenge", NULL), 1);
	clock_set_offset_ms(30 * MS_DAY + 2 * MS_H);
	OK(enroll_service_tick(s->enroll, NULL, &e));
	assert_int_equal(
	    site_number(s, "SELECT COUNT(*) FROM challenge", NULL), 0);
	clock_set_offset_ms(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signer_must_fit),
		cmocka_unit_test(slash_behind_the_url_is_dropped),
		cmocka_unit_test(old_challenges_are_purged),
		cmocka_unit_test(signer_can_change),
	};

	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
