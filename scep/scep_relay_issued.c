/*
 * The certificate that came from an upstream: into the ledger, with all that
 * was waiting for it, in one transaction.  No state of its own; any thread.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/log.h"
#include "scep/scep_relay_priv.h"
#include "store/store_event.h"

enum { CHAIN_MAX = 64 << 10 };

struct taking {
	struct scep_service *s;
	const struct scep_errand *x;
	char *by; /* actor of events */
	struct cert_issued issued;
	struct buf *chain; /* of its issuer, DER in a row */
	struct scep_line line;
	const char *unwanted; /* it is recorded, but nobody gets it */
	bool late; /* so it is, because its request was closed meanwhile */
};

static void
taking_clear(struct taking *t)
{
	str_free(&t->by);
	cert_issued_clear(&t->issued);
	buf_free(&t->chain);
}

static X509 *
issuer_in(STACK_OF(X509) * all, X509 *x)
{
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *ca = sk_X509_value(all, i);
		EVP_PKEY *key = X509_get0_pubkey(ca);

		if (key != NULL && X509_check_issued(ca, x) == X509_V_OK &&
		    X509_verify(x, key) == 1)
			return ca;
	}
	ERR_clear_error();
	return NULL;
}

static X509 *
issuer_of(const struct scep_relay_result *r, X509 *x)
{
	X509 *ca = issuer_in(r->anchors, x);

	return ca != NULL ? ca : issuer_in(r->chain, x);
}

/* Roots are left out: who does not have them would not believe them. */
static bool
put_chain(
    const struct scep_relay_result *r, X509 *ca, struct buf *out, struct err *e)
{
	for (int i = 0; ca != NULL && i < LIMIT_CERT_CHAIN; i++) {
		AUTO(buf_free) struct buf *der = NULL;
		X509 *next = issuer_of(r, ca);

		if (next == ca)
			break;
		if (!cert_der(ca, &der, e))
			return false;
		buf_add(out, der->p, der->len);
		ca = next;
	}
	return buf_ok(out, e);
}

/* Serial numbers are unique below one CA; an upstream may have several, and
 * another one tomorrow. */
static void
name_authority(const struct taking *t, X509 *ca, char *out, size_t size)
{
	char fingerprint[SHA256_HEX_SIZE];
	AUTO(str_free) char *id = NULL;

	cert_fingerprint(ca, fingerprint);
	id = str_printf("upstream:%s:%.16s", t->x->upstream, fingerprint);
	str_copy_cut(out, size, id);
}

static bool
read_certificate(
    const struct scep_relay_result *r, struct taking *t, struct err *e)
{
	struct cert_issued *i = &t->issued;
	X509 *ca = issuer_of(r, r->cert);

	if (ca == NULL)
		return err_set(e, ERR_INTERNAL, "upstream: no issuer");
	if (!cert_ledger_read(r->cert, i, e))
		return false;
	name_authority(t, ca, i->authority_id, sizeof(i->authority_id));
	t->chain = buf_new(CHAIN_MAX);
	return put_chain(r, ca, t->chain, e);
}

static struct cert_record
record_of(const struct taking *t)
{
	const struct scep_errand *x = t->x;

	return (struct cert_record){
		.issued = &t->issued,
		.authority_id = t->issued.authority_id,
		.template = x->w.template,
		.purpose = x->w.purpose,
		.enrollment_ref = scep_or_null(x->w.enrollment_ref),
		.device_id = scep_or_null(x->w.device_id),
		.user_id = scep_or_null(x->w.user_id),
		.challenge_id = scep_or_null(x->w.challenge_id),
		.transaction_id = x->w.transaction_id,
		.line = scep_or_null(t->line.text),
	};
}

/* The limit was asked for when the request was queued. */
static bool
find_line(struct store_tx *tx, struct taking *t, struct err *e)
{
	const struct scep_errand *x = t->x;
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(t->s->o.live);
	const struct cert_template *tp =
	    cert_authority_template(a, x->w.template);
	struct scep_predecessor old;

	t->line.text[0] = '\0';
	if (x->old_fingerprint[0] != '\0') {
		if (!scep_db_predecessor(tx, x->old_fingerprint, &old, e))
			return false;
		t->line = old.line;
		return true;
	}
	return x->w.challenge_id[0] != '\0' || tp == NULL ||
	       scep_line_first(tx,
	           &(struct scep_line_of){ tp, x->w.spki, x->w.subject },
	           &t->line, e);
}

