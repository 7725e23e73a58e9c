/* Inside of trial mode, shared by the app_trial*.c files. */
#pragma once

#include <pthread.h>

#include "app/app_trial.h"
#include "sim/sim_apns.h"
#include "sim/sim_fleet.h"

enum { APP_TRIAL_MACS = 3 };

struct app_trial {
	pthread_mutex_t lock; /* guards stopping */
	bool stopping;
	/* Constant once the guide runs. */
	char *dir, *apns_ca, *apns_host;
	char *url, *admin_url, *ca_pem, *token, *data_dir;
	struct sim_apns *apns;
	bool running;
	pthread_t guide;
	/* The guide's until app_trial_halt() has joined it. */
	struct sim_mac *macs[APP_TRIAL_MACS];
	struct sim_fleet *fleet;
};

bool app_trial_stopping(struct app_trial *t);
/* File of a Mac's state; caller's. */
char *app_trial_mac_path(const struct app_trial *t, size_t i);
/* The guide's thread. */
void *app_trial_guide(void *arg);
