/*
 * Certificate templates: what a certificate says comes from a row here and
 * from the challenge that allowed it, never from the request (CERT VU#971035).
 * Constant data; safe from any thread.
 */
#pragma once

#include <jansson.h>

#include "certs/cert_key.h"

enum { CERT_MORE_NAMES = 16 };

/*
 * What a certificate will say; strings borrowed, any but cn may be NULL.
 * cn, o, ou and uid make the subject (RFC 5280 A.1: at most 64 characters
 * each; uid 255); email, dns, ip and uri are subject alternative names.
 */
struct cert_subject {
	const char *cn, *o, *ou, *uid, *email, *dns, *ip, *uri;
	/* Alternative names behind the first of their kind ("email", "dns",
	 * "ip", "uri"), up to the first without one.  Not in templates. */
	struct cert_alternative {
		const char *kind, *value;
	} more[CERT_MORE_NAMES];
};

/* By what a first request for a certificate shows that it may have one. */
enum cert_challenge {
	CERT_CHALLENGE_ONE_TIME, /* made for it, used once */
	CERT_CHALLENGE_STATIC,   /* one for all: whoever sees it has it */
	CERT_CHALLENGE_WEBHOOK,  /* somebody else is asked */
	CERT_CHALLENGE_NONE      /* nothing: only renewals, or a person */
};

struct cert_template {
	const char *name; /* "device-identity" */
	const char *help;
	const char *key_usage;     /* X509V3 text, "critical,..." */
	const char *key_usage_ec;  /* the same for an EC key, which cannot
	                              encipher; NULL when ec is false */
	const char *ext_key_usage; /* X509V3 text, or NULL */
	int64_t life_days;         /* from now, never beyond the issuer */
	int64_t backdate_ms;       /* notBefore lies so far in the past */
	int64_t renew_days;        /* before the end, from when on a renewal is
	                              accepted; 0: always */
	int64_t rsa_min, rsa_max;  /* bits, 2048 to 4096 */
	int64_t ec_min;            /* bits, 256 or 384 */
	bool rsa;                  /* RSA keys allowed */
	bool ec;                   /* P-256 and P-384 keys allowed too */
	bool san; /* subject alternative names from the subject */
	/* Accepted in messages; Apple's clients need SHA-1 for theirs. */
	bool sha1, des3;
	enum cert_challenge challenge;
	bool approval; /* and then a person decides */
	bool strict;   /* a request that asks for more is refused */
	/* Patterns (cert_pattern.h), in force when cn is not NULL: else the
	 * challenge says it. */
	struct cert_subject subject;
	const char *webhook; /* URL, of those who ask one */
	int64_t webhook_seconds;
	/* The outside authority that issues; NULL: ours.  Then usages, life and
	 * names are that one's to decide. */
	const char *upstream;
};

/* ERR_INVALID says which rule of the template, or of
 * cert_key_acceptable(), failed. */
MUST_CHECK bool cert_template_key(
    const struct cert_template *t, EVP_PKEY *k, struct err *e);

/* NULL when there is no such template. */
const struct cert_template *cert_template_find(const char *name);
/* All of them, ended by a NULL name. */
const struct cert_template *cert_templates(void);

/* "one-time", "static", "webhook", "none". */
const char *cert_challenge_name(enum cert_challenge kind);

#define CERT_TEMPLATE_DEVICE "device-identity" /* MDM identity; 1 year */
#define CERT_TEMPLATE_USER                                                     \
	"device-user"             /* rolled out at assignment; 3 y 1 m         \
	                           */
#define CERT_TEMPLATE_SCEP "scep" /* other SCEP clients, by challenge */
#define CERT_TEMPLATE_TLS "tls-server"
#define CERT_TEMPLATE_RA "scep-ra" /* in the ledger only */

/* ERR_INVALID, which names the field, for what no certificate can say. */
MUST_CHECK bool cert_subject_check(const struct cert_subject *s, struct err *e);
/* What cert_subject() tells of a certificate with this name. */
void cert_subject_text(const struct cert_subject *s, char *out, size_t size);
/* JSON for the challenge table; the caller's.  Not NULL. */
char *cert_subject_json(const struct cert_subject *s);
/* And back: strings are borrowed from *keep_out, which the caller frees with
 * json_free().  ERR_INVALID: not a subject. */
MUST_CHECK bool cert_subject_from_json(const char *text,
    struct cert_subject *out, json_t **keep_out, struct err *e);
