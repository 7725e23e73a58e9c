/* The EST client over TLS, against a server that answers what a test says. */
#include <signal.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "fetch_server.h"
#include "scep/scep_est.h"
#include "scep/scep_priv.h"

#define FAIL(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"

struct world {
	EVP_PKEY *ca_key, *key, *other;
	X509 *ca, *cert, *foreign;
	STACK_OF(X509) * anchors;
	struct buf *csr;
	struct fetch_server server;
	char url[64], pem[2048];
};

/* Of key, by the key and name of issuer; NULL: self-signed for 127.0.0.1. */
static X509 *
certify(EVP_PKEY *key, X509 *issuer, EVP_PKEY *by, long life_s)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), issuer != NULL ? 2 : 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	X509_gmtime_adj(X509_getm_notAfter(x), life_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const uint8_t *)(issuer != NULL ? "leaf" : "CA"), -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
	X509_set_pubkey(x, key);
	X509V3_set_ctx_nodb(&ctx);
	ext = X509V3_EXT_conf_nid(NULL, &ctx,
	    issuer != NULL ? NID_key_usage : NID_basic_constraints,
	    issuer != NULL ? "critical,digitalSignature" : "critical,CA:TRUE");
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	ext = X509V3_EXT_conf_nid(
	    NULL, &ctx, NID_subject_alt_name, "IP:127.0.0.1");
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(x, by, EVP_sha256()) > 0);
	return x;
}

static struct buf *
request_of(EVP_PKEY *key)
{
	AUTO(cert_req_free) X509_REQ *req = X509_REQ_new();
	struct buf *out = buf_new(4096);
	uint8_t *der = NULL;
	int len;

	X509_REQ_set_pubkey(req, key);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, &der);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	return out;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	BIO *pem = BIO_new(BIO_s_mem());

	signal(SIGPIPE, SIG_IGN);
	w->ca_key = EVP_EC_gen("P-256");
	w->key = EVP_EC_gen("P-256");
	w->other = EVP_EC_gen("P-256");
	w->ca = certify(w->ca_key, NULL, w->ca_key, 3600);
	w->cert = certify(w->key, w->ca, w->ca_key, 3600);
	w->foreign = certify(w->key, w->ca, w->other, 3600);
	w->anchors = sk_X509_new_null();
	sk_X509_push(w->anchors, w->ca);
	w->csr = request_of(w->key);
	w->server.tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(w->server.tls, w->ca);
	SSL_CTX_use_PrivateKey(w->server.tls, w->ca_key);
	fetch_server_start(&w->server);
	snprintf(w->url, sizeof(w->url), "https://127.0.0.1:%d/.well-known/est",
	    w->server.port);
	PEM_write_bio_X509(pem, w->ca);
	BIO_read(pem, w->pem, sizeof(w->pem) - 1);
	BIO_free(pem);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	fetch_server_stop(&w->server);
	SSL_CTX_free(w->server.tls);
	sk_X509_free(w->anchors);
	X509_free(w->ca);
	X509_free(w->cert);
	X509_free(w->foreign);
	EVP_PKEY_free(w->ca_key);
	EVP_PKEY_free(w->key);
	EVP_PKEY_free(w->other);
	buf_free(&w->csr);
	free(w);
	return 0;
}

static struct fetch *
client(const char *ca_pem, int64_t timeout_ms)
{
	struct fetch_options o = { .ca_pem = ca_pem, .timeout_ms = timeout_ms };
	struct fetch *f = NULL;

	assert_ok(fetch_new(&o, &f, e));
	return f;
}

/* An answer with one certificate, base64 with line ends. */
static char *
answer_of(X509 *x)
{
	AUTO(buf_free) struct buf *der = NULL;
	AUTO(buf_free) struct buf *p7 = buf_new(1 << 16);
	AUTO(buf_free) struct buf *text = buf_new(1 << 16);

	assert_ok(cert_der(x, &der, e));
	scep_degenerate(buf_slice(der), slice_str(""), p7);
	b64_encode(text, buf_slice(p7));
	return str_printf("HTTP/1.1 200 OK\r\n"
	                  "Content-Type: application/pkcs7-mime; "
	                  "smime-type=certs-only\r\n"
	                  "Content-Length: %zu\r\n\r\n%.64s\r\n%s",
	    text->len + 2, buf_str(text), buf_str(text) + 64);
}

/* What simpleenroll gives for this answer; 0: good, in *out. */
static enum err_code
enroll(struct world *w, const char *answer, struct scep_est_result *out)
{
	AUTO(fetch_free) struct fetch *f = client(w->pem, 0);
	struct scep_est_options o = { .fetch = f,
		.url = w->url,
		.user = "ra",
		.password = "secret",
		.anchors = w->anchors };
	struct err e = { 0 };

	fetch_server_say(&w->server, answer);
	if (scep_est_enroll(&o, buf_slice(w->csr), false, NULL, out, &e))
		return 0;
	assert_null(out->cert);
	assert_null(strstr(e.text, "secret"));
	return e.code;
}

static enum err_code
refused(struct world *w, const char *answer)
{
	struct scep_est_result r = { 0 };

	return enroll(w, answer, &r);
}

