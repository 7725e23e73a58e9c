/*
 * Requests that two nodes ask an upstream for, and certificates that come when
 * their request is closed.
 */
#include <openssl/x509v3.h>

#include "tests/unit/scep_upstream_fixture.h"

static void
change_in(struct front *f, const char *sql)
{
	front_change(f->w, sql);
}

static void
is_closed(void *arg)
{
	change_in(arg,
	    "UPDATE scep_request SET state = 'failed', next_at = NULL,"
	    " claim = NULL, reason = 'did not decide in time'");
}

/* Another node's claim, which it has just begun. */
static void
is_claimed(void *arg)
{
	change_in(arg, "UPDATE scep_request SET claim = 'another'");
}

/* This one stands still until its claim is over, and another asks. */
static void
is_asked_by_another(void *arg)
{
	clock_set_offset_ms(10 * MS_MIN);
	assert_true(front_step(arg, NULL));
}

static void
what_nobody_waits_for_is_revoked(void **state)
{
	struct front *f = *state;

	f->refuse = ERR_REFUSED;
	f->refusals = 1;
	ask_and_step(f);
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "nobody waits for it");
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
}

static void
what_comes_late_is_revoked_and_told(void **state)
{
	struct front *f = *state;

	f->out.meanwhile = is_closed;
	ask_and_step(f);
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "did not decide in time");
	assert_int_equal(front_certificates(f, "issued"), 0);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	assert_int_equal(front_events(f, "scep.late"), 1);
	assert_int_equal(front_events(f, "certificate.revoked"), 1);
	assert_int_equal(front_events(f, "scep.issued"), 0);
	assert_int_equal(f->told, 0);
	EXPECT_F(SCEP_BAD_REQUEST, front_send(f, front_poll));
}

/* Neither the rollout nor the key have a place for it any more. */
static void
what_comes_late_and_unwanted_is_revoked_too(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(f->w,
	    (struct scep_grant){
	        .template = "corp", .purpose = "scep", .device_id = "d-1" });

	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	f->out.repeats = true;
	assert_true(front_step(f, NULL));
	assert_int_equal(front_certificates(f, "issued"), 1);
	/* The same key, meanwhile another device's. */
	change_in(f, "UPDATE scep_request SET state = 'queued', next_at = 1,"
	             " device_id = 'd-2', fingerprint = NULL");
	f->out.repeats = false;
	f->out.meanwhile = is_closed;
	clock_set_offset_ms(MS_MIN);
	assert_true(front_step(f, NULL));
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	assert_int_equal(front_events(f, "scep.late"), 1);
}

static void
a_certificate_is_not_given_after_it_was_shelved(void **state)
{
	struct front *f = *state;
	struct challenge c = world_grant(
	    f->w, (struct scep_grant){ .template = "corp", .purpose = "scep" });

	f->out.repeats = true;
	f->out.meanwhile = is_closed;
	ask_and_step(f);
	EXPECT_P(front_send(f, (struct front_ask){ .challenge = c.text }));
	clock_set_offset_ms(MS_MIN);
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "failed");
	front_request_is(f, "reason", "revoked here");
	assert_int_equal(front_certificates(f, "issued"), 0);
}

static void
only_who_has_the_claim_fails_a_request(void **state)
{
	struct front *f = *state;

	f->out.meanwhile = is_claimed;
	f->out.does = 403;
	ask_and_step(f);
	front_request_is(f, "state", "queued");
	assert_int_equal(front_events(f, "scep.failed"), 0);
}

/* And the other, which comes with nothing, changes nothing. */
static void
who_has_a_certificate_takes_the_request_back(void **state)
{
	struct front *f = *state;

	f->out.meanwhile = is_claimed;
	ask_and_step(f);
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_events(f, "scep.issued"), 1);
	assert_int_equal(front_events(f, "scep.late"), 0);
}

static void
of_two_certificates_the_second_is_revoked(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer a = { 0 };

	f->out.meanwhile = is_asked_by_another;
	ask_and_step(f);
	assert_int_equal(f->out.asked, 2);
	a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_certificates(f, "revoked"), 1);
	assert_int_equal(front_events(f, "scep.issued"), 1);
	assert_int_equal(front_events(f, "scep.late"), 1);
}

static void
the_same_certificate_twice_is_no_matter(void **state)
{
	struct front *f = *state;
	AUTO(answer_clear) struct answer a = { 0 };

	f->out.repeats = true;
	f->out.meanwhile = is_asked_by_another;
	ask_and_step(f);
	assert_int_equal(f->out.asked, 2);
	a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	assert_int_equal(front_certificates(f, "issued"), 1);
	assert_int_equal(front_certificates(f, "revoked"), 0);
	assert_int_equal(front_events(f, "scep.late"), 0);
}

/* ---- what the ledger cannot have ---- */

struct made {
	EVP_PKEY *key; /* its own */
	X509 *ca;      /* NULL: itself */
	EVP_PKEY *ca_key;
	bool is_ca;
	int serial_octets, padding;
};

static X509 *
certify(const char *cn, struct made m)
{
	static const char octets[] = "0123456789012345678901234567890";
	X509 *x = X509_new();
	AUTO(str_free) char *bulk = str_printf("%*s", m.padding, "x");
	X509_EXTENSION *ext;

	X509_set_version(x, X509_VERSION_3);
	ASN1_STRING_set(X509_get_serialNumber(x), octets, m.serial_octets);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const uint8_t *)cn, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(m.ca ? m.ca : x));
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, m.key);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
	    m.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, bulk);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(x, m.ca_key, EVP_sha256()) > 0);
	return x;
}

