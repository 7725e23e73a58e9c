/*
 * Issuing CAs below an outside root: the request, the way in as first and as
 * next authority, and each thing that is refused.  The outside root is made
 * here, with OpenSSL alone.
 */
#include "cert_authority_fixture.h"

#include <openssl/conf.h>
#include <openssl/pem.h>

#include "certs/cert_outside.h"
#include "certs/cert_roll.h"

/* How a certificate is made; zeroed: a good one. */
struct form {
	const char *cn;               /* NULL: the request's subject */
	const char *basic, *usage;    /* NULL: what is right; "": none */
	const char *ext_usage, *more; /* NULL: none; more: critical, unknown */
	const char *md;               /* NULL: SHA256 */
	const char *names;            /* O that is permitted below; NULL: any */
	bool no_key_id, version_1, weak;
	int64_t from_days, days; /* from now; 0: 1,000 */
	long serial;             /* 0: another for each */
};

/* A CA outside of ours, and one that is below it. */
struct outside {
	EVP_PKEY *key;
	X509 *cert;
};

static void
add(X509 *x, X509 *issuer, int nid, const char *text)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	if (text == NULL || *text == '\0')
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* Only below O=names. */
static void
constrain(X509 *x, const char *names)
{
	AUTO(str_free) char *text = str_printf("[d]\nO=%s\n", names);
	BIO *bio = BIO_new_mem_buf(text, -1);
	CONF *conf = NCONF_new(NULL);
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	assert_int_equal(NCONF_load_bio(conf, bio, NULL), 1);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	ext = X509V3_EXT_nconf_nid(
	    conf, &ctx, NID_name_constraints, "critical,permitted;dirName:d");
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
	NCONF_free(conf);
	BIO_free(bio);
}

static void
add_extensions(X509 *x, X509 *issuer, const struct form *f)
{
	X509_EXTENSION *ext;

	add(x, issuer, NID_basic_constraints,
	    f->basic != NULL ? f->basic : "critical,CA:TRUE");
	add(x, issuer, NID_key_usage,
	    f->usage != NULL ? f->usage : "critical,keyCertSign,cRLSign");
	add(x, issuer, NID_ext_key_usage, f->ext_usage);
	if (!f->no_key_id)
		add(x, issuer, NID_subject_key_identifier, "hash");
	if (f->names != NULL)
		constrain(x, f->names);
	if (f->more == NULL)
		return;
	ext = X509V3_EXT_conf(NULL, NULL, f->more, "critical,ASN1:NULL");
	assert_non_null(ext);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
}

/* by NULL: self-signed with key. */
static X509 *
certify(EVP_PKEY *key, const X509_NAME *subject, const struct outside *by,
    const struct form *f)
{
	static long serials;
	X509 *x = X509_new(), *issuer = by != NULL ? by->cert : x, *again;
	int64_t now = clock_now_ms() / MS_S;
	X509_NAME *name = X509_get_subject_name(x);
	int64_t days = f->days != 0 ? f->days : 1000;

	if (f->cn != NULL && *f->cn != '\0')
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		    (const unsigned char *)f->cn, -1, -1, 0);
	else if (f->cn == NULL)
		X509_set_subject_name(x, subject);
	X509_set_version(x, f->version_1 ? X509_VERSION_1 : X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x),
	    f->serial != 0 ? f->serial : 1000 + ++serials);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	ASN1_TIME_set(X509_getm_notBefore(x),
	    (time_t)(now - 86400 + f->from_days * 86400));
	ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now + days * 86400));
	assert_int_equal(X509_set_pubkey(x, key), 1);
	if (!f->version_1)
		add_extensions(x, issuer, f);
	assert_true(
	    X509_sign(x, by != NULL ? by->key : key,
	        EVP_get_digestbyname(f->md != NULL ? f->md : "SHA256")) > 0);
	again = reread_cert(x);
	X509_free(x);
	return again;
}

static struct outside
new_outside(const char *cn, const struct outside *by, const struct form *how)
{
	struct form f = *how;
	struct outside o = { .key = f.weak ? EVP_RSA_gen(1024)
		                           : new_key(CERT_RSA_2048) };

	f.cn = cn;
	if (f.days == 0)
		f.days = 3000;
	o.cert = certify(o.key, NULL, by, &f);
	return o;
}

static void
outside_clear(struct outside *o)
{
	X509_free(o->cert);
	EVP_PKEY_free(o->key);
}

static int
make(void **state)
{
	struct place *p = mem_zalloc(1, sizeof(*p));

	place_make(p);
	*state = p;
	return 0;
}

static int
drop(void **state)
{
	struct place *p = *state;

	place_remove(p);
	free(p);
	return 0;
}

static struct cert_authority_options
options(const struct place *p)
{
	return (struct cert_authority_options){ .vault = place_vault(p),
		.organization = "Example" };
}

