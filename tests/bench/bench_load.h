/*
 * Load files: requests made beforehand, so that the generator only sends.
 *
 * A file is a row of lanes, a lane a row of steps that follow one another: one
 * request each, and what its answer has to look like.  Native byte order: a
 * file is read where it was written.  One thread.
 */
#pragma once

#include "core/str.h"

enum { LOAD_STEPS_MAX = 4 };

enum load_side { LOAD_DEVICE, LOAD_ADMIN, LOAD_SIDES };

/* What the body of an answer has to be. */
enum load_expect { LOAD_ANY, LOAD_EMPTY, LOAD_HAS };

struct load_step {
	enum load_side side;
	int status;
	enum load_expect expect;
	struct slice has;     /* bytes that occur in the body */
	struct slice request; /* header and body */
};

struct load_lane {
	struct load_step steps[LOAD_STEPS_MAX];
	size_t count;
};

/* ---- writing ---- */

struct load_file;

MUST_CHECK bool load_create(
    const char *path, struct load_file **out, struct err *e);
MUST_CHECK bool load_add(
    struct load_file *f, const struct load_lane *lane, struct err *e);
/* Its bytes are on disk when it returns, so that they do not go there while
 * something is measured. */
MUST_CHECK bool load_finish(struct load_file **f, struct err *e);
/* For AUTO(): closes without finishing. */
void load_file_free(struct load_file **f);

/* ---- reading ---- */

struct load {
	struct buf *bytes; /* what the lanes point into */
	struct load_lane *lanes;
	size_t count;
};

/* ERR_INVALID: not such a file. */
MUST_CHECK bool load_read(const char *path, struct load *out, struct err *e);
void load_clear(struct load *l);
