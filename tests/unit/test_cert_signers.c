/* The table of known signers: finding, forgetting the oldest, references. */
#include "cert_fixture.h"

#include "certs/cert_signers_priv.h"

/* Any digest will do as a key; the first bytes choose the set. */
static struct cert_known
known(EVP_PKEY *key, uint8_t id)
{
	struct cert_known k = { .key = key, .not_before = id };

	k.digest[SHA256_SIZE - 1] = id;
	return k;
}

static bool
finds(struct cert_signers *s, uint8_t id)
{
	struct cert_known wanted = known(NULL, id), got = { 0 };
	bool found = cert_signers_find(s, wanted.digest, &got);

	if (found)
		assert_int_equal(got.not_before, id);
	cert_known_clear(&got);
	return found;
}

static void
oldest_gives_way(void **state)
{
	AUTO(cert_signers_free) struct cert_signers *s = cert_signers_new(8);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	struct cert_known ninth;

	(void)state;
	assert_false(finds(s, 1));
	for (uint8_t id = 1; id <= 8; id++) {
		struct cert_known new = known(k, id);

		cert_signers_add(s, &new);
		/* Twice is once. */
		cert_signers_add(s, &new);
	}
	for (uint8_t id = 1; id <= 8; id++)
		assert_true(finds(s, id));
	assert_true(finds(s, 1));
	ninth = known(k, 9);
	cert_signers_add(s, &ninth);
	assert_true(finds(s, 1));
	assert_false(finds(s, 2));
	assert_true(finds(s, 9));
}

static void
found_outlives_the_table(void **state)
{
	struct cert_signers *s = cert_signers_new(1);
	EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_known_clear) struct cert_known got = { 0 };
	struct cert_known one = known(k, 1);

	(void)state;
	cert_signers_add(s, &one);
	cert_key_free(&k);
	assert_true(cert_signers_find(s, one.digest, &got));
	cert_signers_free(&s);
	assert_null(s);
	assert_int_equal(EVP_PKEY_get_bits(got.key), 256);
}

/* Against a plain model: who is found is who was used last. */
static void
agrees_with_a_model(void **state)
{
	enum { ROOM = 5, IDS = 12 };
	AUTO(cert_signers_free) struct cert_signers *s = cert_signers_new(ROOM);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	int last_use[IDS] = { 0 };
	uint32_t turn = 12345;

	(void)state;
	for (int now = 1; now < 5000; now++) {
		uint8_t id =
		    (uint8_t)((turn = turn * 1664525 + 1013904223) >> 24) % IDS;
		struct cert_known one = known(k, id);
		int newer = 0;

		for (int i = 0; i < IDS; i++)
			newer += last_use[i] > last_use[id];
		assert_int_equal(
		    finds(s, id), last_use[id] > 0 && newer < ROOM);
		cert_signers_add(s, &one);
		last_use[id] = now;
	}
}

static void
large_table_keeps_nearly_all(void **state)
{
	enum { MANY = 2000 };
	AUTO(cert_signers_free) struct cert_signers *s = cert_signers_new(MANY);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	int found = 0;

	(void)state;
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < MANY; i++) {
			struct cert_known one = { .key = k };
			struct cert_known got = { 0 };

			sha256(one.digest, slice_of(&i, sizeof(i)));
			if (round == 0)
				cert_signers_add(s, &one);
			else
				found += cert_signers_find(s, one.digest, &got);
			cert_known_clear(&got);
		}
	assert_true(found > MANY * 9 / 10);
}

static void
zero_remembers_nobody(void **state)
{
	AUTO(cert_signers_free) struct cert_signers *s = cert_signers_new(0);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	struct cert_known one = known(k, 1);

	(void)state;
	cert_signers_add(s, &one);
	assert_false(finds(s, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oldest_gives_way),
		cmocka_unit_test(found_outlives_the_table),
		cmocka_unit_test(agrees_with_a_model),
		cmocka_unit_test(large_table_keeps_nearly_all),
		cmocka_unit_test(zero_remembers_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
