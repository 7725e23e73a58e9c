/*
 * What an administrator does to the authority: rollover, the offline root,
 * backup and restore.  Each is one transaction that running servers notice by
 * themselves.  No state; one thread.
 */
#pragma once

#include "certs/cert_authority.h"

/*
 * Makes the next issuing CA, below the active root, and its RA; in single mode
 * the next self-signed CA.  From then on GetNextCACert offers it and requests
 * that are encrypted for it are answered by it.  ERR_CONFLICT: there is one;
 * ERR_NOT_FOUND: the root's key is away, and root_key is NULL.
 */
MUST_CHECK bool cert_roll_prepare(struct store *st,
    const struct cert_authority_options *o, EVP_PKEY *root_key, struct err *e);
/* Next becomes active, active becomes old.  ERR_CONFLICT: there is no next. */
MUST_CHECK bool cert_roll_switch(
    struct store *st, const struct cert_authority_options *o, struct err *e);
/*
 * Gives the next authority up: its rows, its RA and what was imported above
 * it, and their keys, but for those in a token.  ERR_NOT_FOUND: there is no
 * next; ERR_CONFLICT: it has issued certificates.
 */
MUST_CHECK bool cert_roll_drop_next(
    struct store *st, const struct cert_authority_options *o, struct err *e);

/*
 * An old issuing CA, and what stands above it alone, leave the profiles of new
 * Macs at once and answer no requests.  What it issued stays as it is.
 * ERR_NOT_FOUND: no issuing CA has this id; ERR_CONFLICT: it is not old.
 */
MUST_CHECK bool cert_roll_retire(struct store *st,
    const struct cert_authority_options *o, const char *id, struct err *e);

/*
 * A new key and certificate for the RA.  reason -1: the one before serves for
 * 30 days more; else enum cert_reason: it is revoked and opens nothing from
 * now on.  ERR_CONFLICT: the one CA is its own RA, or another did it meanwhile.
 */
MUST_CHECK bool cert_roll_renew_ra(struct store *st,
    const struct cert_authority_options *o, int reason, struct err *e);

/*
 * Takes the root's key out of the installation: *pem_out gets it, encrypted
 * under passphrase, and must be on disk (keep() does that) before the row
 * forgets it.  ERR_CONFLICT: it is away already, or in a token, or the root
 * issues itself; ERR_INVALID: the passphrase is short.
 */
struct cert_roll_keep {
	struct slice passphrase;
	bool (*keep)(struct slice pem, void *arg, struct err *e);
	void *arg;
};
MUST_CHECK bool cert_roll_take_root(struct store *st,
    const struct cert_authority_options *o, const struct cert_roll_keep *k,
    struct err *e);

/*
 * All certificates and keys as JSON text; each key is PKCS #8 encrypted under
 * passphrase.  Keys in tokens and keys that are away stay where they are.  The
 * ledger is not in it.  ERR_INVALID: the passphrase is short.
 */
struct cert_roll_held {
	size_t certificates, keys; /* in the text */
	size_t tokens, away;       /* keys that are elsewhere */
};
MUST_CHECK bool cert_roll_backup(struct store *st, const struct cert_vault *v,
    struct slice passphrase, struct buf **out, struct cert_roll_held *held_out,
    struct err *e);
/*
 * Into an installation without an authority, else ERR_CONFLICT.  Nothing is
 * written before all is known to be whole and the keys it works with are
 * opened.  ERR_INVALID: not a backup, not a whole one, or another passphrase;
 * else errors of cert_vault_get(), for keys in tokens.
 */
struct cert_roll_restore {
	struct slice text, passphrase;
	bool unchecked; /* takes one of an older program, which anybody may
	                 * have changed */
};
MUST_CHECK bool cert_roll_restore(struct store *st, const struct cert_vault *v,
    const struct cert_roll_restore *in, struct err *e);
