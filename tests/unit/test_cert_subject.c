/* Names and alternative names: what passes, as what, and what does not. */
#include "cert_fixture.h"

#include "certs/cert_subject_priv.h"

static void
name_is_utf8(void **state)
{
	const struct cert_subject s = {
		.cn = "佐藤", .o = "A, CN=b", .ou = "", .uid = "sato"
	};
	X509_NAME *name = X509_NAME_new();
	struct err e = { 0 };

	(void)state;
	must(cert_subject_name(&s, name, &e), &e);
	assert_int_equal(X509_NAME_entry_count(name), 3);
	for (int i = 0; i < 3; i++) {
		int type = ASN1_STRING_type(
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));

		assert_true(type == V_ASN1_UTF8STRING ||
		            type == V_ASN1_PRINTABLESTRING);
	}
	X509_NAME_free(name);
}

static void
bad_names_are_refused(void **state)
{
	static const char long64[] =
	    "0123456789012345678901234567890123456789012345678901234567890123";
	static const struct cert_subject bad[] = {
		{ .cn = NULL },
		{ .cn = "" },
		{ .cn = "a\nb" },
		{ .cn = "a\x7f" },
		{ .cn = "\xff\xfe" },
		{ .cn = "0123456789012345678901234567890123456789012345678901"
		        "2345678901234" },
		{ .cn = "a", .o = "\xc0\x80" },
		{ .cn = "a",
		    .ou = "0123456789012345678901234567890123456789012345678901"
		          "2345678901234" },
	};
	X509_NAME *name = X509_NAME_new();
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		must_fail(
		    cert_subject_name(&bad[i], name, &failure), ERR_INVALID);
	must(
	    cert_subject_name(&(struct cert_subject){ .cn = long64 }, name, &e),
	    &e);
	X509_NAME_free(name);
}

static void
alternative_names_by_kind(void **state)
{
	const struct cert_subject s = { .cn = "a",
		.email = "sato@example.com",
		.dns = "*.example.com",
		.ip = "192.0.2.1",
		.uri = "urn:uuid:1" };
	X509 *x = X509_new();
	struct err e = { 0 };
	GENERAL_NAMES *names;

	(void)state;
	must(cert_subject_add_san(&s, x, &e), &e);
	names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(names), 4);
	assert_int_equal(sk_GENERAL_NAME_value(names, 0)->type, GEN_EMAIL);
	assert_int_equal(sk_GENERAL_NAME_value(names, 1)->type, GEN_DNS);
	assert_int_equal(sk_GENERAL_NAME_value(names, 2)->type, GEN_IPADD);
	assert_int_equal(sk_GENERAL_NAME_value(names, 3)->type, GEN_URI);
	assert_int_equal(
	    ASN1_STRING_length(sk_GENERAL_NAME_value(names, 2)->d.iPAddress),
	    4);
	GENERAL_NAMES_free(names);
	X509_free(x);
}

static void
no_alternative_names_no_extension(void **state)
{
	X509 *x = X509_new();
	struct err e = { 0 };

	(void)state;
	must(cert_subject_add_san(
	         &(struct cert_subject){ .cn = "a", .dns = "" }, x, &e),
	    &e);
	assert_int_equal(X509_get_ext_count(x), 0);
	X509_free(x);
}

static void
bad_alternative_names_are_refused(void **state)
{
	static const struct cert_subject bad[] = {
		{ .dns = "a,DNS:b" },
		{ .dns = "a b" },
		{ .dns = "a..b" },
		{ .dns = ".a" },
		{ .dns = "a." },
		{ .dns = "-a" },
		{ .dns = "*." },
		{ .dns = "a.*" },
		{ .dns = "mac.例え" },
		{ .email = "nobody" },
		{ .email = "@example.com" },
		{ .email = "a@b@c" },
		{ .email = "a b@example.com" },
		{ .email = "佐藤@example.com" },
		{ .email = "a@" },
		{ .ip = "1.2.3" },
		{ .ip = "1.2.3.4/24" },
		{ .ip = "::1%lo" },
		{ .uri = "x" },
		{ .uri = ":x" },
		{ .uri = "http://a b" },
		{ .uri = "http://a\nb" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		X509 *x = X509_new();

		must_fail(
		    cert_subject_add_san(&bad[i], x, &failure), ERR_INVALID);
		assert_int_equal(X509_get_ext_count(x), 0);
		X509_free(x);
	}
}

static void
checked_as_a_whole(void **state)
{
	struct err e = { 0 };

	(void)state;
	must(cert_subject_check(
	         &(struct cert_subject){ .cn = "a", .dns = "a.example" }, &e),
	    &e);
	must_fail(
	    cert_subject_check(&(struct cert_subject){ .cn = "" }, &failure),
	    ERR_INVALID);
	must_fail(
	    cert_subject_check(
	        &(struct cert_subject){ .cn = "a", .dns = "a b" }, &failure),
	    ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_is_utf8),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(alternative_names_by_kind),
		cmocka_unit_test(no_alternative_names_no_extension),
		cmocka_unit_test(bad_alternative_names_are_refused),
		cmocka_unit_test(checked_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
