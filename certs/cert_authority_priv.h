/* What the files of the authority share. */
#pragma once

#include <stdatomic.h>

#include "certs/cert_authority.h"
#include "certs/cert_build_priv.h"
#include "certs/cert_template_set.h"

/* Rows in the database; each rollover leaves two. */
enum { CERT_MEMBERS_MAX = 256 };

/* "<organization> Issuing CA G1" is a CN of at most 64 characters. */
enum { CERT_ORGANIZATION_CHARS_MAX = 48 };

/* Extensions of one template, encoded, by the kind of key; ec may be NULL. */
struct cert_usages {
	struct buf *rsa, *ec;
};

struct cert_authority {
	atomic_int references;
	struct cert_member *members[CERT_MEMBERS_MAX];
	size_t count;
	/* Of them: the active generation, and the next or NULL. */
	struct cert_member *root, *issuing, *ra, *next;
	const struct cert_member *recipients[CERT_MEMBERS_MAX + 1];
	char (*spki)[SHA256_HEX_SIZE]; /* of each: keys we never certify */
	/* Of each: where its CRL, OCSP and certificate are; NULL: not said. */
	struct buf **status;
	bool status_https; /* these addresses need TLS themselves */
	struct buf *chain, *next_chain;
	STACK_OF(X509) * anchors;      /* borrows of members */
	struct cert_member *requested; /* not among members; or NULL */
	struct cert_template_set *set;
	const struct cert_template *templates; /* of set */
	struct cert_usages *usages;            /* one for each of templates */
	int64_t version;
	int64_t dropped; /* next issuing CAs that were given up */
};

/* Fills a->usages. */
MUST_CHECK bool cert_authority_usages(struct cert_authority *a, struct err *e);

/* ---- cert_authority_status.c ---- */

/* Fills a->status.  ERR_INVALID: url is none that a certificate can hold. */
MUST_CHECK bool cert_authority_status(
    struct cert_authority *a, const char *url, struct err *e);
void cert_authority_status_free(struct cert_authority *a);
/* What a certificate of this template by this issuer says, encoded; empty:
 * nothing. */
struct slice cert_authority_status_of(const struct cert_authority *a,
    const struct cert_member *issuer, const struct cert_template *t);

/* ---- cert_authority_db.c ---- */

/* Grows with every change of authority or templates. */
MUST_CHECK bool cert_authority_db_version(
    struct store_tx *tx, int64_t *out, struct err *e);
/* All rows into a->members, oldest first. */
MUST_CHECK bool cert_authority_db_load(
    struct store_tx *tx, struct cert_authority *a, struct err *e);
/* How many issuing CAs there were that were given up before they began. */
MUST_CHECK bool cert_authority_db_dropped(
    struct store_tx *tx, int64_t *out, struct err *e);
/* Certificates in the ledger of an issuing CA, but for its RA's. */
MUST_CHECK bool cert_authority_db_issued(
    struct store_tx *tx, const char *id, int64_t *out, struct err *e);
/* The requested row; NULL: none. */
MUST_CHECK bool cert_authority_db_requested(
    struct store_tx *tx, struct cert_member **out, struct err *e);
MUST_CHECK bool cert_authority_db_any(
    struct store_tx *tx, bool *any, struct err *e);
MUST_CHECK bool cert_authority_db_add(
    struct store_tx *tx, const struct cert_member *m, struct err *e);
/* *moved false: it was not in state from; another one did it first. */
struct cert_authority_move {
	const char *id, *from, *to;
};
MUST_CHECK bool cert_authority_db_move(struct store_tx *tx,
    const struct cert_authority_move *move, bool *moved, struct err *e);

/* A requested row gets its certificate, issuer and state; *moved as above. */
MUST_CHECK bool cert_authority_db_certify(struct store_tx *tx,
    const struct cert_member *m, bool *moved, struct err *e);
/* A row in state from is over, and its key gone; *moved as above.  Rows are
 * never deleted: the sum of versions only grows. */
MUST_CHECK bool cert_authority_db_drop(struct store_tx *tx, const char *id,
    const char *from, bool *moved, struct err *e);
/* The row's key is away from now on. */
MUST_CHECK bool cert_authority_db_forget_key(
    struct store_tx *tx, const char *id, struct err *e);

/* Somebody was told that it ends in so many days; *first: of no smaller step
 * before.  Only of the active generation.  Nodes need not notice. */
MUST_CHECK bool cert_authority_db_alarmed(struct store_tx *tx, const char *id,
    int64_t step, bool *first, struct err *e);

/* An event about a row. */
struct cert_authority_news {
	const char *kind, *actor;
	const struct cert_member *member;
};
MUST_CHECK bool cert_authority_tell_of(
    struct store_tx *tx, const struct cert_authority_news *n, struct err *e);
/* The same, by the command line. */
MUST_CHECK bool cert_authority_tell(struct store_tx *tx, const char *kind,
    const struct cert_member *m, struct err *e);

/* ---- cert_authority_make.c: certificates of our own ---- */

