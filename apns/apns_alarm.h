/* The push certificate's last days.  No state; the caller's transaction. */
#pragma once

#include "store/store.h"

/*
 * Tells of each certificate in use that has 60, 30, 14, 7 or 1 days left, or
 * none: one event push_certificate.expiring or push_certificate.expired, and
 * one log line, for each of these steps, however often it is called.
 */
MUST_CHECK bool apns_alarm(struct store_tx *tx, int64_t now_ms, struct err *e);

/* Days left at which somebody is told; 0: expired; -1: no step reached. */
int64_t apns_alarm_step(int64_t left_ms);
