/* What the authority issues: templates, names, validity, keys, hosts. */
#include "cert_authority_fixture.h"

static X509 *
issued_cert(const struct cert_issued *i)
{
	struct err e = { 0 };
	X509 *x = NULL;

	must(cert_parse(buf_slice(i->der), &x, &e), &e);
	return x;
}

static const X509_ALGOR *
algorithm_of(const X509 *x)
{
	const X509_ALGOR *outer;

	X509_get0_signature(NULL, &outer, x);
	return outer;
}

static void
templates_decide(void **state)
{
	static const struct {
		const char *template;
		int64_t days;
		unsigned extended;
		int purpose;
	} cases[] = {
		{ CERT_TEMPLATE_DEVICE, 365, XKU_SSL_CLIENT,
		    X509_PURPOSE_SSL_CLIENT },
		{ CERT_TEMPLATE_USER, 1126, XKU_SSL_CLIENT,
		    X509_PURPOSE_SSL_CLIENT },
		{ CERT_TEMPLATE_SCEP, 365, XKU_SSL_CLIENT,
		    X509_PURPOSE_SSL_CLIENT },
		{ CERT_TEMPLATE_TLS, 397, XKU_SSL_SERVER,
		    X509_PURPOSE_SSL_SERVER },
	};
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	AUTO(cert_key_free) EVP_PKEY *rsa = new_key(CERT_RSA_2048);
	AUTO(cert_key_free) EVP_PKEY *ec = new_key(CERT_P256);
	struct cert_subject s = { .cn = "Mac", .dns = "mac.example" };
	struct err e = { 0 };

	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		EVP_PKEY *key = i % 2 == 0 ? rsa : ec;
		AUTO(cert_issued_clear) struct cert_issued out = { 0 };
		AUTO(cert_x509_free) X509 *x = NULL;

		must(
		    issue_for(a, cases[i / 2].template, &s, key, &out, &e), &e);
		x = issued_cert(&out);
		assert_int_equal(
		    chain_error(a, x, cases[i / 2].purpose), X509_V_OK);
		check_life(x, cases[i / 2].days);
		assert_int_equal(
		    X509_get_extended_key_usage(x), cases[i / 2].extended);
		assert_int_equal(X509_get_key_usage(x),
		    key == rsa ? KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT
		               : KU_DIGITAL_SIGNATURE);
		assert_int_equal(X509_check_ca(x), 0);
		assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), key), 1);
		/* Apple: server certificates live at most 825 days. */
		if (cases[i / 2].purpose == X509_PURPOSE_SSL_SERVER)
			assert_true(cert_not_after(x) - cert_not_before(x) <
			            398 * MS_DAY);
	}
}

static void
issued_describes_the_certificate(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_RSA_2048);
	struct cert_subject s = { .cn = "佐藤", .o = "O, CN=evil", .uid = "u" };
	char text[512], last[64] = "";
	struct err e = { 0 };

	for (int i = 0; i < 8; i++) {
		AUTO(cert_issued_clear) struct cert_issued out = { 0 };
		AUTO(cert_x509_free) X509 *x = NULL;

		must(issue_for(a, CERT_TEMPLATE_DEVICE, &s, k, &out, &e), &e);
		x = issued_cert(&out);
		cert_fingerprint(x, text);
		assert_string_equal(text, out.fingerprint);
		cert_serial(x, text, sizeof(text));
		assert_string_equal(text, out.serial);
		assert_int_equal(strlen(text), 40);
		assert_true(text[0] < '8');
		assert_true(text[0] > '0' || text[1] > '0');
		/* Later ones are greater, and all differ, by chance only. */
		assert_true(strncmp(text, last, 8) >= 0);
		assert_memory_not_equal(text + 8, last + 8, 32);
		memcpy(last, text, sizeof(last));
		cert_subject(x, text, sizeof(text));
		assert_string_equal(text, out.subject);
		assert_string_equal(text, "UID=u,CN=佐藤,O=O\\, CN=evil");
		assert_int_equal(cert_not_before(x), out.not_before);
		assert_int_equal(cert_not_after(x), out.not_after);
		must(cert_spki(k, text, &e), &e);
		assert_string_equal(text, out.spki);
	}
}

