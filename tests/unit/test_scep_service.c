/*
 * PKIOperation as a whole, over a real database and authority: good
 * enrolments of every kind of client, message types, crypto policy.  Who may
 * have a certificate is in test_scep_issue.c.
 */
#include <sys/stat.h>

#include "tests/unit/scep_answer.h"

/* A forged message around a fresh challenge, for changing before sending. */
struct draft {
	struct challenge challenge;
	struct forge_csr csr;
	struct forge_env env;
	struct forge_message message;
};

static struct draft
draft(struct world *w)
{
	struct draft d = { .challenge = world_challenge(w) };

	d.csr.key = w->key;
	d.env.to[0] = w->ra;
	d.message = forge_message(w->key, w->signer, slice_of(NULL, 0));
	return d;
}

static struct answer
send_draft(struct world *w, struct draft *d)
{
	AUTO(buf_free) struct buf *csr = NULL;
	AUTO(buf_free) struct buf *env = NULL;
	struct answer a;

	d->csr.challenge = slice_str(d->challenge.text);
	csr = forge_csr_make(d->csr);
	env = forge_envelope(d->env, buf_slice(csr));
	d->message.content = buf_slice(env);
	a = answer_message(w, &d->message);
	/* Each draft is a request of its own. */
	assert_int_equal(world_spent(w, &d->challenge), a.status == 0);
	assert_int_equal(world_issued_for(w, &d->challenge), a.status == 0);
	return a;
}

/* T1: the certificate is what the template and the challenge say. */
static void
good_request_gives_the_templates_certificate(void **state)
{
	struct world *w = *state;
	struct draft d = draft(w);
	AUTO(answer_clear) struct answer a = send_draft(w, &d);
	X509_STORE *anchors = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *chain = sk_X509_new_null();
	char cn[64], fingerprint[SHA256_HEX_SIZE];

	assert_non_null(a.cert);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a.cert), w->key), 1);
	X509_STORE_add_cert(anchors, cert_authority_root(w->authority));
	sk_X509_push(chain, cert_authority_issuing(w->authority));
	X509_STORE_CTX_init(ctx, anchors, a.cert, chain);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	assert_int_equal(X509_verify_cert(ctx), 1);
	cert_subject_value(a.cert, NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "device-1");
	cert_fingerprint(a.cert, fingerprint);
	assert_int_equal(world_number(w,
	                     "SELECT count(*) FROM certificate WHERE"
	                     " fingerprint = $1 AND purpose = 'enroll'"
	                     " AND transaction_id = 'T-1'",
	                     fingerprint),
	    1);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(anchors);
	sk_X509_free(chain);
}

static void
case_36_apple(void **state)
{
	struct world *w = *state;
	struct draft d = draft(w);
	X509 *signer = forge_certificate((struct forge_cert){ .key = w->key,
	    .cn = "6D2B2B70-12A3-4C4C-9AF7-0C5B0E6A7A11",
	    .serial_octets = 1,
	    .sha1 = true });

	d.message.signer = d.message.certs[0] = signer;
	d.message.md = EVP_sha512();
	d.message.md_name = "sha512";
	d.message.ber = d.env.ber = true;
	EXPECT_S(send_draft(w, &d));
	X509_free(signer);
}

static void
signed_by(struct world *w, struct forge_cert c)
{
	struct draft d = draft(w);
	X509 *signer;

	c.key = w->key;
	signer = forge_certificate(c);
	d.message.signer = d.message.certs[0] = signer;
	EXPECT_S(send_draft(w, &d));
	X509_free(signer);
}

static void
case_37_odd_signer_certificates(void **state)
{
	signed_by(*state, (struct forge_cert){ .version = 1 });
	signed_by(*state, (struct forge_cert){ .serial_octets = 32 });
	signed_by(*state,
	    (struct forge_cert){ .from_s = -172800, .until_s = -86400 });
	signed_by(
	    *state, (struct forge_cert){ .from_s = 86400, .until_s = 172800 });
	signed_by(*state, (struct forge_cert){ .no_extensions = true });
}

static void
case_38_signer_key_is_not_the_csr_key(void **state)
{
	struct world *w = *state;
	struct draft d = draft(w);
	AUTO(answer_clear) struct answer a = { 0 };

	d.csr.key = w->key2;
	a = send_draft(w, &d);
	assert_non_null(a.cert);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a.cert), w->key2), 1);
}

