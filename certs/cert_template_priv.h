/* What the files of templates share. */
#pragma once

#include "certs/cert_template_set.h"

/* Texts of one template that is no constant. */
struct cert_template_text {
	char name[CERT_TEMPLATE_NAME_SIZE], help[201];
	char key_usage[80], key_usage_ec[80], ext_key_usage[160];
	char subject[1024], webhook[256];
	char upstream[CERT_TEMPLATE_NAME_SIZE];
};

/* ---- cert_template_fields.c ---- */

/* Reads and checks what a template says; *out points into *text. */
MUST_CHECK bool cert_template_fields(const char *name, const json_t *fields,
    struct cert_template_text *text, struct cert_template *out, struct err *e);
/* And back; the caller's. */
json_t *cert_template_fields_json(const struct cert_template *t);
/* A copy without what is fixed in a built-in template and says what it is, so
 * that it takes what it shows; the caller's. */
json_t *cert_template_fields_kept(const char *name, const json_t *fields);

/* ---- cert_template_who.c: challenge, beyond, subject, webhook ---- */

/* The same for these fields; the others are in *t already. */
MUST_CHECK bool cert_template_who(const json_t *fields,
    struct cert_template_text *text, struct cert_template *t, struct err *e);
void cert_template_who_json(const struct cert_template *t, json_t *o);

/* ---- cert_template_db.c ---- */

/* Rows of name, fields (JSON), changed_at, by name. */
MUST_CHECK bool cert_template_db_rows(
    struct store_tx *tx, struct store_rows **out, struct err *e);
MUST_CHECK bool cert_template_db_find(
    struct store_tx *tx, const char *name, bool *out, struct err *e);
/* What it says, JSON, the caller's; NULL: it is not there. */
MUST_CHECK bool cert_template_db_get(
    struct store_tx *tx, const char *name, char **out, struct err *e);
/* Also removed ones. */
MUST_CHECK bool cert_template_db_ever(
    struct store_tx *tx, const char *name, bool *out, struct err *e);
MUST_CHECK bool cert_template_db_count(
    struct store_tx *tx, int64_t *out, struct err *e);
/* fields NULL: it is removed; its row goes on counting versions. */
struct cert_template_change {
	const char *name, *fields, *by;
};
MUST_CHECK bool cert_template_db_put(
    struct store_tx *tx, const struct cert_template_change *c, struct err *e);
