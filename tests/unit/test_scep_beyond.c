/* What a request may ask for: where it goes to an upstream, and here. */
#include <openssl/x509v3.h>

#include "scep/scep_service_priv.h"
#include "tests/unit/scep_forge.h"

#define NAMES "the request asks for other names than it may have"
#define USAGE "the request asks for other usages than it may have"
#define MORE "the request asks for an extension it may not have"
#define ATTRIBUTES "the request has attributes it may not have"

static const struct cert_subject allowed = { .cn = "gate",
	.o = "Acme",
	.email = "it@example.com",
	.dns = "gate.example.com",
	.ip = "192.0.2.7",
	.more = { { "dns", "also.example.com" }, { "uri", "urn:y" } } };
static const struct cert_template template = { .name = "vpn",
	.key_usage = "digitalSignature,keyEncipherment",
	.san = true,
	.ext_key_usage = "clientAuth,ipsecIKE" };

static X509_REQ *
request(void)
{
	X509_REQ *req = X509_REQ_new();

	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
	    MBSTRING_UTF8, (const uint8_t *)"gate", -1, -1, 0);
	return req;
}

static const struct scep_beyond there = { &allowed, &template, true };
static const struct scep_beyond here = { &allowed, &template, false };

/* Signed and encoded; what is wrong with it.  Takes req. */
static const char *
problem_at(const struct scep_beyond *may, EVP_PKEY *key, X509_REQ *req)
{
	uint8_t *der = NULL;
	const char *why;
	int len;

	X509_REQ_set_pubkey(req, key);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, &der);
	why = scep_beyond_problem(slice_of(der, (size_t)len), may);
	OPENSSL_free(der);
	X509_REQ_free(req);
	return why;
}

static const char *
problem(X509_REQ *req)
{
	AUTO(cert_key_free) EVP_PKEY *key = EVP_EC_gen("P-256");

	return problem_at(&there, key, req);
}

static const char *
problem_here(X509_REQ *req)
{
	AUTO(cert_key_free) EVP_PKEY *key = EVP_EC_gen("P-256");

	return problem_at(&here, key, req);
}

static void
is(const char *have, const char *want)
{
	if (!str_eq(have, want))
		fail_msg("%s", have != NULL ? have : "permitted");
}

static const char *
with_name(const char *type, const char *value)
{
	X509_REQ *req = request();

	assert_int_equal(
	    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), type,
	        MBSTRING_UTF8, (const uint8_t *)value, -1, -1, 0),
	    1);
	return problem(req);
}

static void
every_name_is_one_that_was_given(void **state)
{
	(void)state;
	is(problem(request()), NULL);
	is(problem(X509_REQ_new()), NAMES);
	is(with_name("O", "Acme"), NULL);
	is(with_name("O", "Other"), NAMES);
	is(with_name("CN", "gate"), NULL);
	is(with_name("CN", "president"), NAMES);
	is(with_name("OU", "any"), NAMES);
	is(with_name("C", "JP"), NAMES);
	is(with_name("emailAddress", "it@example.com"), NULL);
	is(with_name("emailAddress", "president@example.com"), NAMES);
}

static void
add_extension(X509_REQ *req, int list_nid, int nid, const char *value)
{
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *x;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, NULL, NULL, req, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (x == NULL)
		fail_msg("%s", value);
	sk_X509_EXTENSION_push(all, x);
	assert_int_equal(X509_REQ_add_extensions_nid(req, all, list_nid), 1);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
}

static const char *
with_extension(int nid, const char *value)
{
	X509_REQ *req = request();

	add_extension(req, NID_ext_req, nid, value);
	return problem(req);
}

