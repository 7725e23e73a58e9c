/*
 * A SCEP client (RFC 8894 sections 2 to 4), for simulated Macs and for trying
 * servers.  What a server sends is bounded and checked before it is believed.
 */
#pragma once

#include "certs/cert_template.h"
#include "core/fetch.h"
#include "scep/scep_message.h"

struct scep_client_options {
	const char *url;     /* up to but without '?' */
	const char *ca_name; /* message= of GetCACert; NULL: none */
	/* SHA-256, hex, of one certificate of GetCACert, at which the chain of
	 * whoever signs and decrypts has to end; NULL: whatever comes counts.
	 */
	const char *ca_fingerprint;
	/* Of the request.  Without alternative names it asks for those of
	 * signer, if there is one. */
	const struct cert_subject *subject;
	const char *challenge; /* NULL: none */
	EVP_PKEY *key;         /* to be certified; borrowed */
	/* A certificate of this CA, and its key (RSA), that sign the request in
	 * place of a self-signed certificate: a renewal.  Borrowed, or NULL. */
	X509 *signer;
	EVP_PKEY *signer_key;
	/*
	 * Somebody else's PKCS #10 request in DER, sent as it is, by a
	 * registration authority whose certificate is signer: subject,
	 * challenge and key do not count, and it is no renewal.  The
	 * transaction follows from the key in it.  Empty: none.
	 */
	struct slice csr;
	bool renewal;   /* csr is that of a renewal all the same */
	bool get;       /* PKIOperation by GET */
	int digest_nid; /* of our signature; 0: by GetCACaps */
	int cipher_nid; /* of our envelope; 0: by GetCACaps */
	bool allow_des; /* in answers; needs scep_legacy_load() */
};

/* RFC 8894 3.5.2, as bits. */
enum scep_cap {
	SCEP_CAP_AES = 1,
	SCEP_CAP_DES3 = 2,
	SCEP_CAP_NEXT_CA = 4,
	SCEP_CAP_POST = 8,
	SCEP_CAP_RENEWAL = 16,
	SCEP_CAP_SHA1 = 32,
	SCEP_CAP_SHA256 = 64,
	SCEP_CAP_SHA512 = 128,
	SCEP_CAP_STANDARD = 256, /* brings AES, POST and SHA-256 with it */
	SCEP_CAP_SHA384 = 512    /* not in the RFC, yet in use */
};
struct scep_client_ca {
	unsigned caps;          /* of enum scep_cap */
	STACK_OF(X509) * chain; /* as GetCACert gave it */
	X509 *recipient; /* of it: requests are for this one; NULL: none */
};

/* One transaction with a server; belongs to the thread of f. */
struct scep_client;

/*
 * GetCACaps and GetCACert.  f and what o points to stay borrowed until
 * scep_client_free().  ERR_UNAVAILABLE: no connection; ERR_REFUSED: an HTTP
 * status other than 200, with what plain text says along with it (of GetCACaps
 * that means: no capabilities);
 * ERR_INVALID: what came is wrong; ERR_FORBIDDEN: the fingerprint is not that
 * of the server.
 */
MUST_CHECK bool scep_client_new(struct fetch *f,
    const struct scep_client_options *o, struct scep_client **out,
    struct err *e);
void scep_client_free(struct scep_client **c);
/* Borrowed. */
const struct scep_client_ca *scep_client_ca(const struct scep_client *c);
/* The keyword of one bit of enum scep_cap, or NULL. */
const char *scep_client_cap_name(unsigned bit);
/*
 * Where requests go: an RSA certificate that may decrypt, best one that may
 * sign too, or the only one there is; NULL: none.  Borrowed.  Only a CA's, an
 * RA's by its extendedKeyUsage, or the one whose fingerprint is pin, which may
 * be NULL.
 */
X509 *scep_client_recipient(STACK_OF(X509) * chain, const char *pin);

struct scep_client_result {
	int status;    /* scep_status */
	int fail_info; /* scep_fail_name(); -1: none */
	char fail_text[256];
	X509 *cert;             /* on success; caller's */
	STACK_OF(X509) * chain; /* what GetCACert gave; caller's */
};
/*
 * PKCSReq, or RenewalReq when there is a signer and the server offers it.  Any
 * CertRep that is signed by a certificate of GetCACert and answers our message
 * is success, whatever its status.  A certificate that is returned is the only
 * one for our key, valid now, and signed by a certificate of GetCACert.
 * Errors as of scep_client_new(); ERR_REFUSED also: nothing that we would use
 * is offered.  Clear *out with scep_client_result_clear().
 */
MUST_CHECK bool scep_client_send(
    struct scep_client *c, struct scep_client_result *out, struct err *e);
/* In place of scep_client_send(), by who comes back later: the same request
 * was answered with SCEP_PENDING, and will be polled. */
MUST_CHECK bool scep_client_resume(struct scep_client *c, struct err *e);
/* CertPoll (RFC 8894 3.3.3), after scep_client_send() gave SCEP_PENDING. */
MUST_CHECK bool scep_client_poll(
    struct scep_client *c, struct scep_client_result *out, struct err *e);
/* GetNextCACert (RFC 8894 4.7): signed by a certificate of GetCACert. */
MUST_CHECK bool scep_client_next_ca(
    struct scep_client *c, STACK_OF(X509) * *out, struct err *e);
void scep_client_result_clear(struct scep_client_result *r);

/* scep_client_new() and scep_client_send() in one. */
MUST_CHECK bool scep_client_enroll(struct fetch *f,
    const struct scep_client_options *o, struct scep_client_result *out,
    struct err *e);
/* Only the PKIOperation message, for load generators that prepare it.  ca is
 * what GetCACert gave. */
MUST_CHECK bool scep_client_request(const struct scep_client_options *o,
    STACK_OF(X509) * ca, struct buf **out, struct err *e);
