/*
 * A simulated Mac's end of the device channel (sim_apns.h).  One connection
 * may speak for many Macs.  Belongs to one thread.
 */
#pragma once

#include "core/str.h"

struct sim_apns_device;

MUST_CHECK bool sim_apns_device_connect(const char *address, uint16_t port,
    struct sim_apns_device **out, struct err *e);
void sim_apns_device_free(struct sim_apns_device **d);
/* From now on hears the pushes for this token, and the one that waited. */
MUST_CHECK bool sim_apns_device_hello(
    struct sim_apns_device *d, const char *token_hex, struct err *e);
/* Readable when something came; then call sim_apns_device_next() with a
 * timeout of 0 until it has no more. */
int sim_apns_device_fd(const struct sim_apns_device *d);

struct sim_apns_device_push {
	const char *token;   /* lower-case hex */
	const char *payload; /* JSON */
};
/*
 * The next push; *got false: none came within timeout_ms.  Its strings are
 * valid until the next call.  ERR_UNAVAILABLE: the simulated APNs is gone.
 */
MUST_CHECK bool sim_apns_device_next(struct sim_apns_device *d,
    int64_t timeout_ms, struct sim_apns_device_push *out, bool *got,
    struct err *e);
