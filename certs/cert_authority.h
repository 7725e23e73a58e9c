/*
 * The certificate authority: root, issuing CA and SCEP RA (scep.md decision 1:
 * the CA key never touches what came from the network), plus the TLS
 * certificate made on first start.  Loaded once; read-only and shared by all
 * threads afterwards.
 */
#pragma once

#include "certs/cert_template.h"
#include "certs/cert_x509.h"
#include "store/store.h"

struct cert_authority;

struct cert_authority_options {
	const char *key_dir;            /* made with mode 0700; files of 0600 */
	const char *organization;       /* O of our certificates; "Mutsu" */
	enum cert_key_kind issuing_key; /* CERT_RSA_2048 unless told */
};

/*
 * Loads, or creates on first start: keys first, then rows, in one write
 * transaction, so that a start that was interrupted leaves nothing behind but
 * key files that nobody refers to.  Checks that keys fit their certificates.
 * Replaces the RA certificate when less than half of its life remains.
 *
 * The root's key is only needed on first start, and may be moved to a safe
 * place afterwards.
 *
 * ERR_FORBIDDEN: others may read the key directory; ERR_NOT_FOUND: a key file
 * is missing.
 */
MUST_CHECK bool cert_authority_open(struct store *st,
    const struct cert_authority_options *o, struct cert_authority **out,
    struct err *e);
void cert_authority_free(struct cert_authority **a);

/* Borrowed. */
X509 *cert_authority_root(const struct cert_authority *a);
X509 *cert_authority_issuing(const struct cert_authority *a);
X509 *cert_authority_ra(const struct cert_authority *a);
EVP_PKEY *cert_authority_ra_key(const struct cert_authority *a);
const char *cert_authority_id(const struct cert_authority *a); /* issuing */
/* Degenerate certificates-only PKCS #7: RA, issuing CA, root, in this order
 * (RFC 8894 4.2.1.2). */
struct slice cert_authority_ra_chain(const struct cert_authority *a);

/*
 * Builds and signs a certificate.  No database: the caller records the result
 * with cert_ledger_add() before it leaves.  pub is the X509_PUBKEY of the
 * request, whose key the caller has checked with cert_key_acceptable().
 * ERR_INVALID: the subject does not fit; ERR_FORBIDDEN: the kind of key is not
 * for this template, or it is a key of the authority itself.
 */
struct cert_issue {
	const struct cert_template *template;
	const struct cert_subject *subject;
	X509_PUBKEY *pub;
	int64_t now_ms;
};
struct cert_issued {
	struct buf *der;
	char fingerprint[SHA256_HEX_SIZE], serial[64], subject[512];
	char spki[SHA256_HEX_SIZE];
	int64_t not_before, not_after;
};
MUST_CHECK bool cert_authority_issue(const struct cert_authority *a,
    const struct cert_issue *in, struct cert_issued *out, struct err *e);
/* Frees der. */
void cert_issued_clear(struct cert_issued *i);

/* Makes a P-256 key and its certificate for the device listener from template
 * tls-server, for DNS name or address host; both PEM, the certificate with
 * its chain.  Free the key with buf_wipe(). */
MUST_CHECK bool cert_authority_tls(const struct cert_authority *a,
    const char *host, struct buf **cert_out, struct buf **key_out,
    struct err *e);
