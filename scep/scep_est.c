/*
 * The client of EST: requests by core/fetch, and what an answer is believed.
 * No state; runs on the thread of the options' struct fetch.
 */
#include <string.h>

#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/limits.h"
#include "scep/scep_client_priv.h"
#include "scep/scep_est.h"

enum { HEADERS = 4, HEADER_MAX = 2048, WHY_SIZE = 180 };

/* RFC 7617: the password in a header of its own buffer, wiped after use. */
static bool
basic(const struct scep_est_options *o, struct buf **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *pair = buf_new(HEADER_MAX);
	AUTO(buf_wipe) struct buf *line = buf_new(2 * HEADER_MAX);

	if (o->user == NULL)
		return true;
	if (strchr(o->user, ':') != NULL)
		return err_set(
		    e, ERR_INVALID, "RFC 7617 2: a colon in the user's name");
	buf_addf(
	    pair, "%s:%s", o->user, o->password != NULL ? o->password : "");
	buf_adds(line, "Authorization: Basic ");
	b64_encode(line, buf_slice(pair));
	if (!buf_ok(pair, e) || !buf_ok(line, e))
		return false;
	*out = TAKE(line);
	return true;
}

/* RFC 7030 4.2.3: what a server says of an error is plain text when it names
 * no type; some send JSON.  Pages for browsers are left out. */
static bool
says_why(const struct fetch_answer *a)
{
	const char *type = a->content_type;

	return a->body != NULL && a->body->len > 0 &&
	       (type[0] == '\0' || str_starts(type, "text/plain") ||
	           str_starts(type, "application/json") ||
	           str_starts(type, "application/problem+json"));
}

/* The beginning of it on one line, ": " in front, printable and cut to size;
 * "" when there is none. */
static void
put_why(const struct fetch_answer *a, char *out, size_t size)
{
	struct slice s = says_why(a) ? buf_slice(a->body) : slice_str("");
	size_t n = 0;
	bool gap = false;

	for (size_t i = 0; i < s.len && n + 4 < size; i++) {
		if (s.p[i] <= ' ') {
			gap = true;
			continue;
		}
		if (n == 0)
			out[n++] = ':';
		if (gap || n == 1)
			out[n++] = ' ';
		gap = false;
		out[n++] = s.p[i] <= '~' ? (char)s.p[i] : '?';
	}
	out[n] = '\0';
}

/* True with a status of 2xx. */
static bool
judge(const char *operation, const struct fetch_answer *a, struct err *e)
{
	char why[WHY_SIZE];

	if (a->status == 200 || a->status == 202)
		return true;
	put_why(a, why, sizeof(why));
	if (a->status == 401)
		return err_set(e, ERR_UNAUTHORIZED,
		    "EST %s: HTTP status 401: it does not take the user and "
		    "password, or the certificate, that are configured here%s",
		    operation, why);
	return err_set(e,
	    a->status == 429 || a->status >= 500 ? ERR_UNAVAILABLE
	                                         : ERR_REFUSED,
	    "EST %s: HTTP status %d%s", operation, a->status, why);
}

/* One operation; body of POST, empty: GET. */
static bool
ask(const struct scep_est_options *o, const char *operation, struct slice body,
    struct fetch_answer *out, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(str_free) char *url = str_printf("%s/%s", o->url, operation);
	AUTO(buf_wipe) struct buf *authorization = NULL;
	const char *headers[HEADERS] = { "Accept: application/pkcs7-mime" };
	size_t n = 1;
	struct fetch_request rq = { .method = body.len > 0 ? "POST" : "GET",
		.url = url,
		.headers = headers,
		.body = body,
		.answer_max = SCEP_CLIENT_ANSWER_MAX };

	if (!str_starts(o->url, "https://"))
		return err_set(
		    e, ERR_INVALID, "RFC 7030 3.3: EST needs an https URL");
	if (!basic(o, &authorization, e))
		return false;
	if (authorization != NULL)
		headers[n++] = buf_str(authorization);
	if (body.len > 0)
		headers[n++] = "Content-Type: application/pkcs10";
	if (!fetch_do(o->fetch, &rq, &a, e))
		return err_wrap(e, "EST %s", operation);
	if (!judge(operation, &a, e))
		return false;
	*out = a;
	a = (struct fetch_answer){ 0 };
	return true;
}

