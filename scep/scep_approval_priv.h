/* Requests that wait for a person, between the sources of scep/. */
#pragma once

#include "scep/scep_approval.h"
#include "scep/scep_service_priv.h"

/* A row of scep_request; "" for what is NULL. */
struct scep_waiting {
	char id[UUID_SIZE], transaction_id[257], state[16], template[32];
	char signer_spki[SHA256_HEX_SIZE], spki[SHA256_HEX_SIZE];
	char fingerprint[SHA256_HEX_SIZE];
	char peer[64];
	/* Of the challenge that came with it; purpose "": none, a stranger. */
	char challenge_id[UUID_SIZE], purpose[16];
	char enrollment_ref[64], device_id[64], user_id[64];
	char *subject;   /* JSON */
	struct buf *csr; /* sealed; see scep_waiting_priv.h */
	int64_t expires_at, decided_at, created_at;
};
void scep_waiting_clear(struct scep_waiting *w);
/* As scep_db_key_elsewhere(), for who waits; old: what it is to follow. */
MUST_CHECK bool scep_waiting_key_elsewhere(struct store_tx *tx,
    const struct scep_waiting *w, const char *old, bool *out, struct err *e);

/* A request without a challenge, for a certificate of the names that it asks
 * for: puts it on the list, or tells what became of it. */
MUST_CHECK bool scep_approval_ask(struct scep_service *s,
    const struct scep_request *rq, const struct cert_template *t,
    struct scep_outcome *out, struct err *e);
/* The same for a request that may have a certificate of this subject (JSON), if
 * a person agrees.  c: the one-time challenge that it spends, with used_at and
 * used_spki, or NULL; *won false: that was another's. */
struct scep_approval_wait {
	const char *template, *subject;
	const struct scep_challenge *c;
	bool stranger; /* there was no challenge of any kind */
};
MUST_CHECK bool scep_approval_wait(struct scep_service *s,
    const struct scep_request *rq, const struct scep_approval_wait *for_what,
    struct scep_outcome *out, bool *won, struct err *e);
/* What became of the request, if it waits or did; else *known is false. */
MUST_CHECK bool scep_approval_known(struct scep_service *s,
    const struct scep_request *rq, struct scep_outcome *out, bool *known,
    struct err *e);
/* What became of the request with this transaction, by the key (SPKI, hex)
 * that signed it. */
MUST_CHECK bool scep_approval_poll(struct store_tx *tx,
    const char *transaction_id, const char *signer, struct scep_outcome *out,
    bool *found, struct err *e);

/* What the client is told of a request; text for one that is closed without
 * a certificate. */
MUST_CHECK bool scep_approval_answer(struct store_tx *tx,
    const struct scep_waiting *w, struct scep_outcome *out, struct err *e);
/* The event of a request; reason may be NULL. */
struct scep_waiting_event {
	const char *kind, *actor, *reason;
};
MUST_CHECK bool scep_approval_tell(struct store_tx *tx,
    const struct scep_waiting *w, const struct scep_waiting_event *ev,
    struct err *e);

/* ---- scep_approval_db.c ---- */

/* Of a row, in the order that scep_db_waiting_read() takes; there may be more
 * behind them. */
#define SCEP_WAITING_COLUMNS                                                   \
	"id, transaction_id, state, template, signer_spki, spki, "             \
	"fingerprint, peer, subject, csr, expires_at, challenge_id, purpose, " \
	"enrollment_ref, device_id, user_id, decided_at, created_at"
enum { SCEP_WAITING_COUNT = 18 };
/* The next row; *found false: there is none. */
MUST_CHECK bool scep_db_waiting_read(
    struct store_rows *r, struct scep_waiting *out, bool *found, struct err *e);

MUST_CHECK bool scep_db_waiting_add(struct store_tx *tx,
    const struct scep_waiting *w, int64_t now_ms, struct err *e);
MUST_CHECK bool scep_db_waiting_find(struct store_tx *tx,
    const char *transaction_id, const char *signer_spki,
    struct scep_waiting *out, bool *found, struct err *e);
