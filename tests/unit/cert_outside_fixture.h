/*
 * A root outside of ours, made with OpenSSL alone, and what it signs, good or
 * bad; a place of its own for each test.
 */
#pragma once

#include "cert_authority_fixture.h"

#include <openssl/conf.h>
#include <openssl/pem.h>

#include "certs/cert_outside.h"

/* How a certificate is made; zeroed: a good one. */
struct form {
	const char *cn;               /* NULL: the request's subject */
	const char *basic, *usage;    /* NULL: what is right; "": none */
	const char *ext_usage, *more; /* NULL: none; more: critical, unknown */
	const char *md;               /* NULL: SHA256 */
	const char *names;            /* O that is permitted below; NULL: any */
	bool no_key_id, version_1, weak;
	int64_t from_days, days; /* from now; 0: 1,000 */
	long serial;             /* 0: another for each */
};

/* A CA outside of ours, and one that is below it. */
struct outside {
	EVP_PKEY *key;
	X509 *cert;
};

static inline void
add(X509 *x, X509 *issuer, int nid, const char *text)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	if (text == NULL || *text == '\0')
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* Only below O=names. */
static inline void
constrain(X509 *x, const char *names)
{
	AUTO(str_free) char *text = str_printf("[d]\nO=%s\n", names);
	BIO *bio = BIO_new_mem_buf(text, -1);
	CONF *conf = NCONF_new(NULL);
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	assert_int_equal(NCONF_load_bio(conf, bio, NULL), 1);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	ext = X509V3_EXT_nconf_nid(
	    conf, &ctx, NID_name_constraints, "critical,permitted;dirName:d");
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
	NCONF_free(conf);
	BIO_free(bio);
}

static inline void
add_extensions(X509 *x, X509 *issuer, const struct form *f)
{
	X509_EXTENSION *ext;

	add(x, issuer, NID_basic_constraints,
	    f->basic != NULL ? f->basic : "critical,CA:TRUE");
	add(x, issuer, NID_key_usage,
	    f->usage != NULL ? f->usage : "critical,keyCertSign,cRLSign");
	add(x, issuer, NID_ext_key_usage, f->ext_usage);
	if (!f->no_key_id)
		add(x, issuer, NID_subject_key_identifier, "hash");
	if (f->names != NULL)
		constrain(x, f->names);
	if (f->more == NULL)
		return;
	ext = X509V3_EXT_conf(NULL, NULL, f->more, "critical,ASN1:NULL");
	assert_non_null(ext);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
}

/* by NULL: self-signed with key. */
static inline X509 *
certify(EVP_PKEY *key, const X509_NAME *subject, const struct outside *by,
    const struct form *f)
{
	static long serials;
	X509 *x = X509_new(), *issuer = by != NULL ? by->cert : x, *again;
	int64_t now = clock_now_ms() / MS_S;
	X509_NAME *name = X509_get_subject_name(x);
	int64_t days = f->days != 0 ? f->days : 1000;

	if (f->cn != NULL && *f->cn != '\0')
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		    (const unsigned char *)f->cn, -1, -1, 0);
	else if (f->cn == NULL)
		X509_set_subject_name(x, subject);
	X509_set_version(x, f->version_1 ? X509_VERSION_1 : X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x),
	    f->serial != 0 ? f->serial : 1000 + ++serials);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	ASN1_TIME_set(X509_getm_notBefore(x),
	    (time_t)(now - 86400 + f->from_days * 86400));
	ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now + days * 86400));
	assert_int_equal(X509_set_pubkey(x, key), 1);
	if (!f->version_1)
		add_extensions(x, issuer, f);
	assert_true(
	    X509_sign(x, by != NULL ? by->key : key,
	        EVP_get_digestbyname(f->md != NULL ? f->md : "SHA256")) > 0);
	again = reread_cert(x);
	X509_free(x);
	return again;
}

static inline struct outside
new_outside(const char *cn, const struct outside *by, const struct form *how)
{
	struct form f = *how;
	struct outside o = { .key = f.weak ? EVP_RSA_gen(1024)
		                           : new_key(CERT_RSA_2048) };

	f.cn = cn;
	/* Below another it ends before that one, whenever it is made. */
	if (f.days == 0)
		f.days =
		    by == NULL
		        ? 3000
		        : (cert_not_after(by->cert) - clock_now_ms()) / MS_DAY -
		              1;
	o.cert = certify(o.key, NULL, by, &f);
	return o;
}

static inline void
outside_clear(struct outside *o)
{
	X509_free(o->cert);
	EVP_PKEY_free(o->key);
}

static inline int
make(void **state)
{
	struct place *p = mem_zalloc(1, sizeof(*p));

	place_make(p);
	*state = p;
	return 0;
}

static inline int
drop(void **state)
{
	struct place *p = *state;

	place_remove(p);
	free(p);
	return 0;
}

static inline struct cert_authority_options
options(const struct place *p)
{
	return (struct cert_authority_options){ .vault = place_vault(p),
		.organization = "Example" };
}

static inline X509_REQ *
request(const struct place *p)
{
	struct cert_authority_options o = options(p);
	AUTO(buf_free) struct buf *pem = NULL;
	BIO *bio;
	X509_REQ *r;
	struct err e = { 0 };

	must(cert_outside_request(p->st, &o, &pem, &e), &e);
	bio = BIO_new_mem_buf(pem->p, (int)pem->len);
	r = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(r);
	return r;
}

static inline void
add_pem(struct buf *b, const X509 *x)
{
	struct err e = { 0 };

	must(cert_pem(x, b, &e), &e);
}

static inline bool
bring(const struct place *p, const struct buf *chain, const struct buf *root,
    bool *again, struct err *e)
{
	struct cert_authority_options o = options(p);
	struct cert_outside_chain in = { buf_slice(chain),
		root != NULL ? buf_slice(root) : slice_of(NULL, 0) };

	return cert_outside_import(p->st, &o, &in, again, e);
}

/* What by makes of the open request. */
static inline X509 *
signed_request(
    const struct place *p, const struct outside *by, const struct form *f)
{
	X509_REQ *r = request(p);
	X509 *x = certify(
	    X509_REQ_get0_pubkey(r), X509_REQ_get_subject_name(r), by, f);

	X509_REQ_free(r);
	return x;
}

#define OWN(f) cmocka_unit_test_setup_teardown(f, make, drop)
