/*
 * What is put into the queue for an upstream: requests that have passed all of
 * our own checks.  An upstream reads the client's own request, so that is held
 * against the names that it may have.  No state of its own; any thread.
 */
#include "core/clock.h"
#include "core/json.h"
#include "scep/scep_relay_priv.h"
#include "scep/scep_waiting_priv.h"

/* Of one upstream.  At 60 a minute they are an hour and a half; and as many may
 * renew one certificate as without an upstream. */
enum { QUEUE_MAX = 5000, SUCCESSORS_MAX = 8 };

struct putting {
	struct scep_service *s;
	const struct scep_request *rq;
	struct scep_errand *errand;
	const struct scep_challenge *challenge; /* NULL: none to spend */
	struct scep_outcome *out;
	char replaces[UUID_SIZE]; /* a request that ended; "": none */
	bool won, queued;
};

static bool
refuse(struct scep_outcome *out, const char *text)
{
	scep_refuse(&out->verdict, SCEP_BAD_REQUEST, text);
	return true;
}

/* Asked for by the same challenge, or to renew the same certificate. */
static bool
same_errand(const struct scep_errand *old, const struct scep_errand *x)
{
	return str_eq(old->w.challenge_id, x->w.challenge_id) &&
	       str_eq(old->old_fingerprint, x->old_fingerprint) &&
	       (!str_empty(x->w.challenge_id) ||
	           !str_empty(x->old_fingerprint));
}

/* The same transaction asked before.  *done: it has its answer.  What ended,
 * and was asked for on other grounds, makes room. */
static bool
look_before(struct store_tx *tx, struct putting *p, bool *done, struct err *e)
{
	AUTO(scep_waiting_clear) struct scep_waiting old = { 0 };
	AUTO(scep_errand_clear) struct scep_errand whole = { 0 };
	const struct scep_waiting *w = &p->errand->w;
	bool found;

	*done = false;
	p->replaces[0] = '\0';
	if (!scep_db_waiting_find(
	        tx, w->transaction_id, w->signer_spki, &old, &found, e) ||
	    (found && !scep_db_errand_get(tx, old.id, &whole, &found, e)))
		return false;
	if (!found)
		return true;
	if (str_eq(old.state, "failed") || str_eq(old.state, "rejected") ||
	    str_eq(old.state, "expired") ||
	    (str_eq(old.state, "issued") && str_eq(old.spki, w->spki) &&
	        !same_errand(&whole, p->errand))) {
		str_copy_cut(p->replaces, sizeof(p->replaces), old.id);
		return true;
	}
	*done = true;
	if (!str_eq(old.spki, w->spki))
		return refuse(p->out, "the transaction is that of another key");
	return scep_approval_answer(tx, &old, p->out, e);
}

/* Where a webhook tells the name, nobody could look before. */
static bool
key_elsewhere(
    struct store_tx *tx, const struct putting *p, bool *out, struct err *e)
{
	const struct scep_errand *x = p->errand;

	*out = false;
	return p->challenge != NULL || !str_empty(x->old_fingerprint) ||
	       scep_waiting_key_elsewhere(tx, &x->w, "", out, e);
}

static bool
room(struct store_tx *tx, struct putting *p, struct err *e)
{
	const struct scep_errand *x = p->errand;
	struct scep_errand_counts n;
	bool known, elsewhere;

	if (!scep_upstream_conf_known(tx, x->upstream, &known, e) ||
	    !scep_db_errand_count(tx, x, &n, e) ||
	    !key_elsewhere(tx, p, &elsewhere, e))
		return false;
	if (elsewhere)
		return refuse(p->out, SCEP_TEXT_KEY_TAKEN);
	if (!known)
		return refuse(
		    p->out, "the authority of this template is not there");
	if (n.all >= QUEUE_MAX)
		return refuse(p->out,
		    "too many requests wait for the authority behind this "
		    "server; try again later");
	/* In another transaction: who asks again in the same has its answer. */
	if (n.of_key > 0)
		return refuse(p->out,
		    "a request for a certificate of this key waits already");
	return n.of_old < SUCCESSORS_MAX ||
	       refuse(p->out, "renewal: this certificate is being renewed "
	                      "too often");
}

static bool
spend(struct store_tx *tx, struct putting *p, int64_t now, struct err *e)
{
	struct scep_challenge c;

	if (p->challenge == NULL)
		return true;
	c = *p->challenge;
	c.used_at = now;
	c.fingerprint[0] = '\0';
	str_copy_cut(c.used_spki, sizeof(c.used_spki), p->errand->w.spki);
	return scep_db_challenge_spend(tx, &c, &p->won, e);
}

