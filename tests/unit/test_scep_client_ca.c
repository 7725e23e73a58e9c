/*
 * Who may be a server: a CA certifies its clients with the usages of an RA, and
 * whoever has such a certificate could pose as one.
 */
#include <openssl/x509v3.h>

#include "certs/cert_cms.h"
#include "scep/scep_client_priv.h"
#include "tests/unit/core_test.h"
#include "tests/unit/scep_fixture.h"

#define AGENT "1.3.6.1.4.1.311.20.2.1"
#define CMC_RA "1.3.6.1.5.5.7.3.28"

static int
setup(void **state)
{
	*state = world_open();
	return 0;
}

static int
teardown(void **state)
{
	world_close(*state);
	return 0;
}

static void
extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* One of the issuing CA for key2, which may sign and decrypt as its RA may;
 * eku NULL: none. */
static X509 *
certified(struct world *w, const char *constraints, const char *eku)
{
	const struct cert_member *ca = cert_authority_issuer_of(
	    w->authority, cert_authority_recipient(w->authority, 0));
	X509 *x = X509_new();

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const uint8_t *)"laptop", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(ca->certificate));
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, w->key2);
	extend(x, NID_basic_constraints, constraints);
	extend(x, NID_key_usage,
	    strstr(constraints, "TRUE") != NULL
	        ? "critical,digitalSignature,keyEncipherment,keyCertSign"
	        : "critical,digitalSignature,keyEncipherment");
	if (eku != NULL)
		extend(x, NID_ext_key_usage, eku);
	assert_true(X509_sign(x, ca->key, EVP_sha256()) > 0);
	return x;
}

static void
serves(struct world *w, const char *constraints, const char *eku, bool expected)
{
	AUTO(cert_x509_free) X509 *x = certified(w, constraints, eku);
	char pin[SHA256_HEX_SIZE];

	if (scep_client_serves(x, NULL) != expected)
		fail_msg("%s, %s", constraints, eku ? eku : "none");
	cert_fingerprint(w->ra, pin);
	assert_int_equal(scep_client_serves(x, pin), expected);
	cert_fingerprint(x, pin);
	assert_true(scep_client_serves(x, pin));
}

static void
purposes_tell_an_ra(void **state)
{
	static const char leaf[] = "critical,CA:FALSE";
	struct world *w = *state;

	serves(w, leaf, NULL, true);
	serves(w, leaf, "anyExtendedKeyUsage", true);
	serves(w, leaf, CMC_RA, true);
	serves(w, leaf, AGENT, true);
	serves(w, leaf, "clientAuth," AGENT, true);
	serves(w, leaf, "clientAuth", false);
	serves(w, leaf, "serverAuth,emailProtection", false);
	serves(w, leaf, "OCSPSigning", false);
	/* Longer, and shorter, by a number. */
	serves(w, leaf, AGENT ".1,1.3.6.1.4.1.311.20.2", false);
	serves(w, "critical,CA:TRUE", "clientAuth", true);
	assert_true(scep_client_serves(w->ra, NULL));
}

static void
what_cannot_be_read_is_no_purpose(void **state)
{
	struct world *w = *state;
	AUTO(cert_x509_free) X509 *twice = certified(w, "CA:FALSE", AGENT);
	AUTO(cert_x509_free) X509 *broken = certified(w, "CA:FALSE", NULL);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	extend(twice, NID_ext_key_usage, "clientAuth");
	assert_false(scep_client_serves(twice, NULL));
	ASN1_OCTET_STRING_set(octets, (const uint8_t *)"\x30\x01", 2);
	ext = X509_EXTENSION_create_by_NID(NULL, NID_ext_key_usage, 0, octets);
	X509_add_ext(broken, ext, -1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(octets);
	assert_false(scep_client_serves(broken, NULL));
}

struct posed {
	X509 *thief;
	STACK_OF(X509) * chain; /* the thief's, the RA, its CA, the root */
	char root[SHA256_HEX_SIZE], pin[SHA256_HEX_SIZE]; /* pin: the thief's */
	struct scep_client_ca ca;
};

static struct posed
pose(struct world *w)
{
	struct posed p = { .thief = certified(w, "CA:FALSE", "clientAuth"),
		.chain = sk_X509_new_null() };

	sk_X509_push(p.chain, p.thief);
	sk_X509_push(p.chain, w->ra);
	sk_X509_push(p.chain, cert_authority_issuing(w->authority));
	sk_X509_push(p.chain, cert_authority_root(w->authority));
	cert_fingerprint(cert_authority_root(w->authority), p.root);
	cert_fingerprint(p.thief, p.pin);
	p.ca.chain = p.chain;
	return p;
}

static void
pose_end(struct posed *p)
{
	sk_X509_free(p->chain);
	X509_free(p->thief);
}

static void
no_request_is_for_an_ordinary_certificate(void **state)
{
	struct world *w = *state;
	struct posed p = pose(w);

	assert_ptr_equal(scep_client_recipient(p.chain, NULL), w->ra);
	assert_ptr_equal(scep_client_recipient(p.chain, p.root), w->ra);
	/* It is what was asked for. */
	assert_ptr_equal(scep_client_recipient(p.chain, p.pin), p.thief);
	sk_X509_delete(p.chain, 1);
	assert_null(scep_client_recipient(p.chain, p.root));
	while (sk_X509_num(p.chain) > 1)
		sk_X509_pop(p.chain);
	assert_null(scep_client_recipient(p.chain, NULL));
	pose_end(&p);
}

static void
nothing_is_signed_by_an_ordinary_certificate(void **state)
{
	struct world *w = *state;
	struct posed p = pose(w);
	struct scep_client_options o = { .ca_fingerprint = p.root };
	AUTO(buf_free) struct buf *next = NULL;
	STACK_OF(X509) *out = NULL;
	struct err why;

	assert_ok(scep_client_signer(&o, &p.ca, w->ra, e));
	assert_false(scep_client_signer(&o, &p.ca, p.thief, &why));
	assert_int_equal(why.code, ERR_INVALID);
	assert_non_null(strstr(why.text, "extendedKeyUsage"));
	assert_ok(cert_cms_sign(cert_authority_ra_chain(w->authority), p.thief,
	    w->key2, NULL, &next, e));
	assert_false(
	    scep_client_read_next(buf_slice(next), &o, &p.ca, &out, &why));
	assert_non_null(strstr(why.text, "extendedKeyUsage"));
	o.ca_fingerprint = p.pin;
	assert_ok(scep_client_signer(&o, &p.ca, p.thief, e));
	assert_false(scep_client_signer(&o, &p.ca, w->ra, &why));
	pose_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(purposes_tell_an_ra),
		cmocka_unit_test(what_cannot_be_read_is_no_purpose),
		cmocka_unit_test(no_request_is_for_an_ordinary_certificate),
		cmocka_unit_test(nothing_is_signed_by_an_ordinary_certificate),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
