/*
 * The issuance ledger: searched by anything it knows, as JSON or CSV, and
 * certificates revoked, put on hold and released.
 */
#include <string.h>

#include "api/api_priv.h"
#include "certs/cert_ledger.h"
#include "certs/cert_san.h"
#include "core/csv.h"
#include "enroll-profiles/enroll_service.h"

/* Rows of one CSV answer, which is made whole: some 4 MB. */
enum { CSV_PAGE = 5000 };

static const struct {
	const char *key;
	enum api_certificate_column column;
	bool time;
} columns[] = {
	{ "fingerprint", API_CERT_FINGERPRINT, false },
	{ "serial", API_CERT_SERIAL, false },
	{ "subject", API_CERT_SUBJECT, false },
	{ "template", API_CERT_TEMPLATE, false },
	{ "purpose", API_CERT_PURPOSE, false },
	{ "device", API_CERT_DEVICE, false },
	{ "device_id", API_CERT_DEVICE_ID, false },
	{ "user", API_CERT_USER, false },
	{ "state", API_CERT_STATE, false },
	{ "rollout", API_CERT_ROLLOUT, false },
	{ "not_before", API_CERT_NOT_BEFORE, true },
	{ "not_after", API_CERT_NOT_AFTER, true },
	{ "revoked_at", API_CERT_REVOKED_AT, true },
	{ "revoke_reason", API_CERT_REASON, false },
	{ "revoked_by", API_CERT_REVOKED_BY, false },
	{ "created_at", API_CERT_CREATED_AT, true },
	{ "authority", API_CERT_AUTHORITY, false },
	{ "challenge", API_CERT_CHALLENGE, false },
	{ "transaction", API_CERT_TRANSACTION, false },
	{ "key", API_CERT_SPKI, false },
};

const char *
api_certificate_column(size_t i)
{
	return i < COUNT(columns) ? columns[i].key : NULL;
}

/* Text of column i of the table above; NULL: none.  scratch is for times. */
static const char *
cell(const struct store_rows *r, size_t i, char scratch[CLOCK_TEXT_SIZE])
{
	int col = (int)columns[i].column;

	if (store_null(r, col))
		return NULL;
	if (columns[i].column == API_CERT_REASON)
		return cert_reason_name((int)store_int(r, col));
	if (!columns[i].time)
		return store_text(r, col);
	clock_format(scratch, store_int(r, col));
	return scratch;
}

static bool
wants_csv(const struct http_request *rq, bool *out, struct err *e)
{
	const char *format = api_filter(rq, "format");
	const char *accept = http_header(rq, "Accept");

	if (format != NULL && !str_eq(format, "csv") && !str_eq(format, "json"))
		return err_set(e, ERR_INVALID, "format is csv or json");
	*out = format != NULL ? str_eq(format, "csv")
	                      : str_starts(accept, "text/csv");
	return true;
}

/* ---- answers ---- */

static json_t *
row_json(const struct store_rows *r)
{
	json_t *o = json_object();
	char scratch[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < COUNT(columns); i++)
		json_put_str(o, columns[i].key, cell(r, i, scratch));
	return o;
}

static void
row_csv(const struct store_rows *r, struct buf *out)
{
	char scratch[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < COUNT(columns); i++)
		csv_cell(out, cell(r, i, scratch), i + 1 == COUNT(columns));
}

/* Hands each row of a page to array or, when that is NULL, to csv. */
static bool
read_page(struct store_tx *tx, struct api_certificate_search *q, json_t *array,
    struct buf *csv, char **next_out, struct err *e)
{
	AUTO(store_rows_free) struct store_rows *r = NULL;
	AUTO(str_free) char *last = NULL;
	int64_t room = q->limit++;
	bool more;

	if (!api_db_certificates(tx, q, &r, e))
		return false;
	for (;; room--) {
		if (!store_next(r, &more, e))
			return false;
		if (!more || room == 0)
			break;
		if (array != NULL)
			json_array_append_new(array, row_json(r));
		else
			row_csv(r, csv);
		str_free(&last);
		last =
		    str_printf("%lld:%s", (long long)store_int(r, API_CERT_KEY),
		        store_text(r, API_CERT_FINGERPRINT));
	}
	*next_out = more ? TAKE(last) : NULL;
	return true;
}

