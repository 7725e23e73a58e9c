/*
 * Keys and certificates of our own, before they are rows.  No state; any
 * thread.
 *
 * A key is kept before any row names it: whatever interrupts that leaves at
 * most a key file that nobody refers to.
 */
#include <stdio.h>

#include <openssl/pem.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_subject_priv.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/random.h"

enum { YEAR_DAYS = 365, ROOT_YEARS = 20, ISSUING_YEARS = 10, RA_YEARS = 2 };

/* What each of our own certificates is.  The RA has no extended key usage:
 * some SCEP clients do not expect one. */
static const struct rank {
	const char *role;
	const char *name;     /* behind the organization's */
	const char *numbered; /* the same with the generation */
	struct cert_build_usage usage;
	int64_t years;
	enum cert_key_kind kind;
	size_t wish; /* offset in the options */
} ranks[] = {
	/* RSA 4096 takes seconds to make, and RSA 3072 outlives its 20 years
	 * by NIST SP 800-57.  The RA decrypts, so it is RSA. */
	[CERT_RANK_ROOT] = { CERT_ROLE_ROOT, "Root CA", NULL,
	    { "critical,CA:TRUE,pathlen:1", "critical,keyCertSign,cRLSign",
	        NULL, NULL },
	    ROOT_YEARS, CERT_RSA_3072,
	    offsetof(struct cert_authority_options, root_key) },
	[CERT_RANK_ISSUING] = { CERT_ROLE_ISSUING, NULL, "Issuing CA",
	    { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
	        NULL, NULL },
	    ISSUING_YEARS, CERT_RSA_2048,
	    offsetof(struct cert_authority_options, issuing_key) },
	[CERT_RANK_RA] = { CERT_ROLE_RA, "SCEP RA", NULL,
	    { "critical,CA:FALSE", "critical,digitalSignature,keyEncipherment",
	        NULL, NULL },
	    RA_YEARS, CERT_RSA_2048,
	    offsetof(struct cert_authority_options, ra_key) },
	[CERT_RANK_SINGLE] = { CERT_ROLE_ISSUING, NULL, "CA",
	    { "critical,CA:TRUE,pathlen:0",
	        "critical,digitalSignature,keyEncipherment,keyCertSign,"
	        "cRLSign",
	        NULL, NULL },
	    ISSUING_YEARS, CERT_RSA_2048,
	    offsetof(struct cert_authority_options, issuing_key) },
};

void
cert_member_free(struct cert_member **m)
{
	if (*m == NULL)
		return;
	cert_vault_place_clear(&(*m)->place);
	cert_x509_free(&(*m)->certificate);
	buf_free(&(*m)->request);
	cert_key_free(&(*m)->key);
	mem_free(m);
}

bool
cert_authority_open_key(
    const struct cert_vault *v, struct cert_member *m, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *k = NULL;

	if (m->key != NULL)
		return true;
	if (!cert_vault_get(v, m->id, &m->place, &k, e))
		return err_wrap(e, "authority %s", m->role);
	if (m->certificate != NULL &&
	    X509_check_private_key(m->certificate, k) != 1)
		return err_openssl(e, ERR_INTERNAL,
		    "authority %s: %s is not the key of its certificate",
		    m->role, m->id);
	m->key = TAKE(k);
	return true;
}

void
cert_authority_abandon(const struct cert_authority_options *o,
    const struct cert_member *m, const struct err *e)
{
	if (m != NULL && e->code != ERR_UNAVAILABLE)
		cert_vault_abandon(&o->vault, &m->place);
}

void
cert_authority_name(struct cert_member *m, const char *role, const char *state)
{
	uint8_t unique[8];
	char hex[2 * sizeof(unique) + 1];

	random_bytes(unique, sizeof(unique));
	hex_to(hex, unique, sizeof(unique));
	str_copy_cut(m->role, sizeof(m->role), role);
	str_copy_cut(m->state, sizeof(m->state), state);
	snprintf(m->id, sizeof(m->id), "%s-%s", role, hex);
}

