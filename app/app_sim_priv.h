/* What the sim subcommands share. */
#pragma once

#include <signal.h>

#include "app/app_cli.h"

/* Number of an option; false after a message. */
bool app_sim_number(const struct app_args *a, const char *name, int64_t absent,
    int64_t max, int64_t *out);
void app_sim_block_signals(sigset_t *set);
/* Until a signal, or so many seconds (0: no end). */
void app_sim_wait(const sigset_t *set, int64_t seconds);
int app_sim_mac(const struct app_args *a);
