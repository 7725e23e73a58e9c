/*
 * SCEP on HTTP (RFC 8894 section 4.1).  Clients differ in how they write the
 * base64 of a GET, and few send the right Content-Type: the type is ignored
 * and every form of base64 seen in the field is read.  No state of its own;
 * runs on the workers.
 */
#include <string.h>

#include "core/encode.h"
#include "core/limits.h"
#include "scep/scep_http.h"
#include "scep/scep_message.h"
#include "scep/scep_service.h"

enum { BASE64_MAX = 2 * LIMIT_BODY_SCEP };

/* The template whose address was asked; NULL: none, or that of an upstream. */
static const char *
template_at(const struct http_request *rq, const struct scep_service *svc)
{
	const char *name = http_param(rq, "name");

	return name != NULL && scep_template_served(svc, name) ? name : NULL;
}

static bool
get_ca_caps(const struct http_request *rq, struct http_reply *rp,
    struct scep_service *svc, struct err *e)
{
	(void)e;
	http_set(rp, 200, "text/plain");
	scep_capabilities(svc, template_at(rq, svc), http_out(rp));
	return true;
}

/* Whatever message= says: an unknown CA identifier must not fail.  Clients that
 * cannot say one have it in their URL. */
static bool
get_ca_cert(const struct http_request *rq, struct http_reply *rp,
    struct scep_service *svc, struct err *e)
{
	const char *name = http_param(rq, "name"), *type;

	if (name == NULL)
		name = http_query(rq, "message");
	if (!scep_ca_chain(svc, name, http_out(rp), &type, e))
		return false;
	http_set(rp, 200, type);
	return true;
}

static bool
get_next_ca_cert(const struct http_request *rq, struct http_reply *rp,
    struct scep_service *svc, struct err *e)
{
	(void)rq;
	http_set(rp, 200, "application/x-x509-next-ca-cert");
	return scep_next_ca(svc, http_out(rp), e);
}

/* RFC 3986 2.1.  A '+' stays what it is: in base64 it means itself. */
static bool
percent_decode(const char *p, const char *end, struct buf *out)
{
	while (p < end) {
		int high, low;

		if (*p != '%') {
			buf_addc(out, *p++);
			continue;
		}
		high = end - p < 3 ? -1 : hex_digit(p[1]);
		low = high < 0 ? -1 : hex_digit(p[2]);
		if (low < 0)
			return false;
		buf_addc(out, (char)(high * 16 + low));
		p += 3;
	}
	return true;
}

/* The message= argument as it was sent; query decoding would have turned '+'
 * into a blank. */
static bool
raw_message(const char *query, const char **p_out, const char **end_out)
{
	const char *p = query;

	while (p != NULL && *p != '\0') {
		const char *end = p + strcspn(p, "&");

		if (str_starts(p, "message=")) {
			*p_out = p + strlen("message=");
			*end_out = end;
			return true;
		}
		p = *end == '&' ? end + 1 : end;
	}
	return false;
}

static bool
decode(struct slice text, unsigned blanks, struct buf **out, struct err *e)
{
	AUTO(buf_free) struct buf *message = buf_new(LIMIT_BODY_SCEP);

	if (!b64_decode(
	        message, text, blanks | B64_SPACES | B64_URL | B64_NO_PAD, e) ||
	    !buf_ok(message, e))
		return false;
	*out = TAKE(message);
	return true;
}

/*
 * A blank is white space to a client that ends its lines with it, and a '+'
 * when somebody on the way decoded the query and wrote it anew.  At most one
 * of the two makes a message, for lengths are part of it.
 */
static bool
decode_either(struct slice text, struct buf **out, struct err *e)
{
	AUTO(buf_free) struct buf *without = NULL;
	AUTO(buf_free) struct buf *with = NULL;
	struct err why;

	if (text.len == 0 || memchr(text.p, ' ', text.len) == NULL)
		return decode(text, 0, out, e);
	if (decode(text, 0, &without, &why) &&
	    scep_is_message(buf_slice(without))) {
		*out = TAKE(without);
		return true;
	}
	if (!decode(text, B64_SPACE_PLUS, &with, e))
		return false;
	*out = TAKE(with);
	return true;
}