/* May be run again. */
static bool
put(struct store_tx *tx, void *arg, struct err *e)
{
	struct putting *p = arg;
	struct scep_outcome *out = p->out;
	int64_t now = clock_now_ms();
	bool done;

	buf_free(&out->cert_der);
	*out = (struct scep_outcome){ .verdict = { -1, NULL } };
	p->won = true;
	p->queued = false;
	if (!look_before(tx, p, &done, e))
		return false;
	if (done)
		return true;
	if (!room(tx, p, e))
		return false;
	if (out->verdict.fail >= 0)
		return true;
	if (!spend(tx, p, now, e))
		return false;
	if (!p->won)
		return true;
	p->queued = out->pending = true;
	store_notify(tx, STORE_CHANNEL_UPSTREAM);
	return (p->replaces[0] == '\0' ||
	           scep_db_waiting_forget(tx, p->replaces, e)) &&
	       scep_db_errand_add(tx, p->errand, now, e) &&
	       scep_approval_tell(tx, &p->errand->w,
	           &(struct scep_waiting_event){
	               "scep.queued", "device", NULL },
	           e);
}

static bool
queue(struct putting *p, struct err *e)
{
	if (!store_write(p->s->o.store, put, p, e))
		return false;
	return !p->queued || scep_relay_await(p->s, p->errand->w.id, p->out, e);
}

/* How long requests may wait for it. */
static bool
read_until(
    struct scep_service *s, const char *upstream, int64_t *until, struct err *e)
{
	AUTO(scep_upstream_conf_clear) struct scep_upstream_conf c = { 0 };
	AUTO(store_rollback) struct store_tx *tx = NULL;
	bool found;

	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_upstream_conf_open(tx, s->o.seal, upstream, &c, &found, e))
		return false;
	*until = clock_now_ms() + (found ? c.days : 1) * MS_DAY;
	return true;
}

/* What is the same for all; false with a verdict or an error. */
static bool
fill(struct scep_service *s, const struct scep_request *rq,
    const struct cert_template *t, struct scep_errand *x, struct err *e)
{
	struct scep_waiting *w = &x->w;

	uuid_new_lower(w->id);
	str_copy_cut(w->transaction_id, sizeof(w->transaction_id),
	    rq->message->transaction_id);
	str_copy_cut(w->template, sizeof(w->template), t->name);
	str_copy_cut(w->spki, sizeof(w->spki), rq->csr->spki);
	str_copy_cut(w->peer, sizeof(w->peer), rq->peer);
	str_copy_cut(x->upstream, sizeof(x->upstream), t->upstream);
	return scep_waiting_seal(w, s->o.seal, rq->csr_der, e) &&
	       cert_spki_pub(X509_get_X509_PUBKEY(rq->message->signer),
	           w->signer_spki, e) &&
	       read_until(s, t->upstream, &w->expires_at, e);
}

/* Queues x for what its subject allows; the rest of it is the caller's. */
static bool
queue_allowed(struct putting *p, const struct cert_template *t, struct err *e)
{
	AUTO(json_free) json_t *keep = NULL;
	struct cert_subject allowed;
	const char *problem;

	if (!cert_subject_from_json(p->errand->w.subject, &allowed, &keep, e))
		return false;
	problem = scep_beyond_problem(
	    p->rq->csr_der, &(struct scep_beyond){ &allowed, t, true });
	if (problem != NULL)
		return refuse(p->out, problem);
	return fill(p->s, p->rq, t, p->errand, e) && queue(p, e);
}

bool
scep_relay_enroll(struct scep_service *s, const struct scep_request *rq,
    const struct scep_challenge *c, struct scep_outcome *out, bool *won,
    struct err *e)
{
	AUTO(scep_errand_clear) struct scep_errand x = { 0 };
	struct putting p = {
		.s = s, .rq = rq, .errand = &x, .challenge = c, .out = out
	};
	struct scep_waiting *w = &x.w;

	w->subject = str_dup(c->subject);
	str_copy_cut(w->purpose, sizeof(w->purpose), c->purpose);
	str_copy_cut(w->challenge_id, sizeof(w->challenge_id), c->id);
	str_copy_cut(
	    w->enrollment_ref, sizeof(w->enrollment_ref), c->enrollment_ref);
	str_copy_cut(w->device_id, sizeof(w->device_id), c->device_id);
	str_copy_cut(w->user_id, sizeof(w->user_id), c->user_id);
	p.won = true;
	if (!queue_allowed(
	        &p, cert_authority_template(rq->authority, c->template), e))
		return false;
	*won = p.won;
	return true;
}

bool
scep_relay_named(struct scep_service *s, const struct scep_request *rq,
    const char *subject, struct scep_outcome *out, struct err *e)
{
	AUTO(scep_errand_clear)
	struct scep_errand x = { .w.purpose = "scep" };
	struct putting p = { .s = s, .rq = rq, .errand = &x, .out = out };

	x.w.subject = str_dup(subject);
	return queue_allowed(&p, rq->template, e);
}

