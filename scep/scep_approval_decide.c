/*
 * What an administrator decides of requests that wait, and what becomes of
 * those that nobody decided in time.  The certificate is made of what was
 * shown.  No state of its own; any thread.
 */
#include "core/clock.h"
#include "core/json.h"
#include "scep/scep_relay_priv.h"
#include "scep/scep_waiting_priv.h"

enum { EXPIRED_AT_ONCE = 1000 };
#define DECIDED_KEPT_MS (30 * MS_DAY)

static bool
tell(struct store_tx *tx, const struct scep_waiting *w, const char *kind,
    const char *actor, struct err *e)
{
	return scep_approval_tell(
	    tx, w, &(struct scep_waiting_event){ kind, actor, NULL }, e);
}

static bool
find_open(struct store_tx *tx, const char *id, struct scep_waiting *out,
    struct err *e)
{
	bool found;

	if (!scep_db_waiting_get(tx, id, out, &found, e))
		return false;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no such SCEP request");
	if (!str_eq(out->state, "pending"))
		return err_set(
		    e, ERR_CONFLICT, "the request is %s already", out->state);
	if (out->expires_at <= clock_now_ms())
		return err_set(e, ERR_CONFLICT, "the request has expired");
	return true;
}

static bool
sign(struct scep_service *s, const struct scep_waiting *w,
    struct cert_issued *out, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	AUTO(json_free) json_t *keep = NULL;
	AUTO(scep_csr_free) struct scep_csr *csr = NULL;
	AUTO(buf_wipe) struct buf *der = NULL;
	struct cert_subject subject;
	struct scep_verdict verdict;
	struct cert_issue in = {
		.template = cert_authority_template(a, w->template),
		.subject = &subject,
		.now_ms = clock_now_ms(),
	};

	if (!scep_waiting_open(w, s->o.seal, &der, e))
		return false;
	scep_csr_parse(buf_slice(der), true, NULL, &csr, &verdict);
	if (verdict.fail >= 0)
		return err_set(e, ERR_REFUSED, "%s", verdict.text);
	if (in.template == NULL)
		return err_set(
		    e, ERR_REFUSED, "there is no template %s", w->template);
	if (!cert_template_key(in.template, csr->key, e)) {
		e->code = ERR_REFUSED;
		return false;
	}
	if (!scep_template_takes(in.template, csr, &verdict))
		return err_set(e, ERR_REFUSED, "%s", verdict.text);
	in.pub = csr->pub;
	if (!cert_subject_from_json(w->subject, &subject, &keep, e))
		return false;
	if (cert_authority_issue(a, &in, out, e))
		return true;
	if (e->code == ERR_FORBIDDEN)
		e->code = ERR_REFUSED;
	return false;
}

struct approval {
	const struct scep_waiting *waiting;
	const struct cert_issued *issued;
	const char *by;
};

static bool
close_issued(struct store_tx *tx, void *arg, struct err *e)
{
	const struct approval *a = arg;
	const struct scep_waiting *w = a->waiting;
	const struct cert_issued *issued = a->issued;
	AUTO(scep_waiting_clear) struct scep_waiting now = { 0 };
	struct scep_decision d = { .id = w->id,
		.state = "issued",
		.by = a->by,
		.fingerprint = issued->fingerprint,
		.now_ms = clock_now_ms() };
	struct cert_record r = {
		.issued = issued,
		.authority_id = issued->authority_id,
		.template = w->template,
		.purpose = w->purpose[0] != '\0' ? w->purpose : "scep",
		.enrollment_ref = scep_or_null(w->enrollment_ref),
		.device_id = scep_or_null(w->device_id),
		.user_id = scep_or_null(w->user_id),
		.challenge_id = scep_or_null(w->challenge_id),
		.transaction_id = w->transaction_id,
	};
	bool elsewhere, changed;

	if (!find_open(tx, w->id, &now, e) ||
	    !scep_waiting_key_elsewhere(tx, w, "", &elsewhere, e))
		return false;
	if (elsewhere)
		return err_set(e, ERR_REFUSED, "%s", SCEP_TEXT_KEY_TAKEN);
	if (!scep_db_waiting_decide(tx, &d, &changed, e))
		return false;
	if (!changed)
		return err_set(e, ERR_CONFLICT, "the request is decided");
	return cert_ledger_add(tx, &r, e) &&
	       tell(tx, w, "scep.approved", a->by, e);
}

bool
scep_approve(
    struct scep_service *s, const char *id, const char *by, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(scep_waiting_clear) struct scep_waiting w = { 0 };
	AUTO(cert_issued_clear) struct cert_issued issued = { 0 };
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	const struct cert_template *t;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !find_open(tx, id, &w, e))
		return false;
	store_rollback(&tx);
	t = cert_authority_template(a, w.template);
	if (t != NULL && t->upstream != NULL)
		return scep_relay_approve(s, &w, t, by, e);
	return sign(s, &w, &issued, e) &&
	       store_write(s->o.store, close_issued,
	           &(struct approval){ &w, &issued, by }, e);
}

static bool
reject(struct store_tx *tx, void *decision, struct err *e)
{
	AUTO(scep_waiting_clear) struct scep_waiting w = { 0 };
	const struct scep_decision *d = decision;
	bool changed;

	if (!find_open(tx, d->id, &w, e) ||
	    !scep_db_waiting_decide(tx, d, &changed, e))
		return false;
	if (!changed)
		return err_set(e, ERR_CONFLICT, "the request is decided");
	return tell(tx, &w, "scep.rejected", d->by, e);
}

bool
scep_reject(struct scep_service *s, const char *id, const char *reason,
    const char *by, struct err *e)
{
	struct scep_decision d = { .id = id,
		.state = "rejected",
		.by = by,
		.reason = reason,
		.now_ms = clock_now_ms() };

	return store_write(s->o.store, reject, &d, e);
}

static bool
expire(struct store_tx *tx, const char *id, int64_t now, struct err *e)
{
	AUTO(scep_waiting_clear) struct scep_waiting w = { 0 };
	struct scep_decision d = {
		.id = id, .state = "expired", .by = "system", .now_ms = now
	};
	bool found, changed;

	return scep_db_waiting_get(tx, id, &w, &found, e) &&
	       scep_db_waiting_decide(tx, &d, &changed, e) &&
	       tell(tx, &w, "scep.expired", "system", e);
}

bool
scep_approval_purge(struct store_tx *tx, struct err *e)
{
	int64_t now = clock_now_ms();
	char id[UUID_SIZE];
	bool found;

	for (int i = 0; i < EXPIRED_AT_ONCE; i++) {
		if (!scep_db_waiting_over(tx, now, id, &found, e))
			return false;
		if (!found)
			break;
		if (!expire(tx, id, now, e))
			return false;
	}
	return scep_db_waiting_purge(tx, now - DECIDED_KEPT_MS, e);
}
