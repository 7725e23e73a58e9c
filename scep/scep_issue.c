/*
 * Whether a request for a certificate is granted, and granting it.  The
 * challenge decides: what the certificate says comes from its record and its
 * template.  No state of its own; any thread.
 *
 * What is slow (building and signing) happens between two transactions: the
 * first reads the challenge, the second spends it together with the ledger
 * row.  Who loses a race for the challenge throws its certificate away and
 * looks again.
 */
#include "core/clock.h"
#include "core/json.h"
#include "scep/scep_relay_priv.h"
#include "store/store_event.h"

/* What the database says about a request. */
enum sight {
	SIGHT_BAD,    /* no usable challenge */
	SIGHT_REUSED, /* a spent challenge, with another key */
	SIGHT_AGAIN,  /* issued before: the same certificate again */
	SIGHT_WAITS, /* spent for a request that a person or an upstream decides
	              */
	SIGHT_TAKEN, /* the key is that of another device */
	SIGHT_GOOD
};

/* One request on its way through this file. */
struct work {
	struct scep_service *s;
	const struct scep_request *rq;
	int64_t now, retry_since;
	struct scep_challenge challenge;
	struct cert_subject subject; /* the challenge's, when that is fresh */
	json_t *subject_json;        /* what it points into */
	const struct cert_template *template;
	struct cert_issued issued;
	bool won; /* the challenge was ours to spend */
	struct scep_outcome *out;
};

static void
work_clear(struct work *w)
{
	scep_challenge_clear(&w->challenge);
	json_free(&w->subject_json);
	cert_issued_clear(&w->issued);
}

/* Gives a certificate again, unless it was revoked or has ended since. */
static bool
again(struct store_tx *tx, const struct work *w, const char *fingerprint,
    enum sight *sight, struct err *e)
{
	struct scep_outcome *out = w->out;
	struct cert_entry entry;
	bool found;

	if (!cert_ledger_find(tx, fingerprint, &entry, &found, e))
		return false;
	if (!found || entry.revoked || entry.not_after <= w->now)
		return true;
	if (!cert_ledger_der(tx, fingerprint, &out->cert_der, e))
		return false;
	str_copy_cut(out->fingerprint, sizeof(out->fingerprint), fingerprint);
	out->again = true;
	*sight = SIGHT_AGAIN;
	return true;
}

/*
 * The same key may come back with its spent challenge for a while, since the
 * first answer may have been lost.  This covers the byte-identical replay and
 * the retry in a new message: both hold the challenge.
 */
static bool
look_spent(
    struct store_tx *tx, const struct work *w, enum sight *sight, struct err *e)
{
	const struct scep_challenge *c = &w->challenge;

	*sight = SIGHT_BAD;
	if (!str_eq(c->used_spki, w->rq->csr->spki))
		*sight = SIGHT_REUSED;
	else if (c->fingerprint[0] == '\0')
		*sight = SIGHT_WAITS;
	else if (c->used_at > w->retry_since)
		return again(tx, w, c->fingerprint, sight, e);
	return true;
}

/* Challenges made one by one, and for the template of the address. */
static bool
takes(const struct work *w, const struct cert_template *t)
{
	const struct cert_template *wanted = w->rq->template;

	return t != NULL && !str_eq(t->name, CERT_TEMPLATE_TLS) &&
	       t->challenge == CERT_CHALLENGE_ONE_TIME &&
	       (wanted == NULL || str_eq(wanted->name, t->name));
}

static bool
look_fresh(
    struct store_tx *tx, struct work *w, enum sight *sight, struct err *e)
{
	struct scep_challenge *c = &w->challenge;
	bool elsewhere = false;

	*sight = SIGHT_BAD;
	w->template = cert_authority_template(w->rq->authority, c->template);
	if (c->expires_at <= w->now || !takes(w, w->template))
		return true;
	json_free(&w->subject_json);
	if (!cert_subject_from_json(
	        c->subject, &w->subject, &w->subject_json, e))
		return false;
	scep_holder_name(w->subject.cn, &c->name);
	if (!scep_db_key_elsewhere(tx,
	        &(struct scep_holder){ w->rq->csr->spki, c->device_id,
	            c->enrollment_ref, &c->name, "", w->now },
	        &elsewhere, e))
		return false;
	*sight = elsewhere ? SIGHT_TAKEN : SIGHT_GOOD;
	return true;
}

