/* The settings of the server: one table, printed as help and docs. */
#pragma once

#include "certs/cert_key.h"
#include "core/settings.h"

extern const struct setting_row app_settings[];
extern const size_t app_settings_count;

/* What has to hold between settings, and names that must be known.
 * ERR_INVALID says which setting is wrong. */
MUST_CHECK bool app_settings_check(const struct settings *s, struct err *e);
/* Kind of the issuing CA's key; ERR_INVALID: no such kind. */
MUST_CHECK bool app_settings_issuing_key(
    const struct settings *s, enum cert_key_kind *out, struct err *e);
bool app_settings_loopback(const char *address);
