/* Outgoing HTTP: what is sent, what is accepted, and whom TLS trusts. */
#include <signal.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/fetch.h"
#include "fetch_server.h"

#define OK_ANSWER                                                              \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"       \
	"Content-Length: 5\r\n\r\nhello"

/* A self-signed certificate for 127.0.0.1, which is its own anchor. */
struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char *key_pem, *cert_pem;
};

static char *
bio_text(BIO *bio)
{
	char *at;
	long len = BIO_get_mem_data(bio, &at);
	char *text = str_printf("%.*s", (int)len, at);

	BIO_free(bio);
	return text;
}

static void
identity_new(struct identity *id)
{
	BIO *key = BIO_new(BIO_s_mem()), *cert = BIO_new(BIO_s_mem());
	X509_EXTENSION *san = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	X509_set_version(id->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(id->cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(id->cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(id->cert), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(id->cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(id->cert, X509_get_subject_name(id->cert));
	X509_set_pubkey(id->cert, id->key);
	X509_add_ext(id->cert, san, -1);
	assert_true(X509_sign(id->cert, id->key, EVP_sha256()) > 0);
	X509_EXTENSION_free(san);
	PEM_write_bio_PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(cert, id->cert);
	id->key_pem = bio_text(key);
	id->cert_pem = bio_text(cert);
}

static void
identity_clear(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	str_free(&id->key_pem);
	str_free(&id->cert_pem);
}

static struct fetch *
client(const struct fetch_options *o)
{
	struct fetch *f = NULL;

	assert_ok(fetch_new(o, &f, e));
	return f;
}

/* One GET that has to give OK_ANSWER. */
static void
get_hello(struct fetch *f, const char *url)
{
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	struct fetch_request rq = { .method = "GET", .url = url };

	assert_ok(fetch_do(f, &rq, &a, e));
	assert_int_equal(a.status, 200);
	assert_string_equal(a.content_type, "text/plain; charset=utf-8");
	assert_string_equal(buf_str(a.body), "hello");
}

static void
fails(struct fetch *f, const struct fetch_request *rq, enum err_code want)
{
	struct fetch_answer a = { .status = -1 };

	assert_err(fetch_do(f, rq, &a, e), want);
	assert_int_equal(a.status, -1);
	assert_null(a.body);
}

static char *
url_of(const struct fetch_server *s, const char *path)
{
	return str_printf("%s://127.0.0.1:%d%s",
	    s->tls != NULL ? "https" : "http", s->port, path);
}

static void
get_and_keep_alive(void **state)
{
	struct fetch_server s = { .answer = OK_ANSWER };
	AUTO(fetch_free) struct fetch *f = client(&(struct fetch_options){ 0 });
	AUTO(str_free) char *url = NULL;
	struct fetch_seen seen;

	(void)state;
	fetch_server_start(&s);
	url = url_of(&s, "/a/../b?x=%41");
	get_hello(f, url);
	get_hello(f, url);
	seen = fetch_server_last(&s);
	assert_true(str_starts(seen.text, "GET /a/../b?x=%41 HTTP/1.1\r\n"));
	assert_null(strcasestr(seen.text, "\r\nContent-Type:"));
	assert_int_equal(s.connections, 1);
	fetch_free(&f);
	fetch_server_stop(&s);
}

static void
fresh_connects_again(void **state)
{
	struct fetch_server s = { .answer = OK_ANSWER };
	AUTO(fetch_free)
	struct fetch *f = client(&(struct fetch_options){ .fresh = true });
	AUTO(str_free) char *url = NULL;

	(void)state;
	fetch_server_start(&s);
	url = url_of(&s, "/");
	get_hello(f, url);
	get_hello(f, url);
	assert_int_equal(s.connections, 2);
	fetch_free(&f);
	fetch_server_stop(&s);
}

static void
body_and_headers_are_sent(void **state)
{
	static const char *const headers[] = {
		"Content-Type: application/x-apple-aspen-mdm", "X-A: b", NULL
	};
	struct fetch_server s = { .answer = OK_ANSWER };
	AUTO(fetch_free) struct fetch *f = client(&(struct fetch_options){ 0 });
	AUTO(str_free) char *url = NULL;
	struct fetch_request rq = { .method = "PUT", .headers = headers };
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(fetch_answer_clear) struct fetch_answer b = { 0 };
	struct fetch_seen seen;

	(void)state;
	fetch_server_start(&s);
	url = url_of(&s, "/mdm");
	rq.url = url;
	rq.body = slice_of("a\0b", 3);
	assert_ok(fetch_do(f, &rq, &a, e));
	seen = fetch_server_last(&s);
	assert_true(str_starts(seen.text, "PUT /mdm HTTP/1.1\r\n"));
	assert_non_null(strstr(seen.text, "\r\nX-A: b\r\n"));
	assert_non_null(strstr(
	    seen.text, "\r\nContent-Type: application/x-apple-aspen-mdm\r\n"));
	assert_null(strcasestr(seen.text, "\r\nExpect:"));
	assert_memory_equal(seen.text + seen.len - 7, "\r\n\r\na\0b", 7);
	/* Nothing of it is left in the next request. */
	rq = (struct fetch_request){ .method = "POST", .url = url };
	assert_ok(fetch_do(f, &rq, &b, e));
	seen = fetch_server_last(&s);
	assert_true(str_starts(seen.text, "POST /mdm HTTP/1.1\r\n"));
	assert_non_null(strstr(seen.text, "\r\nContent-Length: 0\r\n"));
	assert_null(strstr(seen.text, "X-A"));
	assert_null(strcasestr(seen.text, "\r\nContent-Type:"));
	fetch_free(&f);
	fetch_server_stop(&s);
}

/* One header of the answer, if it is there once and fits. */
static void
a_header_that_is_wanted(void **state)
{
	static const struct {
		const char *lines, *seen;
	} rows[] = {
		{ "X-Sign: abc\r\n", "abc" },
		{ "x-sign:  abc \r\n", "abc" },
		{ "Other: abc\r\n", "" },
		{ "X-Sign: a\r\nX-Sign: b\r\n", "" },
		{ "X-Sign: 0123456789012345678901234567890123456789012345678901"
		  "23456789012345678901234567890123456789012345678901234567890"
		  "12345678901234567\r\n",
		    "" },
	};
	struct fetch_server s = { 0 };
	AUTO(fetch_free) struct fetch *f = NULL;
	AUTO(str_free) char *url = NULL;

	(void)state;
	fetch_server_start(&s);
	f = client(&(struct fetch_options){ .fresh = true });
	url = str_printf("http://127.0.0.1:%d/", s.port);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(str_free)
		char *answer = str_printf("HTTP/1.1 200 OK\r\n%s"
		                          "Content-Length: 0\r\n\r\n",
		    rows[i].lines);
		AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };

		fetch_server_say(&s, answer);
		assert_ok(fetch_do(f,
		    &(struct fetch_request){
		        .method = "GET", .url = url, .want_header = "X-Sign" },
		    &a, e));
		assert_string_equal(a.header, rows[i].seen);
		fetch_server_say(&s, NULL);
	}
	fetch_free(&f);
	fetch_server_stop(&s);
}

static void
redirects_are_answers(void **state)
{
	struct fetch_server s = { .answer = "HTTP/1.1 302 Found\r\n"
		                            "Location: /elsewhere\r\n"
		                            "Content-Length: 0\r\n\r\n" };
	AUTO(fetch_free) struct fetch *f = client(&(struct fetch_options){ 0 });
	AUTO(fetch_answer_clear) struct fetch_answer a = { 0 };
	AUTO(str_free) char *url = NULL;
	struct fetch_seen seen;

	(void)state;
	fetch_server_start(&s);
	url = url_of(&s, "/here");
	assert_ok(fetch_do(
	    f, &(struct fetch_request){ .method = "GET", .url = url }, &a, e));
	assert_int_equal(a.status, 302);
	assert_string_equal(a.content_type, "");
	assert_int_equal(a.body->len, 0);
	seen = fetch_server_last(&s);
	assert_true(str_starts(seen.text, "GET /here "));
	fetch_free(&f);
	fetch_server_stop(&s);
}

static void
answers_are_bounded(void **state)
{
	struct fetch_server s = { .answer = OK_ANSWER };
	AUTO(fetch_free) struct fetch *f = client(&(struct fetch_options){ 0 });
	struct fetch_request rq = { .method = "GET", .answer_max = 4 };
	AUTO(str_free) char *url = NULL;

	(void)state;
	fetch_server_start(&s);
	url = url_of(&s, "/");
	rq.url = url;
	fails(f, &rq, ERR_TOO_LARGE);
	get_hello(f, url);
	fetch_free(&f);
	fetch_server_stop(&s);
}

static void
nobody_answers(void **state)
{
	struct fetch_server s = { .answer = NULL };
	AUTO(fetch_free)
	struct fetch *f = client(&(struct fetch_options){ .timeout_ms = 50 });
	AUTO(str_free) char *url = NULL;
	struct fetch_request rq = { .method = "GET" };

	(void)state;
	fetch_server_start(&s);
	url = url_of(&s, "/");
	rq.url = url;
	fails(f, &rq, ERR_UNAVAILABLE);
	fetch_free(&f);
	fetch_server_stop(&s);
	/* Now nobody listens. */
	f = client(&(struct fetch_options){ .timeout_ms = 5000 });
	fails(f, &rq, ERR_UNAVAILABLE);
}

static void
bad_requests_are_not_sent(void **state)
{
	static const char *const urls[] = { "", "ftp://127.0.0.1/",
		"file:///etc/passwd", "http://" };
	static const char *const headers[] = { "A: b\r\nC: d", NULL };
	AUTO(fetch_free) struct fetch *f = client(&(struct fetch_options){ 0 });

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++)
		fails(f,
		    &(struct fetch_request){ .method = "GET", .url = urls[i] },
		    ERR_INVALID);
	fails(f,
	    &(struct fetch_request){ .method = "GET",
	        .url = "http://127.0.0.1:1/",
	        .headers = headers },
	    ERR_INVALID);
	fails(f,
	    &(struct fetch_request){ .method = "GET / HTTP/1.1\r\nA: b",
	        .url = "http://127.0.0.1:1/" },
	    ERR_INVALID);
}

static void
tls_server(struct fetch_server *s, const struct identity *id)
{
	s->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(s->tls, id->cert);
	SSL_CTX_use_PrivateKey(s->tls, id->key);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(s->tls), id->cert);
	fetch_server_start(s);
}