static void
case_42_reply_mirrors_the_algorithms(void **state)
{
	static const char *const ciphers[] = { "AES-128-CBC", "AES-192-CBC",
		"AES-256-CBC", "DES-EDE3-CBC" };
	static const struct {
		const EVP_MD *(*md)(void);
		const char *name;
	} digests[] = { { EVP_sha1, "sha1" }, { EVP_sha224, "sha224" },
		{ EVP_sha384, "sha384" }, { EVP_sha512, "sha512" } };

	for (size_t i = 0; i < COUNT(ciphers); i++) {
		struct draft d = draft(*state);

		d.env.cipher = ciphers[i];
		/* answer_read() compares the digests. */
		d.message.md = digests[i].md();
		d.message.md_name = digests[i].name;
		EXPECT_S(send_draft(*state, &d));
	}
}

static void
case_43_nonce_and_transaction_are_echoed(void **state)
{
	static const uint8_t nonce[64] = { 7 };
	struct draft d = draft(*state);

	d.message.attrs[FORGE_SENDER_NONCE].value = slice_of(nonce, 64);
	d.message.attrs[FORGE_TRANSACTION].tag = V_ASN1_UTF8STRING;
	d.message.attrs[FORGE_TRANSACTION].value = TEXT("a+b/c= d");
	EXPECT_S(send_draft(*state, &d));
}

static void
case_48_asked_extensions_are_dropped(void **state)
{
	static const char *const asked[][2] = { { "basicConstraints",
		                                    "critical,CA:TRUE" },
		{ "keyUsage", "critical,keyCertSign,cRLSign" },
		{ "extendedKeyUsage", "anyExtendedKeyUsage,codeSigning" },
		{ "subjectAltName", "DNS:victim.example" },
		{ "1.2.3.4.5", "critical,DER:0500" } };
	struct world *w = *state;
	struct draft d = draft(w);
	AUTO(answer_clear) struct answer a = { 0 };
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();

	for (size_t i = 0; i < COUNT(asked); i++)
		sk_X509_EXTENSION_push(all,
		    X509V3_EXT_nconf(NULL, NULL, asked[i][0], asked[i][1]));
	d.csr.extensions = all;
	a = send_draft(w, &d);
	assert_non_null(a.cert);
	assert_int_equal(X509_check_ca(a.cert), 0);
	assert_int_equal(
	    X509_get_key_usage(a.cert) & (KU_KEY_CERT_SIGN | KU_CRL_SIGN), 0);
	assert_int_equal(X509_get_extended_key_usage(a.cert), XKU_SSL_CLIENT);
	assert_int_equal(
	    X509_get_ext_by_NID(a.cert, NID_subject_alt_name, -1), -1);
	assert_int_equal(
	    X509_check_host(a.cert, "victim.example", 0, 0, NULL), 0);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
}

static void
case_52_asked_names_are_ignored(void **state)
{
	struct world *w = *state;
	struct draft d = draft(w);
	AUTO(answer_clear) struct answer a = { 0 };
	char cn[64];

	d.csr.cn = "administrator";
	a = send_draft(w, &d);
	assert_non_null(a.cert);
	cert_subject_value(a.cert, NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "device-1");
}

static void
case_66_plain_csr_or_nothing_inside(void **state)
{
	struct world *w = *state;
	struct challenge c = world_challenge(w);
	AUTO(buf_free)
	struct buf *csr = forge_csr_make((struct forge_csr){
	    .key = w->key, .challenge = slice_str(c.text) });
	struct forge_message m =
	    forge_message(w->key, w->signer, buf_slice(csr));

	EXPECT_F(SCEP_BAD_REQUEST, answer_message(w, &m));
	m.content = slice_of(NULL, 0);
	EXPECT_F(SCEP_BAD_REQUEST, answer_message(w, &m));
	assert_false(world_spent(w, &c));
}

static void
case_69_failures_look_alike_outside(void **state)
{
	struct world *w = *state;
	struct draft d[5];
	char text[256] = "";

	for (size_t i = 0; i < COUNT(d); i++) {
		AUTO(answer_clear) struct answer a = { 0 };

		d[i] = draft(w);
		d[i].env.bad_key = i == 0;
		d[i].env.bad_rsa = i == 1;
		d[i].env.bad_padding = i == 2;
		d[i].csr.bad_signature = i == 3;
		a = i < 4 ? send_draft(w, &d[i])
		          : answer_csr(w, TEXT("garbage"));
		assert_int_equal(a.status, SCEP_FAILURE);
		assert_int_equal(a.fail, SCEP_BAD_REQUEST);
		if (i > 0)
			assert_string_equal(a.text, text);
		memcpy(text, a.text, sizeof(text));
	}
}

