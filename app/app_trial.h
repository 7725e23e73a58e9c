/*
 * Trial mode: without an Apple push certificate the program shows itself with
 * a simulated APNs and three simulated Macs that enrol through the real
 * listeners.  Made by the main thread; the guide runs in its own.
 */
#pragma once

#include "core/seal.h"
#include "store/store.h"

struct app_trial;

/* Topic of the trial's push certificate; never one of Apple's. */
#define APP_TRIAL_TOPIC                                                        \
	"com.apple.mgmt.External.00000000-0000-4000-8000-000074726961"

/* Starts the simulated APNs and stores a push certificate for it unless
 * there is one.  dir is below the data directory. */
MUST_CHECK bool app_trial_open(struct store *st, const struct seal *seal,
    const char *dir, struct app_trial **out, struct err *e);
/* "127.0.0.1:PORT" of the simulated APNs, and its trust anchor's file. */
const char *app_trial_apns(const struct app_trial *t);
const char *app_trial_apns_ca(const struct app_trial *t);

struct app_trial_server {
	const char *url, *admin_url; /* of the two sides */
	const char *ca_pem;          /* anchor of the device side */
	const char *token;           /* of an administrator */
	const char *data_dir;
};
/* Enrols the Macs, gives the orders and prints the result, in a thread of its
 * own; once that was printed, the Macs only go on at later starts.  Everything
 * is copied. */
void app_trial_run(struct app_trial *t, const struct app_trial_server *s);
/* Stops and saves the Macs; the simulated APNs goes on.  NULL: nothing. */
void app_trial_halt(struct app_trial *t);
/* Stops the simulated APNs. */
void app_trial_close(struct app_trial **t);
