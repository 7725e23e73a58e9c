/*
 * The steps to APNs, one after the other, as plain blocking code.  No state;
 * any thread.
 */
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apns/apns_client.h"
#include "apns/apns_client_priv.h"
#include "apns/apns_doctor_priv.h"
#include "certs/cert_x509.h"
#include "core/clock.h"
#include "core/encode.h"

enum { TIMEOUT_MS = 10000, CLOCK_OFF_S = 60 };

/* One host under examination. */
struct patient {
	const struct apns_doctor_options *o;
	const char *text; /* as it was given */
	bool devices;
	struct apns_host host;
	struct apns_host hop; /* whom to connect to: host, or the proxy */
	bool proxied;
	struct addrinfo *addresses;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	apns_check_fn fn;
	void *arg;
};

static void
patient_clear(struct patient *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	if (p->fd >= 0)
		close(p->fd);
	if (p->addresses != NULL)
		freeaddrinfo(p->addresses);
}

/* True unless it is a fault. */
static bool PRINTF(5, 6) tell(const struct patient *p, const char *name,
    enum apns_finding finding, const char *advice, const char *fmt, ...)
{
	struct apns_check c = { .name = name,
		.subject = p->text,
		.finding = finding,
		.advice = advice };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c.text, sizeof(c.text), fmt, ap);
	va_end(ap);
	p->fn(&c, p->arg);
	return finding != APNS_FAULT;
}

/* The server can do without what only its Macs need. */
static enum apns_finding
bad(const struct patient *p)
{
	return p->devices ? APNS_WARNING : APNS_FAULT;
}

/* ---- name and TCP ---- */

static bool
look_up(struct patient *p)
{
	static const char advice[] =
	    "allow DNS from this machine (UDP and TCP 53 to its name server), "
	    "or correct the name in the settings";
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG };
	struct err e = { 0 };
	int rc, n = 0;

	p->proxied = !p->devices && p->o->proxy != NULL;
	if (!apns_host_parse(p->text, &p->host, &e) ||
	    !apns_host_parse(p->proxied ? p->o->proxy : p->text, &p->hop, &e))
		return tell(p, "name", APNS_FAULT,
		    "write host:port in the settings", "%s", e.text);
	rc = getaddrinfo(p->hop.name, p->hop.port,
	    p->hop.literal ? NULL : &hints, &p->addresses);
	if (rc != 0) {
		p->addresses = NULL;
		(void)tell(p, "name", bad(p), advice, "%s", gai_strerror(rc));
		return false;
	}
	for (const struct addrinfo *a = p->addresses; a != NULL; a = a->ai_next)
		n++;
	return tell(p, "name", APNS_GOOD, NULL, "%d addresses%s", n,
	    p->proxied ? " of the proxy" : "");
}

/* Timeouts of a socket count for connect(), too. */
static int
connect_to(const struct patient *p, const struct addrinfo *a)
{
	int64_t ms = p->o->timeout_ms > 0 ? p->o->timeout_ms : TIMEOUT_MS;
	struct timeval t = { .tv_sec = ms / MS_S, .tv_usec = ms % MS_S * 1000 };
	int fd =
	    socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, a->ai_protocol);
	int why;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	why = errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	errno = why;
	return -1;
}

static bool
reach(struct patient *p)
{
	static const char provider[] =
	    "open this TCP port in the firewall from this machine to APNs "
	    "(17.0.0.0/8); one of 443 and 2197 is enough";
	static const char proxy[] =
	    "open this TCP port in the firewall from this machine to the "
	    "proxy, or correct apns-proxy";
	static const char device[] =
	    "Macs need TCP 5223, else 443, to APNs (17.0.0.0/8); open it in "
	    "the firewall if their network is behind the same one";
	struct err e = { 0 };

	for (const struct addrinfo *a = p->addresses; p->fd < 0 && a != NULL;
	     a = a->ai_next) {
		p->fd = connect_to(p, a);
		if (p->fd < 0)
			err_errno(
			    &e, ERR_UNAVAILABLE, "TCP port %s", p->hop.port);
	}
	if (p->fd >= 0)
		return tell(p, "tcp", APNS_GOOD, NULL, "TCP port %s is open",
		    p->hop.port);
	(void)tell(p, "tcp", bad(p),
	    p->devices   ? device
	    : p->proxied ? proxy
	                 : provider,
	    "%s", e.text);
	return false;
}

