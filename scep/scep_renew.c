/*
 * Renewal by signature (RFC 8894 sections 2.3 and 2.5): who holds a living
 * certificate of ours, and shows it by signing with its key, gets a new one
 * that says the same.  No state of its own; any thread.
 *
 * The signer's certificate is known by the hash of its DER in the ledger,
 * never by its names; so neither a certificate of another authority with the
 * same names nor one of the authority's own passes.  One that an upstream
 * issued is renewed by that upstream, and with the names that were granted for
 * it.
 */
#include "core/clock.h"
#include "core/json.h"
#include "scep/scep_names_priv.h"
#include "scep/scep_relay_priv.h"

/* A client that lost the answer and its new key asks again; one that asks for
 * ever does not fill the ledger, nor by what it got (scep_line.c). */
enum { SUCCESSORS_MAX = 8 };

struct work {
	struct scep_service *s;
	const struct scep_request *rq;
	struct scep_predecessor old;
	struct scep_names own;     /* what that certificate says */
	json_t *granted;           /* what names point into, if not into own */
	struct cert_subject names; /* of the new one; borrowed */
	const struct cert_template *template;
	struct cert_issued issued;
	int64_t now;
	struct scep_outcome *out;
};

static void
work_clear(struct work *w)
{
	scep_names_clear(&w->own);
	json_free(&w->granted);
	cert_issued_clear(&w->issued);
}

/* To the second, which the ends of certificates are told by. */
static const char *
too_early(int64_t from_ms, struct scep_reason *reason)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format_s(text, from_ms);
	snprintf(reason->text, sizeof(reason->text),
	    "renewal: too early for this template, not before %s", text);
	return reason->text;
}

const char *
scep_renew_problem(const struct scep_predecessor *old,
    const struct cert_template *t, int64_t now_ms, struct scep_reason *reason)
{
	int64_t from;

	if (!old->found)
		return "RenewalReq: not signed with a certificate of this "
		       "authority";
	if (old->revoked)
		return SCEP_TEXT_OLD_REVOKED;
	if (old->not_after <= now_ms)
		return "renewal: the old certificate has expired";
	if (t == NULL)
		return "renewal: the template of the old certificate was "
		       "removed";
	/* Whoever leaves a Mac takes his certificate along: its profile is
	 * renewed for as long as he is assigned. */
	if (str_eq(t->name, CERT_TEMPLATE_USER) ||
	    str_eq(t->name, CERT_TEMPLATE_TLS))
		return "renewal: certificates of this template are renewed by "
		       "the server";
	/* Whoever renews it would certify what that authority made up. */
	if (old->upstream[0] != '\0' && !str_eq(t->upstream, old->upstream))
		return SCEP_TEXT_OTHER_AUTHORITY;
	from = old->not_after - t->renew_days * MS_DAY;
	return t->renew_days > 0 && now_ms < from ? too_early(from, reason)
	                                          : NULL;
}

static bool
refuse(struct work *w, const char *text)
{
	scep_refuse(&w->out->verdict, SCEP_BAD_REQUEST, text);
	return true;
}

/* The same transaction and key get the same certificate (RFC 8894 7.4). */
static bool
repeat(struct store_tx *tx, struct work *w, const struct scep_successor *next,
    struct err *e)
{
	struct cert_entry entry;
	bool found;

	if (!str_eq(next->spki, w->rq->csr->spki))
		return refuse(w, "the transaction is that of another key");
	if (!cert_ledger_find(tx, next->fingerprint, &entry, &found, e))
		return false;
	if (!found || entry.revoked || entry.not_after <= w->now)
		return refuse(w, "the renewed certificate is no longer alive");
	str_copy_cut(w->out->fingerprint, sizeof(w->out->fingerprint),
	    next->fingerprint);
	w->out->again = true;
	return cert_ledger_der(tx, next->fingerprint, &w->out->cert_der, e);
}

static bool
decided(const struct work *w)
{
	return w->out->verdict.fail >= 0 || w->out->cert_der != NULL;
}

static bool
has_room(struct store_tx *tx, struct work *w, struct err *e)
{
	bool full;

	if (!scep_line_full(tx, &w->old.line, &full, e))
		return false;
	return !full || refuse(w, SCEP_TEXT_TOO_MANY);
}

static bool
key_is_free(struct store_tx *tx, struct work *w, struct err *e)
{
	struct scep_holder_name name;
	struct scep_holder h = { w->rq->csr->spki, w->old.device_id,
		w->old.enrollment_ref, &name, w->old.fingerprint, w->now };
	bool elsewhere;

	scep_holder_name(w->names.cn, &name);
	if (!scep_db_key_elsewhere(tx, &h, &elsewhere, e))
		return false;
	return !elsewhere || refuse(w, SCEP_TEXT_KEY_TAKEN);
}

/* What our own certificate says; where another authority has written it, what
 * was granted then. */
static bool
find_names(struct store_tx *tx, struct work *w, bool *found, struct err *e)
{
	AUTO(str_free) char *granted = NULL;

	*found = true;
	w->names = w->own.subject;
	if (w->old.upstream[0] == '\0')
		return true;
	json_free(&w->granted);
	if (!scep_db_outside_granted(tx, w->old.fingerprint, &granted, e))
		return false;
	*found = granted != NULL;
	return !*found ||
	       cert_subject_from_json(granted, &w->names, &w->granted, e);
}

