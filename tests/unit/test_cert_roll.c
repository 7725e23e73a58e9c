/*
 * Rollover as running nodes see it: snapshots swapped under threads, messages
 * for the RA before, the offline root.
 */
#include "cert_authority_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_ledger.h"
#include "certs/cert_roll.h"

static struct cert_authority_options
options(const struct place *p)
{
	return (struct cert_authority_options){ .vault = place_vault(p),
		.organization = "Example" };
}

static void
refreshed(struct cert_live *l, bool want)
{
	struct err e = { 0 };
	bool changed;

	must(cert_live_refresh(l, &changed, &e), &e);
	assert_int_equal(changed, want);
}

static size_t
recipients(const struct cert_authority *a)
{
	size_t n = 0;

	while (cert_authority_recipient(a, n) != NULL)
		n++;
	return n;
}

/* Two nodes; the first renews, the second hears of it. */
static void
renewed_ra_reaches_every_node(void **state)
{
	AUTO(cert_live_free) struct cert_live *one = open_live(*state);
	AUTO(cert_live_free) struct cert_live *two = open_live(*state);
	AUTO(cert_authority_free) struct cert_authority *was = NULL;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(cert_authority_free) struct cert_authority *b = NULL;

	was = cert_live_get(one);
	refreshed(two, false);
	clock_set_offset_ms(366 * MS_DAY);
	refreshed(one, true);
	refreshed(two, true);
	a = cert_live_get(one);
	b = cert_live_get(two);
	assert_int_equal(
	    X509_cmp(cert_authority_ra(a), cert_authority_ra(b)), 0);
	assert_int_not_equal(
	    X509_cmp(cert_authority_ra(a), cert_authority_ra(was)), 0);
	/* What was encrypted for the one before still opens, for a while. */
	assert_int_equal(recipients(b), 2);
	assert_int_equal(X509_cmp(cert_authority_recipient(b, 1)->certificate,
	                     cert_authority_ra(was)),
	    0);
	clock_set_offset_ms((366 + 29) * MS_DAY);
	refreshed(one, false);
	clock_set_offset_ms((366 + 31) * MS_DAY);
	refreshed(one, true);
	refreshed(one, false);
	cert_authority_free(&a);
	a = cert_live_get(one);
	assert_int_equal(recipients(a), 1);
}

/* What the ledger says of an RA's certificate. */
static struct cert_entry
entry_of(struct place *p, X509 *ra)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct cert_entry entry = { 0 };
	char fingerprint[SHA256_HEX_SIZE];
	struct err e = { 0 };
	bool found;

	cert_fingerprint(ra, fingerprint);
	must(store_begin(p->st, STORE_READ, &tx, &e), &e);
	must(cert_ledger_find(tx, fingerprint, &entry, &found, &e), &e);
	assert_true(found);
	assert_string_equal(entry.template, CERT_TEMPLATE_RA);
	return entry;
}

static void
ra_is_renewed_and_revoked_by_order(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_live_free) struct cert_live *l = open_live(p);
	AUTO(cert_authority_free) struct cert_authority *first = NULL;
	AUTO(cert_authority_free) struct cert_authority *second = NULL;
	AUTO(cert_authority_free) struct cert_authority *third = NULL;
	AUTO(cert_authority_free) struct cert_authority *last = NULL;
	struct err e = { 0 };

	first = cert_live_get(l);
	must(cert_roll_renew_ra(p->st, &o, -1, &e), &e);
	refreshed(l, true);
	second = cert_live_get(l);
	assert_int_equal(recipients(second), 2);
	assert_false(entry_of(p, cert_authority_ra(first)).revoked);

	must(cert_roll_renew_ra(p->st, &o, CERT_REASON_KEY_COMPROMISE, &e), &e);
	refreshed(l, true);
	third = cert_live_get(l);
	/* The revoked one opens nothing; the one before it still does. */
	assert_int_equal(recipients(third), 2);
	assert_int_equal(
	    X509_cmp(cert_authority_recipient(third, 1)->certificate,
	        cert_authority_ra(first)),
	    0);
	assert_int_equal(entry_of(p, cert_authority_ra(second)).revoke_reason,
	    CERT_REASON_KEY_COMPROMISE);
	assert_false(entry_of(p, cert_authority_ra(third)).revoked);

	/* Nor does a rollover bring it back. */
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	must(cert_roll_switch(p->st, &o, &e), &e);
	refreshed(l, true);
	last = cert_live_get(l);
	for (size_t i = 0; cert_authority_recipient(last, i) != NULL; i++)
		assert_int_not_equal(
		    X509_cmp(cert_authority_recipient(last, i)->certificate,
		        cert_authority_ra(second)),
		    0);
	assert_false(entry_of(p, cert_authority_ra(last)).revoked);
}

