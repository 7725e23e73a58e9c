/*
 * What the sources of the SCEP service share: its state, the decision about a
 * request, its tables, the limit on failures.  Not for other directories.
 */
#pragma once

#include <stdatomic.h>

#include "scep/scep_challenge.h"
#include "scep/scep_line_priv.h"
#include "scep/scep_priv.h"
#include "scep/scep_service.h"

struct scep_rate;
struct scep_request;
struct scep_relay;

/* Read-only after scep_service_new(), except for the rates, which lock
 * themselves, and what is atomic. */
struct scep_service {
	struct scep_options o;
	struct scep_rate *rate;      /* by address, key and used challenge */
	struct scep_rate *templates; /* by template */
	atomic_int webhooks;         /* under way */
	atomic_bool waiting_sealed;  /* nothing is left in the clear */
	struct scep_reader *reader;
	struct scep_legacy *legacy; /* NULL: off */
	struct scep_relay *relay;   /* locks itself */
	atomic_llong answers[SCEP_ANSWERS];
};

/* ---- scep_rate.c: failed challenges ---- */

struct scep_rate *scep_rate_new(int failures_per_min);
void scep_rate_free(struct scep_rate **r);
/* True when this address, or whoever it is, had its share of failures in the
 * present minute. */
bool scep_rate_exceeded(struct scep_rate *r, const char *who);
void scep_rate_failed(struct scep_rate *r, const char *who);
/* Whether two addresses count as one. */
bool scep_rate_same(const char *peer, const char *other);

/* ---- scep_guess.c: who is put off after how many failures ---- */

/* NULL, or why a request of this address is not looked at. */
const char *scep_guess_peer(struct scep_service *s, const char *peer);
/* The same of a first request, by its key, and by the template of its
 * address. */
const char *scep_guess_key(
    struct scep_service *s, const struct scep_request *rq);
const char *scep_guess_template(
    struct scep_service *s, const struct scep_request *rq);
/* Its challenge was wrong; rq->csr and rq->template may be NULL. */
void scep_guess_failed(struct scep_service *s, const struct scep_request *rq);
/* It could not be read, or asked for what is not there. */
void scep_guess_unreadable(
    struct scep_service *s, const struct scep_request *rq);
/* Whether the reuse of this challenge is worth an event: the first ones. */
bool scep_guess_report(struct scep_service *s, const char *challenge_id);

/* ---- scep_issue.c: may it be issued, and issuing it ---- */

struct scep_request {
	const struct cert_authority *authority; /* as it was at the start */
	const struct cert_member *recipient;    /* whom it is encrypted for */
	const struct scep_message *message;
	const struct scep_csr *csr;
	struct slice csr_der;                 /* what csr was read from */
	const struct cert_template *template; /* of the address; NULL: none */
	const char *peer;
	bool may_renew; /* signed with a certificate of the ledger */
};

/* A text of a verdict that is made for one request. */
struct scep_reason {
	char text[160];
};
/* How a request ended; not to be copied. */
struct scep_outcome {
	struct scep_verdict verdict; /* -1: pending, or cert_der */
	struct scep_reason reason;   /* verdict.text may lie in it */
	bool pending;                /* waits for a person */
	struct buf *cert_der;        /* caller's */
	struct buf *crl_der;         /* instead: the answer to GetCRL */
	char fingerprint[SHA256_HEX_SIZE];
	bool again;         /* it had been issued before */
	bool bad_challenge; /* counts against the rate limit */
};
MUST_CHECK bool scep_issue(struct scep_service *s,
    const struct scep_request *rq, struct scep_outcome *out, struct err *e);

/* The client gets what was issued; takes its DER. */
void scep_outcome_give(struct scep_outcome *out, struct cert_issued *issued);
/* The template's own rules on a CSR: its key, and the digest that it is signed
 * with.  False with a verdict. */
bool scep_template_takes(const struct cert_template *t,
    const struct scep_csr *csr, struct scep_verdict *v);
/* Those, and the ones on the message's digest and cipher; to be asked once it
 * is known that the request may have a certificate of it. */
bool scep_template_permits(const struct cert_template *t,
    const struct scep_request *rq, struct scep_verdict *v);