MUST_CHECK bool scep_db_waiting_get(struct store_tx *tx, const char *id,
    struct scep_waiting *out, bool *found, struct err *e);
/* How many are pending of w's kind, by strangers or by holders of challenges:
 * all; from w's address, of IPv6 from its network; of its key and template. */
struct scep_waiting_count {
	int64_t all, of_peer, of_key;
};
MUST_CHECK bool scep_db_waiting_count(struct store_tx *tx,
    const struct scep_waiting *w, int64_t now_ms,
    struct scep_waiting_count *out, struct err *e);
/* Closes a pending request; *changed false: it is not pending. */
struct scep_decision {
	const char *id, *state, *by;
	const char *reason, *fingerprint; /* may be NULL */
	const char *claim;                /* of one that is queued */
	int64_t now_ms;
};
MUST_CHECK bool scep_db_waiting_decide(struct store_tx *tx,
    const struct scep_decision *d, bool *changed, struct err *e);
/* The id that a query over ids finds first. */
MUST_CHECK bool scep_db_waiting_one(struct store_tx *tx, const char *sql,
    const struct store_value *args, char id_out[UUID_SIZE], bool *found,
    struct err *e);
/* One pending request whose time is over; found false: none. */
MUST_CHECK bool scep_db_waiting_over(struct store_tx *tx, int64_t now_ms,
    char id_out[UUID_SIZE], bool *found, struct err *e);
/* Any of theirs that is pending or queued. */
MUST_CHECK bool scep_db_waiting_of(struct store_tx *tx,
    const struct scep_whose *of, char id_out[UUID_SIZE], bool *found,
    struct err *e);
/* Any whose csr begins with this octet. */
MUST_CHECK bool scep_db_waiting_begins(struct store_tx *tx, uint8_t first,
    struct scep_waiting *out, bool *found, struct err *e);
/* Writes w's csr anew. */
MUST_CHECK bool scep_db_waiting_csr(
    struct store_tx *tx, const struct scep_waiting *w, struct err *e);
MUST_CHECK bool scep_db_waiting_forget(
    struct store_tx *tx, const char *id, struct err *e);
/* Forgets what was decided long ago. */
MUST_CHECK bool scep_db_waiting_purge(
    struct store_tx *tx, int64_t before_ms, struct err *e);
/* Columns of the next two: a request, and the upstream that it waits for. */
enum scep_shown {
	SCEP_SHOWN_ID,
	SCEP_SHOWN_TRANSACTION,
	SCEP_SHOWN_SUBJECT,
	SCEP_SHOWN_TEMPLATE,
	SCEP_SHOWN_KEY,
	SCEP_SHOWN_PEER,
	SCEP_SHOWN_STATE,
	SCEP_SHOWN_REASON,
	SCEP_SHOWN_BY,
	SCEP_SHOWN_CERTIFICATE,
	SCEP_SHOWN_CREATED_AT,
	SCEP_SHOWN_EXPIRES_AT,
	SCEP_SHOWN_DECIDED_AT,
	SCEP_SHOWN_UPSTREAM,
	SCEP_SHOWN_TRIES,
	SCEP_SHOWN_POLLS,
	SCEP_SHOWN_NEXT_AT,
	SCEP_SHOWN_SEEN,
	SCEP_SHOWN_CLAIM,
	SCEP_SHOWN_CSR,
	SCEP_SHOWN_SLOT_AT,
	SCEP_SHOWN_FAULTS,
	SCEP_SHOWN_FIELDS
};
MUST_CHECK bool scep_db_waiting_page(struct store_tx *tx,
    const struct scep_request_page *page, struct store_rows **out,
    struct err *e);
MUST_CHECK bool scep_db_waiting_row(struct store_tx *tx, const char *id,
    struct store_rows **out, struct err *e);
/* Closes those that nobody decided in time, and forgets old ones. */
MUST_CHECK bool scep_approval_purge(struct store_tx *tx, struct err *e);
