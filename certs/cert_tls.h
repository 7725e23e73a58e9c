/*
 * The certificate of the TLS listener, as clients will see it.  Pure
 * functions; any thread.
 */
#pragma once

#include "certs/cert_x509.h"

struct cert_tls {
	struct slice cert, key; /* PEM: leaf, then its chain; not encrypted */
	const char *host;       /* that it has to be for: name or address */
};
/*
 * Would clients take it now, as far as that can be seen from here?
 * ERR_INVALID: not PEM, another's key, expired or not yet valid, not for the
 * host.
 */
MUST_CHECK bool cert_tls_check(const struct cert_tls *t, struct err *e);
/* End of the first certificate; 0: it cannot be read. */
int64_t cert_tls_not_after(struct slice cert);
