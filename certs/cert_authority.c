/*
 * The certificate authority: opened on one thread, read-only afterwards and
 * then safe from any thread.  Owns certificates, keys, and the extensions that
 * go into what it issues.
 */
#include <arpa/inet.h>
#include <assert.h>

#include <openssl/pkcs7.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_build_priv.h"
#include "core/clock.h"
#include "core/file.h"

/* "<organization> Issuing CA G1" is a CN of at most 64 characters. */
enum { ORGANIZATION_CHARS_MAX = 48, TLS_PEM_MAX = 32 << 10 };

/* Those of one template, by the kind of key. */
struct usages {
	STACK_OF(X509_EXTENSION) * rsa, *ec;
};

struct cert_authority {
	struct cert_authority_row root, issuing, ra;
	EVP_PKEY *issuing_key, *ra_key;
	char spki[3][SHA256_HEX_SIZE]; /* keys that we never certify */
	struct buf *ra_chain;
	struct usages *usages; /* one for each of cert_templates() */
	EVP_MD *md;
};

static void
pkcs7_free(PKCS7 **p)
{
	PKCS7_free(*p);
	*p = NULL;
}

static void
openssl_free(unsigned char **p)
{
	OPENSSL_free(*p);
	*p = NULL;
}

static size_t
template_count(void)
{
	size_t n = 0;

	while (cert_templates()[n].name != NULL)
		n++;
	return n;
}

void
cert_authority_free(struct cert_authority **a)
{
	if (*a == NULL)
		return;
	for (size_t i = 0; (*a)->usages != NULL && i < template_count(); i++) {
		cert_build_extensions_free(&(*a)->usages[i].rsa);
		cert_build_extensions_free(&(*a)->usages[i].ec);
	}
	mem_free(&(*a)->usages);
	cert_authority_row_clear(&(*a)->root);
	cert_authority_row_clear(&(*a)->issuing);
	cert_authority_row_clear(&(*a)->ra);
	cert_key_free(&(*a)->issuing_key);
	cert_key_free(&(*a)->ra_key);
	buf_free(&(*a)->ra_chain);
	EVP_MD_free((*a)->md);
	mem_free(a);
}

static bool
check_options(const struct cert_authority_options *o, struct err *e)
{
	if (str_empty(o->organization) ||
	    str_utf8_len(o->organization) > ORGANIZATION_CHARS_MAX)
		return err_set(e, ERR_INVALID,
		    "the organization's name has 1 to %d characters",
		    ORGANIZATION_CHARS_MAX);
	return file_mkdir(o->key_dir, e) && file_private(o->key_dir, e);
}

static bool
read_rows(struct store *st, struct cert_authority *a, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	cert_authority_row_clear(&a->root);
	cert_authority_row_clear(&a->issuing);
	cert_authority_row_clear(&a->ra);
	return store_begin(st, STORE_READ, &tx, e) &&
	       cert_authority_db_active(tx, CERT_ROLE_ROOT, &a->root, e) &&
	       cert_authority_db_active(
	           tx, CERT_ROLE_ISSUING, &a->issuing, e) &&
	       cert_authority_db_active(tx, CERT_ROLE_RA, &a->ra, e);
}

static bool
load_key(const char *key_dir, const struct cert_authority_row *r,
    EVP_PKEY **out, struct err *e)
{
	AUTO(str_free) char *path = cert_authority_key_path(key_dir, r);
	AUTO(cert_key_free) EVP_PKEY *k = NULL;

	if (!cert_key_load(path, &k, e))
		return err_wrap(e, "authority %s", r->role);
	if (X509_check_private_key(r->certificate, k) != 1)
		return err_openssl(e, ERR_INTERNAL,
		    "authority %s: %s is not the key of its certificate",
		    r->role, path);
	cert_key_free(out);
	*out = TAKE(k);
	return true;
}

/* Also makes OpenSSL fill what it caches in x, before threads share it. */
static bool
check_issued(X509 *x, X509 *issuer, const char *role, struct err *e)
{
	if (X509_check_purpose(x, -1, 0) != 1 ||
	    X509_check_issued(issuer, x) != X509_V_OK ||
	    X509_verify(x, X509_get0_pubkey(issuer)) != 1)
		return err_openssl(e, ERR_INTERNAL,
		    "authority %s: its issuer did not sign it", role);
	return true;
}

