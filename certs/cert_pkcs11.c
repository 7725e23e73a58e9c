/*
 * Keys in PKCS #11 tokens.  OpenSSL 3.0 reaches them by an engine (Debian:
 * libengine-pkcs11-openssl); engines are deprecated, but Debian 12 has no
 * provider for tokens.  The engine is one per process and keeps the PIN.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/engine.h>

#include "certs/cert_pkcs11_priv.h"

static void
engine_free(ENGINE **e)
{
	ENGINE_free(*e);
	*e = NULL;
}

static bool
command(ENGINE *engine, const char *name, const char *value, struct err *e)
{
	return ENGINE_ctrl_cmd_string(engine, name, value, 0) == 1 ||
	       err_openssl(e, ERR_INVALID, "PKCS #11: %s", name);
}

bool
cert_pkcs11_key(const struct cert_pkcs11 *p, EVP_PKEY **out, struct err *e)
{
	AUTO(engine_free) ENGINE *engine = ENGINE_by_id("pkcs11");
	EVP_PKEY *k;

	if (engine == NULL)
		return err_openssl(e, ERR_UNAVAILABLE,
		    "PKCS #11: OpenSSL has no engine for it; install "
		    "libengine-pkcs11-openssl");
	if (!command(engine, "MODULE_PATH", p->module, e) ||
	    !command(engine, "PIN", p->pin, e))
		return false;
	if (ENGINE_init(engine) != 1)
		return err_openssl(
		    e, ERR_INVALID, "PKCS #11: module %s", p->module);
	k = ENGINE_load_private_key(engine, p->uri, NULL, NULL);
	ENGINE_finish(engine); /* the key has a reference of its own */
	if (k == NULL)
		return err_openssl(e, ERR_INVALID, "PKCS #11: %s", p->uri);
	*out = k;
	return true;
}
