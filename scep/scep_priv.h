/*
 * What the sources of scep/ share among themselves: signed attributes, the
 * texts of failInfoText, and small DER helpers.  Not for other directories.
 */
#pragma once

#include <openssl/cms.h>

#include "scep/scep_message.h"

/*
 * One text for everything that can go wrong between the encrypted key and a
 * CSR whose own signature is good.  A peer who could tell these cases apart
 * would have a padding oracle on other people's requests.
 */
#define SCEP_TEXT_NOT_FOR_US "the request is encrypted for another certificate"
#define SCEP_TEXT_UNREADABLE "the request could not be decrypted or read"
/* One text for a challenge that is missing, unknown, used or expired. */
#define SCEP_TEXT_CHALLENGE "challenge password invalid or expired"
#define SCEP_TEXT_KEY_TAKEN                                                    \
	"the key belongs to another certificate, or was revoked as "           \
	"compromised"

/* Sets v and empties OpenSSL's error queue; text is a literal. */
void scep_refuse(struct scep_verdict *v, enum scep_fail fail, const char *text);

/* The signed attributes we know (RFC 8894 3.2.1, RFC 5652 11). */
enum scep_attr {
	SCEP_ATTR_TYPE,
	SCEP_ATTR_STATUS,
	SCEP_ATTR_FAIL_INFO,
	SCEP_ATTR_SENDER_NONCE,
	SCEP_ATTR_RECIPIENT_NONCE,
	SCEP_ATTR_TRANSACTION,
	SCEP_ATTR_FAIL_TEXT,
	SCEP_ATTR_CONTENT_TYPE,
	SCEP_ATTR_DIGEST,
	SCEP_ATTRS
};

/* The value of an attribute; tag 0 when it is absent, and also when it occurs
 * twice or has not exactly one value.  Borrowed from the message. */
struct scep_attr_value {
	int tag; /* V_ASN1_... */
	struct slice s;
};
void scep_attr_read(
    CMS_SignerInfo *si, struct scep_attr_value out[static SCEP_ATTRS]);
/* Moves the values of SCEP's attributes into m.  ERR_INVALID when what has to
 * be echoed is missing or malformed. */
MUST_CHECK bool scep_attr_take(
    const struct scep_attr_value a[static SCEP_ATTRS], struct scep_message *m,
    struct err *e);

/* Signed attributes of an outgoing message; fail_info and status -1: none. */
struct scep_attr_set {
	int type, status, fail_info;
	const char *transaction_id;
	int transaction_tag;
	struct slice sender_nonce,
	    recipient_nonce;   /* the latter may be empty */
	const char *fail_text; /* NULL: none */
};
/* Attributes on their way out.  bytes has a maximum that all of them fit in. */
struct scep_attr_list {
	struct buf *bytes; /* each encoded, in the order they were added */
	struct {
		size_t at, len;
	} list[SCEP_ATTRS + 1]; /* and signingTime */
	size_t count;
};
void scep_attr_list_clear(struct scep_attr_list *a);
/* type: contents of the OBJECT IDENTIFIER; tag: identifier of the value. */
void scep_attr_add(
    struct scep_attr_list *a, struct slice type, int tag, struct slice value);
void scep_attr_add_set(
    struct scep_attr_list *a, const struct scep_attr_set *set);
/* The contents of their SET OF, in ascending order of their encodings (X.690
 * 11.6). */
void scep_attr_put(const struct scep_attr_list *a, struct buf *out);

/* Signs content (empty: eContent is an empty string) into a pkiMessage. */
struct scep_sign {
	X509 *cert;
	EVP_PKEY *key;
	int digest_nid;
	struct slice content;
	struct scep_attr_set attrs;
};
MUST_CHECK bool scep_sign(
    const struct scep_sign *in, struct buf **out, struct err *e);

/* IssuerAndSerialNumber (RFC 5652 10.2.4); false: it cannot be encoded. */
MUST_CHECK bool scep_put_issuer_and_serial(struct buf *out, X509 *x);
/* Whether an envelope can name the recipient: its issuer and serial number are
 * not too long. */
bool scep_envelope_takes(X509 *recipient);
/* EnvelopedData of content for one RSA recipient, whose key is given apart;
 * DER. */
MUST_CHECK bool scep_envelope_make(struct slice content, X509 *recipient,
    EVP_PKEY_CTX *use, int cipher_nid, struct buf **out, struct err *e);
/* Degenerate SignedData that holds one certificate or, when that is empty, one
 * CRL (RFC 8894 3.4); DER. */
void scep_degenerate(
    struct slice cert_der, struct slice crl_der, struct buf *out);

/* Reads a ContentInfo off the front of *der; NULL: it is none. */
CMS_ContentInfo *scep_reader_cms(
    const struct scep_reader *r, struct slice *der);
/* The caller's; NULL when it does not decode. */
EVP_PKEY *scep_signer_key(X509 *signer);
/* True when si's signature over its signed attributes is by the key that
 * use is of. */
bool scep_signer_verify(CMS_SignerInfo *si, EVP_PKEY_CTX *use, int digest_nid);
/* RSA only (PKCS #1 v1.5). */
bool scep_verify(EVP_PKEY_CTX *use, int digest_nid, struct slice signature,
    struct slice over);

/* A key policy of RFC 8894 2.9 and ours: NULL if k is good, or a literal. */
const char *scep_key_problem(EVP_PKEY *k, bool ec);
/* The digests a signature may use: SHA-1 and SHA-2, never MD5. */
bool scep_digest_allowed(int nid);

/*
 * Reads one DER element from the front of *in: its tag and class, and its
 * contents.  False at the end and on anything malformed.
 */
bool scep_der_next(struct slice *in, int *tag, int *xclass, struct slice *body);
/* A SubjectPublicKeyInfo of RSA or EC in the one form that we certify: DER all
 * through, parameters as RFC 3279 2.3.1 and RFC 5480 2.1.1 have them, a point
 * that is not compressed.  Says nothing about the key's numbers. */
bool scep_spki_is_der(struct slice spki);