static bool
message_of_query(const struct http_request *rq, struct buf **out, struct err *e)
{
	AUTO(buf_free) struct buf *text = buf_new(BASE64_MAX);
	const char *p, *end;

	if (!raw_message(http_raw_query(rq), &p, &end))
		return err_set(e, ERR_INVALID,
		    "RFC 8894 4.1: PKIOperation without a message");
	if (!percent_decode(p, end, text))
		return err_set(
		    e, ERR_INVALID, "RFC 3986 2.1: bad percent-encoding");
	if (!buf_ok(text, e) || !decode_either(buf_slice(text), out, e))
		return err_wrap(e, "message");
	return true;
}

static bool
pki_operation(const struct http_request *rq, struct http_reply *rp,
    struct scep_service *svc, struct err *e)
{
	AUTO(buf_free) struct buf *decoded = NULL;
	AUTO(buf_free) struct buf *reply = NULL;
	struct slice message = http_body(rq);

	/* Who would spend a challenge on an answer that nobody gets? */
	if (str_eq(http_method(rq), "HEAD"))
		return err_set(e, ERR_INVALID,
		    "RFC 8894 4.3: PKIOperation is for GET and POST");
	if (message.len == 0) {
		if (!message_of_query(rq, &decoded, e))
			return false;
		message = buf_slice(decoded);
	}
	if (!scep_operation_at(svc, message,
	        &(struct scep_from){
	            .peer = http_peer(rq), .template = template_at(rq, svc) },
	        &reply, e))
		return false;
	http_set(rp, 200, "application/x-pki-message");
	http_set_header(rp, "Cache-Control", "no-store");
	buf_add(http_out(rp), reply->p, reply->len);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(const struct http_request *rq, struct http_reply *rp,
	    struct scep_service *svc, struct err *e);
} operations[] = {
	{ "GetCACaps", get_ca_caps },
	{ "GetCACert", get_ca_cert },
	{ "GetCAChain", get_ca_cert }, /* before the RFC */
	{ "GetNextCACert", get_next_ca_cert },
	{ "PKIOperation", pki_operation },
};

static bool
serve(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	const char *operation = http_query(rq, "operation");
	const char *name = http_param(rq, "name");
	bool known = true;

	if (name != NULL && template_at(rq, service) == NULL &&
	    !scep_upstream_named(service, name, &known, e))
		return false;
	if (!known)
		return err_set(
		    e, ERR_NOT_FOUND, "there is no such template or upstream");
	/* RFC 8894 4.3: some clients leave the operation of a POST out. */
	if (operation == NULL && http_body(rq).len > 0)
		return pki_operation(rq, rp, service, e);
	for (size_t i = 0; i < COUNT(operations); i++)
		if (str_eq(operation, operations[i].name))
			return operations[i].run(rq, rp, service, e);
	return err_set(e, ERR_INVALID, "RFC 8894 4.1: unknown operation");
}

/* clang-format off */
static const struct http_route routes[] = {
	{ "GET",  "/scep", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/scep", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
	{ "GET",  "/scep/", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/scep/", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
	{ "GET",  "/scep/pkiclient.exe", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/scep/pkiclient.exe", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
	{ "GET",  "/cgi-bin/pkiclient.exe", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/cgi-bin/pkiclient.exe", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
	{ "GET",  "/certsrv/mscep/mscep.dll", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/certsrv/mscep/mscep.dll", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
	{ "GET",  "/scep/{name}", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/scep/{name}", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
	{ "GET",  "/scep/{name}/", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/scep/{name}/", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
	{ "GET",  "/scep/{name}/pkiclient.exe", HTTP_ANYONE, LIMIT_BODY_NONE, serve },
	{ "POST", "/scep/{name}/pkiclient.exe", HTTP_ANYONE, LIMIT_BODY_SCEP, serve },
};
/* clang-format on */

void
scep_http_add(struct http_server *s, struct scep_service *svc)
{
	http_add(s, HTTP_DEVICE_SIDE, routes, COUNT(routes), svc);
	http_add(s, HTTP_PLAIN_SIDE, routes, COUNT(routes), svc);
}
