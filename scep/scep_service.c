/*
 * The SCEP service: which operations there are, in which order a request is
 * checked (cheap before expensive), and which answer each failure gets.  The
 * service is read-only after scep_service_new() except for the limit on
 * failures; any thread.
 */
#include <limits.h>

#include "certs/cert_cms.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/log.h"
#include "scep/scep_relay_priv.h"
#include "scep/scep_waiting_priv.h"

/*
 * Only what is served.  SHA-384 is not in the RFC, but strongSwan 5.9.8 takes
 * it for the mark of AES; Apple's clients split at LF alone.
 */
#define CAPABILITIES "POSTPKIOperation\nRenewal\nSHA-512\nSHA-384\nSHA-256"

enum { FAILURES_PER_MIN = 10, TEMPLATE_SHARE = 10 };

bool
scep_service_new(
    const struct scep_options *o, struct scep_service **out, struct err *e)
{
	AUTO(scep_service_free)
	struct scep_service *s = mem_zalloc(1, sizeof(*s));

	s->o = *o;
	if (s->o.failures_per_min <= 0)
		s->o.failures_per_min = FAILURES_PER_MIN;
	if (!scep_reader_new(&s->reader, e) ||
	    (o->legacy_des && !scep_legacy_load(&s->legacy, e)))
		return false;
	if (s->o.retry_ms == 0)
		s->o.retry_ms = MS_H;
	s->rate = scep_rate_new(s->o.failures_per_min);
	s->templates =
	    scep_rate_new(s->o.failures_per_min > INT_MAX / TEMPLATE_SHARE
	                      ? INT_MAX
	                      : TEMPLATE_SHARE * s->o.failures_per_min);
	if (!scep_relay_new(s, &s->relay, e))
		return false;
	*out = TAKE(s);
	return true;
}

void
scep_service_free(struct scep_service **s)
{
	if (*s == NULL)
		return;
	scep_relay_free(&(*s)->relay);
	scep_rate_free(&(*s)->rate);
	scep_rate_free(&(*s)->templates);
	scep_legacy_free(&(*s)->legacy);
	scep_reader_free(&(*s)->reader);
	mem_free(s);
}

/* Challenges are not for the server's own certificate. */
static const struct cert_template *
template_of(const struct cert_authority *a, const char *name)
{
	return str_eq(name, CERT_TEMPLATE_TLS)
	           ? NULL
	           : cert_authority_template(a, name);
}

bool
scep_template_served(const struct scep_service *s, const char *name)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);

	return template_of(a, name) != NULL;
}

void
scep_capabilities(
    const struct scep_service *s, const char *template, struct buf *out)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	const struct cert_template *t =
	    template != NULL ? template_of(a, template) : NULL;

	buf_adds(out, CAPABILITIES);
	if (t == NULL || t->sha1)
		buf_adds(out, "\nSHA-1");
	buf_adds(out, "\nAES");
	if (t == NULL || t->des3)
		buf_adds(out, "\nDES3");
	buf_adds(out, "\nSCEPStandard");
	if (cert_authority_next_chain(a).len > 0)
		buf_adds(out, "\nGetNextCACert");
}

bool
scep_ca_chain(const struct scep_service *s, const char *name, struct buf *out,
    const char **type_out, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	const struct cert_template *t =
	    name != NULL ? template_of(a, name) : NULL;
	struct slice body = cert_authority_ra_chain(a);
	bool known;

	if (t != NULL && t->upstream != NULL)
		name = t->upstream;
	if (!scep_relay_ca_chain(s, a, name, out, &known, e))
		return false;
	if (!known)
		buf_add(out, body.p, body.len);
	*type_out = cert_authority_single(a) && !known
	                ? "application/x-x509-ca-cert"
	                : "application/x-x509-ca-ra-cert";
	return true;
}

bool
scep_next_ca(const struct scep_service *s, struct buf *out, struct err *e)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	const struct cert_member *ra = cert_authority_recipient(a, 0);
	struct slice next = cert_authority_next_chain(a);
	AUTO(buf_free) struct buf *whole = NULL;

	if (next.len == 0)
		return err_set(
		    e, ERR_NOT_FOUND, "there is no next CA certificate");
	if (!cert_cms_sign(next, ra->certificate, ra->key, NULL, &whole, e))
		return false;
	buf_add(out, whole->p, whole->len);
	return true;
}

static bool
purge(struct store_tx *tx, void *lease, struct err *e)
{
	return store_lease_keep(tx, lease, e) &&
	       scep_db_purge(tx, clock_now_ms(), e) &&
	       scep_approval_purge(tx, e);
}

bool
scep_service_purge(
    struct scep_service *s, const struct store_lease *lease, struct err *e)
{
	struct store_lease copy;

