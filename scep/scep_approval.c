/*
 * Requests that wait for a person.  What the certificate would say is read
 * from the CSR once, checked and shown to whoever decides; the certificate is
 * made of what was shown.  No state of its own; any thread.
 */
#include "core/clock.h"
#include "core/json.h"
#include "scep/scep_names_priv.h"
#include "scep/scep_relay_priv.h"
#include "scep/scep_waiting_priv.h"
#include "store/store_event.h"

/* Strangers can write into the list: it has an end, one for them and one for
 * those with a good challenge. */
enum { PENDING_MAX = 5000, PENDING_OF_PEER = 500, EXPIRED_AT_ONCE = 1000 };
#define DECIDED_KEPT_MS (30 * MS_DAY)
#define WAITING_MS (7 * MS_DAY)
/* Clients ask again at once, and by the same transaction; people correct what
 * was rejected, or change their mind. */
#define REJECTED_STAYS_MS MS_H

bool
scep_approval_tell(struct store_tx *tx, const struct scep_waiting *w,
    const struct scep_waiting_event *ev, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;

	json_put_str(data, "transaction", w->transaction_id);
	json_put_str(data, "template", w->template);
	if (w->peer[0] != '\0')
		json_put_str(data, "peer", w->peer);
	if (ev->reason != NULL)
		json_put_str(data, "reason", ev->reason);
	text = json_text(data);
	return store_event_add(tx,
	    &(struct store_event){ ev->kind, NULL, w->id, ev->actor, text }, e);
}

static bool
tell(struct store_tx *tx, const struct scep_waiting *w, const char *kind,
    const char *actor, struct err *e)
{
	return scep_approval_tell(
	    tx, w, &(struct scep_waiting_event){ kind, actor, NULL }, e);
}

/* ---- the client's side ---- */

static bool
give(struct store_tx *tx, const struct scep_waiting *w,
    struct scep_outcome *out, struct err *e)
{
	struct cert_entry entry;
	bool found;

	if (!cert_ledger_find(tx, w->fingerprint, &entry, &found, e))
		return false;
	if (!found || entry.revoked || entry.not_after <= clock_now_ms()) {
		scep_refuse(&out->verdict, SCEP_BAD_REQUEST,
		    "the certificate is no longer alive");
		return true;
	}
	str_copy_cut(
	    out->fingerprint, sizeof(out->fingerprint), w->fingerprint);
	out->again = true;
	return cert_ledger_der(tx, w->fingerprint, &out->cert_der, e);
}

/* What became of a request.  One that is queued for an upstream is closed by
 * who works there. */
bool
scep_approval_answer(struct store_tx *tx, const struct scep_waiting *w,
    struct scep_outcome *out, struct err *e)
{
	bool late =
	    str_eq(w->state, "pending") && w->expires_at <= clock_now_ms();

	if (str_eq(w->state, "issued"))
		return give(tx, w, out, e);
	if (str_eq(w->state, "rejected"))
		scep_refuse(&out->verdict, SCEP_BAD_REQUEST,
		    "the request was rejected");
	else if (str_eq(w->state, "failed"))
		scep_refuse(&out->verdict, SCEP_BAD_REQUEST,
		    "the authority behind this server did not issue the "
		    "certificate");
	else if (str_eq(w->state, "expired") || late)
		scep_refuse(&out->verdict, SCEP_BAD_REQUEST,
		    "the request was not approved in time");
	else
		out->pending = true;
	return true;
}

static bool
is_open(const struct scep_waiting *w)
{
	return str_eq(w->state, "pending") || str_eq(w->state, "queued");
}

/* Told without another look at what it asks for.  What an upstream refused
 * once, or issued, is for who looks at the ledger; where the request says the
 * names, they have to be read. */
static bool
is_settled(const struct scep_waiting *w, const struct cert_template *t)
{
	if (t->upstream != NULL)
		return is_open(w);
	return t->challenge != CERT_CHALLENGE_NONE &&
	       (is_open(w) || str_eq(w->state, "issued"));
}

bool
scep_approval_known(struct scep_service *s, const struct scep_request *rq,
    struct scep_outcome *out, bool *known, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	AUTO(scep_waiting_clear) struct scep_waiting w = { 0 };
	const struct scep_message *m = rq->message;
	char signer[SHA256_HEX_SIZE];

	if (!cert_spki_pub(X509_get_X509_PUBKEY(m->signer), signer, e) ||
	    !store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_waiting_find(tx, m->transaction_id, signer, &w, known, e))
		return false;
	*known = *known && str_eq(w.spki, rq->csr->spki) &&
	         is_settled(&w, rq->template);
	return !*known || scep_approval_answer(tx, &w, out, e);
}