/* Which certificate it is, for whoever asks by challenge or old certificate. */
static bool
link_up(struct store_tx *tx, const struct taking *t,
    const struct cert_record *r, struct err *e)
{
	const struct scep_errand *x = t->x;
	int64_t now = clock_now_ms();

	return (x->w.challenge_id[0] == '\0' ||
	           scep_db_challenge_issued(
	               tx, x->w.challenge_id, t->issued.fingerprint, now, e)) &&
	       (x->old_fingerprint[0] == '\0' ||
	           scep_db_renewal_add(tx, x->old_fingerprint, r, now, e));
}

/*
 * A claim ends when its owner stands still, and another node asks again.  A
 * certificate in hand is worth more than that question: who has one takes the
 * request back while it is open, and what the other brings is late, or the
 * same.
 */
static bool
close_open(struct store_tx *tx, const struct taking *t,
    const struct scep_decision *d, bool *changed, struct err *e)
{
	bool open;

	if (!scep_db_errand_close(tx, d, changed, e))
		return false;
	if (*changed)
		return true;
	return scep_db_errand_seize(tx, t->x, &open, e) &&
	       (!open || scep_db_errand_close(tx, d, changed, e));
}

static bool
close_as(struct store_tx *tx, const struct taking *t, const char *reason,
    bool *changed, struct err *e)
{
	const struct scep_errand *x = t->x;
	struct scep_waiting_event ev = {
		reason == NULL ? "scep.issued" : "scep.failed", t->by, reason
	};
	struct scep_decision d = { .id = x->w.id,
		.state = reason == NULL ? "issued" : "failed",
		.by = t->by,
		.reason = reason,
		.fingerprint = t->issued.fingerprint,
		.claim = x->claim,
		.now_ms = clock_now_ms() };

	if (!close_open(tx, t, &d, changed, e))
		return false;
	store_notify(tx, STORE_CHANNEL_UPSTREAM);
	return !*changed || scep_approval_tell(tx, &x->w, &ev, e);
}

static bool
add(struct store_tx *tx, const struct taking *t, struct err *e)
{
	struct cert_record r = record_of(t);

	return scep_db_outside_add(tx, r.authority_id, t->x->upstream,
	           buf_slice(t->chain), e) &&
	       cert_ledger_add(tx, &r, e);
}

/* An upstream may give the same certificate twice; but one that was shelved is
 * nobody's, and may have been revoked there. */
static bool
add_once(struct store_tx *tx, const struct taking *t, struct err *e)
{
	struct cert_entry entry;
	bool found;

	if (!cert_ledger_find(tx, t->issued.fingerprint, &entry, &found, e))
		return false;
	if (found && entry.revoked)
		return err_set(e, ERR_REFUSED,
		    "the authority gave a certificate that is revoked here");
	return (found || add(tx, t, e)) &&
	       scep_db_outside_grant(
	           tx, t->issued.fingerprint, t->x->w.subject, e);
}

/* Nobody gets it, but it is there: the ledger knows it, as revoked.  One that
 * it has already is that of a request which got it. */
static bool
add_revoked(
    struct store_tx *tx, const struct taking *t, bool *added, struct err *e)
{
	struct cert_entry entry;
	bool found;

	if (!cert_ledger_find(tx, t->issued.fingerprint, &entry, &found, e))
		return false;
	*added = !found;
	return found ||
	       (add(tx, t, e) && cert_ledger_revoke(tx, t->issued.fingerprint,
	                             CERT_REASON_CESSATION, "system", e));
}

