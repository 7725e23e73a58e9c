/*
 * Client certificates: by TLS, with a client made of another library than
 * the server's, and from a proxy's header.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/encode.h"
#include "http/http_priv.h"
#include "http_test.h"

struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char *cert_pem, *key_pem;
};

static char *
pem_of(BIO *bio)
{
	char *data, *copy;
	long len = BIO_get_mem_data(bio, &data);

	copy = str_printf("%.*s", (int)len, data);
	BIO_free(bio);
	return copy;
}

/* A leaf; its issuer is not to be found anywhere. */
static struct identity
make_identity(const char *name, const char *issuer)
{
	struct identity id = { EVP_EC_gen("P-256"), X509_new(), NULL, NULL };
	EVP_PKEY *other = EVP_EC_gen("P-256");
	X509_NAME *n = X509_get_subject_name(id.cert);
	BIO *bio = BIO_new(BIO_s_mem());

	X509_set_version(id.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), 7);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), 3600);
	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_ASC, (const uint8_t *)issuer, -1, -1, 0);
	X509_set_issuer_name(id.cert, n);
	X509_NAME_ENTRY_free(X509_NAME_delete_entry(n, 0));
	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_pubkey(id.cert, id.key);
	assert_true(X509_sign(id.cert, other, EVP_sha256()) > 0);
	EVP_PKEY_free(other);
	PEM_write_bio_X509(bio, id.cert);
	id.cert_pem = pem_of(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, id.key, NULL, NULL, 0, NULL, NULL);
	id.key_pem = pem_of(bio);
	return id;
}

static void
identity_clear(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	str_free(&id->cert_pem);
	str_free(&id->key_pem);
}

static bool
show_cert(const struct http_request *rq, struct http_reply *rp, void *service,
    struct err *e)
{
	(void)service;
	(void)e;
	hex_encode(http_out(rp), http_client_cert(rq));
	return true;
}

static const struct http_route routes[] = {
	{ "GET", "/", HTTP_ANYONE, 0, show_cert },
};

static uint16_t
start(struct http_server **s, const struct http_listen *l)
{
	uint16_t port;
	struct err e;

	*s = server_new((struct http_options){ .workers = 2 });
	http_add(*s, HTTP_DEVICE_SIDE, routes, COUNT(routes), NULL);
	assert_true(http_listen(*s, l, &port, &e));
	return port;
}

static void
expect_hex(const char *got, const X509 *cert)
{
	struct buf *hex = buf_new(1 << 16);
	uint8_t *der = NULL;
	int len = cert != NULL ? i2d_X509(cert, &der) : 0;

	hex_encode(hex, slice_of(der, (size_t)len));
	assert_string_equal(got, buf_str(hex));
	OPENSSL_free(der);
	buf_free(&hex);
}

/* Head and body may come in records of their own. */
static void
tls_get(SSL *ssl, const X509 *expect)
{
	char text[8192] = "", *body = NULL;
	int len = 0, want = -1, n;

	SSL_write(ssl, "GET / HTTP/1.1\r\n\r\n", 18);
	while (body == NULL || (int)strlen(body + 4) < want) {
		n = SSL_read(ssl, text + len, (int)sizeof(text) - 1 - len);
		assert_true(n > 0);
		len += n;
		text[len] = '\0';
		body = strstr(text, "\r\n\r\n");
		if (body != NULL)
			want = atoi(strstr(text, "Content-Length: ") + 16);
	}
	expect_hex(body + 4, expect);
}

/* Two requests on one connection; session, if given, is offered, and the
 * connection's own is put there. */
static void
tls_ask(SSL_CTX *ctx, uint16_t port, const X509 *expect, SSL_SESSION **session,
    bool *resumed)
{
	SSL *ssl = SSL_new(ctx);
	int fd = dial(port);

	SSL_set_fd(ssl, fd);
	if (session != NULL && *session != NULL)
		SSL_set_session(ssl, *session);
	assert_int_equal(SSL_connect(ssl), 1);
	for (int i = 0; i < 2; i++)
		tls_get(ssl, expect);
	*resumed = SSL_session_reused(ssl) == 1;
	if (session != NULL) {
		SSL_SESSION_free(*session);
		*session = SSL_get1_session(ssl);
	}
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static SSL_CTX *
client(int version, const struct identity *id)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	if (id != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, id->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, id->key), 1);
	}
	return ctx;
}