static void
tls_trusts_only_what_was_named(void **state)
{
	struct fetch_server s = { .answer = OK_ANSWER };
	struct identity id, other;
	struct fetch_options o = { .timeout_ms = 10000 };
	AUTO(fetch_free) struct fetch *f = client(&o);
	AUTO(str_free) char *url = NULL, *name = NULL;

	(void)state;
	identity_new(&id);
	identity_new(&other);
	tls_server(&s, &id);
	url = url_of(&s, "/");
	name = str_printf("https://localhost:%d/", s.port);
	fails(f, &(struct fetch_request){ .method = "GET", .url = url },
	    ERR_UNAVAILABLE);
	fetch_free(&f);
	o.ca_pem = other.cert_pem;
	f = client(&o);
	fails(f, &(struct fetch_request){ .method = "GET", .url = url },
	    ERR_UNAVAILABLE);
	fetch_free(&f);
	o.ca_pem = id.cert_pem;
	f = client(&o);
	get_hello(f, url);
	/* The certificate is for the address, not for this name.  (The server
	 * has one connection at a time: the first one has to end.) */
	fetch_free(&f);
	f = client(&o);
	fails(f, &(struct fetch_request){ .method = "GET", .url = name },
	    ERR_UNAVAILABLE);
	fetch_free(&f);
	fetch_server_stop(&s);
	SSL_CTX_free(s.tls);
	identity_clear(&id);
	identity_clear(&other);
}

