/* How many certificates may live at a time: scep_line.c. */
#pragma once

#include "certs/cert_template.h"
#include "store/store.h"

/*
 * What has no end of its own is counted by lines: whatever came of one
 * certificate by renewals, since each of those may be renewed in turn; what a
 * static challenge gave to a name on its list; what a webhook gave to a key.
 */
enum { SCEP_LINE_MAX = 64 };
struct scep_line {
	char text[600]; /* "": none */
};
#define SCEP_TEXT_TOO_MANY                                                     \
	"too many certificates of this device or key are alive"
/* Of a first certificate by this template; subject (JSON) may be NULL as long
 * as it is not known.  A new static challenge begins new lines. */
struct scep_line_of {
	const struct cert_template *t;
	const char *spki, *subject;
};
MUST_CHECK bool scep_line_first(struct store_tx *tx,
    const struct scep_line_of *of, struct scep_line *out, struct err *e);
/* Whether as many as may live do. */
MUST_CHECK bool scep_line_full(struct store_tx *tx,
    const struct scep_line *line, bool *out, struct err *e);

/* ---- scep_db.c ---- */

/* How many of a line are alive or on hold. */
MUST_CHECK bool scep_db_line_living(struct store_tx *tx, const char *line,
    int64_t now_ms, int64_t *out, struct err *e);
