/*
 * The SCEP client over HTTP: it asks, and believes nothing it can check.  A
 * struct fetch belongs to one thread, so this runs on its thread; no state of
 * its own.
 */
#include <string.h>

#include "core/encode.h"
#include "core/limits.h"
#include "scep/scep_client_priv.h"

enum {
	URL_MAX = 4 * LIMIT_BODY_SCEP,
	BASE64_MAX = 2 * LIMIT_BODY_SCEP,
	REASON_MAX = 160
};

struct scep_client {
	struct fetch *f;
	struct scep_client_options o;
	struct scep_client_ca ca;
	struct scep_pending p;
};

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

static bool
has_type(const struct fetch_answer *a, const char *type)
{
	size_t len = strlen(type);

	return str_starts(a->content_type, type) &&
	       (a->content_type[len] == '\0' || a->content_type[len] == ';' ||
	           a->content_type[len] == ' ');
}

/* Another status than 200, and the first line of why, as some servers say it.
 * Pages for people are not quoted. */
static bool
refused(const char *operation, struct fetch_answer *a, struct err *e)
{
	AUTO(buf_free) struct buf *why = buf_new(4 * REASON_MAX);
	size_t len = strcspn(buf_str(a->body), "\r\n");

	if (has_type(a, "text/plain") && len > 0 && len <= REASON_MAX)
		buf_add_utf8(why, slice_of(a->body->p, len));
	err_set(e, ERR_REFUSED, "%s: HTTP status %d%s%s", operation, a->status,
	    why->len > 0 ? ", " : "", buf_str(why));
	fetch_answer_clear(a);
	return false;
}

/* One operation by GET; message NULL: none. */
static bool
ask(struct fetch *f, const char *url, const char *operation,
    const char *message, struct fetch_answer *out, struct err *e)
{
	AUTO(buf_free) struct buf *full = buf_new(URL_MAX);
	struct fetch_request rq = { .method = "GET",
		.answer_max = SCEP_CLIENT_ANSWER_MAX };

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
	return refused(operation, out, e);
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
	struct fetch_request rq = { .method = "POST",
		.headers = headers,
		.body = message,
		.answer_max = SCEP_CLIENT_ANSWER_MAX };

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
	return refused("PKIOperation", out, e);
}

void
scep_client_free(struct scep_client **c)
{
	if (*c == NULL)
		return;
	cert_stack_free(&(*c)->ca.chain);
	scep_pending_clear(&(*c)->p);
	mem_free(c);
}

const struct scep_client_ca *
scep_client_ca(const struct scep_client *c)
{
	return &c->ca;
}

/* A server without GetCACaps, or with an error for it, has none. */
static bool
get_caps(struct scep_client *c, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };

	if (!ask(c->f, c->o.url, "GetCACaps", c->o.ca_name, &a, e))
		return e->code == ERR_REFUSED;
	c->ca.caps = scep_client_caps(buf_str(a.body));
	return true;
}

static bool
get_chain(struct scep_client *c, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	bool one;

	if (!ask(c->f, c->o.url, "GetCACert", c->o.ca_name, &a, e))
		return false;
	one = has_type(&a, "application/x-x509-ca-cert");
	if (!one && !has_type(&a, "application/x-x509-ca-ra-cert"))
		return err_set(e, ERR_INVALID,
		    "GetCACert: not the type of a certificate or of a chain");
	if (!scep_client_read_ca(buf_slice(a.body), one, &c->ca.chain, e))
		return err_wrap(e, "GetCACert");
	c->ca.recipient =
	    scep_client_recipient(c->ca.chain, c->o.ca_fingerprint);
	return c->o.ca_fingerprint == NULL ||
	       scep_client_pinned(
	           c->ca.chain, c->o.ca_fingerprint, c->ca.recipient, e);
}

bool
scep_client_new(struct fetch *f, const struct scep_client_options *o,
    struct scep_client **out, struct err *e)
{
	AUTO(scep_client_free)
	struct scep_client *c = mem_zalloc(1, sizeof(*c));

	c->f = f;
	c->o = *o;
	if (!get_caps(c, e) || !get_chain(c, e))
		return false;
	*out = TAKE(c);
	return true;
}

