/*
 * What the doctor finds: all well, and each fault by itself, against the
 * simulated APNs and servers that are none.
 */
#include "apns_fixture.h"
#include "apns_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "apns/apns_doctor.h"

enum { CHECKS_MAX = 16 };

struct seen {
	struct apns_check checks[CHECKS_MAX];
	size_t count;
};

static void
see(const struct apns_check *c, void *arg)
{
	struct seen *s = arg;

	assert_true(s->count < CHECKS_MAX);
	assert_true((c->finding == APNS_GOOD) == (c->advice == NULL));
	s->checks[s->count++] = *c;
}

/* The last check is this one, and says this. */
static void
assert_ends(const struct seen *s, const char *name, enum apns_finding finding,
    const char *words)
{
	const struct apns_check *c = &s->checks[s->count - 1];

	assert_true(s->count > 0);
	if (!str_eq(c->name, name) || c->finding != finding ||
	    strstr(c->text, words) == NULL)
		fail_msg("%s %d: %s", c->name, c->finding, c->text);
	for (size_t i = 0; i + 1 < s->count; i++)
		assert_int_equal(s->checks[i].finding, APNS_GOOD);
}

struct place {
	struct sim_apns *sim;
	char host[64];
	char ca[64]; /* a file */
	struct sim_apns_options sim_options;
	struct apns_doctor_options o;
};

static int
set_up_place(void **state)
{
	struct place *p = mem_zalloc(1, sizeof(*p));
	FILE *f;
	int fd;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(p->ca, sizeof(p->ca), "/tmp/mutsu-doctor-XXXXXX");
	fd = mkstemp(p->ca);
	f = fdopen(fd, "w");
	fputs(certs->ca_pem, f);
	(void)fclose(f);
	p->sim_options =
	    (struct sim_apns_options){ .cert_pem = certs->server_cert_pem,
		    .key_pem = certs->server_key_pem,
		    .client_ca_pem = certs->ca_pem };
	p->o = (struct apns_doctor_options){ .ca_file = p->ca,
		.cert_pem = certs->push_cert_pem,
		.key_pem = certs->push_key_pem,
		.topic = TOPIC,
		.timeout_ms = 5000 };
	*state = p;
	return 0;
}

static int
tear_down_place(void **state)
{
	struct place *p = *state;

	sim_apns_free(&p->sim);
	(void)unlink(p->ca);
	mem_free(&p);
	return 0;
}

static void
start(struct place *p)
{
	struct err e = { 0 };

	if (!sim_apns_new(&p->sim_options, &p->sim, &e))
		fail_msg("%s", e.text);
	(void)snprintf(p->host, sizeof(p->host), "127.0.0.1:%d",
	    (int)sim_apns_port(p->sim));
}

static struct seen
examine(const struct place *p)
{
	struct seen s = { 0 };

	apns_doctor_host(&p->o, p->host, see, &s);
	return s;
}