/* In single mode each CA is a root that Macs have to trust. */
static void
retired_ca_leaves_what_macs_trust(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *first = NULL;
	AUTO(cert_authority_free) struct cert_authority *both = NULL;
	AUTO(cert_authority_free) struct cert_authority *last = NULL;
	AUTO(cert_authority_free) struct cert_authority *next = NULL;
	struct err e = { 0 };

	o.single = true;
	must(cert_authority_open(p->st, &o, &first, &e), &e);
	must_fail(
	    cert_roll_retire(p->st, &o, cert_authority_id(first), &failure),
	    ERR_CONFLICT);
	must_fail(cert_roll_retire(p->st, &o, "none", &failure), ERR_NOT_FOUND);
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	must(cert_roll_switch(p->st, &o, &e), &e);
	must(cert_authority_open(p->st, &o, &both, &e), &e);
	assert_int_equal(sk_X509_num(cert_authority_anchors(both)), 2);
	assert_int_equal(recipients(both), 2);

	must(cert_roll_retire(p->st, &o, cert_authority_id(first), &e), &e);
	must(cert_authority_open(p->st, &o, &last, &e), &e);
	assert_int_equal(sk_X509_num(cert_authority_anchors(last)), 1);
	assert_int_equal(recipients(last), 1);
	/* Its CRL goes on. */
	assert_non_null(
	    cert_authority_find(last, cert_authority_id(first))->key);
	/* Nor does the next rollover bring it back. */
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	must(cert_roll_switch(p->st, &o, &e), &e);
	must(cert_authority_open(p->st, &o, &next, &e), &e);
	assert_int_equal(sk_X509_num(cert_authority_anchors(next)), 2);
}

/* Below one root the old RA goes with its CA, and the root stays. */
static void
retired_ca_answers_nothing(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *first = NULL;
	AUTO(cert_authority_free) struct cert_authority *last = NULL;
	struct err e = { 0 };

	must(cert_authority_open(p->st, &o, &first, &e), &e);
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	must(cert_roll_switch(p->st, &o, &e), &e);
	must(cert_roll_retire(p->st, &o, cert_authority_id(first), &e), &e);
	must(cert_authority_open(p->st, &o, &last, &e), &e);
	assert_int_equal(recipients(last), 1);
	assert_true(entry_of(p, cert_authority_ra(first)).revoked);
	/* The root, which is trusted for the new CA, vouches for the old. */
	assert_int_equal(sk_X509_num(cert_authority_anchors(last)), 2);
	assert_int_equal(
	    X509_cmp(cert_authority_root(first), cert_authority_root(last)), 0);
}

/* No server would start with what it names. */
static void
a_next_ca_without_its_keys_stays_the_next(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_live_free) struct cert_live *l = open_live(p);
	AUTO(str_free) char *phrase = str_printf("env:MUTSU_TEST_PHRASE");
	struct err e = { 0 };

	setenv("MUTSU_TEST_PHRASE", "correct horse battery", 1);
	o.vault.files = true;
	o.vault.passphrase = phrase;
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	each_file(p->keys, remove_file);
	must_fail(cert_roll_switch(p->st, &o, &failure), ERR_NOT_FOUND);
	refreshed(l, true); /* it is prepared, no more */
	refreshed(l, false);
}

/* A commit whose outcome is unknown may have named the key. */
static void
keys_stay_while_a_row_may_name_them(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	struct cert_member m = { .place = { "file", "k", NULL } };
	AUTO(str_free) char *path = str_printf("%s/k", p->keys);
	struct err unknown = { .code = ERR_UNAVAILABLE };
	struct err known = { .code = ERR_CONFLICT };
	struct err e = { 0 };

	mkdir(p->keys, 0700);
	must(file_write(path, slice_str("key"), 0600, &e), &e);
	cert_authority_abandon(&o, NULL, &known);
	cert_authority_abandon(&o, &m, &unknown);
	assert_true(file_exists(path));
	cert_authority_abandon(&o, &m, &known);
	assert_false(file_exists(path));
}