static void
extensions_are_the_templates(void **state)
{
	static const struct {
		int nid;
		const char *value, *want;
	} rows[] = {
		{ NID_subject_alt_name, "DNS:gate.example.com", NULL },
		{ NID_subject_alt_name,
		    "DNS:gate.example.com,IP:192.0.2.7,email:it@example.com",
		    NULL },
		{ NID_subject_alt_name, "DNS:gate.example.com,DNS:example.com",
		    NAMES },
		{ NID_subject_alt_name,
		    "DNS:also.example.com,DNS:gate.example.com", NULL },
		{ NID_subject_alt_name, "URI:urn:y", NULL },
		{ NID_subject_alt_name, "DNS:urn:y", NAMES },
		{ NID_subject_alt_name, "IP:192.0.2.8", NAMES },
		{ NID_subject_alt_name, "URI:urn:x", NAMES },
		{ NID_subject_alt_name,
		    "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:president", NAMES },
		{ NID_key_usage, "digitalSignature,keyEncipherment", NULL },
		{ NID_key_usage, "digitalSignature,keyCertSign", USAGE },
		{ NID_key_usage, "cRLSign", USAGE },
		{ NID_key_usage, "keyAgreement", USAGE },
		{ NID_ext_key_usage, "clientAuth", NULL },
		{ NID_ext_key_usage, "ipsecIKE,clientAuth", NULL },
		{ NID_ext_key_usage, "clientAuth,serverAuth", USAGE },
		{ NID_ext_key_usage, "1.3.6.1.4.1.311.20.2.2", USAGE },
		{ NID_basic_constraints, "CA:FALSE", NULL },
		{ NID_basic_constraints, "CA:TRUE", MORE },
		{ NID_inhibit_any_policy, "2", MORE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		is(with_extension(rows[i].nid, rows[i].value), rows[i].want);
}

static void
nothing_hides_in_attributes(void **state)
{
	X509_REQ *req = request();

	(void)state;
	X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword,
	    MBSTRING_UTF8, (const uint8_t *)"x", -1);
	X509_REQ_add1_attr_by_NID(
	    req, NID_friendlyName, MBSTRING_UTF8, (const uint8_t *)"label", -1);
	is(problem(req), NULL);
	req = request();
	X509_REQ_add1_attr_by_NID(req, NID_pkcs9_unstructuredName, MBSTRING_ASC,
	    (const uint8_t *)"president", -1);
	is(problem(req), ATTRIBUTES);
	/* The name of one of NDES's templates. */
	req = request();
	X509_REQ_add1_attr_by_txt(req, "1.3.6.1.4.1.311.13.2.1",
	    V_ASN1_UTF8STRING, (const uint8_t *)"SubCA", 5);
	is(problem(req), ATTRIBUTES);
	/* Two lists, of which the upstream may read the other one. */
	req = request();
	add_extension(
	    req, NID_ext_req, NID_subject_alt_name, "DNS:gate.example.com");
	add_extension(
	    req, NID_ms_ext_req, NID_subject_alt_name, "DNS:example.com");
	is(problem(req), MORE);
	/* One list, in Microsoft's attribute. */
	req = request();
	add_extension(
	    req, NID_ms_ext_req, NID_subject_alt_name, "DNS:example.com");
	is(problem(req), NAMES);
	assert_non_null(scep_beyond_problem(slice_str("garbage"), &there));
	assert_non_null(scep_beyond_problem(slice_str("garbage"), &here));
}

static X509_REQ *
request_with(int nid, const char *value)
{
	X509_REQ *req = request();

	add_extension(req, NID_ext_req, nid, value);
	return req;
}

/* Keys that cannot encrypt have no use for it. */
static void
usages_are_those_of_the_key(void **state)
{
	static const char both[] = "digitalSignature,keyEncipherment";
	AUTO(cert_key_free) EVP_PKEY *ec = EVP_EC_gen("P-256");
	AUTO(cert_key_free) EVP_PKEY *rsa = NULL;
	struct cert_template t = template;
	struct scep_beyond may = { &allowed, &t, true };
	struct err why = { 0 };

	(void)state;
	assert_true(cert_key_new(CERT_RSA_2048, &rsa, &why));
	t.key_usage_ec = "critical,digitalSignature";
	for (int outside = 0; outside < 2; outside++) {
		may.outside = outside == 1;
		is(problem_at(&may, rsa, request_with(NID_key_usage, both)),
		    NULL);
		is(problem_at(&may, ec, request_with(NID_key_usage, both)),
		    USAGE);
		is(problem_at(&may, ec,
		       request_with(NID_key_usage, "digitalSignature")),
		    NULL);
	}
}

/* Where we make the certificate, only what would be in it is looked at. */
static void
here_the_rest_does_not_matter(void **state)
{
	struct cert_template t = template;
	struct scep_beyond may = { &allowed, &t, false };
	AUTO(cert_key_free) EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *req = request();

	(void)state;
	X509_REQ_add1_attr_by_NID(req, NID_pkcs9_unstructuredName, MBSTRING_ASC,
	    (const uint8_t *)"president", -1);
	is(problem_here(req), NULL);
	is(problem_here(X509_REQ_new()), NULL);
	/* The address goes into the alternative names, if there are any. */
	req = request();
	X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req),
	    NID_pkcs9_emailAddress, MBSTRING_UTF8,
	    (const uint8_t *)"it@example.com", -1, -1, 0);
	is(problem_here(req), NAMES);
	is(problem_here(
	       request_with(NID_subject_alt_name, "DNS:gate.example.com")),
	    NULL);
	t.san = false;
	is(problem_at(&may, key,
	       request_with(NID_subject_alt_name, "DNS:gate.example.com")),
	    NAMES);
	/* Two lists are one too many here, too. */
	req = request_with(NID_subject_alt_name, "DNS:gate.example.com");
	add_extension(
	    req, NID_ms_ext_req, NID_subject_alt_name, "DNS:example.com");
	is(problem_here(req), MORE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_one_that_was_given),
		cmocka_unit_test(extensions_are_the_templates),
		cmocka_unit_test(nothing_hides_in_attributes),
		cmocka_unit_test(usages_are_those_of_the_key),
		cmocka_unit_test(here_the_rest_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