/* A port that nobody listens on, held so that nobody else gets it. */
static int
closed_port(int *fd_out)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	*fd_out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*fd_out, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(*fd_out, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

/* ---- the tests ---- */

static void
all_is_well(void **state)
{
	static const char *const names[] = { "name", "tcp", "tls", "http2",
		"answer", "clock" };
	struct place *p = *state;
	struct seen s;

	start(p);
	s = examine(p);
	assert_ends(&s, "clock", APNS_GOOD, "does not tell");
	assert_int_equal(s.count, COUNT(names));
	for (size_t i = 0; i < s.count; i++)
		assert_string_equal(s.checks[i].name, names[i]);
}

static void
without_a_certificate_it_looks_as_far_as_it_can(void **state)
{
	struct place *p = *state;
	struct seen s;

	p->o.cert_pem = p->o.key_pem = p->o.topic = NULL;
	p->sim_options.any_client = true;
	start(p);
	s = examine(p);
	assert_ends(&s, "http2", APNS_GOOD, "h2");
}

static void
a_name_that_does_not_resolve(void **state)
{
	struct place *p = *state;
	struct seen s;

	(void)snprintf(p->host, sizeof(p->host), "apns.invalid:443");
	s = examine(p);
	assert_ends(&s, "name", APNS_FAULT, "");
	assert_non_null(strstr(s.checks[0].advice, "DNS"));
	(void)snprintf(p->host, sizeof(p->host), "no port");
	s = examine(p);
	assert_ends(&s, "name", APNS_FAULT, "");
}

static void
a_port_that_is_closed(void **state)
{
	struct place *p = *state;
	struct seen s;
	int fd;

	(void)snprintf(
	    p->host, sizeof(p->host), "127.0.0.1:%d", closed_port(&fd));
	s = examine(p);
	assert_ends(&s, "tcp", APNS_FAULT, "refused");
	assert_non_null(strstr(s.checks[1].advice, "firewall"));

	/* Only Macs need that one. */
	s = (struct seen){ 0 };
	apns_doctor_device_host(&p->o, p->host, see, &s);
	assert_ends(&s, "tcp", APNS_WARNING, "refused");
	assert_non_null(strstr(s.checks[1].advice, "5223"));
	assert_int_equal(listen(fd, 1), 0);
	s = (struct seen){ 0 };
	apns_doctor_device_host(&p->o, p->host, see, &s);
	assert_ends(&s, "tcp", APNS_GOOD, "open");
	/* Open, but nobody says anything. */
	p->o.timeout_ms = 50;
	s = examine(p);
	assert_ends(&s, "tls", APNS_FAULT, "timed out");
	close(fd);
}

static void
a_proxy_on_the_way(void **state)
{
	static const char *const names[] = { "name", "tcp", "proxy", "tls",
		"http2", "answer", "clock" };
	AUTO(proxy_free) struct proxy *proxy = proxy_new();
	struct place *p = *state;
	char name[32];
	struct seen s;

	start(p);
	(void)snprintf(name, sizeof(name), "127.0.0.1:%d", proxy->port);
	p->o.proxy = name;
	proxy->authorization =
	    "Proxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n";
	assert_int_equal(pthread_create(&proxy->thread, NULL, run, proxy), 0);
	s = examine(p);
	assert_ends(&s, "proxy", APNS_FAULT, "407");
	p->o.proxy_credentials = "user:hunter2";
	s = examine(p);
	assert_ends(&s, "clock", APNS_GOOD, "");
	assert_int_equal(s.count, COUNT(names));
	for (size_t i = 0; i < s.count; i++)
		assert_string_equal(s.checks[i].name, names[i]);
}

static void
an_authority_that_is_not_trusted(void **state)
{
	struct place *p = *state;
	struct seen s;

	start(p);
	p->o.ca_file = NULL; /* the system's */
	s = examine(p);
	assert_ends(&s, "tls", APNS_FAULT, "certificate of the peer");
	assert_non_null(strstr(s.checks[2].advice, "apns-ca"));
}

static void
push_certificates_that_are_refused(void **state)
{
	struct sim_apns_rule rule = { .token = "",
		.action = SIM_APNS_ANSWER,
		.status = 403,
		.reason = "BadCertificate" };
	struct place *p = *state;
	struct sim_apns_certs *old = NULL;
	struct err e = { 0 };
	struct seen s;

	/* One of the same authority that has expired: TLS itself refuses. */
	if (!sim_apns_certs_new(
	        &(struct sim_apns_cert_options){ .topic = TOPIC,
	            .not_before_ms = clock_now_ms() - 2 * MS_DAY,
	            .not_after_ms = clock_now_ms() - MS_DAY },
	        &old, &e))
		fail_msg("%s", e.text);
	p->sim_options.client_ca_pem = old->ca_pem;
	p->o.cert_pem = old->push_cert_pem;
	p->o.key_pem = old->push_key_pem;
	start(p);
	s = examine(p);
	sim_apns_certs_free(&old);
	assert_ends(&s, "answer", APNS_FAULT, "expired");
	sim_apns_free(&p->sim);

	p->sim_options.client_ca_pem = certs->ca_pem;
	p->o.cert_pem = certs->push_cert_pem;
	p->o.key_pem = certs->push_key_pem;
	start(p);
	sim_apns_rule(p->sim, &rule);
	s = examine(p);
	assert_ends(&s, "answer", APNS_FAULT, "BadCertificate");
	sim_apns_clear_rules(p->sim);
	p->o.topic = "com.apple.mgmt.External.other";
	s = examine(p);
	assert_ends(&s, "answer", APNS_FAULT, "TopicDisallowed");
}

static void
a_clock_that_is_wrong(void **state)
{
	struct place *p = *state;
	struct seen s;

	p->sim_options.date = "Sun, 06 Nov 1994 08:49:37 GMT";
	start(p);
	s = examine(p);
	assert_ends(&s, "clock", APNS_FAULT, "before APNs'");
	assert_non_null(strstr(s.checks[5].advice, "UDP 123"));
}

/* ---- a TLS server without HTTP/2 ---- */

struct plain_tls {
	SSL_CTX *ctx;
	int listener;
};

static void *
serve_once(void *arg)
{
	struct plain_tls *t = arg;
	int fd = accept(t->listener, NULL, NULL);
	SSL *ssl = SSL_new(t->ctx);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		char byte;

		(void)SSL_read(ssl, &byte, 1);
	}
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static void
use_pem(SSL_CTX *ctx, const char *cert_pem, const char *key_pem)
{
	BIO *b = BIO_new_mem_buf(cert_pem, -1);
	X509 *cert = PEM_read_bio_X509(b, NULL, NULL, NULL);
	EVP_PKEY *key;

	BIO_free(b);
	b = BIO_new_mem_buf(key_pem, -1);
	key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int
refuse_protocols(SSL *ssl, const unsigned char **out, unsigned char *len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl, (void)out, (void)len, (void)in, (void)in_len, (void)arg;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void
a_server_without_http2(void **state)
{
	struct place *p = *state;

	/* It does not care for ALPN, or ends the connection for it. */
	for (int refuses = 0; refuses < 2; refuses++) {
		struct plain_tls t = { .ctx =
			                   SSL_CTX_new(TLS_server_method()) };
		pthread_t thread;
		struct seen s;

		use_pem(t.ctx, certs->server_cert_pem, certs->server_key_pem);
		if (refuses == 1)
			SSL_CTX_set_alpn_select_cb(
			    t.ctx, refuse_protocols, NULL);
		(void)snprintf(p->host, sizeof(p->host), "127.0.0.1:%d",
		    closed_port(&t.listener));
		assert_int_equal(listen(t.listener, 1), 0);
		pthread_create(&thread, NULL, serve_once, &t);
		s = examine(p);
		pthread_join(thread, NULL);
		close(t.listener);
		SSL_CTX_free(t.ctx);
		assert_ends(&s, "http2", APNS_FAULT, "");
	}
}

int
main(void)
{
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, set_up_place, tear_down_place)
	const struct CMUnitTest tests[] = {
		T(all_is_well),
		T(without_a_certificate_it_looks_as_far_as_it_can),
		T(a_name_that_does_not_resolve),
		T(a_port_that_is_closed),
		T(a_proxy_on_the_way),
		T(an_authority_that_is_not_trusted),
		T(push_certificates_that_are_refused),
		T(a_clock_that_is_wrong),
		T(a_server_without_http2),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