/* Rows and keys, made if there are none. */
static bool
load(struct store *st, const struct cert_authority_options *o,
    struct cert_authority *a, struct err *e)
{
	if (!read_rows(st, a, e))
		return false;
	if (a->root.certificate == NULL &&
	    (!cert_authority_setup(st, o, e) || !read_rows(st, a, e)))
		return false;
	if (a->root.certificate == NULL || a->issuing.certificate == NULL ||
	    a->ra.certificate == NULL)
		return err_set(e, ERR_INTERNAL,
		    "the authority in the database is incomplete");
	return check_issued(
	           a->root.certificate, a->root.certificate, "root", e) &&
	       check_issued(
	           a->issuing.certificate, a->root.certificate, "issuing", e) &&
	       load_key(o->key_dir, &a->issuing, &a->issuing_key, e);
}

static bool
load_ra(struct store *st, const struct cert_authority_options *o,
    struct cert_authority *a, struct err *e)
{
	struct cert_authority_renewal renewal = { o, &a->ra,
		a->issuing.certificate, a->issuing_key };

	if (cert_authority_ra_due(a->ra.certificate, a->issuing.certificate) &&
	    (!cert_authority_renew_ra(st, &renewal, e) || !read_rows(st, a, e)))
		return false;
	return check_issued(
	           a->ra.certificate, a->issuing.certificate, "ra", e) &&
	       load_key(o->key_dir, &a->ra, &a->ra_key, e);
}

/*
 * PKCS7_ and not CMS_, which would sort the certificates: clients take the
 * first for the RA.  Only written here, never read.
 */
static bool
make_chain(struct cert_authority *a, struct err *e)
{
	AUTO(pkcs7_free) PKCS7 *p = PKCS7_new();
	AUTO(openssl_free) unsigned char *der = NULL;
	int len;

	if (p == NULL || !PKCS7_set_type(p, NID_pkcs7_signed))
		return err_openssl(e, ERR_INTERNAL, "chain");
	p->d.sign->contents->type = OBJ_nid2obj(NID_pkcs7_data);
	if (!PKCS7_add_certificate(p, a->ra.certificate) ||
	    !PKCS7_add_certificate(p, a->issuing.certificate) ||
	    !PKCS7_add_certificate(p, a->root.certificate))
		return err_openssl(e, ERR_INTERNAL, "chain");
	len = i2d_PKCS7(p, &der);
	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "chain");
	a->ra_chain = buf_new((size_t)len);
	buf_add(a->ra_chain, der, (size_t)len);
	return true;
}

static bool
make_usages(struct cert_authority *a, struct err *e)
{
	a->usages = mem_zalloc(template_count(), sizeof(*a->usages));
	for (size_t i = 0; i < template_count(); i++) {
		const struct cert_template *t = &cert_templates()[i];
		struct cert_build_usage u = { "critical,CA:FALSE", t->key_usage,
			t->ext_key_usage };

		if (!cert_build_extensions(&u, &a->usages[i].rsa, e))
			return err_wrap(e, "template %s", t->name);
		u.key_usage = t->key_usage_ec;
		if (t->ec && !cert_build_extensions(&u, &a->usages[i].ec, e))
			return err_wrap(e, "template %s", t->name);
	}
	return true;
}

static bool
make_constants(struct cert_authority *a, struct err *e)
{
	a->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (a->md == NULL)
		return err_openssl(e, ERR_INTERNAL, "SHA-256");
	return cert_spki_pub(
	           X509_get_X509_PUBKEY(a->root.certificate), a->spki[0], e) &&
	       cert_spki_pub(X509_get_X509_PUBKEY(a->issuing.certificate),
	           a->spki[1], e) &&
	       cert_spki_pub(
	           X509_get_X509_PUBKEY(a->ra.certificate), a->spki[2], e) &&
	       make_chain(a, e) && make_usages(a, e);
}

bool
cert_authority_open(struct store *st, const struct cert_authority_options *o,
    struct cert_authority **out, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = mem_zalloc(1, sizeof(*a));

	if (!check_options(o, e) || !load(st, o, a, e) ||
	    !load_ra(st, o, a, e) || !make_constants(a, e))
		return false;
	*out = TAKE(a);
	return true;
}

X509 *
cert_authority_root(const struct cert_authority *a)
{
	return a->root.certificate;
}

X509 *
cert_authority_issuing(const struct cert_authority *a)
{
	return a->issuing.certificate;
}

X509 *
cert_authority_ra(const struct cert_authority *a)
{
	return a->ra.certificate;
}

EVP_PKEY *
cert_authority_ra_key(const struct cert_authority *a)
{
	return a->ra_key;
}

const char *
cert_authority_id(const struct cert_authority *a)
{
	return a->issuing.id;
}

struct slice
cert_authority_ra_chain(const struct cert_authority *a)
{
	return buf_slice(a->ra_chain);
}

