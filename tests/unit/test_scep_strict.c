/* Templates that refuse requests that ask for more (cases 48, 52 and 120). */
#include "tests/unit/scep_template_fixture.h"

/* Of one extension, as OpenSSL writes it; NULL: none. */
static STACK_OF(X509_EXTENSION) * asking(int nid, const char *text)
{
	STACK_OF(X509_EXTENSION) *s = NULL;
	X509_EXTENSION *x;
	X509V3_CTX ctx;

	if (text == NULL)
		return NULL;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	assert_non_null(x);
	s = sk_X509_EXTENSION_new_null();
	sk_X509_EXTENSION_push(s, x);
	return s;
}

static const struct cert_subject subject = { .cn = "gate",
	.o = "Acme",
	.dns = "gate.example.com",
	.email = "gate@example.com",
	.ip = "192.0.2.7" };

static struct challenge
challenge(struct world *w, const char *template)
{
	return world_grant(w,
	    (struct scep_grant){ .template = template, .subject = &subject });
}

struct wanted {
	const char *cn; /* NULL: as it will be */
	int nid;
	const char *text; /* of the extension; NULL: none */
	const char *word; /* of the refusal; NULL: granted */
};

static const struct wanted rows[] = {
	{ .cn = "gate" },
	{ .nid = NID_subject_alt_name,
	    .text = "DNS:gate.example.com,IP:192.0.2.7" },
	{ .nid = NID_subject_alt_name, .text = "email:gate@example.com" },
	{ .nid = NID_key_usage, .text = "critical,digitalSignature" },
	{ .nid = NID_ext_key_usage, .text = "clientAuth" },
	{ .nid = NID_basic_constraints, .text = "CA:FALSE" },
	{ .cn = "root", .word = "names" },
	{ .nid = NID_subject_alt_name,
	    .text = "DNS:gate.example.com,DNS:evil.example",
	    .word = "names" },
	{ .nid = NID_subject_alt_name,
	    .text = "email:root@example.com",
	    .word = "names" },
	{ .nid = NID_subject_alt_name, .text = "RID:1.2.3", .word = "names" },
	{ .nid = NID_key_usage, .text = "keyCertSign", .word = "usages" },
	{ .nid = NID_key_usage,
	    .text = "digitalSignature,keyAgreement",
	    .word = "usages" },
	{ .nid = NID_ext_key_usage, .text = "codeSigning", .word = "usages" },
	{ .nid = NID_ext_key_usage,
	    .text = "clientAuth,anyExtendedKeyUsage",
	    .word = "usages" },
	{ .nid = NID_basic_constraints,
	    .text = "critical,CA:TRUE",
	    .word = "extension" },
	{ .nid = NID_tlsfeature,
	    .text = "status_request",
	    .word = "extension" },
};

static void
one(struct world *w, const struct wanted *r, size_t i, EVP_PKEY *key)
{
	struct challenge c = challenge(w, "strict");
	AUTO(str_free) char *tid = str_printf("X-%zu", i);
	struct visit v = { .challenge = c.text,
		.cn = r->cn ? r->cn : "gate",
		.key = key,
		.tid = tid,
		.extensions = asking(r->nid, r->text) };

	if (r->word != NULL) {
		visit_refused(w, v, r->word);
		assert_false(world_spent(w, &c));
	} else {
		X509_free(visit_named(w, v, "gate"));
	}
	sk_X509_EXTENSION_pop_free(v.extensions, X509_EXTENSION_free);
}

static void
case_48_52_asking_for_more_is_refused(void **state)
{
	struct world *w = *state;

	world_template(w, "strict", "{\"beyond\":\"refuse\"}");
	for (size_t i = 0; i < COUNT(rows); i++)
		one(w, &rows[i], i, w->key2);
}

static void
case_51_extensions_under_the_other_identifier(void **state)
{
	struct world *w = *state;
	struct challenge c;
	struct visit v = { .cn = "gate",
		.key = w->key2,
		.tid = "X-ms",
		.extensions = asking(NID_ext_key_usage, "codeSigning"),
		.extensions_nid = NID_ms_ext_req };

	world_template(w, "strict", "{\"beyond\":\"refuse\"}");
	c = challenge(w, "strict");
	v.challenge = c.text;
	visit_refused(w, v, "usages");
	sk_X509_EXTENSION_pop_free(v.extensions, X509_EXTENSION_free);
}

/* What such a template has none of may not be asked for either. */
static void
no_alternative_names(void **state)
{
	struct world *w = *state;
	const struct wanted r = { .nid = NID_subject_alt_name,
		.text = "DNS:gate.example.com",
		.word = "names" };

	world_template(w, "strict", "{\"beyond\":\"refuse\",\"san\":false}");
	one(w, &r, 100, w->key2);
}

static void
case_120_renewals_too(void **state)
{
	struct world *w = *state;
	struct challenge c;
	struct visit v;
	X509 *old;

	world_template(w, "strict", "{\"beyond\":\"refuse\",\"renew_days\":0}");
	c = challenge(w, "strict");
	old = visit_named(w,
	    (struct visit){ .challenge = c.text, .cn = "gate", .tid = "X-a" },
	    "gate");
	v = (struct visit){ .signer = old,
		.key = w->key2,
		.cn = "root",
		.tid = "X-b",
		.type = "17" };
	visit_refused(w, v, "names");
	v.cn = "gate";
	X509_free(visit_named(w, v, "gate"));
	X509_free(old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_48_52_asking_for_more_is_refused),
		cmocka_unit_test(case_51_extensions_under_the_other_identifier),
		cmocka_unit_test(no_alternative_names),
		cmocka_unit_test(case_120_renewals_too),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