static void
tls_client_certificate(void **state)
{
	struct fetch_server s = { .answer = OK_ANSWER };
	struct identity id;
	struct fetch_options o = { .timeout_ms = 10000 };
	AUTO(fetch_free) struct fetch *f = NULL;
	AUTO(str_free) char *url = NULL;

	(void)state;
	identity_new(&id);
	tls_server(&s, &id);
	SSL_CTX_set_verify(
	    s.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	url = url_of(&s, "/");
	o.ca_pem = id.cert_pem;
	f = client(&o);
	fails(f, &(struct fetch_request){ .method = "GET", .url = url },
	    ERR_UNAVAILABLE);
	fetch_free(&f);
	o.cert_pem = id.cert_pem;
	o.key_pem = id.key_pem;
	f = client(&o);
	get_hello(f, url);
	fetch_free(&f);
	o.key_pem = "not a key";
	f = client(&o);
	fails(f, &(struct fetch_request){ .method = "GET", .url = url },
	    ERR_INVALID);
	fetch_free(&f);
	fetch_server_stop(&s);
	SSL_CTX_free(s.tls);
	identity_clear(&id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_and_keep_alive),
		cmocka_unit_test(fresh_connects_again),
		cmocka_unit_test(body_and_headers_are_sent),
		cmocka_unit_test(a_header_that_is_wanted),
		cmocka_unit_test(redirects_are_answers),
		cmocka_unit_test(answers_are_bounded),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(bad_requests_are_not_sent),
		cmocka_unit_test(tls_trusts_only_what_was_named),
		cmocka_unit_test(tls_client_certificate),
	};

	/* SSL_write() to a client that has gone. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