	if (lease != NULL)
		copy = *lease;
	return store_write(
	           s->o.store, purge, lease != NULL ? &copy : NULL, e) &&
	       scep_waiting_seal_old(s, e);
}

/* One request on its way; plain is the messageData once opened. */
struct job {
	struct scep_service *s;
	struct scep_message *m;
	struct scep_request rq;
	struct slice plain;
	struct scep_outcome *out;
};

/* False with a verdict. */
static bool
read_csr(struct job *j, struct scep_csr **csr)
{
	scep_csr_parse(j->plain, true, j->m, csr, &j->out->verdict);
	j->rq.csr = *csr;
	j->rq.csr_der = j->plain;
	return j->out->verdict.fail < 0;
}

/* No challenge at all, where people may approve. */
static bool
for_a_person(const struct job *j)
{
	const struct cert_template *t = j->rq.template;

	return !j->rq.may_renew && j->s->o.approval_ms > 0 &&
	       str_empty(j->rq.csr->challenge) &&
	       (t == NULL || str_eq(t->name, CERT_TEMPLATE_SCEP));
}

static bool
grant(struct job *j, struct err *e)
{
	const struct cert_template *t = j->rq.template;
	const char *problem = scep_guess_key(j->s, &j->rq);

	if (problem != NULL) {
		scep_refuse(&j->out->verdict, SCEP_BAD_REQUEST, problem);
		return true;
	}
	if (!scep_renew_signer(j->s, j->m, &j->rq.may_renew, e))
		return false;
	if (t != NULL && t->challenge != CERT_CHALLENGE_ONE_TIME)
		return j->rq.may_renew ? scep_renew(j->s, &j->rq, j->out, e)
		                       : scep_shared(j->s, &j->rq, j->out, e);
	if (for_a_person(j)) {
		t = cert_authority_template(
		    j->rq.authority, CERT_TEMPLATE_SCEP);
		return scep_approval_ask(j->s, &j->rq, t, j->out, e);
	}
	return scep_issue(j->s, &j->rq, j->out, e);
}

static bool
is_unreadable(const struct scep_verdict *v)
{
	return v->fail >= 0 && str_eq(v->text, SCEP_TEXT_UNREADABLE);
}

/* Runs what decides about a CSR, which lives no longer.  One that is refused
 * by itself counts, whatever is wrong with it: its signature was checked. */
static bool
with_csr(
    struct job *j, bool (*decide)(struct job *j, struct err *e), struct err *e)
{
	AUTO(scep_csr_free) struct scep_csr *csr = NULL;
	bool readable = read_csr(j, &csr);
	bool good = !readable || decide(j, e);

	if (j->out->bad_challenge)
		scep_guess_failed(j->s, &j->rq);
	else if (!readable || is_unreadable(&j->out->verdict))
		scep_guess_unreadable(j->s, &j->rq);
	j->rq.csr = NULL;
	return good;
}

/* PKCSReq, also from a client that renews with it (RFC 8894 2.3). */
static bool
enroll(struct job *j, struct err *e)
{
	return with_csr(j, grant, e);
}

static bool
renew_by(struct job *j, struct err *e)
{
	return scep_renew(j->s, &j->rq, j->out, e);
}

static bool
renew(struct job *j, struct err *e)
{
	return with_csr(j, renew_by, e);
}

/* The names in it decide nothing: clients write what they like (RFC 8894
 * 3.3.3). */
static bool
poll_status(struct job *j, struct err *e)
{
	return scep_poll(j->s, &j->rq, j->out, e);
}

static bool
get_cert(struct job *j, struct err *e)
{
	return scep_get_cert(j->s, &j->rq, j->plain, j->out, e);
}

static bool
get_crl(struct job *j, struct err *e)
{
	return scep_get_crl(j->s, &j->rq, j->plain, j->out, e);
}

/*
 * The closed list of message types: what is not here is refused, whatever the
 * RFC or its drafts call it.
 *
 * Whether an envelope could be decrypted must not show: who holds a captured
 * one could have it decrypted byte by byte, in messages of any type that he
 * signs himself (RFC 3218 and its like for CBC).  A CSR is signed, so all that
 * comes before its signature has one answer; of a poll the envelope is not
 * opened at all; and a query that cannot be read is one that finds nothing.
 */
static const struct kind {
	int type;
	enum { SIGNED, UNOPENED, FINDS_NOTHING } content;
	bool (*run)(struct job *j, struct err *e);
} kinds[] = {
	{ SCEP_PKCS_REQ, SIGNED, enroll },
	{ SCEP_RENEWAL_REQ, SIGNED, renew },
	{ SCEP_CERT_POLL, UNOPENED, poll_status },
	{ SCEP_GET_CERT, FINDS_NOTHING, get_cert },
	{ SCEP_GET_CRL, FINDS_NOTHING, get_crl },
};

