/*
 * The catalogue of macOS commands: data, one row a key, from Apple's schema.
 * Turns JSON from the API into a checked Command dictionary.
 */
#pragma once

#include <jansson.h>

#include "core/str.h"

/* How a command may be sent by an administrator. */
enum mdm_danger {
	MDM_HARMLESS,
	MDM_DESTRUCTIVE, /* needs the right to destroy */
	MDM_ORDER_ONLY   /* lock, wipe: only as an order */
};

/* Unknown to the catalogue: ERR_INVALID "unknown_command". */
MUST_CHECK bool mdm_catalogue_danger(
    const char *request_type, enum mdm_danger *out, struct err *e);

/*
 * args: JSON object with the keys of the command, data as base64 strings; or
 * NULL.  Unknown, missing and wrongly typed keys are ERR_INVALID naming the
 * key path.  Appends the XML <dict> of Command.
 */
MUST_CHECK bool mdm_catalogue_build(const char *request_type,
    const json_t *args, struct buf *out, struct err *e);
/* Rules beyond the types: a DeviceName of more than 15 characters is refused
 * (name_too_long).  Called by mdm_catalogue_build(). */

/* Names of all commands, NULL-ended. */
const char *const *mdm_catalogue_names(void);
