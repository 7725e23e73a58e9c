/*
 * Secrets of templates: the static challenge of those that have one, kept as a
 * MAC, and the key that goes with a webhook, sealed.  Neither is shown again.
 * No state; any thread.
 */
#pragma once

#include <jansson.h>

#include "core/seal.h"
#include "store/store.h"

enum { SCEP_SECRET_MIN = 16, SCEP_SECRET_MAX = 128, SCEP_SECRET_NAMES = 1000 };

/* What everybody who sets, lists or starts one has to know; a literal. */
#define SCEP_STATIC_WARNING                                                    \
	"every client of this template has the same challenge: whoever sees "  \
	"it gets a certificate in the name of any device on its list"

struct scep_secret_wish {
	const char *template;
	const char *secret; /* NULL: made by random */
	/* Array of strings; of static ones.  NULL: those that are there. */
	const json_t *names;
	const char *by;
};
struct scep_secret_made {
	const char *kind;               /* "static", "webhook"; a literal */
	char text[SCEP_SECRET_MAX + 1]; /* to be wiped */
	bool random;
};
/*
 * Sets or replaces it, with an event.  ERR_NOT_FOUND: no such template;
 * ERR_CONFLICT: its kind of challenge has no secret; ERR_INVALID: the secret is
 * not 16 to 128 printable ASCII characters, or names is not a list of 1 to 1000
 * different names of at most 64 characters (and none for webhooks).
 */
MUST_CHECK bool scep_secret_set(struct store_tx *tx, const struct seal *seal,
    const struct scep_secret_wish *wish, struct scep_secret_made *out,
    struct err *e);
/* Only the names of a static challenge, which stays as it is.  ERR_NOT_FOUND:
 * no such template, or it has no secret yet; else as scep_secret_set(). */
MUST_CHECK bool scep_secret_rename(
    struct store_tx *tx, const struct scep_secret_wish *w, struct err *e);
/* ERR_NOT_FOUND: there is none. */
MUST_CHECK bool scep_secret_remove(
    struct store_tx *tx, const char *template, const char *by, struct err *e);
/* After a template changed: one of another kind than it has now goes, so that
 * it does not come back unseen. */
MUST_CHECK bool scep_secret_follow(
    struct store_tx *tx, const char *template, struct err *e);
/* Adds secret_set_at, names and, for static ones, warning to a template as the
 * API shows it. */
MUST_CHECK bool scep_secret_show(
    struct store_tx *tx, const char *template, json_t *o, struct err *e);
/* A line in the log for each static challenge that there is. */
MUST_CHECK bool scep_secret_warn(struct store *st, struct err *e);