static void
rollover_goes_by_states(void **state)
{
	struct cert_authority_options o = options(*state);
	AUTO(cert_live_free) struct cert_live *l = open_live(*state);
	AUTO(cert_authority_free) struct cert_authority *first = NULL;
	AUTO(cert_authority_free) struct cert_authority *between = NULL;
	AUTO(cert_authority_free) struct cert_authority *after = NULL;
	struct err e = { 0 };

	struct place *p = *state;
	first = cert_live_get(l);
	assert_null(cert_authority_next(first));
	assert_int_equal(cert_authority_next_chain(first).len, 0);
	must_fail(cert_roll_switch(p->st, &o, &failure), ERR_CONFLICT);
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	must_fail(cert_roll_prepare(p->st, &o, NULL, &failure), ERR_CONFLICT);
	refreshed(l, true);
	between = cert_live_get(l);
	assert_string_equal(
	    cert_authority_id(between), cert_authority_id(first));
	assert_non_null(cert_authority_next(between));
	assert_true(cert_authority_next_chain(between).len > 0);
	assert_int_equal(recipients(between), 2);
	assert_ptr_equal(cert_authority_issuer_of(
	                     between, cert_authority_recipient(between, 1)),
	    cert_authority_next(between));

	must(cert_roll_switch(p->st, &o, &e), &e);
	refreshed(l, true);
	after = cert_live_get(l);
	assert_string_equal(
	    cert_authority_id(after), cert_authority_next(between)->id);
	assert_int_equal(
	    X509_cmp(cert_authority_root(after), cert_authority_root(first)),
	    0);
	assert_int_equal(
	    chain_error(after, cert_authority_ra(after), 0), X509_V_OK);
	assert_non_null(
	    cert_authority_find(after, cert_authority_id(first))->key);
	/* What is encrypted for the old RA is issued by the old CA. */
	assert_int_equal(recipients(after), 2);
	assert_string_equal(
	    cert_authority_issuer_of(after, cert_authority_recipient(after, 1))
	        ->id,
	    cert_authority_id(first));
}

/* What m's certificate and key are. */
static void
looks(const struct cert_member *m, const char *type, const char *subject)
{
	struct cert_member_face face;

	cert_member_face(m, &face);
	assert_string_equal(face.key_type, type);
	assert_string_equal(face.subject, subject);
}

static const struct cert_member *
member_in(const struct cert_authority *a, const char *role, const char *state)
{
	const struct cert_member *const *m;
	size_t count = cert_authority_members(a, &m);

	for (size_t i = 0; i < count; i++)
		if (str_eq(m[i]->role, role) && str_eq(m[i]->state, state))
			return m[i];
	fail_msg("no %s %s", state, role);
	return NULL;
}

/* What the settings do not say goes on as it was; what they say wins. */
static void
what_follows_is_like_it(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p), plain;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	struct err e = { 0 };

	o.organization = "Acme";
	o.issuing_key.kind = CERT_P256;
	o.ra_key.kind = CERT_RSA_3072;
	must(cert_authority_open(p->st, &o, &a, &e), &e);
	cert_authority_free(&a);
	plain = (struct cert_authority_options){ .vault = o.vault };
	must(cert_roll_renew_ra(p->st, &plain, -1, &e), &e);
	must(cert_roll_prepare(p->st, &plain, NULL, &e), &e);
	must(cert_authority_open(p->st, &plain, &a, &e), &e);
	looks(cert_authority_recipient(a, 0), "rsa3072",
	    "CN=Acme SCEP RA,O=Acme");
	looks(cert_authority_next(a), "p256", "CN=Acme Issuing CA G2,O=Acme");
	looks(member_in(a, CERT_ROLE_RA, CERT_STATE_NEXT), "rsa3072",
	    "CN=Acme SCEP RA,O=Acme");
	must(cert_roll_switch(p->st, &plain, &e), &e);
	plain.organization = "Other";
	plain.issuing_key.kind = CERT_RSA_2048;
	must(cert_roll_prepare(p->st, &plain, NULL, &e), &e);
	must(cert_authority_open(p->st, &plain, &b, &e), &e);
	looks(cert_authority_next(b), "rsa2048",
	    "CN=Other Issuing CA G3,O=Other");
	looks(member_in(b, CERT_ROLE_RA, CERT_STATE_NEXT), "rsa3072",
	    "CN=Other SCEP RA,O=Other");
	plain.organization = "";
	must_fail(
	    cert_roll_prepare(p->st, &plain, NULL, &failure), ERR_INVALID);
}

