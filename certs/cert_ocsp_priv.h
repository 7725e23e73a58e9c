/*
 * What the files of OCSP share:
 *
 *	cert_ocsp.c            reads requests
 *	cert_ocsp_answer.c     looks up, signs, keeps answers
 *	cert_ocsp_responder.c  delegated certificates and their keys
 *	cert_ocsp_db.c         SQL
 */
#pragma once

#include <openssl/ocsp.h>
#include <pthread.h>

#include "certs/cert_build_priv.h"
#include "certs/cert_ocsp.h"
#include "core/clock.h"

enum {
	OCSP_SINGLES_MAX = 16,
	OCSP_NONCE_MAX = 128, /* RFC 9654 2.1 */
	OCSP_SERIAL_SIZE = 64,
	OCSP_CACHE = 4096,      /* answers, of some 1 kB */
	OCSP_KEPT_MAX = 4 << 10 /* bytes of one that is kept */
};

/* ---- cert_ocsp.c ---- */

struct cert_ocsp_query {
	OCSP_REQUEST *rq;
	int count; /* of singles */
	bool nonce;
};
void cert_ocsp_query_clear(struct cert_ocsp_query *q);
/* False: malformed (RFC 6960 4.2.1). */
MUST_CHECK bool cert_ocsp_parse(struct slice der, struct cert_ocsp_query *out);
/* Borrowed. */
OCSP_CERTID *cert_ocsp_single(const struct cert_ocsp_query *q, int i);
/* Lower-case hex as in the ledger; false: no certificate has that one. */
bool cert_ocsp_serial(OCSP_CERTID *id, char out[OCSP_SERIAL_SIZE]);
/* Is issuer whom the id names?  Only by SHA-1, SHA-256, SHA-384, SHA-512. */
bool cert_ocsp_names(OCSP_CERTID *id, X509 *issuer);

/* ---- cert_ocsp_responder.c ---- */

/* With a count of references. */
struct cert_ocsp_responder {
	char id[64]; /* of the authority */
	X509 *certificate;
	EVP_PKEY *key;
	int64_t not_after, renew_at;
};
void cert_ocsp_responder_clear(struct cert_ocsp_responder *r);
/* A copy whose certificate and key are references of the caller's. */
MUST_CHECK bool cert_ocsp_responder_get(struct cert_ocsp *o,
    const struct cert_member *m, struct cert_ocsp_responder *out,
    struct err *e);

/* ---- cert_ocsp_db.c ---- */

struct cert_ocsp_found {
	bool known, revoked;
	int64_t revoked_at;
	int reason;
};
MUST_CHECK bool cert_ocsp_db_status(struct store_tx *tx,
    const char *authority_id, const char *serial, struct cert_ocsp_found *out,
    struct err *e);
/* *certificate NULL: there is none. */
MUST_CHECK bool cert_ocsp_db_responder(struct store_tx *tx,
    const char *authority_id, struct buf **certificate, struct buf **key,
    struct err *e);
MUST_CHECK bool cert_ocsp_db_save(struct store_tx *tx,
    const struct cert_ocsp_responder *r, struct slice certificate,
    struct slice key, struct err *e);

/* ---- the service ---- */

enum { OCSP_AUTHORITIES_MAX = 32 };

struct cert_ocsp_kept {
	uint8_t key[32]; /* SHA-256 of the CertID */
	struct cert_ocsp_found found;
	int64_t this_update, next_update;
	struct buf *der; /* NULL: free */
};

struct cert_ocsp {
	struct cert_ocsp_options o;

	pthread_mutex_t lock; /* guards responders */
	struct cert_ocsp_responder responders[OCSP_AUTHORITIES_MAX];
	size_t responder_count;

	pthread_mutex_t kept_lock; /* guards kept */
	struct cert_ocsp_kept *kept;

	_Atomic int64_t answers, cached, refused;
};
