/*
 * TLS of the APNs client: a context with our push certificate, sessions that
 * verify Apple, and what a peer's alert tells.  The context is read-only once
 * made; sessions belong to the client's thread.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "apns/apns_client_priv.h"
#include "certs/cert_x509.h"

static bool
use_certificate(
    SSL_CTX *ctx, const char *cert_pem, const char *key_pem, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_x509_free) X509 *leaf = NULL;

	if (!cert_parse_chain(slice_str(cert_pem), &chain, e) ||
	    !cert_key_parse(slice_str(key_pem), &key, e))
		return err_wrap(e, "push certificate");
	leaf = sk_X509_shift(chain);
	if (leaf == NULL)
		return err_set(e, ERR_INVALID, "push certificate: none");
	if (SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 1) != 1)
		return err_openssl(e, ERR_INVALID, "push certificate");
	return true;
}

static bool
add_anchors(X509_STORE *store, const char *pem, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *anchors = NULL;

	if (!cert_parse_chain(slice_str(pem), &anchors, e))
		return err_wrap(e, "trust anchors");
	for (int i = 0; i < sk_X509_num(anchors); i++) {
		if (X509_STORE_add_cert(store, sk_X509_value(anchors, i)) != 1)
			return err_openssl(e, ERR_INVALID, "trust anchors");
	}
	return true;
}

bool
apns_tls_trust(
    const struct apns_client_options *o, X509_STORE **out, struct err *e)
{
	AUTO(cert_store_free) X509_STORE *store = X509_STORE_new();

	if (store == NULL)
		return err_openssl(e, ERR_INTERNAL, "trust anchors");
	if (o->ca_file == NULL && o->ca_pem == NULL &&
	    X509_STORE_set_default_paths(store) != 1)
		return err_openssl(
		    e, ERR_INTERNAL, "trust anchors of the system");
	if (o->ca_file != NULL && X509_STORE_load_file(store, o->ca_file) != 1)
		return err_openssl(
		    e, ERR_INVALID, "trust anchors %s", o->ca_file);
	if (o->ca_pem != NULL && !add_anchors(store, o->ca_pem, e))
		return false;
	*out = TAKE(store);
	return true;
}

bool
apns_tls_context(X509_STORE *trust, const char *cert_pem, const char *key_pem,
    SSL_CTX **out, struct err *e)
{
	static const uint8_t protocols[] = { 2, 'h', '2' };
	AUTO(cert_ssl_ctx_free) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(ctx, protocols, sizeof(protocols)) != 0)
		return err_openssl(e, ERR_INTERNAL, "TLS context");
	SSL_CTX_set1_cert_store(ctx, trust);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	/* Fewer read() calls: a record is not asked for in two pieces. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 4 * APNS_IN_SIZE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (cert_pem != NULL && !use_certificate(ctx, cert_pem, key_pem, e))
		return false;
	*out = TAKE(ctx);
	return true;
}

bool
apns_tls_session(
    SSL_CTX *ctx, const struct apns_host *h, int fd, SSL **out, struct err *e)
{
	SSL *ssl = SSL_new(ctx);
	bool ok = ssl != NULL && SSL_set_fd(ssl, fd) == 1;

	if (ok && h->literal)
		ok = X509_VERIFY_PARAM_set1_ip_asc(
		         SSL_get0_param(ssl), h->name) == 1;
	else if (ok)
		ok = SSL_set1_host(ssl, h->name) == 1 &&
		     SSL_set_tlsext_host_name(ssl, h->name) == 1;
	if (!ok) {
		SSL_free(ssl);
		return err_openssl(e, ERR_INTERNAL, "TLS to %s", h->name);
	}
	SSL_set_connect_state(ssl);
	*out = ssl;
	return true;
}

/* Alerts about the certificate we showed, or did not show. */
static bool
alert_blames_us(unsigned long code)
{
	if (ERR_GET_LIB(code) != ERR_LIB_SSL)
		return false;
	switch (ERR_GET_REASON(code)) {
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_DECRYPT_ERROR: /* a bad signature in its chain */
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

void
apns_tls_error(struct err *e, bool *our_fault, const char *what)
{
	*our_fault = alert_blames_us(ERR_peek_error());
	if (ERR_peek_error() == 0)
		err_set(e, ERR_UNAVAILABLE, "%s: closed by the peer", what);
	else
		err_openssl(e, ERR_UNAVAILABLE, "%s", what);
}
