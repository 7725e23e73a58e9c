/*
 * SCEP messages (RFC 8894 section 3): bytes in, bytes out; no database, no
 * HTTP.  Both sides: the service parses requests and builds replies, the
 * client the reverse.  Safe from any thread.
 */
#pragma once

#include "certs/cert_x509.h"

/* RFC 8894 3.2.1.2. */
enum scep_type {
	SCEP_CERT_REP = 3,
	SCEP_RENEWAL_REQ = 17,
	SCEP_UPDATE_REQ = 18, /* drafts only */
	SCEP_PKCS_REQ = 19,
	SCEP_CERT_POLL = 20,
	SCEP_GET_CERT = 21,
	SCEP_GET_CRL = 22
};
/* RFC 8894 3.2.1.3. */
enum scep_status { SCEP_SUCCESS = 0, SCEP_FAILURE = 2, SCEP_PENDING = 3 };
/* RFC 8894 3.2.1.4. */
enum scep_fail {
	SCEP_BAD_ALG = 0,
	SCEP_BAD_MESSAGE_CHECK = 1,
	SCEP_BAD_REQUEST = 2,
	SCEP_BAD_TIME = 3,
	SCEP_BAD_CERT_ID = 4
};
/* "badAlg" and so on; "no failInfo" for what is none of them.  A literal. */
const char *scep_fail_name(int fail);

/*
 * OpenSSL's legacy provider, which has single DES (tests with old clients
 * only).  Loaded for the whole process until it is freed; before the threads
 * start, and after they ended.
 */
struct scep_legacy;
MUST_CHECK bool scep_legacy_load(struct scep_legacy **out, struct err *e);
void scep_legacy_free(struct scep_legacy **l);

/* A request or reply whose signature verified. */
struct scep_message {
	int type;
	char transaction_id[257];
	int transaction_tag; /* ASN.1 tag of the value, for the echo */
	uint8_t sender_nonce[64], recipient_nonce[64];
	size_t sender_nonce_len, recipient_nonce_len;
	int status, fail_info; /* replies; -1: absent */
	char fail_text[256];
	X509 *signer;         /* who signed; its own key may not be decoded */
	EVP_PKEY *signer_key; /* NULL: refused for it */
	/* To check and encrypt with that key, one after the other: making one
	 * takes longer than using it.  NULL: as above, or not accepted. */
	EVP_PKEY_CTX *signer_use;
	int digest_nid;       /* of the signature; a reply uses the same */
	int cipher_nid;       /* of the envelope once opened; likewise */
	bool allow_des;       /* set before scep_open(): single DES too */
	struct buf *envelope; /* the inner ContentInfo as sent, NULL: none */
};
void scep_message_free(struct scep_message **m);

/*
 * Lets scep_parse() leave the keys of certificates undecoded but for the one
 * it needs, which saves a tenth of a whole PKIOperation.  Outlives every
 * message that was read with it; any thread.
 */
struct scep_reader;
MUST_CHECK bool scep_reader_new(struct scep_reader **out, struct err *e);
void scep_reader_free(struct scep_reader **r);

/*
 * Parses and verifies a pkiMessage; r may be NULL.  ERR_INVALID: nothing to
 * echo, answer HTTP 400.  When it can be echoed but is refused, *out is set,
 * true is returned and *fail_out (a scep_fail, else -1) says with what, text in
 * fail_text_out.
 */
struct scep_verdict {
	int fail;         /* scep_fail, or -1: good */
	const char *text; /* literal, for failInfoText */
};
MUST_CHECK bool scep_parse(const struct scep_reader *r, struct slice der,
    struct scep_message **out, struct scep_verdict *verdict, struct err *e);

/* True if scep_parse() would find SignedData in these bytes and nothing behind
 * it; what it says is not looked at. */
bool scep_is_message(struct slice der);

/*
 * What can be seen of an envelope without opening it: is it one, for this
 * recipient, in a cipher that we take?  Sets cipher_nid of m.
 */
void scep_envelope_check(
    struct scep_message *m, X509 *recipient, struct scep_verdict *verdict);

/*
 * Opens the envelope with our key, after that check.  Every failure of
 * decryption gives the same verdict, and so does everything up to the CSR's
 * own signature in scep_csr_parse(): no oracle.  *plain_out is the
 * messageData, set when the verdict is good; free with buf_wipe().
 */
void scep_open(struct scep_message *m, X509 *recipient, EVP_PKEY *key,
    struct buf **plain_out, struct scep_verdict *verdict);

/* What a request for a certificate holds. */
struct scep_csr {
	EVP_PKEY *key;
	X509_PUBKEY *pub; /* the same, encoded; of req or signer */
	X509_REQ *req;
	X509 *signer;
	char *challenge; /* NULL: none; wiped when freed */
	char spki[SHA256_HEX_SIZE];
	int digest_nid; /* of its own signature */
};
void scep_csr_free(struct scep_csr **c);
/*
 * Proof of possession first, then version, algorithms, key policy, and at most
 * one challenge.  ec: P-256 and P-384 keys are accepted too.  from: a message
 * that scep_parse() accepted; when its signer has the same key, that is decoded
 * and checked once.  May be NULL.
 */
void scep_csr_parse(struct slice der, bool ec, const struct scep_message *from,
    struct scep_csr **out, struct scep_verdict *verdict);

/* Builds a CertRep for request m with its digest and cipher (3DES for single
 * DES).  SUCCESS: cert_der is the certificate returned, and behind it
 * those between it and its root, enveloped for
 * m->signer; FAILURE: fail and fail_text count. */
struct scep_reply {
	enum scep_status status;
	enum scep_fail fail;
	const char *fail_text;
	struct slice cert_der;
	struct slice crl_der; /* not empty: instead of cert_der */
};
MUST_CHECK bool scep_reply_build(const struct scep_message *m,
    const struct scep_reply *r, X509 *ra, EVP_PKEY *ra_key, struct buf **out,
    struct err *e);
