/*
 * CertPoll, GetCert and GetCRL (RFC 8894 sections 3.3.3 to 3.3.5).  The latter
 * two name a certificate by issuer and serial number, of whichever generation
 * of ours.  Who asks for a certificate gets what is his own: those of the same
 * device, or the very one he signs with.  CRLs are public.  What could not be
 * decrypted comes as empty, and is answered as what names nothing of ours.  No
 * state of its own; any thread.
 */
#include "core/clock.h"
#include "core/limits.h"
#include "scep/scep_approval_priv.h"

enum { INTEGER = 0x02, SEQUENCE = 0x30, SERIAL_MAX = 20 };

/* For some time a certificate whose reply got lost is still to be had. */
static bool
give_lost(struct scep_service *s, struct store_tx *tx,
    const struct scep_earlier_key *k, struct scep_outcome *out, struct err *e)
{
	int64_t since = clock_now_ms() - s->o.retry_ms;

	if (!scep_db_issued(tx, k, since, out->fingerprint, e))
		return false;
	if (out->fingerprint[0] != '\0') {
		out->again = true;
		return cert_ledger_der(tx, out->fingerprint, &out->cert_der, e);
	}
	scep_refuse(
	    &out->verdict, SCEP_BAD_CERT_ID, "CertPoll: no such request");
	return true;
}

bool
scep_poll(struct scep_service *s, const struct scep_request *rq,
    struct scep_outcome *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	const struct scep_message *m = rq->message;
	char signer[SHA256_HEX_SIZE];
	bool found;

	return cert_spki_pub(X509_get_X509_PUBKEY(m->signer), signer, e) &&
	       store_begin(s->o.store, STORE_READ, &tx, e) &&
	       scep_approval_poll(
	           tx, m->transaction_id, signer, out, &found, e) &&
	       (found || give_lost(s, tx,
	                     &(struct scep_earlier_key){
	                         .transaction_id = m->transaction_id,
	                         .spki = signer },
	                     out, e));
}

/* IssuerAndSerialNumber (RFC 5652 10.2.4). */
struct query {
	X509_NAME *issuer;
	ASN1_INTEGER *number;
	char serial[64]; /* as the ledger writes it */
};

static void
query_clear(struct query *q)
{
	X509_NAME_free(q->issuer);
	ASN1_INTEGER_free(q->number);
}

static bool
query_read(struct slice der, struct query *q)
{
	AUTO(cert_x509_free) X509 *holder = NULL;
	struct slice body;
	const uint8_t *p;
	int tag, xclass;

	if (der.len == 0 || der.p[0] != SEQUENCE ||
	    !scep_der_next(&der, &tag, &xclass, &body) || der.len != 0)
		return false;
	p = body.p;
	q->issuer = d2i_X509_NAME(NULL, &p, (long)body.len);
	if (q->issuer == NULL)
		return false;
	q->number =
	    d2i_ASN1_INTEGER(NULL, &p, (long)(body.len - (size_t)(p - body.p)));
	if (q->number == NULL || p != body.p + body.len ||
	    ASN1_STRING_length(q->number) > SERIAL_MAX)
		return false;
	holder = X509_new();
	if (holder == NULL || X509_set_serialNumber(holder, q->number) != 1)
		return false;
	cert_serial(holder, q->serial, sizeof(q->serial));
	return true;
}

/* An issuing CA has issued it.  Old drafts name the CA itself. */
static bool
is_of(const struct query *q, const struct cert_member *m, bool or_itself)
{
	if (!str_eq(m->role, CERT_ROLE_ISSUING))
		return false;
	return X509_NAME_cmp(
	           q->issuer, X509_get_subject_name(m->certificate)) == 0 ||
	       (or_itself &&
	           X509_NAME_cmp(
	               q->issuer, X509_get_issuer_name(m->certificate)) == 0 &&
	           ASN1_INTEGER_cmp(
	               q->number, X509_get0_serialNumber(m->certificate)) == 0);
}

static bool
may_see(const struct scep_predecessor *who, const struct cert_entry *what)
{
	if (!who->found || who->revoked)
		return false;
	return str_eq(who->fingerprint, what->fingerprint) ||
	       (who->device_id[0] != '\0' &&
	           str_eq(who->device_id, what->device_id));
}

