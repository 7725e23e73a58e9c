/*
 * Requests that an upstream is to answer: rows of scep_request in state
 * queued, which threads of any node work off.  The struct scep_relay locks
 * itself.  Not for other directories.
 */
#pragma once

#include "scep/scep_approval_priv.h"
#include "scep/scep_upstream_conf_priv.h"

struct scep_relay;

/* A row that goes to an upstream; "" for what is NULL. */
struct scep_errand {
	struct scep_waiting w;
	char upstream[CERT_TEMPLATE_NAME_SIZE];
	char old_fingerprint[SHA256_HEX_SIZE]; /* it renews that */
	char claim[UUID_SIZE];
	int64_t seen, tries, polls;
};
void scep_errand_clear(struct scep_errand *e);

/* ---- scep_relay.c: what is put into the queue ---- */

/* Instead of issuing: spends the challenge and queues the request, in one
 * transaction.  *won false: somebody else has spent it. */
MUST_CHECK bool scep_relay_enroll(struct scep_service *s,
    const struct scep_request *rq, const struct scep_challenge *c,
    struct scep_outcome *out, bool *won, struct err *e);
/* The same for one whose names (JSON) somebody told, and that spends nothing.
 */
MUST_CHECK bool scep_relay_named(struct scep_service *s,
    const struct scep_request *rq, const char *subject,
    struct scep_outcome *out, struct err *e);
/* The challenge was spent on a request that waits, or did, for a person or an
 * upstream: what became of it. */
MUST_CHECK bool scep_relay_again(struct scep_service *s,
    const struct scep_request *rq, const char *challenge_id,
    struct scep_outcome *out, struct err *e);
/* Renews old, with these names and no others; scep_renew() has found nothing
 * against it. */
MUST_CHECK bool scep_relay_renew(struct scep_service *s,
    const struct scep_request *rq, const struct scep_predecessor *old,
    const struct cert_subject *names, struct scep_outcome *out, struct err *e);
/* Queues what a person approves.  ERR_REFUSED: it asks for more than was shown,
 * or there is no such upstream; ERR_CONFLICT: it is decided. */
MUST_CHECK bool scep_relay_approve(struct scep_service *s,
    const struct scep_waiting *w, const struct cert_template *t, const char *by,
    struct err *e);

/* ---- scep_relay_chain.c: what clients are told of the CAs behind us ---- */

/* The body of GetCACert with the CAs of the upstream of that name; *known
 * false: there is none, and nothing was added. */
MUST_CHECK bool scep_relay_ca_chain(const struct scep_service *s,
    const struct cert_authority *a, const char *name, struct buf *out,
    bool *known, struct err *e);
/* Puts behind an outside CA's certificate the CAs above it. */
MUST_CHECK bool scep_relay_add_chain(
    struct scep_service *s, struct scep_outcome *out, struct err *e);

/* ---- scep_relay_work.c: one request to an upstream ---- */

/*
 * Asks for one request that is due, and records the answer.  *did false:
 * nothing is due before *next_at (INT64_MAX: nothing at all).  Takes as long
 * as the upstream's time-out allows.
 */
MUST_CHECK bool scep_relay_step(struct scep_service *s, const atomic_bool *stop,
    bool *did, int64_t *next_at, struct err *e);
/* ---- scep_relay_issued.c: the certificate that came ---- */

struct scep_relay_result {
	const struct scep_errand *errand;
	X509 *cert;             /* checked by scep_upstream_ask() */
	STACK_OF(X509) * chain; /* CA certificates, in any order */
	STACK_OF(X509) * anchors;
};
/*
 * Ledger, challenge, renewal and the request, in one transaction.  A
 * certificate that may not be given any more goes into the ledger as revoked,
 * and the request has failed.  So does one of a request that was closed
 * meanwhile, with the event scep.late.  ERR_INVALID: the certificate is such
 * that the ledger cannot have it, and will not be better when it comes again;
 * the text names it.  Others: of the database.
 */