/* The best of what we use and the server offers; 0: nothing. */
static int
best(unsigned caps, bool digest)
{
	static const struct {
		bool digest;
		unsigned cap;
		int nid;
	} rows[] = {
		{ true, SCEP_CAP_SHA256, NID_sha256 },
		{ true, SCEP_CAP_SHA512, NID_sha512 },
		{ true, SCEP_CAP_SHA384, NID_sha384 },
		{ true, SCEP_CAP_SHA1, NID_sha1 },
		{ false, SCEP_CAP_AES, NID_aes_128_cbc },
		{ false, SCEP_CAP_DES3, NID_des_ede3_cbc },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].digest == digest && (caps & rows[i].cap) != 0)
			return rows[i].nid;
	return 0;
}

static bool
choose(struct scep_client *c, struct err *e)
{
	const struct scep_client_options *o = &c->o;
	struct scep_pending *p = &c->p;

	p->recipient = c->ca.recipient;
	if (p->recipient == NULL)
		return scep_client_no_recipient(e);
	p->digest_nid =
	    o->digest_nid != 0 ? o->digest_nid : best(c->ca.caps, true);
	p->cipher_nid =
	    o->cipher_nid != 0 ? o->cipher_nid : best(c->ca.caps, false);
	if (p->digest_nid == 0 || p->cipher_nid == 0)
		return err_set(e, ERR_REFUSED,
		    "GetCACaps: no %s that can be trusted is offered",
		    p->digest_nid == 0 ? "digest" : "cipher");
	return true;
}

static bool
exchange(struct scep_client *c, struct scep_client_result *out, struct err *e)
{
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	bool get = c->o.get || (c->ca.caps & SCEP_CAP_POST) == 0;

	if (!send_message(c->f, c->o.url, buf_slice(c->p.message), get, &a, e))
		return false;
	if (!has_type(&a, "application/x-pki-message"))
		return err_set(e, ERR_INVALID,
		    "PKIOperation: the answer is of another type");
	if (!scep_client_read_reply(
	        buf_slice(a.body), &c->o, &c->ca, &c->p, &r, e))
		return false;
	r.chain = X509_chain_up_ref(c->ca.chain);
	*out = r;
	r = (struct scep_client_result){ 0 };
	return true;
}

bool
scep_client_send(
    struct scep_client *c, struct scep_client_result *out, struct err *e)
{
	bool renewal = c->o.signer != NULL &&
	               (c->o.csr.len == 0 || c->o.renewal) &&
	               (c->ca.caps & SCEP_CAP_RENEWAL) != 0;

	scep_pending_clear(&c->p);
	return choose(c, e) &&
	       scep_client_prepare(&c->o,
	           renewal ? SCEP_RENEWAL_REQ : SCEP_PKCS_REQ, &c->p, e) &&
	       exchange(c, out, e);
}

bool
scep_client_resume(struct scep_client *c, struct err *e)
{
	scep_pending_clear(&c->p);
	return choose(c, e) &&
	       scep_client_prepare(&c->o, SCEP_PKCS_REQ, &c->p, e);
}

/* The CA's name; servers decide by the transaction (RFC 8894 3.3.3). */
static X509_NAME *
issuer_name(const struct scep_client_ca *ca)
{
	for (int i = 0; i < sk_X509_num(ca->chain); i++) {
		X509 *x = sk_X509_value(ca->chain, i);

		if (X509_check_ca(x) > 0)
			return X509_get_subject_name(x);
	}
	return X509_get_issuer_name(ca->recipient);
}

bool
scep_client_poll(
    struct scep_client *c, struct scep_client_result *out, struct err *e)
{
	if (c->p.self == NULL)
		return err_set(e, ERR_CONFLICT, "CertPoll: nothing was asked");
	return scep_client_prepare_poll(issuer_name(&c->ca), &c->p, e) &&
	       exchange(c, out, e);
}

bool
scep_client_next_ca(struct scep_client *c, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };

	if (!ask(c->f, c->o.url, "GetNextCACert", c->o.ca_name, &a, e))
		return false;
	if (!has_type(&a, "application/x-x509-next-ca-cert"))
		return err_set(e, ERR_INVALID,
		    "GetNextCACert: the answer is of another type");
	return scep_client_read_next(
	           buf_slice(a.body), &c->o, &c->ca, out, e) ||
	       err_wrap(e, "GetNextCACert");
}

bool
scep_client_enroll(struct fetch *f, const struct scep_client_options *o,
    struct scep_client_result *out, struct err *e)
{
	AUTO(scep_client_free) struct scep_client *c = NULL;

	return scep_client_new(f, o, &c, e) && scep_client_send(c, out, e);
}