static X509_REQ *
request(const struct place *p)
{
	struct cert_authority_options o = options(p);
	AUTO(buf_free) struct buf *pem = NULL;
	BIO *bio;
	X509_REQ *r;
	struct err e = { 0 };

	must(cert_outside_request(p->st, &o, &pem, &e), &e);
	bio = BIO_new_mem_buf(pem->p, (int)pem->len);
	r = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(r);
	return r;
}

static void
add_pem(struct buf *b, const X509 *x)
{
	struct err e = { 0 };

	must(cert_pem(x, b, &e), &e);
}

static bool
bring(const struct place *p, const struct buf *chain, const struct buf *root,
    bool *again, struct err *e)
{
	struct cert_authority_options o = options(p);
	struct cert_outside_chain in = { buf_slice(chain),
		root != NULL ? buf_slice(root) : slice_of(NULL, 0) };

	return cert_outside_import(p->st, &o, &in, again, e);
}

/* What by makes of the open request. */
static X509 *
signed_request(
    const struct place *p, const struct outside *by, const struct form *f)
{
	X509_REQ *r = request(p);
	X509 *x = certify(
	    X509_REQ_get0_pubkey(r), X509_REQ_get_subject_name(r), by, f);

	X509_REQ_free(r);
	return x;
}

static void
request_asks_for_a_ca(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	X509_REQ *r = request(p), *again = request(p);
	STACK_OF(X509_EXTENSION) *x = X509_REQ_get_extensions(r);
	BASIC_CONSTRAINTS *basic;
	ASN1_BIT_STRING *usage;
	struct err e = { 0 };

	assert_int_equal(X509_REQ_verify(r, X509_REQ_get0_pubkey(r)), 1);
	assert_int_equal(
	    EVP_PKEY_eq(X509_REQ_get0_pubkey(r), X509_REQ_get0_pubkey(again)),
	    1);
	basic = X509V3_get_d2i(x, NID_basic_constraints, NULL, NULL);
	assert_non_null(basic);
	assert_true(basic->ca);
	assert_int_equal(ASN1_INTEGER_get(basic->pathlen), 0);
	usage = X509V3_get_d2i(x, NID_key_usage, NULL, NULL);
	assert_int_equal(usage->data[0], KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	BASIC_CONSTRAINTS_free(basic);
	ASN1_BIT_STRING_free(usage);
	sk_X509_EXTENSION_pop_free(x, X509_EXTENSION_free);
	X509_REQ_free(r);
	X509_REQ_free(again);

	/* Nothing else may begin meanwhile, and it can be given up. */
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	must_fail(cert_authority_open(p->st, &o, &a, &failure), ERR_CONFLICT);
	must(cert_outside_drop(p->st, &o, &e), &e);
	must_fail(cert_outside_drop(p->st, &o, &failure), ERR_NOT_FOUND);
	a = open_authority(p);
	o.single = true;
	AUTO(buf_free) struct buf *pem = NULL;
	must_fail(cert_outside_request(p->st, &o, &pem, &failure), ERR_INVALID);
}

/* root, a policy CA, ours: as first authority. */
static void
first_authority(void **state)
{
	struct place *p = *state;
	AUTO(outside_clear)
	struct outside root = new_outside("Root", NULL, &(struct form){ 0 });
	AUTO(outside_clear)
	struct outside policy =
	    new_outside("Policy", &root, &(struct form){ 0 });
	AUTO(cert_x509_free)
	X509 *x = signed_request(p, &policy,
	    &(struct form){ .basic = "critical,CA:TRUE,pathlen:0" });
	AUTO(buf_free) struct buf *chain = buf_new(64 << 10);
	AUTO(buf_free) struct buf *anchor = buf_new(64 << 10);
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	const STACK_OF(X509) * anchors;
	bool again = true;
	struct err e = { 0 };

	add_pem(chain, policy.cert); /* not in order, and without the root */
	add_pem(chain, x);
	add_pem(anchor, root.cert);
	must_fail(bring(p, chain, NULL, &again, &failure), ERR_INVALID);
	must(bring(p, chain, anchor, &again, &e), &e);
	assert_false(again);
	must(bring(p, chain, anchor, &again, &e), &e);
	assert_true(again);
	a = open_authority(p);
	assert_int_equal(X509_cmp(cert_authority_root(a), root.cert), 0);
	assert_int_equal(X509_cmp(cert_authority_issuing(a), x), 0);
	assert_false(cert_authority_single(a));
	anchors = cert_authority_anchors(a);
	assert_int_equal(sk_X509_num(anchors), 3);
	assert_int_equal(X509_cmp(sk_X509_value(anchors, 0), root.cert), 0);
	assert_int_equal(X509_cmp(sk_X509_value(anchors, 1), policy.cert), 0);
	assert_int_equal(X509_cmp(sk_X509_value(anchors, 2), x), 0);
	assert_null(cert_authority_requested(a));

	/* The TLS certificate comes with all below the root. */
	AUTO(buf_free) struct buf *tls = NULL;
	AUTO(buf_wipe) struct buf *key = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *sent = NULL;
	must(cert_authority_tls(a, "localhost", &tls, &key, &e), &e);
	must(cert_parse_chain(buf_slice(tls), &sent, &e), &e);
	assert_int_equal(sk_X509_num(sent), 3);
	assert_int_equal(X509_cmp(sk_X509_value(sent, 2), policy.cert), 0);
}

/* The row of own's root, as it is in b. */
static const struct cert_member *
root_row(const struct cert_authority *own, const struct cert_authority *b)
{
	return cert_authority_find(
	    b, cert_authority_find(own, cert_authority_id(own))->parent_id);
}

/* From our own root to an outside one, and on below the same. */
static void
next_authority(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free)
	struct cert_authority *own = open_authority(p);
	AUTO(outside_clear)
	struct outside root = new_outside("Root", NULL, &(struct form){ 0 });
	AUTO(cert_x509_free)
	X509 *x = signed_request(p, &root, &(struct form){ 0 });
	AUTO(buf_free) struct buf *chain = buf_new(64 << 10);
	AUTO(buf_free) struct buf *text = NULL;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	bool again;
	struct err e = { 0 };

	must_fail(cert_roll_prepare(p->st, &o, NULL, &failure), ERR_CONFLICT);
	add_pem(chain, x);
	add_pem(chain, root.cert);
	must(bring(p, chain, NULL, &again, &e), &e);
	a = open_authority(p);
	assert_string_equal(cert_authority_id(a), cert_authority_id(own));
	assert_non_null(cert_authority_next(a));
	assert_int_equal(sk_X509_num(cert_authority_anchors(a)), 4);
	must_fail(
	    cert_outside_request(p->st, &o, &text, &failure), ERR_CONFLICT);
	must(cert_roll_switch(p->st, &o, &e), &e);
	b = open_authority(p);
	assert_int_equal(X509_cmp(cert_authority_root(b), root.cert), 0);
	assert_string_equal(root_row(own, b)->state, CERT_STATE_OLD);
	/* Macs with certificates of the one before are still to be trusted. */
	assert_int_equal(sk_X509_num(cert_authority_anchors(b)), 3);
	must_fail(cert_roll_prepare(p->st, &o, NULL, &failure), ERR_NOT_FOUND);

	/* The next below the same root has no second row of it. */
	AUTO(cert_x509_free)
	X509 *y = signed_request(p, &root, &(struct form){ 0 });
	AUTO(cert_authority_free) struct cert_authority *c = NULL;
	const struct cert_member *const *members;
	size_t before = cert_authority_members(b, &members);
	buf_reset(chain);
	add_pem(chain, y);
	add_pem(chain, root.cert);
	must(bring(p, chain, NULL, &again, &e), &e);
	c = open_authority(p);
	assert_int_equal(cert_authority_members(c, &members), before + 2);
	assert_string_equal(cert_authority_next(c)->parent_id,
	    cert_authority_find(c, cert_authority_id(b))->parent_id);
}