/* ---- the proxy ---- */

static bool
send_all(int fd, struct slice s, struct err *e)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);

		if (n <= 0)
			return err_errno(e, ERR_UNAVAILABLE, "write");
		s = slice_of(s.p + n, s.len - (size_t)n);
	}
	return true;
}

/* CONNECT, RFC 9110 section 9.3.6, and RFC 7617. */
static bool
connect_through(const struct patient *p, struct err *e)
{
	AUTO(buf_wipe) struct buf *b = buf_new(4 * APNS_CREDENTIALS_MAX);
	const char *user = p->o->proxy_credentials;
	uint8_t reply[APNS_REPLY_MAX];
	size_t len = 0;
	bool done = false;

	buf_addf(b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", p->text, p->text);
	if (user != NULL) {
		buf_adds(b, "Proxy-Authorization: Basic ");
		b64_encode(b, slice_str(user));
		buf_adds(b, "\r\n");
	}
	buf_adds(b, "\r\n");
	if (!buf_ok(b, e) || !send_all(p->fd, buf_slice(b), e))
		return false;
	while (!done) {
		ssize_t n = recv(p->fd, reply + len, sizeof(reply) - len, 0);

		if (n < 0)
			return err_errno(e, ERR_UNAVAILABLE, "read");
		if (n == 0)
			return err_set(e, ERR_UNAVAILABLE, "closed");
		len += (size_t)n;
		if (!apns_tunnel_reply(slice_of(reply, len), &done, e))
			return false;
	}
	return true;
}

static bool
pass_proxy(const struct patient *p)
{
	struct err e = { 0 };

	if (!p->proxied)
		return true;
	if (connect_through(p, &e))
		return tell(p, "proxy", APNS_GOOD, NULL, "CONNECT %s", p->text);
	return tell(p, "proxy", APNS_FAULT,
	    "let the proxy allow CONNECT to this host and port, and look at "
	    "apns-proxy-credentials",
	    "%s", e.text);
}

/* ---- TLS ---- */

static bool
make_session(struct patient *p, struct err *e)
{
	struct apns_client_options trust = { .ca_file = p->o->ca_file };
	AUTO(cert_store_free) X509_STORE *store = NULL;

	return apns_tls_trust(&trust, &store, e) &&
	       apns_tls_context(
	           store, p->o->cert_pem, p->o->key_pem, &p->ctx, e) &&
	       apns_tls_session(p->ctx, &p->host, p->fd, &p->ssl, e);
}

static const char *
chain_advice(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "look at this machine's clock (UDP 123 to a time "
		       "server)";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "somebody else answers at this address: look at DNS "
		       "and proxies";
	default:
		return "install the system's CA certificates or set apns-ca; "
		       "a proxy that opens TLS has to let APNs pass untouched";
	}
}

/* The peer knows no h2, and says so by an alert. */
static bool
no_h2(unsigned long code)
{
	return ERR_GET_LIB(code) == ERR_LIB_SSL &&
	       ERR_GET_REASON(code) ==
	           SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL;
}

static const char h2_advice[] =
    "no APNs, or a proxy that opens TLS: HTTP/2 has to pass untouched";

static bool
handshake_failed(const struct patient *p, int code_of_ssl)
{
	long verdict = SSL_get_verify_result(p->ssl);
	unsigned long code = ERR_peek_error();
	struct err e = { 0 };
	bool our_fault;

	apns_tls_error(&e, &our_fault, "TLS");
	if (code_of_ssl == SSL_ERROR_WANT_READ)
		err_set(&e, ERR_UNAVAILABLE, "TLS: timed out");
	if (no_h2(code))
		return tell(p, "http2", APNS_FAULT, h2_advice, "%s", e.text);
	if (verdict != X509_V_OK)
		return tell(p, "tls", APNS_FAULT, chain_advice(verdict),
		    "certificate of the peer: %s",
		    X509_verify_cert_error_string(verdict));
	return tell(p, "tls", APNS_FAULT,
	    our_fault
	        ? "renew the push certificate, or import the right one"
	        : "the port is open, but TLS does not pass: look at proxies",
	    "%s", e.text);
}

