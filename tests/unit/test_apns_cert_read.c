/* The forms in which push certificates are given. */
#include "tests/unit/cert_fixture.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "apns/apns_cert.h"

#define WORD "a word between us"

static EVP_PKEY *key;
static X509 *leaf;
static struct buf *cert, *plain;

static int
make_all(void **state)
{
	struct err e = { 0 };

	(void)state;
	key = new_key(CERT_RSA_2048);
	leaf = self_signed("APSP:test", key);
	cert = buf_new(1 << 16);
	must(cert_pem(leaf, cert, &e), &e);
	must(cert_key_pem(key, &plain, &e), &e);
	return 0;
}

static int
free_all(void **state)
{
	(void)state;
	buf_free(&cert);
	buf_wipe(&plain);
	cert_x509_free(&leaf);
	cert_key_free(&key);
	return 0;
}

/* Reads to the same two texts. */
static void
reads(const struct apns_cert_input *in, bool has_key)
{
	AUTO(buf_free) struct buf *c = NULL;
	AUTO(buf_wipe) struct buf *k = NULL;
	struct err e = { 0 };

	must(apns_cert_read(in, &c, &k, &e), &e);
	assert_string_equal(buf_str(c), buf_str(cert));
	assert_int_equal(k != NULL, has_key);
	if (k != NULL)
		assert_string_equal(buf_str(k), buf_str(plain));
}

static void
refuses(const struct apns_cert_input *in, const char *says)
{
	struct buf *c = NULL, *k = NULL;

	must_fail(apns_cert_read(in, &c, &k, &failure), ERR_INVALID);
	assert_null(c);
	assert_null(k);
	if (strstr(failure.text, says) == NULL)
		fail_msg("\"%s\" does not say %s", failure.text, says);
}

static char *
encrypted(void)
{
	AUTO(cert_bio_free) BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key,
	                     EVP_aes_128_cbc(), WORD, strlen(WORD), NULL, NULL),
	    1);
	len = BIO_get_mem_data(bio, &text);
	return str_printf("%.*s", (int)len, text);
}

static void
pem_in_its_forms(void **state)
{
	AUTO(str_free) char *locked = encrypted();
	AUTO(str_free)
	char *both = str_printf("%s%s", buf_str(cert), buf_str(plain));
	AUTO(str_free)
	char *turned = str_printf("%s%s", buf_str(plain), buf_str(cert));
	AUTO(str_free) char *joined = str_dup(both);
	char *seam = strstr(joined, "-----\n-----");

	(void)state;
	reads(&(struct apns_cert_input){ .cert = buf_slice(cert) }, false);
	reads(&(struct apns_cert_input){ .cert = buf_slice(cert),
	          .key = buf_slice(plain) },
	    true);
	reads(&(struct apns_cert_input){ .cert = slice_str(both) }, true);
	reads(&(struct apns_cert_input){ .cert = slice_str(turned) }, true);
	/* No line end between the blocks. */
	assert_non_null(seam);
	memmove(seam + 5, seam + 6, strlen(seam + 6) + 1);
	reads(&(struct apns_cert_input){ .cert = slice_str(joined) }, true);
	reads(&(struct apns_cert_input){ .cert = buf_slice(cert),
	          .key = slice_str(locked),
	          .passphrase = WORD },
	    true);
	refuses(&(struct apns_cert_input){ .cert = buf_slice(cert),
	            .key = slice_str(locked) },
	    "passphrase is missing");
	refuses(&(struct apns_cert_input){ .cert = buf_slice(cert),
	            .key = slice_str(locked),
	            .passphrase = "guess" },
	    "wrong passphrase");
	refuses(&(struct apns_cert_input){ .cert = slice_str("text") },
	    "push certificate");
	refuses(&(struct apns_cert_input){ 0 }, "push certificate");
}

static void
pkcs12(void **state)
{
	PKCS12 *box =
	    PKCS12_create(WORD, "push", key, leaf, NULL, 0, 0, 0, 0, 0);
	AUTO(buf_wipe) struct buf *der = buf_new(1 << 16);
	uint8_t *bytes = NULL;
	int len = i2d_PKCS12(box, &bytes);
	struct apns_cert_input in = { .passphrase = WORD };

	(void)state;
	assert_true(len > 0);
	buf_add(der, bytes, (size_t)len);
	in.pkcs12 = buf_slice(der);
	reads(&in, true);
	in.passphrase = "guess";
	refuses(&in, "wrong passphrase");
	in.passphrase = NULL;
	refuses(&in, "wrong passphrase");
	in.passphrase = WORD;
	in.pkcs12 = slice_of(der->p, der->len - 1);
	refuses(&in, "PKCS #12");
	buf_addc(der, 'x');
	in.pkcs12 = buf_slice(der);
	refuses(&in, "PKCS #12");
	OPENSSL_free(bytes);
	PKCS12_free(box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pem_in_its_forms),
		cmocka_unit_test(pkcs12),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