/* A clock that lies makes no serial number that cannot be read. */
static void
serial_has_its_size_at_any_time(void **state)
{
	static const int64_t years_off[] = { -56, -55, 0, 80, 100 };
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_pubkey_free) X509_PUBKEY *pub = NULL;
	struct cert_subject subject = { .cn = "a" };
	int64_t now = clock_now_ms() / MS_S * MS_S;
	struct cert_build b = { .subject = &subject,
		.signer = k,
		.validity = { now, now + MS_DAY } };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(X509_PUBKEY_set(&pub, k), 1);
	b.pub = pub;
	for (size_t i = 0; i < COUNT(years_off); i++) {
		AUTO(cert_built_clear) struct cert_built built = { 0 };
		AUTO(cert_x509_free) X509 *x = NULL;
		char text[64];

		clock_set_offset_ms(years_off[i] * 365 * MS_DAY);
		must(cert_build(&b, &built, &e), &e);
		must(cert_parse(buf_slice(built.der), &x, &e), &e);
		cert_serial(x, text, sizeof(text));
		assert_int_equal(strlen(text), 40);
		assert_true(text[0] < '8');
	}
	clock_set_offset_ms(0);
}

static void
the_ledger_reads_names_as_others_do(void **state)
{
	static const char *const names[] = { " ", " a", "a ", "a b", "  ", "#1",
		"1#", "a,b+c\"d\\e<f>g;h", "=", "a=b/c", "\xc2\x85", "ア" };
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	char text[512];
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(cert_issued_clear) struct cert_issued out = { 0 };
		AUTO(cert_x509_free) X509 *x = NULL;
		struct cert_subject s = { .cn = names[i],
			.o = "O",
			.ou = names[COUNT(names) - 1 - i],
			.uid = "" };

		must(issue_for(a, CERT_TEMPLATE_DEVICE, &s, k, &out, &e), &e);
		x = issued_cert(&out);
		cert_subject(x, text, sizeof(text));
		assert_string_equal(out.subject, text);
	}
}

/* Byte for byte what OpenSSL makes of it again: canonical DER. */
static void
encoding_is_that_of_openssl(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	struct cert_subject s = { .cn = "Mac",
		.o = "Example KK",
		.email = "sato@example.com",
		.dns = "mac.example",
		.ip = "2001:db8::1",
		.uri = "urn:uuid:1" };
	struct err e = { 0 };

	for (int i = 0; i < 4; i++) {
		AUTO(cert_key_free)
		EVP_PKEY *k = new_key(i % 2 == 0 ? CERT_RSA_2048 : CERT_P256);
		AUTO(cert_issued_clear) struct cert_issued out = { 0 };
		AUTO(cert_x509_free) X509 *x = NULL;
		uint8_t *der = NULL;
		int len;

		must(
		    issue_for(a, i < 2 ? CERT_TEMPLATE_USER : CERT_TEMPLATE_TLS,
		        &s, k, &out, &e),
		    &e);
		x = issued_cert(&out);
		assert_int_equal(X509_get_version(x), X509_VERSION_3);
		assert_int_equal(X509_get_ext_count(x), 6);
		assert_int_equal(
		    X509_verify(x, X509_get0_pubkey(cert_authority_issuing(a))),
		    1);
		assert_int_equal(
		    X509_ALGOR_cmp(X509_get0_tbs_sigalg(x), algorithm_of(x)),
		    0);
		/* Encoded anew, not from what was read. */
		len = i2d_re_X509_tbs(x, &der);
		assert_memory_equal(out.der->p + 4, der, (size_t)len);
		OPENSSL_free(der);
	}
}

