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
enum { PENDING_MAX = 5000, PENDING_OF_PEER = 500 };
#define WAITING_MS (7 * MS_DAY)
/* Clients ask again at once, and by the same transaction; people correct what
 * was rejected, or change their mind. */
#define STAYS_MS MS_H
#define TEXT_WAITS "another request for this key waits for approval"

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

/* It would make room itself. */
static void
leave_out(struct scep_waiting_count *n, const struct scep_waiting *w,
    const struct scep_waiting *old, int64_t now)
{
	if (!str_eq(old->state, "pending") || old->expires_at <= now ||
	    str_empty(old->purpose) != str_empty(w->purpose))
		return;
	n->all--;
	n->of_peer -= scep_rate_same(old->peer, w->peer);
	n->of_key -=
	    str_eq(old->spki, w->spki) && str_eq(old->template, w->template);
}

/* old: the one that it follows, or NULL. */
static bool
room(struct store_tx *tx, const struct put *p, const struct scep_waiting *old,
    struct err *e)
{
	const struct scep_waiting *w = p->waiting;
	struct scep_verdict *v = &p->out->verdict;
	int64_t now = clock_now_ms();
	struct scep_waiting_count n;
	bool elsewhere;

	if (!scep_db_waiting_count(tx, w, now, &n, e) ||
	    !scep_waiting_key_elsewhere(tx, w, "", &elsewhere, e))
		return false;
	if (old != NULL)
		leave_out(&n, w, old, now);
	if (n.all >= PENDING_MAX)
		scep_refuse(
		    v, SCEP_BAD_REQUEST, "too many requests wait for approval");
	else if (n.of_peer >= p->of_peer_max)
		scep_refuse(v, SCEP_BAD_REQUEST,
		    "too many requests of this address wait for approval");
	else if (str_empty(w->purpose) && n.of_key > 0)
		scep_refuse(v, SCEP_BAD_REQUEST, TEXT_WAITS);
	else if (elsewhere)
		scep_refuse(v, SCEP_BAD_REQUEST, SCEP_TEXT_KEY_TAKEN);
	return true;
}

/*
 * RFC 8894 2.5 knows no end of a transaction, and clients make its id of their
 * key: a new challenge begins anew, whatever became of the last one, and so do
 * other names, and what was refused a while ago.  Strangers, who have no
 * challenge to lose, wait for that in any case.  What an upstream is asked for
 * goes on, and what was issued stays.
 */
static bool
begins_anew(const struct put *p, const struct scep_waiting *old, int64_t now)
{
	const struct scep_waiting *w = p->waiting;
	bool other = !str_eq(old->subject, w->subject);
	bool stranger = str_empty(w->purpose);

	if (str_eq(old->state, "failed"))
		return true;
	if (p->c != NULL)
		return !is_open(old) && !str_eq(old->challenge_id, p->c->id);
	if (!str_eq(old->spki, w->spki) || str_eq(old->state, "queued") ||
	    str_eq(old->state, "issued"))
		return false;
	if (str_eq(old->state, "rejected"))
		return (other && !stranger) || now - old->decided_at > STAYS_MS;
	if (str_eq(old->state, "expired") || old->expires_at <= now)
		return true;
	return other && (!stranger || now - old->created_at > STAYS_MS);
}

/* What the client hears of the one that was there before. */
static bool
goes_on(struct store_tx *tx, struct put *p, const struct scep_waiting *old,
    struct err *e)
{
	const struct scep_waiting *w = p->waiting;
	struct scep_verdict *v = &p->out->verdict;
	bool other = p->c == NULL && !str_eq(old->subject, w->subject);

	if (!str_eq(old->spki, w->spki))
		scep_refuse(v, SCEP_BAD_REQUEST,
		    "the transaction is that of another key");
	else if (other && str_eq(old->state, "issued"))
		scep_refuse(v, SCEP_BAD_REQUEST, SCEP_TEXT_KEY_TAKEN);
	else if (other && str_eq(old->state, "pending"))
		scep_refuse(v, SCEP_BAD_REQUEST, TEXT_WAITS);
	else
		return scep_approval_answer(tx, old, p->out, e);
	return true;
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
	if (found && !begins_anew(p, &old, now))
		return goes_on(tx, p, &old, e);
	if (!room(tx, p, found ? &old : NULL, e))
		return false;
	if (out->verdict.fail >= 0)
		return true;
	if (p->c != NULL && !scep_db_challenge_spend(tx, p->c, &p->won, e))
		return false;
	if (!p->won)
		return true;
	out->pending = true;
	return (!found || scep_db_waiting_forget(tx, old.id, e)) &&
	       scep_db_waiting_add(tx, w, now, e) &&
	       scep_approval_tell(tx, w,
	           &(struct scep_waiting_event){
	               "scep.requested", "device", NULL },
	           e);
}

static void
bind_to(struct scep_waiting *w, const struct scep_challenge *c)
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
		bind_to(&w, for_what->c);
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
