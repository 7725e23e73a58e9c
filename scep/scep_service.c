/*
 * The SCEP service: which operations there are, in which order a request is
 * checked (cheap before expensive), and which answer each failure gets.  The
 * service is read-only after scep_service_new() except for the limit on
 * failures; any thread.
 */
#include "core/clock.h"
#include "core/limits.h"
#include "core/log.h"
#include "scep/scep_service_priv.h"

/*
 * Only what is served.  SHA-384 is not in the RFC, but strongSwan 5.9.8 takes
 * it for the mark of AES; Apple's clients split at LF alone.
 */
static const char capabilities[] = "POSTPKIOperation\nSHA-512\nSHA-384\n"
                                   "SHA-256\nSHA-1\nAES\nDES3\nSCEPStandard";

bool
scep_service_new(
    const struct scep_options *o, struct scep_service **out, struct err *e)
{
	AUTO(scep_service_free)
	struct scep_service *s = mem_zalloc(1, sizeof(*s));

	s->o = *o;
	if (!scep_reader_new(&s->reader, e) ||
	    (o->legacy_des && !scep_legacy_load(&s->legacy, e)))
		return false;
	if (s->o.retry_ms == 0)
		s->o.retry_ms = MS_H;
	s->rate = scep_rate_new(o->failures_per_min);
	*out = TAKE(s);
	return true;
}

void
scep_service_free(struct scep_service **s)
{
	if (*s == NULL)
		return;
	scep_rate_free(&(*s)->rate);
	scep_legacy_free(&(*s)->legacy);
	scep_reader_free(&(*s)->reader);
	mem_free(s);
}

const char *
scep_capabilities(const struct scep_service *s)
{
	(void)s;
	return capabilities;
}

const char *
scep_ca_chain(const struct scep_service *s, struct buf *out)
{
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	struct slice body = cert_authority_ra_chain(a);

	buf_add(out, body.p, body.len);
	return cert_authority_single(a) ? "application/x-x509-ca-cert"
	                                : "application/x-x509-ca-ra-cert";
}

bool
scep_service_purge(
    struct scep_service *s, const struct store_lease *lease, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;

	return store_begin(s->o.store, STORE_WRITE, &tx, e) &&
	       store_lease_keep(tx, lease, e) &&
	       scep_db_purge(tx, clock_now_ms(), e) && store_commit(&tx, e);
}

/* The closed list of message types: only PKCSReq is served. */
static bool
served(int type, struct scep_verdict *v)
{
	static const struct {
		int type;
		enum scep_fail fail;
		const char *text;
	} known[] = {
		{ SCEP_RENEWAL_REQ, SCEP_BAD_REQUEST,
		    "RenewalReq is not served; use PKCSReq" },
		{ SCEP_UPDATE_REQ, SCEP_BAD_REQUEST,
		    "UpdateReq is not served; use PKCSReq" },
		{ SCEP_CERT_POLL, SCEP_BAD_CERT_ID,
		    "CertPoll: no request is pending" },
		{ SCEP_GET_CERT, SCEP_BAD_CERT_ID, "GetCert is not served" },
		{ SCEP_GET_CRL, SCEP_BAD_CERT_ID, "GetCRL is not served" },
	};

	if (type == SCEP_PKCS_REQ)
		return true;
	for (size_t i = 0; i < COUNT(known); i++)
		if (known[i].type == type) {
			scep_refuse(v, known[i].fail, known[i].text);
			return false;
		}
	scep_refuse(v, SCEP_BAD_REQUEST, "unknown messageType");
	return false;
}

/* By whichever RA it was encrypted for, the active one first. */
static void
open_envelope(struct scep_request *rq, struct scep_message *m,
    struct buf **plain, struct scep_verdict *v)
{
	const struct cert_member *r;

	for (size_t i = 0;
	     (r = cert_authority_recipient(rq->authority, i)) != NULL; i++) {
		scep_open(m, r->certificate, r->key, plain, v);
		if (v->fail < 0 || !str_eq(v->text, SCEP_TEXT_NOT_FOR_US)) {
			rq->recipient = r;
			return;
		}
	}
}