/* A request survives a backup, key and all. */
static void
request_is_backed_up(void **state)
{
	struct place *p = *state, q;
	X509_REQ *r = request(p), *s;
	AUTO(buf_free) struct buf *text = NULL;
	struct cert_vault v = place_vault(p);
	struct slice phrase = slice_str("phrase");
	struct err e = { 0 };

	must(cert_roll_backup(p->st, &v, phrase, &text, &e), &e);
	place_make(&q);
	v = place_vault(&q);
	must(cert_roll_restore(q.st, &v, phrase, buf_slice(text), &e), &e);
	s = request(&q);
	assert_int_equal(
	    EVP_PKEY_eq(X509_REQ_get0_pubkey(r), X509_REQ_get0_pubkey(s)), 1);
	X509_REQ_free(r);
	X509_REQ_free(s);
	place_remove(&q);
}

/* A request's key goes where the others are, and away with it. */
static void
keys_may_be_files(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(buf_free) struct buf *one = NULL;
	AUTO(buf_free) struct buf *two = NULL;
	AUTO(buf_free) struct buf *three = NULL;
	struct err e = { 0 };

	o.vault.files = true;
	o.vault.passphrase = "env:OUTSIDE_TEST";
	setenv("OUTSIDE_TEST", "phrase", 1);
	must(cert_outside_request(p->st, &o, &one, &e), &e);
	assert_int_equal(each_file(p->keys, NULL), 1);
	must(cert_outside_request(p->st, &o, &two, &e), &e);
	assert_int_equal(each_file(p->keys, NULL), 1);
	assert_true(slice_eq(buf_slice(one), buf_slice(two)));
	must(cert_outside_drop(p->st, &o, &e), &e);
	assert_int_equal(each_file(p->keys, NULL), 0);
	must(cert_outside_request(p->st, &o, &three, &e), &e);
	assert_false(slice_eq(buf_slice(one), buf_slice(three)));
	unsetenv("OUTSIDE_TEST");
}

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

#define OWN(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OWN(request_asks_for_a_ca),
		OWN(first_authority),
		OWN(next_authority),
		OWN(request_is_backed_up),
		OWN(keys_may_be_files),
		OWN(bad_chains_are_refused),
		OWN(bad_sets_are_refused),
		OWN(what_is_there_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
