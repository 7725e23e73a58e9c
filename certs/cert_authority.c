/*
 * A snapshot of the authority: what it is made of, and issuing.  Read-only
 * once loaded but for its count of references; any thread.
 */
#include <arpa/inet.h>

#include "certs/cert_authority_priv.h"
#include "certs/cert_subject_priv.h"
#include "core/clock.h"

enum { TLS_PEM_MAX = 32 << 10 };

static size_t
template_count(const struct cert_template *t)
{
	size_t n = 0;

	while (t[n].name != NULL)
		n++;
	return n;
}

struct cert_authority *
cert_authority_ref(struct cert_authority *a)
{
	atomic_fetch_add(&a->references, 1);
	return a;
}

void
cert_authority_free(struct cert_authority **ap)
{
	struct cert_authority *a = *ap;

	*ap = NULL;
	if (a == NULL || atomic_fetch_sub(&a->references, 1) > 1)
		return;
	for (size_t i = 0; a->usages != NULL && a->templates[i].name; i++) {
		buf_free(&a->usages[i].rsa);
		buf_free(&a->usages[i].ec);
	}
	mem_free(&a->usages);
	cert_template_set_free(&a->set);
	cert_authority_status_free(a); /* while it knows how many */
	for (size_t i = 0; i < a->count; i++)
		cert_member_free(&a->members[i]);
	mem_free(&a->spki);
	buf_free(&a->chain);
	buf_free(&a->next_chain);
	sk_X509_free(a->anchors);
	cert_member_free(&a->requested);
	mem_free(&a);
}

bool
cert_authority_usages(struct cert_authority *a, struct err *e)
{
	a->usages =
	    mem_zalloc(template_count(a->templates) + 1, sizeof(*a->usages));
	for (size_t i = 0; a->templates[i].name != NULL; i++) {
		const struct cert_template *t = &a->templates[i];
		struct cert_build_usage u = { "critical,CA:FALSE", t->key_usage,
			t->ext_key_usage, NULL };

		if (!cert_build_usages(&u, &a->usages[i].rsa, e))
			return err_wrap(e, "template %s", t->name);
		u.key_usage = t->key_usage_ec;
		if (t->ec && !cert_build_usages(&u, &a->usages[i].ec, e))
			return err_wrap(e, "template %s", t->name);
	}
	return true;
}

X509 *
cert_authority_root(const struct cert_authority *a)
{
	return a->root->certificate;
}

X509 *
cert_authority_issuing(const struct cert_authority *a)
{
	return a->issuing->certificate;
}

X509 *
cert_authority_ra(const struct cert_authority *a)
{
	return a->ra->certificate;
}

EVP_PKEY *
cert_authority_ra_key(const struct cert_authority *a)
{
	return a->ra->key;
}

const char *
cert_authority_id(const struct cert_authority *a)
{
	return a->issuing->id;
}

bool
cert_authority_single(const struct cert_authority *a)
{
	return a->ra == a->issuing;
}

static struct slice
slice_or_empty(const struct buf *b)
{
	return b != NULL ? buf_slice(b) : slice_str("");
}

struct slice
cert_authority_ra_chain(const struct cert_authority *a)
{
	return buf_slice(a->chain);
}

struct slice
cert_authority_next_chain(const struct cert_authority *a)
{
	return slice_or_empty(a->next_chain);
}

size_t
cert_authority_members(
    const struct cert_authority *a, const struct cert_member *const **out)
{
	*out = (const struct cert_member *const *)a->members;
	return a->count;
}

const struct cert_member *
cert_authority_find(const struct cert_authority *a, const char *id)
{
	for (size_t i = 0; i < a->count; i++)
		if (str_eq(a->members[i]->id, id))
			return a->members[i];
	return NULL;
}

const struct cert_member *
cert_authority_recipient(const struct cert_authority *a, size_t i)
{
	return i < COUNT(a->recipients) ? a->recipients[i] : NULL;
}

const struct cert_member *
cert_authority_issuer_of(
    const struct cert_authority *a, const struct cert_member *m)
{
	return str_eq(m->role, CERT_ROLE_ISSUING)
	           ? m
	           : cert_authority_find(a, m->parent_id);
}

const struct cert_member *
cert_authority_next(const struct cert_authority *a)
{
	return a->next;
}

const STACK_OF(X509) * cert_authority_anchors(const struct cert_authority *a)
{
	return a->anchors;
}

const struct cert_member *
cert_authority_requested(const struct cert_authority *a)
{
	return a->requested;
}

const struct cert_template *
cert_authority_templates(const struct cert_authority *a)
{
	return a->templates;
}

