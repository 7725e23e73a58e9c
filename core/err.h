/*
 * The one error type.
 *
 * What can fail returns bool and takes a struct err * as its last parameter.
 * On failure it fills that and writes nothing else; on success it leaves it
 * alone.  Nobody both logs and returns an error: the function that ends an
 * error's journey logs it, once.
 */
#pragma once

#include <stdbool.h>

#include "core/auto.h"

/* Why something failed.  http/http_reply.c maps codes to HTTP statuses. */
enum err_code {
	ERR_NONE,
	ERR_INVALID,      /* what the peer sent is wrong: 400 */
	ERR_UNAUTHORIZED, /* no credentials, or bad ones: 401 (admin side only)
	                   */
	ERR_FORBIDDEN,    /* known, but may not: 403 */
	ERR_NOT_FOUND,    /* 404 */
	ERR_CONFLICT,     /* against the present state: 409 */
	ERR_REFUSED,      /* a rule of the service forbids it: 422 */
	ERR_TOO_LARGE,    /* a bound of core/limits.h: 413 */
	ERR_RATE,         /* too many, try later: 429 */
	ERR_UNAVAILABLE,  /* a dependency is away, try later: 503 */
	ERR_INTERNAL,     /* our fault: 500 */
	ERR_CODES         /* how many there are */
};

struct err {
	enum err_code code;
	/*
	 * Stable machine-readable name for the API ("wipe_refused_t2"), or
	 * NULL for the default of the code.  A string literal.
	 */
	const char *slug;
	char text[240]; /* for log and API; never holds a secret */
};

/* Sets e (slug becomes NULL); always false: "return err_set(e, ...)". */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
    PRINTF(3, 4);

/* As err_set(), with a slug, which must be a string literal. */
bool err_slug(struct err *e, enum err_code code, const char *slug,
    const char *fmt, ...) PRINTF(4, 5);

/* Puts "context: " before the text and keeps code and slug; always false. */
bool err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/*
 * Sets e from OpenSSL's error queue of this thread and empties the queue;
 * always false.  Every OpenSSL failure goes through here.
 */
bool err_openssl(struct err *e, enum err_code code, const char *fmt, ...)
    PRINTF(3, 4);

/* Sets e to "<formatted>: <description of errno>"; always false. */
bool err_errno(struct err *e, enum err_code code, const char *fmt, ...)
    PRINTF(3, 4);

/* The slug of e, or the name of its code ("not_found"); never NULL. */
const char *err_name(const struct err *e);

/*
 * The setters above are functions of another file, whose "always false" no
 * compiler or analyser can see: with this they can, and know that what is
 * behind a successful call was filled.
 */
static inline bool
err_false(bool returned)
{
	(void)returned;
	return false;
}
#define err_set(...) err_false(err_set(__VA_ARGS__))
#define err_slug(...) err_false(err_slug(__VA_ARGS__))
#define err_wrap(...) err_false(err_wrap(__VA_ARGS__))
#define err_openssl(...) err_false(err_openssl(__VA_ARGS__))
#define err_errno(...) err_false(err_errno(__VA_ARGS__))
