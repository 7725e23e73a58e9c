/*
 * The authority with a real database: hierarchy, first and later starts,
 * starts that were interrupted, and RA renewal.
 */
#include "cert_authority_fixture.h"

#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <sys/stat.h>

#include "certs/cert_authority_priv.h"
#include "core/log.h"

static void
hierarchy_is_strict(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	X509 *root = cert_authority_root(a), *ca = cert_authority_issuing(a),
	     *ra = cert_authority_ra(a);
	char text[128];

	assert_int_equal(chain_error(a, ca, 0), X509_V_OK);
	assert_int_equal(chain_error(a, ra, 0), X509_V_OK);
	cert_subject(root, text, sizeof(text));
	assert_string_equal(text, "CN=Example Root CA,O=Example");
	cert_subject(ca, text, sizeof(text));
	assert_string_equal(text, "CN=Example Issuing CA G1,O=Example");
	cert_subject(ra, text, sizeof(text));
	assert_string_equal(text, "CN=Example SCEP RA,O=Example");
	assert_int_equal(
	    X509_get_key_usage(root), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(
	    X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(
	    X509_get_key_usage(ra), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	assert_int_equal(X509_get_extended_key_usage(ra), UINT32_MAX);
	assert_int_equal(X509_get_pathlen(root), 1);
	assert_int_equal(X509_get_pathlen(ca), 0);
	assert_int_equal(X509_check_ca(ra), 0);
	assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(ca)), 2048);
	assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(ra)), 2048);
	check_life(root, 20 * 365);
	check_life(ca, 10 * 365);
	check_life(ra, 2 * 365);
	assert_int_equal(
	    X509_check_private_key(ra, cert_authority_ra_key(a)), 1);
}

static void
chain_lists_ra_first(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	struct slice der = cert_authority_ra_chain(a);
	const unsigned char *p = der.p;
	PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)der.len);
	STACK_OF(X509) * got;

	assert_non_null(p7);
	assert_ptr_equal(p, der.p + der.len);
	got = p7->d.sign->cert;
	assert_int_equal(sk_X509_num(got), 3);
	assert_int_equal(
	    X509_cmp(sk_X509_value(got, 0), cert_authority_ra(a)), 0);
	assert_int_equal(
	    X509_cmp(sk_X509_value(got, 1), cert_authority_issuing(a)), 0);
	assert_int_equal(
	    X509_cmp(sk_X509_value(got, 2), cert_authority_root(a)), 0);
	PKCS7_free(p7);
}

static void
second_start_keeps_everything(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;

	/* Keys are sealed in their rows: no files. */
	assert_false(file_exists(p->keys));
	store_close(&p->st);
	place_open(p);
	b = open_authority(p);
	assert_string_equal(cert_authority_id(a), cert_authority_id(b));
	assert_int_equal(
	    X509_cmp(cert_authority_root(a), cert_authority_root(b)), 0);
	assert_int_equal(
	    X509_cmp(cert_authority_ra(a), cert_authority_ra(b)), 0);
}

static bool
open_with(struct place *p, const char *organization, struct err *e)
{
	struct cert_authority_options o = { .vault = place_vault(p),
		.organization = organization };
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	return cert_authority_open(p->st, &o, &a, e);
}

static void
exec(struct place *p, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct err e = { 0 };

	must(store_begin(p->st, STORE_WRITE, &tx, &e), &e);
	must(store_exec(tx, sql, S_ARGS(), NULL, &e), &e);
	must(store_commit(&tx, &e), &e);
}

static void
bad_starts_are_refused(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };

	must_fail(open_with(p, "", &failure), ERR_INVALID);
	must_fail(
	    open_with(p, "an organization with a name far beyond the bounds",
	        &failure),
	    ERR_INVALID);
	must(open_with(p, "Example", &e), &e);

	/* Sealed values are bound to their row. */
	exec(p, "UPDATE authority SET key_sealed = (SELECT key_sealed FROM"
	        " authority WHERE role = 'ra') WHERE role = 'issuing'");
	must_fail(open_with(p, "Example", &failure), ERR_INTERNAL);
	exec(p, "UPDATE authority SET key_sealed = NULL"
	        " WHERE role = 'issuing'");
	must_fail(open_with(p, "Example", &failure), ERR_NOT_FOUND);
	exec(p, "UPDATE authority SET state = 'old' WHERE role = 'issuing'");
	must_fail(open_with(p, "Example", &failure), ERR_INTERNAL);
}