MUST_CHECK bool scep_relay_issued(
    struct scep_service *s, const struct scep_relay_result *r, struct err *e);

/* ---- scep_relay_follow.c: what a renewal is held against ---- */

/*
 * What has come up against a queued renewal, a literal, or NULL: the old
 * certificate is revoked by now; or it is another upstream's, or its names are
 * not those that were granted, as older programs queued them.
 */
MUST_CHECK bool scep_relay_follow_problem(struct store_tx *tx,
    const struct scep_errand *x, const char **problem, struct err *e);

/* ---- scep_relay_thread.c: who does it, and who waits for it ---- */

MUST_CHECK bool scep_relay_new(
    struct scep_service *s, struct scep_relay **out, struct err *e);
void scep_relay_free(struct scep_relay **r);
/* Gives a request that was just queued a moment to be answered: *out is then
 * what became of it. */
MUST_CHECK bool scep_relay_await(struct scep_service *s, const char *id,
    struct scep_outcome *out, struct err *e);
/* Answers in single DES can be read from here on, by all of the process: they
 * hold nothing that is secret. */
MUST_CHECK bool scep_relay_legacy(struct scep_relay *r, struct err *e);

/* ---- scep_relay_db.c ---- */

MUST_CHECK bool scep_db_errand_add(struct store_tx *tx,
    const struct scep_errand *x, int64_t now_ms, struct err *e);
/* A pending request becomes an errand; *changed false: it is not pending. */
struct scep_errand_approval {
	const char *id, *upstream, *by;
	int64_t until_ms;
};
MUST_CHECK bool scep_db_errand_approve(struct store_tx *tx,
    const struct scep_errand_approval *a, bool *changed, struct err *e);
MUST_CHECK bool scep_db_errand_get(struct store_tx *tx, const char *id,
    struct scep_errand *out, bool *found, struct err *e);
/* The newest of a challenge. */
MUST_CHECK bool scep_db_errand_of(struct store_tx *tx, const char *challenge_id,
    char id_out[UUID_SIZE], bool *found, struct err *e);
/* The one that is due first, and when; "" and INT64_MAX: none. */
MUST_CHECK bool scep_db_errand_next(struct store_tx *tx, char id_out[UUID_SIZE],
    int64_t *at_out, struct err *e);
/* Its claim and seen; until when it is nobody else's. */
MUST_CHECK bool scep_db_errand_claim(struct store_tx *tx,
    const struct scep_errand *x, int64_t until_ms, struct err *e);
/* Its counts and seen, and when it is asked for next; what went wrong. Only if
 * the claim is still its own. */
MUST_CHECK bool scep_db_errand_later(struct store_tx *tx,
    const struct scep_errand *x, const char *reason, int64_t next_at,
    struct err *e);
/* Closes what is queued; *changed false: it is not, or another's claim. */
MUST_CHECK bool scep_db_errand_close(struct store_tx *tx,
    const struct scep_decision *d, bool *changed, struct err *e);
/* Makes what is queued ours, whoever has claimed it; *open false: it is closed.
 */
MUST_CHECK bool scep_db_errand_seize(struct store_tx *tx,
    const struct scep_errand *x, bool *open, struct err *e);
/* How many wait for x's upstream; of them, how many renew the certificate that
 * x does, and how many are of x's key and template. */
struct scep_errand_counts {
	int64_t all, of_old, of_key;
};
MUST_CHECK bool scep_db_errand_count(struct store_tx *tx,
    const struct scep_errand *x, struct scep_errand_counts *out, struct err *e);
/* The client has begun another transaction for the same. */
MUST_CHECK bool scep_db_errand_move(struct store_tx *tx, const char *id,
    const char *transaction_id, const char *signer_spki, struct err *e);
/* The challenge's certificate is there now; its time of grace begins. */
MUST_CHECK bool scep_db_challenge_issued(struct store_tx *tx,
    const char *challenge_id, const char *fingerprint, int64_t now_ms,
    struct err *e);
