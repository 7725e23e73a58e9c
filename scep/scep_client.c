/*
 * The SCEP client over HTTP: it asks, and believes nothing it can check.  A
 * struct fetch belongs to one thread, so this runs on its thread; no state of
 * its own.
 */
#include <string.h>

#include "core/encode.h"
#include "core/limits.h"
#include "scep/scep_client_priv.h"

enum { URL_MAX = 4 * LIMIT_BODY_SCEP, BASE64_MAX = 2 * LIMIT_BODY_SCEP };

void
scep_client_result_clear(struct scep_client_result *r)
{
	cert_x509_free(&r->cert);
	cert_stack_free(&r->chain);
	*r = (struct scep_client_result){ 0 };
}

static void
percent_encode(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		uint8_t c = (uint8_t)*s;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') || strchr("-._~", c) != NULL)
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* One operation by GET; message NULL: none. */
static bool
ask(struct fetch *f, const char *url, const char *operation,
    const char *message, struct fetch_answer *out, struct err *e)
{
	AUTO(buf_free) struct buf *full = buf_new(URL_MAX);
	struct fetch_request rq = { .method = "GET" };

	buf_addf(full, "%s?operation=%s", url, operation);
	if (message != NULL) {
		buf_adds(full, "&message=");
		percent_encode(full, message);
	}
	if (!buf_ok(full, e))
		return false;
	rq.url = buf_str(full);
	if (!fetch_do(f, &rq, out, e))
		return err_wrap(e, "%s", operation);
	if (out->status == 200)
		return true;
	err_set(e, ERR_REFUSED, "%s: HTTP status %d", operation, out->status);
	fetch_answer_clear(out);
	return false;
}

static bool
has_type(const struct fetch_answer *a, const char *type)
{
	size_t len = strlen(type);

	return str_starts(a->content_type, type) &&
	       (a->content_type[len] == '\0' || a->content_type[len] == ';' ||
	           a->content_type[len] == ' ');
}

/* RFC 8894 3.5.2: one keyword a line, case and CR do not count. */
static bool
offers(const struct buf *caps, const char *keyword)
{
	const char *p = buf_str(caps);

	while (*p != '\0') {
		size_t len = strcspn(p, "\r\n");
		char line[32] = "";

		if (len < sizeof(line))
			memcpy(line, p, len);
		if (str_ieq(line, keyword))
			return true;
		p += len;
		p += strspn(p, "\r\n");
	}
	return false;
}

/* Whether the server takes what we want to send, and how. */
static bool
check_caps(struct fetch *f, const struct scep_client_options *o, bool *get_out,
    struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	bool standard, good;

	if (!ask(f, o->url, "GetCACaps", o->ca_name, &a, e))
		return false;
	standard = offers(a.body, "SCEPStandard");
	good = o->des3_sha1 ? offers(a.body, "DES3") && offers(a.body, "SHA-1")
	                    : standard || (offers(a.body, "AES") &&
	                                      offers(a.body, "SHA-256"));
	if (!good)
		return err_set(e, ERR_REFUSED,
		    "GetCACaps: the algorithms are not offered");
	*get_out = o->get || !(standard || offers(a.body, "POSTPKIOperation"));
	return true;
}

static bool
read_certificates(struct slice der, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(scep_cms_free) CMS_ContentInfo *cms = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *certs = NULL;
	const uint8_t *p = der.p;

	cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	if (cms == NULL || p != der.p + der.len)
		return err_openssl(e, ERR_INVALID, "certificates-only message");
	certs = CMS_get1_certs(cms);
	if (sk_X509_num(certs) < 1 || sk_X509_num(certs) > LIMIT_SCEP_CERTS)
		return err_set(
		    e, ERR_INVALID, "RFC 8894 3.4: number of certificates");
	*out = TAKE(certs);
	return true;
}

static bool
get_chain(struct fetch *f, const struct scep_client_options *o,
    STACK_OF(X509) * *out, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(cert_x509_free) X509 *one = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;

	if (!ask(f, o->url, "GetCACert", o->ca_name, &a, e))
		return false;
	if (has_type(&a, "application/x-x509-ca-ra-cert"))
		return read_certificates(buf_slice(a.body), out, e);
	if (!has_type(&a, "application/x-x509-ca-cert"))
		return err_set(
		    e, ERR_INVALID, "GetCACert: type %s", a.content_type);
	if (!cert_parse(buf_slice(a.body), &one, e))
		return false;
	chain = sk_X509_new_null();
	if (chain == NULL || sk_X509_push(chain, one) == 0)
		return err_openssl(e, ERR_INTERNAL, "chain");
	one = NULL;
	*out = TAKE(chain);
	return true;
}

static bool
send_message(struct fetch *f, const char *url, struct slice message, bool get,
    struct fetch_answer *out, struct err *e)
{
	static const char *const headers[] = {
		"Content-Type: application/x-pki-message", NULL
	};
	AUTO(buf_free) struct buf *text = buf_new(BASE64_MAX);
	AUTO(str_free) char *post = NULL;
	struct fetch_request rq = {
		.method = "POST", .headers = headers, .body = message
	};

	if (get) {
		b64_encode(text, message);
		return buf_ok(text, e) &&
		       ask(f, url, "PKIOperation", buf_str(text), out, e);
	}
	post = str_printf("%s?operation=PKIOperation", url);
	rq.url = post;
	if (!fetch_do(f, &rq, out, e))
		return err_wrap(e, "PKIOperation");
	if (out->status == 200)
		return true;
	err_set(e, ERR_REFUSED, "PKIOperation: HTTP status %d: %.80s",
	    out->status, buf_str(out->body));
	fetch_answer_clear(out);
	return false;
}

/* The reply is signed by the RA, and an answer to this request. */
static bool
check_reply(const struct scep_message *m, const struct scep_verdict *v,
    const struct scep_pending *p, struct err *e)
{
	if (v->fail >= 0)
		return err_set(e, ERR_INVALID, "CertRep: %s", v->text);
	if (X509_cmp(m->signer, p->ra) != 0)
		return err_set(e, ERR_INVALID,
		    "CertRep: not signed by the RA of GetCACert");
	if (m->type != SCEP_CERT_REP)
		return err_set(
		    e, ERR_INVALID, "CertRep: messageType is %d", m->type);
	if (!str_eq(m->transaction_id, p->transaction_id))
		return err_set(
		    e, ERR_INVALID, "CertRep: of another transaction");
	if (!slice_eq(slice_of(m->recipient_nonce, m->recipient_nonce_len),
	        slice_of(p->nonce, sizeof(p->nonce))))
		return err_set(
		    e, ERR_INVALID, "CertRep: recipientNonce is not ours");
	if (m->status != SCEP_SUCCESS && m->status != SCEP_FAILURE &&
	    m->status != SCEP_PENDING)
		return err_set(e, ERR_INVALID, "CertRep: pkiStatus missing");
	return true;
}

/* The certificate for our key out of the envelope. */
static bool
open_reply(struct scep_message *m, const struct scep_pending *p, EVP_PKEY *key,
    X509 **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *plain = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *certs = NULL;
	struct scep_verdict v;

	scep_open(m, p->self, key, &plain, &v);
	if (v.fail >= 0)
		return err_set(e, ERR_INVALID, "CertRep: %s", v.text);
	if (!read_certificates(buf_slice(plain), &certs, e))
		return false;
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *x = sk_X509_value(certs, i);

		if (EVP_PKEY_eq(X509_get0_pubkey(x), key) != 1)
			continue;
		X509_up_ref(x);
		*out = x;
		return true;
	}
	return err_set(e, ERR_INVALID, "CertRep: no certificate for our key");
}

