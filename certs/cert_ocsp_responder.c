/*
 * Delegated responders (RFC 6960 4.2.2.2), one for each issuing authority,
 * made when first asked for and renewed at half of their life by whichever
 * node comes first.  Their keys lie sealed in the database.
 */
#include "certs/cert_ocsp_priv.h"

enum { LIFE_DAYS = 30, KEY_MAX = 16 << 10 };

/* One that ends with its issuer m is the last. */
static void
fill_times(struct cert_ocsp_responder *r, const struct cert_member *m)
{
	int64_t from = cert_not_before(r->certificate);

	r->not_after = cert_not_after(r->certificate);
	r->renew_at = r->not_after < cert_not_after(m->certificate)
	                  ? from + (r->not_after - from) / 2
	                  : r->not_after;
}

void
cert_ocsp_responder_clear(struct cert_ocsp_responder *r)
{
	cert_x509_free(&r->certificate);
	cert_key_free(&r->key);
}

/* *der: the certificate, whose parsed form it becomes. */
static bool
issue(const struct cert_member *m, struct cert_ocsp_responder *r,
    struct buf **der, struct err *e)
{
	struct cert_build_usage usage = { "critical,CA:FALSE",
		"critical,digitalSignature", "OCSPSigning", "ignored" };
	struct cert_build_term term = { clock_now_ms(), LIFE_DAYS, MS_H };
	AUTO(cert_pubkey_free) X509_PUBKEY *pub = NULL;
	AUTO(buf_free) struct buf *usages = NULL;
	AUTO(cert_built_clear) struct cert_built built = { 0 };
	char o[256];
	struct cert_subject subject = { .cn = "OCSP responder" };
	struct cert_build b = {
		.subject = &subject, .issuer = m->certificate, .signer = m->key
	};

	cert_subject_value(m->certificate, NID_organizationName, o, sizeof(o));
	subject.o = o[0] != '\0' ? o : NULL;
	if (m->key == NULL)
		return err_set(e, ERR_UNAVAILABLE,
		    "the key of %s is not at this node", m->id);
	if (!cert_key_new(CERT_P256, &r->key, e))
		return false;
	if (X509_PUBKEY_set(&pub, r->key) != 1)
		return err_openssl(e, ERR_INTERNAL, "public key");
	b.pub = pub;
	if (!cert_build_usages(&usage, &usages, e))
		return false;
	b.extensions = buf_slice(usages);
	if (!cert_build_validity(&term, m->certificate, &b.validity, e) ||
	    !cert_build(&b, &built, e) ||
	    !cert_parse(buf_slice(built.der), &r->certificate, e))
		return false;
	*der = TAKE(built.der);
	return true;
}

static void
context_of(char out[96], const char *id)
{
	AUTO(str_free) char *text = str_printf("ocsp_responder:%s", id);

	str_copy_cut(out, 96, text);
}

/* What is in the database; r without certificate: nothing, or of another
 * authority of the same id. */
static bool
load(struct cert_ocsp *o, struct store_tx *tx, const struct cert_member *m,
    struct cert_ocsp_responder *r, struct err *e)
{
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(buf_free) struct buf *sealed = NULL;
	AUTO(buf_wipe) struct buf *pem = buf_new(KEY_MAX);
	AUTO(cert_ocsp_responder_clear) struct cert_ocsp_responder got = { 0 };
	char context[96];

	context_of(context, m->id);
	if (!cert_ocsp_db_responder(tx, m->id, &der, &sealed, e))
		return false;
	if (der == NULL)
		return true;
	if (!cert_parse(buf_slice(der), &got.certificate, e) ||
	    !seal_get(o->o.seal, context, buf_slice(sealed), pem, e) ||
	    !cert_key_parse(buf_slice(pem), &got.key, e))
		return err_wrap(e, "OCSP responder of %s", m->id);
	if (X509_verify(got.certificate, X509_get0_pubkey(m->certificate)) != 1)
		return err_openssl(e, ERR_INTERNAL,
		    "OCSP responder of %s: not its own", m->id);
	r->certificate = TAKE(got.certificate);
	r->key = TAKE(got.key);
	fill_times(r, m);
	return true;
}

static bool
is_fresh(const struct cert_ocsp_responder *r)
{
	return r->certificate != NULL && clock_now_ms() < r->renew_at;
}

