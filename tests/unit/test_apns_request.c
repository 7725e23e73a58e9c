/* The way to a push certificate: our CSR, and the vendor's signed request. */
#include "tests/unit/cert_fixture.h"

#include <openssl/pem.h>

#include "apns/apns_request_priv.h"
#include "core/pl.h"

/* A vendor below an intermediate below a root, as Apple's are. */
static struct {
	EVP_PKEY *root_key, *middle_key, *vendor_key;
	X509 *root, *middle, *vendor;
	struct buf *key, *chain;
	struct apns_request *request;
} the;

static const struct apns_request_subject good = { "Example KK", "JP",
	"it@example.com" };

static struct buf *
chain_of(X509 *const *list)
{
	struct buf *b = buf_new(64 << 10);
	struct err e = { 0 };

	for (; *list != NULL; list++)
		must(cert_pem(*list, b, &e), &e);
	return b;
}

static int
make_all(void **state)
{
	struct err e = { 0 };

	(void)state;
	the.root_key = new_key(CERT_RSA_2048);
	the.middle_key = new_key(CERT_RSA_2048);
	the.vendor_key = new_key(CERT_RSA_2048);
	the.root = new_cert(
	    &(struct leaf){ .cn = "Root", .key = the.root_key, .ca = true });
	the.middle = new_cert(&(struct leaf){ .cn = "WWDR",
	    .key = the.middle_key,
	    .issuer = the.root,
	    .issuer_key = the.root_key,
	    .ca = true });
	the.vendor = new_cert(&(struct leaf){ .cn = "MDM Vendor",
	    .key = the.vendor_key,
	    .issuer = the.middle,
	    .issuer_key = the.middle_key });
	the.chain =
	    chain_of((X509 *[]){ the.vendor, the.middle, the.root, NULL });
	must(cert_key_pem(the.vendor_key, &the.key, &e), &e);
	must(apns_request_make(&good, &the.request, &e), &e);
	return 0;
}

static int
free_all(void **state)
{
	(void)state;
	apns_request_free(&the.request);
	buf_free(&the.chain);
	buf_wipe(&the.key);
	cert_x509_free(&the.vendor);
	cert_x509_free(&the.middle);
	cert_x509_free(&the.root);
	cert_key_free(&the.vendor_key);
	cert_key_free(&the.middle_key);
	cert_key_free(&the.root_key);
	return 0;
}

static struct slice
csr(void)
{
	return slice_str(the.request->csr_pem);
}

static void
a_request_says_what_it_was_told(void **state)
{
	AUTO(cert_req_free) X509_REQ *req = NULL;
	char text[128] = "";
	X509_NAME *name;
	struct err e = { 0 };

	(void)state;
	must(apns_request_csr(csr(), &req, &e), &e);
	name = X509_REQ_get_subject_name(req);
	X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof(text));
	assert_string_equal(text, "Example KK");
	X509_NAME_get_text_by_NID(name, NID_countryName, text, sizeof(text));
	assert_string_equal(text, "JP");
	X509_NAME_get_text_by_NID(
	    name, NID_pkcs9_emailAddress, text, sizeof(text));
	assert_string_equal(text, "it@example.com");
	assert_int_equal(EVP_PKEY_get_bits(X509_REQ_get0_pubkey(req)), 2048);
}

static void
fields_that_do_not_fit(void **state)
{
	static const struct apns_request_subject bad[] = {
		{ "", "JP", "a@b" },
		{ "Example", "jp", "a@b" },
		{ "Example", "JPN", "a@b" },
		{ "Example", "JP", "nobody" },
		{ "12345678901234567890123456789012345678901234567890123456789"
		  "012345",
		    "JP", "a@b" },
	};
	struct apns_request *r = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		must_fail(
		    apns_request_make(&bad[i], &r, &failure), ERR_INVALID);
	assert_null(r);
}

static struct apns_vendor
vendor(struct slice key, struct slice chain)
{
	return (struct apns_vendor){ .key = key, .chain = chain };
}

static void
signed_as_the_portal_takes_it(void **state)
{
	struct apns_vendor v = vendor(buf_slice(the.key), buf_slice(the.chain));
	AUTO(buf_free) struct buf *text = NULL;
	AUTO(buf_free) struct buf *xml = buf_new(64 << 10);
	AUTO(pl_free) struct pl *p = NULL;
	const char *pem, *line;
	struct err e = { 0 };

	(void)state;
	must(apns_request_sign(csr(), &v, &text, &e), &e);
	must(apns_request_check(buf_slice(text), csr(), &e), &e);
	must(b64_decode(xml, buf_slice(text), B64_STRICT, &e), &e);
	must(pl_parse(buf_slice(xml), &p, &e), &e);
	must(
	    pl_need_str(p, "PushCertCertificateChain", 64 << 10, &pem, &e), &e);
	assert_string_equal(pem, buf_str(the.chain));
	/* Lines of 64 characters, as the portal insists. */
	line = strchr(pem, '\n') + 1;
	assert_int_equal(strcspn(line, "\n"), 64);
}

