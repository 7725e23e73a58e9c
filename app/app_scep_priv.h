/* What the sources of mutsu scep share. */
#pragma once

#include "app/app_cli.h"
#include "core/fetch.h"
#include "scep/scep_client.h"

/* What the client borrows while it runs. */
struct app_scep_job {
	const struct app_args *args;
	struct scep_client_options o;
	struct cert_subject subject;
	struct scep_legacy *legacy;
	struct fetch *fetch;
	struct scep_client *client;
	EVP_PKEY *key, *old_key;
	X509 *old;
	char *challenge, *fingerprint;
	struct buf *tls_ca;
	char names[4][256]; /* of the old certificate's subject */
	int64_t wait_ms;
};

/* For AUTO(). */
void app_scep_clear(struct app_scep_job *j);

/* ---- app_scep_challenge.c ---- */

/*
 * The challenge of a request: from the file at path, else from the environment
 * (MUTSU_SCEP_CHALLENGE), else, with ask, from the terminal; never an argument,
 * which other users of the machine could see.  *out stays NULL when there is
 * none; free with str_wipe().
 */
MUST_CHECK bool app_scep_challenge(
    const char *path, bool ask, char **out, struct err *e);

/* ---- app_scep_ca.c ---- */

/* clang-format off */
#define APP_SCEP_SERVER_OPTIONS                                                \
	{ "ca-name", "NAME", "message of GetCACert (none)" },                  \
	{ "ca-fingerprint", "HEX",                                             \
	    "SHA-256 of the certificate that the server has to lead to" },     \
	{ "tls-ca", "FILE", "PEM trust anchors for https (the system's)" },    \
	{ "ca-out", "FILE", "write the certificates, PEM" }
/* clang-format on */

/* Reads those options.  Whatever fails is wrong here: nobody was asked. */
MUST_CHECK bool app_scep_read_server(struct app_scep_job *j, struct err *e);
/* GetCACaps and GetCACert.  Fails as scep_client_new() does. */
MUST_CHECK bool app_scep_connect(struct app_scep_job *j, struct err *e);
/* Writes --ca-out, if there is one. */
MUST_CHECK bool app_scep_write_chain(
    const struct app_scep_job *j, STACK_OF(X509) * chain, struct err *e);
/* Says what went wrong while the server was asked; an exit code. */
int app_scep_failed(const struct err *e);
/* mutsu scep getca and getnextca. */
int app_scep_getca(const struct app_args *a);
int app_scep_getnextca(const struct app_args *a);

/* ---- app_scep_key.c ---- */

/*
 * The certificate that is renewed, and its key: what signs the request.
 * Whatever fails is wrong here, as with the next one.
 */
MUST_CHECK bool app_scep_load_old(struct app_scep_job *j, struct err *e);
/*
 * The key to be certified: that of --key or, where no such file is, a new one
 * of the kind that --new-key says, else of that of the old certificate's.
 * After app_scep_load_old().
 */
MUST_CHECK bool app_scep_load_key(struct app_scep_job *j, struct err *e);
