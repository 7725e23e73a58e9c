/*
 * The certificate authority: root, issuing CA and SCEP RA, so that the CA's
 * key never touches what came from the network (RFC 8894 7.2); or, in single
 * mode, one certificate that is all three.
 *
 * A struct cert_authority is an immutable snapshot of the database with a
 * count of references: any thread.  Who outlives a change keeps a struct
 * cert_live (cert_live.h) and takes the present snapshot for each piece of
 * work.
 */
#pragma once

#include "certs/cert_template.h"
#include "certs/cert_vault.h"
#include "certs/cert_x509.h"
#include "core/limits.h"
#include "store/store.h"

struct cert_authority;

#define CERT_ROLE_ROOT "root"
#define CERT_ROLE_INTERMEDIATE "intermediate" /* of an outside root */
#define CERT_ROLE_ISSUING "issuing"
#define CERT_ROLE_RA "ra"
#define CERT_STATE_REQUESTED "requested" /* a CSR is with an outside CA */
#define CERT_STATE_NEXT "next"
#define CERT_STATE_ACTIVE "active"
#define CERT_STATE_OLD "old"
#define CERT_STATE_REVOKED "revoked" /* an RA whose key got about */
#define CERT_STATE_RETIRED "retired" /* nobody is to trust it from now on */

/* A key to be made, or one in a token. */
struct cert_key_wish {
	enum cert_key_kind kind;
	const char *uri; /* "pkcs11:...": kind does not count */
};

/* Strings are borrowed for as long as whoever was given it lives. */
struct cert_authority_options {
	struct cert_vault vault;
	/* O of what is made; NULL: that of the authority there is, or "Mutsu".
	 */
	const char *organization;
	/* For what is made; zeroed: the kind of what it follows, or RSA 3072 /
	 * 2048 / 2048.  What follows a key in a token has to be told. */
	struct cert_key_wish root_key, issuing_key, ra_key;
	bool single; /* one self-signed CA, RSA */
	/* "http://host": issued certificates say that CRLs, OCSP and the
	 * issuer's certificate are below it; NULL: they do not say. */
	const char *status_url;
};

/* A row of table authority. */
struct cert_member {
	char id[64], role[16], state[16];
	char parent_id[64]; /* its issuer; "": self-signed */
	struct cert_vault_place place;
	X509 *certificate;   /* NULL while requested */
	struct buf *request; /* then its CSR, DER; NULL: an older program's */
	EVP_PKEY *key;       /* NULL: not needed, or not here */
	int64_t changed_at;
};
void cert_member_free(struct cert_member **m);
/* Its public key's "rsa2048", "p256", ... and its subject, of certificate or
 * request; "" when it has neither. */
struct cert_member_face {
	char key_type[CERT_KEY_TYPE_SIZE], subject[512];
};
void cert_member_face(
    const struct cert_member *m, struct cert_member_face *out);

/*
 * Loads the snapshot; an empty database gets an authority first, all rows in
 * one transaction, whichever node comes first.  Checks that keys fit their
 * certificates and certificates their issuers.  Replaces the RA certificate
 * when less than half of its life remains; one that cannot be replaced serves
 * until its end, and the log says so.
 *
 * The root's key is only needed for the first start and for rollover.
 *
 * Errors: those of cert_vault_get(); ERR_CONFLICT: its issuing CA waits for
 * the certificate of an outside root (cert_outside.h).
 */
MUST_CHECK bool cert_authority_open(struct store *st,
    const struct cert_authority_options *o, struct cert_authority **out,
    struct err *e);
/* Its certificates alone, to be looked at: opens no key, checks, makes and
 * renews nothing.  NULL: there is none. */
MUST_CHECK bool cert_authority_look(
    struct store *st, struct cert_authority **out, struct err *e);
/* Does the database hold an authority?  Then only its master key will do. */
MUST_CHECK bool cert_authority_exists(
    struct store *st, bool *out, struct err *e);
struct cert_authority *cert_authority_ref(struct cert_authority *a);
void cert_authority_free(struct cert_authority **a); /* one reference */