static void
chains_that_are_refused(void **state)
{
	X509 *const wrong_order[] = { the.vendor, the.root, the.middle, NULL };
	X509 *const no_root[] = { the.vendor, the.middle, NULL };
	X509 *const alone[] = { the.vendor, NULL };
	X509 *const *const bad[] = { wrong_order, no_root, alone };
	struct buf *text = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		AUTO(buf_free) struct buf *chain = chain_of(bad[i]);
		struct apns_vendor v =
		    vendor(buf_slice(the.key), buf_slice(chain));

		must_fail(
		    apns_request_sign(csr(), &v, &text, &failure), ERR_INVALID);
		assert_non_null(strstr(failure.text, "CertificateChain"));
	}
	clock_set_offset_ms(400 * MS_DAY);
	must_fail(apns_request_sign(csr(),
	              &(struct apns_vendor){ .key = buf_slice(the.key),
	                  .chain = buf_slice(the.chain) },
	              &text, &failure),
	    ERR_INVALID);
	clock_set_offset_ms(0);
	assert_non_null(strstr(failure.text, "outside its dates"));
}

static void
keys_and_requests_that_are_refused(void **state)
{
	AUTO(buf_wipe) struct buf *other = NULL;
	struct slice chain = buf_slice(the.chain);
	struct apns_vendor v = vendor(buf_slice(the.key), chain);
	struct buf *text = NULL;
	AUTO(str_free) char *forged = str_dup(the.request->csr_pem);
	struct err e = { 0 };

	(void)state;
	must(cert_key_pem(the.middle_key, &other, &e), &e);
	v.key = buf_slice(other);
	must_fail(apns_request_sign(csr(), &v, &text, &failure), ERR_INVALID);
	assert_non_null(strstr(failure.text, "does not belong"));
	v.key = slice_str("nonsense");
	must_fail(apns_request_sign(csr(), &v, &text, &failure), ERR_INVALID);
	v.key = buf_slice(the.key);
	must_fail(apns_request_sign(slice_str("x"), &v, &text, &failure),
	    ERR_INVALID);
	/* A CSR somebody changed does not verify. */
	forged[200] = forged[200] == 'A' ? 'B' : 'A';
	must_fail(apns_request_sign(slice_str(forged), &v, &text, &failure),
	    ERR_INVALID);
}

/* The signed request with one field put in the place of another. */
static struct buf *
signed_with(const char *csr_b64, const char *chain, const char *signature)
{
	AUTO(buf_free) struct buf *xml = buf_new(64 << 10);
	struct buf *out = buf_new(128 << 10);

	pl_begin(xml);
	pl_dict(xml);
	pl_key_str(xml, "PushCertRequestCSR", csr_b64);
	pl_key_str(xml, "PushCertCertificateChain", chain);
	pl_key_str(xml, "PushCertSignature", signature);
	pl_dict_end(xml);
	pl_end(xml);
	b64_encode(out, buf_slice(xml));
	return out;
}

static void
what_a_signer_may_get_wrong(void **state)
{
	struct apns_vendor v = vendor(buf_slice(the.key), buf_slice(the.chain));
	AUTO(buf_free) struct buf *text = NULL;
	AUTO(buf_free) struct buf *xml = buf_new(64 << 10);
	AUTO(pl_free) struct pl *p = NULL;
	AUTO(apns_request_free) struct apns_request *other = NULL;
	const char *request, *chain, *signature;
	struct err e = { 0 };

	(void)state;
	must(apns_request_sign(csr(), &v, &text, &e), &e);
	must(apns_request_make(&good, &other, &e), &e);
	must_fail(apns_request_check(
	              buf_slice(text), slice_str(other->csr_pem), &failure),
	    ERR_INVALID);
	assert_non_null(strstr(failure.text, "PushCertRequestCSR"));
	must(b64_decode(xml, buf_slice(text), B64_STRICT, &e), &e);
	must(pl_parse(buf_slice(xml), &p, &e), &e);
	must(pl_need_str(p, "PushCertRequestCSR", 1 << 16, &request, &e), &e);
	must(pl_need_str(p, "PushCertCertificateChain", 1 << 16, &chain, &e),
	    &e);
	must(pl_need_str(p, "PushCertSignature", 1 << 16, &signature, &e), &e);
	{
		const char *const fields[][4] = {
			{ NULL, chain, signature, "PushCertRequestCSR" },
			{ request, NULL, signature, "CertificateChain" },
			{ request, chain, NULL, "PushCertSignature" },
			{ request, chain, "AAAA", "PushCertSignature" },
			{ request, chain, "****", "PushCertSignature" },
			{ request, "none", signature, "CertificateChain" },
		};

		for (size_t i = 0; i < COUNT(fields); i++) {
			AUTO(buf_free)
			struct buf *bad = signed_with(
			    fields[i][0], fields[i][1], fields[i][2]);

			must_fail(
			    apns_request_check(buf_slice(bad), csr(), &failure),
			    ERR_INVALID);
			assert_non_null(strstr(failure.text, fields[i][3]));
		}
	}
	must_fail(
	    apns_request_check(slice_str("%%"), csr(), &failure), ERR_INVALID);
	must_fail(
	    apns_request_check(slice_str(""), csr(), &failure), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_says_what_it_was_told),
		cmocka_unit_test(fields_that_do_not_fit),
		cmocka_unit_test(signed_as_the_portal_takes_it),
		cmocka_unit_test(chains_that_are_refused),
		cmocka_unit_test(keys_and_requests_that_are_refused),
		cmocka_unit_test(what_a_signer_may_get_wrong),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
