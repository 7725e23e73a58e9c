/* What the sources of mutsu scep share. */
#pragma once

#include "app/app_cli.h"

/*
 * The challenge of a request: from the file at path, else from the environment
 * (MUTSU_SCEP_CHALLENGE), else, with ask, from the terminal; never an argument,
 * which other users of the machine could see.  *out stays NULL when there is
 * none; free with str_wipe().
 */
MUST_CHECK bool app_scep_challenge(
    const char *path, bool ask, char **out, struct err *e);