static bool
read_reply(struct slice der, const struct scep_pending *p, EVP_PKEY *key,
    struct scep_client_result *r, struct err *e)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	struct scep_verdict v;

	if (!scep_parse(NULL, der, &m, &v, e))
		return err_wrap(e, "CertRep");
	if (!check_reply(m, &v, p, e))
		return false;
	r->status = m->status;
	r->fail_info = m->status == SCEP_FAILURE ? m->fail_info : -1;
	str_copy_cut(r->fail_text, sizeof(r->fail_text), m->fail_text);
	return m->status != SCEP_SUCCESS || open_reply(m, p, key, &r->cert, e);
}

bool
scep_client_enroll(struct fetch *f, const struct scep_client_options *o,
    struct scep_client_result *out, struct err *e)
{
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	AUTO(scep_pending_clear) struct scep_pending p = { 0 };
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	bool get = false;

	if (!check_caps(f, o, &get, e) || !get_chain(f, o, &r.chain, e) ||
	    !scep_client_prepare(o, r.chain, &p, e) ||
	    !send_message(f, o->url, buf_slice(p.message), get, &a, e))
		return false;
	if (!has_type(&a, "application/x-pki-message"))
		return err_set(
		    e, ERR_INVALID, "PKIOperation: type %s", a.content_type);
	if (!read_reply(buf_slice(a.body), &p, o->key, &r, e))
		return false;
	*out = r;
	r = (struct scep_client_result){ 0 };
	return true;
}