/* A new key's kind.  There is no new one to be made where the key of a token
 * has to be followed, and one elsewhere would be less. */
static bool
choose_kind(const struct cert_make *in, enum cert_key_kind wished,
    enum cert_key_kind *out, struct err *e)
{
	const struct cert_member *model = in->model;

	*out = wished;
	if (wished != CERT_RSA_DEFAULT)
		return true;
	if (model != NULL && str_eq(model->place.kind, CERT_VAULT_PKCS11))
		return err_set(e, ERR_INVALID,
		    "the key of %s is in a token; issuing-key and ra-key say "
		    "where those of the next are",
		    model->id);
	if (model != NULL)
		*out = cert_key_kind_of(X509_get0_pubkey(model->certificate));
	if (*out == CERT_RSA_DEFAULT)
		*out = ranks[in->rank].kind;
	return true;
}

/* A new key, or one of a token: the old RA's again, or the one wished for. */
static bool
find_key(struct cert_member *m, const struct cert_make *in, struct err *e)
{
	const struct rank *rank = &ranks[in->rank];
	const struct cert_vault *v = &in->options->vault;
	const struct cert_key_wish *wish =
	    (const void *)((const char *)in->options + rank->wish);
	const char *uri = wish->uri;
	enum cert_key_kind kind;

	if (in->old != NULL && str_eq(in->old->place.kind, CERT_VAULT_PKCS11))
		uri = in->old->place.ref;
	if (uri != NULL)
		return cert_vault_token(uri, &m->place, e) &&
		       cert_authority_open_key(v, m, e);
	return choose_kind(in, wish->kind, &kind, e) &&
	       cert_key_new(kind, &m->key, e) &&
	       cert_vault_put(v, m->id, m->key, &m->place, e);
}

/* The O of m, the caller's; NULL: none, or one that is too long for a name
 * that begins with it (an outside CA's). */
static char *
organization_of(const struct cert_member *m)
{
	char o[4 * CERT_ORGANIZATION_CHARS_MAX + 8] = "";

	if (m != NULL)
		cert_subject_value(
		    m->certificate, NID_organizationName, o, sizeof(o));
	return o[0] != '\0' && str_utf8_len(o) <= CERT_ORGANIZATION_CHARS_MAX
	           ? str_dup(o)
	           : NULL;
}

/* An RA is named like its issuer, an issuing CA like the one before it. */
static char *
choose_organization(const struct cert_make *in)
{
	char *o;

	if (in->options->organization != NULL)
		return str_dup(in->options->organization);
	o = in->rank == CERT_RANK_RA ? organization_of(in->issuer) : NULL;
	if (o == NULL)
		o = organization_of(in->model);
	return o != NULL ? o : str_dup("Mutsu");
}

static char *
common_name(const struct cert_make *in, const char *organization)
{
	const struct rank *rank = &ranks[in->rank];

	if (rank->numbered == NULL)
		return str_printf("%s %s", organization, rank->name);
	return str_printf(
	    "%s %s G%d", organization, rank->numbered, in->generation);
}

static bool
sign(struct cert_member *m, const struct cert_make *in, struct err *e)
{
	const struct rank *rank = &ranks[in->rank];
	AUTO(buf_free) struct buf *extensions = NULL;
	AUTO(cert_pubkey_free) X509_PUBKEY *pub = NULL;
	AUTO(cert_built_clear) struct cert_built built = { 0 };
	AUTO(str_free) char *o = choose_organization(in);
	AUTO(str_free) char *cn = common_name(in, o);
	struct cert_subject subject = { .cn = cn, .o = o };
	struct cert_build_term term = { clock_now_ms(), rank->years * YEAR_DAYS,
		MS_DAY };
	struct cert_build b = {
		.subject = &subject,
		.issuer = in->issuer != NULL ? in->issuer->certificate : NULL,
		.signer = in->issuer != NULL ? in->issuer->key : m->key,
	};

	if (!X509_PUBKEY_set(&pub, m->key))
		return err_openssl(e, ERR_INTERNAL, "public key");
	if (!cert_build_usages(&rank->usage, &extensions, e) ||
	    !cert_build_validity(&term, b.issuer, &b.validity, e))
		return false;
	b.pub = pub;
	b.extensions = buf_slice(extensions);
	return cert_build(&b, &built, e) &&
	       cert_parse(buf_slice(built.der), &m->certificate, e);
}