/* By the next CA of a snapshot, and into the ledger. */
static bool
issue_by_next(struct place *p, const struct cert_authority *a, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(cert_key_free) EVP_PKEY *key = new_key(CERT_P256);
	AUTO(cert_pubkey_free) X509_PUBKEY *pub = NULL;
	AUTO(cert_issued_clear) struct cert_issued i = { 0 };
	struct cert_subject subject = { .cn = "Mac" };
	struct cert_issue in = { cert_template_find(CERT_TEMPLATE_DEVICE),
		&subject, NULL, clock_now_ms(), cert_authority_next(a) };

	assert_int_equal(X509_PUBKEY_set(&pub, key), 1);
	in.pub = pub;
	must(cert_authority_issue(a, &in, &i, e), e);
	must(store_begin(p->st, STORE_WRITE, &tx, e), e);
	return cert_ledger_add(tx,
	           &(struct cert_record){ .issued = &i,
	               .authority_id = i.authority_id,
	               .template = CERT_TEMPLATE_DEVICE,
	               .purpose = "enroll" },
	           e) &&
	       store_commit(&tx, e);
}

static void
next_can_be_given_up(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_live_free) struct cert_live *l = open_live(p);
	AUTO(cert_authority_free) struct cert_authority *between = NULL;
	AUTO(cert_authority_free) struct cert_authority *after = NULL;
	AUTO(cert_authority_free) struct cert_authority *again = NULL;
	const struct cert_member *ra;
	struct err e = { 0 };

	o.vault.files = true;
	o.vault.passphrase = "env:PATH";
	must_fail(cert_roll_drop_next(p->st, &o, &failure), ERR_NOT_FOUND);
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	assert_int_equal(each_file(p->keys, NULL), 2);
	cert_live_free(&l);
	must(cert_live_open(p->st, &o, &l, &e), &e);
	between = cert_live_get(l);
	ra = member_in(between, CERT_ROLE_RA, CERT_STATE_NEXT);
	must(cert_roll_drop_next(p->st, &o, &e), &e);
	assert_int_equal(each_file(p->keys, NULL), 0);
	assert_int_equal(
	    entry_of(p, ra->certificate).revoke_reason, CERT_REASON_CESSATION);
	/* A node that has not noticed signs what the ledger does not take. */
	must_fail(issue_by_next(p, between, &failure), ERR_UNAVAILABLE);
	refreshed(l, true);
	after = cert_live_get(l);
	assert_null(cert_authority_next(after));
	assert_int_equal(cert_authority_next_chain(after).len, 0);
	assert_int_equal(recipients(after), 1);
	must_fail(cert_roll_drop_next(p->st, &o, &failure), ERR_NOT_FOUND);

	/* The next one has a name of its own; once it issued, it stays. */
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	refreshed(l, true);
	again = cert_live_get(l);
	looks(cert_authority_next(again), "rsa2048",
	    "CN=Example Issuing CA G3,O=Example");
	must(issue_by_next(p, again, &e), &e);
	must_fail(cert_roll_drop_next(p->st, &o, &failure), ERR_CONFLICT);
	must(cert_roll_switch(p->st, &o, &e), &e);
}

static void
single_ca_is_all_three(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(cert_authority_free) struct cert_authority *b = NULL;
	AUTO(buf_free) struct buf *der = NULL;
	struct err e = { 0 };

	o.single = true;
	must(cert_authority_open(p->st, &o, &a, &e), &e);
	assert_true(cert_authority_single(a));
	must_fail(cert_roll_renew_ra(p->st, &o, -1, &failure), ERR_CONFLICT);
	assert_ptr_equal(cert_authority_root(a), cert_authority_ra(a));
	assert_int_equal(X509_get_key_usage(cert_authority_ra(a)),
	    KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_CERT_SIGN |
	        KU_CRL_SIGN);
	must(cert_der(cert_authority_ra(a), &der, &e), &e);
	assert_true(slice_eq(buf_slice(der), cert_authority_ra_chain(a)));
	o.issuing_key.kind = CERT_P256; /* it decrypts */
	must_fail(cert_roll_prepare(p->st, &o, NULL, &failure), ERR_INVALID);
	o.issuing_key.kind = CERT_RSA_DEFAULT;
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	must(cert_roll_switch(p->st, &o, &e), &e);
	must(cert_authority_open(p->st, &o, &b, &e), &e);
	assert_int_equal(recipients(b), 2);
	assert_string_equal(
	    cert_authority_recipient(b, 1)->id, cert_authority_id(a));
}

