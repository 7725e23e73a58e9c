/* Secrets of templates, between the sources of scep/. */
#pragma once

#include "certs/cert_template.h"
#include "core/encode.h"
#include "scep/scep_secret.h"

/* A row of template_secret; "" and NULL for what is NULL. */
struct scep_secret {
	char template[32], kind[16], mac[SHA256_HEX_SIZE];
	struct buf *sealed;
	char *names; /* JSON */
	int64_t created_at;
};
void scep_secret_clear(struct scep_secret *s);

/* Whether a challenge is the one of the row; takes the same time for each that
 * is as long. */
bool scep_secret_fits(const struct scep_secret *s, const struct seal *seal,
    const char *challenge);
/* Whether the device is on the list of the row. */
bool scep_secret_lists(const struct scep_secret *s, const char *name);
/* The key of a webhook; free it with buf_wipe(). */
MUST_CHECK bool scep_secret_key(const struct scep_secret *s,
    const struct seal *seal, struct buf **out, struct err *e);

/* ---- scep_secret_db.c ---- */

/* found false: none, or one of another kind than the template has. */
MUST_CHECK bool scep_db_secret_find(struct store_tx *tx, const char *template,
    const char *kind, struct scep_secret *out, bool *found, struct err *e);
MUST_CHECK bool scep_db_secret_put(struct store_tx *tx,
    const struct scep_secret *s, const char *by, struct err *e);
/* *changed false: there is no static challenge. */
MUST_CHECK bool scep_db_secret_names(struct store_tx *tx, const char *template,
    const char *names, bool *changed, struct err *e);
/* kept: the kind that may stay; NULL: none. */
MUST_CHECK bool scep_db_secret_drop(struct store_tx *tx, const char *template,
    const char *kept, bool *dropped, struct err *e);
/* template, kind; by name */
MUST_CHECK bool scep_db_secrets(
    struct store_tx *tx, struct store_rows **out, struct err *e);
