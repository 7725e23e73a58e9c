/* Each thing that is refused of what an outside root signed. */
#include "cert_outside_fixture.h"

/* What is wrong with ours, or with the root; and what is said. */
static const struct refusal {
	const char *says;
	struct form ours, root;
} refusals[] = {
	{ "do not say CA:TRUE", { .basic = "critical,CA:FALSE" }, { 0 } },
	{ "do not say CA:TRUE", { .basic = "" }, { 0 } },
	{ "no keyUsage", { .usage = "" }, { 0 } },
	{ "lacks keyCertSign", { .usage = "critical,cRLSign" }, { 0 } },
	{ "lacks cRLSign", { .usage = "critical,keyCertSign" }, { 0 } },
	{ "lacks clientAuth", { .ext_usage = "serverAuth" }, { 0 } },
	{ "no subjectKeyIdentifier", { .no_key_id = true }, { 0 } },
	{ "no name", { .cn = "" }, { 0 } },
	{ "not an X.509 version 3", { .version_1 = true }, { 0 } },
	{ "critical extension", { .more = "1.3.6.1.4.1.55555.1" }, { 0 } },
	{ "expired", { .days = -1, .from_days = -10 }, { 0 } },
	{ "not valid yet", { .from_days = 10 }, { 0 } },
	{ "ends after its issuer", { .days = 3001 }, { 0 } },
	{ "SHA-1", { .md = "SHA1" }, { 0 } },
	{ "SHA-1", { .md = "MD5" }, { 0 } },
	{ "self-signed", { .cn = "Root" }, { 0 } },
	{ "pathlen", { 0 }, { .basic = "critical,CA:TRUE,pathlen:0" } },
	{ "do not say CA:TRUE", { 0 }, { .basic = "critical,CA:FALSE" } },
	{ "lacks keyCertSign", { 0 }, { .usage = "critical,cRLSign" } },
	{ "expired", { .days = 1 }, { .days = -1, .from_days = -10 } },
	{ "not valid yet", { 0 }, { .from_days = 10 } },
	{ "too short", { 0 }, { .weak = true } },
	{ "permitted subtree", { 0 }, { .names = "Elsewhere" } },
};

static void
bad_chains_are_refused(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);

	for (size_t i = 0; i < COUNT(refusals); i++) {
		const struct refusal *r = &refusals[i];
		AUTO(outside_clear)
		struct outside root = new_outside("Root", NULL, &r->root);
		AUTO(cert_x509_free)
		X509 *x = signed_request(p, &root, &r->ours);
		AUTO(buf_free) struct buf *chain = buf_new(64 << 10);
		AUTO(cert_authority_free) struct cert_authority *a = NULL;
		bool again;

		add_pem(chain, x);
		add_pem(chain, root.cert);
		must_fail(bring(p, chain, NULL, &again, &failure), ERR_INVALID);
		if (strstr(failure.text, r->says) == NULL)
			fail_msg(
			    "%zu: wanted \"%s\": %s", i, r->says, failure.text);
		/* Nothing has changed. */
		must_fail(
		    cert_authority_open(p->st, &o, &a, &failure), ERR_CONFLICT);
	}
}

static void
expect(const struct place *p, const struct buf *chain, const char *says)
{
	bool again;

	must_fail(bring(p, chain, NULL, &again, &failure), ERR_INVALID);
	if (strstr(failure.text, says) == NULL)
		fail_msg("wanted \"%s\": %s", says, failure.text);
}

/* What is wrong with the set of them. */
static void
bad_sets_are_refused(void **state)
{
	struct place *p = *state;
	struct form plain = { 0 }, same = { .serial = 7 };
	AUTO(outside_clear)
	struct outside root = new_outside("Root", NULL, &plain);
	AUTO(outside_clear)
	struct outside fake = new_outside("Root", NULL, &plain);
	AUTO(outside_clear)
	struct outside weak = new_outside("P", &root, &plain);
	AUTO(cert_x509_free) X509 *x = signed_request(p, &root, &same);
	AUTO(cert_x509_free) X509 *y = signed_request(p, &root, &plain);
	AUTO(cert_x509_free)
	X509 *z = certify(weak.key, NULL, &root,
	    &(struct form){ .cn = "Other", .serial = 7 });
	AUTO(cert_x509_free) X509 *forged = signed_request(p, &fake, &plain);
	AUTO(buf_free) struct buf *chain = buf_new(64 << 10);

	add_pem(chain, weak.cert);
	add_pem(chain, root.cert);
	expect(p, chain, "no certificate for the key");
	buf_reset(chain);
	add_pem(chain, x);
	expect(p, chain, "issuer is missing");
	add_pem(chain, weak.cert);
	expect(p, chain, "issuer is missing");
	add_pem(chain, root.cert);
	expect(p, chain, "do not belong");
	buf_reset(chain);
	add_pem(chain, x);
	add_pem(chain, y);
	add_pem(chain, root.cert);
	expect(p, chain, "two certificates of the requested key");
	buf_reset(chain);
	add_pem(chain, x);
	add_pem(chain, z);
	add_pem(chain, root.cert);
	expect(p, chain, "one issuer and serial");
	buf_reset(chain);
	add_pem(chain, forged);
	add_pem(chain, root.cert);
	expect(p, chain, "the signature is not its issuer's");
	buf_reset(chain);
	buf_adds(chain, "nothing");
	expect(p, chain, "");
}

/* No second one of the same name. */
static void
what_is_there_counts(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(outside_clear)
	struct outside root = new_outside("Root", NULL, &(struct form){ 0 });
	AUTO(cert_x509_free)
	X509 *x = signed_request(
	    p, &root, &(struct form){ .cn = "Example Issuing CA G1" });
	AUTO(buf_free) struct buf *chain = buf_new(64 << 10);
	X509_NAME *name =
	    X509_NAME_dup(X509_get_subject_name(cert_authority_issuing(a)));
	X509_REQ *r = request(p);
	AUTO(cert_x509_free)
	X509 *y =
	    certify(X509_REQ_get0_pubkey(r), name, &root, &(struct form){ 0 });

	X509_NAME_free(name);
	X509_REQ_free(r);
	add_pem(chain, y);
	add_pem(chain, root.cert);
	expect(p, chain, "has this name");
	buf_reset(chain);
	add_pem(chain, x); /* the CN alone is another name */
	add_pem(chain, root.cert);
	bool again;
	struct err e = { 0 };
	must(bring(p, chain, NULL, &again, &e), &e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OWN(bad_chains_are_refused),
		OWN(bad_sets_are_refused),
		OWN(what_is_there_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