const struct cert_template *
cert_authority_template(const struct cert_authority *a, const char *name)
{
	for (const struct cert_template *t = a->templates; t->name != NULL; t++)
		if (str_eq(t->name, name))
			return t;
	return NULL;
}

/* The extensions for this template and kind of key. */
static bool
choose_usages(const struct cert_authority *a, const struct cert_issue *in,
    struct slice *out, struct err *e)
{
	const struct cert_template *t =
	    cert_authority_template(a, in->template->name);
	const struct buf *usages = NULL;
	const struct cert_usages *by_key;
	ASN1_OBJECT *algorithm;
	int kind;

	if (t == NULL)
		return err_set(e, ERR_FORBIDDEN, "there is no template %s",
		    in->template->name);
	by_key = &a->usages[t - a->templates];
	if (!X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, in->pub))
		return err_openssl(e, ERR_INVALID, "public key");
	kind = OBJ_obj2nid(algorithm);
	if (kind == NID_rsaEncryption)
		usages = by_key->rsa;
	else if (kind == NID_X9_62_id_ecPublicKey)
		usages = by_key->ec;
	if (usages == NULL)
		return err_set(e, ERR_FORBIDDEN,
		    "template %s is not for this kind of key",
		    in->template->name);
	*out = buf_slice(usages);
	return true;
}

static bool
check_not_ours(const struct cert_authority *a, const char *spki, struct err *e)
{
	for (size_t i = 0; i < a->count; i++)
		if (str_eq(a->spki[i], spki))
			return err_set(e, ERR_FORBIDDEN,
			    "the key is one of the authority's own");
	return true;
}

/* Takes its bytes. */
static void
describe(struct cert_built *built, const struct cert_subject *subject,
    struct cert_issued *out)
{
	cert_subject_text(subject, out->subject, sizeof(out->subject));
	hex_to(out->serial, built->serial, sizeof(built->serial));
	sha256_hex(out->fingerprint, buf_slice(built->der));
	out->der = TAKE(built->der);
}

bool
cert_authority_issue(const struct cert_authority *a,
    const struct cert_issue *in, struct cert_issued *out, struct err *e)
{
	AUTO(cert_built_clear) struct cert_built built = { 0 };
	const struct cert_member *issuer =
	    in->issuer != NULL ? in->issuer : a->issuing;
	struct cert_issued done = { 0 };
	struct cert_build_term term = { in->now_ms, in->template->life_days,
		in->template->backdate_ms };
	struct cert_build b = {
		.subject = in->subject,
		.pub = in->pub,
		.issuer = issuer->certificate,
		.signer = issuer->key,
		.san = in->template->san,
		.status = cert_authority_status_of(a, issuer, in->template),
	};

	if (b.signer == NULL)
		return err_set(e, ERR_UNAVAILABLE, "the key of %s is not here",
		    issuer->id);
	if (!choose_usages(a, in, &b.extensions, e) ||
	    !cert_spki_pub(in->pub, done.spki, e) ||
	    !check_not_ours(a, done.spki, e) ||
	    !cert_build_validity(&term, b.issuer, &b.validity, e) ||
	    !cert_build(&b, &built, e))
		return false;
	describe(&built, in->subject, &done);
	str_copy_cut(done.authority_id, sizeof(done.authority_id), issuer->id);
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

	if (!cert_parse(der, &x, e) || !cert_pem(x, pem, e))
		return false;
	for (const struct cert_member *m = a->issuing; m != a->root;
	     m = cert_authority_find(a, m->parent_id))
		if (!cert_pem(m->certificate, pem, e))
			return false;
	*out = TAKE(pem);
	return true;
}

bool
cert_authority_tls(const struct cert_authority *a, const char *host,
    struct buf **cert_out, struct buf **key_out, struct err *e)
{
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_pubkey_free) X509_PUBKEY *pub = NULL;
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	AUTO(buf_wipe) struct buf *key_pem = NULL;
	bool address = is_address(host);
	/* Clients look at the alternative name; a CN has 64 characters. */
	struct cert_subject subject = {
		.cn = str_utf8_len(host) <= 64 ? host : CERT_TEMPLATE_TLS,
		.dns = address ? NULL : host,
		.ip = address ? host : NULL
	};
	struct cert_issue in = { cert_authority_template(a, CERT_TEMPLATE_TLS),
		&subject, NULL, clock_now_ms(), NULL };

	if (in.template == NULL)
		return err_set(e, ERR_INTERNAL, "there is no template %s",
		    CERT_TEMPLATE_TLS);
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