/* Some clients send '>' as it is, which would end the address here. */
static void
add_to_link(struct buf *link, struct slice argument)
{
	for (size_t i = 0; i < argument.len; i++)
		if (argument.p[i] == '>')
			buf_adds(link, "%3E");
		else
			buf_addc(link, (char)argument.p[i]);
}

/* RFC 8288; CSV has no place for the key of the next page. */
static void
link_next(
    const struct http_request *rq, struct http_reply *rp, const char *next)
{
	const char *query = http_raw_query(rq);
	AUTO(buf_free) struct buf *link = buf_new(LIMIT_HEADERS);

	buf_adds(link, "</api/v1/certificates?");
	while (!str_empty(query)) {
		size_t len = strcspn(query, "&");

		if (!str_starts(query, "after=")) {
			add_to_link(link, slice_of(query, len));
			buf_addc(link, '&');
		}
		query += len + (query[len] == '&');
	}
	buf_addf(link, "after=%s>; rel=\"next\"", next);
	http_set_header(rp, "Link", buf_str(link));
}

static bool
answer_csv(const struct http_request *rq, struct http_reply *rp,
    struct store_tx *tx, struct api_certificate_search *q, struct err *e)
{
	AUTO(str_free) char *next = NULL;
	struct buf *out = http_out(rp);

	for (size_t i = 0; i < COUNT(columns); i++)
		csv_cell(out, columns[i].key, i + 1 == COUNT(columns));
	if (!read_page(tx, q, NULL, out, &next, e))
		return false;
	http_set(rp, 200, "text/csv; charset=utf-8");
	http_set_header(rp, "Cache-Control", "no-store");
	http_set_header(rp, "Content-Disposition",
	    "attachment; filename=\"certificates.csv\"");
	if (next != NULL)
		link_next(rq, rp, next);
	return true;
}

static bool
list(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	struct api_service *s = service;
	struct api_certificate_search q;
	bool csv;

	if (!wants_csv(rq, &csv, e) ||
	    !api_certificate_search_read(
	        rq, csv ? CSV_PAGE : LIMIT_PAGE, &q, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !api_certificate_search_names(tx, rq, &q, e))
		return false;
	if (csv)
		return answer_csv(rq, rp, tx, &q, e);
	if (!read_page(tx, &q, array, NULL, &next, e))
		return false;
	api_reply_list(rp, "certificates", &array, &next);
	return true;
}

/* ---- one certificate ---- */

/* What does not fit a list. */
static bool
put_more(struct store_tx *tx, const char *fingerprint, struct slice der,
    json_t *o, struct err *e)
{
	AUTO(cert_x509_free) X509 *x = NULL;
	struct err unread;

	json_object_set_new(o, "san",
	    cert_parse(der, &x, &unread) ? cert_san_json(x) : json_array());
	return api_db_certificate_origin(tx, fingerprint, o, e);
}

/* The object of the API, with the certificate itself as PEM. */
static bool
one_json(
    struct store_tx *tx, const char *fingerprint, json_t **out, struct err *e)
{
	AUTO(json_free) json_t *array = json_array();
	AUTO(str_free) char *next = NULL;
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(buf_free) struct buf *text = buf_new(2 * LIMIT_CERT);
	AUTO(buf_free) struct buf *pem = buf_new(2 * LIMIT_CERT);
	struct api_certificate_search q = { .fingerprint = fingerprint,
		.now = clock_now_ms(),
		.before = INT64_MAX,
		.before_id = "",
		.limit = 1 };

	if (!cert_ledger_der(tx, fingerprint, &der, e) ||
	    !read_page(tx, &q, array, NULL, &next, e))
		return false;
	b64_encode(text, buf_slice(der));
	buf_adds(pem, "-----BEGIN CERTIFICATE-----\n");
	for (size_t i = 0; i < text->len; i += 64)
		buf_addf(pem, "%.64s\n", buf_str(text) + i);
	buf_adds(pem, "-----END CERTIFICATE-----\n");
	json_put_str(json_array_get(array, 0), "pem", buf_str(pem));
	if (!put_more(
	        tx, fingerprint, buf_slice(der), json_array_get(array, 0), e))
		return false;
	*out = json_incref(json_array_get(array, 0));
	return true;
}

static bool
show(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(json_free) json_t *o = NULL;
	struct api_service *s = service;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !one_json(tx, http_param(rq, "fingerprint"), &o, e))
		return false;
	api_reply(rp, 200, &o);
	return true;
}