/* That of one issuing CA, if the asker may see it. */
static bool
find(struct store_tx *tx, const char *authority_id, const char *serial,
    const struct scep_predecessor *who, struct scep_outcome *out, struct err *e)
{
	struct cert_entry what;
	char fingerprint[SHA256_HEX_SIZE];
	bool found;

	if (!scep_db_by_serial(
	        tx, authority_id, serial, fingerprint, &found, e) ||
	    (found && !cert_ledger_find(tx, fingerprint, &what, &found, e)))
		return false;
	if (!found || !may_see(who, &what))
		return true;
	str_copy_cut(out->fingerprint, sizeof(out->fingerprint), fingerprint);
	out->again = true;
	return cert_ledger_der(tx, fingerprint, &out->cert_der, e);
}

/* Two generations may have one name: a serial number tells them apart. */
static bool
find_all(struct scep_service *s, const struct scep_request *rq,
    const struct query *q, struct scep_outcome *out, struct err *e)
{
	AUTO(store_rollback) struct store_tx *tx = NULL;
	const struct cert_member *const *members = NULL;
	size_t n = cert_authority_members(rq->authority, &members);
	struct scep_predecessor who;
	char signer[SHA256_HEX_SIZE];

	cert_fingerprint(rq->message->signer, signer);
	if (!store_begin(s->o.store, STORE_READ, &tx, e) ||
	    !scep_db_predecessor(tx, signer, &who, e))
		return false;
	for (size_t i = 0; i < n && out->cert_der == NULL; i++)
		if (is_of(q, members[i], false) &&
		    !find(tx, members[i]->id, q->serial, &who, out, e))
			return false;
	return true;
}

/* Whatever was wrong counts, or counting would tell what it was. */
static void
finds_nothing(struct scep_service *s, const struct scep_request *rq,
    struct scep_outcome *out, const char *text)
{
	scep_guess_unreadable(s, rq);
	scep_refuse(&out->verdict, SCEP_BAD_CERT_ID, text);
}

bool
scep_get_cert(struct scep_service *s, const struct scep_request *rq,
    struct slice plain, struct scep_outcome *out, struct err *e)
{
	AUTO(query_clear) struct query q = { 0 };

	if (query_read(plain, &q) && !find_all(s, rq, &q, out, e))
		return false;
	if (out->cert_der == NULL)
		finds_nothing(s, rq, out, "GetCert: no certificate of yours");
	return true;
}

/* The newest of that name. */
static const struct cert_member *
issuer_of(const struct cert_authority *a, const struct query *q)
{
	const struct cert_member *const *members = NULL;
	size_t n = cert_authority_members(a, &members);

	while (n-- > 0)
		if (is_of(q, members[n], true))
			return members[n];
	return NULL;
}

static bool
refuse_crl(struct scep_outcome *out, enum scep_fail fail, const char *text)
{
	buf_free(&out->crl_der);
	scep_refuse(&out->verdict, fail, text);
	return true;
}

bool
scep_get_crl(struct scep_service *s, const struct scep_request *rq,
    struct slice plain, struct scep_outcome *out, struct err *e)
{
	AUTO(query_clear) struct query q = { 0 };
	const struct cert_member *issuer = NULL;

	if (query_read(plain, &q))
		issuer = issuer_of(rq->authority, &q);
	if (issuer == NULL || s->o.crl == NULL) {
		finds_nothing(
		    s, rq, out, "GetCRL: no issuer of ours with a CRL");
		return true;
	}
	out->crl_der = buf_new(LIMIT_SCEP_CRL);
	if (cert_crl_read(s->o.crl, issuer->id, out->crl_der, e))
		return true;
	if (e->code == ERR_NOT_FOUND)
		return refuse_crl(
		    out, SCEP_BAD_CERT_ID, "GetCRL: the issuer has ended");
	return e->code == ERR_TOO_LARGE &&
	       refuse_crl(out, SCEP_BAD_REQUEST,
	           "GetCRL: the CRL is too large for SCEP; it is at its "
	           "distribution point");
}