/* So that somebody revokes it at the upstream. */
static bool
tell_late(struct store_tx *tx, const struct taking *t, struct err *e)
{
	AUTO(json_free) json_t *data = json_object();
	AUTO(str_free) char *text = NULL;
	struct store_event ev = { .kind = "scep.late",
		.device_id = scep_or_null(t->x->w.device_id),
		.subject_id = t->x->w.id,
		.actor = t->by };

	json_put_str(data, "upstream", t->x->upstream);
	json_put_str(data, "certificate", t->issued.fingerprint);
	json_put_str(data, "serial", t->issued.serial);
	json_put_str(data, "template", t->x->w.template);
	text = json_text(data);
	ev.data = text;
	return store_event_add(tx, &ev, e);
}

/* The request was closed meanwhile. */
static bool
put_late(struct store_tx *tx, struct taking *t, struct err *e)
{
	return add_revoked(tx, t, &t->late, e) &&
	       (!t->late || tell_late(tx, t, e));
}

/* What was true when it was asked for may not be any more. */
static bool
still_wanted(struct store_tx *tx, const struct scep_errand *x, struct err *e)
{
	const char *problem;
	bool elsewhere;

	if (!scep_relay_follow_problem(tx, x, &problem, e) ||
	    !scep_waiting_key_elsewhere(
	        tx, &x->w, x->old_fingerprint, &elsewhere, e))
		return false;
	if (problem == NULL && elsewhere)
		problem = SCEP_TEXT_KEY_TAKEN;
	return problem == NULL || err_set(e, ERR_REFUSED, "%s", problem);
}

/* May be run again. */
static bool
take(struct store_tx *tx, void *arg, struct err *e)
{
	struct taking *t = arg;
	const struct scep_options *o = &t->s->o;
	const struct scep_errand *x = t->x;
	struct cert_record r;
	bool changed;

	t->late = false;
	if (!find_line(tx, t, e) || !still_wanted(tx, x, e))
		return false;
	r = record_of(t);
	if (!close_as(tx, t, NULL, &changed, e))
		return false;
	if (!changed)
		return put_late(tx, t, e);
	return add_once(tx, t, e) && link_up(tx, t, &r, e) &&
	       (o->on_issued == NULL ||
	           o->on_issued(tx, &r, o->on_issued_arg, e));
}

/* May be run again. */
static bool
shelve(struct store_tx *tx, void *arg, struct err *e)
{
	struct taking *t = arg;
	bool changed, added;

	t->late = false;
	if (!close_as(tx, t, t->unwanted, &changed, e))
		return false;
	return changed ? add_revoked(tx, t, &added, e) : put_late(tx, t, e);
}

/* It is the certificate that is wrong: who revokes it has to know which. */
static bool
blame(const struct scep_relay_result *r, const struct err *why, struct err *e)
{
	char fingerprint[SHA256_HEX_SIZE];

	cert_fingerprint(r->cert, fingerprint);
	return err_set(e, ERR_INVALID, "the upstream's certificate %s: %s",
	    fingerprint, why->text);
}

/* Not ours, nor the database's. */
static bool
is_about_certificate(enum err_code code)
{
	return code == ERR_INVALID || code == ERR_TOO_LARGE ||
	       code == ERR_CONFLICT;
}

/* It is in the ledger, for whoever asked or for nobody. */
static bool
put_down(struct taking *t, struct err *e)
{
	struct err why;

	if (store_write(t->s->o.store, take, t, &why))
		return true;
	if (why.code != ERR_REFUSED && why.code != ERR_CONFLICT) {
		*e = why;
		return false;
	}
	t->unwanted = why.text;
	return store_write(t->s->o.store, shelve, t, e);
}

bool
scep_relay_issued(
    struct scep_service *s, const struct scep_relay_result *r, struct err *e)
{
	AUTO(taking_clear) struct taking t = { .s = s, .x = r->errand };
	struct err why;

	t.by = str_printf("upstream:%s", r->errand->upstream);
	if (!read_certificate(r, &t, &why))
		return blame(r, &why, e);
	if (!put_down(&t, &why)) {
		if (is_about_certificate(why.code))
			return blame(r, &why, e);
		*e = why;
		return false;
	}
	if (t.late)
		log_event(LOG_WARN, "scep.upstream_late", "upstream",
		    r->errand->upstream, "request", r->errand->w.id,
		    "certificate", t.issued.fingerprint, NULL);
	return true;
}
