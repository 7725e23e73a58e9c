/*
 * The error type: formatting, context, and the two foreign sources of reasons
 * (errno and OpenSSL's queue).  No state of its own; the error lives on its
 * caller's stack.  Any thread may call.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "core/err.h"
#include "core/str.h"

/* Here they are defined, not called. */
#undef err_set
#undef err_slug
#undef err_wrap
#undef err_openssl
#undef err_errno

/* Twice the text of an error: context and what it is put before. */
enum { WORK_SIZE = 2 * sizeof(((struct err *)NULL)->text) };

/* What the API calls each code when nobody gave a better name. */
static const char *const names[ERR_CODES] = {
	[ERR_NONE] = "none",
	[ERR_INVALID] = "invalid",
	[ERR_UNAUTHORIZED] = "unauthorized",
	[ERR_FORBIDDEN] = "forbidden",
	[ERR_NOT_FOUND] = "not_found",
	[ERR_CONFLICT] = "conflict",
	[ERR_REFUSED] = "refused",
	[ERR_TOO_LARGE] = "too_large",
	[ERR_RATE] = "rate_limited",
	[ERR_UNAVAILABLE] = "unavailable",
	[ERR_INTERNAL] = "internal",
};

static void
set(struct err *e, enum err_code code, const char *slug, const char *text)
{
	assert(code > ERR_NONE && code < ERR_CODES);
	e->code = code;
	e->slug = slug;
	str_copy_cut(e->text, sizeof(e->text), text);
}

/* The arguments may point into the text of the error that is being set. */
#define FORMAT(work, fmt)                                                      \
	do {                                                                   \
		va_list ap_;                                                   \
		va_start(ap_, fmt);                                            \
		vsnprintf(work, sizeof(work), fmt, ap_);                       \
		va_end(ap_);                                                   \
	} while (0)

bool
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	char text[WORK_SIZE];

	FORMAT(text, fmt);
	set(e, code, NULL, text);
	return false;
}

bool
err_slug(
    struct err *e, enum err_code code, const char *slug, const char *fmt, ...)
{
	char text[WORK_SIZE];

	FORMAT(text, fmt);
	set(e, code, slug, text);
	return false;
}

/* Puts ": " and more behind text, as far as there is room. */
static void
append(char text[WORK_SIZE], const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, WORK_SIZE - used, ": %s", more);
}

bool
err_wrap(struct err *e, const char *fmt, ...)
{
	char text[WORK_SIZE];

	assert(e->code != ERR_NONE);
	FORMAT(text, fmt);
	append(text, e->text);
	set(e, e->code, e->slug, text);
	return false;
}

bool
err_openssl(struct err *e, enum err_code code, const char *fmt, ...)
{
	unsigned long last = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(last);
	char text[WORK_SIZE];

	FORMAT(text, fmt);
	if (reason != NULL)
		append(text, reason);
	ERR_clear_error();
	set(e, code, NULL, text);
	return false;
}

bool
err_errno(struct err *e, enum err_code code, const char *fmt, ...)
{
	int number = errno;
	char room[128];
	char text[WORK_SIZE];

	FORMAT(text, fmt);
	append(text, strerror_r(number, room, sizeof(room)));
	set(e, code, NULL, text);
	return false;
}

const char *
err_name(const struct err *e)
{
	if (e->slug != NULL)
		return e->slug;
	return (unsigned)e->code < ERR_CODES ? names[e->code]
	                                     : names[ERR_INTERNAL];
}