/* From the message to its CSR; false with a verdict. */
static bool
read_request(struct scep_service *s, struct scep_request *rq,
    struct scep_message *m, struct scep_csr **csr, struct scep_verdict *v)
{
	const char *peer = rq->peer;
	AUTO(buf_wipe) struct buf *plain = NULL;

	if (!served(m->type, v))
		return false;
	if (scep_rate_exceeded(s->rate, peer)) {
		scep_refuse(v, SCEP_BAD_REQUEST,
		    "too many failed requests; try again in a minute");
		return false;
	}
	m->allow_des = s->o.legacy_des;
	open_envelope(rq, m, &plain, v);
	if (v->fail < 0)
		scep_csr_parse(buf_slice(plain), true, m, csr, v);
	return v->fail < 0;
}

static bool
answer_request(struct scep_service *s, struct scep_message *m,
    struct scep_request *rq, struct scep_outcome *out, struct err *e)
{
	AUTO(scep_csr_free) struct scep_csr *csr = NULL;

	if (!read_request(s, rq, m, &csr, &out->verdict))
		return true;
	rq->csr = csr;
	return scep_issue(s, rq, out, e);
}

static void
log_outcome(const struct scep_message *m, const char *peer,
    const struct scep_outcome *out)
{
	if (out->verdict.fail < 0)
		log_event(LOG_INFO,
		    out->again ? "scep.repeated" : "scep.issued", "peer", peer,
		    "transaction", m->transaction_id, "certificate",
		    out->fingerprint, NULL);
	else
		log_event(LOG_WARN, "scep.refused", "peer", peer, "transaction",
		    m->transaction_id, "type", LOG_NUM(m->type), "fail",
		    LOG_NUM(out->verdict.fail), "reason", out->verdict.text,
		    NULL);
}

/* Signed by whom the request was addressed to. */
static bool
reply(const struct scep_request *rq, const struct scep_message *m,
    const struct scep_outcome *out, struct buf **reply_out, struct err *e)
{
	bool good = out->verdict.fail < 0;
	struct scep_reply r = {
		.status = good ? SCEP_SUCCESS : SCEP_FAILURE,
		.fail = good ? SCEP_BAD_ALG : (enum scep_fail)out->verdict.fail,
		.fail_text = out->verdict.text,
		.cert_der = good ? buf_slice(out->cert_der) : slice_str(""),
	};

	return scep_reply_build(m, &r, rq->recipient->certificate,
	    rq->recipient->key, reply_out, e);
}

static void
outcome_clear(struct scep_outcome *out)
{
	buf_free(&out->cert_der);
}

bool
scep_operation(struct scep_service *s, struct slice message, const char *peer,
    struct buf **reply_out, struct err *e)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	AUTO(outcome_clear)
	struct scep_outcome out = { .verdict = { -1, NULL } };
	AUTO(cert_authority_free)
	struct cert_authority *a = cert_live_get(s->o.live);
	struct scep_request rq = { .authority = a,
		.recipient = cert_authority_recipient(a, 0),
		.peer = peer };
	struct err why;

	if (!scep_parse(s->reader, message, &m, &out.verdict, e))
		return false;
	rq.message = m;
	if (out.verdict.fail < 0 && !answer_request(s, m, &rq, &out, &why)) {
		if (why.code == ERR_UNAVAILABLE) {
			*e = why;
			return false;
		}
		log_event(LOG_ERROR, "scep.broken", "transaction",
		    m->transaction_id, "error", why.text, NULL);
		scep_refuse(&out.verdict, SCEP_BAD_REQUEST,
		    "the server could not issue the certificate");
	}
	if (out.bad_challenge)
		scep_rate_failed(s->rate, peer);
	log_outcome(m, peer, &out);
	return reply(&rq, m, &out, reply_out, e);
}
