/* The settings of the server: one table, printed as help and docs. */
#pragma once

#include "certs/cert_authority.h"
#include "core/settings.h"

extern const struct setting_row app_settings[];
extern const size_t app_settings_count;

struct app_args;
/* DATA/mutsu.conf or --config, the environment, then the options. */
MUST_CHECK bool app_settings_load(
    struct settings *s, const struct app_args *a, struct err *e);
/* What has to hold between settings, and names that must be known.
 * ERR_INVALID says which setting is wrong. */
MUST_CHECK bool app_settings_check(const struct settings *s, struct err *e);
/* All of the authority's options but where the vault is: seal and dir.  Strings
 * are the settings'. */
MUST_CHECK bool app_settings_authority(const struct settings *s,
    struct cert_authority_options *out, struct err *e);
/* ERR_INVALID: the kinds of keys do not fit what they are for. */
MUST_CHECK bool app_settings_authority_key(
    const struct cert_authority_options *o, struct err *e);
/* The first line of the file that apns-proxy-credentials names, the caller's;
 * NULL: no setting. */
MUST_CHECK bool app_settings_proxy_credentials(
    const struct settings *s, char **out, struct err *e);
/* public-url without a slash at its end, the caller's; NULL: no setting. */
char *app_settings_public_url(const struct settings *s);
/* The host that a URL names, as a certificate has it: of "[::1]" what is
 * between the brackets.  The caller's. */
char *app_settings_host(const char *url);
bool app_settings_loopback(const char *address);
/* "scheme://host:port", an IPv6 address in brackets; of a wildcard address,
 * loopback.  The caller's. */
char *app_settings_url(const char *scheme, const char *host, int port);
