/* What the files of backup and restore share.  Not for other directories. */
#pragma once

#include <jansson.h>
#include <string.h>

#include "core/encode.h"
#include "core/json.h"

enum { CERT_ROLL_SALT_SIZE = 16 };

/* The code of rows, lower-case hex. */
MUST_CHECK bool cert_roll_mac(struct slice passphrase,
    const uint8_t salt[CERT_ROLL_SALT_SIZE], const json_t *rows,
    char out[SHA256_HEX_SIZE], struct err *e);
/* By "salt" and "mac" of the backup; ERR_INVALID: another passphrase, or not
 * what was written. */
MUST_CHECK bool cert_roll_mac_check(struct slice passphrase,
    const json_t *backup, const json_t *rows, struct err *e);