/* ---- scep_beyond.c ---- */

/* What a request may have. */
struct scep_beyond {
	const struct cert_subject *names;
	const struct cert_template *template; /* usages; and names, if ours */
	/* An upstream reads the request itself: it needs a common name, may
	 * have the address in its subject, and holds no attribute that says
	 * anything. */
	bool outside;
};
/* NULL, or a literal: what the request (DER) asks for beyond that. */
const char *scep_beyond_problem(
    struct slice csr, const struct scep_beyond *may);

/* ---- scep_strict.c ---- */

/* False with a verdict: the request asks for more than its certificate would
 * say, and the template refuses that. */
bool scep_strict(const struct scep_request *rq, const struct cert_template *t,
    const struct cert_subject *will, struct scep_verdict *v);

/* ---- scep_shared.c ---- */

/* A first request to a template whose challenges are not made one by one:
 * static, by webhook, none. */
MUST_CHECK bool scep_shared(struct scep_service *s,
    const struct scep_request *rq, struct scep_outcome *out, struct err *e);

/* ---- scep_renew.c ---- */

/* A certificate that another is to follow, as the ledger has it. */
struct scep_predecessor {
	struct scep_line line; /* of what follows it */
	char fingerprint[SHA256_HEX_SIZE];
	bool found, revoked;
	char template[32], purpose[16];
	char enrollment_ref[64], device_id[64], user_id[64];
	char upstream[32]; /* that issued it; "": we did */
	int64_t not_before, not_after;
};
#define SCEP_TEXT_OLD_REVOKED "renewal: the old certificate is revoked"
#define SCEP_TEXT_OTHER_AUTHORITY                                              \
	"renewal: its template names another authority than the one that "     \
	"issued this certificate"
#define SCEP_TEXT_NOT_GRANTED                                                  \
	"renewal: it is not on record which names were granted for this "      \
	"certificate; ask with a new challenge"
/* The one place that says who may renew what: NULL, or why not, which is a
 * literal or lies in reason.  t: the old certificate's template, NULL when
 * there is none any more. */
const char *scep_renew_problem(const struct scep_predecessor *old,
    const struct cert_template *t, int64_t now_ms, struct scep_reason *reason);
/* Renews the certificate that signed the request. */
MUST_CHECK bool scep_renew(struct scep_service *s,
    const struct scep_request *rq, struct scep_outcome *out, struct err *e);
/* Whether the signer's certificate is in the ledger, alive or not. */
MUST_CHECK bool scep_renew_signer(struct scep_service *s,
    const struct scep_message *m, bool *ours_out, struct err *e);

/* ---- scep_query.c ---- */

/* CertPoll (RFC 8894 3.3.3), found by transaction and by the key that signs:
 * a request that waits or waited, or one whose certificate got lost on its
 * way. */
MUST_CHECK bool scep_poll(struct scep_service *s, const struct scep_request *rq,
    struct scep_outcome *out, struct err *e);
/* plain: the messageData of a GetCert. */
MUST_CHECK bool scep_get_cert(struct scep_service *s,
    const struct scep_request *rq, struct slice plain, struct scep_outcome *out,
    struct err *e);
/* plain: the messageData of a GetCRL. */
MUST_CHECK bool scep_get_crl(struct scep_service *s,
    const struct scep_request *rq, struct slice plain, struct scep_outcome *out,
    struct err *e);

/* ---- scep_db.c ---- */

/* s, or NULL for "". */
const char *scep_or_null(const char *s);

MUST_CHECK bool scep_db_by_serial(struct store_tx *tx, const char *authority_id,
    const char *serial, char fingerprint_out[SHA256_HEX_SIZE], bool *found,
    struct err *e);

/* The common name of a subject as the ledger's text of it has it, with its
 * escapes; "": there is none. */
struct scep_holder_name {
	char text[512];
};
void scep_holder_name(const char *cn, struct scep_holder_name *out);
/* Of a subject in JSON; "" of NULL, which is not known yet. */
MUST_CHECK bool scep_holder_name_json(
    const char *subject, struct scep_holder_name *out, struct err *e);