static void
try_version(int version, uint16_t port, const struct identity *id)
{
	SSL_CTX *ctx = client(version, id);
	SSL_SESSION *session = NULL;
	const X509 *cert = id != NULL ? id->cert : NULL;
	bool resumed;

	tls_ask(ctx, port, cert, &session, &resumed);
	assert_false(resumed);
	tls_ask(ctx, port, cert, &session, &resumed);
	assert_true(resumed);
	SSL_SESSION_free(session);
	SSL_CTX_free(ctx);
}

static void
tls_with_and_without(void **state)
{
	struct identity server = make_identity("server", "nobody");
	struct identity mac = make_identity("mac", "a missing intermediate");
	struct http_listen l = { .address = "127.0.0.1",
		.cert_pem = server.cert_pem,
		.key_pem = server.key_pem };
	struct http_server *s;
	uint16_t port = start(&s, &l);

	(void)state;
	try_version(TLS1_3_VERSION, port, NULL);
	try_version(TLS1_3_VERSION, port, &mac);
	try_version(TLS1_2_VERSION, port, NULL);
	try_version(TLS1_2_VERSION, port, &mac);
	http_free(&s);
	identity_clear(&server);
	identity_clear(&mac);
}

static void
tls_that_never_asks(void **state)
{
	struct identity server = make_identity("server", "nobody");
	struct identity mac = make_identity("mac", "nobody");
	struct http_listen l = { .address = "127.0.0.1",
		.cert_pem = server.cert_pem,
		.key_pem = server.key_pem,
		.no_client_cert = true };
	struct http_server *s;
	uint16_t port = start(&s, &l);
	SSL_CTX *ctx = client(TLS1_3_VERSION, &mac);
	bool resumed;

	(void)state;
	tls_ask(ctx, port, NULL, NULL, &resumed);
	SSL_CTX_free(ctx);
	http_free(&s);
	identity_clear(&server);
	identity_clear(&mac);
}

