/*
 * Outgoing HTTP/1.1 over libcurl.  A struct fetch belongs to one thread;
 * libcurl's own state is set up once, by whoever comes first.
 */
#include <pthread.h>
#include <string.h>

#include <curl/curl.h>

#include "core/fetch.h"

enum { TIMEOUT_MS = 30 * 1000, ANSWER_MAX = 1 << 20 };

struct fetch {
	CURL *curl;
	struct curl_slist *headers; /* of the present request */
	char why[CURL_ERROR_SIZE];
	char *ca_file, *ca_pem, *cert_pem, *key_pem, *unix_path;
	int64_t timeout_ms;
	bool fresh;
	const atomic_bool *stop;
};

static void
global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool
fetch_new(const struct fetch_options *o, struct fetch **out, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fetch *f;
	CURL *curl;

	pthread_once(&once, global_init);
	curl = curl_easy_init();
	if (curl == NULL)
		return err_set(e, ERR_INTERNAL, "libcurl does not start");
	f = mem_zalloc(1, sizeof(*f));
	f->curl = curl;
	f->ca_file = str_dup(o->ca_file);
	f->ca_pem = str_dup(o->ca_pem);
	f->cert_pem = str_dup(o->cert_pem);
	f->key_pem = str_dup(o->key_pem);
	f->unix_path = str_dup(o->unix_path);
	f->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
	f->fresh = o->fresh;
	f->stop = o->stop;
	*out = f;
	return true;
}

static void
clear_headers(struct fetch *f)
{
	curl_slist_free_all(f->headers);
	f->headers = NULL;
}

void
fetch_free(struct fetch **f)
{
	if (*f == NULL)
		return;
	curl_easy_cleanup((*f)->curl);
	clear_headers(*f);
	str_free(&(*f)->ca_file);
	str_free(&(*f)->ca_pem);
	str_free(&(*f)->cert_pem);
	str_wipe(&(*f)->key_pem);
	str_free(&(*f)->unix_path);
	mem_free(f);
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct buf *body = arg;

	buf_add(body, data, size * count);
	return body->overflow ? 0 : size * count;
}

/* A PEM text of ours as an option; libcurl borrows it. */
static CURLcode
set_blob(CURL *c, CURLoption option, char *pem)
{
	struct curl_blob blob = { .data = pem, .flags = CURL_BLOB_NOCOPY };

	if (pem == NULL)
		return CURLE_OK;
	blob.len = strlen(pem);
	return curl_easy_setopt(c, option, &blob);
}

/*
 * All setters are tried, the first failure counts.  (libcurl's macro wants
 * the option as a constant.)
 */
#define SET(rc, c, option, value)                                              \
	do {                                                                   \
		CURLcode one_ = curl_easy_setopt(c, option, value);            \
		if ((rc) == CURLE_OK)                                          \
			(rc) = one_;                                           \
	} while (0)

