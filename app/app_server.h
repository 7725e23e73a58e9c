/*
 * The server: every service made from the settings, wired and started.  Made
 * and ended by the main thread.
 */
#pragma once

#include "api/api_service.h"
#include "apns/apns_scheduler.h"
#include "core/settings.h"
#include "enroll-profiles/enroll_service.h"
#include "mdm/mdm_service.h"
#include "scep/scep_service.h"

struct app_server;

/* Opens the data directory, makes what is missing, starts to listen. */
MUST_CHECK bool app_server_start(
    const struct settings *s, struct app_server **out, struct err *e);
/* Finishes what is under way and closes everything. */
void app_server_stop(struct app_server **s);

/* SIGHUP: looks at the files that may have changed.  Any thread. */
void app_server_reload(struct app_server *s);

const char *app_server_url(const struct app_server *s);
const char *app_server_admin_url(const struct app_server *s);
