/* Names and alternative names: what passes, as what, and what does not. */
#include "cert_fixture.h"

#include "certs/cert_subject_priv.h"
#include "core/limits.h"

/* The bytes that OpenSSL would write. */
static void
name_is_utf8(void **state)
{
	static const struct {
		const char *cn, *o, *ou, *uid;
	} cases[] = {
		{ "佐藤", "A, CN=b", "", "sato" },
		{ "Mac", NULL, "a+b", NULL },
		{ "0123456789012345678901234567890123456789012345678901"
		  "23456789012",
		    "O", "U", "u" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct cert_subject s = { .cn = cases[i].cn,
			.o = cases[i].o,
			.ou = cases[i].ou,
			.uid = cases[i].uid };
		const struct {
			int nid;
			const char *value;
		} want[] = {
			{ NID_organizationName, s.o },
			{ NID_organizationalUnitName, s.ou },
			{ NID_commonName, s.cn },
			{ NID_userId, s.uid },
		};
		AUTO(buf_free) struct buf *got = buf_new(LIMIT_CERT);
		X509_NAME *name = X509_NAME_new();
		struct err e = { 0 };
		const uint8_t *der;
		size_t len;

		for (size_t j = 0; j < COUNT(want); j++)
			if (!str_empty(want[j].value))
				assert_int_equal(
				    X509_NAME_add_entry_by_NID(name,
				        want[j].nid, MBSTRING_UTF8,
				        (const uint8_t *)want[j].value, -1, -1,
				        0),
				    1);
		must(cert_subject_name(&s, got, &e), &e);
		assert_int_equal(X509_NAME_get0_der(name, &der, &len), 1);
		assert_true(slice_eq(buf_slice(got), slice_of(der, len)));
		X509_NAME_free(name);
	}
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
	AUTO(buf_free) struct buf *name = buf_new(LIMIT_CERT);
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		must_fail(
		    cert_subject_name(&bad[i], name, &failure), ERR_INVALID);
	must(
	    cert_subject_name(&(struct cert_subject){ .cn = long64 }, name, &e),
	    &e);
}

static void
alternative_names_by_kind(void **state)
{
	const struct cert_subject s = { .cn = "a",
		.email = "sato@example.com",
		.dns = "*.example.com",
		.ip = "192.0.2.1",
		.uri = "urn:uuid:1" };
	AUTO(buf_free) struct buf *out = buf_new(LIMIT_CERT);
	struct err e = { 0 };
	const uint8_t *p;
	GENERAL_NAMES *names;

	(void)state;
	must(cert_subject_san(&s, out, &e), &e);
	p = out->p;
	names = d2i_GENERAL_NAMES(NULL, &p, (long)out->len);
	assert_ptr_equal(p, out->p + out->len);
	assert_int_equal(sk_GENERAL_NAME_num(names), 4);
	assert_int_equal(sk_GENERAL_NAME_value(names, 0)->type, GEN_EMAIL);
	assert_int_equal(sk_GENERAL_NAME_value(names, 1)->type, GEN_DNS);
	assert_int_equal(sk_GENERAL_NAME_value(names, 2)->type, GEN_IPADD);
	assert_int_equal(sk_GENERAL_NAME_value(names, 3)->type, GEN_URI);
	assert_int_equal(
	    ASN1_STRING_length(sk_GENERAL_NAME_value(names, 2)->d.iPAddress),
	    4);
	assert_string_equal(
	    ASN1_STRING_get0_data(sk_GENERAL_NAME_value(names, 1)->d.dNSName),
	    s.dns);
	GENERAL_NAMES_free(names);
}

static void
no_alternative_names_nothing(void **state)
{
	AUTO(buf_free) struct buf *out = buf_new(LIMIT_CERT);
	struct err e = { 0 };

	(void)state;
	must(cert_subject_san(
	         &(struct cert_subject){ .cn = "a", .dns = "" }, out, &e),
	    &e);
	assert_int_equal(out->len, 0);
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
		AUTO(buf_free) struct buf *out = buf_new(LIMIT_CERT);

		must_fail(
		    cert_subject_san(&bad[i], out, &failure), ERR_INVALID);
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
		cmocka_unit_test(no_alternative_names_nothing),
		cmocka_unit_test(bad_alternative_names_are_refused),
		cmocka_unit_test(checked_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