static void
certificate_is_had(void **state)
{
	struct world *w = *state;
	AUTO(str_free) char *answer = answer_of(w->cert);
	AUTO(buf_free) struct buf *body = buf_new(4096);
	struct scep_est_result r = { 0 };
	struct fetch_seen seen;

	assert_int_equal(enroll(w, answer, &r), 0);
	assert_int_equal(X509_cmp(r.cert, w->cert), 0);
	cert_x509_free(&r.cert);
	seen = fetch_server_last(&w->server);
	assert_non_null(
	    strstr(seen.text, "POST /.well-known/est/simpleenroll HTTP/1.1"));
	assert_non_null(
	    strstr(seen.text, "\r\nContent-Type: application/pkcs10\r\n"));
	assert_non_null(
	    strstr(seen.text, "\r\nAuthorization: Basic cmE6c2VjcmV0\r\n"));
	b64_encode(body, buf_slice(w->csr));
	assert_non_null(strstr(seen.text, buf_str(body)));
}

static void
lies_are_noticed(void **state)
{
	struct world *w = *state;
	AUTO(cert_x509_free)
	X509 *old = certify(w->key, w->ca, w->ca_key, -60);
	AUTO(cert_x509_free)
	X509 *another = certify(w->other, w->ca, w->ca_key, 3600);
	X509 *wrong[] = { w->foreign, old, another };

	for (size_t i = 0; i < COUNT(wrong); i++) {
		AUTO(str_free) char *answer = answer_of(wrong[i]);

		assert_int_equal(refused(w, answer), ERR_INVALID);
	}
	assert_int_equal(
	    refused(w, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	               "Content-Length: 2\r\n\r\nhi"),
	    ERR_INVALID);
	assert_int_equal(refused(w, "HTTP/1.1 200 OK\r\n"
	                            "Content-Type: application/pkcs7-mime\r\n"
	                            "Content-Length: 4\r\n\r\nAAAA"),
	    ERR_INVALID);
}

static void
huge_answer_is_not_read(void **state)
{
	struct world *w = *state;
	AUTO(buf_free) struct buf *b = buf_new(1 << 20);

	buf_adds(b, "HTTP/1.1 200 OK\r\nContent-Type: application/pkcs7-mime"
	            "\r\nContent-Length: 400000\r\n\r\n");
	for (int i = 0; i < 4000; i++)
		buf_addf(b, "%0100d", 0);
	assert_int_equal(refused(w, buf_str(b)), ERR_TOO_LARGE);
}

static void
statuses_say_whether_to_try_again(void **state)
{
	struct world *w = *state;
	struct scep_est_result r = { 0 };

	assert_int_equal(refused(w, FAIL("400 no")), ERR_REFUSED);
	assert_int_equal(refused(w, FAIL("401 no")), ERR_UNAUTHORIZED);
	assert_int_equal(refused(w, FAIL("302 no")), ERR_REFUSED);
	assert_int_equal(refused(w, FAIL("429 later")), ERR_UNAVAILABLE);
	assert_int_equal(refused(w, FAIL("503 later")), ERR_UNAVAILABLE);
	assert_int_equal(enroll(w,
	                     "HTTP/1.1 202 Wait\r\nRetry-After: 90\r\n"
	                     "Content-Length: 0\r\n\r\n",
	                     &r),
	    0);
	assert_null(r.cert);
	assert_int_equal(r.retry_after_s, 90);
}

static void
wrong_server_gets_nothing(void **state)
{
	struct world *w = *state;
	AUTO(fetch_free) struct fetch *stranger = client(NULL, 0);
	AUTO(fetch_free) struct fetch *hasty = client(w->pem, 50);
	struct scep_est_options o = {
		.fetch = stranger, .url = w->url, .anchors = w->anchors
	};
	struct scep_est_result r = { 0 };
	struct slice csr = buf_slice(w->csr);

	fetch_server_say(&w->server, FAIL("200 fine"));
	assert_err(
	    scep_est_enroll(&o, csr, true, NULL, &r, e), ERR_UNAVAILABLE);
	o.url = "http://127.0.0.1/.well-known/est";
	assert_err(scep_est_enroll(&o, csr, true, NULL, &r, e), ERR_INVALID);
	/* One that never answers. */
	fetch_server_say(&w->server, NULL);
	o = (struct scep_est_options){
		.fetch = hasty, .url = w->url, .anchors = w->anchors
	};
	assert_err(
	    scep_est_enroll(&o, csr, true, NULL, &r, e), ERR_UNAVAILABLE);
}

static void
cacerts_lead_to_an_anchor(void **state)
{
	struct world *w = *state;
	AUTO(fetch_free) struct fetch *f = client(w->pem, 0);
	AUTO(cert_x509_free)
	X509 *thief = certify(w->other, NULL, w->other, 3600);
	AUTO(cert_stack_free) STACK_OF(X509) *ca = NULL;
	AUTO(str_free) char *good = answer_of(w->ca);
	AUTO(str_free) char *bad = answer_of(thief);
	struct scep_est_options o = {
		.fetch = f, .url = w->url, .anchors = w->anchors
	};

	fetch_server_say(&w->server, bad);
	assert_err(scep_est_cacerts(&o, &ca, e), ERR_INVALID);
	fetch_server_say(&w->server, good);
	assert_ok(scep_est_cacerts(&o, &ca, e));
	assert_int_equal(sk_X509_num(ca), 1);
	assert_int_equal(X509_cmp(sk_X509_value(ca, 0), w->ca), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_is_had),
		cmocka_unit_test(lies_are_noticed),
		cmocka_unit_test(huge_answer_is_not_read),
		cmocka_unit_test(statuses_say_whether_to_try_again),
		cmocka_unit_test(wrong_server_gets_nothing),
		cmocka_unit_test(cacerts_lead_to_an_anchor),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
