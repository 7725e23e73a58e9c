/* The server's own TLS certificate in the ledger, and when another is due. */
#include "cert_outside_fixture.h"

#include "certs/cert_ledger.h"
#include "certs/cert_roll.h"
#include "certs/cert_tls.h"
#include "certs/cert_tls_own.h"

static struct buf *
make_tls(const struct cert_authority *a)
{
	AUTO(buf_wipe) struct buf *key = NULL;
	struct buf *cert = NULL;
	struct err e = { 0 };

	must(cert_authority_tls(a, "mdm.example.com", &cert, &key, &e), &e);
	return cert;
}

static bool
note(struct place *p, const struct cert_authority *a, const struct buf *cert)
{
	struct err e = { 0 };
	const char *ended;

	must(cert_tls_own_note(p->st, a, buf_slice(cert), &ended, &e), &e);
	return str_eq(ended, "revoked");
}

static bool
retired(struct place *p, const struct cert_authority *a, const struct buf *cert)
{
	const char *ended;
	struct err e = { 0 };

	must(cert_tls_own_note(p->st, a, buf_slice(cert), &ended, &e), &e);
	return str_eq(ended, "retired");
}

static void
fingerprint(const struct buf *cert, char out[SHA256_HEX_SIZE])
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	struct err e = { 0 };

	must(cert_parse_chain(buf_slice(cert), &chain, &e), &e);
	cert_fingerprint(sk_X509_value(chain, 0), out);
}

/* How many of the ledger and of the feed. */
static int64_t
count(struct place *p, const char *sql, const struct buf *cert)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };
	bool more;

	fingerprint(cert, name);
	must(store_begin(p->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx, sql, S_ARGS(S_TEXT(name)), &r, &e), &e);
	must(store_next(r, &more, &e), &e);
	return store_int(r, 0);
}

static int64_t
noted(struct place *p, const struct buf *cert)
{
	return count(p,
	    "SELECT COUNT(*) FROM certificate WHERE fingerprint = $1 AND "
	    "template = 'tls-server' AND purpose = 'service' AND state = "
	    "'issued' AND authority_id = (SELECT id FROM authority WHERE "
	    "role = 'issuing' AND state = 'active')",
	    cert);
}

static void
each_is_noted_once(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(buf_free) struct buf *one = make_tls(a);
	AUTO(buf_free) struct buf *two = make_tls(a); /* another node's */

	assert_int_equal(noted(p, one), 0);
	assert_false(note(p, a, one));
	assert_false(note(p, a, one));
	assert_false(note(p, a, two));
	assert_int_equal(noted(p, one), 1);
	assert_int_equal(noted(p, two), 1);
	assert_int_equal(
	    count(p, "SELECT COUNT(*) FROM event WHERE subject_id = $1", one),
	    1);
}

static void
a_revoked_one_is_known(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(buf_free) struct buf *one = make_tls(a);
	AUTO(buf_free) struct buf *two = make_tls(a);
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char name[SHA256_HEX_SIZE];
	struct err e = { 0 };

	assert_false(note(p, a, one));
	assert_false(note(p, a, two));
	fingerprint(one, name);
	must(store_begin(p->st, STORE_WRITE, &tx, &e), &e);
	must(cert_ledger_revoke(tx, name, CERT_REASON_HOLD, "test", &e), &e);
	must(store_commit(&tx, &e), &e);
	assert_true(note(p, a, one));
	assert_false(note(p, a, two));
}

static void
others_stay_out(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	AUTO(cert_key_free) EVP_PKEY *key = new_key(CERT_P256);
	AUTO(cert_x509_free) X509 *x = self_signed("mdm.example.com", key);
	AUTO(buf_free) struct buf *cert = buf_new(8 << 10);

	add_pem(cert, x);
	assert_false(note(p, a, cert));
	assert_int_equal(
	    count(p, "SELECT COUNT(*) FROM certificate WHERE fingerprint = $1",
	        cert),
	    0);
	buf_reset(cert);
	buf_adds(cert, "no certificate");
	must_fail(cert_tls_own_note(p->st, a, buf_slice(cert),
	              &(const char *){ NULL }, &failure),
	    ERR_INVALID);
}

static bool
due_at(const struct cert_authority *a, const struct buf *cert, int64_t day)
{
	clock_set_offset_ms(day * MS_DAY);
	return cert_tls_own_due(a, buf_slice(cert));
}

static void
due_in_its_last_days(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	AUTO(buf_free) struct buf *cert = make_tls(a);

	assert_false(due_at(a, cert, 0));
	assert_false(due_at(a, cert, 397 - 31));
	assert_true(due_at(a, cert, 397 - 29));
	assert_true(due_at(a, cert, 400));
}

/* One that ends with its CA is the last, until there is another CA. */
static void
not_due_when_a_new_one_would_not_last_longer(void **state)
{
	struct place *p = *state;
	AUTO(outside_clear)
	struct outside root = new_outside("Root", NULL, &(struct form){ 0 });
	AUTO(cert_x509_free)
	X509 *x = signed_request(p, &root, &(struct form){ .days = 30 });
	AUTO(buf_free) struct buf *chain = buf_new(64 << 10);
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	AUTO(cert_authority_free) struct cert_authority *next = NULL;
	struct place other;
	struct err e = { 0 };
	bool again;

	add_pem(chain, x);
	add_pem(chain, root.cert);
	must(bring(p, chain, NULL, &again, &e), &e);
	a = open_authority(p);
	cert = make_tls(a);
	assert_int_equal(
	    cert_tls_not_after(buf_slice(cert)), cert_not_after(x));
	for (int day = 0; day <= 31; day++)
		assert_false(due_at(a, cert, day));
	place_make(&other);
	clock_set_offset_ms(20 * MS_DAY);
	next = open_authority(&other);
	assert_true(cert_tls_own_due(next, buf_slice(cert)));
	place_remove(&other);
}

/* New Macs do not know its CA any more. */
static void
of_a_retired_ca(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = { .vault = place_vault(p),
		.single = true };
	AUTO(cert_authority_free) struct cert_authority *first = NULL;
	AUTO(cert_authority_free) struct cert_authority *next = NULL;
	AUTO(cert_authority_free) struct cert_authority *last = NULL;
	AUTO(buf_free) struct buf *cert = NULL;
	AUTO(buf_free) struct buf *another = NULL;
	struct err e = { 0 };

	must(cert_authority_open(p->st, &o, &first, &e), &e);
	cert = make_tls(first);
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	must(cert_roll_switch(p->st, &o, &e), &e);
	must(cert_authority_open(p->st, &o, &next, &e), &e);
	assert_false(retired(p, next, cert));
	must(cert_roll_retire(p->st, &o, cert_authority_id(first), &e), &e);
	must(cert_authority_open(p->st, &o, &last, &e), &e);
	assert_true(retired(p, last, cert));
	another = make_tls(last);
	assert_false(retired(p, last, another));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OWN(each_is_noted_once),
		OWN(a_revoked_one_is_known),
		OWN(others_stay_out),
		OWN(due_in_its_last_days),
		OWN(not_due_when_a_new_one_would_not_last_longer),
		OWN(of_a_retired_ca),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