static bool
save(struct cert_ocsp *o, struct store_tx *tx,
    const struct cert_ocsp_responder *r, struct slice der, struct err *e)
{
	AUTO(buf_wipe) struct buf *pem = NULL;
	AUTO(buf_free) struct buf *sealed = buf_new(KEY_MAX);
	char context[96];

	context_of(context, r->id);
	return cert_key_pem(r->key, &pem, e) &&
	       seal_put(o->o.seal, context, buf_slice(pem), sealed, e) &&
	       buf_ok(sealed, e) &&
	       cert_ocsp_db_save(tx, r, der, buf_slice(sealed), e);
}

struct renewal {
	struct cert_ocsp *o;
	const struct cert_member *m;
	const struct cert_ocsp_responder *own;
	struct slice der;
	struct cert_ocsp_responder other;
};

/* Unless another node has made one meanwhile.  May be run again. */
static bool
renew_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct renewal *n = arg;

	cert_ocsp_responder_clear(&n->other);
	return load(n->o, tx, n->m, &n->other, e) &&
	       (is_fresh(&n->other) || save(n->o, tx, n->own, n->der, e));
}

/* *r becomes ours, or the other node's. */
static bool
make(struct cert_ocsp *o, const struct cert_member *m,
    struct cert_ocsp_responder *r, struct err *e)
{
	AUTO(cert_ocsp_responder_clear) struct cert_ocsp_responder own = { 0 };
	AUTO(buf_free) struct buf *der = NULL;
	struct renewal n = { .o = o, .m = m, .own = &own };
	bool ok;

	str_copy_cut(own.id, sizeof(own.id), m->id);
	str_copy_cut(n.other.id, sizeof(n.other.id), m->id);
	if (!issue(m, &own, &der, e))
		return false;
	fill_times(&own, m);
	n.der = buf_slice(der);
	ok = store_write(o->o.store, renew_once, &n, e);
	if (ok) {
		struct cert_ocsp_responder *new =
		    is_fresh(&n.other) ? &n.other : &own;

		cert_ocsp_responder_clear(r);
		*r = *new;
		*new = (struct cert_ocsp_responder){ 0 };
	}
	cert_ocsp_responder_clear(&n.other);
	return ok;
}

/* Under the lock: of the database, or new. */
static bool
freshen(struct cert_ocsp *o, const struct cert_member *m,
    struct cert_ocsp_responder *r, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	cert_ocsp_responder_clear(r);
	if (!store_begin(o->o.store, STORE_READ, &tx, e) ||
	    !load(o, tx, m, r, e))
		return false;
	store_rollback(&tx);
	return is_fresh(r) || make(o, m, r, e);
}

static struct cert_ocsp_responder *
slot_of(struct cert_ocsp *o, const char *id)
{
	struct cert_ocsp_responder *r;

	for (size_t i = 0; i < o->responder_count; i++)
		if (str_eq(o->responders[i].id, id))
			return &o->responders[i];
	if (o->responder_count == OCSP_AUTHORITIES_MAX)
		return NULL;
	r = &o->responders[o->responder_count++];
	str_copy_cut(r->id, sizeof(r->id), id);
	return r;
}

/* One that is past its half and cannot be renewed now still does. */
static bool
get(struct cert_ocsp *o, const struct cert_member *m,
    struct cert_ocsp_responder *out, struct err *e)
{
	struct cert_ocsp_responder *r = slot_of(o, m->id);
	struct err why = { 0 };

	if (r == NULL)
		return err_set(e, ERR_INTERNAL, "too many authorities");
	if (!is_fresh(r) && !freshen(o, m, r, &why) &&
	    (r->certificate == NULL || clock_now_ms() >= r->not_after)) {
		*e = why;
		return err_wrap(e, "OCSP responder");
	}
	*out = *r;
	X509_up_ref(out->certificate);
	EVP_PKEY_up_ref(out->key);
	return true;
}

bool
cert_ocsp_responder_get(struct cert_ocsp *o, const struct cert_member *m,
    struct cert_ocsp_responder *out, struct err *e)
{
	bool good;

	pthread_mutex_lock(&o->lock);
	good = get(o, m, out, e);
	pthread_mutex_unlock(&o->lock);
	return good;
}
