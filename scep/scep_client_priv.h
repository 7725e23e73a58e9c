/* What the sources of the SCEP client share.  Not for other directories. */
#pragma once

#include "scep/scep_client.h"
#include "scep/scep_priv.h"

enum { SCEP_CLIENT_NONCE = 16 };

/* A request on its way, and what its reply is checked against. */
struct scep_pending {
	struct buf *message;
	X509 *self; /* self-signed; the reply is encrypted for it */
	X509 *ra;   /* borrowed from ca */
	char transaction_id[SHA256_HEX_SIZE];
	uint8_t nonce[SCEP_CLIENT_NONCE];
};
MUST_CHECK bool scep_client_prepare(const struct scep_client_options *o,
    STACK_OF(X509) * ca, struct scep_pending *out, struct err *e);
void scep_pending_clear(struct scep_pending *p);
