/* Who hears of the end of root, issuing CA and RA, and what they are told. */
#include "cert_outside_fixture.h"

#include "certs/cert_authority_end.h"
#include "certs/cert_roll.h"
#include "core/log.h"

enum { ISSUING_DAYS = 3650, RA_DAYS = 730, ROOT_DAYS = 7300 };

static struct cert_authority_ends
ends_at(const struct cert_authority *a, int64_t day)
{
	struct cert_authority_ends ends;

	clock_set_offset_ms(day * MS_DAY);
	cert_authority_ends(a, &ends);
	return ends;
}

/* The only one that ends. */
static void
one(const struct cert_authority_ends *ends, const char *role, int step,
    const char *advice)
{
	assert_int_equal(ends->count, 1);
	assert_string_equal(ends->list[0].member->role, role);
	assert_int_equal(ends->list[0].step, step);
	if (strstr(ends->list[0].advice, advice) == NULL)
		fail_msg("wanted \"%s\": %s", advice, ends->list[0].advice);
}

static void
the_issuing_ca_ends(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free) struct cert_authority *a = open_authority(p);
	struct cert_authority_ends ends;
	AUTO(str_free) char *before = NULL;
	AUTO(str_free) char *after = NULL;

	/* An RA of then, or it would end long before. */
	cert_authority_free(&a);
	clock_set_offset_ms((ISSUING_DAYS - 400) * MS_DAY);
	a = open_authority(p);
	assert_int_equal(ends_at(a, ISSUING_DAYS - 61).count, 0);
	ends = ends_at(a, ISSUING_DAYS - 20);
	one(&ends, CERT_ROLE_ISSUING, 30, "mutsu ca rollover, then");
	before = cert_authority_end_text(&ends.list[0]);
	assert_non_null(strstr(
	    before, "the issuing CA CN=Example Issuing CA G1,O=Example ends "));
	ends = ends_at(a, ISSUING_DAYS + 1);
	one(&ends, CERT_ROLE_ISSUING, 0, "mutsu ca rollover, then");
	after = cert_authority_end_text(&ends.list[0]);
	assert_non_null(strstr(after, " ended "));
	assert_non_null(strstr(after, "issues nothing"));
}

static void
the_next_one_ends_the_alarm(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	struct cert_authority_ends ends;
	struct err e = { 0 };

	a = open_authority(p);
	clock_set_offset_ms((ISSUING_DAYS - 20) * MS_DAY);
	must(cert_roll_prepare(p->st, &o, NULL, &e), &e);
	cert_authority_free(&a);
	a = open_authority(p);
	ends = ends_at(a, ISSUING_DAYS - 20);
	one(&ends, CERT_ROLE_ISSUING, 30, "mutsu ca switch goes over");
	must(cert_roll_switch(p->st, &o, &e), &e);
	cert_authority_free(&a);
	must(cert_authority_look(p->st, &a, &e), &e);
	assert_int_equal(ends_at(a, ISSUING_DAYS - 20).count, 0);
	/* That one's successor would end with the root. */
	ends = ends_at(a, ROOT_DAYS - 40);
	assert_string_equal(ends.list[0].member->role, CERT_ROLE_ISSUING);
	assert_string_equal(ends.list[1].member->role, CERT_ROLE_ROOT);
	for (int i = 0; i < 2; i++)
		assert_non_null(strstr(ends.list[i].advice, "have a root"));
}

static void
an_ra_that_was_not_renewed(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = open_authority(*state);
	struct cert_authority_ends ends;

	assert_int_equal(ends_at(a, RA_DAYS - 61).count, 0);
	ends = ends_at(a, RA_DAYS - 7);
	one(&ends, CERT_ROLE_RA, 7, "mutsu ca renew-ra");
}

static struct cert_authority *
below_outside(struct place *p, int root_days, int days)
{
	AUTO(outside_clear)
	struct outside root =
	    new_outside("Root", NULL, &(struct form){ .days = root_days });
	AUTO(cert_x509_free)
	X509 *x = signed_request(p, &root, &(struct form){ .days = days });
	AUTO(buf_free) struct buf *chain = buf_new(64 << 10);
	struct err e = { 0 };
	bool again;

	add_pem(chain, x);
	add_pem(chain, root.cert);
	must(bring(p, chain, NULL, &again, &e), &e);
	return open_authority(p);
}

static void
below_a_root_of_others(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = below_outside(*state, 3000, 30);
	struct cert_authority_ends ends = ends_at(a, 0);

	/* The RA ends with its CA, and is not named. */
	one(&ends, CERT_ROLE_ISSUING, 30, "mutsu ca request where the root");
}

static void
one_that_ends_with_its_root(void **state)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = below_outside(*state, 30, 29);
	struct cert_authority_ends ends = ends_at(a, 0);

	one(&ends, CERT_ROLE_ROOT, 30, "have a root that lasts longer");
}

static void
the_one_ca(void **state)
{
	struct place *p = *state;
	struct cert_authority_options o = options(p);
	AUTO(cert_authority_free) struct cert_authority *a = NULL;
	struct cert_authority_ends ends;
	struct err e = { 0 };

	o.single = true;
	must(cert_authority_open(p->st, &o, &a, &e), &e);
	ends = ends_at(a, ISSUING_DAYS - 1);
	one(&ends, CERT_ROLE_ISSUING, 1, "mutsu ca rollover, then");
}

static size_t
alarm_at(struct place *p, const struct cert_authority *a, int64_t day)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct cert_authority_ends ends = ends_at(a, day), told;
	struct err e = { 0 };

	must(store_begin(p->st, STORE_WRITE, &tx, &e), &e);
	must(cert_authority_alarm(tx, &ends, &told, &e), &e);
	must(store_commit(&tx, &e), &e);
	cert_authority_end_log(&told);
	return told.count;
}

static void
each_step_is_told_once(void **state)
{
	struct place *p = *state;
	AUTO(cert_authority_free)
	struct cert_authority *a = below_outside(p, 3000, 100);
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;
	size_t told = 0;
	struct err e = { 0 };
	bool more;

	log_set_level(LOG_ERROR + 1);
	for (int day = 30; day <= 105; day++) {
		told += alarm_at(p, a, day);
		assert_int_equal(alarm_at(p, a, day), 0);
	}
	log_set_level(LOG_INFO);
	assert_int_equal(told, 6);
	must(store_begin(p->st, STORE_READ, &tx, &e), &e);
	must(store_query(tx,
	         "SELECT COUNT(*), COUNT(DISTINCT subject_id) FROM event "
	         "WHERE kind = 'authority.expiring'",
	         S_ARGS(), &r, &e),
	    &e);
	must(store_next(r, &more, &e), &e);
	assert_int_equal(store_int(r, 0), 5);
	assert_int_equal(store_int(r, 1), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OWN(the_issuing_ca_ends),
		OWN(the_next_one_ends_the_alarm),
		OWN(an_ra_that_was_not_renewed),
		OWN(below_a_root_of_others),
		OWN(one_that_ends_with_its_root),
		OWN(the_one_ca),
		OWN(each_step_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
