/* What the sources of the SCEP client share.  Not for other directories. */
#pragma once

#include "scep/scep_client.h"
#include "scep/scep_priv.h"

/* Clocks of servers may be so far ahead of ours: what they just issued is not
 * valid yet. */
#define SCEP_CLIENT_SKEW_MS (5 * MS_MIN)

enum { SCEP_CLIENT_NONCE = 16, SCEP_CLIENT_ANSWER_MAX = 256 << 10 };

/* ---- scep_request.c: our messages ---- */

/* A request on its way, and what its reply is checked against. */
struct scep_pending {
	struct buf *message;
	X509 *self;      /* signs; the reply is encrypted for it */
	EVP_PKEY *key;   /* of self; borrowed */
	X509 *recipient; /* borrowed from the chain */
	int digest_nid, cipher_nid;
	X509_NAME *subject; /* of the CSR */
	/* SHA-256 of the key to be certified, so that the same request asked
	 * again is the same transaction; the certificate is compared with it.
	 */
	char transaction_id[SHA256_HEX_SIZE];
	uint8_t nonce[SCEP_CLIENT_NONCE];
};
/* The recipient and algorithms of *out are set; the rest is made. */
MUST_CHECK bool scep_client_prepare(const struct scep_client_options *o,
    enum scep_type type, struct scep_pending *out, struct err *e);
/* Replaces the message by a CertPoll to issuer. */
MUST_CHECK bool scep_client_prepare_poll(
    X509_NAME *issuer, struct scep_pending *p, struct err *e);
/* A PKCS #10 request, whole; its signature is not looked at. */
MUST_CHECK bool scep_client_csr(
    struct slice der, X509_REQ **out, struct err *e);
void scep_pending_clear(struct scep_pending *p);
/* Sets e to what there is to say of a chain without a recipient; always false.
 */
bool scep_client_no_recipient(struct err *e);

/* ---- scep_client_names.c ---- */

/* Puts the alternative names that o asks for into the request, or nothing.
 * ERR_INVALID: no certificate can say one of them. */
MUST_CHECK bool scep_client_names(
    const struct scep_client_options *o, X509_REQ *req, struct err *e);

/* ---- scep_client_ca.c: what a server is believed to be ---- */

unsigned scep_client_caps(const char *text);
/* All certificates of a certificates-only message. */
MUST_CHECK bool scep_client_certificates(
    struct slice der, STACK_OF(X509) * *out, struct err *e);
/* The body of GetCACert; ca: the form of one certificate (RFC 8894 4.2.1.1). */
MUST_CHECK bool scep_client_read_ca(
    struct slice body, bool one, STACK_OF(X509) * *out, struct err *e);
/* Is leaf valid SCEP_CLIENT_SKEW_MS from now, and does it lead to one of
 * anchors, which need not be roots?  Over between (may be NULL), which need no
 * trust of their own. */
bool scep_client_leads_to(
    STACK_OF(X509) * anchors, STACK_OF(X509) * between, X509 *leaf);
/*
 * Whether a certificate of GetCACert may be that of a server: its CA's, an
 * RA's, or the one whose fingerprint is pin (may be NULL).  A CA certifies its
 * clients too, with the same key usages; what tells an RA from them is that it
 * has no extendedKeyUsage, or that of a registration authority: cmcRA
 * (RFC 6402 2.10), Microsoft's certificate request agent, or any.
 */
bool scep_client_serves(X509 *x, const char *pin);
/* Whether signer is one of ca, may sign and serve, and leads to the
 * fingerprint; ERR_INVALID, or as scep_client_pinned(). */
MUST_CHECK bool scep_client_signer(const struct scep_client_options *o,
    const struct scep_client_ca *ca, X509 *signer, struct err *e);
/* ERR_FORBIDDEN: fingerprint is of none of chain, or leaf does not lead there.
 */
MUST_CHECK bool scep_client_pinned(
    STACK_OF(X509) * chain, const char *fingerprint, X509 *leaf, struct err *e);
MUST_CHECK bool scep_client_read_next(struct slice body,
    const struct scep_client_options *o, const struct scep_client_ca *ca,
    STACK_OF(X509) * *out, struct err *e);

/* ---- scep_client_reply.c: what an answer is believed ---- */

MUST_CHECK bool scep_client_read_reply(struct slice der,
    const struct scep_client_options *o, const struct scep_client_ca *ca,
    const struct scep_pending *p, struct scep_client_result *r, struct err *e);
