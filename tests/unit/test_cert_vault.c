/* Keys in rows and in files; tokens are in scenario 140. */
#include "cert_fixture.h"

#include <sys/stat.h>

static void
secret_file(const struct place *p, const char *text, mode_t mode, char **out)
{
	struct err e = { 0 };
	char *path = str_printf("%s/phrase", p->dir);

	must(file_write(path, slice_str(text), mode, &e), &e);
	*out = str_printf("file:%s", path);
	str_free(&path);
}

static void
sealed_keys_belong_to_their_row(void **state)
{
	struct cert_vault v = place_vault(*state);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_key_free) EVP_PKEY *again = NULL;
	AUTO(cert_vault_place_clear) struct cert_vault_place p = { 0 };
	struct err e = { 0 };

	must(cert_vault_put(&v, "a", k, &p, &e), &e);
	assert_string_equal(p.kind, CERT_VAULT_SEALED);
	assert_false(file_exists(v.dir));
	must_fail(cert_vault_get(&v, "b", &p, &again, &failure), ERR_INTERNAL);
	must(cert_vault_get(&v, "a", &p, &again, &e), &e);
	assert_int_equal(EVP_PKEY_eq(k, again), 1);
}

static void
key_files_need_their_passphrase(void **state)
{
	struct place *at = *state;
	struct cert_vault v = place_vault(at);
	AUTO(cert_key_free) EVP_PKEY *k = new_key(CERT_P256);
	AUTO(cert_key_free) EVP_PKEY *again = NULL;
	AUTO(cert_vault_place_clear) struct cert_vault_place p = { 0 };
	AUTO(str_free) char *phrase = NULL;
	AUTO(str_free) char *path = str_printf("%s/a.key", at->keys);
	struct err e = { 0 };
	struct stat st;

	v.files = true;
	must_fail(cert_vault_put(&v, "a", k, &p, &failure), ERR_INVALID);
	secret_file(at, "open, sesame\n", 0600, &phrase);
	v.passphrase = phrase;
	must(cert_vault_put(&v, "a", k, &p, &e), &e);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	must(cert_vault_get(&v, "a", &p, &again, &e), &e);
	assert_int_equal(EVP_PKEY_eq(k, again), 1);
	cert_key_free(&again);

	assert_int_equal(chmod(path, 0640), 0);
	must_fail(cert_vault_get(&v, "a", &p, &again, &failure), ERR_INVALID);
	assert_int_equal(chmod(path, 0600), 0);
	str_free(&phrase);
	secret_file(at, "open, sesami\n", 0600, &phrase);
	v.passphrase = phrase;
	must_fail(cert_vault_get(&v, "a", &p, &again, &failure), ERR_INVALID);
	cert_vault_abandon(&v, &p);
	must_fail(cert_vault_get(&v, "a", &p, &again, &failure), ERR_NOT_FOUND);
}

static void
secrets_are_named(void **state)
{
	AUTO(str_free) char *open = NULL;
	AUTO(buf_wipe) struct buf *b = NULL;
	struct err e = { 0 };

	secret_file(*state, "x", 0644, &open);
	must_fail(cert_vault_secret(open, "it", &b, &failure), ERR_INVALID);
	must_fail(cert_vault_secret("file:/nonexistent", "it", &b, &failure),
	    ERR_INVALID);
	must_fail(cert_vault_secret("x", "it", &b, &failure), ERR_INVALID);
	must_fail(cert_vault_secret(NULL, "it", &b, &failure), ERR_INVALID);
	must_fail(cert_vault_secret("env:MUTSU_TEST_NONE", "it", &b, &failure),
	    ERR_INVALID);
	assert_int_equal(setenv("MUTSU_TEST_SECRET", "four words", 1), 0);
	must(cert_vault_secret("env:MUTSU_TEST_SECRET", "it", &b, &e), &e);
	assert_string_equal(buf_str(b), "four words");
}

static void
token_uris_hold_no_pin(void **state)
{
	struct cert_vault v = place_vault(*state);
	struct cert_vault_place p = { 0 };
	AUTO(cert_key_free) EVP_PKEY *k = NULL;
	struct err e = { 0 };

	must_fail(cert_vault_token("pkcs11:object=a?pin-value=1", &p, &failure),
	    ERR_INVALID);
	must_fail(cert_vault_token("/a.key", &p, &failure), ERR_INVALID);
	must(cert_vault_token("pkcs11:object=a;type=private", &p, &e), &e);
	must_fail(cert_vault_get(&v, "a", &p, &k, &failure), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(sealed_keys_belong_to_their_row),
		PLACE_TEST(key_files_need_their_passphrase),
		PLACE_TEST(secrets_are_named),
		PLACE_TEST(token_uris_hold_no_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