static void
root_key_may_be_away(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;

	assert_non_null(a);
	exec(p, "UPDATE authority SET key_kind = 'away', key_sealed = NULL"
	        " WHERE role = 'root'");
	b = open_authority(p);
	assert_non_null(b);
}

/* What is sealed opens under its own master key only. */
static void
another_master_key_opens_nothing(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(str_free) char *path = str_printf("%s/other.key", p->dir);
	struct err e = { 0 };

	assert_non_null(a);
	seal_free(&p->seal);
	must(seal_open(path, &p->seal, &e), &e);
	must_fail(open_with(p, "Example", &failure), ERR_INTERNAL);
	assert_non_null(strstr(failure.text, "master.key"));
}

static int64_t
count(struct place *p, const char *sql)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *rows = NULL;
	struct err e = { 0 };
	bool more;

	must(store_begin(p->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, sql, S_ARGS(), &rows, &e), &e);
	must(store_next(rows, &more, &e), &e);
	return store_int(rows, 0);
}

static void
ra_renews_itself(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	AUTO(cert_authority_free) struct cert_authority *c = NULL;
	AUTO(cert_authority_free) struct cert_authority *d = NULL;

	clock_set_offset_ms((2 * 365 - 366) * MS_DAY);
	b = open_authority(p);
	assert_int_equal(
	    X509_cmp(cert_authority_ra(a), cert_authority_ra(b)), 0);

	clock_set_offset_ms((2 * 365 - 364) * MS_DAY);
	c = open_authority(p);
	assert_int_not_equal(
	    X509_cmp(cert_authority_ra(a), cert_authority_ra(c)), 0);
	assert_string_equal(cert_authority_id(a), cert_authority_id(c));
	assert_int_equal(chain_error(c, cert_authority_ra(c), 0), X509_V_OK);
	check_life(cert_authority_ra(c), 2 * 365);
	assert_int_equal(count(p, "SELECT COUNT(*) FROM authority"
	                          " WHERE role = 'ra' AND state = 'old'"),
	    1);
	assert_int_equal(
	    count(p, "SELECT COUNT(*) FROM event WHERE kind ="
	             " 'authority.ra_renewed' AND actor = 'system'"),
	    1);
	d = open_authority(p);
	assert_int_equal(
	    X509_cmp(cert_authority_ra(c), cert_authority_ra(d)), 0);
}

static void
an_ra_that_cannot_be_renewed_serves(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	struct cert_authority_options o = { .vault = place_vault(p),
		.organization = "Example",
		.ra_key = { .uri = "pkcs11:token=gone" } };
	struct err e = { 0 };

	clock_set_offset_ms(700 * MS_DAY);
	log_set_level(LOG_ERROR + 1);
	must(cert_authority_open(p->st, &o, &b, &e), &e);
	log_set_level(LOG_INFO);
	assert_int_equal(
	    X509_cmp(cert_authority_ra(a), cert_authority_ra(b)), 0);
}

static void
ra_ends_with_its_issuer(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_authority_free) struct cert_authority *b = NULL;

	clock_set_offset_ms((10 * 365 - 30) * MS_DAY);
	cert_authority_free(&a);
	a = open_authority(p);
	assert_int_equal(cert_not_after(cert_authority_ra(a)),
	    cert_not_after(cert_authority_issuing(a)));
	/* A new one would not last longer, so there is none. */
	b = open_authority(p);
	assert_int_equal(
	    X509_cmp(cert_authority_ra(a), cert_authority_ra(b)), 0);
}

static void
issuing_key_may_be_ec(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = { .vault = place_vault(p),
		.organization = "Example",
		.issuing_key = { CERT_P256, NULL } };
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	struct err e = { 0 };

	must(cert_authority_open(p->st, &o, &a, &e), &e);
	assert_int_equal(
	    EVP_PKEY_get_base_id(X509_get0_pubkey(cert_authority_issuing(a))),
	    EVP_PKEY_EC);
	assert_int_equal(chain_error(a, cert_authority_ra(a), 0), X509_V_OK);
}

static void
open_at(struct place *p, const char *url, struct cert_authority **out)
{
	struct cert_authority_options o = { .vault = place_vault(p),
		.organization = "Example",
		.status_url = url };
	struct err e = { 0 };

	must(cert_authority_open(p->st, &o, out, &e), &e);
}

