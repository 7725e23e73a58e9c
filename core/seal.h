/*
 * Sealing of secrets at rest: AES-256-GCM under a master key that lives in a
 * file outside the database.  Thread-safe after creation.
 */
#pragma once

#include "core/str.h"

struct seal;

/*
 * Reads the 32-byte master key from path, or creates the file (mode 0600)
 * with a random key when it does not exist.  A file that group or others can
 * read is ERR_INVALID.
 */
MUST_CHECK bool seal_open(const char *path, struct seal **out, struct err *e);
void seal_free(struct seal **s);

/*
 * Appends nonce, ciphertext and tag of plain to out.  context ("order.pin:" +
 * id) is authenticated, not stored: a sealed value moved to another row does
 * not open.
 */
MUST_CHECK bool seal_put(const struct seal *s, const char *context,
    struct slice plain, struct buf *out, struct err *e);
/* The reverse; ERR_INTERNAL when it does not authenticate. */
MUST_CHECK bool seal_get(const struct seal *s, const char *context,
    struct slice sealed, struct buf *out, struct err *e);
/*
 * HMAC-SHA-256 under a key derived from the master key for this purpose; for
 * looking up challenges and tokens that are stored only in this form.
 */
void seal_mac(const struct seal *s, const char *purpose, struct slice in,
    char out_hex[65]);