/* For the client's key, of the other authority. */
static struct made
theirs(struct front *f)
{
	const struct cert_member *ca =
	    cert_authority_issuer_of(f->out.w->authority,
	        cert_authority_recipient(f->out.w->authority, 0));

	return (struct made){ .key = f->w->key,
		.ca = ca->certificate,
		.ca_key = ca->key,
		.serial_octets = 20 };
}

/* One request failed because of it, and says which it was. */
static void
assert_told(struct front *f, X509 *x, const char *why)
{
	char fingerprint[SHA256_HEX_SIZE];
	AUTO(str_free) char *pattern = NULL;

	cert_fingerprint(x, fingerprint);
	pattern = str_printf("%%%s%%", fingerprint);
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM scep_request WHERE state = 'failed'"
	        " AND reason LIKE $1",
	        pattern),
	    1);
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM event WHERE kind = 'scep.failed'"
	        " AND data LIKE $1",
	        pattern),
	    1);
	str_free(&pattern);
	pattern = str_printf("%%%s%%", why);
	assert_int_equal(
	    world_number(f->w,
	        "SELECT count(*) FROM scep_request WHERE reason LIKE $1",
	        pattern),
	    1);
	clock_set_offset_ms(MS_H);
	assert_false(front_step(f, NULL));
}

static void
add_to(struct buf *b, X509 *x)
{
	AUTO(buf_free) struct buf *der = NULL;

	assert_ok(cert_der(x, &der, e));
	buf_add(b, der->p, der->len);
}

/* An upstream whose certificates come with a chain of 84 kB. */
static void
a_chain_without_end_is_asked_for_once(void **state)
{
	struct front *f = *state;
	AUTO(buf_free) struct buf *cas = buf_new(1 << 18);
	AUTO(buf_free) struct buf *pem = buf_new(1 << 15);
	AUTO(json_free) json_t *more = json_object();
	AUTO(str_free) char *text = NULL;
	EVP_PKEY *key = f->out.w->key;
	struct made m = { key, NULL, key, true, 8, 14000 };
	X509 *x[8] = { certify("CA 0", m) };

	for (int i = 1; i < 7; i++) {
		AUTO(str_free) char *cn = str_printf("CA %d", i);

		m.ca = x[i - 1];
		x[i] = certify(cn, m);
		add_to(cas, x[i]);
	}
	x[7] =
	    certify("leaf", (struct made){ f->w->key, x[6], key, false, 8, 1 });
	assert_ok(cert_pem(x[0], pem, e));
	json_put_str(more, "ca", buf_str(pem));
	text = json_text(more);
	assert_ok(front_upstream(f, true, text, e));
	f->out.cas = cas;
	f->out.gives = x[7];
	ask_and_step(f);
	assert_told(f, x[7], "more than 65536 bytes");
	for (int i = 0; i < 8; i++)
		X509_free(x[i]);
}

/* Two of one CA with the same serial number. */
static void
a_serial_number_given_twice_is_told(void **state)
{
	struct front *f = *state;
	AUTO(cert_x509_free) X509 *one = certify("one", theirs(f));
	AUTO(cert_x509_free) X509 *two = certify("two", theirs(f));
	struct challenge c = world_grant(
	    f->w, (struct scep_grant){ .template = "corp", .purpose = "scep" });

	f->out.gives = one;
	ask_and_step(f);
	front_request_is(f, "state", "issued");
	f->out.gives = two;
	EXPECT_P(front_send(
	    f, (struct front_ask){ .tid = "T-2", .challenge = c.text }));
	assert_true(front_step(f, NULL));
	assert_told(f, two, "ledger");
}

static void
a_long_serial_number_is_told(void **state)
{
	struct front *f = *state;
	struct made m = theirs(f);
	X509 *x;

	m.serial_octets = 21;
	x = certify("long", m);
	f->out.gives = x;
	ask_and_step(f);
	assert_told(f, x, "RFC 5280 4.1.2.2");
	X509_free(x);
}

static void
a_large_certificate_is_told(void **state)
{
	struct front *f = *state;
	struct made m = theirs(f);
	X509 *x;

	m.padding = 17000;
	x = certify("large", m);
	f->out.gives = x;
	ask_and_step(f);
	assert_told(f, x, "too large");
	X509_free(x);
}

/* Whatever is wrong with it passes. */
static void
faults_of_the_database_are_tried_again(void **state)
{
	struct front *f = *state;
	bool did;
	int64_t at;
	struct err why = { 0 };

	f->refuse = ERR_INTERNAL;
	f->refusals = 1;
	EXPECT_P(front_send(f, front_good));
	assert_false(scep_relay_step(f->w->service, NULL, &did, &at, &why));
	front_request_is(f, "state", "queued");
	clock_set_offset_ms(10 * MS_MIN);
	assert_true(front_step(f, NULL));
	front_request_is(f, "state", "issued");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(what_nobody_waits_for_is_revoked),
		T(what_comes_late_is_revoked_and_told),
		T(what_comes_late_and_unwanted_is_revoked_too),
		T(a_certificate_is_not_given_after_it_was_shelved),
		T(only_who_has_the_claim_fails_a_request),
		T(who_has_a_certificate_takes_the_request_back),
		T(of_two_certificates_the_second_is_revoked),
		T(the_same_certificate_twice_is_no_matter),
		T(a_chain_without_end_is_asked_for_once),
		T(a_serial_number_given_twice_is_told),
		T(a_long_serial_number_is_told),
		T(a_large_certificate_is_told),
		T(faults_of_the_database_are_tried_again),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