/* The text of an extension of a new certificate; NULL: it has none. */
static char *
extension(const struct cert_authority *a, const char *template, int nid)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_issued_clear) struct cert_issued i = { 0 };
	AUTO(cert_x509_free) X509 *x = NULL;
	const struct cert_subject subject = { .cn = "one", .dns = "a.example" };
	struct err e = { 0 };
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL, *data;
	int at;
	long len;

	must(cert_key_new(CERT_P256, &key, &e), &e);
	must(issue_for(a, template, &subject, key, &i, &e), &e);
	must(cert_parse(buf_slice(i.der), &x, &e), &e);
	assert_int_equal(
	    chain_error(a, x, 0), X509_V_OK); /* strict: RFC 5280 */
	at = X509_get_ext_by_NID(x, nid, -1);
	if (at >= 0) {
		assert_int_equal(
		    X509V3_EXT_print(out, X509_get_ext(x, at), 0, 0), 1);
		len = BIO_get_mem_data(out, &data);
		text = str_printf("%.*s", (int)len, data);
	}
	BIO_free(out);
	return text;
}

static void
certificates_say_where_to_ask(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(str_free) char *crl = NULL;
	AUTO(str_free) char *access = NULL;
	AUTO(str_free) char *want = NULL;

	open_at(p, "http://[::1]:8080/mdm", &a);
	crl = extension(a, CERT_TEMPLATE_TLS, NID_crl_distribution_points);
	want = str_printf("Full Name:\n  URI:http://[::1]:8080/mdm/crl/%s.crl",
	    cert_authority_id(a));
	assert_non_null(strstr(crl, want));
	str_free(&want);
	access = extension(a, CERT_TEMPLATE_DEVICE, NID_info_access);
	want = str_printf("OCSP - URI:http://[::1]:8080/mdm/ocsp\n"
	                  "CA Issuers - URI:http://[::1]:8080/mdm/ca/%s.cer",
	    cert_authority_id(a));
	assert_non_null(strstr(access, want));
}

static void
certificates_may_not_say_where_to_ask(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(cert_authority_free)
	struct cert_authority *none = open_authority(p);
	AUTO(str_free) char *device = NULL;

	open_at(p, "https://mdm.example.com", &a);
	assert_null(extension(a, CERT_TEMPLATE_TLS, NID_info_access));
	assert_null(
	    extension(a, CERT_TEMPLATE_TLS, NID_crl_distribution_points));
	device = extension(a, CERT_TEMPLATE_DEVICE, NID_info_access);
	assert_non_null(strstr(device, "OCSP - URI:https://mdm.example.com/"));
	assert_null(extension(none, CERT_TEMPLATE_DEVICE, NID_info_access));
}

static void
bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = { "http://a/,URI:http://b",
		"http://a/", "ldap://a", "mdm.example.com", "http://a b",
		"http://a;b", "http://\xc3\xa9" };
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct cert_authority_options o = { .vault = place_vault(p),
			.organization = "Example",
			.status_url = bad[i] };

		must_fail(
		    cert_authority_open(p->st, &o, &a, &failure), ERR_INVALID);
	}
}

static void
leaves_no_errors_behind(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);

	assert_non_null(a);
	assert_int_equal(ERR_peek_error(), 0);
}

#define SHARED(f) cmocka_unit_test_setup_teardown(f, share, reset_clock)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SHARED(hierarchy_is_strict),
		SHARED(chain_lists_ra_first),
		PLACE_TEST(second_start_keeps_everything),
		PLACE_TEST(bad_starts_are_refused),
		PLACE_TEST(root_key_may_be_away),
		PLACE_TEST(another_master_key_opens_nothing),
		PLACE_TEST(ra_renews_itself),
		PLACE_TEST(an_ra_that_cannot_be_renewed_serves),
		PLACE_TEST(ra_ends_with_its_issuer),
		PLACE_TEST(issuing_key_may_be_ec),
		SHARED(certificates_say_where_to_ask),
		SHARED(certificates_may_not_say_where_to_ask),
		SHARED(bad_addresses_are_refused),
		SHARED(leaves_no_errors_behind),
	};

	return cmocka_run_group_tests(tests, make_shared, drop_shared);
}