static void
case_75_md5_gets_an_answer(void **state)
{
	AUTO(buf_free) struct buf *bytes = NULL;
	struct draft d = draft(*state);
	struct forge_message echo;

	d.message.content = TEXT("x");
	d.message.md = EVP_md5();
	d.message.md_name = "md5";
	bytes = forge_signed(&d.message);
	/* The answer itself is signed with SHA-256. */
	echo = d.message;
	echo.md = EVP_sha256();
	EXPECT_F(SCEP_BAD_ALG,
	    answer_to(*state, &echo, buf_slice(bytes), "192.0.2.1"));
}

static void
case_76_single_des(void **state)
{
	struct world *w = *state;
	AUTO(scep_legacy_free) struct scep_legacy *legacy = NULL;
	struct draft d;
	struct err e;

	assert_true(scep_legacy_load(&legacy, &e));
	d = draft(w);
	d.env.cipher = "DES-CBC";
	EXPECT_F(SCEP_BAD_ALG, send_draft(w, &d));
	world_service(w, (struct scep_options){
	                     .legacy_des = true, .failures_per_min = 1000 });
	EXPECT_S(send_draft(w, &d));
	world_service(w, (struct scep_options){ .failures_per_min = 1000 });
}

static void
case_79_80_keys_of_signer_and_csr(void **state)
{
	struct world *w = *state;
	EVP_PKEY *small = forge_rsa(1024), *ec = forge_ec("P-256");
	X509 *x = forge_certificate((struct forge_cert){ .key = ec });
	struct draft d = draft(w);

	d.csr.key = small;
	EXPECT_F(SCEP_BAD_ALG, send_draft(w, &d));
	d = draft(w);
	d.message.key = ec;
	d.message.signer = d.message.certs[0] = x;
	EXPECT_F(SCEP_BAD_ALG, send_draft(w, &d));
	X509_free(x);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(small);
}

static void
case_81_ec_only_where_the_template_says(void **state)
{
	struct world *w = *state;
	EVP_PKEY *ec = forge_ec("P-256");

	for (const struct cert_template *t = cert_templates(); t->name; t++) {
		struct draft d;

		if (str_eq(t->name, CERT_TEMPLATE_TLS))
			continue;
		d = draft(w);
		d.challenge =
		    world_grant(w, (struct scep_grant){ .template = t->name });
		d.csr.key = ec;
		if (t->ec)
			EXPECT_S(send_draft(w, &d));
		else
			EXPECT_F(SCEP_BAD_ALG, send_draft(w, &d));
	}
	EVP_PKEY_free(ec);
}

static void
capabilities_are_exact(void **state)
{
	struct world *w = *state;
	AUTO(buf_free) struct buf *caps = buf_new(1024);

	scep_capabilities(w->service, NULL, caps);
	assert_string_equal(buf_str(caps),
	    "POSTPKIOperation\nRenewal\nSHA-512\nSHA-384\nSHA-256\nSHA-1\n"
	    "AES\nDES3\nSCEPStandard");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_request_gives_the_templates_certificate),
		cmocka_unit_test(case_36_apple),
		cmocka_unit_test(case_37_odd_signer_certificates),
		cmocka_unit_test(case_38_signer_key_is_not_the_csr_key),
		cmocka_unit_test(case_42_reply_mirrors_the_algorithms),
		cmocka_unit_test(case_43_nonce_and_transaction_are_echoed),
		cmocka_unit_test(case_48_asked_extensions_are_dropped),
		cmocka_unit_test(case_52_asked_names_are_ignored),
		cmocka_unit_test(case_66_plain_csr_or_nothing_inside),
		cmocka_unit_test(case_69_failures_look_alike_outside),
		cmocka_unit_test(case_75_md5_gets_an_answer),
		cmocka_unit_test(case_76_single_des),
		cmocka_unit_test(case_79_80_keys_of_signer_and_csr),
		cmocka_unit_test(case_81_ec_only_where_the_template_says),
		cmocka_unit_test(capabilities_are_exact),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
