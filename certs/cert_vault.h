/*
 * Where the private keys of the authority live: sealed in their row, in a file
 * under a passphrase, or in a PKCS #11 token.  Constant after it is filled;
 * opening keys of a token is for one thread at a time, the rest for any.
 */
#pragma once

#include "certs/cert_key.h"
#include "core/seal.h"

/* Kinds as table authority names them. */
#define CERT_VAULT_SEALED "sealed" /* AES-256-GCM under master.key */
#define CERT_VAULT_FILE "file"     /* encrypted PKCS #8, PEM */
#define CERT_VAULT_PKCS11 "pkcs11" /* RFC 7512 URI */
#define CERT_VAULT_AWAY "away"     /* not here: an outside or offline CA */

/*
 * Strings are borrowed.  Secrets are named, never given: "file:PATH" (its first
 * line; others may not read it) or "env:NAME".
 */
struct cert_vault {
	const struct seal *seal;
	const char *dir;           /* of key files */
	bool files;                /* new keys become files, not sealed */
	const char *passphrase;    /* of the files */
	const char *pkcs11_module; /* path of the token's library */
	const char *pkcs11_pin;
};

struct cert_vault_place {
	char kind[8];
	char ref[256];      /* file name below dir, or URI; "" */
	struct buf *sealed; /* or NULL */
};
void cert_vault_place_clear(struct cert_vault_place *p);

/* Keeps k for the row id.  ERR_INVALID: files without a passphrase. */
MUST_CHECK bool cert_vault_put(const struct cert_vault *v, const char *id,
    EVP_PKEY *k, struct cert_vault_place *out, struct err *e);
/* A key that is in a token already.  ERR_INVALID: not a URI, or one with a PIN
 * in it. */
MUST_CHECK bool cert_vault_token(
    const char *uri, struct cert_vault_place *out, struct err *e);
/*
 * ERR_NOT_FOUND: the key is not here; ERR_INVALID: others may read the file,
 * or passphrase, PIN or module are wrong; ERR_INTERNAL: sealed under another
 * master key.
 */
MUST_CHECK bool cert_vault_get(const struct cert_vault *v, const char *id,
    const struct cert_vault_place *p, EVP_PKEY **out, struct err *e);
/* Takes away the key file of a row that did not come to be. */
void cert_vault_abandon(
    const struct cert_vault *v, const struct cert_vault_place *p);
/* Reads "file:PATH" or "env:NAME"; what says which secret, for errors.
 * ERR_INVALID whatever keeps a file from being read.  The caller frees it with
 * buf_wipe(). */
MUST_CHECK bool cert_vault_secret(
    const char *name, const char *what, struct buf **out, struct err *e);
/* Is it long enough for a file that leaves the installation, and may be tried
 * at leisure?  ERR_INVALID: not CERT_PASSPHRASE_MIN characters. */
enum { CERT_PASSPHRASE_MIN = 12 };
MUST_CHECK bool cert_vault_passphrase_long(
    struct slice passphrase, struct err *e);
