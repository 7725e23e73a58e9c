/*
 * A CertRep as the client reads it: who signed it, which message it answers,
 * and whether the certificate in it is ours.  No state; any thread.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "scep/scep_client_priv.h"

static bool
check_reply(
    const struct scep_message *m, const struct scep_pending *p, struct err *e)
{
	if (m->type != SCEP_CERT_REP)
		return err_set(
		    e, ERR_INVALID, "CertRep: messageType is %d", m->type);
	if (!str_eq(m->transaction_id, p->transaction_id))
		return err_set(
		    e, ERR_INVALID, "CertRep: of another transaction");
	if (!slice_eq(slice_of(m->recipient_nonce, m->recipient_nonce_len),
	        slice_of(p->nonce, sizeof(p->nonce))))
		return err_set(
		    e, ERR_INVALID, "CertRep: recipientNonce is not ours");
	if (m->status != SCEP_SUCCESS && m->status != SCEP_FAILURE &&
	    m->status != SCEP_PENDING)
		return err_set(e, ERR_INVALID, "CertRep: pkiStatus missing");
	return true;
}

static bool
is_for_us(X509 *x, const struct scep_pending *p)
{
	char spki[SHA256_HEX_SIZE];
	struct err e;

	return cert_spki_pub(X509_get_X509_PUBKEY(x), spki, &e) &&
	       str_eq(spki, p->transaction_id);
}

static bool
issued_by(STACK_OF(X509) * chain, X509 *x)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *ca = sk_X509_value(chain, i);
		EVP_PKEY *key = X509_get0_pubkey(ca);

		if (key != NULL && X509_check_issued(ca, x) == X509_V_OK &&
		    X509_verify(x, key) == 1)
			return true;
	}
	ERR_clear_error();
	return false;
}

/* The one certificate for our key; servers may send its chain along. */
static bool
choose(STACK_OF(X509) * certs, const struct scep_client_ca *ca,
    const struct scep_pending *p, X509 **out)
{
	X509 *ours = NULL;
	int count = 0;

	for (int i = 0; i < sk_X509_num(certs); i++)
		if (is_for_us(sk_X509_value(certs, i), p)) {
			ours = sk_X509_value(certs, i);
			count++;
		}
	if (count != 1 || cert_not_after(ours) <= clock_now_ms() ||
	    !issued_by(ca->chain, ours))
		return false;
	X509_up_ref(ours);
	*out = ours;
	return true;
}

/* From the encrypted key to a certificate that may be ours everything is one
 * text: whoever sends what was encrypted for the same key by somebody else
 * learns nothing of it. */
static bool
open_reply(struct scep_message *m, const struct scep_client_ca *ca,
    const struct scep_pending *p, X509 **out, struct err *e)
{
	AUTO(buf_wipe) struct buf *plain = NULL;
	AUTO(cert_stack_free) STACK_OF(X509) *certs = NULL;
	struct scep_verdict v = { -1, NULL };
	struct err why;

	scep_envelope_check(m, p->self, &v);
	if (v.fail == SCEP_BAD_ALG && m->cipher_nid == NID_des_cbc)
		return err_set(e, ERR_INVALID,
		    "CertRep: in single DES, which is broken; --allow-des "
		    "takes it all the same");
	if (v.fail >= 0)
		return err_set(e, ERR_INVALID, "CertRep: %s", v.text);
	scep_open(m, p->self, p->key, &plain, &v);
	if (v.fail < 0 &&
	    scep_client_certificates(buf_slice(plain), &certs, &why) &&
	    choose(certs, ca, p, out))
		return true;
	return err_set(e, ERR_INVALID,
	    "CertRep: it does not hold one certificate for our key, unexpired "
	    "and signed by a CA of GetCACert");
}

bool
scep_client_read_reply(struct slice der, const struct scep_client_options *o,
    const struct scep_client_ca *ca, const struct scep_pending *p,
    struct scep_client_result *r, struct err *e)
{
	AUTO(scep_message_free) struct scep_message *m = NULL;
	struct scep_verdict v;

	if (!scep_parse(NULL, der, &m, &v, e))
		return err_wrap(e, "CertRep");
	if (v.fail >= 0)
		return err_set(e, ERR_INVALID, "CertRep: %s", v.text);
	if (!scep_client_signer(o, ca, m->signer, e))
		return err_wrap(e, "CertRep");
	if (!check_reply(m, p, e))
		return false;
	m->allow_des = o->allow_des;
	r->status = m->status;
	r->fail_info = m->status == SCEP_FAILURE ? m->fail_info : -1;
	str_copy_cut(r->fail_text, sizeof(r->fail_text), m->fail_text);
	return m->status != SCEP_SUCCESS || open_reply(m, ca, p, &r->cert, e);
}
