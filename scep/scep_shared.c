/*
 * First requests to templates whose challenges are not made one by one: one
 * static challenge for all devices on a list, somebody else who is asked, or
 * nothing but a person's word.  No state of its own; any thread.
 *
 * As in scep_issue.c what is slow (asking, building, signing) happens between
 * two transactions; the second looks again where nobody else writes.  The same
 * transaction and key get the same certificate again for as long as it is not
 * yet to be renewed, so that a lost answer is no second certificate.
 */
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "scep/scep_names_priv.h"
#include "scep/scep_relay_priv.h"
#include "scep/scep_secret_priv.h"
#include "scep/scep_webhook.h"

enum { WEBHOOKS_MAX = 8 };
#define TEXT_LATER "the request could not be checked; try again later"

struct work {
	struct scep_service *s;
	const struct scep_request *rq;
	const struct cert_template *t; /* of the address */
	int64_t now;
	char *subject; /* JSON: what the certificate will say */
	struct scep_line line;
	struct cert_issued issued;
	struct scep_outcome *out;
};

static void
work_clear(struct work *w)
{
	str_free(&w->subject);
	cert_issued_clear(&w->issued);
}

static bool
decided(const struct work *w)
{
	return w->out->verdict.fail >= 0 || w->out->cert_der != NULL ||
	       w->out->pending;
}

static bool
refuse(struct work *w, const char *text)
{
	scep_refuse(&w->out->verdict, SCEP_BAD_REQUEST, text);
	return true;
}

static bool
wrong(struct work *w)
{
	w->out->bad_challenge = true;
	return refuse(w, SCEP_TEXT_CHALLENGE);
}

/* ---- what the ledger says ---- */

static bool
same_again(const struct work *w, const struct scep_earlier *last)
{
	int64_t renewal = last->not_after - w->t->renew_days * MS_DAY;

	return w->now < last->created_at + w->s->o.retry_ms ||
	       (w->t->renew_days > 0 && w->now < renewal);
}

/* It is not the same again. */
static bool
look_new(struct store_tx *tx, struct work *w, bool elsewhere, struct err *e)
{
	bool full;

	if (elsewhere)
		return refuse(w, SCEP_TEXT_KEY_TAKEN);
	if (!scep_line_first(tx,
	        &(struct scep_line_of){ w->t, w->rq->csr->spki, w->subject },
	        &w->line, e) ||
	    !scep_line_full(tx, &w->line, &full, e))
		return false;
	return !full || refuse(w, SCEP_TEXT_TOO_MANY);
}

/* Neither a verdict nor a certificate: it may be issued. */
static bool
look(struct store_tx *tx, struct work *w, struct err *e)
{
	struct scep_earlier_key k = { w->rq->message->transaction_id,
		w->t->name, w->rq->csr->spki };
	struct scep_holder_name name = { "" };
	struct scep_holder h = { k.spki, "", "", &name, "", w->now };
	struct scep_earlier last;
	bool elsewhere;

	/* Not known before a webhook has told it. */
	if (!scep_holder_name_json(w->subject, &name, e) ||
	    !scep_db_earlier(tx, &k, w->now, &last, e) ||
	    !scep_db_key_elsewhere(tx, &h, &elsewhere, e))
		return false;
	if (last.other_key)
		return refuse(w, "the transaction is that of another key");
	/* An upstream may have named it otherwise: it is what was given. */
	if (!last.found || !same_again(w, &last))
		return look_new(tx, w, elsewhere, e);
	str_copy_cut(
	    w->out->fingerprint, sizeof(w->out->fingerprint), last.fingerprint);
	w->out->again = true;
	return cert_ledger_der(tx, last.fingerprint, &w->out->cert_der, e);
}

static bool
look_first(struct work *w, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(w->s->o.store, STORE_READ, &tx, e) && look(tx, w, e);
}

/* ---- what the request shows ---- */

static bool
find_secret(struct work *w, struct scep_secret *out, bool *found, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(w->s->o.store, STORE_READ, &tx, e) &&
	       scep_db_secret_find(tx, w->t->name,
	           cert_challenge_name(w->t->challenge), out, found, e);
}

