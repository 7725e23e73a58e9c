/* How the CSR of a request that waits is kept.  Not for other directories. */
#pragma once

#include "scep/scep_approval_priv.h"

/* Puts csr into w, which has its id, sealed. */
MUST_CHECK bool scep_waiting_seal(struct scep_waiting *w,
    const struct seal *seal, struct slice csr, struct err *e);
/* The CSR (DER) of a row, also of one that an older program wrote; free it with
 * buf_wipe().  ERR_INTERNAL: it does not open. */
MUST_CHECK bool scep_waiting_open(const struct scep_waiting *w,
    const struct seal *seal, struct buf **csr_out, struct err *e);
/* Seals what older programs left in the clear; once in the life of s. */
MUST_CHECK bool scep_waiting_seal_old(struct scep_service *s, struct err *e);