bool
cert_authority_make_key(
    const struct cert_make *in, struct cert_member **out, struct err *e)
{
	AUTO(cert_member_free)
	struct cert_member *m = mem_zalloc(1, sizeof(*m));

	cert_authority_name(m, ranks[in->rank].role, in->state);
	if (in->issuer != NULL)
		str_copy_cut(
		    m->parent_id, sizeof(m->parent_id), in->issuer->id);
	if (!find_key(m, in, e)) {
		cert_vault_abandon(&in->options->vault, &m->place);
		return err_wrap(e, "making the %s", m->role);
	}
	*out = TAKE(m);
	return true;
}

bool
cert_authority_make(
    const struct cert_make *in, struct cert_member **out, struct err *e)
{
	AUTO(cert_member_free) struct cert_member *m = NULL;

	if (!cert_authority_make_key(in, &m, e))
		return false;
	if (!sign(m, in, e)) {
		cert_vault_abandon(&in->options->vault, &m->place);
		return err_wrap(e, "making the %s", m->role);
	}
	*out = TAKE(m);
	return true;
}

/* ---- requests ---- */

static bool
add_key_id(X509_REQ *r, STACK_OF(X509_EXTENSION) * extensions)
{
	X509_EXTENSION *x;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, NULL, NULL, r, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "hash");
	if (x != NULL && sk_X509_EXTENSION_push(extensions, x) > 0)
		return true;
	X509_EXTENSION_free(x);
	return false;
}

static bool
set_name(X509_REQ *r, const struct cert_subject *subject, struct err *e)
{
	AUTO(buf_free) struct buf *der = buf_new(LIMIT_CERT);
	const uint8_t *p;
	X509_NAME *name;
	bool ok;

	if (!cert_subject_name(subject, der, e))
		return false;
	p = der->p;
	name = d2i_X509_NAME(NULL, &p, (long)der->len);
	ok = name != NULL && X509_REQ_set_subject_name(r, name) == 1;
	X509_NAME_free(name);
	return ok || err_openssl(e, ERR_INTERNAL, "making a request");
}

static bool
request_der(X509_REQ *r, struct buf **out, struct err *e)
{
	AUTO(cert_openssl_free) unsigned char *der = NULL;
	int len = i2d_X509_REQ(r, &der);

	if (len <= 0)
		return err_openssl(e, ERR_INTERNAL, "writing a request");
	*out = buf_new((size_t)len);
	buf_add(*out, der, (size_t)len);
	return true;
}

bool
cert_authority_make_request(
    const struct cert_make *in, struct cert_member *m, struct err *e)
{
	AUTO(cert_build_extensions_free)
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	AUTO(cert_req_free) X509_REQ *r = X509_REQ_new();
	AUTO(str_free) char *o = choose_organization(in);
	AUTO(str_free) char *cn = common_name(in, o);
	const struct cert_subject subject = { .cn = cn, .o = o };

	if (r == NULL)
		return err_openssl(e, ERR_INTERNAL, "making a request");
	if (!set_name(r, &subject, e) ||
	    !cert_build_extensions(&ranks[in->rank].usage, &extensions, e))
		return false;
	if (!X509_REQ_set_version(r, X509_REQ_VERSION_1) ||
	    !X509_REQ_set_pubkey(r, m->key) || !add_key_id(r, extensions) ||
	    !X509_REQ_add_extensions(r, extensions) ||
	    X509_REQ_sign(r, m->key, EVP_sha256()) <= 0)
		return err_openssl(e, ERR_INTERNAL, "making a request");
	return request_der(r, &m->request, e);
}
