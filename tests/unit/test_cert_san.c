/* Names as texts for people, also those that somebody made up. */
#include "cert_fixture.h"

#include "certs/cert_san.h"
#include "core/json.h"

static X509 *
with(const char *names)
{
	X509 *x = X509_new();
	X509_EXTENSION *ext =
	    X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, names);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
	return x;
}

static void
shows(const char *names, const char *texts)
{
	AUTO(cert_x509_free) X509 *x = with(names);
	AUTO(json_free) json_t *all = cert_san_json(x);
	AUTO(str_free) char *text = json_text(all);

	assert_string_equal(text, texts);
}

static void
every_kind_has_a_text(void **state)
{
	(void)state;
	shows("DNS:a.example,email:x@a.example,URI:urn:x",
	    "[\"dns:a.example\",\"email:x@a.example\",\"uri:urn:x\"]");
	shows("IP:192.0.2.1,IP:2001:db8::1",
	    "[\"ip:192.0.2.1\",\"ip:2001:db8::1\"]");
	shows("otherName:msUPN;UTF8:x@a.example,otherName:1.2.3;UTF8:y",
	    "[\"upn:x@a.example\",\"otherName:1.2.3\"]");
	/* One that says it is of Windows, and is not. */
	shows("otherName:msUPN;INTEGER:7",
	    "[\"otherName:1.3.6.1.4.1.311.20.2.3\"]");
	shows("RID:1.2.3", "[\"rid:1.2.3\"]");
	/* An address of one byte, a directory name, a party of EDI. */
	shows("DER:30:03:87:01:7f", "[\"ip\"]");
	shows("DER:30:04:a4:02:30:00", "[\"directoryName\"]");
	shows("DER:30:07:a5:05:a1:03:0c:01:61", "[\"a name of another kind\"]");
}

static void
what_cannot_be_read_is_not_shown(void **state)
{
	AUTO(cert_x509_free) X509 *none = X509_new();
	AUTO(json_free) json_t *all = cert_san_json(none);

	(void)state;
	assert_int_equal(json_array_size(all), 0);
	shows("DER:05:00", "[]");
	/* Not what stands before the NUL alone. */
	shows("DER:30:05:82:03:61:00:62", "[\"dns:a?b\"]");
}

static void
long_ones_are_cut(void **state)
{
	AUTO(str_free) char *name = str_printf("DNS:%0900d", 0);
	AUTO(cert_x509_free) X509 *x = with(name);
	AUTO(json_free) json_t *all = cert_san_json(x);

	(void)state;
	assert_int_equal(
	    json_string_length(json_array_get(all, 0)), strlen("dns:") + 255);
}

static void
attributes_have_names(void **state)
{
	static const char *const subject[][3] = {
		{ "C", "JP", "C=JP" },
		{ "UID", "x", "UID=x" },
		{ "1.2.3.4", "x", "1.2.3.4=x" },
		{ "CN", "\xe4\xbd\x90", "CN=\xe4\xbd\x90" },
	};
	X509_NAME *n = X509_NAME_new();

	(void)state;
	for (size_t i = 0; i < COUNT(subject); i++) {
		AUTO(str_free) char *text = NULL;

		assert_int_equal(
		    X509_NAME_add_entry_by_txt(n, subject[i][0], MBSTRING_UTF8,
		        (const uint8_t *)subject[i][1], -1, -1, 0),
		    1);
		text = cert_san_attribute(X509_NAME_get_entry(n, (int)i));
		assert_string_equal(text, subject[i][2]);
	}
	X509_NAME_free(n);
}

/* As the certificate will have them: tested beside the certificate itself. */
static void
names_to_be_are_in_order(void **state)
{
	struct cert_subject s = { .cn = "x",
		.email = "x@a.example",
		.dns = "a.example",
		.ip = "192.0.2.1",
		.uri = "urn:x",
		.more = { { "dns", "b.example" } } };
	AUTO(json_free) json_t *all = cert_san_of_subject(&s);
	AUTO(str_free) char *text = json_text(all);

	(void)state;
	assert_string_equal(text,
	    "[\"email:x@a.example\",\"dns:a.example\",\"ip:192.0.2.1\","
	    "\"uri:urn:x\",\"dns:b.example\"]");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_a_text),
		cmocka_unit_test(what_cannot_be_read_is_not_shown),
		cmocka_unit_test(long_ones_are_cut),
		cmocka_unit_test(attributes_have_names),
		cmocka_unit_test(names_to_be_are_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