bool
scep_approval_poll(struct store_tx *tx, const char *transaction_id,
    const char *signer, struct scep_outcome *out, bool *found, struct err *e)
{
	AUTO(scep_waiting_clear) struct scep_waiting w = { 0 };

	return scep_db_waiting_find(tx, transaction_id, signer, &w, found, e) &&
	       (!*found || scep_approval_answer(tx, &w, out, e));
}

bool
scep_waiting_key_elsewhere(struct store_tx *tx, const struct scep_waiting *w,
    const char *old, bool *out, struct err *e)
{
	struct scep_holder_name name;

	return scep_holder_name_json(w->subject, &name, e) &&
	       scep_db_key_elsewhere(tx,
	           &(struct scep_holder){ w->spki, w->device_id,
	               w->enrollment_ref, &name, old, clock_now_ms() },
	           out, e);
}

struct put {
	const struct scep_waiting *waiting;
	const struct scep_challenge *c; /* it spends, or NULL */
	struct scep_outcome *out;
	int of_peer_max;
	bool won;
};

static bool
room(struct store_tx *tx, const struct put *p, int64_t now, struct err *e)
{
	const struct scep_waiting *w = p->waiting;
	struct scep_verdict *v = &p->out->verdict;
	struct scep_waiting_count n;
	bool elsewhere;

	if (!scep_db_waiting_count(tx, w, now, &n, e) ||
	    !scep_waiting_key_elsewhere(tx, w, "", &elsewhere, e))
		return false;
	if (n.all >= PENDING_MAX)
		scep_refuse(
		    v, SCEP_BAD_REQUEST, "too many requests wait for approval");
	else if (n.of_peer >= p->of_peer_max)
		scep_refuse(v, SCEP_BAD_REQUEST,
		    "too many requests of this address wait for approval");
	else if (w->purpose[0] == '\0' && n.of_key > 0)
		scep_refuse(v, SCEP_BAD_REQUEST,
		    "another request for this key waits for approval");
	else if (elsewhere)
		scep_refuse(v, SCEP_BAD_REQUEST, SCEP_TEXT_KEY_TAKEN);
	return true;
}

/*
 * RFC 8894 2.5 knows no end of a transaction, and clients make its id of their
 * key: a new challenge begins anew, whatever became of the last one, and so do
 * other names, and what was refused a while ago.  What an upstream is asked for
 * goes on.
 */
static bool
begins_anew(const struct put *p, const struct scep_waiting *old, int64_t now)
{
	const struct scep_waiting *w = p->waiting;

	if (str_eq(old->state, "failed"))
		return true;
	if (p->c != NULL)
		return !is_open(old) && !str_eq(old->challenge_id, p->c->id);
	if (!str_eq(old->spki, w->spki) || str_eq(old->state, "queued"))
		return false;
	if (!str_eq(old->subject, w->subject))
		return true;
	if (str_eq(old->state, "rejected"))
		return now - old->decided_at > REJECTED_STAYS_MS;
	return str_eq(old->state, "expired") ||
	       (str_eq(old->state, "pending") && old->expires_at <= now);
}

/* Looks again where nobody else writes, then adds. */
static bool
put(struct store_tx *tx, void *arg, struct err *e)
{
	struct put *p = arg;
	const struct scep_waiting *w = p->waiting;
	struct scep_outcome *out = p->out;
	AUTO(scep_waiting_clear) struct scep_waiting old = { 0 };
	int64_t now = clock_now_ms();
	bool found;

	/* As it was before a run that was undone. */
	buf_free(&out->cert_der);
	*out = (struct scep_outcome){ .verdict = { -1, NULL } };
	p->won = true;
	if (!scep_db_waiting_find(
	        tx, w->transaction_id, w->signer_spki, &old, &found, e))
		return false;
	if (found && begins_anew(p, &old, now)) {
		found = false;
		if (!scep_db_waiting_forget(tx, old.id, e))
			return false;
	}
	if (found && !str_eq(old.spki, w->spki)) {
		scep_refuse(&out->verdict, SCEP_BAD_REQUEST,
		    "the transaction is that of another key");
		return true;
	}
	if (found)
		return scep_approval_answer(tx, &old, out, e);
	if (!room(tx, p, now, e))
		return false;
	if (out->verdict.fail >= 0)
		return true;
	if (p->c != NULL && !scep_db_challenge_spend(tx, p->c, &p->won, e))
		return false;
	if (!p->won)
		return true;
	out->pending = true;
	return scep_db_waiting_add(tx, w, now, e) &&
	       tell(tx, w, "scep.requested", "device", e);
}

