/* Who hears of an identity that ends. */
#include "enroll-profiles/enroll_identity_priv.h"
#include "tests/unit/enroll_fixture.h"

static void
paper(struct site *s, const char *device, int life_days)
{
	struct store_tx *tx = site_write(s);
	int64_t now = clock_now_ms();

	OK(store_exec(tx,
	    "INSERT INTO certificate (fingerprint, serial, authority_id, "
	    "subject, spki, template, purpose, device_id, der, not_before, "
	    "not_after, state, created_at) VALUES ($1, $1, 'a', 's', 'k', "
	    "'device-identity', 'enroll', $2, $3, $4, $5, 'issued', $4)",
	    S_ARGS(S_TEXT(device), S_TEXT(device), S_BLOB(slice_str("der")),
	        S_INT(now), S_INT(now + life_days * MS_DAY)),
	    NULL, &e));
	site_commit(tx);
}

static void
tick_at(struct site *s, int64_t days)
{
	clock_set_offset_ms(days * MS_DAY + MS_MIN);
	OK(enroll_identity_tick(s->enroll, NULL, &e));
}

static struct enroll_identity_ends
ends(struct site *s)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	struct enroll_identity_ends n;

	OK(store_begin(s->store, STORE_READ, &tx, &e));
	OK(enroll_identity_count(tx, &n, &e));
	return n;
}

static void
each_step_is_told_once(void **state)
{
	static const int days[] = { 200, 300, 306, 330, 340, 352, 359, 362, 364,
		366 };
	static const int told[] = { 0, 0, 1, 1, 2, 3, 4, 4, 5, 5 };
	struct site *s = *state;

	site_mac(s, (struct mac){ .id = "D1", .serial = "C02A" });
	paper(s, "D1", 365);
	for (size_t i = 0; i < COUNT(days); i++) {
		tick_at(s, days[i]);
		tick_at(s, days[i]);
		assert_int_equal(site_events(s, "identity.expiring"), told[i]);
	}
	assert_int_equal(site_events(s, "identity.expired"), 1);
}

/* One of 90 days is not near its end when it has 60. */
static void
a_short_life_has_fewer_steps(void **state)
{
	struct site *s = *state;

	site_mac(s, (struct mac){ .id = "D1", .serial = "C02A" });
	paper(s, "D1", 90);
	tick_at(s, 46);
	assert_int_equal(site_events(s, "identity.expiring"), 0);
	tick_at(s, 61);
	assert_int_equal(site_events(s, "identity.expiring"), 1);
}

static void
they_are_counted(void **state)
{
	struct site *s = *state;
	struct enroll_identity_ends n;

	site_mac(s, (struct mac){ .id = "D1", .serial = "C02A" });
	site_mac(s, (struct mac){ .id = "D2", .serial = "C02B" });
	site_mac(s, (struct mac){ .id = "D3", .serial = "C02C", .left = true });
	paper(s, "D1", 300);
	paper(s, "D2", 330);
	paper(s, "D3", 300);
	n = ends(s);
	assert_int_equal(n.within_60, 0);
	assert_int_equal(n.first, 0);
	tick_at(s, 275);
	n = ends(s);
	assert_int_equal(n.within_30, 1);
	assert_int_equal(n.within_60, 2);
	assert_true(n.first > clock_now_ms());
	tick_at(s, 301);
	n = ends(s);
	assert_int_equal(n.within_30, 1);
	assert_int_equal(n.within_60, 1);
	assert_int_equal(n.ended, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, site_setup, site_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_step_is_told_once),
		TEST(a_short_life_has_fewer_steps),
		TEST(they_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
