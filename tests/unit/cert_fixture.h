/*
 * Keys, certificates and a database for the tests of certs/; short forms that
 * fail the test.  Owns nothing itself.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "certs/cert_build_priv.h"
#include "certs/cert_vault.h"
#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/file.h"
#include "store/store.h"
#include "tests/store/database.h"

static inline void
must(bool ok, const struct err *e)
{
	if (!ok)
		fail_msg("%s", e->text);
}

/* What the call in must_fail() is given for its error. */
static struct err failure __attribute__((unused));

/* The call fails with this code, and says something. */
#define must_fail(call, wanted)                                                \
	do {                                                                   \
		failure = (struct err){ 0 };                                   \
		assert_false(call);                                            \
		assert_int_equal(failure.code, (wanted));                      \
		assert_true(failure.text[0] != '\0');                          \
	} while (0)

static inline EVP_PKEY *
new_key(enum cert_key_kind kind)
{
	EVP_PKEY *k = NULL;
	struct err e = { 0 };

	must(cert_key_new(kind, &k, &e), &e);
	return k;
}

static inline X509 *
reread_cert(const X509 *x)
{
	AUTO(buf_free) struct buf *der = NULL;
	X509 *again = NULL;
	struct err e = { 0 };

	must(cert_der(x, &der, &e), &e);
	must(cert_parse(buf_slice(der), &again, &e), &e);
	return again;
}

/* A leaf for cn with key, signed by issuer, or by itself when that is NULL. */
struct leaf {
	const char *cn;
	EVP_PKEY *key;
	X509 *issuer;
	EVP_PKEY *issuer_key;
	bool ca;
};

static inline X509 *
new_cert(const struct leaf *l)
{
	struct cert_build_usage usage = { l->ca ? "critical,CA:TRUE"
		                                : "critical,CA:FALSE",
		l->ca ? "critical,keyCertSign" : "critical,digitalSignature",
		NULL, NULL };
	struct cert_subject subject = { .cn = l->cn, .o = "Test" };
	int64_t now = clock_now_ms() / MS_S * MS_S;
	struct cert_build b = { .subject = &subject,
		.issuer = l->issuer,
		.signer = l->issuer_key != NULL ? l->issuer_key : l->key,
		.validity = { now - MS_DAY, now + 300 * MS_DAY } };
	AUTO(cert_built_clear) struct cert_built built = { 0 };
	AUTO(buf_free) struct buf *usages = NULL;
	X509_PUBKEY *pub = NULL;
	struct err e = { 0 };
	X509 *x = NULL;

	assert_int_equal(X509_PUBKEY_set(&pub, l->key), 1);
	b.pub = pub;
	must(cert_build_usages(&usage, &usages, &e), &e);
	b.extensions = buf_slice(usages);
	must(cert_build(&b, &built, &e), &e);
	must(cert_parse(buf_slice(built.der), &x, &e), &e);
	X509_PUBKEY_free(pub);
	return x;
}

static inline X509 *
self_signed(const char *cn, EVP_PKEY *key)
{
	return new_cert(&(struct leaf){ .cn = cn, .key = key });
}

/* A file of tests/vectors/cms. */
static inline struct buf *
vector(const char *name)
{
	AUTO(str_free) char *path = str_printf(TEST_VECTORS "/cms/%s", name);
	struct buf *b = NULL;
	struct err e = { 0 };

	must(file_read(path, 64 << 10, &b, &e), &e);
	return b;
}

/* A directory with a database. */
struct place {
	char dir[64];
	char keys[80];
	struct store *st;
	struct seal *seal;
};

static inline struct cert_vault
place_vault(const struct place *p)
{
	return (struct cert_vault){ .seal = p->seal, .dir = p->keys };
}

static inline void
place_open(struct place *p)
{
	AUTO(str_free) char *path = str_printf("%s/db", p->dir);
	AUTO(str_free) char *database = test_database(path);
	struct store_options o = { .path = database };
	struct err e = { 0 };

	must(store_open(&o, &p->st, &e), &e);
}

static inline void
place_make(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/mutsu-certs-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->keys, sizeof(p->keys), "%s/keys", p->dir);
	AUTO(str_free) char *master = str_printf("%s/master.key", p->dir);
	struct err e = { 0 };

	must(seal_open(master, &p->seal, &e), &e);
	place_open(p);
}

/* Calls fn with the path of each file of a directory. */
static inline int
each_file(const char *dir, void (*fn)(const char *path))
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int n = 0;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		AUTO(str_free)
		char *path = str_printf("%s/%s", dir, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		n++;
		if (fn != NULL)
			fn(path);
	}
	if (d != NULL)
		closedir(d);
	return n;
}

static inline void
remove_file(const char *path)
{
	(void)remove(path);
}

static inline void
place_remove(struct place *p)
{
	store_close(&p->st);
	seal_free(&p->seal);
	each_file(p->keys, remove_file);
	rmdir(p->keys);
	each_file(p->dir, remove_file);
	rmdir(p->dir);
	clock_set_offset_ms(0);
}

/* A place for each test. */
static inline int
place_setup(void **state)
{
	struct place *p = mem_zalloc(1, sizeof(*p));

	place_make(p);
	*state = p;
	return 0;
}

static inline int
place_teardown(void **state)
{
	struct place *p = *state;

	place_remove(p);
	mem_free(&p);
	return 0;
}

#define PLACE_TEST(f)                                                          \
	cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
