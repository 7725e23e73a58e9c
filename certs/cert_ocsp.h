/*
 * OCSP responder (RFC 6960, nonces RFC 9654, cacheable answers RFC 5019), for
 * all issuing authorities, old ones too.  Answers come from the ledger as it
 * is at that moment; signed ones are kept, and given again for as long as the
 * ledger says the same.  Each authority delegates to a P-256 responder
 * certificate that lives 30 days and is renewed at half of that.
 *
 * Any thread.
 */
#pragma once

#include "certs/cert_live.h"
#include "core/seal.h"
#include "http/http.h"

struct cert_ocsp;

struct cert_ocsp_options {
	struct store *store;
	struct cert_live *live;
	const struct seal *seal; /* for the responders' keys */
};
struct cert_ocsp *cert_ocsp_new(const struct cert_ocsp_options *o);
void cert_ocsp_free(struct cert_ocsp **o);

enum cert_ocsp_status { /* RFC 6960 4.2.1 */
	CERT_OCSP_SUCCESSFUL = 0,
	CERT_OCSP_MALFORMED = 1,
	CERT_OCSP_INTERNAL = 2,
	CERT_OCSP_TRY_LATER = 3,
	CERT_OCSP_UNAUTHORIZED = 6
};

struct cert_ocsp_reply {
	struct buf *der;
	enum cert_ocsp_status status;
	/* When it may be kept by caches (one certificate that we know, no
	 * nonce); else 0. */
	int64_t this_update, next_update;
};
void cert_ocsp_reply_clear(struct cert_ocsp_reply *r);
/*
 * Answers bytes with bytes.  What is wrong with the request is an answer, too:
 * only a failure of ours is an error, for which cert_ocsp_refusal() is sent.
 */
MUST_CHECK bool cert_ocsp_answer(struct cert_ocsp *o, struct slice request,
    struct cert_ocsp_reply *out, struct err *e);
/* An unsigned OCSPResponse with this status. */
void cert_ocsp_refusal(
    enum cert_ocsp_status status, struct cert_ocsp_reply *out);

struct cert_ocsp_stats {
	int64_t answers, cached, refused;
};
void cert_ocsp_stats(struct cert_ocsp *o, struct cert_ocsp_stats *out);
