/*
 * What the files of the authority share.  The rows are the truth about which
 * certificates are active; a key file no row names is nobody's.
 */
#pragma once

#include "certs/cert_authority.h"

#define CERT_ROLE_ROOT "root"
#define CERT_ROLE_ISSUING "issuing"
#define CERT_ROLE_RA "ra"

/* A row of table authority. */
struct cert_authority_row {
	char id[64];
	char role[16];
	char key_file[80]; /* below the key directory */
	X509 *certificate;
};
void cert_authority_row_clear(struct cert_authority_row *r);
/* Path of its key. */
char *cert_authority_key_path(
    const char *key_dir, const struct cert_authority_row *r);

/* cert_authority_db.c.  The active row of a role; certificate NULL: none. */
MUST_CHECK bool cert_authority_db_active(struct store_tx *tx, const char *role,
    struct cert_authority_row *out, struct err *e);
MUST_CHECK bool cert_authority_db_add(
    struct store_tx *tx, const struct cert_authority_row *r, struct err *e);
/* *retired false: another one did it first. */
MUST_CHECK bool cert_authority_db_retire(
    struct store_tx *tx, const char *id, bool *retired, struct err *e);

/*
 * cert_authority_setup.c.  Makes root, issuing CA and RA, unless somebody else
 * did meanwhile.
 */
MUST_CHECK bool cert_authority_setup(
    struct store *st, const struct cert_authority_options *o, struct err *e);
/* Is it time for a new RA certificate, and would one last longer? */
bool cert_authority_ra_due(const X509 *ra, const X509 *issuing);
/* Makes it; the old row stays in state old. */
struct cert_authority_renewal {
	const struct cert_authority_options *options;
	const struct cert_authority_row *old;
	X509 *issuing;
	EVP_PKEY *issuing_key;
};
MUST_CHECK bool cert_authority_renew_ra(
    struct store *st, const struct cert_authority_renewal *r, struct err *e);
