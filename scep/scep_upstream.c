/*
 * Asking an upstream authority once, and what its answer means: which faults
 * may pass and which are for good.  No state.
 */
#include "scep/scep_upstream.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/random.h"
#include "scep/scep_client_priv.h"
#include "scep/scep_est.h"

#define DELAY_FIRST_MS (10 * MS_S)
enum { SERIAL_MAX = 20 };

void
scep_upstream_answer_clear(struct scep_upstream_answer *a)
{
	cert_x509_free(&a->cert);
	cert_stack_free(&a->chain);
	*a = (struct scep_upstream_answer){ 0 };
}

/* Parts of a text may be the server's. */
static void
end(struct scep_upstream_answer *out, enum scep_upstream_state state,
    const char *reason)
{
	scep_upstream_answer_clear(out);
	out->state = state;
	str_copy_cut(out->reason, sizeof(out->reason), reason);
	for (char *p = out->reason; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

static bool
same_key(struct slice csr, X509 *x, struct err *e)
{
	AUTO(cert_req_free) X509_REQ *req = NULL;
	char wanted[SHA256_HEX_SIZE], have[SHA256_HEX_SIZE];

	if (!scep_client_csr(csr, &req, e) ||
	    !cert_spki_pub(X509_REQ_get_X509_PUBKEY(req), wanted, e) ||
	    !cert_spki_pub(X509_get_X509_PUBKEY(x), have, e))
		return false;
	return str_eq(wanted, have) ||
	       err_set(e, ERR_INVALID, "the certificate is of another key");
}

/* What the ledger and CRLs can hold. */
static bool
within_bounds(X509 *x, struct err *e)
{
	if (ASN1_STRING_length(X509_get0_serialNumber(x)) > SERIAL_MAX)
		return err_set(e, ERR_INVALID,
		    "RFC 5280 4.1.2.2: the serial number has more than %d "
		    "octets",
		    SERIAL_MAX);
	return i2d_X509(x, NULL) <= LIMIT_CERT ||
	       err_set(e, ERR_INVALID, "the certificate is too large");
}

static bool
check(const struct scep_upstream_options *o, struct slice csr,
    const struct scep_upstream_answer *a, struct err *e)
{
	if (!same_key(csr, a->cert, e) || !within_bounds(a->cert, e))
		return false;
	if (X509_check_ca(a->cert) != 0)
		return err_set(
		    e, ERR_INVALID, "the certificate is that of a CA");
	if (cert_not_after(a->cert) <= clock_now_ms())
		return err_set(e, ERR_INVALID, "the certificate has expired");
	if (!scep_client_leads_to(o->anchors, a->chain, a->cert))
		return err_set(e, ERR_INVALID,
		    "the certificate does not lead to a configured CA");
	return true;
}

/* It is there, and somebody may want to revoke it. */
static void
refuse_certificate(struct scep_upstream_answer *out, const char *why)
{
	AUTO(str_free) char *text = NULL;
	char fingerprint[SHA256_HEX_SIZE];

	cert_fingerprint(out->cert, fingerprint);
	text = str_printf("%s (SHA-256 %s)", why, fingerprint);
	end(out, SCEP_UPSTREAM_REFUSED, text);
}

/* ---- EST ---- */

static bool
ask_est(const struct scep_upstream_options *o,
    const struct scep_upstream_request *rq, struct scep_upstream_answer *out,
    struct err *e)
{
	struct scep_est_options eo = { .fetch = o->fetch,
		.url = o->url,
		.user = o->user,
		.password = o->password,
		.anchors = o->anchors };
	struct scep_est_result r = { 0 };

	/* RFC 7030 4.2.3: who was told to wait asks the same again. */
	if (!scep_est_cacerts(&eo, &out->chain, e) ||
	    !scep_est_enroll(
	        &eo, rq->csr, rq->renewal && o->renew, out->chain, &r, e))
		return false;
	out->cert = r.cert;
	out->retry_after_s = r.retry_after_s;
	out->state =
	    r.cert != NULL ? SCEP_UPSTREAM_ISSUED : SCEP_UPSTREAM_WAITING;
	return true;
}

/* ---- SCEP ---- */

/* It has forgotten the request, never had it, or cannot be polled: servers
 * differ in how they say so. */
static bool
knows_nothing(const struct scep_upstream_request *rq,
    const struct scep_client_result *r, bool good, const struct err *why)
{
	if (good)
		return r->status == SCEP_FAILURE &&
		       (r->fail_info == SCEP_BAD_CERT_ID || !rq->waiting);
	return !rq->waiting && why->code != ERR_UNAVAILABLE;
}

static bool
exchange(struct scep_client *c, const struct scep_upstream_request *rq,
    struct scep_client_result *r, struct err *e)
{
	struct err why;
	bool good;

	if (!rq->waiting && !rq->perhaps)
		return scep_client_send(c, r, e);
	if (!scep_client_resume(c, e))
		return false;
	good = scep_client_poll(c, r, &why);
	if (!knows_nothing(rq, r, good, &why)) {
		if (!good)
			*e = why;
		return good;
	}
	scep_client_result_clear(r);
	return scep_client_send(c, r, e);
}

static void
take(struct scep_client_result *r, struct scep_upstream_answer *out)
{
	AUTO(str_free)
	char *why = str_printf("the upstream refused the request: %s%s%s",
	    scep_fail_name(r->fail_info), r->fail_text[0] != '\0' ? ", " : "",
	    r->fail_text);

	switch (r->status) {
	case SCEP_SUCCESS:
		out->state = SCEP_UPSTREAM_ISSUED;
		out->cert = TAKE(r->cert);
		out->chain = TAKE(r->chain);
		break;
	case SCEP_PENDING:
		out->state = SCEP_UPSTREAM_WAITING;
		break;
	default:
		end(out, SCEP_UPSTREAM_REFUSED, why);
	}
}

static bool
ask_scep(const struct scep_upstream_options *o,
    const struct scep_upstream_request *rq, struct scep_upstream_answer *out,
    struct err *e)
{
	AUTO(scep_client_free) struct scep_client *c = NULL;
	AUTO(scep_client_result_clear) struct scep_client_result r = { 0 };
	char pin[SHA256_HEX_SIZE];
	struct scep_client_options co = { .url = o->url,
		.ca_name = o->ca_name,
		.ca_fingerprint = pin,
		.signer = o->ra,
		.signer_key = o->ra_key,
		.csr = rq->csr,
		.renewal = rq->renewal && o->renew,
		.allow_des = o->allow_des };

	cert_fingerprint(sk_X509_value(o->anchors, 0), pin);
	if (!scep_client_new(o->fetch, &co, &c, e) || !exchange(c, rq, &r, e))
		return false;
	take(&r, out);
	return true;
}

/* A status of HTTP says nothing of the request in SCEP, where refusals are
 * messages; in EST it is the refusal. */
static bool
may_pass(const struct scep_upstream_options *o, const struct err *e)
{
	return e->code == ERR_UNAVAILABLE || e->code == ERR_UNAUTHORIZED ||
	       (!o->est && e->code == ERR_REFUSED);
}

void
scep_upstream_ask(const struct scep_upstream_options *o,
    const struct scep_upstream_request *rq, struct scep_upstream_answer *out)
{
	struct err e = { 0 };

	*out = (struct scep_upstream_answer){ 0 };
	if (!(o->est ? ask_est : ask_scep)(o, rq, out, &e))
		end(out,
		    may_pass(o, &e) ? SCEP_UPSTREAM_LATER
		                    : SCEP_UPSTREAM_REFUSED,
		    e.text);
	else if (out->state == SCEP_UPSTREAM_ISSUED &&
	         !check(o, rq->csr, out, &e))
		refuse_certificate(out, e.text);
	out->ours =
	    out->state == SCEP_UPSTREAM_LATER && e.code == ERR_UNAUTHORIZED;
}

int64_t
scep_upstream_delay_ms(int attempts, int64_t retry_after_s)
{
	int64_t delay = DELAY_FIRST_MS, asked = retry_after_s;

	for (int i = 1; i < attempts && delay < MS_H; i++)
		delay *= 2;
	if (delay > MS_H)
		delay = MS_H;
	/* From a half to the whole, so that a queue does not come at once. */
	delay = delay / 2 + random_below((uint32_t)(delay / 2) + 1);
	if (asked > MS_DAY / MS_S)
		asked = MS_DAY / MS_S;
	asked = asked > 0 ? asked * MS_S + random_below(DELAY_FIRST_MS) : 0;
	return delay > asked ? delay : asked;
}
