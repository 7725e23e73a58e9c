/* A SCEP client, for simulated Macs and for trying servers. */
#pragma once

#include "certs/cert_template.h"
#include "core/fetch.h"
#include "scep/scep_message.h"

struct scep_client_options {
	const char *url;     /* up to but without '?' */
	const char *ca_name; /* message= of GetCACert; NULL: none */
	const struct cert_subject *subject; /* of the request */
	const char *challenge;
	EVP_PKEY *key;  /* to be certified; borrowed */
	bool get;       /* PKIOperation by GET */
	bool des3_sha1; /* instead of AES and SHA-256 */
};
struct scep_client_result {
	int status;    /* scep_status */
	int fail_info; /* -1: none */
	char fail_text[256];
	X509 *cert;             /* on success; caller's */
	STACK_OF(X509) * chain; /* what GetCACert gave; caller's */
};
/*
 * GetCACaps, GetCACert, PKCSReq.  Any CertRep that is signed by the RA of
 * GetCACert and answers our transaction is success, whatever its status.
 * ERR_REFUSED: the server does not offer what o asks for, or answered with
 * another HTTP status than 200; ERR_INVALID: what it answered is wrong.
 * Clear *out with scep_client_result_clear().
 */
MUST_CHECK bool scep_client_enroll(struct fetch *f,
    const struct scep_client_options *o, struct scep_client_result *out,
    struct err *e);
void scep_client_result_clear(struct scep_client_result *r);
/* Only the PKIOperation message, for load generators that prepare it.  ca is
 * what GetCACert gave. */
MUST_CHECK bool scep_client_request(const struct scep_client_options *o,
    STACK_OF(X509) * ca, struct buf **out, struct err *e);
