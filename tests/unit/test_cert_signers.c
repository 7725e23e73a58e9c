/* The table of known signers: finding, forgetting the oldest, references. */
#include "cert_fixture.h"

#include "certs/cert_signers_priv.h"

/* Any digest will do as a key; the first bytes choose the set. */
static struct cert_known
known(X509 *x, uint8_t id)
{
	struct cert_known k = { .certificate = x, .not_before = id };

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
	AUTO(cert_x509_free) X509 *x = self_signed("a", k);
	struct cert_known ninth;

	(void)state;
	assert_false(finds(s, 1));
	for (uint8_t id = 1; id <= 8; id++) {
		struct cert_known new = known(x, id);

		cert_signers_add(s, &new);
		/* Twice is once. */
		cert_signers_add(s, &new);
	}
	for (uint8_t id = 1; id <= 8; id++)
		assert_true(finds(s, id));
	assert_true(finds(s, 1));
	ninth = known(x, 9);
	cert_signers_add(s, &ninth);
	assert_true(finds(s, 1));
	assert_false(finds(s, 2));
	assert_true(finds(s, 9));
}

static void
found_outlives_the_table(void **state)
{
	struct cert_signers *s = cert_signers_new(1);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_known_clear) struct cert_known got = { 0 };
	X509 *x = self_signed("a", k);
	struct cert_known one = known(x, 1);
	char cn[8];

	(void)state;
	cert_signers_add(s, &one);
	X509_free(x);
	assert_true(cert_signers_find(s, one.digest, &got));
	cert_signers_free(&s);
	assert_null(s);
	cert_subject_value(got.certificate, NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "a");
}

static void
zero_remembers_nobody(void **state)
{
	AUTO(cert_signers_free) struct cert_signers *s = cert_signers_new(0);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_x509_free) X509 *x = self_signed("a", k);
	struct cert_known one = known(x, 1);

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
		cmocka_unit_test(zero_remembers_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