static void
old_tls_is_refused(void **state)
{
	struct identity server = make_identity("server", "nobody");
	struct http_listen l = { .address = "127.0.0.1",
		.cert_pem = server.cert_pem,
		.key_pem = server.key_pem };
	struct http_server *s;
	uint16_t port = start(&s, &l);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	int fd = dial(port);

	(void)state;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	assert_true(SSL_connect(ssl) != 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	ERR_clear_error();
	http_free(&s);
	identity_clear(&server);
}

static SSL *
connect_to(SSL_CTX *ctx, uint16_t port, int *fd)
{
	SSL *ssl = SSL_new(ctx);

	*fd = dial(port);
	SSL_set_fd(ssl, *fd);
	assert_int_equal(SSL_connect(ssl), 1);
	return ssl;
}

static void
expect_server(SSL *ssl, const struct identity *id)
{
	X509 *x = SSL_get1_peer_certificate(ssl);

	assert_int_equal(X509_cmp(x, id->cert), 0);
	X509_free(x);
	tls_get(ssl, NULL);
}

static void
disconnect(SSL *ssl, int fd)
{
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static void
try_swap(int version)
{
	struct identity one = make_identity("one", "nobody");
	struct identity two = make_identity("two", "nobody");
	struct http_listen l = { .address = "127.0.0.1",
		.cert_pem = one.cert_pem,
		.key_pem = one.key_pem };
	struct http_server *s;
	uint16_t port = start(&s, &l);
	SSL_CTX *ctx = client(version, NULL);
	int early_fd, late_fd;
	SSL *early = connect_to(ctx, port, &early_fd), *late;
	struct err e = { 0 };

	expect_server(early, &one);
	/* Neither the key of another one nor nonsense changes anything. */
	assert_false(http_set_certificate(s, two.cert_pem, one.key_pem, &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_false(http_set_certificate(s, "", two.key_pem, &e));
	late = connect_to(ctx, port, &late_fd);
	expect_server(late, &one);
	disconnect(late, late_fd);
	assert_true(http_set_certificate(s, two.cert_pem, two.key_pem, &e));
	late = connect_to(ctx, port, &late_fd);
	expect_server(late, &two);
	expect_server(early, &one);
	disconnect(early, early_fd);
	disconnect(late, late_fd);
	SSL_CTX_free(ctx);
	http_free(&s);
	identity_clear(&one);
	identity_clear(&two);
}

static void
certificate_is_swapped(void **state)
{
	(void)state;
	try_swap(TLS1_2_VERSION);
	try_swap(TLS1_3_VERSION);
}

/* ---- from a proxy ---- */

static void
expect_from_header(const char *addresses, const char *header, const char *hex)
{
	struct http_listen l = { .address = "127.0.0.1",
		.proxy_header = "Client-Cert",
		.proxy_addresses = addresses };
	struct http_server *s;
	uint16_t port = start(&s, &l);
	char request[512];
	struct answer a;

	snprintf(
	    request, sizeof(request), "GET / HTTP/1.1\r\n%s\r\n\r\n", header);
	ask(port, request, &a);
	if (hex == NULL) {
		assert_int_equal(a.status, 400);
	} else {
		assert_int_equal(a.status, 200);
		assert_string_equal(buf_str(a.body), hex);
	}
	answer_clear(&a);
	http_free(&s);
}

static void
header_counts_only_from_proxy(void **state)
{
	static const char good[] = "Client-Cert: :MAMCAQc=:";

	(void)state;
	expect_from_header("127.0.0.1", good, "3003020107");
	expect_from_header("::1, 127.0.0.1", good, "3003020107");
	expect_from_header("::ffff:127.0.0.1", good, "3003020107");
	expect_from_header("10.0.0.1, 127.0.0.10", good, "");
	expect_from_header("", good, "");
	expect_from_header(NULL, good, "");
	expect_from_header("127.0.0.1", "X-Client-Cert: :MAMCAQc=:", "");
	expect_from_header("127.0.0.1",
	    "Client-Cert: :MAMCAQc=:\r\nclient-cert: :MAMCAQg=:", NULL);
}

/* What a proxy shows in TLS is its own certificate, whoever it speaks for:
 * without the header nobody has proven anything. */
static void
proxy_lends_no_certificate(void **state)
{
	struct identity server = make_identity("server", "nobody");
	struct identity proxy = make_identity("proxy", "nobody");
	struct http_listen l = { .address = "127.0.0.1",
		.cert_pem = server.cert_pem,
		.key_pem = server.key_pem,
		.proxy_header = "Client-Cert",
		.proxy_addresses = "127.0.0.1" };
	struct http_server *s;
	uint16_t port = start(&s, &l);
	SSL_CTX *ctx = client(TLS1_3_VERSION, &proxy);
	bool resumed;

	(void)state;
	tls_ask(ctx, port, NULL, NULL, &resumed);
	SSL_CTX_free(ctx);
	http_free(&s);
	identity_clear(&server);
	identity_clear(&proxy);
}

static void
header_forms(void **state)
{
	static const struct {
		const char *value, *bytes;
	} rows[] = {
		{ ":AAEC:", "\x00\x01\x02" },
		{ "-----BEGIN%20CERTIFICATE-----%0AAA%0AEC%0A"
		  "-----END%20CERTIFICATE-----%0A",
		    "\x00\x01\x02" },
		{ "", NULL },
		{ ":", NULL },
		{ "::", NULL },
		{ ":AAEC", NULL },
		{ ":AA C:", NULL },
		{ "AAEC", NULL },
		{ "-----BEGIN%20CERTIFICATE-----%0AAAEC", NULL },
		{ "-----END%20CERTIFICATE-----"
		  "-----BEGIN%20CERTIFICATE-----",
		    NULL },
		{ "%0", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf *b = buf_new(64);
		struct err e;
		bool ok = http_cert_from_header(rows[i].value, b, &e);

		if (ok != (rows[i].bytes != NULL))
			fail_msg("%s", rows[i].value);
		if (ok)
			assert_true(
			    slice_eq(buf_slice(b), slice_of(rows[i].bytes, 3)));
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_with_and_without),
		cmocka_unit_test(tls_that_never_asks),
		cmocka_unit_test(old_tls_is_refused),
		cmocka_unit_test(certificate_is_swapped),
		cmocka_unit_test(header_counts_only_from_proxy),
		cmocka_unit_test(proxy_lends_no_certificate),
		cmocka_unit_test(header_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