/* Borrowed: of the active generation. */
X509 *cert_authority_root(const struct cert_authority *a);
X509 *cert_authority_issuing(const struct cert_authority *a);
X509 *cert_authority_ra(const struct cert_authority *a);
EVP_PKEY *cert_authority_ra_key(const struct cert_authority *a);
const char *cert_authority_id(const struct cert_authority *a); /* issuing */
bool cert_authority_single(const struct cert_authority *a);
/*
 * The body of GetCACert.  Degenerate certificates-only PKCS #7: RA, issuing CA,
 * root, in this order (RFC 8894 4.2.1.2, application/x-x509-ca-ra-cert); in
 * single mode the one certificate (4.2.1.1, application/x-x509-ca-cert).
 */
struct slice cert_authority_ra_chain(const struct cert_authority *a);

/* All rows with a certificate, oldest first.  Keys are there for issuing CAs
 * and for RAs that are recipients. */
size_t cert_authority_members(
    const struct cert_authority *a, const struct cert_member *const **out);
/* NULL: none. */
const struct cert_member *cert_authority_find(
    const struct cert_authority *a, const char *id);
/*
 * Who may open a message: the active RA, the one before it for 30 days, and
 * that of the next generation.  NULL at the end.
 */
const struct cert_member *cert_authority_recipient(
    const struct cert_authority *a, size_t i);
/* The issuing CA of an RA; itself in single mode. */
const struct cert_member *cert_authority_issuer_of(
    const struct cert_authority *a, const struct cert_member *m);
/* The issuing CA in state next, or NULL: no rollover is under way. */
const struct cert_member *cert_authority_next(const struct cert_authority *a);
/* Degenerate PKCS #7 as of GetCACert with the next generation (RFC 8894
 * 4.7.1), which the answer to GetNextCACert signs; empty: none. */
struct slice cert_authority_next_chain(const struct cert_authority *a);

/*
 * What a Mac has to know: root, what stands between, issuing CA; the same of
 * the next generation; then roots of generations before that have not ended.
 * Each once.
 */
const STACK_OF(X509) * cert_authority_anchors(const struct cert_authority *a);
/* The CSR of an issuing CA below an outside root is out: its row, without a
 * certificate; NULL: none. */
const struct cert_member *cert_authority_requested(
    const struct cert_authority *a);

/* By name, of this snapshot; NULL: none. */
const struct cert_template *cert_authority_template(
    const struct cert_authority *a, const char *name);
/* All of them, ended by a NULL name. */
const struct cert_template *cert_authority_templates(
    const struct cert_authority *a);

/*
 * Builds and signs a certificate.  No database: the caller records the result
 * with cert_ledger_add() before it leaves.  pub is the X509_PUBKEY of the
 * request, whose key the caller has checked with cert_template_key().
 * ERR_INVALID: the subject does not fit; ERR_FORBIDDEN: the kind of key is not
 * for this template, or it is a key of the authority itself.
 */
struct cert_issue {
	const struct cert_template *template;
	const struct cert_subject *subject;
	X509_PUBKEY *pub;
	int64_t now_ms;
	const struct cert_member *issuer; /* NULL: the active issuing CA */
};
struct cert_issued {
	struct buf *der;
	char fingerprint[SHA256_HEX_SIZE], serial[64], subject[LIMIT_SUBJECT];
	char spki[SHA256_HEX_SIZE];
	char authority_id[64]; /* who signed it */
	int64_t not_before, not_after;
};
MUST_CHECK bool cert_authority_issue(const struct cert_authority *a,
    const struct cert_issue *in, struct cert_issued *out, struct err *e);
/* Frees der. */
void cert_issued_clear(struct cert_issued *i);

/* Makes a P-256 key and its certificate for the device listener from template
 * tls-server, for DNS name or address host; both PEM, the certificate with
 * its chain.  Free the key with buf_wipe().  No database: see
 * cert_tls_own_note(). */
MUST_CHECK bool cert_authority_tls(const struct cert_authority *a,
    const char *host, struct buf **cert_out, struct buf **key_out,
    struct err *e);