static void
never_outlives_the_issuer(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_issued_clear) struct cert_issued first = { 0 };
	AUTO(cert_issued_clear) struct cert_issued last = { 0 };
	AUTO(cert_issued_clear) struct cert_issued none = { 0 };
	struct cert_subject s = { .cn = "Mac" };
	struct err e = { 0 };
	X509 *ca = cert_authority_issuing(a);

	must(issue_for(a, CERT_TEMPLATE_DEVICE, &s, k, &first, &e), &e);
	assert_true(first.not_before >= cert_not_before(ca));
	clock_set_offset_ms(3600 * MS_DAY);
	must(issue_for(a, CERT_TEMPLATE_DEVICE, &s, k, &last, &e), &e);
	assert_int_equal(last.not_after, cert_not_after(ca));
	assert_true(last.not_before <= clock_now_ms() - MS_DAY);
	clock_set_offset_ms(3651 * MS_DAY);
	must_fail(issue_for(a, CERT_TEMPLATE_DEVICE, &s, k, &none, &failure),
	    ERR_INTERNAL);
	assert_null(none.der);
}

static void
refuses_wrong_keys(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	AUTO(cert_key_free)
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct cert_subject s = { .cn = "Mac" };
	struct cert_issued out = { 0 };

	must_fail(issue_for(a, CERT_TEMPLATE_DEVICE, &s, ed, &out, &failure),
	    ERR_FORBIDDEN);
	must_fail(issue_for(a, CERT_TEMPLATE_DEVICE, &s,
	              cert_authority_ra_key(a), &out, &failure),
	    ERR_FORBIDDEN);
	must_fail(issue_for(a, CERT_TEMPLATE_DEVICE, &s,
	              X509_get0_pubkey(cert_authority_root(a)), &out, &failure),
	    ERR_FORBIDDEN);
	s.cn = "";
	must_fail(issue_for(a, CERT_TEMPLATE_DEVICE, &s, ed, &out, &failure),
	    ERR_FORBIDDEN);
	assert_null(out.der);
}

static void
tls_certificate_names_its_host(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	static const char *const hosts[] = { "mdm.example.com", "127.0.0.1",
		"::1",
		("a.very.long.name.of.a.host.in.some.domain.of.some.company."
		 "example.com") };
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(hosts); i++) {
		AUTO(buf_free) struct buf *cert = NULL;
		AUTO(buf_wipe) struct buf *key = NULL;
		AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
		AUTO(cert_key_free) EVP_PKEY *k = NULL;
		X509 *x;

		must(cert_authority_tls(a, hosts[i], &cert, &key, &e), &e);
		must(cert_parse_chain(buf_slice(cert), &chain, &e), &e);
		must(cert_key_parse(buf_slice(key), &k, &e), &e);
		assert_int_equal(sk_X509_num(chain), 2);
		x = sk_X509_value(chain, 0);
		assert_int_equal(X509_check_private_key(x, k), 1);
		assert_int_equal(
		    chain_error(a, x, X509_PURPOSE_SSL_SERVER), X509_V_OK);
		assert_int_equal(i == 1 || i == 2
		                     ? X509_check_ip_asc(x, hosts[i], 0)
		                     : X509_check_host(x, hosts[i], 0, 0, NULL),
		    1);
		assert_int_not_equal(
		    X509_check_host(x, "other.example", 0, 0, NULL), 1);
	}
}

static void
tls_refuses_bad_hosts(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	struct buf *cert = NULL, *key = NULL;

	must_fail(
	    cert_authority_tls(a, "a b", &cert, &key, &failure), ERR_INVALID);
	must_fail(cert_authority_tls(a, "a,DNS:b", &cert, &key, &failure),
	    ERR_INVALID);
	assert_null(cert);
	assert_null(key);
}

#define SHARED(f) cmocka_unit_test_setup_teardown(f, share, reset_clock)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SHARED(templates_decide),
		SHARED(issued_describes_the_certificate),
		SHARED(serial_has_its_size_at_any_time),
		SHARED(the_ledger_reads_names_as_others_do),
		SHARED(encoding_is_that_of_openssl),
		SHARED(never_outlives_the_issuer),
		SHARED(refuses_wrong_keys),
		SHARED(tls_certificate_names_its_host),
		SHARED(tls_refuses_bad_hosts),
	};

	return cmocka_run_group_tests(tests, make_shared, drop_shared);
}
