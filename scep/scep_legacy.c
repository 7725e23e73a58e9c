/*
 * Loading of OpenSSL's legacy provider.  Owned by the service that wants it;
 * one thread, before and after all others.
 */
#include <openssl/provider.h>

#include "scep/scep_message.h"

struct scep_legacy {
	OSSL_PROVIDER *provider;
};

bool
scep_legacy_load(struct scep_legacy **out, struct err *e)
{
	/* 1: the default provider stays what it is. */
	OSSL_PROVIDER *provider = OSSL_PROVIDER_try_load(NULL, "legacy", 1);

	if (provider == NULL)
		return err_openssl(e, ERR_INTERNAL, "legacy provider");
	*out = mem_zalloc(1, sizeof(**out));
	(*out)->provider = provider;
	return true;
}

void
scep_legacy_free(struct scep_legacy **l)
{
	if (*l == NULL)
		return;
	OSSL_PROVIDER_unload((*l)->provider);
	mem_free(l);
}