/* By values that we were told; why it cannot be is for the administrator. */
static bool
say_of(struct work *w, const struct cert_variables *v)
{
	struct err why = { 0 };

	if (cert_pattern_expand(&w->t->subject, v, &w->subject, &why))
		return true;
	log_event(LOG_WARN, "scep.no_subject", "template", w->t->name,
	    "transaction", w->rq->message->transaction_id, "why", why.text,
	    NULL);
	return refuse(w, "a value for the certificate's names is missing or "
	                 "does not fit");
}

/* The common name of the request chooses from the list, and it is the list's
 * name that is certified. */
static bool
ask_list(struct work *w, struct err *e)
{
	AUTO(scep_secret_clear) struct scep_secret secret = { 0 };
	AUTO(scep_names_clear) struct scep_names names = { 0 };
	struct cert_variables v = { 0 };
	bool found;

	if (str_empty(w->rq->csr->challenge))
		return wrong(w);
	if (!find_secret(w, &secret, &found, e))
		return false;
	if (!found ||
	    !scep_secret_fits(&secret, w->s->o.seal, w->rq->csr->challenge))
		return wrong(w);
	if (!scep_names_of_request(w->rq->csr_der, &names) ||
	    str_empty(names.subject.cn) ||
	    !scep_secret_lists(&secret, names.subject.cn))
		return refuse(w, "the device is not on the template's list");
	v.name = names.subject.cn;
	return say_of(w, &v);
}

static json_t *
facts_of(const struct work *w)
{
	AUTO(scep_names_clear) struct scep_names names = { 0 };
	AUTO(buf_free) struct buf *csr = buf_new(2 * w->rq->csr_der.len + 8);
	AUTO(str_free) char *asked = NULL;
	const struct scep_csr *c = w->rq->csr;
	json_t *o = json_object(), *key = json_object();
	json_t *subject = NULL;
	struct err e;

	b64_encode(csr, w->rq->csr_der);
	json_put_str(o, "template", w->t->name);
	json_put_str(o, "transaction", w->rq->message->transaction_id);
	json_put_str(o, "challenge", c->challenge);
	json_put_str(o, "peer", w->rq->peer);
	if (scep_names_of_request(w->rq->csr_der, &names)) {
		asked = cert_subject_json(&names.subject);
		if (json_parse(slice_str(asked), &subject, &e))
			json_object_set_new(o, "asks_for", subject);
	}
	json_put_str(key, "type",
	    EVP_PKEY_get_base_id(c->key) == EVP_PKEY_RSA ? "RSA" : "EC");
	json_put_int(key, "bits", EVP_PKEY_get_bits(c->key));
	json_put_str(key, "sha256", c->spki);
	json_object_set_new(o, "key", key);
	json_put_str(o, "csr", buf_str(csr));
	return o;
}

static void
log_webhook(const struct work *w, const char *what, const char *why)
{
	log_event(LOG_WARN, what, "template", w->t->name, "transaction",
	    w->rq->message->transaction_id, "why", why, NULL);
}

static bool
ask_with(struct work *w, struct slice key)
{
	AUTO(scep_webhook_answer_clear) struct scep_webhook_answer a = { 0 };
	AUTO(json_free) json_t *facts = facts_of(w);
	struct scep_webhook_question q = { .url = w->t->webhook,
		.ca_file = w->s->o.webhook_ca,
		.timeout_ms = w->t->webhook_seconds * MS_S,
		.key = key,
		.facts = facts };
	struct err why = { 0 };

	if (!scep_webhook_ask(&q, &a, &why)) {
		log_webhook(w, "scep.webhook_failed", why.text);
		return refuse(w, TEXT_LATER);
	}
	if (!a.allow) {
		log_webhook(w, "scep.webhook_denied", a.reason);
		return wrong(w);
	}
	return say_of(w, &a.variables);
}

/* Slow answers must not take all of the server's threads. */
static bool
ask_webhook(struct work *w, struct err *e)
{
	AUTO(scep_secret_clear) struct scep_secret secret = { 0 };
	AUTO(buf_wipe) struct buf *key = NULL;
	struct scep_service *s = w->s;
	int most = s->o.webhooks_max > 0 ? s->o.webhooks_max : WEBHOOKS_MAX;
	bool found, good;

	if (str_empty(w->rq->csr->challenge))
		return wrong(w);
	if (!find_secret(w, &secret, &found, e))
		return false;
	if (!found) {
		log_webhook(w, "scep.webhook_failed",
		    "its key is not set: mutsu template secret");
		return refuse(w, TEXT_LATER);
	}
	if (!scep_secret_key(&secret, s->o.seal, &key, e))
		return false;
	if (atomic_fetch_add(&s->webhooks, 1) < most)
		good = ask_with(w, buf_slice(key));
	else
		good = refuse(w, TEXT_LATER);
	atomic_fetch_sub(&s->webhooks, 1);
	return good;
}

