/* What the subcommands of mutsu ca share.  One thread. */
#pragma once

#include "app/app_cli.h"
#include "certs/cert_authority.h"
#include "core/settings.h"

/* What every command needs, opened. */
struct app_ca_desk {
	struct settings *settings;
	char *keys, *master;
	struct seal *seal;
	struct store *store;
	struct cert_authority_options o;
	bool any;
	bool look; /* beside a server that works; no key is opened */
};

/* The settings file, for those without options of their own. */
extern const struct app_option app_ca_options[];

/* ERR_NOT_FOUND: there is no authority yet. */
MUST_CHECK bool app_ca_snapshot(
    struct app_ca_desk *d, struct cert_authority **out, struct err *e);
/* All certificates of the authority, and an open request, as they are now. */
MUST_CHECK bool app_ca_show(
    const struct app_args *a, struct app_ca_desk *d, struct err *e);
/*
 * Before the key of row id is destroyed: asks to type the id, unless --yes was
 * given.  ERR_INVALID: nobody to ask, or something else was typed.
 */
MUST_CHECK bool app_ca_confirm(
    const struct app_args *a, const char *id, struct err *e);
/* Of those that ask. */
extern const struct app_option app_ca_drop_options[];

typedef bool (*app_ca_fn)(
    const struct app_args *a, struct app_ca_desk *d, struct err *e);
/* Opens the desk, does it, says on standard error why not; the exit code. */
int app_ca_run(const struct app_args *a, app_ca_fn what);
/* The same for what changes nothing: the server may have the database. */
int app_ca_look(const struct app_args *a, app_ca_fn what);
/* The same, and may be the beginning of an installation. */
int app_ca_begin(const struct app_args *a, app_ca_fn what);

/* A subcommand has no argument for its table's row. */
#define APP_CA_WITH(run, name)                                                 \
	static int name##_command(const struct app_args *a)                    \
	{                                                                      \
		return run(a, name);                                           \
	}
#define APP_CA_COMMAND(name) APP_CA_WITH(app_ca_run, name)
#define APP_CA_LOOK(name) APP_CA_WITH(app_ca_look, name)
#define APP_CA_BEGIN(name) APP_CA_WITH(app_ca_begin, name)
