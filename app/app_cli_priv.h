/* What the sources of the command line itself share. */
#pragma once

#include "app/app_cli.h"

/* ---- app_cli_options.c ---- */

/*
 * Reads what stands behind the name of the command c into *a, whose local is
 * set.  False: what is wrong was said on standard error.
 */
bool app_cli_parse(struct app_args *a, const struct app_subcommand *c,
    const char *const *argv, size_t count);
/* "usage: mutsu ca show [OPTIONS]". */
void app_cli_usage(FILE *f, const struct app_subcommand *c);
/* The options of c on standard output, a line each; local as in app_args. */
void app_cli_options_help(const struct app_subcommand *c, bool local);
