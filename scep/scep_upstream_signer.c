/*
 * Who signs our requests to a SCEP upstream that gave us no certificate of its
 * own (RFC 8894 2.3: then a self-signed one does), and reads its answers.  Not
 * our RA: an upstream can send back what somebody encrypted for that, and learn
 * from what we say of it.  Its key is made when the upstream is first asked,
 * and stays until that is removed, so that all nodes poll for what one of them
 * has asked.  No state of its own; any thread.
 */
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/limits.h"
#include "core/random.h"
#include "scep/scep_upstream_conf_priv.h"

enum { SECRET_MAX = 8 << 10 };
/* RFC 5280 4.1.2.5: it ends by no date, but with its upstream. */
#define NO_END "99991231235959Z"

static char *
context_of(const char *name)
{
	return str_printf("upstream_signer:%s", name);
}

/* ---- making one ---- */

static bool
fill(X509 *x, const char *name, EVP_PKEY *key)
{
	AUTO(str_free) char *cn = str_printf("upstream %s", name);
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage,
	    "critical,digitalSignature,keyEncipherment");
	uint8_t serial[16];
	bool ok;

	random_bytes(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	ok =
	    usage != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
	    ASN1_STRING_set(X509_get_serialNumber(x), serial, sizeof(serial)) ==
	        1 &&
	    X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName,
	        MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -MS_H / MS_S) != NULL &&
	    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), NO_END) == 1 &&
	    X509_set_pubkey(x, key) == 1 && X509_add_ext(x, usage, -1) == 1 &&
	    X509_sign(x, key, EVP_sha256()) > 0;
	X509_EXTENSION_free(usage);
	return ok;
}

struct making {
	const char *name;
	struct buf *der, *sealed;
};

static void
making_clear(struct making *m)
{
	buf_free(&m->der);
	buf_free(&m->sealed);
}

static bool
make(const struct seal *seal, struct making *m, struct err *e)
{
	AUTO(str_free) char *context = context_of(m->name);
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_x509_free) X509 *x = X509_new();
	AUTO(buf_wipe) struct buf *pem = NULL;

	m->sealed = buf_new(SECRET_MAX);
	if (!cert_key_new(CERT_RSA_DEFAULT, &key, e))
		return false;
	if (x == NULL || !fill(x, m->name, key))
		return err_openssl(e, ERR_INTERNAL, "self-signed certificate");
	return cert_der(x, &m->der, e) && cert_key_pem(key, &pem, e) &&
	       seal_put(seal, context, buf_slice(pem), m->sealed, e) &&
	       buf_ok(m->sealed, e);
}

/* Another node's that was quicker stays.  May be run again. */
static bool
put(struct store_tx *tx, void *arg, struct err *e)
{
	const struct making *m = arg;

	return scep_db_upstream_signer_put(
	    tx, m->name, buf_slice(m->der), buf_slice(m->sealed), e);
}

/* ---- having it ---- */

static bool
read_row(const struct store_rows *r, const struct seal *seal,
    struct scep_upstream_conf *c, struct err *e)
{
	AUTO(str_free) char *context = context_of(c->name);
	AUTO(buf_wipe) struct buf *pem = buf_new(SECRET_MAX);

	return cert_parse(store_blob(r, 0), &c->signer, e) &&
	       seal_get(seal, context, store_blob(r, 1), pem, e) &&
	       cert_key_parse(buf_slice(pem), &c->signer_key, e);
}

static bool
find(struct scep_service *s, struct scep_upstream_conf *c, bool *found,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(store_rows_free) struct store_rows *r = NULL;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_upstream_signer(tx, c->name, &r, e) ||
	    !store_next(r, found, e))
		return false;
	return !*found || read_row(r, s->o.seal, c, e);
}

bool
scep_upstream_signer(
    struct scep_service *s, struct scep_upstream_conf *c, struct err *e)
{
	AUTO(making_clear) struct making m = { .name = c->name };
	bool found;

	if (c->est || c->client != NULL || c->signer != NULL)
		return true;
	if (!find(s, c, &found, e))
		return err_wrap(e, "upstream %s: signer", c->name);
	if (found)
		return true;
	if (!make(s->o.seal, &m, e) || !store_write(s->o.store, put, &m, e) ||
	    !find(s, c, &found, e))
		return err_wrap(e, "upstream %s: signer", c->name);
	return found ||
	       err_set(e, ERR_INTERNAL, "upstream %s: no signer", c->name);
}