static CURLcode
set_tls(struct fetch *f)
{
	CURLcode blobs[] = {
		set_blob(f->curl, CURLOPT_CAINFO_BLOB, f->ca_pem),
		set_blob(f->curl, CURLOPT_SSLCERT_BLOB, f->cert_pem),
		set_blob(f->curl, CURLOPT_SSLKEY_BLOB, f->key_pem),
	};
	CURLcode rc = CURLE_OK;

	for (size_t i = 0; i < COUNT(blobs); i++)
		if (rc == CURLE_OK)
			rc = blobs[i];
	SET(rc, f->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(rc, f->curl, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(rc, f->curl, CURLOPT_SSL_VERIFYHOST, 2L);
	/* Anchors that were named stand alone, not beside the system's. */
	if (f->ca_file != NULL || f->ca_pem != NULL)
		SET(rc, f->curl, CURLOPT_CAPATH, NULL);
	if (f->ca_file != NULL && f->ca_pem == NULL)
		SET(rc, f->curl, CURLOPT_CAINFO, f->ca_file);
	return rc;
}

static int
stopped(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct fetch *f = arg;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(f->stop);
}

static CURLcode
set_transport(struct fetch *f)
{
	CURLcode rc = set_tls(f);
	long fresh = f->fresh;

	SET(rc, f->curl, CURLOPT_ERRORBUFFER, f->why);
	SET(rc, f->curl, CURLOPT_NOSIGNAL, 1L);
	SET(rc, f->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(rc, f->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(rc, f->curl, CURLOPT_FOLLOWLOCATION, 0L);
	SET(rc, f->curl, CURLOPT_PROXY, "");
	SET(rc, f->curl, CURLOPT_TIMEOUT_MS, (long)f->timeout_ms);
	SET(rc, f->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)f->timeout_ms);
	SET(rc, f->curl, CURLOPT_UNIX_SOCKET_PATH, f->unix_path);
	SET(rc, f->curl, CURLOPT_FRESH_CONNECT, fresh);
	SET(rc, f->curl, CURLOPT_FORBID_REUSE, fresh);
	SET(rc, f->curl, CURLOPT_SSL_SESSIONID_CACHE, fresh ? 0L : 1L);
	if (f->stop != NULL) {
		SET(rc, f->curl, CURLOPT_XFERINFOFUNCTION, stopped);
		SET(rc, f->curl, CURLOPT_XFERINFODATA, f);
		SET(rc, f->curl, CURLOPT_NOPROGRESS, 0L);
	}
	return rc;
}

static bool
has_line_end(const char *s)
{
	return strpbrk(s, "\r\n") != NULL;
}

static bool
add_header(struct fetch *f, const char *line, struct err *e)
{
	struct curl_slist *longer;

	if (has_line_end(line))
		return err_set(e, ERR_INVALID, "line end in a header");
	longer = curl_slist_append(f->headers, line);
	if (longer == NULL)
		return err_set(e, ERR_INTERNAL, "libcurl has no memory");
	f->headers = longer;
	return true;
}

static bool
set_headers(struct fetch *f, const struct fetch_request *rq, struct err *e)
{
	bool typed = false;

	/* Without these two libcurl waits for 100 and calls all a form. */
	if (!add_header(f, "Expect:", e))
		return false;
	for (size_t i = 0; rq->headers != NULL && rq->headers[i] != NULL; i++) {
		typed |= strncasecmp(rq->headers[i], "Content-Type:", 13) == 0;
		if (!add_header(f, rq->headers[i], e))
			return false;
	}
	return typed || add_header(f, "Content-Type:", e);
}

static CURLcode
set_request(struct fetch *f, const struct fetch_request *rq, struct buf *body)
{
	CURLcode rc = set_transport(f);
	bool sends = rq->body.len > 0 || str_eq(rq->method, "PUT") ||
	             str_eq(rq->method, "POST") || str_eq(rq->method, "PATCH");

	SET(rc, f->curl, CURLOPT_URL, rq->url);
	SET(rc, f->curl, CURLOPT_PATH_AS_IS, 1L);
	SET(rc, f->curl, CURLOPT_HTTPHEADER, f->headers);
	if (str_eq(rq->method, "HEAD")) {
		SET(rc, f->curl, CURLOPT_NOBODY, 1L);
	} else if (sends) {
		SET(rc, f->curl, CURLOPT_POST, 1L);
		SET(rc, f->curl, CURLOPT_POSTFIELDS,
		    rq->body.len > 0 ? (const char *)rq->body.p : "");
		SET(rc, f->curl, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)rq->body.len);
	}
	SET(rc, f->curl, CURLOPT_CUSTOMREQUEST, rq->method);
	SET(rc, f->curl, CURLOPT_WRITEFUNCTION, take_body);
	SET(rc, f->curl, CURLOPT_WRITEDATA, body);
	return rc;
}

static bool
failed(
    const struct fetch *f, CURLcode rc, const struct buf *body, struct err *e)
{
	const char *why = f->why[0] != '\0' ? f->why : curl_easy_strerror(rc);

	switch (rc) {
	case CURLE_WRITE_ERROR:
		return err_set(e, ERR_TOO_LARGE, "answer longer than %zu bytes",
		    body->max);
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(e, ERR_INVALID, "%s", why);
	default:
		return err_set(e, ERR_UNAVAILABLE, "%s", why);
	}
}

static void
read_header(struct fetch *f, const char *name, struct fetch_answer *out)
{
	struct curl_header *h;

	if (name == NULL ||
	    curl_easy_header(f->curl, name, 0, CURLH_HEADER, -1, &h) !=
	        CURLHE_OK ||
	    h->amount != 1 ||
	    !str_copy(out->header, sizeof(out->header), h->value))
		out->header[0] = '\0';
}

static void
read_answer(struct fetch *f, struct buf *body, struct fetch_answer *out)
{
	char *type = NULL;
	long status = 0;
	curl_off_t wait = 0;

	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(f->curl, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(f->curl, CURLINFO_RETRY_AFTER, &wait);
	out->status = (int)status;
	out->retry_after_s = wait > 0 ? (int64_t)wait : 0;
	str_copy_cut(out->content_type, sizeof(out->content_type),
	    type != NULL ? type : "");
	out->body = body;
}

bool
fetch_do(struct fetch *f, const struct fetch_request *rq,
    struct fetch_answer *out, struct err *e)
{
	AUTO(buf_free)
	struct buf *body =
	    buf_new(rq->answer_max > 0 ? rq->answer_max : ANSWER_MAX);
	CURLcode rc;

	if (has_line_end(rq->method))
		return err_set(e, ERR_INVALID, "line end in a method");
	/* Forgets the last request; connections and TLS sessions stay. */
	curl_easy_reset(f->curl);
	clear_headers(f);
	f->why[0] = '\0';
	if (!set_headers(f, rq, e))
		return false;
	rc = set_request(f, rq, body);
	if (rc == CURLE_OK)
		rc = curl_easy_perform(f->curl);
	if (rc != CURLE_OK)
		return failed(f, rc, body, e);
	read_answer(f, TAKE(body), out);
	read_header(f, rq->want_header, out);
	return true;
}

void
fetch_answer_clear(struct fetch_answer *a)
{
	buf_free(&a->body);
	*a = (struct fetch_answer){ 0 };
}
