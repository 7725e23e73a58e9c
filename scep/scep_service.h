/*
 * The SCEP service (RFC 8894): what GetCACaps, GetCACert and PKIOperation
 * answer.  Bytes in, bytes out; scep_http.c puts it on HTTP.
 */
#pragma once

#include "certs/cert_crl.h"
#include "certs/cert_ledger.h"
#include "certs/cert_live.h"
#include "core/seal.h"
#include "store/store_lease.h"

struct scep_service;

struct scep_options {
	struct store *store;
	const struct seal *seal;
	struct cert_live *live; /* each operation takes the present snapshot */
	struct cert_crl *crl;   /* for GetCRL; NULL: it is refused */
	/* The same key may use its spent challenge again for so long. */
	int64_t retry_ms; /* 0: 1 h */
	/* Failed challenges an address may have in a minute before its requests
	 * are refused undecrypted; 0: 10. */
	int failures_per_min;
	/* A request without a challenge waits so long for a person to approve
	 * it (RFC 8894 PENDING); 0: it is refused. */
	int64_t approval_ms;
	/* The same for templates that always want a person; 0: as above, or a
	 * week. */
	int64_t waiting_ms;
	/* So many of one address, or of one network of IPv6 (64 bits), may wait
	 * for a person; 0: 500. */
	int approval_of_peer;
	const char *webhook_ca; /* PEM file; NULL: the system's anchors */
	int webhooks_max;       /* that are asked at the same time; 0: 8 */
	bool legacy_des;        /* tests with old clients only */
	/* Threads that ask upstreams; 0: none, requests for them stay queued.
	 */
	int upstream_threads;
	/* A request gets this time for its answer before the client is told
	 * to wait; not more than so many at once. */
	int64_t upstream_wait_ms;
	int upstream_waiters;
	/*
	 * Called in the transaction that issues a certificate: how the rollout
	 * learns of it.  May be NULL.
	 */
	bool (*on_issued)(struct store_tx *tx, const struct cert_record *r,
	    void *arg, struct err *e);
	void *on_issued_arg;
};
MUST_CHECK bool scep_service_new(
    const struct scep_options *o, struct scep_service **out, struct err *e);
void scep_service_free(struct scep_service **s);

/* Whether there is an address below /scep for this template. */
bool scep_template_served(const struct scep_service *s, const char *name);
/* Appends the body of GetCACaps (RFC 8894 3.5.2), with what the template
 * accepts; NULL: with all. */
void scep_capabilities(
    const struct scep_service *s, const char *template, struct buf *out);
/*
 * Appends the body of GetCACert (RFC 8894 4.2.1); *type_out is its media type,
 * a literal.  name: what the client asks for, or NULL.  The name of an
 * upstream, or of a template that has one, adds the CAs behind it; all others
 * are the same.
 */
MUST_CHECK bool scep_ca_chain(const struct scep_service *s, const char *name,
    struct buf *out, const char **type_out, struct err *e);

/* Is that the name of an upstream? */
MUST_CHECK bool scep_upstream_named(
    const struct scep_service *s, const char *name, bool *out, struct err *e);

/* Appends the body of GetNextCACert (RFC 8894 4.7.1); ERR_NOT_FOUND: no
 * rollover is under way. */
MUST_CHECK bool scep_next_ca(
    const struct scep_service *s, struct buf *out, struct err *e);

/* Where a request came from. */
struct scep_from {
	const char *peer;     /* for the log and the limits on failures */
	const char *template; /* that the address names; NULL: none */
};
/*
 * Answers one PKIOperation.  ERR_INVALID: not a message that can be answered
 * (HTTP 400); ERR_UNAVAILABLE: no database.  Everything else, good or bad, is
 * a CertRep in *reply_out.  ERR_NOT_FOUND: no such template.
 */
MUST_CHECK bool scep_operation_at(struct scep_service *s, struct slice message,
    const struct scep_from *from, struct buf **reply_out, struct err *e);
/* The same where the address names no template. */
MUST_CHECK bool scep_operation(struct scep_service *s, struct slice message,
    const char *peer, struct buf **reply_out, struct err *e);

/* What messages were answered with; the first are FAILURE with this failInfo
 * (RFC 8894 3.2.1.4). */
enum scep_answer {
	SCEP_ANSWER_BAD_ALG,
	SCEP_ANSWER_BAD_MESSAGE_CHECK,
	SCEP_ANSWER_BAD_REQUEST,
	SCEP_ANSWER_BAD_TIME,
	SCEP_ANSWER_BAD_CERT_ID,
	SCEP_ANSWER_ISSUED,
	SCEP_ANSWER_REPEATED, /* a certificate that was there before */
	SCEP_ANSWER_PENDING,
	SCEP_ANSWER_CRL,
	SCEP_ANSWERS
};
/* How often, since scep_service_new(). */
void scep_service_stats(
    struct scep_service *s, int64_t out[static SCEP_ANSWERS]);

/* Deletes challenges past their end: used ones after 30 days (kept so long to
 * recognise reuse), others after one; closes requests that nobody approved in
 * time.  For the periodic jobs; lease NULL: nobody else does it. */
MUST_CHECK bool scep_service_purge(
    struct scep_service *s, const struct store_lease *lease, struct err *e);