static bool
shake_hands(struct patient *p)
{
	struct err e = { 0 };
	const uint8_t *protocol = NULL;
	unsigned len = 0;
	int rc;

	if (!make_session(p, &e))
		return tell(p, "tls", APNS_FAULT,
		    "look at apns-ca and the push certificate", "%s", e.text);
	ERR_clear_error();
	rc = SSL_connect(p->ssl);
	if (rc != 1)
		return handshake_failed(p, SSL_get_error(p->ssl, rc));
	(void)tell(p, "tls", APNS_GOOD, NULL, "%s, the chain is trusted",
	    SSL_get_version(p->ssl));
	SSL_get0_alpn_selected(p->ssl, &protocol, &len);
	if (!slice_eq_str(slice_of(protocol, len), "h2"))
		return tell(p, "http2", APNS_FAULT, h2_advice,
		    "the peer does not speak HTTP/2 (ALPN h2)");
	return tell(p, "http2", APNS_GOOD, NULL, "ALPN h2");
}

/* ---- the answer and the time ---- */

static bool
judge(const struct patient *p, const struct apns_said *said)
{
	const char *reason = said->reason[0] != '\0' ? said->reason : "none";

	switch (apns_classify(said->status, said->reason)) {
	case APNS_ACCEPTED:
	case APNS_REFUSED:
	case APNS_DEAD:
		return tell(p, "answer", APNS_GOOD, NULL,
		    "status %d, reason %s: as it has to be for a token of "
		    "nobody",
		    said->status, reason);
	case APNS_BACK_OFF:
		return tell(p, "answer", APNS_WARNING, "try again later",
		    "status %d, reason %s", said->status, reason);
	default:
		return tell(p, "answer", APNS_FAULT,
		    "the push certificate is not accepted: import a valid one "
		    "of this topic",
		    "status %d, reason %s", said->status, reason);
	}
}

static void
check_clock(const struct patient *p, const char *date)
{
	struct tm tm = { 0 };
	int64_t off_s;

	if (date[0] == '\0' ||
	    strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL) {
		(void)tell(p, "clock", APNS_GOOD, NULL,
		    "APNs does not tell the time; its certificate is valid by "
		    "this clock");
		return;
	}
	off_s = clock_now_ms() / MS_S - (int64_t)timegm(&tm);
	(void)tell(p, "clock",
	    off_s > CLOCK_OFF_S || off_s < -CLOCK_OFF_S ? APNS_FAULT
	                                                : APNS_GOOD,
	    off_s > CLOCK_OFF_S || off_s < -CLOCK_OFF_S
	        ? "let this machine ask a time server (UDP 123)"
	        : NULL,
	    "this clock is %lld s %s APNs'",
	    (long long)(off_s < 0 ? -off_s : off_s),
	    off_s < 0 ? "behind" : "before");
}

static void
ask(const struct patient *p)
{
	struct apns_said said;
	struct err e = { 0 };

	if (p->o->cert_pem == NULL || p->o->topic == NULL)
		return;
	if (!apns_doctor_ask(
	        p->ssl, p->host.authority, p->o->topic, &said, &e)) {
		(void)tell(p, "answer", APNS_FAULT,
		    "the push certificate may be refused, or a proxy does not "
		    "let HTTP/2 pass",
		    "%s", e.text);
		return;
	}
	if (judge(p, &said))
		check_clock(p, said.date);
}

static struct patient
admit(const struct apns_doctor_options *o, const char *host, apns_check_fn fn,
    void *arg)
{
	return (struct patient){
		.o = o, .text = host, .fd = -1, .fn = fn, .arg = arg
	};
}

void
apns_doctor_host(const struct apns_doctor_options *o, const char *host,
    apns_check_fn fn, void *arg)
{
	AUTO(patient_clear) struct patient p = admit(o, host, fn, arg);

	if (look_up(&p) && reach(&p) && pass_proxy(&p) && shake_hands(&p))
		ask(&p);
}

void
apns_doctor_device_host(const struct apns_doctor_options *o, const char *host,
    apns_check_fn fn, void *arg)
{
	AUTO(patient_clear) struct patient p = admit(o, host, fn, arg);

	p.devices = true;
	if (look_up(&p))
		(void)reach(&p);
}