/* Reads all that decides, in one snapshot. */
static bool
look(struct work *w, enum sight *sight, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	const struct scep_csr *csr = w->rq->csr;
	char mac[SHA256_HEX_SIZE];
	bool found;

	*sight = SIGHT_BAD;
	if (str_empty(csr->challenge))
		return true;
	scep_challenge_mac(w->s->o.seal, csr->challenge, mac);
	scep_challenge_clear(&w->challenge);
	w->now = clock_now_ms();
	w->retry_since = w->now - w->s->o.retry_ms;

	if (!store_begin(w->s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_challenge_find(tx, mac, &w->challenge, &found, e))
		return false;
	if (!found)
		return true;
	return w->challenge.used_at != 0 ? look_spent(tx, w, sight, e)
	                                 : look_fresh(tx, w, sight, e);
}

static bool
build(struct work *w, struct err *e)
{
	struct cert_issue in = {
		.template = w->template,
		.subject = &w->subject,
		.pub = w->rq->csr->pub,
		.now_ms = w->now,
		.issuer = cert_authority_issuer_of(
		    w->rq->authority, w->rq->recipient),
	};

	cert_issued_clear(&w->issued);
	if (!scep_strict(w->rq, w->template, &w->subject, &w->out->verdict) ||
	    w->template->approval)
		return true;
	return cert_authority_issue(w->rq->authority, &in, &w->issued, e);
}

/* Challenge, ledger and whoever waits for the certificate: all in one
 * transaction, or not at all.  Who lost waits for its commit too, since the
 * winner may be in the same shared transaction, which nobody else sees yet. */
static bool
spend(struct store_tx *tx, void *work, struct err *e)
{
	struct work *w = work;
	struct scep_challenge *c = &w->challenge;
	const struct scep_options *o = &w->s->o;
	struct cert_record record = {
		.issued = &w->issued,
		.authority_id = w->issued.authority_id,
		.template = c->template,
		.purpose = c->purpose,
		.enrollment_ref = scep_or_null(c->enrollment_ref),
		.device_id = scep_or_null(c->device_id),
		.user_id = scep_or_null(c->user_id),
		.challenge_id = c->id,
		.transaction_id = w->rq->message->transaction_id,
	};

	c->used_at = clock_now_ms();
	str_copy_cut(c->used_spki, sizeof(c->used_spki), w->rq->csr->spki);
	str_copy_cut(
	    c->fingerprint, sizeof(c->fingerprint), w->issued.fingerprint);
	if (!scep_db_challenge_spend(tx, c, &w->won, e))
		return false;
	return !w->won ||
	       (cert_ledger_add(tx, &record, e) &&
	           (o->on_issued == NULL ||
	               o->on_issued(tx, &record, o->on_issued_arg, e)));
}

/* RFC 8894 7.3: the reuse of a challenge is a security event. */
static bool
report_reuse(struct store_tx *tx, void *work, struct err *e)
{
	const struct work *w = work;
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;
	struct store_event ev = {
		.kind = "challenge.reused",
		.device_id = scep_or_null(w->challenge.device_id),
		.subject_id = w->challenge.id,
		.actor = "device",
	};

	json_put_str(data, "transaction", w->rq->message->transaction_id);
	json_put_str(data, "peer", w->rq->peer);
	json_put_str(data, "certificate", w->challenge.fingerprint);
	text = json_text(data);
	ev.data = text;
	return store_event_add(tx, &ev, e);
}

bool
scep_template_takes(const struct cert_template *t, const struct scep_csr *csr,
    struct scep_verdict *v)
{
	struct err why;

	if (csr->digest_nid == NID_sha1 && !t->sha1)
		scep_refuse(v, SCEP_BAD_ALG,
		    "signature algorithm of the CSR not accepted");
	else if (!cert_template_key(t, csr->key, &why))
		scep_refuse(v, SCEP_BAD_ALG, "key type or size not accepted");
	return v->fail < 0;
}

bool
scep_template_permits(const struct cert_template *t,
    const struct scep_request *rq, struct scep_verdict *v)
{
	const struct scep_message *m = rq->message;

	if (m->digest_nid == NID_sha1 && !t->sha1)
		scep_refuse(v, SCEP_BAD_ALG, "digest algorithm not accepted");
	else if (m->cipher_nid == NID_des_ede3_cbc && !t->des3)
		scep_refuse(v, SCEP_BAD_ALG, "cipher not accepted");
	else
		return scep_template_takes(t, rq->csr, v);
	return false;
}

/* The challenge is spent when its request goes on the list. */
static bool
wait_for_a_person(struct work *w, struct err *e)
{
	struct scep_challenge *c = &w->challenge;

	c->used_at = clock_now_ms();
	str_copy_cut(c->used_spki, sizeof(c->used_spki), w->rq->csr->spki);
	return scep_approval_wait(w->s, w->rq,
	    &(struct scep_approval_wait){
	        .template = c->template, .subject = c->subject, .c = c },
	    w->out, &w->won, e);
}

void
scep_outcome_give(struct scep_outcome *out, struct cert_issued *issued)
{
	str_copy_cut(
	    out->fingerprint, sizeof(out->fingerprint), issued->fingerprint);
	out->cert_der = TAKE(issued->der);
}

/* Puts on record what was decided; *done false: the challenge was taken. */
static bool
finish(struct work *w, bool *done, struct err *e)
{
	struct scep_outcome *out = w->out;

	if (w->template->approval) {
		if (!wait_for_a_person(w, e))
			return false;
		*done = w->won;
		return true;
	}
	if (!store_write(w->s->o.store, spend, w, e)) {
		if (e->code != ERR_REFUSED)
			return false;
		/* What it was for has ended since the challenge was made. */
		scep_refuse(
		    &out->verdict, SCEP_BAD_REQUEST, SCEP_TEXT_CHALLENGE);
		return true;
	}
	if (w->won)
		scep_outcome_give(out, &w->issued);
	*done = w->won;
	return true;
}

/* The client's own challenge, which it sends along when it renews what came of
 * it. */
static bool
own_challenge(const struct work *w, bool *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	const char *first = w->challenge.fingerprint;
	struct scep_predecessor old;
	char fingerprint[SHA256_HEX_SIZE];

	*out = false;
	if (first[0] == '\0')
		return true;
	cert_fingerprint(w->rq->message->signer, fingerprint);
	if (!store_begin(w->s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_predecessor(tx, fingerprint, &old, e))
		return false;
	*out = old.found &&
	       (str_eq(fingerprint, first) || str_eq(old.line.text, first));
	return true;
}

static bool
report_first(struct work *w, struct err *e)
{
	return !scep_guess_report(w->s, w->challenge.id) ||
	       store_write(w->s->o.store, report_reuse, w, e);
}

/* No fresh challenge, but a certificate of the ledger: it may be a renewal.
 * Who cannot renew with that has shown a wrong challenge, like anybody. */
static bool
renew_instead(struct work *w, enum sight sight, struct err *e)
{
	bool own;

	buf_free(&w->out->cert_der);
	if (!scep_renew(w->s, w->rq, w->out, e))
		return false;
	if (w->out->verdict.fail < 0 || sight == SIGHT_AGAIN ||
	    str_empty(w->rq->csr->challenge))
		return true;
	if (!own_challenge(w, &own, e))
		return false;
	w->out->bad_challenge = !own;
	return own || sight != SIGHT_REUSED || report_first(w, e);
}

/* One round; *done stays false when another request took the challenge. */
static bool
attempt(struct work *w, bool *done, struct err *e)
{
	struct scep_outcome *out = w->out;
	enum sight sight;

	if (!look(w, &sight, e))
		return false;
	*done = true;
	if (w->rq->may_renew && sight != SIGHT_GOOD && sight != SIGHT_TAKEN &&
	    sight != SIGHT_WAITS)
		return renew_instead(w, sight, e);
	switch (sight) {
	case SIGHT_AGAIN:
		return true;
	case SIGHT_WAITS:
		return scep_relay_again(w->s, w->rq, w->challenge.id, out, e);
	case SIGHT_REUSED:
		if (!report_first(w, e))
			return false;
		/* fall through */
	case SIGHT_BAD:
		out->bad_challenge = true;
		scep_refuse(
		    &out->verdict, SCEP_BAD_REQUEST, SCEP_TEXT_CHALLENGE);
		return true;
	case SIGHT_TAKEN:
		scep_refuse(
		    &out->verdict, SCEP_BAD_REQUEST, SCEP_TEXT_KEY_TAKEN);
		return true;
	case SIGHT_GOOD:
		break;
	}
	if (!scep_template_permits(w->template, w->rq, &out->verdict))
		return true;
	if (w->template->upstream != NULL && !w->template->approval)
		return scep_relay_enroll(
		    w->s, w->rq, &w->challenge, out, done, e);
	if (!build(w, e)) {
		if (e->code != ERR_FORBIDDEN)
			return false;
		/* One of the authority's own keys. */
		scep_refuse(
		    &out->verdict, SCEP_BAD_REQUEST, SCEP_TEXT_KEY_TAKEN);
		return true;
	}
	return out->verdict.fail >= 0 || finish(w, done, e);
}

bool
scep_issue(struct scep_service *s, const struct scep_request *rq,
    struct scep_outcome *out, struct err *e)
{
	AUTO(work_clear) struct work w = { .s = s, .rq = rq, .out = out };
	bool done = false;

	*out = (struct scep_outcome){ .verdict = { -1, NULL } };
	/* A lost race leaves the challenge spent, so the second look ends. */
	for (int round = 0; !done && round < 3; round++)
		if (!attempt(&w, &done, e))
			return false;
	if (!done)
		return err_set(e, ERR_INTERNAL, "challenge is contended");
	return true;
}