static void
bind(struct scep_waiting *w, const struct scep_challenge *c)
{
	str_copy_cut(w->challenge_id, sizeof(w->challenge_id), c->id);
	str_copy_cut(w->purpose, sizeof(w->purpose), c->purpose);
	str_copy_cut(
	    w->enrollment_ref, sizeof(w->enrollment_ref), c->enrollment_ref);
	str_copy_cut(w->device_id, sizeof(w->device_id), c->device_id);
	str_copy_cut(w->user_id, sizeof(w->user_id), c->user_id);
}

static int64_t
life_of(const struct scep_service *s)
{
	if (s->o.approval_ms > 0)
		return s->o.approval_ms;
	return s->o.waiting_ms > 0 ? s->o.waiting_ms : WAITING_MS;
}

bool
scep_approval_wait(struct scep_service *s, const struct scep_request *rq,
    const struct scep_approval_wait *for_what, struct scep_outcome *out,
    bool *won, struct err *e)
{
	AUTO(scep_waiting_clear)
	struct scep_waiting w = { .expires_at = clock_now_ms() + life_of(s) };
	struct put p = { .waiting = &w,
		.c = for_what->c,
		.out = out,
		.of_peer_max = s->o.approval_of_peer > 0 ? s->o.approval_of_peer
		                                         : PENDING_OF_PEER };

	uuid_new_lower(w.id);
	str_copy_cut(w.template, sizeof(w.template), for_what->template);
	str_copy_cut(w.transaction_id, sizeof(w.transaction_id),
	    rq->message->transaction_id);
	str_copy_cut(w.spki, sizeof(w.spki), rq->csr->spki);
	str_copy_cut(w.peer, sizeof(w.peer), rq->peer);
	if (for_what->c != NULL)
		bind(&w, for_what->c);
	else if (!for_what->stranger)
		str_copy_cut(w.purpose, sizeof(w.purpose), "scep");
	w.subject = str_dup(for_what->subject);
	if (!scep_waiting_seal(&w, s->o.seal, rq->csr_der, e) ||
	    !cert_spki_pub(
	        X509_get_X509_PUBKEY(rq->message->signer), w.signer_spki, e) ||
	    !store_write(s->o.store, put, &p, e))
		return false;
	*won = p.won;
	return true;
}

#define TEXT_BAD_NAMES "the names of the request cannot be certified"
/* Whoever decides is shown all that the client may rely on, or nothing. */
#define TEXT_TOO_MANY_NAMES                                                    \
	"the names of the request cannot all be certified: at most one CN, "   \
	"O, OU and UID, and 16 alternative names, in one list"

/* Nobody but the request says the names: they are certified all, or none. */
static bool
all_names(const struct scep_request *rq, const struct cert_template *t,
    const struct scep_names *names, struct scep_outcome *out)
{
	AUTO(json_free)
	json_t *others = scep_ignored(rq->csr_der,
	    &(struct scep_beyond){ &names->subject, t, t->upstream != NULL });
	struct scep_reason *r = &out->reason;
	char kinds[64];

	if (json_array_size(others) == 0)
		return true;
	scep_ignored_kinds(others, kinds, sizeof(kinds));
	snprintf(r->text, sizeof(r->text),
	    "the request asks for names that are not certified here: %s",
	    kinds);
	scep_refuse(&out->verdict, SCEP_BAD_REQUEST, r->text);
	return false;
}

bool
scep_approval_ask(struct scep_service *s, const struct scep_request *rq,
    const struct cert_template *t, struct scep_outcome *out, struct err *e)
{
	AUTO(scep_names_clear) struct scep_names names = { 0 };
	AUTO(str_free) char *subject = NULL;
	struct err why;
	bool won;

	if (!scep_names_of_request(rq->csr_der, &names) || names.lost ||
	    str_empty(names.subject.cn) ||
	    !cert_subject_check(&names.subject, &why)) {
		scep_refuse(&out->verdict, SCEP_BAD_REQUEST,
		    names.lost ? TEXT_TOO_MANY_NAMES : TEXT_BAD_NAMES);
		return true;
	}
	if (!scep_template_permits(t, rq, &out->verdict) ||
	    !all_names(rq, t, &names, out) ||
	    !scep_strict(rq, t, &names.subject, &out->verdict))
		return true;
	subject = cert_subject_json(&names.subject);
	return scep_approval_wait(s, rq,
	    &(struct scep_approval_wait){
	        .template = t->name, .subject = subject, .stranger = true },
	    out, &won, e);
}

/* ---- the administrator's side ---- */

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