/* ---- issuing ---- */

static bool
build(struct work *w, struct err *e)
{
	AUTO(json_free) json_t *keep = NULL;
	struct cert_subject subject;
	struct cert_issue in = {
		.template = w->t,
		.subject = &subject,
		.pub = w->rq->csr->pub,
		.now_ms = w->now,
		.issuer = cert_authority_issuer_of(
		    w->rq->authority, w->rq->recipient),
	};

	if (!cert_subject_from_json(w->subject, &subject, &keep, e))
		return false;
	if (!scep_strict(w->rq, w->t, &subject, &w->out->verdict) ||
	    w->t->approval || w->t->upstream != NULL)
		return true;
	if (cert_authority_issue(w->rq->authority, &in, &w->issued, e))
		return true;
	return e->code == ERR_FORBIDDEN && refuse(w, SCEP_TEXT_KEY_TAKEN);
}

static bool
record(struct store_tx *tx, void *work, struct err *e)
{
	struct work *w = work;
	struct cert_record r = {
		.issued = &w->issued,
		.authority_id = w->issued.authority_id,
		.template = w->t->name,
		.purpose = "scep",
		.challenge_id = cert_challenge_name(w->t->challenge),
		.transaction_id = w->rq->message->transaction_id,
		.line = w->line.text,
	};

	/* As it was before a run that was undone. */
	buf_free(&w->out->cert_der);
	w->out->again = false;
	w->out->verdict = (struct scep_verdict){ -1, NULL };
	return look(tx, w, e) && (decided(w) || cert_ledger_add(tx, &r, e));
}

static bool
issue(struct work *w, struct err *e)
{
	bool won;

	if (w->t->approval)
		return scep_approval_wait(w->s, w->rq,
		    &(struct scep_approval_wait){
		        .template = w->t->name, .subject = w->subject },
		    w->out, &won, e);
	if (w->t->upstream != NULL)
		return scep_relay_named(w->s, w->rq, w->subject, w->out, e);
	if (!store_write(w->s->o.store, record, w, e))
		return false;
	if (decided(w))
		return true;
	scep_outcome_give(w->out, &w->issued);
	return true;
}

/* A certificate again only to whom the challenge is known, where we know it
 * ourselves; a webhook may have spent it. */
static bool
show(struct work *w, struct err *e)
{
	if (w->t->challenge == CERT_CHALLENGE_STATIC)
		return ask_list(w, e) && (decided(w) || look_first(w, e));
	return look_first(w, e) && (decided(w) || ask_webhook(w, e));
}

static bool
by_a_person(struct work *w, struct err *e)
{
	if (!w->t->approval)
		return refuse(w, "this template only renews certificates");
	return scep_approval_ask(w->s, w->rq, w->t, w->out, e);
}

bool
scep_shared(struct scep_service *s, const struct scep_request *rq,
    struct scep_outcome *out, struct err *e)
{
	AUTO(work_clear)
	struct work w = { .s = s,
		.rq = rq,
		.t = rq->template,
		.now = clock_now_ms(),
		.out = out };
	const char *problem = scep_guess_template(s, rq);
	bool known = false;

	*out = (struct scep_outcome){ .verdict = { -1, NULL } };
	if (problem != NULL)
		return refuse(&w, problem);
	if (!scep_template_permits(w.t, rq, &out->verdict))
		return true;
	if ((w.t->approval || w.t->upstream != NULL) &&
	    !scep_approval_known(s, rq, out, &known, e))
		return false;
	if (known)
		return true;
	if (w.t->challenge == CERT_CHALLENGE_NONE)
		return by_a_person(&w, e);
	if (!show(&w, e))
		return false;
	if (decided(&w))
		return true;
	if (!build(&w, e))
		return false;
	return decided(&w) || issue(&w, e);
}
