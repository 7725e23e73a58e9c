/* What a TLS certificate has to be.  Pure functions; any thread. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "certs/cert_tls.h"
#include "core/clock.h"

static bool
is_for(X509 *x, const char *host)
{
	return X509_check_host(x, host, 0, 0, NULL) == 1 ||
	       X509_check_ip_asc(x, host, 0) == 1;
}

bool
cert_tls_check(const struct cert_tls *t, struct err *e)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	AUTO(cert_key_free) EVP_PKEY *key = NULL;
	int64_t now = clock_now_ms();
	X509 *x;

	if (!cert_parse_chain(t->cert, &chain, e) ||
	    !cert_key_parse(t->key, &key, e))
		return false;
	x = sk_X509_value(chain, 0);
	if (X509_check_private_key(x, key) != 1)
		return err_openssl(
		    e, ERR_INVALID, "the key is not the first certificate's");
	if (cert_not_after(x) <= now)
		return err_set(e, ERR_INVALID, "the certificate has expired");
	if (cert_not_before(x) > now)
		return err_set(
		    e, ERR_INVALID, "the certificate is not valid yet");
	if (is_for(x, t->host))
		return true;
	ERR_clear_error();
	return err_set(
	    e, ERR_INVALID, "the certificate is not for %s", t->host);
}

int64_t
cert_tls_not_after(struct slice cert)
{
	AUTO(cert_stack_free) STACK_OF(X509) *chain = NULL;
	struct err ignored = { 0 };

	return cert_parse_chain(cert, &chain, &ignored)
	           ? cert_not_after(sk_X509_value(chain, 0))
	           : 0;
}
