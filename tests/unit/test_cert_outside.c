/*
 * Issuing CAs below an outside root: the request, and the way in as first and
 * as next authority.
 */
#include "cert_outside_fixture.h"

#include "certs/cert_roll.h"

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

/* It is what was asked for first, whatever the settings say now. */
static void
request_again_is_the_same(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p), plain;
	AUTO(buf_free) struct buf *one = NULL;
	AUTO(buf_free) struct buf *two = NULL;
	AUTO(buf_free) struct buf *none = NULL;
	AUTO(cert_member_free) struct cert_member *m = NULL;
	struct cert_member_face face;
	struct err e = { 0 };

	o.organization = "Acme";
	o.issuing_key.kind = CERT_P256;
	must(cert_outside_request(p->st, &o, &one, &e), &e);
	plain = (struct cert_authority_options){ .vault = o.vault };
	must(cert_outside_request(p->st, &plain, &two, &e), &e);
	assert_true(slice_eq(buf_slice(one), buf_slice(two)));
	must(cert_outside_open(p->st, &m, &e), &e);
	cert_member_face(m, &face);
	assert_string_equal(face.key_type, "p256");
	assert_string_equal(face.subject, "CN=Acme Issuing CA G1,O=Acme");
	plain.organization = "Other";
	must_fail(
	    cert_outside_request(p->st, &plain, &none, &failure), ERR_CONFLICT);
	plain.organization = NULL;
	plain.issuing_key.kind = CERT_RSA_2048;
	must_fail(
	    cert_outside_request(p->st, &plain, &none, &failure), ERR_CONFLICT);
	assert_null(none);
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
	struct slice phrase = slice_str("a long phrase");
	struct cert_roll_held held;
	struct err e = { 0 };

	must(cert_roll_backup(p->st, &v, phrase, &text, &held, &e), &e);
	place_make(&q);
	v = place_vault(&q);
	must(cert_roll_restore(q.st, &v,
	         &(struct cert_roll_restore){
	             .text = buf_slice(text), .passphrase = phrase },
	         &e),
	    &e);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OWN(request_asks_for_a_ca),
		OWN(request_again_is_the_same),
		OWN(first_authority),
		OWN(next_authority),
		OWN(request_is_backed_up),
		OWN(keys_may_be_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