static bool
keep(struct slice pem, void *arg, struct err *e)
{
	struct buf **out = arg;

	*out = buf_new(pem.len + 1);
	buf_add(*out, pem.p, pem.len);
	return buf_ok(*out, e);
}

static void
root_key_can_leave(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_key_free) EVP_PKEY *root = NULL;
	AUTO(cert_key_free) EVP_PKEY *other = new_key(CERT_P256);
	AUTO(buf_wipe) struct buf *pem = NULL;
	struct cert_roll_keep k = { slice_str("a long phrase"), keep, &pem };
	struct err e = { 0 };

	assert_non_null(a);
	struct cert_roll_keep shorter = { slice_str("11 charact."), keep,
		&pem };
	must_fail(
	    cert_roll_take_root(p->st, &o, &shorter, &failure), ERR_INVALID);
	must(cert_roll_take_root(p->st, &o, &k, &e), &e);
	must_fail(cert_roll_take_root(p->st, &o, &k, &failure), ERR_CONFLICT);
	assert_non_null(strstr(failure.text, "away already"));
	must_fail(cert_roll_prepare(p->st, &o, NULL, &failure), ERR_NOT_FOUND);
	must_fail(cert_roll_prepare(p->st, &o, other, &failure), ERR_INVALID);
	must(cert_key_decrypt(buf_slice(pem), k.passphrase, &root, &e), &e);
	must(cert_roll_prepare(p->st, &o, root, &e), &e);
}

/* Threads that issue while the authority changes under them. */
struct crowd {
	struct cert_live *live;
	EVP_PKEY *key;
	atomic_bool stop;
	atomic_int issued, failed;
};

static void *
issuer(void *arg)
{
	struct crowd *c = arg;
	struct cert_subject subject = { .cn = "Mac" };

	while (!atomic_load(&c->stop)) {
		AUTO(cert_authority_free)
		struct cert_authority *a = cert_live_get(c->live);
		AUTO(cert_issued_clear) struct cert_issued i = { 0 };
		struct err e = { 0 };
		bool good = issue_for(
		    a, CERT_TEMPLATE_DEVICE, &subject, c->key, &i, &e);

		if (!good || !str_eq(i.authority_id, cert_authority_id(a)))
			atomic_fetch_add(&c->failed, 1);
		atomic_fetch_add(&c->issued, 1);
	}
	return NULL;
}

static void
swaps_under_threads(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_live_free) struct cert_live *l = open_live(p);
	AUTO(cert_key_free) EVP_PKEY *key = new_key(CERT_P256);
	struct crowd c = { .live = l, .key = key };
	pthread_t threads[3];
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, issuer, &c), 0);
	for (int round = 0; round < 3; round++) {
		int before = atomic_load(&c.issued);

		must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
		refreshed(l, true);
		must(cert_roll_switch(p->st, &o, &e), &e);
		refreshed(l, true);
		while (atomic_load(&c.issued) < before + 3)
			usleep(1000);
	}
	atomic_store(&c.stop, true);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&c.failed), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(renewed_ra_reaches_every_node),
		PLACE_TEST(ra_is_renewed_and_revoked_by_order),
		PLACE_TEST(retired_ca_leaves_what_macs_trust),
		PLACE_TEST(retired_ca_answers_nothing),
		PLACE_TEST(a_next_ca_without_its_keys_stays_the_next),
		PLACE_TEST(keys_stay_while_a_row_may_name_them),
		PLACE_TEST(rollover_goes_by_states),
		PLACE_TEST(what_follows_is_like_it),
		PLACE_TEST(next_can_be_given_up),
		PLACE_TEST(single_ca_is_all_three),
		PLACE_TEST(root_key_can_leave),
		PLACE_TEST(swaps_under_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
