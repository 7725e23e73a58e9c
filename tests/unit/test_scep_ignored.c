/* What a request asks for that its certificate will not say.  Whole requests
 * are in test_scep_names.c. */
#include "core/json.h"
#include "scep/scep_names_priv.h"
#include "scep/scep_service_priv.h"
#include "tests/unit/core_test.h"
#include "tests/unit/scep_answer.h"

static const struct cert_subject will = { .cn = "gate", .dns = "a.example" };

/* Of a CSR with these; the caller's. */
static char *
ignored(STACK_OF(X509_EXTENSION) * first, STACK_OF(X509_EXTENSION) * second)
{
	AUTO(cert_req_free) X509_REQ *req = X509_REQ_new();
	AUTO(cert_key_free) EVP_PKEY *key = EVP_EC_gen("P-256");
	AUTO(json_free) json_t *all = NULL;
	uint8_t *der = NULL;
	int len;

	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
	    MBSTRING_UTF8, (const uint8_t *)"gate", -1, -1, 0);
	if (first != NULL)
		assert_int_equal(X509_REQ_add_extensions(req, first), 1);
	if (second != NULL)
		assert_int_equal(
		    X509_REQ_add_extensions_nid(req, second, NID_ms_ext_req),
		    1);
	X509_REQ_set_pubkey(req, key);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, &der);
	all = scep_ignored(slice_of(der, (size_t)len),
	    &(struct scep_beyond){
	        &will, cert_template_find(CERT_TEMPLATE_SCEP), false });
	OPENSSL_free(der);
	sk_X509_EXTENSION_pop_free(first, X509_EXTENSION_free);
	sk_X509_EXTENSION_pop_free(second, X509_EXTENSION_free);
	return json_text(all);
}

static STACK_OF(X509_EXTENSION) * names(const char *text)
{
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();

	sk_X509_EXTENSION_push(
	    all, X509V3_EXT_nconf(NULL, NULL, "subjectAltName", text));
	return all;
}

static void
is(STACK_OF(X509_EXTENSION) * first, STACK_OF(X509_EXTENSION) * second,
    const char *want)
{
	AUTO(str_free) char *got = ignored(first, second);

	assert_string_equal(got, want);
}

static void
what_will_be_is_not_ignored(void **state)
{
	(void)state;
	is(NULL, NULL, "[]");
	is(names("DNS:a.example"), NULL, "[]");
	is(names("DNS:a.example,DNS:b.example"), NULL, "[\"dns:b.example\"]");
}

static void
what_cannot_be_read_is_told(void **state)
{
	(void)state;
	is(names("DER:05:00"), NULL,
	    "[\"alternative names that cannot be read\"]");
	is(names("DNS:a.example"), names("DNS:a.example"),
	    "[\"a second list of extensions\"]");
}

static void
there_is_an_end(void **state)
{
	AUTO(buf_free) struct buf *many = buf_new(65536);
	AUTO(json_free) json_t *all = NULL;
	AUTO(str_free) char *text = NULL;

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_addf(many, "%sDNS:%d.example", i > 0 ? "," : "", i);
	text = ignored(names(buf_str(many)), NULL);
	assert_ok(json_parse_any(slice_str(text), &all, e));
	assert_int_equal(json_array_size(all), 33);
	assert_string_equal(
	    json_string_value(json_array_get(all, 32)), "and more");
}

static void
garbage_asks_for_nothing(void **state)
{
	AUTO(json_free)
	json_t *all = scep_ignored(slice_str("no request"),
	    &(struct scep_beyond){
	        &will, cert_template_find(CERT_TEMPLATE_SCEP), false });

	(void)state;
	assert_int_equal(json_array_size(all), 0);
}

static void
kinds_are_cut(void **state)
{
	AUTO(json_free) json_t *all = NULL;
	char text[12];

	(void)state;
	assert_ok(json_parse_any(
	    slice_str("[\"C=JP\",\"upn:x\",\"rid:1.2\"]"), &all, e));
	scep_ignored_kinds(all, text, sizeof(text));
	assert_string_equal(text, "C, upn, rid");
	scep_ignored_kinds(all, text, 5);
	assert_string_equal(text, "C, u");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_will_be_is_not_ignored),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(there_is_an_end),
		cmocka_unit_test(garbage_asks_for_nothing),
		cmocka_unit_test(kinds_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
