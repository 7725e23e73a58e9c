/*
 * Settings: one table of rows (name, type, default, help), filled from a file
 * ("name = value" lines), then environment (MUTSU_NAME), then options of the
 * command line (--name value).  Help text and docs are printed from the rows.
 * Read-only after start.
 */
#pragma once

#include "core/str.h"

enum setting_type { SETTING_STR, SETTING_INT, SETTING_BOOL };

struct setting_row {
	const char *name; /* "device-port" */
	enum setting_type type;
	const char *initial; /* default as text; NULL: unset */
	int64_t min, max;    /* SETTING_INT */
	const char *help;
};

struct settings;

/* rows stay borrowed for the life of the settings. */
struct settings *settings_new(const struct setting_row *rows, size_t count);
void settings_free(struct settings **s);
/*
 * Reads a file of lines "name = value"; empty lines and lines that begin with
 * '#' are skipped.  ERR_INVALID names file, line and setting, also for one
 * that is there twice; ERR_NOT_FOUND: no file.
 */
MUST_CHECK bool settings_load(
    struct settings *s, const char *path, struct err *e);
/* Variables of the environment that have no row are left alone. */
MUST_CHECK bool settings_env(struct settings *s, struct err *e);
/*
 * ERR_INVALID for an unknown name or a bad value; "yes", "true", "on", "1" and
 * their opposites are booleans.  An empty string unsets a SETTING_STR.
 */
MUST_CHECK bool settings_set(
    struct settings *s, const char *name, const char *value, struct err *e);
/* NULL, 0 or false when unset.  Asking for a name that has no row is a bug
 * (asserted). */
const char *settings_str(const struct settings *s, const char *name);
int64_t settings_int(const struct settings *s, const char *name);
bool settings_bool(const struct settings *s, const char *name);
/* Was it set, to something, by file, environment or option?  Else it is its
 * default. */
bool settings_given(const struct settings *s, const char *name);
/* One line a row: name, default, help. */
void settings_help(
    const struct setting_row *rows, size_t count, struct buf *out);