enum cert_rank {
	CERT_RANK_ROOT,
	CERT_RANK_ISSUING,
	CERT_RANK_RA,
	CERT_RANK_SINGLE
};
struct cert_make {
	const struct cert_authority_options *options;
	enum cert_rank rank;
	int generation;                   /* 1: "... G1" */
	const struct cert_member *issuer; /* with its key; NULL: self-signed */
	const struct cert_member *old;    /* RA to follow; NULL: none */
	/* Whose kind of key it has, and organization if the issuer does not
	 * tell, unless the options say; NULL: as they come. */
	const struct cert_member *model;
	const char *state;
};
/* Key and certificate, not yet in the database. */
MUST_CHECK bool cert_authority_make(
    const struct cert_make *in, struct cert_member **out, struct err *e);
/* Gives it an id of its own. */
void cert_authority_name(
    struct cert_member *m, const char *role, const char *state);
/* The key alone: a row in state requested, or in->state. */
MUST_CHECK bool cert_authority_make_key(
    const struct cert_make *in, struct cert_member **out, struct err *e);
/* m->request, the CSR for m's key (RFC 2986): what in->rank and in->generation
 * say, with basicConstraints and keyUsage asked for. */
MUST_CHECK bool cert_authority_make_request(
    const struct cert_make *in, struct cert_member *m, struct err *e);
/* Gives up the key of what did not become a row (m NULL: nothing), because of
 * e: not when it is unknown whether the commit took place. */
void cert_authority_abandon(const struct cert_authority_options *o,
    const struct cert_member *m, const struct err *e);
/* Opens its key unless that is done. */
MUST_CHECK bool cert_authority_open_key(
    const struct cert_vault *v, struct cert_member *m, struct err *e);

/* ---- cert_authority_load.c ---- */

/* The snapshot of the database as it is; NULL: there is no authority.
 * ERR_CONFLICT: there is nothing but a request. */
MUST_CHECK bool cert_authority_load(struct store *st,
    const struct cert_authority_options *o, struct cert_authority **out,
    struct err *e);
/* The same; authority is NULL with nothing but a request, or nothing at all. */
struct cert_authority_found {
	struct cert_authority *authority;
	struct cert_member *requested;
	int64_t version;
};
MUST_CHECK bool cert_authority_find_all(struct store *st,
    const struct cert_authority_options *o, struct cert_authority_found *out,
    struct err *e);
/*
 * The same as it would be with these rows, which it takes.  ERR_CONFLICT: the
 * database has some already; ERR_INTERNAL: they are no whole authority; errors
 * of cert_vault_get(): a key that it needs does not open.
 */
struct cert_authority_rows {
	struct cert_member *m[CERT_MEMBERS_MAX];
	size_t count;
};
MUST_CHECK bool cert_authority_find_new(struct store *st,
    const struct cert_authority_options *o, struct cert_authority_rows *rows,
    struct cert_authority_found *out, struct err *e);
void cert_authority_found_clear(struct cert_authority_found *f);
/* ERR_INVALID: no name for certificates. */
MUST_CHECK bool cert_authority_check_options(
    const struct cert_authority_options *o, struct err *e);
/* How many issuing CAs there were, and one; a NULL: none. */
int cert_authority_generation(const struct cert_authority *a);
/* ERR_CONFLICT: the key of m is one of a's already (a token's, named again by
 * mistake). */
MUST_CHECK bool cert_authority_key_is_new(
    const struct cert_authority *a, const struct cert_member *m, struct err *e);

/* An RA of before is a recipient in this snapshot, and its 30 days are over. */
bool cert_authority_overlap_ended(const struct cert_authority *a);

/* ---- cert_authority_setup.c ---- */

/* Makes an authority, unless somebody else did meanwhile. */
MUST_CHECK bool cert_authority_setup(
    struct store *st, const struct cert_authority_options *o, struct err *e);

/* ---- cert_authority_ra.c ---- */

/* A row; that of an RA is in the ledger as well. */
MUST_CHECK bool cert_authority_add(
    struct store_tx *tx, const struct cert_member *m, struct err *e);
/* Is it time for a new RA certificate, and would one last longer? */
bool cert_authority_ra_due(const struct cert_authority *a);
/*
 * Makes it, unless somebody else did meanwhile.  reason -1: the old row stays,
 * in state old; else enum cert_reason: it is revoked and opens nothing more.
 * ERR_CONFLICT: the new key would be the revoked one, or the next RA has it.
 */
struct cert_ra_order {
	int reason;
	const char *actor; /* of the event */
};
/* Its certificate, in the ledger. */
MUST_CHECK bool cert_authority_revoke_ra(struct store_tx *tx,
    const struct cert_member *m, const struct cert_ra_order *order,
    struct err *e);
MUST_CHECK bool cert_authority_renew_ra(struct store *st,
    const struct cert_authority *a, const struct cert_authority_options *o,
    const struct cert_ra_order *order, struct err *e);

/* ---- cert_authority_chain.c ---- */

/* Fills a->anchors. */
MUST_CHECK bool cert_authority_find_anchors(
    struct cert_authority *a, struct err *e);

/* RA first, then up to the root: degenerate PKCS #7. */
MUST_CHECK bool cert_authority_chain(const struct cert_authority *a,
    const struct cert_member *ra, struct buf **out, struct err *e);
