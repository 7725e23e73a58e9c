/*
 * CRLs, certificates of authorities and OCSP over HTTP.  No state of its own;
 * runs on the workers.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "certs/cert_crl_http.h"
#include "certs/cert_crl_priv.h"
#include "core/limits.h"
#include "core/log.h"

enum { DATE_SIZE = 40, ETAG_SIZE = 48, MAX_AGE_S = 60 };

/* IMF-fixdate (RFC 9110 5.6.7). */
static void
http_date(char out[DATE_SIZE], int64_t at_ms)
{
	time_t t = (time_t)(at_ms / MS_S);
	struct tm tm;

	out[0] = '\0';
	if (OPENSSL_gmtime(&t, &tm) != NULL)
		(void)strftime(
		    out, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

/* RFC 9110 13.1.2: one of the tags in If-None-Match, or "*". */
static bool
etag_is_there(const char *header, const char *etag)
{
	const char *p = strstr(header, etag);

	return p != NULL || str_eq(header, "*");
}

/*
 * Sets ETag, with its quotes; true when the client has that already, and the
 * answer is 304.
 *
 * If-Modified-Since does not count (RFC 9110 13.1.3 lets us): dates are whole
 * seconds, and several lists, or answers about a certificate, may be of one
 * second.  Nor may any other date stand in, for what a client sends may be
 * that of its own clock when it fetched an earlier one.
 */
static bool
has_it(const struct http_request *rq, struct http_reply *rp, const char *etag)
{
	const char *tags = http_header(rq, "If-None-Match");
	bool there = tags != NULL && etag_is_there(tags, etag);

	http_set_header(rp, "ETag", etag);
	if (there)
		http_set(rp, 304, NULL);
	return there;
}

/* "ID" of "ID.crl". */
static bool
id_of(const struct http_request *rq, const char *suffix, char out[64],
    struct err *e)
{
	const char *file = http_param(rq, "file");
	size_t len = strlen(file), end = strlen(suffix);

	if (len <= end || len - end >= 64 || !str_eq(file + len - end, suffix))
		return err_set(e, ERR_NOT_FOUND, "there is no such file");
	memcpy(out, file, len - end);
	out[len - end] = '\0';
	return true;
}

/* No Last-Modified: curl -z, wget -N and the like throw away what is not
 * newer by that than what they have. */
static bool
get_crl(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct cert_public *p = service;
	struct cert_crl_head head;
	char id[64], max_age[48], etag[ETAG_SIZE];

	if (!id_of(rq, ".crl", id, e) || !cert_crl_head(p->crl, id, &head, e))
		return false;
	snprintf(etag, sizeof(etag), "\"%lld\"", (long long)head.number);
	/* A revocation is to be seen soon; asking again costs a 304. */
	snprintf(max_age, sizeof(max_age), "public, max-age=%d, no-transform",
	    MAX_AGE_S);
	http_set_header(rp, "Cache-Control", max_age);
	if (has_it(rq, rp, etag))
		return true;
	http_set(rp, 200, "application/pkix-crl");
	return cert_crl_read(p->crl, id, http_out(rp), e);
}

static bool
get_authority(const struct http_request *rq, struct http_reply *rp,
    void *service, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(buf_free) struct buf *der = NULL;
	struct cert_public *p = service;
	char id[64];

	if (!id_of(rq, ".cer", id, e) ||
	    !store_begin(p->store, STORE_READ, &tx, e) ||
	    !cert_crl_db_authority(tx, id, &der, e))
		return false;
	if (der == NULL)
		return err_set(e, ERR_NOT_FOUND, "there is no such authority");
	http_set(rp, 200, "application/pkix-cert");
	http_set_header(rp, "Cache-Control", "public, max-age=86400");
	buf_add(http_out(rp), der->p, der->len);
	return true;
}

/* ---- OCSP ---- */

/* RFC 6960 2.3: failures have an answer of their own. */
static void
answer(struct cert_public *p, struct slice request, struct cert_ocsp_reply *out)
{
	struct err e = { 0 };

	if (cert_ocsp_answer(p->ocsp, request, out, &e))
		return;
	log_event(LOG_ERROR, "ocsp_failed", "why", e.text, NULL);
	cert_ocsp_refusal(e.code == ERR_UNAVAILABLE ? CERT_OCSP_TRY_LATER
	                                            : CERT_OCSP_INTERNAL,
	    out);
}

static void
send_reply(struct http_reply *rp, const struct cert_ocsp_reply *r)
{
	http_set(rp, 200, "application/ocsp-response");
	buf_add(http_out(rp), r->der->p, r->der->len);
}

static bool
post_ocsp(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(cert_ocsp_reply_clear) struct cert_ocsp_reply r = { 0 };

	(void)e;
	answer(service, http_body(rq), &r);
	http_set_header(rp, "Cache-Control", "no-store");
	send_reply(rp, &r);
	return true;
}

/* RFC 5019 6.2.  Caches keep it no longer than a CRL, by max-age, which goes
 * before Expires (RFC 9111 5.3): they are not told of a revocation. */
static void
set_cache(struct http_reply *rp, const struct cert_ocsp_reply *r)
{
	char text[96], modified[DATE_SIZE], expires[DATE_SIZE];
	int64_t left = (r->next_update - clock_now_ms()) / MS_S;

	http_date(modified, r->this_update);
	http_date(expires, r->next_update);
	snprintf(text, sizeof(text),
	    "public, max-age=%lld, no-transform, must-revalidate",
	    (long long)(left > MAX_AGE_S ? MAX_AGE_S
	                : left > 1       ? left - 1
	                                 : 0));
	http_set_header(rp, "Cache-Control", text);
	http_set_header(rp, "Last-Modified", modified);
	http_set_header(rp, "Expires", expires);
}

static bool
get_ocsp(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(cert_ocsp_reply_clear) struct cert_ocsp_reply r = { 0 };
	AUTO(buf_free) struct buf *request = buf_new(LIMIT_BODY_OCSP);
	struct err bad = { 0 };
	char hex[SHA256_HEX_SIZE], etag[ETAG_SIZE];

	(void)e;
	/* What is no base64 is no request: an empty one is answered. */
	if (!b64_decode(request, slice_str(http_param(rq, "request")),
	        B64_SPACES | B64_URL | B64_NO_PAD, &bad))
		buf_reset(request);
	answer(service, buf_slice(request), &r);
	if (r.next_update == 0) {
		http_set_header(rp, "Cache-Control", "no-store");
		send_reply(rp, &r);
		return true;
	}
	sha256_hex(hex, buf_slice(r.der));
	snprintf(etag, sizeof(etag), "\"%.32s\"", hex);
	set_cache(rp, &r);
	if (!has_it(rq, rp, etag))
		send_reply(rp, &r);
	return true;
}

/* clang-format off */
static const struct http_route routes[] = {
	{ "GET",  "/crl/{file}", HTTP_ANYONE, LIMIT_BODY_NONE, get_crl },
	{ "GET",  "/ca/{file}", HTTP_ANYONE, LIMIT_BODY_NONE, get_authority },
	{ "GET",  "/ocsp/{request...}", HTTP_ANYONE, LIMIT_BODY_NONE, get_ocsp },
	{ "POST", "/ocsp", HTTP_ANYONE, LIMIT_BODY_OCSP, post_ocsp },
	{ "POST", "/ocsp/", HTTP_ANYONE, LIMIT_BODY_OCSP, post_ocsp },
};
/* clang-format on */

void
cert_crl_http_add(struct http_server *h, struct cert_public *p)
{
	http_add(h, HTTP_DEVICE_SIDE, routes, COUNT(routes), p);
	http_add(h, HTTP_PLAIN_SIDE, routes, COUNT(routes), p);
}