/* All that decides.  Neither a verdict nor a certificate: it may be issued. */
static bool
decide(struct store_tx *tx, struct work *w, struct err *e)
{
	struct scep_successor next;
	const char *problem;
	bool found;

	w->now = clock_now_ms();
	if (!scep_db_predecessor(tx, w->old.fingerprint, &w->old, e) ||
	    !scep_db_successor(tx, w->old.fingerprint,
	        w->rq->message->transaction_id, &next, e))
		return false;
	/* A lost answer is given again, whatever became of the window. */
	if (next.found && w->old.found && !w->old.revoked)
		return repeat(tx, w, &next, e);
	w->template =
	    cert_authority_template(w->rq->authority, w->old.template);
	problem =
	    scep_renew_problem(&w->old, w->template, w->now, &w->out->reason);
	if (problem == NULL && w->rq->template != NULL &&
	    !str_eq(w->rq->template->name, w->old.template))
		problem = "renewal: this is the address of another template";
	if (problem != NULL)
		return refuse(w, problem);
	if (next.count >= SUCCESSORS_MAX)
		return refuse(w, "renewal: this certificate was renewed "
		                 "too often");
	if (!has_room(tx, w, e))
		return false;
	if (decided(w))
		return true;
	if (!find_names(tx, w, &found, e))
		return false;
	return found ? key_is_free(tx, w, e) : refuse(w, SCEP_TEXT_NOT_GRANTED);
}

static bool
build(struct work *w, struct err *e)
{
	struct cert_issue in = {
		.template = w->template,
		.subject = &w->names,
		.pub = w->rq->csr->pub,
		.now_ms = w->now,
		.issuer = cert_authority_issuer_of(
		    w->rq->authority, w->rq->recipient),
	};

	if (!scep_template_permits(w->template, w->rq, &w->out->verdict))
		return true;
	if (w->own.lost)
		return refuse(w, "renewal: the names of this certificate "
		                 "cannot all be certified here");
	if (!scep_strict(w->rq, w->template, &w->names, &w->out->verdict))
		return true;
	cert_issued_clear(&w->issued);
	if (cert_authority_issue(w->rq->authority, &in, &w->issued, e))
		return true;
	return e->code == ERR_FORBIDDEN && refuse(w, SCEP_TEXT_KEY_TAKEN);
}

/* Only the identity of a Mac says that it was renewed: MDM takes those alone.
 * Whatever else is renewed stays what it was. */
static const char *
purpose_after(const char *purpose)
{
	return str_eq(purpose, "enroll") ? "renew" : purpose;
}

static bool
record(struct store_tx *tx, struct work *w, struct err *e)
{
	struct cert_record r = {
		.issued = &w->issued,
		.authority_id = w->issued.authority_id,
		.template = w->old.template,
		.purpose = purpose_after(w->old.purpose),
		.enrollment_ref = scep_or_null(w->old.enrollment_ref),
		.device_id = scep_or_null(w->old.device_id),
		.user_id = scep_or_null(w->old.user_id),
		.transaction_id = w->rq->message->transaction_id,
		.line = w->old.line.text,
	};

	return scep_db_renewal_add(
	           tx, w->old.fingerprint, &r, clock_now_ms(), e) &&
	       cert_ledger_add(tx, &r, e);
}

/* What was decided may have changed while it was signed: looks again where
 * nobody else writes. */
static bool
record_first(struct store_tx *tx, void *work, struct err *e)
{
	struct work *w = work;

	/* As it was before a run that was undone. */
	buf_free(&w->out->cert_der);
	w->out->again = false;
	w->out->verdict = (struct scep_verdict){ -1, NULL };
	return decide(tx, w, e) && (decided(w) || record(tx, w, e));
}

/* The other request may be in the same shared transaction: its certificate
 * leaves when it is on disk. */
static bool
keep(struct work *w, struct err *e)
{
	if (!store_write(w->s->o.store, record_first, w, e))
		return false;
	if (decided(w))
		return true;
	scep_outcome_give(w->out, &w->issued);
	return true;
}

static bool
look(struct work *w, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(w->s->o.store, STORE_READ, &tx, e) &&
	       decide(tx, w, e);
}

bool
scep_renew(struct scep_service *s, const struct scep_request *rq,
    struct scep_outcome *out, struct err *e)
{
	AUTO(work_clear) struct work w = { .s = s, .rq = rq, .out = out };

	*out = (struct scep_outcome){ .verdict = { -1, NULL } };
	cert_fingerprint(rq->message->signer, w.old.fingerprint);
	scep_names_of_certificate(rq->message->signer, &w.own);
	if (!look(&w, e))
		return false;
	if (decided(&w))
		return true;
	if (w.template->upstream != NULL)
		return !scep_template_permits(w.template, rq, &out->verdict) ||
		       scep_relay_renew(s, rq, &w.old, &w.names, out, e);
	if (!build(&w, e))
		return false;
	return decided(&w) || keep(&w, e);
}

/* Whose subject is its issuer's was made by the client itself. */
static bool
self_made(X509 *x)
{
	return X509_NAME_cmp(
	           X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
}

bool
scep_renew_signer(struct scep_service *s, const struct scep_message *m,
    bool *ours_out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	char fingerprint[SHA256_HEX_SIZE];
	struct cert_entry entry;

	*ours_out = false;
	if (self_made(m->signer))
		return true;
	cert_fingerprint(m->signer, fingerprint);
	return store_begin(s->o.store, STORE_READ, &tx, e) &&
	       cert_ledger_find(tx, fingerprint, &entry, ours_out, e);
}