static const struct kind *
kind_of(int type)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

/* By whichever RA it was encrypted for, the active one first.  plain NULL:
 * unopened. */
static void
open_envelope(struct job *j, struct buf **plain)
{
	struct scep_verdict *v = &j->out->verdict;
	const struct cert_member *r;

	for (size_t i = 0;
	     (r = cert_authority_recipient(j->rq.authority, i)) != NULL; i++) {
		if (plain != NULL)
			scep_open(j->m, r->certificate, r->key, plain, v);
		else
			scep_envelope_check(j->m, r->certificate, v);
		if (v->fail < 0 || !str_eq(v->text, SCEP_TEXT_NOT_FOR_US)) {
			j->rq.recipient = r;
			return;
		}
	}
}

static struct slice
bytes_of(const struct buf *b)
{
	return b != NULL ? buf_slice(b) : slice_str("");
}

static bool
answer_request(struct job *j, struct err *e)
{
	AUTO(buf_wipe) struct buf *plain = NULL;
	const struct kind *kind = kind_of(j->m->type);
	struct scep_verdict *v = &j->out->verdict;
	const char *problem;

	if (kind == NULL) {
		scep_refuse(v, SCEP_BAD_REQUEST, "messageType is not served");
		return true;
	}
	problem = scep_guess_peer(j->s, j->rq.peer);
	if (problem != NULL) {
		scep_refuse(v, SCEP_BAD_REQUEST, problem);
		return true;
	}
	j->m->allow_des = j->s->o.legacy_des;
	open_envelope(j, kind->content != UNOPENED ? &plain : NULL);
	if (is_unreadable(v) && kind->content == FINDS_NOTHING)
		*v = (struct scep_verdict){ -1, NULL };
	else if (is_unreadable(v))
		scep_guess_unreadable(j->s, &j->rq);
	if (v->fail >= 0)
		return true;
	j->plain = bytes_of(plain);
	return kind->run(j, e);
}

/* Signed by whom the request was addressed to. */
static bool
reply(const struct scep_request *rq, const struct scep_message *m,
    const struct scep_outcome *out, struct buf **reply_out, struct err *e)
{
	bool good = out->verdict.fail < 0;
	struct scep_reply r = {
		.status = !good          ? SCEP_FAILURE
		          : out->pending ? SCEP_PENDING
		                         : SCEP_SUCCESS,
		.fail = good ? SCEP_BAD_ALG : (enum scep_fail)out->verdict.fail,
		.fail_text = out->verdict.text,
		.cert_der = good ? bytes_of(out->cert_der) : slice_str(""),
		.crl_der = good ? bytes_of(out->crl_der) : slice_str(""),
	};

	return scep_reply_build(m, &r, rq->recipient->certificate,
	    rq->recipient->key, reply_out, e);
}

static void
outcome_clear(struct scep_outcome *out)
{
	buf_free(&out->cert_der);
	buf_free(&out->crl_der);
}

bool
scep_operation(struct scep_service *s, struct slice message, const char *peer,
    struct buf **reply_out, struct err *e)
{
	return scep_operation_at(
	    s, message, &(struct scep_from){ .peer = peer }, reply_out, e);
}

bool
scep_operation_at(struct scep_service *s, struct slice message,
    const struct scep_from *from, struct buf **reply_out, struct err *e)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(outcome_clear)
	struct scep_outcome out = { .verdict = { -1, NULL } };
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	struct job job = { .s = s,
		.rq = { .authority = a,
		    .recipient = cert_authority_recipient(a, 0),
		    .peer = from->peer },
		.out = &out };
	struct err why;

	if (from->template != NULL) {
		job.rq.template = template_of(a, from->template);
		if (job.rq.template == NULL)
			return err_set(
			    e, ERR_NOT_FOUND, "there is no such template");
	}
	if (!scep_parse(s->reader, message, &m, &out.verdict, e))
		return false;
	job.m = m;
	job.rq.message = m;
	if (out.verdict.fail < 0 && !answer_request(&job, &why)) {
		if (why.code == ERR_UNAVAILABLE) {
			*e = why;
			return false;
		}
		log_event(LOG_ERROR, "scep.broken", "transaction",
		    m->transaction_id, "error", why.text, NULL);
		scep_refuse(&out.verdict, SCEP_BAD_REQUEST,
		    "the server could not issue the certificate");
	}
	if (out.again && m->type != SCEP_GET_CERT &&
	    !scep_relay_add_chain(s, &out, e))
		return false;
	scep_answered(s, m, from->peer, &out);
	return reply(&job.rq, m, &out, reply_out, e);
}
