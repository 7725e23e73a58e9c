/* Files of our own data directory. */
#pragma once

#include "core/str.h"

/*
 * Reads the whole file; longer than max is ERR_TOO_LARGE, absent is
 * ERR_NOT_FOUND.
 */
MUST_CHECK bool file_read(
    const char *path, size_t max, struct buf **out, struct err *e);
/* Writes a new file beside path, syncs and renames it over path. */
MUST_CHECK bool file_write(
    const char *path, struct slice data, unsigned mode, struct err *e);
/*
 * As file_write(), but never over an existing path: ERR_CONFLICT.  The file
 * appears whole or not at all.
 */
MUST_CHECK bool file_create(
    const char *path, struct slice data, unsigned mode, struct err *e);
/* Could file_write() make or replace it, as far as can be seen before?
 * ERR_INVALID says why not. */
MUST_CHECK bool file_may_write(const char *path, struct err *e);
bool file_exists(const char *path);
/* Makes the directory (mode 0700) and its parents; existing is fine. */
MUST_CHECK bool file_mkdir(const char *path, struct err *e);
/* ERR_INVALID if group or others have any right on it. */
MUST_CHECK bool file_private(const char *path, struct err *e);
