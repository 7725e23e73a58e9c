/*
 * TLS of the simulated APNs.  The context is read-only once made.
 */
#include <openssl/err.h>

#include "certs/cert_x509.h"
#include "sim/sim_apns_priv.h"

static int
choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char h2[] = { 2, 'h', '2' };
	unsigned char *chosen;

	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&chosen, out_len, h2, sizeof(h2), in,
	        in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool
use_certificate(SSL_CTX *ctx, const struct sim_apns_options *o, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	AUTO(cert_x509_free) X509 *leaf = NULL;

	if (!cert_parse_chain(slice_str(o->cert_pem), &chain, e) ||
	    !cert_key_parse(slice_str(o->key_pem), &key, e))
		return err_wrap(e, "simulated APNs");
	leaf = sk_X509_shift(chain);
	if (SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 1) != 1)
		return err_openssl(e, ERR_INVALID, "simulated APNs");
	return true;
}

static bool
trust_clients(SSL_CTX *ctx, const struct sim_apns_options *o, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *anchors = NULL;

	if (o->any_client)
		return true;
	if (!cert_parse_chain(slice_str(o->client_ca_pem), &anchors, e))
		return err_wrap(e, "simulated APNs: anchors of clients");
	for (int i = 0; i < sk_X509_num(anchors); i++) {
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
		        sk_X509_value(anchors, i)) != 1)
			return err_openssl(e, ERR_INVALID, "simulated APNs");
	}
	SSL_CTX_set_verify(
	    ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return true;
}

bool
sim_apns_context(const struct sim_apns_options *o, SSL_CTX **out, struct err *e)
{
	AUTO(cert_ssl_ctx_free) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return err_openssl(e, ERR_INTERNAL, "simulated APNs");
	SSL_CTX_set_alpn_select_cb(ctx, choose_h2, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 4 * SIM_APNS_IN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	if (!use_certificate(ctx, o, e) || !trust_clients(ctx, o, e))
		return false;
	*out = TAKE(ctx);
	return true;
}

void
sim_apns_peer_topic(const SSL *ssl, char *out, size_t size)
{
	X509 *x = SSL_get0_peer_certificate(ssl);

	out[0] = '\0';
	if (x != NULL)
		cert_subject_value(x, NID_userId, out, size);
}