/* RFC 8951 3.1: base64 whatever Content-Transfer-Encoding says, with or
 * without line ends. */
static bool
read_certificates(
    const struct fetch_answer *a, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(buf_free) struct buf *der = buf_new(SCEP_CLIENT_ANSWER_MAX);

	if (!str_starts(a->content_type, "application/pkcs7-mime"))
		return err_set(e, ERR_INVALID,
		    "RFC 7030 4: the answer is of another type");
	return b64_decode(der, buf_slice(a->body), B64_SPACES, e) &&
	       buf_ok(der, e) &&
	       scep_client_certificates(buf_slice(der), out, e);
}

bool
scep_est_cacerts(
    const struct scep_est_options *o, STACK_OF(X509) * *out, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(cert_stack_free) STACK_OF(X509) *all = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *good = sk_X509_new_null();

	if (!ask(o, "cacerts", slice_str(""), &a, e))
		return false;
	if (a.status != 200 || !read_certificates(&a, &all, e))
		return a.status == 200
		           ? err_wrap(e, "EST cacerts")
		           : err_set(e, ERR_INVALID, "EST cacerts: status 202");
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *x = sk_X509_value(all, i);

		if (X509_check_ca(x) <= 0 ||
		    !scep_client_leads_to(o->anchors, all, x))
			continue;
		if (good == NULL || sk_X509_push(good, x) == 0)
			return err_openssl(e, ERR_INTERNAL, "EST cacerts");
		X509_up_ref(x);
	}
	if (sk_X509_num(good) < 1)
		return err_set(e, ERR_INVALID,
		    "EST cacerts: no CA certificate leads to one that is "
		    "configured");
	*out = TAKE(good);
	return true;
}

/* The key that the CSR is for. */
static bool
key_of_csr(struct slice csr, char spki[SHA256_HEX_SIZE], struct err *e)
{
	AUTO(cert_req_free) X509_REQ *req = NULL;

	return scep_client_csr(csr, &req, e) &&
	       cert_spki_pub(X509_REQ_get_X509_PUBKEY(req), spki, e);
}

/* RFC 7030 4.2.3: exactly the one that was issued. */
static bool
check(const struct scep_est_options *o, STACK_OF(X509) * certs,
    const char *wanted, STACK_OF(X509) * between, struct err *e)
{
	X509 *x = sk_X509_value(certs, 0);
	char spki[SHA256_HEX_SIZE];

	if (sk_X509_num(certs) != 1)
		return err_set(e, ERR_INVALID,
		    "EST: %d certificates instead of one", sk_X509_num(certs));
	if (!cert_spki_pub(X509_get_X509_PUBKEY(x), spki, e))
		return false;
	if (!str_eq(spki, wanted))
		return err_set(
		    e, ERR_INVALID, "EST: the certificate is of another key");
	if (cert_not_after(x) <= clock_now_ms())
		return err_set(
		    e, ERR_INVALID, "EST: the certificate has expired");
	if (!scep_client_leads_to(o->anchors, between, x))
		return err_set(e, ERR_INVALID,
		    "EST: the certificate does not lead to a configured CA");
	return true;
}

bool
scep_est_enroll(const struct scep_est_options *o, struct slice csr, bool again,
    STACK_OF(X509) * intermediates, struct scep_est_result *out, struct err *e)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(buf_free) struct buf *text = buf_new(SCEP_CLIENT_ANSWER_MAX);
	AUTO(cert_stack_free) STACK_OF(X509) *certs = NULL;
	char wanted[SHA256_HEX_SIZE];

	if (!key_of_csr(csr, wanted, e))
		return false;
	b64_encode(text, csr);
	if (!buf_ok(text, e) ||
	    !ask(o, again ? "simplereenroll" : "simpleenroll", buf_slice(text),
	        &a, e))
		return false;
	if (a.status == 202) {
		*out = (struct scep_est_result){ .retry_after_s =
			                             a.retry_after_s };
		return true;
	}
	if (!read_certificates(&a, &certs, e) ||
	    !check(o, certs, wanted, intermediates, e))
		return false;
	*out = (struct scep_est_result){ .cert = sk_X509_shift(certs) };
	return true;
}
