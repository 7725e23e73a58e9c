/*
 * CertReps (RFC 8894 sections 3.2 and 3.3.2).  No state; any thread.
 */
#include "core/limits.h"
#include "core/random.h"
#include "scep/scep_priv.h"

enum { NONCE_SIZE = 16 };

/* Certificate or CRL, degenerate, for who signed the request. */
static bool
seal_answer(const struct scep_message *m, const struct scep_reply *r,
    struct buf **out, struct err *e)
{
	AUTO(buf_free) struct buf *inner = buf_new(LIMIT_SCEP_CRL + 64);
	int cipher = m->cipher_nid;

	/* Single DES may come in, but never goes out. */
	if (cipher == NID_des_cbc || cipher == NID_undef)
		cipher = NID_des_ede3_cbc;
	scep_degenerate(r->cert_der, r->crl_der, inner);
	return buf_ok(inner, e) &&
	       scep_envelope_make(
	           buf_slice(inner), m->signer, m->signer_use, cipher, out, e);
}

bool
scep_reply_build(const struct scep_message *m, const struct scep_reply *r,
    X509 *ra, EVP_PKEY *ra_key, struct buf **out, struct err *e)
{
	AUTO(buf_free) struct buf *envelope = NULL;
	bool failed = r->status == SCEP_FAILURE;
	uint8_t nonce[NONCE_SIZE];

	if (r->status == SCEP_SUCCESS && !seal_answer(m, r, &envelope, e))
		return false;
	random_bytes(nonce, sizeof(nonce));
	struct scep_sign in = {
		.cert = ra,
		.key = ra_key,
		.digest_nid = m->digest_nid,
		.content = envelope != NULL ? buf_slice(envelope)
					    : slice_str(""),
		.attrs = {
		    .type = SCEP_CERT_REP,
		    .status = (int)r->status,
		    .fail_info = failed ? (int)r->fail : -1,
		    .fail_text = failed ? r->fail_text : NULL,
		    .transaction_id = m->transaction_id,
		    .transaction_tag = m->transaction_tag,
		    .sender_nonce = slice_of(nonce, sizeof(nonce)),
		    .recipient_nonce =
			slice_of(m->sender_nonce, m->sender_nonce_len),
		},
	};
	return scep_sign(&in, out, e);
}
