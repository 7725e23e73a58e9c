/*
 * What anybody may ask of the authorities, without TLS too, since checking a
 * TLS certificate may need it: /crl/ID.crl, /ca/ID.cer (RFC 5280 4.2.1.13,
 * 4.2.2.1), and OCSP at /ocsp (RFC 6960 appendix A).
 */
#pragma once

#include "certs/cert_crl.h"
#include "certs/cert_ocsp.h"

struct cert_public {
	struct store *store;
	struct cert_crl *crl;
	struct cert_ocsp *ocsp;
};
/* p stays borrowed. */
void cert_crl_http_add(struct http_server *h, struct cert_public *p);