static bool
read_reason(const struct http_request *rq, int *out, struct err *e)
{
	static const char *const keys[] = { "reason", NULL };
	AUTO(json_free) json_t *body = NULL;
	const char *name;

	return api_body(rq, keys, &body, e) &&
	       json_need_str(body, "reason", LIMIT_NAME, &name, e) &&
	       cert_reason_parse(name, out, e);
}

/* May be run again. */
struct change {
	struct api_service *s;
	const char *fingerprint, *by;
	int reason; /* of revoke() */
	json_t *after;
};

static bool
change(struct change *c,
    bool (*once)(struct store_tx *tx, void *arg, struct err *e),
    struct http_reply *rp, struct err *e)
{
	AUTO(json_free) json_t *after = NULL;
	bool ok = store_write(c->s->o.store, once, c, e);

	after = TAKE(c->after);
	if (ok)
		api_reply(rp, 200, &after);
	return ok;
}

static bool
revoke_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct change *c = arg;
	struct cert_entry entry = { 0 };
	bool found;

	json_free(&c->after);
	if (!cert_ledger_find(tx, c->fingerprint, &entry, &found, e))
		return false;
	if (found && str_eq(entry.template, CERT_TEMPLATE_RA))
		return err_slug(e, ERR_CONFLICT, "ra_certificate",
		    "it is that of the SCEP RA, which mutsu ca renew-ra "
		    "--revoke REASON replaces");
	if (!cert_ledger_revoke(tx, c->fingerprint, c->reason, c->by, e) ||
	    !cert_ledger_find(tx, c->fingerprint, &entry, &found, e))
		return false;
	/* A hold is not for ever: what depends on it stays. */
	if (entry.revoke_reason != CERT_REASON_HOLD &&
	    !enroll_rollout_revoked(tx, c->s->o.seal, &entry, c->by, e))
		return false;
	return one_json(tx, c->fingerprint, &c->after, e);
}

static bool
revoke(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { .s = service,
		.fingerprint = http_param(rq, "fingerprint"),
		.by = api_by(rq) };

	return read_reason(rq, &c.reason, e) && change(&c, revoke_once, rp, e);
}

static bool
release_once(struct store_tx *tx, void *arg, struct err *e)
{
	struct change *c = arg;

	json_free(&c->after);
	return cert_ledger_release(tx, c->fingerprint, c->by, e) &&
	       one_json(tx, c->fingerprint, &c->after, e);
}

static bool
release(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	struct change c = { .s = service,
		.fingerprint = http_param(rq, "fingerprint"),
		.by = api_by(rq) };

	return api_no_body(rq, e) && change(&c, release_once, rp, e);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ "GET",  "/api/v1/certificates", HTTP_VIEW, LIMIT_BODY_NONE, list },
	{ "GET",  "/api/v1/certificates/{fingerprint}", HTTP_VIEW, LIMIT_BODY_NONE, show },
	{ "POST", "/api/v1/certificates/{fingerprint}/revoke", HTTP_DESTROY, LIMIT_BODY_API, revoke },
	{ "POST", "/api/v1/certificates/{fingerprint}/release", HTTP_DESTROY, LIMIT_BODY_API, release },
};
/* clang-format on */

void
api_certificate_add(struct http_server *h, struct api_service *s)
{
	http_add(h, HTTP_ADMIN_SIDE, routes, COUNT(routes), s);
}