/* A row of challenge; "" for what is NULL. */
struct scep_challenge {
	char mac[SHA256_HEX_SIZE], id[UUID_SIZE];
	char template[32], purpose[16];
	char enrollment_ref[64], device_id[64], user_id[64];
	char used_spki[SHA256_HEX_SIZE], fingerprint[SHA256_HEX_SIZE];
	char *subject;               /* JSON */
	int64_t expires_at, used_at; /* used_at 0: never */
	/* Of the subject: for who is to spend it. */
	struct scep_holder_name name;
};
void scep_challenge_clear(struct scep_challenge *c);

MUST_CHECK bool scep_db_challenge_add(
    struct store_tx *tx, const struct scep_challenge *c, struct err *e);
MUST_CHECK bool scep_db_challenge_find(struct store_tx *tx, const char *mac,
    struct scep_challenge *out, bool *found, struct err *e);
/* Whose: of the device, of the user, or of both; NULL: whichever. */
struct scep_whose {
	const char *device_id, *user_id;
};
/* Their challenges that are unused have ended, by any node's clock; identities
 * of Macs are no user's. */
MUST_CHECK bool scep_db_challenge_void(
    struct store_tx *tx, const struct scep_whose *of, struct err *e);
/* What was issued of a template in this transaction of SCEP and is alive: the
 * last one of this key, and whether there is any of another. */
struct scep_earlier {
	bool found, other_key;
	char fingerprint[SHA256_HEX_SIZE];
	int64_t created_at, not_after;
};
struct scep_earlier_key {
	const char *transaction_id, *template, *spki;
};
MUST_CHECK bool scep_db_earlier(struct store_tx *tx,
    const struct scep_earlier_key *k, int64_t now_ms, struct scep_earlier *out,
    struct err *e);
/* The newest certificate of this transaction and key that holds and was
 * issued since then; "" when there is none. */
MUST_CHECK bool scep_db_issued(struct store_tx *tx,
    const struct scep_earlier_key *k, int64_t since_ms,
    char fingerprint_out[SHA256_HEX_SIZE], struct err *e);
MUST_CHECK bool scep_db_predecessor(struct store_tx *tx,
    const char *fingerprint, struct scep_predecessor *out, struct err *e);
/* What followed a certificate: how many, and the one of this transaction. */
struct scep_successor {
	int64_t count;
	bool found;
	char spki[SHA256_HEX_SIZE], fingerprint[SHA256_HEX_SIZE];
};
MUST_CHECK bool scep_db_successor(struct store_tx *tx, const char *old,
    const char *transaction_id, struct scep_successor *out, struct err *e);
MUST_CHECK bool scep_db_renewal_add(struct store_tx *tx, const char *old,
    const struct cert_record *r, int64_t now_ms, struct err *e);
MUST_CHECK bool scep_db_purge(
    struct store_tx *tx, int64_t now_ms, struct err *e);

/* ---- scep_holder_db.c ---- */

/* Marks c as used by its used_spki for fingerprint at used_at; *won is false
 * when it had been used or has expired, or that key is elsewhere. */
MUST_CHECK bool scep_db_challenge_spend(struct store_tx *tx,
    const struct scep_challenge *c, bool *won, struct err *e);
/* For whom a key is to be certified; "" for what is not there. */
struct scep_holder {
	const char *spki, *device_id, *enrollment_ref;
	const struct scep_holder_name *name; /* NULL: not known yet */
	const char *fingerprint;             /* what it is to follow */
	int64_t now_ms;
};
/*
 * True when a living certificate (one on hold is) for this key, apart from the
 * one that is followed, belongs to somebody else: to another device; or to
 * none, and has another common name.  Which Mac an enrolment is of shows when
 * it begins: until then it is nobody else's for a Mac, whatever its name.  And
 * when any certificate of this key was revoked as compromised: then it is
 * anybody's.
 */
MUST_CHECK bool scep_db_key_elsewhere(
    struct store_tx *tx, const struct scep_holder *h, bool *out, struct err *e);

/* ---- scep_answer.c ---- */

/* Log and counters. */
void scep_answered(struct scep_service *s, const struct scep_message *m,
    const char *peer, const struct scep_outcome *out);
