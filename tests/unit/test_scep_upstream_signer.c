/* Who signs for an upstream that gave us no certificate. */
#include "tests/unit/scep_upstream_fixture.h"

static X509 *
signer_of(struct front *f)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	X509 *x = NULL;
	bool found;

	assert_ok(store_begin(f->w->store, STORE_READ, &tx, e));
	assert_ok(scep_db_upstream_signer(tx, "corp", &r, e));
	assert_ok(store_next(r, &found, e));
	if (found)
		assert_ok(cert_parse(store_blob(r, 0), &x, e));
	return x;
}

static void
open_conf(struct front *f, struct scep_upstream_conf *out)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool found;

	assert_ok(store_begin(f->w->store, STORE_READ, &tx, e));
	assert_ok(
	    scep_upstream_conf_open(tx, f->w->seal, "corp", out, &found, e));
	assert_true(found);
}

static void
the_ra_neither_signs_nor_reads(void **state)
{
	struct front *f = *state;
	AUTO(cert_x509_free) X509 *x = NULL;
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };
	AUTO(fetch_free) struct fetch *fetch = NULL;
	struct scep_upstream_options o;

	assert_ok(front_upstream(f, false, "{\"renew\":true}", e));
	outside_grant(&f->out, f->c.text);
	ask_and_step(f);
	AUTO(answer_clear) struct answer a = front_send(f, front_poll);
	assert_int_equal(a.status, SCEP_SUCCESS);
	x = signer_of(f);
	assert_non_null(x);
	assert_int_equal(
	    EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(f->w->ra)), 0);
	assert_int_equal(X509_verify(x, X509_get0_pubkey(x)), 1);
	open_conf(f, &c);
	assert_ok(scep_upstream_signer(f->w->service, &c, e));
	assert_ok(scep_upstream_conf_options(&c, NULL, &o, &fetch, e));
	assert_int_equal(X509_cmp(o.ra, x), 0);
	assert_int_equal(X509_check_private_key(o.ra, o.ra_key), 1);
	/* There is nothing that it could renew with. */
	assert_false(o.renew);
}

static void
it_stays_while_its_upstream_does(void **state)
{
	struct front *f = *state;
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };
	AUTO(cert_x509_free) X509 *first = NULL, *second = NULL;

	assert_ok(front_upstream(f, false, "{}", e));
	open_conf(f, &c);
	assert_ok(scep_upstream_signer(f->w->service, &c, e));
	first = signer_of(f);
	assert_int_equal(X509_cmp(c.signer, first), 0);
	assert_ok(front_upstream(f, false, "{\"days\":9}", e));
	scep_upstream_conf_clear(&c);
	open_conf(f, &c);
	assert_null(c.signer);
	assert_ok(scep_upstream_signer(f->w->service, &c, e));
	second = signer_of(f);
	assert_int_equal(X509_cmp(first, second), 0);
	assert_int_equal(X509_cmp(c.signer, first), 0);
}

static void
it_goes_with_its_upstream(void **state)
{
	struct front *f = *state;
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct scep_upstream_change gone = { .name = "corp", .by = "test" };

	assert_ok(front_upstream(f, false, "{}", e));
	open_conf(f, &c);
	assert_ok(scep_upstream_signer(f->w->service, &c, e));
	front_template(f, "corp", "{}");
	assert_ok(store_begin(f->w->store, STORE_WRITE, &tx, e));
	assert_ok(scep_upstream_conf_remove(tx, &gone, e));
	assert_ok(store_commit(&tx, e));
	assert_null(signer_of(f));
}

static void
est_has_none(void **state)
{
	struct front *f = *state;
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };

	front_change(f->w, "DELETE FROM upstream_signer");
	open_conf(f, &c);
	assert_ok(scep_upstream_signer(f->w->service, &c, e));
	assert_null(c.signer);
	assert_null(signer_of(f));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, front_setup, front_teardown)
	const struct CMUnitTest tests[] = {
		T(the_ra_neither_signs_nor_reads),
		T(it_stays_while_its_upstream_does),
		T(it_goes_with_its_upstream),
		T(est_has_none),
	};

	return cmocka_run_group_tests(tests, front_open, front_close);
}
