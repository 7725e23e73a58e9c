/* SHA-256 (FIPS 180-4 examples) and HMAC-SHA-256 (RFC 4231). */
#include "core/encode.h"
#include "core_test.h"

static void
sha256_vectors(void **state)
{
	char hex[SHA256_HEX_SIZE];

	(void)state;
	sha256_hex(hex, slice_str("abc"));
	assert_string_equal(hex,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex(hex, slice_of(NULL, 0));
	assert_string_equal(hex,
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void
hmac(const char *key, const char *text, const char *want)
{
	uint8_t mac[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	hmac_sha256(mac, slice_str(key), slice_str(text));
	hex_to(hex, mac, sizeof(mac));
	assert_string_equal(hex, want);
}

static void
hmac_vectors(void **state)
{
	(void)state;
	hmac("Jefe", "what do ya want for nothing?",
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
	     "\x0b\x0b\x0b\x0b",
	    "Hi There",
	    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac("", "",
	    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(hmac_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
