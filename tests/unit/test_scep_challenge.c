/* Minting of challenges: alphabet, storage, and what is refused. */
#include <ctype.h>

#include "tests/unit/scep_fixture.h"

static const struct cert_subject subject = { .cn = "device-1" };

static const struct scep_grant good = { .template = CERT_TEMPLATE_DEVICE,
	.purpose = "enroll",
	.subject = &subject,
	.ttl_ms = MS_H };

static bool
mint(struct world *w, struct scep_grant g, struct challenge *c, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(w->store, STORE_WRITE, &tx, e) &&
	       scep_challenge_new(tx, w->seal, &g, c->text, c->id, e) &&
	       store_commit(&tx, e);
}

static void
alphabet_and_length(void **state)
{
	struct challenge a, b;
	struct err e;

	assert_true(mint(*state, good, &a, &e));
	assert_true(mint(*state, good, &b, &e));
	assert_int_equal(strlen(a.text), 32);
	for (const char *p = a.text; *p != '\0'; p++)
		assert_true(isalnum((unsigned char)*p));
	assert_string_not_equal(a.text, b.text);
	assert_string_not_equal(a.id, b.id);
	assert_true(uuid_valid(a.id));
}

static void
only_its_mac_is_stored(void **state)
{
	struct world *w = *state;
	char mac[SHA256_HEX_SIZE];
	struct challenge c;
	struct err e;

	assert_true(mint(w, good, &c, &e));
	scep_challenge_mac(w->seal, c.text, mac);
	assert_int_equal(
	    world_number(
	        w, "SELECT count(*) FROM challenge WHERE mac = $1", mac),
	    1);
	assert_int_equal(world_number(w,
	                     "SELECT count(*) FROM challenge WHERE $1 IN"
	                     " (mac, id, template, purpose, subject)",
	                     c.text),
	    0);
}

static void
refuses(struct world *w, struct scep_grant g)
{
	struct challenge c;
	struct err e = { 0 };

	assert_false(mint(w, g, &c, &e));
	assert_int_equal(e.code, ERR_INVALID);
}

static void
bad_grants(void **state)
{
	static const struct cert_subject nameless = { .o = "Acme" };
	char id[80];
	struct scep_grant g = good;

	g.template = "no-such";
	refuses(*state, g);
	g.template = CERT_TEMPLATE_TLS;
	refuses(*state, g);
	g = good;
	g.subject = &nameless;
	refuses(*state, g);
	g = good;
	g.ttl_ms = 0;
	refuses(*state, g);
	memset(id, 'x', sizeof(id));
	id[sizeof(id) - 1] = '\0';
	g = good;
	g.device_id = id;
	refuses(*state, g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alphabet_and_length),
		cmocka_unit_test(only_its_mac_is_stored),
		cmocka_unit_test(bad_grants),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
