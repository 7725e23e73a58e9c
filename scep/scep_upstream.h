/*
 * One request to an upstream authority, as a registration authority makes it:
 * another SCEP server (RFC 8894), or one of EST (RFC 7030).  The request goes
 * there as the client made it; what comes back is checked.  No state; a call
 * runs on the thread of its struct fetch and takes as long as that allows, for
 * each of up to three exchanges.
 */
#pragma once

#include "certs/cert_x509.h"
#include "core/fetch.h"

struct scep_upstream_options {
	bool est;            /* else SCEP */
	const char *url;     /* as struct scep_est_options, scep_client_options
	                      */
	struct fetch *fetch; /* has the anchors of TLS and our certificate */
	/* CA certificates that are configured, never taken from the server
	 * alone: a certificate has to lead to one of them.  SCEP: the first has
	 * to be in GetCACert, above whoever takes requests, or be that RA. */
	STACK_OF(X509) * anchors;
	const char *user, *password; /* EST: HTTP Basic; or NULL */
	const char *ca_name;         /* SCEP: message= of GetCACert; or NULL */
	/* SCEP: signs, and reads the answer; RSA.  A key that opens nothing but
	 * answers: what an upstream sends may have been meant for another. */
	X509 *ra;
	EVP_PKEY *ra_key;
	bool allow_des; /* SCEP: as of struct scep_client_options */
	/* Renewals go there as such: simplereenroll, and RenewalReq where it is
	 * offered.  Else they are requests like others, which is what a
	 * registration authority may ask for everywhere: the old certificate
	 * that should sign is not ours. */
	bool renew;
};

struct scep_upstream_request {
	struct slice csr; /* DER */
	bool waiting;     /* the upstream said to wait for it */
	/* It may have come there before, and the answer was lost: SCEP asks for
	 * that first, so that no second one is issued. */
	bool perhaps;
	bool renewal;
};

enum scep_upstream_state {
	SCEP_UPSTREAM_ISSUED,
	SCEP_UPSTREAM_WAITING, /* the upstream has it: ask again, waiting set */
	SCEP_UPSTREAM_LATER,   /* a fault that may pass: ask the same again */
	SCEP_UPSTREAM_REFUSED  /* for good */
};
struct scep_upstream_answer {
	enum scep_upstream_state state;
	X509 *cert; /* ISSUED; the answer's */
	/* ISSUED: CA certificates of the upstream, between cert and an anchor
	 * among them; the answer's. */
	STACK_OF(X509) * chain;
	int64_t retry_after_s; /* that the upstream asks for; 0: did not say */
	/* LATER: it does not take us, whatever the request is; an administrator
	 * has to mend that. */
	bool ours;
	/* LATER and REFUSED: why, for people; ASCII, no secrets. */
	char reason[256];
};
/*
 * Asks once.  There is no failure but what *out says.  The same request asked
 * again is the same transaction of SCEP.  A certificate that is returned is of
 * the key of the CSR, valid but for clocks that differ by five minutes, leads
 * to an anchor, and is not one of a CA. Clear *out with
 * scep_upstream_answer_clear().
 */
void scep_upstream_ask(const struct scep_upstream_options *o,
    const struct scep_upstream_request *rq, struct scep_upstream_answer *out);
void scep_upstream_answer_clear(struct scep_upstream_answer *a);

/*
 * How long to wait after so many attempts (1: the first) with the same result:
 * from 10 s, doubled up to 1 h, no earlier than the upstream asked for (at most
 * a day), and never the same for all who wait.
 */
int64_t scep_upstream_delay_ms(int attempts, int64_t retry_after_s);