bool
scep_relay_renew(struct scep_service *s, const struct scep_request *rq,
    const struct scep_predecessor *old, const struct cert_subject *names,
    struct scep_outcome *out, struct err *e)
{
	/* Not "renew": those may be identities of Macs, which an outside CA
	 * does not make. */
	AUTO(scep_errand_clear) struct scep_errand x = { .w.purpose = "scep" };
	const struct cert_template *t =
	    cert_authority_template(rq->authority, old->template);
	struct putting p = { .s = s, .rq = rq, .errand = &x, .out = out };
	const char *problem;

	problem = scep_beyond_problem(
	    rq->csr_der, &(struct scep_beyond){ names, t, true });
	if (problem != NULL)
		return refuse(out, problem);
	if (!fill(s, rq, t, &x, e))
		return false;
	x.w.subject = cert_subject_json(names);
	str_copy_cut(x.w.enrollment_ref, sizeof(x.w.enrollment_ref),
	    old->enrollment_ref);
	str_copy_cut(x.w.device_id, sizeof(x.w.device_id), old->device_id);
	str_copy_cut(x.w.user_id, sizeof(x.w.user_id), old->user_id);
	str_copy_cut(
	    x.old_fingerprint, sizeof(x.old_fingerprint), old->fingerprint);
	return queue(&p, e);
}

/* ---- asked again ---- */

struct again {
	const struct scep_request *rq;
	const char *challenge_id;
	char signer[SHA256_HEX_SIZE];
	struct scep_outcome *out;
};

/* Clients that lost an answer may begin another transaction: they will poll
 * for that. */
static bool
answer_again(struct store_tx *tx, void *arg, struct err *e)
{
	struct again *a = arg;
	AUTO(scep_errand_clear) struct scep_errand x = { 0 };
	const char *tid = a->rq->message->transaction_id;
	char id[UUID_SIZE];
	bool found;

	buf_free(&a->out->cert_der);
	*a->out = (struct scep_outcome){ .verdict = { -1, NULL } };
	if (!scep_db_errand_of(tx, a->challenge_id, id, &found, e) ||
	    (found && !scep_db_errand_get(tx, id, &x, &found, e)))
		return false;
	if (!found) {
		a->out->bad_challenge = true;
		return refuse(a->out, SCEP_TEXT_CHALLENGE);
	}
	if ((!str_eq(x.w.transaction_id, tid) ||
	        !str_eq(x.w.signer_spki, a->signer)) &&
	    !scep_db_errand_move(tx, id, tid, a->signer, e))
		return false;
	return scep_approval_answer(tx, &x.w, a->out, e);
}

bool
scep_relay_again(struct scep_service *s, const struct scep_request *rq,
    const char *challenge_id, struct scep_outcome *out, struct err *e)
{
	struct again a = { .rq = rq, .challenge_id = challenge_id, .out = out };

	if (!cert_spki_pub(
	        X509_get_X509_PUBKEY(rq->message->signer), a.signer, e))
		return false;
	if (store_write(s->o.store, answer_again, &a, e))
		return true;
	return e->code == ERR_CONFLICT &&
	       refuse(out, "the transaction is that of another request");
}

/* ---- approved by a person ---- */

struct approval {
	const struct scep_waiting *waiting;
	const char *upstream, *by;
	int64_t until;
};

static bool
approve(struct store_tx *tx, void *arg, struct err *e)
{
	const struct approval *a = arg;
	bool known, changed;

	if (!scep_upstream_conf_known(tx, a->upstream, &known, e))
		return false;
	if (!known)
		return err_set(
		    e, ERR_REFUSED, "there is no upstream %s", a->upstream);
	if (!scep_db_errand_approve(tx,
	        &(struct scep_errand_approval){
	            a->waiting->id, a->upstream, a->by, a->until },
	        &changed, e))
		return false;
	if (!changed)
		return err_set(e, ERR_CONFLICT, "the request is decided");
	store_notify(tx, STORE_CHANNEL_UPSTREAM);
	return scep_approval_tell(tx, a->waiting,
	    &(struct scep_waiting_event){ "scep.queued", a->by, NULL }, e);
}

bool
scep_relay_approve(struct scep_service *s, const struct scep_waiting *w,
    const struct cert_template *t, const char *by, struct err *e)
{
	AUTO(json_free) json_t *keep = NULL;
	AUTO(buf_wipe) struct buf *csr = NULL;
	struct approval a = { w, t->upstream, by, 0 };
	struct cert_subject shown;
	const char *problem;

	if (!scep_waiting_open(w, s->o.seal, &csr, e) ||
	    !cert_subject_from_json(w->subject, &shown, &keep, e))
		return false;
	problem = scep_beyond_problem(
	    buf_slice(csr), &(struct scep_beyond){ &shown, t, true });
	if (problem != NULL)
		return err_set(e, ERR_REFUSED, "%s", problem);
	return read_until(s, t->upstream, &a.until, e) &&
	       store_write(s->o.store, approve, &a, e);
}