/* The extensions for this template and kind of key. */
static bool
choose_usages(const struct cert_authority *a, const struct cert_issue *in,
    STACK_OF(X509_EXTENSION) * *out, struct err *e)
{
	size_t i = (size_t)(in->template - cert_templates());
	ASN1_OBJECT *algorithm;

	assert(i < template_count());
	if (!X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, in->pub))
		return err_openssl(e, ERR_INVALID, "public key");
	switch (OBJ_obj2nid(algorithm)) {
	case NID_rsaEncryption:
		*out = a->usages[i].rsa;
		return true;
	case NID_X9_62_id_ecPublicKey:
		*out = a->usages[i].ec;
		break;
	default:
		*out = NULL;
	}
	return *out != NULL || err_set(e, ERR_FORBIDDEN,
	                           "template %s is not for this kind of key",
	                           in->template->name);
}

static bool
check_not_ours(const struct cert_authority *a, const char *spki, struct err *e)
{
	for (size_t i = 0; i < COUNT(a->spki); i++)
		if (str_eq(a->spki[i], spki))
			return err_set(e, ERR_FORBIDDEN,
			    "the key is one of the authority's own");
	return true;
}

static bool
describe(const X509 *x, struct cert_issued *out, struct err *e)
{
	if (!cert_der(x, &out->der, e))
		return false;
	sha256_hex(out->fingerprint, buf_slice(out->der));
	cert_serial(x, out->serial, sizeof(out->serial));
	cert_subject(x, out->subject, sizeof(out->subject));
	return true;
}

bool
cert_authority_issue(const struct cert_authority *a,
    const struct cert_issue *in, struct cert_issued *out, struct err *e)
{
	AUTO(cert_x509_free) X509 *x = NULL;
	struct cert_issued done = { 0 };
	struct cert_build_term term = { in->now_ms, in->template->life_days,
		in->template->backdate_ms };
	struct cert_build b = {
		.subject = in->subject,
		.pub = in->pub,
		.issuer = a->issuing.certificate,
		.signer = a->issuing_key,
		.md = a->md,
		.san = in->template->san,
	};

	if (!choose_usages(a, in, &b.extensions, e) ||
	    !cert_spki_pub(in->pub, done.spki, e) ||
	    !check_not_ours(a, done.spki, e) ||
	    !cert_build_validity(&term, b.issuer, &b.validity, e) ||
	    !cert_build(&b, &x, e) || !describe(x, &done, e))
		return false;
	done.not_before = b.validity.not_before;
	done.not_after = b.validity.not_after;
	*out = done;
	return true;
}

void
cert_issued_clear(struct cert_issued *i)
{
	buf_free(&i->der);
}

static void
pubkey_free(X509_PUBKEY **p)
{
	X509_PUBKEY_free(*p);
	*p = NULL;
}

static bool
is_address(const char *host)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	       inet_pton(AF_INET6, host, address) == 1;
}

/* A certificate with its chain below the root, as TLS servers send it. */
static bool
tls_chain(const struct cert_authority *a, struct slice der, struct buf **out,
    struct err *e)
{
	AUTO(cert_x509_free) X509 *x = NULL;
	AUTO(buf_free) struct buf *pem = buf_new(TLS_PEM_MAX);

	if (!cert_parse(der, &x, e) || !cert_pem(x, pem, e) ||
	    !cert_pem(a->issuing.certificate, pem, e))
		return false;
	*out = TAKE(pem);
	return true;
}

bool
cert_authority_tls(const struct cert_authority *a, const char *host,
    struct buf **cert_out, struct buf **key_out, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(pubkey_free) X509_PUBKEY *pub = NULL;
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	AUTO(buf_wipe) struct buf *key_pem = NULL;
	bool address = is_address(host);
	/* Clients look at the alternative name; a CN has 64 characters. */
	struct cert_subject subject = {
		.cn = str_utf8_len(host) <= 64 ? host : CERT_TEMPLATE_TLS,
		.dns = address ? NULL : host,
		.ip = address ? host : NULL
	};
	struct cert_issue in = { cert_template_find(CERT_TEMPLATE_TLS),
		&subject, NULL, clock_now_ms() };

	/* A P-256 signature takes a tenth of an RSA 2048 one's time. */
	if (!cert_key_new(CERT_P256, &key, e) ||
	    !cert_key_pem(key, &key_pem, e))
		return false;
	if (!X509_PUBKEY_set(&pub, key))
		return err_openssl(e, ERR_INTERNAL, "public key");
	in.pub = pub;
	if (!cert_authority_issue(a, &in, &issued, e) ||
	    !tls_chain(a, buf_slice(issued.der), cert_out, e))
		return err_wrap(e, "TLS certificate for %s", host);
	*key_out = TAKE(key_pem);
	return true;
}
